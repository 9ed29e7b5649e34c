-- Who is told of changes (caldav-notifications section 5.3.4).

-- Whether anybody ever wanted to be: what nobody watches costs its writers no look. Changed under the row's lock.
ALTER TABLE calendar ADD watched boolean NOT NULL DEFAULT false;

-- In the home of the calendar.
CREATE TABLE watch (
    home_id      bigint NOT NULL,
    calendar_id  bigint NOT NULL,
    principal_id bigint NOT NULL REFERENCES principal ON DELETE CASCADE,
    wanted       boolean NOT NULL,
    PRIMARY KEY (home_id, calendar_id, principal_id),
    FOREIGN KEY (home_id, calendar_id) REFERENCES calendar ON DELETE CASCADE
);
-- Notifications, which are forgotten in time.
CREATE INDEX object_told ON object (modified) WHERE component = 0;

CREATE INDEX watch_principal ON watch (principal_id);
