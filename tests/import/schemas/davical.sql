-- Of DAViCal, what is read of it; columns are named as they are there.
CREATE TABLE usr (user_no int PRIMARY KEY, active boolean DEFAULT true, username text NOT NULL, password text, fullname text, email text);
CREATE TABLE principal (principal_id bigint PRIMARY KEY, type_id bigint NOT NULL, user_no bigint, displayname text, default_privileges bit(24));
CREATE TABLE collection (
    user_no int, parent_container text, dav_name text, dav_etag text, dav_displayname text, is_calendar boolean,
    publicly_readable boolean NOT NULL DEFAULT false, collection_id bigint PRIMARY KEY, default_privileges bit(24),
    is_addressbook boolean DEFAULT false, resourcetypes text DEFAULT '<DAV::collection/>', schedule_transp text DEFAULT 'opaque',
    timezone text, description text DEFAULT '');
CREATE TABLE caldav_data (
    user_no int, dav_name text, dav_etag text, caldav_data text, caldav_type text, dav_id bigint UNIQUE, collection_id bigint,
    PRIMARY KEY (user_no, dav_name));
CREATE TABLE property (dav_name text, property_name text, property_value text, PRIMARY KEY (dav_name, property_name));
CREATE TABLE grants (by_principal bigint, by_collection bigint, to_principal bigint, privileges bit(24), is_group boolean);
CREATE TABLE dav_binding (
    bind_id bigint PRIMARY KEY, bound_source_id bigint, dav_owner_id bigint NOT NULL, parent_container text NOT NULL,
    dav_name text UNIQUE NOT NULL, dav_displayname text, external_url text, type text);

INSERT INTO usr VALUES
    (1, true, 'alice', '**x', 'Alice A.', 'alice@example.org'), (2, true, 'Bob', '**x', 'Bob B.', 'alice@example.org'),
    (3, true, 'staff', '', 'Staff', ''), (4, false, 'gone', '', 'Gone', 'gone@example.org');
INSERT INTO principal VALUES
    (11, 1, 1, 'Alice', NULL), (12, 1, 2, '', NULL), (13, 3, 3, 'Staff', NULL), (14, 1, 4, 'Gone', NULL);
INSERT INTO collection (user_no, parent_container, dav_name, dav_displayname, is_calendar, collection_id, resourcetypes, schedule_transp, description)
VALUES
    (1, '/alice/', '/alice/work/', 'W & Co', true, 21, '<DAV::collection/><urn:ietf:params:xml:ns:caldav:calendar/>', 'transp', 'About'),
    (1, '/alice/', '/alice/addresses/', 'Addresses', false, 22, '<DAV::collection/>', 'opaque', ''),
    (1, '/alice/', '/alice/.in/', 'In', true, 23, '<DAV::collection/><urn:ietf:params:xml:ns:caldav:schedule-inbox/>', 'opaque', ''),
    (4, '/gone/', '/gone/old/', 'Old', true, 24, '<DAV::collection/><urn:ietf:params:xml:ns:caldav:calendar/>', 'opaque', '');
INSERT INTO property VALUES
    ('/alice/work/', 'http://apple.com/ns/ical/:calendar-color', '#123456FF'),
    ('/alice/work/', 'urn:ietf:params:xml:ns:caldav:supported-calendar-component-set', '<C:comp name="VEVENT"/>'),
    ('/alice/addresses/', 'http://apple.com/ns/ical/:calendar-color', '#000000');
-- DAV:read with free-busy, and DAV:write.
INSERT INTO grants VALUES
    (NULL, 21, 12, (4609 | 198)::bit(24), false), (NULL, 21, 14, 0::bit(24), false), (11, NULL, 13, 4609::bit(24), true);
INSERT INTO dav_binding VALUES (31, NULL, 11, '/alice/', '/alice/feed/', 'Feed', 'https://x.example/feed.ics', 'calendar');
