-- Objects as somebody sees them who does not own them: with who may see them, with what the viewer keeps of their own, and with
-- the octets wherever the answer depends on them. What is a viewer's own is looked up object by object, whatever the planner believes.

--: all
-- $4 is the viewer; all octets if $5.
SELECT o.id, o.name, o.uid, o.component, o.etag, o.revision, o.size, o.created, o.modified, o.access, p.data AS personal,
       CASE WHEN $5 OR o.access IS DISTINCT FROM 0 OR p.data IS NOT NULL THEN o.body END AS body,
       CASE WHEN $3::text[] IS NOT NULL THEN stored($1, $2, o.id, $3) END AS stored
FROM object o
LEFT JOIN LATERAL (
    SELECT data FROM personal WHERE home_id = $1 AND object_id = o.id AND principal_id = $4 OFFSET 0
) AS p ON true
WHERE o.home_id = $1 AND o.calendar_id = $2;

--: by_names
-- Those of the names $6, looked up one by one.
SELECT o.id, o.name, o.uid, o.component, o.etag, o.revision, o.size, o.created, o.modified, o.access, p.data AS personal,
       CASE WHEN $5 OR o.access IS DISTINCT FROM 0 OR p.data IS NOT NULL THEN o.body END AS body,
       CASE WHEN $3::text[] IS NOT NULL THEN stored($1, $2, o.id, $3) END AS stored
FROM unnest($6::text[]) AS wanted (name)
CROSS JOIN LATERAL (
    SELECT * FROM object WHERE home_id = $1 AND calendar_id = $2 AND name = wanted.name OFFSET 0
) AS o
LEFT JOIN LATERAL (
    SELECT data FROM personal WHERE home_id = $1 AND object_id = o.id AND principal_id = $4 OFFSET 0
) AS p ON true;

--: by_name
SELECT o.id, o.name, o.uid, o.component, o.etag, o.revision, o.size, o.created, o.modified, o.access, p.data AS personal, o.body
FROM object o
LEFT JOIN LATERAL (
    SELECT data FROM personal WHERE home_id = $1 AND object_id = o.id AND principal_id = $4 OFFSET 0
) AS p ON true
WHERE o.home_id = $1 AND o.calendar_id = $2 AND o.name = $3;

--: first
-- The objects of these collections, each kept in the home of the same place, the first $3 of them.
SELECT o.calendar_id, o.id, o.name, o.uid, o.component, o.etag, o.revision, o.size, o.created, o.modified, o.access,
       p.data AS personal, CASE WHEN o.access IS DISTINCT FROM 0 OR p.data IS NOT NULL THEN o.body END AS body
FROM unnest($1::bigint[], $2::bigint[]) AS told (home_id, id)
JOIN object o ON o.home_id = told.home_id AND o.calendar_id = told.id
LEFT JOIN LATERAL (
    SELECT data FROM personal WHERE home_id = told.home_id AND object_id = o.id AND principal_id = $4 OFFSET 0
) AS p ON true
ORDER BY o.calendar_id, o.name
LIMIT $3;

--: since
-- As in change.sql; $6 is the viewer, who sees private objects if $7; all octets if $8. Of what is private only those hear who
-- have seen it: that it is gone.
SELECT false AS gone, o.id, o.name, o.uid, o.component, o.etag, o.revision, o.size, o.created, o.modified, o.access,
       p.data AS personal, CASE WHEN $8 OR o.access IS DISTINCT FROM 0 OR p.data IS NOT NULL THEN o.body END AS body,
       CASE WHEN $5::text[] IS NOT NULL THEN stored($1, $2, o.id, $5) END AS stored
FROM object o
LEFT JOIN LATERAL (
    SELECT data FROM personal WHERE home_id = $1 AND object_id = o.id AND principal_id = $6 OFFSET 0
) AS p ON true
WHERE o.home_id = $1 AND o.calendar_id = $2 AND o.revision > 0 AND o.revision > $3
  AND ($7 OR o.access & 3 IS DISTINCT FROM 3 OR (o.veiled > $3 AND $3 >= 0))
UNION ALL
SELECT true, 0, t.name, '', 0::smallint, '', t.revision, 0, t.buried, t.buried, NULL, NULL, NULL, NULL::text[]
FROM tombstone t
WHERE t.home_id = $1 AND t.calendar_id = $2 AND t.revision > 0 AND t.revision > $3 AND $3 >= 0
  AND ($7 OR t.veiled IS NULL OR t.veiled > $3)
