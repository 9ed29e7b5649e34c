-- What the REST service keeps of people, and CalDAV does not know: how they want to be talked to.
-- Everything of this service lies in a schema of its own (kalends_api), where its migrations run.

CREATE TABLE person (
    id       uuid PRIMARY KEY,                            -- DAV:resource-id of their home, which stays when their name changes
    name     text NOT NULL,                        -- the user name that they were last seen with
    language text,
    timezone text,
    seen     timestamptz NOT NULL DEFAULT now()           -- first
);
