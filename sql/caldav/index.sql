-- The time-range index, kept up to date in the background.

--: homes
-- Every home, a thousand at a time.
SELECT id FROM principal WHERE id > $1 ORDER BY id LIMIT 1000;

--: waits
-- Whether rows of some object end at an earlier horizon, or it is not known who may see it.
SELECT EXISTS (SELECT FROM object WHERE home_id = $1 AND horizon < $2)
    OR EXISTS (SELECT FROM object WHERE home_id = $1 AND access IS NULL AND component > 0) AS waits;

--: due
-- Some of those objects, and the calendars they lie in, to itself until the transaction ends: whoever writes to an object
-- must not begin before its new rows are seen. What others have at hand is passed over, so that nobody is waited for.
WITH next AS (
    (SELECT id, calendar_id FROM object WHERE home_id = $1 AND horizon < $2 ORDER BY horizon LIMIT $3)
    UNION
    (SELECT id, calendar_id FROM object WHERE home_id = $1 AND access IS NULL AND component > 0 LIMIT $3)
), held AS (
    SELECT c.id FROM calendar c
    WHERE c.home_id = $1 AND c.id IN (SELECT calendar_id FROM next)
    FOR NO KEY UPDATE SKIP LOCKED
)
SELECT o.id, o.times, o.body
FROM next
JOIN held ON held.id = next.calendar_id
JOIN object o ON o.home_id = $1 AND o.id = next.id AND o.calendar_id = next.calendar_id
WHERE o.horizon < $2 OR (o.access IS NULL AND o.component > 0)
FOR NO KEY UPDATE OF o SKIP LOCKED;

--: renew
-- What is derived of an object, and its rows where $7 says that they are others. Nothing that a client sees changes.
WITH kept AS (
    UPDATE object SET times = $3, tail = $4, pattern = $5, horizon = $6, access = $12 WHERE home_id = $1 AND id = $2 RETURNING calendar_id
), cleared AS (
    DELETE FROM instance WHERE home_id = $1 AND object_id = $2 AND $7
)
INSERT INTO instance (home_id, calendar_id, object_id, starts, ends, floating, busy)
SELECT $1, kept.calendar_id, $2, given.*
FROM kept, unnest($8::bigint[], $9::bigint[], $10::boolean[], $11::smallint[]) AS given (starts, ends, floating, busy)
WHERE $7;

--: leave
-- What cannot be read any more keeps the rows that it has, and is nobody else's to see.
UPDATE object SET horizon = NULL, access = coalesce(access, 3) WHERE home_id = $1 AND id = $2;

--: unknown
-- Whether the planner has not been told yet how large these tables are.
SELECT EXISTS (
    SELECT FROM pg_class WHERE oid IN ('object'::regclass, 'instance'::regclass, 'history'::regclass) AND reltuples < 0
) AS unknown;

--: measure
-- Plans that were made while they were empty are made anew.
ANALYZE object, instance, history;
