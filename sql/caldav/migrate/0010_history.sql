-- Who changed what, when and with which program, and what was there before.

-- The log: nothing in it changes but whether it lies in the trash, and what is old enough goes. An entry holds what the
-- change took away, so the state at a time is what the first entry behind that time has, or else what is there now.
CREATE TABLE history (
    home_id     bigint NOT NULL,
    calendar_id bigint NOT NULL,
    name        text NOT NULL,                                        -- of the object; empty: of the calendar itself
    id          bigint GENERATED ALWAYS AS IDENTITY,                  -- its place in the log
    revision    bigint NOT NULL,                                      -- of the calendar, with the change
    at          timestamptz NOT NULL DEFAULT now(),
    author      bigint,                                               -- the principal; null: the server, or whoever runs it
    client      text NOT NULL,                                        -- the product that the program calls itself
    action      smallint NOT NULL,                                    -- 0 made, 1 changed, 2 deleted, 3 moved away, 4 moved here, 5 renamed,
                                                                      -- 6 properties set, 7 access changed, 8 restored
    detail      text,                                                 -- of a calendar: the name that it had
    trashed     boolean NOT NULL DEFAULT false,                       -- a deletion that can be taken back
    uid         text,
    component   smallint,
    etag        text,                                                 -- of the octets
    size        integer NOT NULL DEFAULT 0,
    body        bytea,                                                -- what was there before
    PRIMARY KEY (home_id, calendar_id, name, id),
    FOREIGN KEY (home_id, calendar_id) REFERENCES calendar ON DELETE CASCADE
) WITH (toast_tuple_target = 256);
CREATE INDEX history_at ON history (at);
CREATE INDEX history_trash ON history (home_id, id) WHERE trashed;

-- Read seldom, and by few: where the server has it, the compression that costs a writer least.
DO $$
BEGIN
    ALTER TABLE history ALTER body SET COMPRESSION lz4;
EXCEPTION WHEN feature_not_supported THEN
    NULL;
END
$$;

ALTER TABLE calendar
    ADD kept    bigint NOT NULL DEFAULT 0,                            -- octets of its entries in the log, and 256 for each
    ADD trashed timestamptz,                                          -- when it was deleted: it is in no listing, and has no bind
    ADD former  text;                                                 -- the name that it had then
CREATE INDEX calendar_trashed ON calendar (home_id, trashed) WHERE trashed IS NOT NULL;
