-- Write locks (RFC 4918 §6).

-- Until when there may be locks in it: what has none costs its writers no look at them. Changed under the row's lock.
ALTER TABLE calendar ADD locked timestamptz;

CREATE TABLE lock (
    home_id      bigint NOT NULL,
    calendar_id  bigint NOT NULL,
    token        uuid NOT NULL,
    member       text,                                                -- the name whose URL is the lock's root; null: the calendar
    principal_id bigint NOT NULL,                                     -- who took it, and alone may use it
    shared       boolean NOT NULL,
    infinite     boolean NOT NULL,                                    -- whether it is on the members of the calendar as well
    owner        text NOT NULL,                                       -- the DAV:owner as it was sent; empty: none
    seconds      integer NOT NULL,                                    -- how long it was granted for
    expires      timestamptz NOT NULL,
    created      timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (home_id, calendar_id, token),
    FOREIGN KEY (home_id, calendar_id) REFERENCES calendar ON DELETE CASCADE
);
