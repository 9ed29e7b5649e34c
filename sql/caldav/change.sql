-- What changed in a collection or a home since a revision (RFC 6578), and how long that is remembered.

--: initial_tags
-- To one who has seen nothing: along the index of revisions, which has all of it, so that the first of many is there at once.
SELECT name, etag, revision FROM object
WHERE home_id = $1 AND calendar_id = $2 AND revision > 0
ORDER BY revision
LIMIT $3;

--: initial
-- The same with more of each, and its octets if $4.
SELECT o.id, o.name, o.uid, o.component, o.etag, o.revision, o.size, o.created, o.modified, CASE WHEN $4 THEN o.body END AS body,
       CASE WHEN $5::text[] IS NOT NULL THEN stored($1, $2, o.id, $5) END AS stored
FROM object o
WHERE o.home_id = $1 AND o.calendar_id = $2 AND o.revision > 0
ORDER BY o.revision
LIMIT $3;

--: since
-- The members of now and the names of those that are gone, oldest change first.
SELECT false AS gone, o.id, o.name, o.uid, o.component, o.etag, o.revision, o.size, o.created, o.modified,
       CASE WHEN $5::text[] IS NOT NULL THEN stored($1, $2, o.id, $5) END AS stored
FROM object o
WHERE o.home_id = $1 AND o.calendar_id = $2 AND o.revision > 0 AND o.revision > $3
UNION ALL
SELECT true, 0, t.name, '', 0::smallint, '', t.revision, 0, t.buried, t.buried, NULL::text[]
FROM tombstone t
WHERE t.home_id = $1 AND t.calendar_id = $2 AND t.revision > 0 AND t.revision > $3
ORDER BY revision
LIMIT $4;

--: since_with_body
-- The same, with the octets of the members.
SELECT false AS gone, o.id, o.name, o.uid, o.component, o.etag, o.revision, o.size, o.created, o.modified, o.body,
       CASE WHEN $5::text[] IS NOT NULL THEN stored($1, $2, o.id, $5) END AS stored
FROM object o
WHERE o.home_id = $1 AND o.calendar_id = $2 AND o.revision > 0 AND o.revision > $3
UNION ALL
SELECT true, 0, t.name, '', 0::smallint, '', t.revision, 0, t.buried, t.buried, NULL::bytea, NULL::text[]
FROM tombstone t
WHERE t.home_id = $1 AND t.calendar_id = $2 AND t.revision > 0 AND t.revision > $3
ORDER BY revision
LIMIT $4;

--: since_in
-- The same of several collections, each from a revision of its own, one after the other as $2 has them; with octets if $5.
SELECT told.id AS calendar_id, c.*
FROM unnest($1::bigint[], $2::bigint[], $3::bigint[]) WITH ORDINALITY AS told (home_id, id, seen, nth)
CROSS JOIN LATERAL (
    SELECT false AS gone, o.id, o.name, o.uid, o.component, o.etag, o.revision, o.size, o.created, o.modified,
           CASE WHEN $5 THEN o.body END AS body,
           CASE WHEN $6::text[] IS NOT NULL THEN stored(told.home_id, o.calendar_id, o.id, $6) END AS stored
    FROM object o
    WHERE o.home_id = told.home_id AND o.calendar_id = told.id AND o.revision > 0 AND o.revision > told.seen
    UNION ALL
    SELECT true, 0, t.name, '', 0::smallint, '', t.revision, 0, t.buried, t.buried, NULL::bytea, NULL::text[]
    FROM tombstone t
    WHERE t.home_id = told.home_id AND t.calendar_id = told.id AND t.revision > 0 AND t.revision > told.seen AND told.seen >= 0
    ORDER BY revision
    LIMIT $4
) AS c
ORDER BY told.nth, c.revision
LIMIT $4;

--: gone_from_home
-- The names that a home no longer has for what it had under them, oldest first.
SELECT revision, name, calendar_id FROM home_tombstone WHERE home_id = $1 AND revision > $2 ORDER BY revision LIMIT $3;

--: old
-- Homes in which something was deleted more than $1 days ago, as the oldest $2 deletions tell.
(SELECT home_id FROM tombstone WHERE buried < now() - make_interval(days => $1) ORDER BY buried LIMIT $2)
UNION
(SELECT home_id FROM home_tombstone WHERE buried < now() - make_interval(days => $1) ORDER BY buried LIMIT $2);

--: trim
-- Forgets what was deleted more than $2 days ago, the oldest $3 of it, in collections that nobody is writing to; tokens that
-- would need it are refused from then on.
WITH old AS (
    SELECT calendar_id, max(revision) AS revision
    FROM (
        SELECT calendar_id, revision FROM tombstone
        WHERE home_id = $1 AND buried < now() - make_interval(days => $2)
        ORDER BY buried LIMIT $3
    ) AS oldest
    GROUP BY calendar_id
), free AS (
    SELECT c.id, old.revision FROM calendar c JOIN old ON old.calendar_id = c.id WHERE c.home_id = $1
    FOR NO KEY UPDATE OF c SKIP LOCKED
), moved AS (
    UPDATE calendar c SET floor = greatest(c.floor, free.revision) FROM free WHERE c.home_id = $1 AND c.id = free.id
)
DELETE FROM tombstone t USING free
WHERE t.home_id = $1 AND t.calendar_id = free.id AND t.revision > 0 AND t.revision <= free.revision;

--: trim_home
-- The same of the names that the home no longer has.
WITH old AS (
    SELECT max(revision) AS revision
    FROM (
        SELECT revision FROM home_tombstone
        WHERE home_id = $1 AND buried < now() - make_interval(days => $2)
        ORDER BY revision LIMIT $3
    ) AS oldest
), free AS (
    SELECT home_id AS id, old.revision FROM home_state s CROSS JOIN old WHERE s.home_id = $1 AND old.revision > s.floor
    FOR NO KEY UPDATE OF s SKIP LOCKED
), moved AS (
    UPDATE home_state s SET floor = free.revision FROM free WHERE s.home_id = $1
)
DELETE FROM home_tombstone t USING free WHERE t.home_id = $1 AND t.revision <= free.revision;
