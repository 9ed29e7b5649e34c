-- Of Nextcloud, what is read of it; columns are named as they are there. {blob} is what octets lie in.
CREATE TABLE oc_users (uid varchar(64) PRIMARY KEY, displayname varchar(64), password varchar(255), uid_lower varchar(64));
CREATE TABLE oc_preferences (userid varchar(64), appid varchar(32), configkey varchar(64), configvalue text, PRIMARY KEY (userid, appid, configkey));
CREATE TABLE oc_calendars (
    id bigint PRIMARY KEY, principaluri varchar(255), displayname varchar(255), uri varchar(255), synctoken int, description varchar(255),
    calendarorder int, calendarcolor varchar(255), timezone text, components varchar(64), transparent smallint, deleted_at int);
CREATE TABLE oc_calendarobjects (
    id bigint PRIMARY KEY, calendardata {blob}, uri varchar(255), calendarid bigint, lastmodified int, etag varchar(32), size bigint,
    componenttype varchar(8), firstoccurence bigint, lastoccurence bigint, uid varchar(512), classification int, calendartype int, deleted_at int);
CREATE TABLE oc_calendarsubscriptions (
    id bigint PRIMARY KEY, uri varchar(255), principaluri varchar(255), displayname varchar(100), refreshrate varchar(10), calendarorder int,
    calendarcolor varchar(255), striptodos smallint, stripalarms smallint, stripattachments smallint, lastmodified int, synctoken int, source text);
CREATE TABLE oc_dav_shares (
    id bigint PRIMARY KEY, principaluri varchar(255), type varchar(255), access smallint, resourceid bigint, publicuri varchar(255));
CREATE TABLE oc_dav_cal_proxy (id bigint PRIMARY KEY, owner_id varchar(64), proxy_id varchar(64), permissions int);
CREATE TABLE oc_schedulingobjects (id bigint PRIMARY KEY, principaluri varchar(255), calendardata {blob}, uri varchar(255));
CREATE TABLE oc_filecache (fileid bigint PRIMARY KEY, name varchar(250));

INSERT INTO oc_users VALUES ('alice', 'Alice A.', 'x', 'alice'), ('Bob', 'Bob B.', 'x', 'bob');
INSERT INTO oc_preferences VALUES
    ('alice', 'settings', 'email', 'Alice@example.org'), ('Bob', 'settings', 'email', 'no address'), ('alice', 'core', 'lang', 'de');
INSERT INTO oc_calendars VALUES
    (1, 'principals/users/alice', 'W & Co', 'work', 7, 'About', 3, '#123456', NULL, 'VEVENT,VTODO', 1, NULL),
    (2, 'principals/users/alice', 'Birthdays', 'contact_birthdays', 7, NULL, 0, '#E9D859', NULL, 'VEVENT', 0, NULL),
    (3, 'principals/users/alice', 'Deleted', 'deleted', 7, NULL, 0, NULL, NULL, 'VEVENT', 0, 1790000000),
    (4, 'principals/users/Bob', 'His', 'his', 7, NULL, 0, NULL, NULL, 'VEVENT', 0, NULL),
    (5, 'principals/system/system', 'System', 'system', 7, NULL, 0, NULL, NULL, 'VEVENT', 0, NULL);
INSERT INTO oc_calendarsubscriptions VALUES
    (1, 'feed', 'principals/users/alice', 'Feed', NULL, 0, NULL, NULL, NULL, NULL, 0, 1, 'https://x.example/feed.ics');
-- 2 is read and write, 3 is read, 4 is everybody with the link, 5 is one that they have left.
INSERT INTO oc_dav_shares VALUES
    (1, 'principals/users/Bob', 'calendar', 2, 1, NULL), (2, 'principals/groups/staff', 'calendar', 3, 1, NULL),
    (3, 'principals/users/alice', 'calendar', 4, 1, 'Xy4'), (4, 'principals/users/alice', 'calendar', 3, 4, NULL),
    (5, 'principals/users/Bob', 'addressbook', 2, 4, NULL), (6, 'principals/circles/c1', 'calendar', 2, 1, NULL);
INSERT INTO oc_dav_cal_proxy VALUES (1, 'principals/users/alice', 'principals/users/Bob', 1);
INSERT INTO oc_filecache VALUES (1, 'x');
