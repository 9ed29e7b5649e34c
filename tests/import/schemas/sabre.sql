-- Of SabreDAV and Baikal, what is read of it; columns are named as they are there.
CREATE TABLE principals (id integer PRIMARY KEY, uri text, email text, displayname text);
CREATE TABLE groupmembers (id integer PRIMARY KEY, principal_id integer, member_id integer);
CREATE TABLE users (id integer PRIMARY KEY, username text, digesta1 text);
CREATE TABLE calendars (id integer PRIMARY KEY, synctoken integer DEFAULT 1, components text NOT NULL);
CREATE TABLE calendarinstances (
    id integer PRIMARY KEY, calendarid integer, principaluri text, access integer, displayname text, uri text NOT NULL, description text,
    calendarorder integer, calendarcolor text, timezone text, transparent bool, share_href text, share_displayname text,
    share_invitestatus integer DEFAULT 2);
CREATE TABLE calendarobjects (
    id integer PRIMARY KEY, calendardata blob NOT NULL, uri text NOT NULL, calendarid integer NOT NULL, lastmodified integer, etag text,
    size integer, componenttype text, firstoccurence integer, lastoccurence integer, uid text);
CREATE TABLE calendarsubscriptions (
    id integer PRIMARY KEY, uri text, principaluri text, source text, displayname text, refreshrate text, calendarorder integer,
    calendarcolor text, striptodos bool, stripalarms bool, stripattachments bool, lastmodified int);

INSERT INTO principals VALUES
    (1, 'principals/alice', 'alice@example.org', 'Alice A.'), (2, 'principals/alice/calendar-proxy-read', NULL, NULL),
    (3, 'principals/alice/calendar-proxy-write', NULL, NULL), (4, 'principals/Bob', 'bob@example.org', 'Bob B.');
INSERT INTO groupmembers VALUES (1, 3, 4);
INSERT INTO users VALUES (1, 'alice', 'x'), (2, 'Bob', 'x');
INSERT INTO calendars VALUES (1, 1, 'VEVENT'), (2, 1, 'VEVENT,VTODO');
INSERT INTO calendarinstances VALUES
    (1, 1, 'principals/alice', 1, 'W & Co', 'work', 'About', 3, '#123456FF', NULL, 1, NULL, NULL, 2),
    (2, 2, 'principals/alice', 1, 'Default calendar', 'default', NULL, 0, NULL, NULL, 0, NULL, NULL, 2),
    (3, 1, 'principals/Bob', 3, 'W & Co', 'shared-1', NULL, 0, '#000000', NULL, 0, 'mailto:bob@example.org', 'Bob', 2),
    (4, 1, NULL, 2, 'W & Co', 'shared-2', NULL, 0, NULL, NULL, 0, 'mailto:Stranger@example.org', 'Somebody', 1),
    (5, 1, NULL, 2, 'W & Co', 'shared-3', NULL, 0, NULL, NULL, 0, 'mailto:wrong@example.org', NULL, 4);
INSERT INTO calendarsubscriptions VALUES
    (1, 'feed', 'principals/alice', 'https://x.example/feed.ics', 'Feed', NULL, 0, NULL, NULL, NULL, NULL, 0);
