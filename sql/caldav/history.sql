-- Who changed what, and what was there before. Whoever writes logs it in the same statement; here it is read and forgotten.

--: kept
-- Octets that the log and the deleted calendars of a home take.
SELECT coalesce(sum(kept + CASE WHEN trashed IS NULL THEN 0 ELSE octets END), 0)::bigint AS octets
FROM calendar WHERE home_id = $1;

--: lighten
-- Forgets the oldest entries until $2 octets are free, but for those of calendars that others are at; nobody waits for the others.
WITH aged AS MATERIALIZED (
    SELECT calendar_id, name, id FROM (
        SELECT calendar_id, name, id, sum(size + 256) OVER (ORDER BY id) - size - 256 AS older FROM history WHERE home_id = $1
    ) AS all_of_it
    WHERE older < $2
), free AS (
    SELECT id FROM calendar WHERE home_id = $1 AND id IN (SELECT calendar_id FROM aged) FOR NO KEY UPDATE SKIP LOCKED
), gone AS (
    DELETE FROM history h USING aged, free
    WHERE h.home_id = $1 AND h.calendar_id = aged.calendar_id AND free.id = aged.calendar_id AND h.name = aged.name AND h.id = aged.id
    RETURNING h.calendar_id, h.size
)
UPDATE calendar c SET kept = c.kept - freed.octets
FROM (SELECT calendar_id, sum(size + 256) AS octets FROM gone GROUP BY calendar_id) AS freed
WHERE c.home_id = $1 AND c.id = freed.calendar_id;

--: discard
-- Erases deleted calendars but for the latest of them that take $2 octets together and are $3 at most; the last one stays
-- however long it is.
WITH aged AS (
    SELECT id, sum(octets + kept) OVER latest AS octets, row_number() OVER latest AS nth
    FROM calendar WHERE home_id = $1 AND trashed IS NOT NULL
    WINDOW latest AS (ORDER BY trashed DESC, id DESC)
), gone AS (
    DELETE FROM calendar c USING aged
    WHERE c.home_id = $1 AND c.id = aged.id AND aged.nth > 1 AND (aged.octets > $2 OR aged.nth > $3)
    RETURNING c.id
)
DELETE FROM property p USING gone WHERE p.home_id = $1 AND p.calendar_id = gone.id;

--: old
-- Homes in which something is older than it is kept, former states and what was done for $1 days and what was deleted for $2,
-- as the oldest $3 tell.
(SELECT home_id FROM history WHERE at < now() - make_interval(days => least($1, $2))
    AND at < now() - make_interval(days => CASE WHEN trashed THEN $2 ELSE $1 END) ORDER BY at LIMIT $3)
UNION
(SELECT home_id FROM calendar WHERE trashed < now() - make_interval(days => $2) ORDER BY trashed LIMIT $3);

--: forget
-- Forgets the oldest $4 of that in a home, in calendars that nobody is writing to. With what was deleted all goes that it
-- had been before.
WITH old AS (
    SELECT calendar_id, name, id, trashed FROM history
    WHERE home_id = $1 AND at < now() - make_interval(days => least($2, $3))
      AND at < now() - make_interval(days => CASE WHEN trashed THEN $3 ELSE $2 END)
    ORDER BY at LIMIT $4
), free AS (
    SELECT id FROM calendar WHERE home_id = $1 AND id IN (SELECT calendar_id FROM old) FOR NO KEY UPDATE SKIP LOCKED
), gone AS (
    DELETE FROM history h USING old, free
    WHERE h.home_id = $1 AND h.calendar_id = old.calendar_id AND free.id = old.calendar_id AND h.name = old.name
      AND (h.id = old.id OR old.trashed AND h.id < old.id)
    RETURNING h.calendar_id, h.size
)
UPDATE calendar c SET kept = c.kept - freed.octets
FROM (SELECT calendar_id, sum(size + 256) AS octets FROM gone GROUP BY calendar_id) AS freed
WHERE c.home_id = $1 AND c.id = freed.calendar_id;

--: forget_calendars
-- Erases the calendars that were deleted longer ago than $2 days, $3 of them.
WITH gone AS (
    DELETE FROM calendar WHERE home_id = $1 AND id IN (
        SELECT id FROM calendar WHERE home_id = $1 AND trashed < now() - make_interval(days => $2)
        ORDER BY trashed LIMIT $3 FOR UPDATE SKIP LOCKED
    )
    RETURNING id
), stripped AS (
    DELETE FROM property p USING gone WHERE p.home_id = $1 AND p.calendar_id = gone.id
)
SELECT count(*) FROM gone;

