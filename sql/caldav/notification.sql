-- Notifications: objects without a component, in the collection that each home has for them. Their octets count to nobody's quota.

--: lock
-- Held to the end of the transaction, as of every collection that is written to.
SELECT c.id
FROM bind b
JOIN calendar c ON c.home_id = b.home_id AND c.id = b.calendar_id
WHERE b.home_id = $1 AND b.name = 'notifications' AND c.home_id = $1
FOR NO KEY UPDATE OF c;

--: whole
SELECT body FROM object WHERE home_id = $1 AND calendar_id = $2 AND name = $3;

--: put
-- Where $9, it is for the owner of the home alone. Of the others the last $7 stay, and of these as many as take $8 octets together with it; each that goes has a revision of its own.
WITH others AS (
    SELECT id, name, row_number() OVER (ORDER BY revision DESC) AS nth, sum(size) OVER (ORDER BY revision DESC) AS octets
    FROM object
    WHERE home_id = $1 AND calendar_id = $2 AND revision > 0 AND name <> $3
), going AS (
    SELECT id, name, row_number() OVER (ORDER BY nth) AS turn FROM others WHERE nth > $7 OR octets > $8 - octet_length($5)
), seen AS (
    UPDATE calendar SET revision = revision + 1 + (SELECT count(*) FROM going), modified = now()
    WHERE home_id = $1 AND id = $2 RETURNING revision
), kept AS (
    INSERT INTO object (home_id, calendar_id, name, uid, component, etag, revision, size, times, body, access)
    SELECT $1, $2, $3, $3, 0, left(encode(sha256($5), 'hex'), 32), seen.revision, octet_length($5), 0, $5,
           CASE WHEN $9::boolean THEN 3 ELSE 0 END
    FROM seen
    ON CONFLICT ON CONSTRAINT object_name DO UPDATE
    SET etag = excluded.etag, revision = excluded.revision, size = excluded.size, body = excluded.body, access = excluded.access, modified = now()
    RETURNING id
), told AS (
    INSERT INTO property (home_id, calendar_id, object_id, namespace, local, value)
    SELECT $1, $2, kept.id, $6, 'notificationtype', $4 FROM kept
    ON CONFLICT (home_id, calendar_id, object_id, namespace, local) DO UPDATE SET value = excluded.value
), gone AS (
    DELETE FROM object WHERE home_id = $1 AND id IN (SELECT id FROM going)
), stripped AS (
    DELETE FROM property WHERE home_id = $1 AND calendar_id = $2 AND object_id IN (SELECT id FROM going)
), dug_up AS (
    DELETE FROM tombstone WHERE home_id = $1 AND calendar_id = $2 AND name = $3
)
INSERT INTO tombstone (home_id, calendar_id, name, revision)
SELECT $1, $2, going.name, seen.revision - going.turn FROM seen, going
ON CONFLICT (home_id, calendar_id, name) DO UPDATE SET revision = excluded.revision, buried = now();

--: delete
WITH gone AS (
    DELETE FROM object WHERE home_id = $1 AND calendar_id = $2 AND name = $3 RETURNING id, name
), seen AS (
    UPDATE calendar SET revision = revision + 1, modified = now()
    WHERE home_id = $1 AND id = $2 AND EXISTS (SELECT FROM gone) RETURNING revision
), stripped AS (
    DELETE FROM property WHERE home_id = $1 AND calendar_id = $2 AND object_id IN (SELECT id FROM gone)
)
INSERT INTO tombstone (home_id, calendar_id, name, revision)
SELECT $1, $2, gone.name, seen.revision FROM seen, gone
ON CONFLICT (home_id, calendar_id, name) DO UPDATE SET revision = excluded.revision, buried = now();

--: old
-- Homes in which something was told more than $1 days ago, as the oldest $2 notifications tell.
SELECT DISTINCT home_id
FROM (
    SELECT home_id FROM object WHERE component = 0 AND modified < now() - make_interval(days => $1) ORDER BY modified LIMIT $2
) AS oldest;

--: expire
-- Forgets what was told more than $3 days ago, unless that is null, and in what one of the texts $4 stands; each that goes has a revision
-- of its own.
WITH going AS (
    SELECT id, name, row_number() OVER (ORDER BY revision DESC) AS turn
    FROM object
    WHERE home_id = $1 AND calendar_id = $2 AND component = 0 AND (
        modified < now() - make_interval(days => $3::integer)
        OR EXISTS (SELECT FROM unnest($4::text[]) AS mark (text) WHERE position(convert_to(mark.text, 'UTF8') IN body) > 0))
), seen AS (
    UPDATE calendar SET revision = revision + (SELECT count(*) FROM going), modified = now()
    WHERE home_id = $1 AND id = $2 AND EXISTS (SELECT FROM going) RETURNING revision
), gone AS (
    DELETE FROM object WHERE home_id = $1 AND id IN (SELECT id FROM going)
), stripped AS (
    DELETE FROM property WHERE home_id = $1 AND calendar_id = $2 AND object_id IN (SELECT id FROM going)
)
INSERT INTO tombstone (home_id, calendar_id, name, revision)
SELECT $1, $2, going.name, seen.revision - going.turn + 1 FROM seen, going
ON CONFLICT (home_id, calendar_id, name) DO UPDATE SET revision = excluded.revision, buried = now();

--: fullness
-- Homes that take $1 octets or more, or $2 or more, and were told otherwise: $3 of them at most. What one takes is looked up in
-- the rows of its calendars.
SELECT s.home_id, p.name, held.octets, held.level
FROM home_state s
JOIN principal p ON p.id = s.home_id
CROSS JOIN LATERAL (
    SELECT octets, (CASE WHEN octets >= $2::bigint THEN 2 WHEN octets >= $1::bigint THEN 1 ELSE 0 END)::smallint AS level
    FROM (SELECT coalesce(sum(c.octets), 0)::bigint AS octets FROM calendar c WHERE c.home_id = s.home_id AND c.trashed IS NULL) AS sum
) AS held
WHERE s.told_full <> held.level
ORDER BY s.home_id
LIMIT $3;

--: told
-- Notes which level a home is told of, unless another node was first.
UPDATE home_state SET told_full = $2 WHERE home_id = $1 AND told_full <> $2;
