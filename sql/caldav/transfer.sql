-- Objects and calendars that come under another name, or are there twice from now on.

--: hold
-- What is called so in these homes, wherever it is kept, in the order in which calendars are held everywhere.
SELECT c.id
FROM unnest($1::bigint[], $2::text[]) AS told (home_id, name)
JOIN bind b ON b.home_id = told.home_id AND b.name = told.name
JOIN calendar c ON c.home_id = b.owner_home_id AND c.id = b.calendar_id
ORDER BY c.home_id, c.id
FOR NO KEY UPDATE OF c;

--: leave
-- The object is no longer called so in this calendar; where $6, that is logged, with what it was.
WITH seen AS (
    UPDATE calendar
    SET revision = calendar.revision + 1, modified = now(), octets = calendar.octets - was.size,
        kept = calendar.kept + CASE WHEN $6 THEN was.size + 256 ELSE 0 END
    FROM object was
    WHERE calendar.home_id = $1 AND calendar.id = $2 AND was.home_id = $1 AND was.calendar_id = $2 AND was.name = $3
    RETURNING calendar.revision
), logged AS (
    INSERT INTO history (home_id, calendar_id, name, revision, author, client, action, uid, component, etag, size, body)
    SELECT $1, $2, $3, seen.revision, $4, $5, 3, was.uid, was.component, was.etag, was.size, was.body
    FROM seen, object was
    WHERE was.home_id = $1 AND was.calendar_id = $2 AND was.name = $3 AND $6
)
INSERT INTO tombstone (home_id, calendar_id, name, revision, veiled)
SELECT $1, $2, $3, seen.revision, CASE WHEN o.access & 3 = 3 THEN o.veiled END
FROM seen
JOIN object o ON o.home_id = $1 AND o.calendar_id = $2 AND o.name = $3
ON CONFLICT (home_id, calendar_id, name) DO UPDATE SET revision = excluded.revision, buried = now(), veiled = excluded.veiled;

--: arrive
-- It is called $4 in the calendar $2 now, with all that belongs to it; where $7, that is logged.
WITH seen AS (
    UPDATE calendar
    SET revision = revision + 1, modified = now(),
        octets = octets + (SELECT sum(size) FROM object WHERE home_id = $1 AND id = $3),
        kept = kept + CASE WHEN $7 THEN 256 ELSE 0 END
    WHERE home_id = $1 AND id = $2 RETURNING revision
), logged AS (
    INSERT INTO history (home_id, calendar_id, name, revision, author, client, action, uid, component)
    SELECT $1, $2, $4, seen.revision, $5, $6, 4, was.uid, was.component
    FROM seen, object was
    WHERE was.home_id = $1 AND was.id = $3 AND $7
), dug_up AS (
    DELETE FROM tombstone WHERE home_id = $1 AND calendar_id = $2 AND name = $4
), timed AS (
    UPDATE instance SET calendar_id = $2 WHERE home_id = $1 AND object_id = $3 AND calendar_id <> $2
), described AS (
    UPDATE property SET calendar_id = $2 WHERE home_id = $1 AND calendar_id <> $2 AND object_id = $3
)
UPDATE object SET calendar_id = $2, name = $4, revision = seen.revision, modified = now(), veiled = CASE
    WHEN access & 3 = 3 THEN coalesce((
        SELECT coalesce(t.veiled, t.revision) FROM tombstone t WHERE t.home_id = $1 AND t.calendar_id = $2 AND t.name = $4), 0)
    ELSE 0
END
FROM seen
WHERE home_id = $1 AND id = $3;

--: rename
-- The home has nothing under the old name $4 any more; the calendar is kept in $5. Where $8, and it is kept here, that is logged.
WITH named AS (
    UPDATE calendar SET kept = kept + 256 WHERE home_id = $1 AND id = $2 AND $1 = $5 AND $8 RETURNING revision
), logged AS (
    INSERT INTO history (home_id, calendar_id, name, revision, author, client, action, detail)
    SELECT $1, $2, '', named.revision, $6, $7, 5, $4 FROM named
), counted AS (
    UPDATE home_state SET revision = revision + 1 WHERE home_id = $1 RETURNING revision
), buried AS (
    INSERT INTO home_tombstone (home_id, revision, name, calendar_id) SELECT $1, counted.revision, $4, $2 FROM counted
)
UPDATE bind SET name = $3 WHERE home_id = $1 AND owner_home_id = $5 AND calendar_id = $2;

--: copy_members
-- All objects of a calendar into an empty one: the same octets, so the same tags, times and properties.
WITH copied AS (
    INSERT INTO object (home_id, calendar_id, name, uid, component, etag, revision, size, times, tail, pattern, horizon,
                        data_version, access, body)
    SELECT $1, $3, o.name, o.uid, o.component, o.etag, o.revision, o.size, o.times, o.tail, o.pattern, o.horizon,
           o.data_version, o.access, o.body
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
