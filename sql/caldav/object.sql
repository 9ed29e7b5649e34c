-- The calendar objects: one row an .ics resource. What has no kind of component is a notification.

--: all
SELECT id, name, uid, component, etag, revision, size, created, modified,
       CASE WHEN $3::text[] IS NOT NULL THEN stored($1, $2, id, $3) END AS stored
FROM object
WHERE home_id = $1 AND calendar_id = $2;

--: all_with_body
SELECT id, name, uid, component, etag, revision, size, created, modified, body,
       CASE WHEN $3::text[] IS NOT NULL THEN stored($1, $2, id, $3) END AS stored
FROM object
WHERE home_id = $1 AND calendar_id = $2;

--: tags
-- What a list of entity tags is made of: where rows are many, each column costs. The index of revisions has them.
SELECT name, etag FROM object WHERE home_id = $1 AND calendar_id = $2 AND revision > 0;

--: tagged_bodies
-- The same with octets, of those of these names: looked up one by one, as in by_names.
SELECT o.name, o.etag, o.body, o.id, o.revision
FROM unnest($3::text[]) AS wanted (name)
CROSS JOIN LATERAL (
    SELECT name, etag, body, id, revision FROM object WHERE home_id = $1 AND calendar_id = $2 AND name = wanted.name OFFSET 0
) AS o;

--: by_name
SELECT id, name, uid, component, etag, revision, size, created, modified
FROM object
WHERE home_id = $1 AND calendar_id = $2 AND name = $3;

--: by_name_with_body
SELECT id, name, uid, component, etag, revision, size, created, modified, body
FROM object
WHERE home_id = $1 AND calendar_id = $2 AND name = $3;

--: by_path_with_body
-- The object, or what leads to its calendar where that is kept in another home.
SELECT b.owner_home_id, b.calendar_id, o.id, o.name, o.uid, o.component, o.etag, o.revision, o.size, o.created, o.modified, o.body,
    (SELECT bit_or(a.privileges) FROM ace a
     WHERE $4 <> $1 AND a.home_id = $1 AND a.calendar_id = ANY (ARRAY[0, b.calendar_id])
       AND CASE a.grantee WHEN 0 THEN a.principal_id = $4 WHEN 1 THEN a.group_name = ANY ($5::text[]) ELSE a.grantee IN (2, 3) END) AS granted,
    o.access,
    (SELECT p.data FROM personal p WHERE $4 <> $1 AND p.home_id = $1 AND p.object_id = o.id AND p.principal_id = $4) AS personal
FROM bind b
LEFT JOIN object o ON o.home_id = $1 AND o.calendar_id = b.calendar_id AND o.name = $3
WHERE b.home_id = $1 AND b.name = $2;

--: by_names
-- Looked up one by one, whatever the planner believes about the size of the calendar.
SELECT o.id, o.name, o.uid, o.component, o.etag, o.revision, o.size, o.created, o.modified,
       CASE WHEN $4::text[] IS NOT NULL THEN stored($1, $2, o.id, $4) END AS stored
FROM unnest($3::text[]) AS wanted (name)
CROSS JOIN LATERAL (
    SELECT * FROM object WHERE home_id = $1 AND calendar_id = $2 AND name = wanted.name OFFSET 0
) AS o;

--: by_names_with_body
SELECT o.id, o.name, o.uid, o.component, o.etag, o.revision, o.size, o.created, o.modified, o.body,
       CASE WHEN $4::text[] IS NOT NULL THEN stored($1, $2, o.id, $4) END AS stored
FROM unnest($3::text[]) AS wanted (name)
CROSS JOIN LATERAL (
    SELECT * FROM object WHERE home_id = $1 AND calendar_id = $2 AND name = wanted.name OFFSET 0
) AS o;

--: of_home
-- The calendar objects of a home with their octets, $3 of them at most, in the order of their numbers from behind $2 on: for whoever
-- goes through all of them.
SELECT o.id, coalesce(b.name, '') AS calendar, o.name, o.etag, o.body
FROM object o
LEFT JOIN bind b ON b.home_id = $1 AND b.owner_home_id = $1 AND b.calendar_id = o.calendar_id
WHERE o.home_id = $1 AND o.id > $2 AND o.component <> 0
ORDER BY o.id
LIMIT $3;

--: before_put
-- What a PUT must know: the object of that name, and the name of another one with the same UID.
SELECT o.id, o.name, o.uid, o.component, o.etag, o.revision, o.size, o.created, o.modified, o.times, twin.name AS twin
FROM (SELECT 1) AS always
LEFT JOIN object o ON o.home_id = $1 AND o.calendar_id = $2 AND o.name = $3
LEFT JOIN object twin ON twin.home_id = $1 AND twin.calendar_id = $2 AND twin.uid = $4 AND twin.uid <> '' AND twin.name <> $3;

