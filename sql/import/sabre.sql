-- SabreDAV and Baikal; Nextcloud and ownCloud, whose tables have a {prefix}. What is the same in PostgreSQL and SQLite is
-- written once; columns differ by version, so all are taken, and those that are not there tell nothing.

--: principals
SELECT * FROM "{prefix}principals" WHERE uri LIKE 'principals/%' ORDER BY id;

--: delegates
-- Who is in which group of SabreDAV; those of delegates are named after whose they are.
SELECT g.uri AS team, m.uri AS member FROM groupmembers x
JOIN principals g ON g.id = x.principal_id
JOIN principals m ON m.id = x.member_id;

--: instances
-- The calendars that somebody owns, in SabreDAV from 3.2 on.
SELECT i.*, c.components FROM calendarinstances i
JOIN calendars c ON c.id = i.calendarid
WHERE i.principaluri = $1 AND i.access = 1
ORDER BY i.id;

--: sharees
-- Who else sees one of them.
SELECT * FROM calendarinstances WHERE calendarid = $1 AND access <> 1 ORDER BY id;

--: calendars
-- The calendars that somebody owns, elsewhere.
SELECT *, id AS calendarid FROM "{prefix}calendars" WHERE principaluri = $1 ORDER BY id;

--: objects
SELECT * FROM "{prefix}calendarobjects" WHERE calendarid = $1;

--: subscriptions
SELECT * FROM "{prefix}calendarsubscriptions" WHERE principaluri = $1 ORDER BY id;

--: shares
-- To whom a calendar is shared, in Nextcloud.
SELECT * FROM "{prefix}dav_shares" WHERE resourceid = $1 AND type = 'calendar' ORDER BY id;

--: people
-- Who has calendars there, and to whom any are shared.
SELECT principaluri AS uri FROM "{prefix}calendars"
UNION
SELECT principaluri FROM "{prefix}dav_shares" WHERE type = 'calendar'
ORDER BY uri;

--: users
SELECT uid, displayname FROM "{prefix}users";

--: addresses
SELECT userid, configvalue FROM "{prefix}preferences" WHERE appid = 'settings' AND configkey = 'email';

--: proxies
-- Whom people let into all of theirs, in Nextcloud.
SELECT * FROM "{prefix}dav_cal_proxy" ORDER BY id;
