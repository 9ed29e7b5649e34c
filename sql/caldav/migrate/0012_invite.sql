-- To whom a calendar is shared, as its owner sees it. What somebody may do is not kept here but in ace, which has a row for
-- each invite of a person or group that is known; only of a sharee whom nobody knows yet what they shall get is kept here.

CREATE TABLE invite (
    home_id      bigint NOT NULL,
    calendar_id  bigint NOT NULL,
    uid          uuid NOT NULL DEFAULT gen_random_uuid(),
    address      text,                                                -- the mail address by which they were invited, if by one
    principal_id bigint REFERENCES principal ON DELETE CASCADE,
    group_name   text,
    member       boolean NOT NULL DEFAULT false,                      -- invited through groups alone
    common_name  text,                                                -- as the owner calls them
    summary      text,
    privileges   integer NOT NULL DEFAULT 0,                          -- of those who are neither a person nor a group that is known
    status       smallint NOT NULL,                                   -- 0 not answered, 1 accepted, 2 declined
    created      timestamptz NOT NULL DEFAULT now(),
    modified     timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (home_id, calendar_id, uid),
    FOREIGN KEY (home_id, calendar_id) REFERENCES calendar ON DELETE CASCADE,
    CHECK (principal_id IS NULL OR group_name IS NULL),
    CHECK (principal_id IS NOT NULL OR group_name IS NOT NULL OR address IS NOT NULL)
);
CREATE UNIQUE INDEX invite_person ON invite (home_id, calendar_id, principal_id) WHERE principal_id IS NOT NULL;
CREATE UNIQUE INDEX invite_team ON invite (home_id, calendar_id, group_name) WHERE group_name IS NOT NULL;
CREATE UNIQUE INDEX invite_stranger ON invite (home_id, calendar_id, lower(address)) WHERE principal_id IS NULL AND group_name IS NULL;
-- Whom one looks for who signs in: everything of a person, of their groups, and of an address of which nobody knew whose it is.
CREATE INDEX invite_principal ON invite (principal_id) WHERE principal_id IS NOT NULL;
CREATE INDEX invite_group ON invite (group_name) WHERE group_name IS NOT NULL;
CREATE INDEX invite_address ON invite (lower(address)) WHERE principal_id IS NULL AND group_name IS NULL;

-- Lists that were there before: what lets somebody see something is a share (4: CALDAV:read-free-busy, 2: DAV:read).
INSERT INTO invite (home_id, calendar_id, principal_id, group_name, status)
SELECT home_id, calendar_id, principal_id, group_name, 1 FROM ace
WHERE calendar_id <> 0 AND grantee IN (0, 1) AND privileges & 4 <> 0 AND principal_id IS DISTINCT FROM home_id
  AND EXISTS (SELECT FROM calendar c WHERE c.home_id = ace.home_id AND c.id = ace.calendar_id AND c.kind = 0);
INSERT INTO invite (home_id, calendar_id, principal_id, member, status)
SELECT DISTINCT i.home_id, i.calendar_id, p.id, true, 1 FROM invite i JOIN principal p ON p.groups @> ARRAY[i.group_name]
WHERE i.group_name IS NOT NULL AND p.id <> i.home_id
ON CONFLICT DO NOTHING;
INSERT INTO bind (home_id, name, owner_home_id, calendar_id)
SELECT i.principal_id, gen_random_uuid()::text, i.home_id, i.calendar_id FROM invite i JOIN principal p ON p.id = i.principal_id
WHERE EXISTS (
    SELECT FROM ace a WHERE a.home_id = i.home_id AND a.calendar_id = i.calendar_id AND a.privileges & 2 <> 0
      AND (a.principal_id = p.id OR a.group_name = ANY (p.groups)))
ON CONFLICT DO NOTHING;
UPDATE calendar c SET shared = true, revision = revision + 1 WHERE EXISTS (SELECT FROM invite i WHERE i.home_id = c.home_id AND i.calendar_id = c.id);
UPDATE home_state s SET revision = revision + 1 WHERE EXISTS (SELECT FROM bind b WHERE b.home_id = s.home_id AND b.owner_home_id <> b.home_id);
