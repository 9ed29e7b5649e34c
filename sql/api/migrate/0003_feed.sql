-- Secret links to calendars. The token is kept as it is: pages show a link again, and who can read this can read the calendars.

CREATE TABLE feed (
    id            uuid PRIMARY KEY,
    person        uuid NOT NULL,                           -- whose: DAV:resource-id of their home
    name          text NOT NULL,                           -- the user name that they were last seen with
    calendar      uuid NOT NULL,                           -- DAV:resource-id of the calendar, which stays when it is called otherwise
    place         text NOT NULL,                           -- its name in the home, as last seen
    busy_only     boolean NOT NULL,
    token         text NOT NULL UNIQUE,
    calendar_name text NOT NULL,                           -- what the file is called
    label         text NOT NULL,                           -- what its owner calls it
    active        boolean NOT NULL DEFAULT true,
    created       timestamptz NOT NULL DEFAULT now(),
    used          timestamptz,                             -- last, to within seconds
    UNIQUE (person, calendar, busy_only)
);