--: log
-- The last $4 entries of a home before the entry $5, of the calendar $2 of it (0: of all) and there of the object $3 (null: of all),
-- oldest first; with what the object was after each, where that is not too long to be told.
SELECT h.calendar_id, coalesce(b.name, c.former, '') AS calendar, h.name, h.id, h.revision, h.at, p.name AS author,
       h.author IS NOT NULL AS signed, h.client, h.action, h.detail, h.trashed, h.size,
       CASE WHEN h.size <= 65536 THEN h.body END AS body, CASE WHEN n.id IS NULL THEN o.body ELSE n.body END AS next
FROM (
    SELECT * FROM history
    WHERE home_id = $1 AND ($2 = 0 OR calendar_id = $2) AND ($3::text IS NULL OR name = $3) AND id < $5
    ORDER BY id DESC LIMIT $4
) AS h
JOIN calendar c ON c.home_id = $1 AND c.id = h.calendar_id
LEFT JOIN bind b ON b.home_id = $1 AND b.owner_home_id = $1 AND b.calendar_id = h.calendar_id
LEFT JOIN principal p ON p.id = h.author
LEFT JOIN LATERAL (
    SELECT later.id, CASE WHEN later.size <= 65536 THEN later.body END AS body FROM history later
    WHERE later.home_id = $1 AND later.calendar_id = h.calendar_id AND later.name = h.name AND later.id > h.id
    ORDER BY later.id LIMIT 1
) AS n ON h.name <> ''
LEFT JOIN object o ON o.home_id = $1 AND o.calendar_id = h.calendar_id AND o.name = h.name AND o.size <= 65536
ORDER BY h.id;

--: trash
-- What lies in the trash of a home since before $3, the $2 that were deleted last: calendars, and objects of calendars that
-- are there; those with their octets, if $4.
SELECT true AS whole, c.id, c.id AS calendar_id, c.former AS calendar, '' AS name, c.trashed AS at,
       p.id AS author_id, p.name AS author, p.groups AS author_groups, h.client, c.octets AS octets, NULL AS etag,
       c.components AS component, l.value AS label, NULL::bytea AS body
FROM calendar c
LEFT JOIN property l ON l.home_id = $1 AND l.calendar_id = c.id AND l.object_id = 0
    AND l.namespace = 'DAV:' AND l.local = 'displayname'
LEFT JOIN LATERAL (
    SELECT author, client FROM history
    WHERE home_id = $1 AND calendar_id = c.id AND name = '' AND action = 2 ORDER BY id DESC LIMIT 1
) AS h ON true
LEFT JOIN principal p ON p.id = h.author
WHERE c.home_id = $1 AND c.trashed <= $3::timestamptz
UNION ALL
SELECT false, h.id, h.calendar_id, b.name, h.name, h.at, p.id, p.name, p.groups, h.client, h.size, h.etag, h.component,
       NULL, CASE WHEN $4 THEN h.body END
FROM history h
JOIN bind b ON b.home_id = $1 AND b.owner_home_id = $1 AND b.calendar_id = h.calendar_id
LEFT JOIN principal p ON p.id = h.author
WHERE h.home_id = $1 AND h.trashed AND h.at <= $3
ORDER BY at DESC, id DESC
LIMIT $2;

--: lying
-- The calendar of the number $2 as it lies there, or where not $3 the deletion of that number, with its octets.
SELECT true AS whole, c.id, c.id AS calendar_id, c.former AS calendar, '' AS name, c.trashed AS at,
       p.id AS author_id, p.name AS author, p.groups AS author_groups, h.client, c.octets AS octets, NULL AS etag,
       c.components AS component, l.value AS label, NULL::bytea AS body
FROM calendar c
LEFT JOIN property l ON l.home_id = $1 AND l.calendar_id = c.id AND l.object_id = 0
    AND l.namespace = 'DAV:' AND l.local = 'displayname'
LEFT JOIN LATERAL (
    SELECT author, client FROM history
    WHERE home_id = $1 AND calendar_id = c.id AND name = '' AND action = 2 ORDER BY id DESC LIMIT 1
) AS h ON true
LEFT JOIN principal p ON p.id = h.author
WHERE $3 AND c.home_id = $1 AND c.id = $2 AND c.trashed IS NOT NULL
UNION ALL
SELECT false, h.id, h.calendar_id, b.name, h.name, h.at, p.id, p.name, p.groups, h.client, h.size, h.etag, h.component,
       NULL, h.body
FROM history h
JOIN bind b ON b.home_id = $1 AND b.owner_home_id = $1 AND b.calendar_id = h.calendar_id
LEFT JOIN principal p ON p.id = h.author
WHERE NOT $3 AND h.home_id = $1 AND h.id = $2 AND h.trashed;