ORDER BY revision
LIMIT $4;

--: since_in
-- The same of several collections, each kept in the home of the same place, from a revision of its own, one after the other; $6 is the viewer, and
-- $7 says of each whether they see what is private there, $9 whether it is their own; all octets if $8.
SELECT told.id AS calendar_id, c.*
FROM unnest($1::bigint[], $2::bigint[], $3::bigint[], $7::boolean[], $9::boolean[]) WITH ORDINALITY
    AS told (home_id, id, seen, private, own, nth)
CROSS JOIN LATERAL (
    SELECT false AS gone, o.id, o.name, o.uid, o.component, o.etag, o.revision, o.size, o.created, o.modified, o.access,
           p.data AS personal,
           CASE WHEN $8 OR NOT told.own AND (o.access IS DISTINCT FROM 0 OR p.data IS NOT NULL) THEN o.body END AS body,
           CASE WHEN $5::text[] IS NOT NULL THEN stored(told.home_id, o.calendar_id, o.id, $5) END AS stored
    FROM object o
    LEFT JOIN LATERAL (
        SELECT data FROM personal WHERE home_id = told.home_id AND object_id = o.id AND principal_id = $6 OFFSET 0
    ) AS p ON true
    WHERE o.home_id = told.home_id AND o.calendar_id = told.id AND o.revision > 0 AND o.revision > told.seen
      AND (told.private OR o.access & 3 IS DISTINCT FROM 3 OR (o.veiled > told.seen AND told.seen >= 0))
    UNION ALL
    SELECT true, 0, t.name, '', 0::smallint, '', t.revision, 0, t.buried, t.buried, NULL, NULL, NULL, NULL::text[]
    FROM tombstone t
    WHERE t.home_id = told.home_id AND t.calendar_id = told.id AND t.revision > 0 AND t.revision > told.seen AND told.seen >= 0
      AND (told.private OR t.veiled IS NULL OR t.veiled > told.seen)
    ORDER BY revision
    LIMIT $4
) AS c
ORDER BY told.nth, c.revision
LIMIT $4;

--: between
-- As in object.sql; $10 is the viewer. Of tasks that are cut the index knows more than they show, so that all are candidates.
WITH hit AS (
    SELECT object_id FROM instance
    WHERE home_id = $1 AND calendar_id = $2 AND NOT floating AND NOT lasting
      AND starts >= $3 - 1209600 AND starts < $4 AND (ends > $3 OR (ends = starts AND starts >= $3))
    UNION
    SELECT object_id FROM instance
    WHERE home_id = $1 AND calendar_id = $2 AND floating AND NOT lasting
      AND starts >= $5 - 1209600 AND starts < $6 AND (ends > $5 OR (ends = starts AND starts >= $5))
    UNION
    SELECT object_id FROM instance
    WHERE home_id = $1 AND calendar_id = $2 AND NOT floating AND lasting AND starts < $4 AND ends > $3
    UNION
    SELECT object_id FROM instance
    WHERE home_id = $1 AND calendar_id = $2 AND floating AND lasting AND starts < $6 AND ends > $5
    UNION
    SELECT id FROM object
    WHERE home_id = $1 AND calendar_id = $2 AND tail IS NOT NULL AND tail < greatest($4, $6)
    UNION
    SELECT id FROM object
    WHERE home_id = $1 AND calendar_id = $2 AND component = 2 AND (access IS NULL OR access & 3 > 0)
)
SELECT o.id, o.name, o.uid, o.component, o.etag, o.revision, o.size, o.created, o.modified, o.access, p.data AS personal,
       coalesce(o.tail < greatest($4, $6), false) AS open,
       CASE WHEN o.tail < greatest($4, $6) THEN o.pattern END AS pattern,
       CASE WHEN $8 OR o.access IS DISTINCT FROM 0 OR p.data IS NOT NULL OR (o.tail < greatest($4, $6) AND o.pattern IS NULL)
            THEN o.body END AS body,
       CASE WHEN $9::text[] IS NOT NULL THEN stored($1, $2, o.id, $9) END AS stored
FROM hit
JOIN object o ON o.home_id = $1 AND o.id = hit.object_id
LEFT JOIN LATERAL (
    SELECT data FROM personal WHERE home_id = $1 AND object_id = o.id AND principal_id = $10 OFFSET 0
) AS p ON true
WHERE o.component = ANY ($7::smallint[])
ORDER BY o.id;