--: standing
-- What stands where many objects are to be stored: those of these names ($3) and those of these UIDs ($4), looked up one by one.
SELECT o.id, o.name, o.uid, o.component, o.etag, o.revision, o.size, o.created, o.modified, o.times
FROM unnest($3::text[]) AS wanted (name)
CROSS JOIN LATERAL (
    SELECT * FROM object WHERE home_id = $1 AND calendar_id = $2 AND name = wanted.name OFFSET 0
) AS o
UNION
SELECT o.id, o.name, o.uid, o.component, o.etag, o.revision, o.size, o.created, o.modified, o.times
FROM unnest($4::text[]) AS wanted (uid)
CROSS JOIN LATERAL (
    SELECT * FROM object WHERE home_id = $1 AND calendar_id = $2 AND uid = wanted.uid AND uid <> '' OFFSET 0
) AS o;

--: count
SELECT count(*) FROM object WHERE home_id = $1 AND calendar_id = $2;

--: counts
-- How many objects there are in these collections, each kept in the home of the same place: all of them, which the index of revisions
-- tells, or where not $3 those that are not private.
SELECT told.id AS calendar_id, CASE WHEN told.private
    THEN (SELECT count(*) FROM object o WHERE o.home_id = told.home_id AND o.calendar_id = told.id AND o.revision > 0)
    ELSE (SELECT count(*) FROM object o
          WHERE o.home_id = told.home_id AND o.calendar_id = told.id AND o.revision > 0 AND o.access & 3 < 3)
END AS number
FROM unnest($1::bigint[], $2::bigint[], $3::boolean[]) AS told (home_id, id, private);

--: put
-- The object, its revision, and its rows in the index where $10 says that its times changed; it takes the place of $18 octets.
-- Unless $21 is null, the change by $19 with $20 is logged, with what was there; not where that is the same octets, or comes
-- within so many seconds after the one before it by the same hands.
WITH entry AS (
    SELECT was.etag, was.component, coalesce(was.size, 0) AS size, was.body
    FROM (SELECT 1) AS always
    LEFT JOIN object was ON was.home_id = $1 AND was.id = $11
    WHERE $21::integer IS NOT NULL AND was.etag IS DISTINCT FROM $6 AND NOT EXISTS (
        SELECT FROM (
            SELECT author, client, action, at FROM history
            WHERE home_id = $1 AND calendar_id = $2 AND name = $3 AND $11 IS NOT NULL
            ORDER BY id DESC LIMIT 1
        ) AS last
        WHERE last.author IS NOT DISTINCT FROM $19::bigint AND last.client = $20 AND last.action IN (0, 1)
          AND last.at > now() - make_interval(secs => $21)
    )
), seen AS (
    UPDATE calendar SET revision = revision + 1, octets = octets + octet_length($7) - $18, modified = now(),
        kept = kept + coalesce((SELECT size + 256 FROM entry), 0)
    WHERE home_id = $1 AND id = $2 RETURNING revision
), logged AS (
    INSERT INTO history (home_id, calendar_id, name, revision, author, client, action, uid, component, etag, size, body)
    SELECT $1, $2, $3, seen.revision, $19, $20, CASE WHEN entry.etag IS NULL THEN 0 ELSE 1 END, $4,
           coalesce(entry.component, $5), entry.etag, entry.size, entry.body
    FROM entry, seen
), dug_up AS (
    DELETE FROM tombstone WHERE home_id = $1 AND calendar_id = $2 AND name = $3
), kept AS (
    INSERT INTO object (home_id, calendar_id, name, uid, component, etag, revision, size, times, tail, body, pattern, horizon,
                        access, veiled)
    SELECT $1, $2, $3, $4, $5, $6, seen.revision, octet_length($7), $8, $9, $7, $16, $17, $22, CASE
               -- What others knew by the name is gone since then.
               WHEN $22 & 3 = 3 THEN coalesce((
                   SELECT coalesce(t.veiled, t.revision) FROM tombstone t WHERE t.home_id = $1 AND t.calendar_id = $2 AND t.name = $3), 0)
               ELSE 0
           END
    FROM seen
    ON CONFLICT ON CONSTRAINT object_name DO UPDATE
    SET uid = excluded.uid, component = excluded.component, etag = excluded.etag, revision = excluded.revision,
        size = excluded.size, times = excluded.times, tail = excluded.tail, body = excluded.body, modified = now(),
        pattern = excluded.pattern, horizon = excluded.horizon, access = excluded.access,
        veiled = CASE WHEN excluded.access & 3 < 3 THEN 0 WHEN object.access & 3 = 3 THEN object.veiled ELSE excluded.revision END
    RETURNING id
), cleared AS (
    DELETE FROM instance WHERE home_id = $1 AND object_id = $11 AND $10
)
INSERT INTO instance (home_id, calendar_id, object_id, starts, ends, floating, busy)
SELECT $1, $2, kept.id, given.*
FROM kept, unnest($12::bigint[], $13::bigint[], $14::boolean[], $15::smallint[]) AS given (starts, ends, floating, busy)
WHERE $10;

