-- Objects and calendars that come under another name, or are there twice from now on.

--: leave
-- The object is no longer called so in this calendar.
WITH seen AS (
    UPDATE calendar
    SET revision = revision + 1, modified = now(),
        octets = octets - (SELECT sum(size) FROM object WHERE home_id = $1 AND calendar_id = $2 AND name = $3)
    WHERE home_id = $1 AND id = $2 RETURNING revision
)
INSERT INTO tombstone (home_id, calendar_id, name, revision)
SELECT $1, $2, $3, seen.revision FROM seen
ON CONFLICT (home_id, calendar_id, name) DO UPDATE SET revision = excluded.revision, buried = now();

--: arrive
-- It is called $4 in the calendar $2 now, with all that belongs to it.
WITH seen AS (
    UPDATE calendar
    SET revision = revision + 1, modified = now(),
        octets = octets + (SELECT sum(size) FROM object WHERE home_id = $1 AND id = $3)
    WHERE home_id = $1 AND id = $2 RETURNING revision
), dug_up AS (
    DELETE FROM tombstone WHERE home_id = $1 AND calendar_id = $2 AND name = $4
), timed AS (
    UPDATE instance SET calendar_id = $2 WHERE home_id = $1 AND object_id = $3 AND calendar_id <> $2
), described AS (
    UPDATE property SET calendar_id = $2 WHERE home_id = $1 AND calendar_id <> $2 AND object_id = $3
)
UPDATE object SET calendar_id = $2, name = $4, revision = seen.revision, modified = now()
FROM seen
WHERE home_id = $1 AND id = $3;

--: rename
-- The home has nothing under the old name $4 any more; the calendar is kept in $5.
WITH counted AS (
    UPDATE home_state SET revision = revision + 1 WHERE home_id = $1 RETURNING revision
), buried AS (
    INSERT INTO home_tombstone (home_id, revision, name, calendar_id) SELECT $1, counted.revision, $4, $2 FROM counted
)
UPDATE bind SET name = $3 WHERE home_id = $1 AND owner_home_id = $5 AND calendar_id = $2;

--: copy_members
-- All objects of a calendar into an empty one: the same octets, so the same tags, times and properties.
WITH copied AS (
    INSERT INTO object (home_id, calendar_id, name, uid, component, etag, revision, size, times, tail, pattern, horizon,
                        data_version, body)
    SELECT $1, $3, o.name, o.uid, o.component, o.etag, o.revision, o.size, o.times, o.tail, o.pattern, o.horizon,
           o.data_version, o.body
    FROM object o
    WHERE o.home_id = $1 AND o.calendar_id = $2
    RETURNING id, name
), pair AS (
    SELECT o.id AS source, copied.id AS copy
    FROM copied
    JOIN object o ON o.home_id = $1 AND o.calendar_id = $2 AND o.name = copied.name
), timed AS (
    INSERT INTO instance (home_id, calendar_id, object_id, starts, ends, floating, busy)
    SELECT $1, $3, pair.copy, i.starts, i.ends, i.floating, i.busy
    FROM pair
    JOIN instance i ON i.home_id = $1 AND i.object_id = pair.source
), described AS (
    INSERT INTO property (home_id, calendar_id, object_id, namespace, local, value)
    SELECT $1, $3, pair.copy, p.namespace, p.local, p.value
    FROM pair
    JOIN property p ON p.home_id = $1 AND p.calendar_id = $2 AND p.object_id = pair.source
)
UPDATE calendar SET revision = source.revision, octets = source.octets, modified = now()
FROM (SELECT c.revision, c.octets FROM calendar c WHERE c.home_id = $1 AND c.id = $2) AS source
WHERE home_id = $1 AND id = $3;
