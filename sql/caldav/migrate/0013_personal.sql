-- What depends on who looks at an object: who may see it, and what each viewer who does not own it keeps of their own.
ALTER TABLE object
    ADD COLUMN access smallint,                                        -- bits 1 and 2: 0 public, 1 restricted, 2 confidential, 3 private; bit 4: the owner's own is in it; null: not known yet
    ADD COLUMN veiled bigint NOT NULL DEFAULT 0;                       -- of a private one: the revision at which it ceased to be seen by others; 0: it never was
CREATE INDEX object_unknown ON object (home_id) WHERE access IS NULL AND component > 0;
-- Tasks of which others see a part.
CREATE INDEX object_cut ON object (home_id, calendar_id) WHERE component = 2 AND (access IS NULL OR access & 3 > 0);

-- Of a private object that was deleted: the same; who never saw it is not told.
ALTER TABLE tombstone ADD COLUMN veiled bigint;

-- What somebody has said for themselves of an object in the home of another: alarms, transparency, travel, color.
CREATE TABLE personal (
    home_id      bigint NOT NULL,                                      -- the home that the object is kept in
    object_id    bigint NOT NULL,
    principal_id bigint NOT NULL REFERENCES principal ON DELETE CASCADE,
    data         bytea NOT NULL,                                       -- a VCALENDAR of nothing else
    PRIMARY KEY (home_id, object_id, principal_id),
    FOREIGN KEY (home_id, object_id) REFERENCES object ON UPDATE CASCADE ON DELETE CASCADE
);
CREATE INDEX personal_principal ON personal (principal_id, home_id);
