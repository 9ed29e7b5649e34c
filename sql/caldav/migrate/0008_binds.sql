-- Calendars that are seen in other homes than the one they are kept in.

-- Whether there may be any such home: what is nobody else's costs its writers no look at them. Changed under the row's lock.
ALTER TABLE calendar ADD shared boolean NOT NULL DEFAULT false;

-- What a home sees that is kept elsewhere; and where what is kept in a home is seen elsewhere.
CREATE INDEX bind_elsewhere ON bind (home_id, calendar_id, owner_home_id) WHERE owner_home_id <> home_id;
CREATE INDEX bind_seen ON bind (owner_home_id, calendar_id, home_id) WHERE owner_home_id <> home_id;
