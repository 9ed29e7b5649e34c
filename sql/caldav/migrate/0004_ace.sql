-- Who may do what with a home and what is in it, besides its owner: all rights are computed from these rows, and DAV:acl is
-- made of them (RFC 3744 section 5.5).
CREATE TABLE ace (
    home_id      bigint NOT NULL REFERENCES home ON DELETE CASCADE,
    calendar_id  bigint NOT NULL,                                     -- 0: of the home, and of everything in it
    place        integer NOT NULL,                                    -- its place in the list, from 1
    grantee      smallint NOT NULL,                                   -- 0 a principal, 1 a group, 2 who signed in, 3 everybody, 4 the owner
    principal_id bigint REFERENCES principal ON DELETE CASCADE,
    group_name   text,                                                -- as the proxy tells it
    privileges   integer NOT NULL,                                    -- one bit a privilege, parts of aggregates among them
    PRIMARY KEY (home_id, calendar_id, place),
    CHECK ((grantee = 0) = (principal_id IS NOT NULL) AND (grantee = 1) = (group_name IS NOT NULL))
);
CREATE UNIQUE INDEX ace_grantee ON ace (home_id, calendar_id, grantee, coalesce(principal_id, 0), coalesce(group_name, ''));
CREATE INDEX ace_principal ON ace (principal_id) WHERE principal_id IS NOT NULL;
CREATE INDEX ace_group ON ace (group_name) WHERE group_name IS NOT NULL;

-- Who is in a group.
CREATE INDEX principal_groups ON principal USING gin (groups);
