-- DAViCal, which keeps to PostgreSQL.

--: people
SELECT p.principal_id, u.username, coalesce(nullif(p.displayname, ''), u.fullname) AS displayname, u.email
FROM principal p
JOIN usr u ON u.user_no = p.user_no
WHERE u.active AND p.type_id IN (1, 2)
ORDER BY p.principal_id;

--: calendars
SELECT c.collection_id, c.dav_name, c.dav_displayname, c.description, c.schedule_transp,
       (SELECT property_value FROM property x
        WHERE x.dav_name = c.dav_name AND x.property_name = 'http://apple.com/ns/ical/:calendar-color') AS color,
       (SELECT property_value FROM property x
        WHERE x.dav_name = c.dav_name AND x.property_name = 'http://apple.com/ns/ical/:calendar-order') AS place,
       (SELECT property_value FROM property x
        WHERE x.dav_name = c.dav_name
          AND x.property_name = 'urn:ietf:params:xml:ns:caldav:supported-calendar-component-set') AS components
FROM collection c
JOIN principal p ON p.user_no = c.user_no
WHERE p.principal_id = $1 AND c.is_calendar AND coalesce(c.resourcetypes, '') !~ 'schedule-(in|out)box'
ORDER BY c.collection_id;

--: objects
SELECT dav_name, caldav_data FROM caldav_data WHERE collection_id = $1;

--: subscriptions
SELECT dav_name, dav_displayname, external_url FROM dav_binding
WHERE dav_owner_id = $1 AND external_url IS NOT NULL
ORDER BY bind_id;

--: grants
-- What of one calendar is granted to whom.
SELECT g.privileges::integer AS bits, p.type_id, u.username, coalesce(nullif(p.displayname, ''), u.fullname) AS displayname
FROM grants g
JOIN principal p ON p.principal_id = g.to_principal
JOIN usr u ON u.user_no = p.user_no
WHERE g.by_collection = $1
ORDER BY p.principal_id;

--: home_grants
-- The same of all that somebody has.
SELECT g.privileges::integer AS bits, p.type_id, u.username, coalesce(nullif(p.displayname, ''), u.fullname) AS displayname
FROM grants g
JOIN principal p ON p.principal_id = g.to_principal
JOIN usr u ON u.user_no = p.user_no
WHERE g.by_principal = $1 AND g.by_collection IS NULL
ORDER BY p.principal_id;
