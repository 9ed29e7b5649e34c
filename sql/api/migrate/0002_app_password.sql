-- Passwords that people make for single programs. What is kept is a hash: a secret of 140 random bits needs no slow one.

CREATE TABLE app_password (
    id        uuid PRIMARY KEY,
    person    uuid NOT NULL,                               -- whose: DAV:resource-id of their home
    name      text NOT NULL,                               -- the user name that it is checked with
    label     text NOT NULL,                               -- what they call it
    hash      bytea NOT NULL UNIQUE,                       -- SHA-256
    read_only boolean NOT NULL,
    calendars text[],                                      -- names in the home; none is all that they may
    expires   timestamptz,
    created   timestamptz NOT NULL DEFAULT now(),
    used      timestamptz,                                 -- last, to within seconds
    used_from text
);
CREATE INDEX ON app_password (person);