--: take_back
-- A deletion that no longer lies in the trash; what it took away stays in the history.
UPDATE history SET trashed = false WHERE home_id = $1 AND id = $2 AND trashed;

--: erase
-- Erases what lies in the trash, with all that it had been before.
WITH gone AS (
    DELETE FROM history h USING (
        SELECT calendar_id, name, id FROM history WHERE home_id = $1 AND id = ANY ($2::bigint[]) AND trashed
    ) AS old
    WHERE h.home_id = $1 AND h.calendar_id = old.calendar_id AND h.name = old.name AND h.id <= old.id
    RETURNING h.calendar_id, h.size
)
UPDATE calendar c SET kept = c.kept - freed.octets
FROM (SELECT calendar_id, sum(size + 256) AS octets FROM gone GROUP BY calendar_id) AS freed
WHERE c.home_id = $1 AND c.id = freed.calendar_id;

--: empty
-- Erases the objects that were deleted by $2 from calendars that are there, with all that they had been before.
WITH old AS (
    SELECT h.calendar_id, h.name, max(h.id) AS id FROM history h
    JOIN bind b ON b.home_id = $1 AND b.owner_home_id = $1 AND b.calendar_id = h.calendar_id
    WHERE h.home_id = $1 AND h.trashed AND h.at <= $2
    GROUP BY h.calendar_id, h.name
), gone AS (
    DELETE FROM history h USING old
    WHERE h.home_id = $1 AND h.calendar_id = old.calendar_id AND h.name = old.name AND h.id <= old.id
    RETURNING h.calendar_id, h.size
)
UPDATE calendar c SET kept = c.kept - freed.octets
FROM (SELECT calendar_id, sum(size + 256) AS octets FROM gone GROUP BY calendar_id) AS freed
WHERE c.home_id = $1 AND c.id = freed.calendar_id;

--: empty_calendars
-- Erases the calendars that were deleted by $2.
WITH gone AS (
    DELETE FROM calendar WHERE home_id = $1 AND trashed <= $2 RETURNING id
)
DELETE FROM property p USING gone WHERE p.home_id = $1 AND p.calendar_id = gone.id;

--: erase_calendars
WITH gone AS (
    DELETE FROM calendar WHERE home_id = $1 AND id = ANY ($2::bigint[]) AND trashed IS NOT NULL RETURNING id
)
DELETE FROM property p USING gone WHERE p.home_id = $1 AND p.calendar_id = gone.id;

--: revive
-- Takes a calendar out of the trash, under the free name $3; who synchronises it begins anew.
WITH back AS (
    UPDATE calendar
    SET trashed = NULL, former = NULL, key = gen_random_uuid(), revision = revision + 1, modified = now(),
        kept = kept + CASE WHEN $6 THEN 256 ELSE 0 END
    WHERE home_id = $1 AND id = $2 AND trashed IS NOT NULL
    RETURNING revision
), counted AS (
    UPDATE home_state SET revision = revision + 1 WHERE home_id = $1
), logged AS (
    INSERT INTO history (home_id, calendar_id, name, revision, author, client, action)
    SELECT $1, $2, '', back.revision, $4, $5, 8 FROM back WHERE $6
)
INSERT INTO bind (home_id, name, owner_home_id, calendar_id) SELECT $1, $3, $1, $2 FROM back;

--: state
-- What the object of that name was at revision $4, or second $5: what the first entry behind it took away.
SELECT id, trashed, etag, body FROM history
WHERE home_id = $1 AND calendar_id = $2 AND name = $3 AND (revision > $4 OR at >= to_timestamp($5::bigint))
ORDER BY id LIMIT 1;

--: last_state
-- What it was before it was last changed or deleted.
SELECT id, trashed, etag, body FROM history
WHERE home_id = $1 AND calendar_id = $2 AND name = $3 AND body IS NOT NULL
ORDER BY id DESC LIMIT 1;

--: as_of
-- What of a calendar was another at second $3 than it is now: names with what they were, if anything, and what they are.
SELECT h.name, h.uid, h.etag, h.body, h.trashed, h.id, o.id AS object, o.uid AS uid_now
FROM (
    SELECT DISTINCT ON (name) name, id, uid, etag, body, trashed FROM history
    WHERE home_id = $1 AND calendar_id = $2 AND name <> '' AND at >= to_timestamp($3::bigint)
    ORDER BY name, id
) AS h
LEFT JOIN object o ON o.home_id = $1 AND o.calendar_id = $2 AND o.name = h.name
WHERE h.etag IS DISTINCT FROM o.etag
ORDER BY h.name;