--: busy
-- As in object.sql, as the viewer $7 has it: of what they said something themselves the octets are asked, with what they keep.
WITH hit AS MATERIALIZED (
    SELECT object_id, starts, ends, floating, busy FROM instance
    WHERE home_id = $1 AND calendar_id = $2 AND NOT floating AND NOT lasting
      AND starts >= $3 - 1209600 AND starts < $4 AND ends > $3
    UNION ALL
    SELECT object_id, starts, ends, floating, busy FROM instance
    WHERE home_id = $1 AND calendar_id = $2 AND floating AND NOT lasting
      AND starts >= $5 - 1209600 AND starts < $6 AND ends > $5
    UNION ALL
    SELECT object_id, starts, ends, floating, busy FROM instance
    WHERE home_id = $1 AND calendar_id = $2 AND NOT floating AND lasting AND starts < $4 AND ends > $3
    UNION ALL
    SELECT object_id, starts, ends, floating, busy FROM instance
    WHERE home_id = $1 AND calendar_id = $2 AND floating AND lasting AND starts < $6 AND ends > $5
), own AS MATERIALIZED (
    SELECT told.object_id, p.data
    FROM (SELECT DISTINCT object_id FROM hit) AS told
    CROSS JOIN LATERAL (
        SELECT data FROM personal WHERE home_id = $1 AND object_id = told.object_id AND principal_id = $7 OFFSET 0
    ) AS p
)
SELECT starts, ends, floating, busy, NULL::bytea AS octets, NULL::bytea AS personal FROM hit
WHERE busy <> 0 AND NOT EXISTS (SELECT FROM own WHERE own.object_id = hit.object_id)
UNION ALL
SELECT 0, 0, false, 0::smallint, o.body, own.data FROM own
JOIN object o ON o.home_id = $1 AND o.id = own.object_id
WHERE o.component IN (1, 8) AND (o.tail < greatest($4, $6)) IS NOT TRUE
UNION ALL
SELECT 0, 0, false, 0::smallint, CASE WHEN o.pattern IS NULL OR p.data IS NOT NULL THEN o.body ELSE o.pattern END, p.data
FROM object o
LEFT JOIN LATERAL (
    SELECT data FROM personal WHERE home_id = $1 AND object_id = o.id AND principal_id = $7 OFFSET 0
) AS p ON true
WHERE o.home_id = $1 AND o.calendar_id = $2 AND o.tail IS NOT NULL AND o.tail < greatest($4, $6) AND o.component IN (1, 8);

--: matching
-- As in object.sql; $7 is the viewer.
SELECT o.id, o.name, o.uid, o.component, o.etag, o.revision, o.size, o.created, o.modified, o.access, p.data AS personal,
       false AS open, NULL::bytea AS pattern,
       CASE WHEN $5 OR o.access IS DISTINCT FROM 0 OR p.data IS NOT NULL THEN o.body END AS body,
       CASE WHEN $6::text[] IS NOT NULL THEN stored($1, $2, o.id, $6) END AS stored
FROM object o
LEFT JOIN LATERAL (
    SELECT data FROM personal WHERE home_id = $1 AND object_id = o.id AND principal_id = $7 OFFSET 0
) AS p ON true
WHERE o.home_id = $1 AND o.calendar_id = $2 AND o.component = ANY ($3::smallint[])
  AND ($4::text IS NULL OR strpos(lower(o.uid), lower($4)) > 0);

--: touch
-- What somebody sees of an object has changed, the object has not.
WITH counted AS (
    UPDATE calendar SET revision = revision + 1, modified = now() WHERE home_id = $1 AND id = $2 RETURNING revision
)
UPDATE object SET revision = counted.revision, modified = now() FROM counted WHERE object.home_id = $1 AND object.id = $3;

--: keep
INSERT INTO personal (home_id, object_id, principal_id, data)
SELECT $1, o.id, $4, $5 FROM object o WHERE o.home_id = $1 AND o.calendar_id = $2 AND o.name = $3
ON CONFLICT (home_id, object_id, principal_id) DO UPDATE SET data = excluded.data;

--: forget
DELETE FROM personal p USING object o
WHERE p.home_id = $1 AND p.principal_id = $4 AND p.object_id = o.id
  AND o.home_id = $1 AND o.calendar_id = $2 AND o.name = $3;