--: delete
-- Where $6, who did it is logged, and where $7 what was there lies in the trash; otherwise nothing is kept of it.
WITH was AS (
    SELECT name, size FROM object WHERE home_id = $1 AND id = $3
), erased AS (
    DELETE FROM history USING was
    WHERE history.home_id = $1 AND history.calendar_id = $2 AND history.name = was.name AND $6 AND NOT $7
), seen AS (
    UPDATE calendar
    SET revision = revision + 1, modified = now(),
        octets = octets - coalesce((SELECT size FROM was), 0),
        kept = kept + CASE WHEN $6 THEN 256 ELSE 0 END + CASE
            WHEN $7 THEN coalesce((SELECT size FROM was), 0)
            WHEN $6 THEN -(
                SELECT coalesce(sum(h.size + 256), 0) FROM history h JOIN was ON h.name = was.name
                WHERE h.home_id = $1 AND h.calendar_id = $2
            )
            ELSE 0
        END
    WHERE home_id = $1 AND id = $2 RETURNING revision
), gone AS (
    DELETE FROM object WHERE home_id = $1 AND id = $3
    RETURNING name, uid, component, etag, size, body, CASE WHEN access & 3 = 3 THEN veiled END AS veiled
), logged AS (
    INSERT INTO history (home_id, calendar_id, name, revision, author, client, action, trashed, uid, component, etag, size, body)
    SELECT $1, $2, gone.name, seen.revision, $4, $5, 2, $7, gone.uid, gone.component, gone.etag,
           CASE WHEN $7 THEN gone.size ELSE 0 END, CASE WHEN $7 THEN gone.body END
    FROM seen, gone WHERE $6
), stripped AS (
    DELETE FROM property WHERE home_id = $1 AND calendar_id = $2 AND object_id = $3
)
INSERT INTO tombstone (home_id, calendar_id, name, revision, veiled)
SELECT $1, $2, gone.name, seen.revision, gone.veiled FROM seen, gone
ON CONFLICT (home_id, calendar_id, name) DO UPDATE SET revision = excluded.revision, buried = now(), veiled = excluded.veiled;

--: between
-- What happens in a window: $3 to $4 in seconds, $5 to $6 for what is floating. An object whose recurrence goes on beyond
-- its rows comes along as a candidate, open, with its pattern or else its body; the others have theirs if $8.
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
)
SELECT o.id, o.name, o.uid, o.component, o.etag, o.revision, o.size, o.created, o.modified,
       coalesce(o.tail < greatest($4, $6), false) AS open,
       CASE WHEN o.tail < greatest($4, $6) THEN o.pattern END AS pattern,
       CASE WHEN $8 OR (o.tail < greatest($4, $6) AND o.pattern IS NULL) THEN o.body END AS body,
       CASE WHEN $9::text[] IS NOT NULL THEN stored($1, $2, o.id, $9) END AS stored
FROM hit
JOIN object o ON o.home_id = $1 AND o.id = hit.object_id
WHERE o.component = ANY ($7::smallint[]);

--: busy
-- When time is not free in such a window: the rows that say so, and the octets of what must be asked itself. Only events and
-- free-busy time take any.
SELECT starts, ends, floating, busy, NULL::bytea AS octets FROM instance
WHERE home_id = $1 AND calendar_id = $2 AND NOT floating AND NOT lasting AND busy <> 0
  AND starts >= $3 - 1209600 AND starts < $4 AND ends > $3
UNION ALL
SELECT starts, ends, floating, busy, NULL FROM instance
WHERE home_id = $1 AND calendar_id = $2 AND floating AND NOT lasting AND busy <> 0
  AND starts >= $5 - 1209600 AND starts < $6 AND ends > $5
UNION ALL
SELECT starts, ends, floating, busy, NULL FROM instance
WHERE home_id = $1 AND calendar_id = $2 AND NOT floating AND lasting AND busy <> 0 AND starts < $4 AND ends > $3
UNION ALL
SELECT starts, ends, floating, busy, NULL FROM instance
WHERE home_id = $1 AND calendar_id = $2 AND floating AND lasting AND busy <> 0 AND starts < $6 AND ends > $5
UNION ALL
SELECT 0, 0, false, 0::smallint, CASE WHEN pattern IS NULL THEN body ELSE pattern END FROM object
WHERE home_id = $1 AND calendar_id = $2 AND tail IS NOT NULL AND tail < greatest($4, $6) AND component IN (1, 8);

--: matching
-- Objects of these kinds, without regard to time; $4 is part of the UID, where a query asks for that; bodies if $5.
SELECT id, name, uid, component, etag, revision, size, created, modified, false AS open, NULL::bytea AS pattern,
       CASE WHEN $5 THEN body END AS body,
       CASE WHEN $6::text[] IS NOT NULL THEN stored($1, $2, id, $6) END AS stored
FROM object
WHERE home_id = $1 AND calendar_id = $2 AND component = ANY ($3::smallint[])
  AND ($4::text IS NULL OR strpos(lower(uid), lower($4)) > 0);
