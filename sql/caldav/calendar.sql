-- Homes and the collections in them, as one home sees them: of those that are kept in another, what leads to them. What others than the owner may do is computed where a
-- collection is loaded, unless it is locked: the viewer, whose groups follow, is looked for in the lists of the collection and of its home.

--: home
-- Its state, and that of each collection in it: one snapshot, in the order of their numbers; and which it sees besides.
SELECT s.key, s.revision, s.floor, c.ids, c.revisions, c.octets, b.owners, b.bound
FROM home_state s
CROSS JOIN (
    SELECT coalesce(array_agg(id), '{}') AS ids, coalesce(array_agg(revision), '{}') AS revisions,
           coalesce(array_agg(octets), '{}') AS octets
    FROM (SELECT id, revision, octets FROM calendar WHERE home_id = $1 AND trashed IS NULL ORDER BY id) AS kept
) AS c
CROSS JOIN (
    SELECT coalesce(array_agg(owner_home_id), '{}') AS owners, coalesce(array_agg(calendar_id), '{}') AS bound
    FROM bind WHERE home_id = $1 AND owner_home_id <> home_id
) AS b
WHERE s.home_id = $1;

--: all
SELECT b.name, b.owner_home_id, b.calendar_id, c.id, c.kind, c.key, c.components, c.revision, c.floor, c.octets, c.created,
       c.modified, c.shared, c.watched, c.locked > now() IS TRUE AS locked, CASE WHEN $2 <> $1 THEN (
    SELECT bit_or(a.privileges) FROM ace a
    WHERE a.home_id = $1 AND a.calendar_id = ANY (ARRAY[0, c.id])
      AND CASE a.grantee WHEN 0 THEN a.principal_id = $2 WHEN 1 THEN a.group_name = ANY ($3::text[]) ELSE a.grantee IN (2, 3) END) END AS granted
FROM bind b
LEFT JOIN calendar c ON c.home_id = $1 AND c.id = b.calendar_id
WHERE b.home_id = $1
ORDER BY b.name;

--: by_name
SELECT b.name, b.owner_home_id, b.calendar_id, c.id, c.kind, c.key, c.components, c.revision, c.floor, c.octets, c.created,
       c.modified, c.shared, c.watched, c.locked > now() IS TRUE AS locked, CASE WHEN $3 <> $1 THEN (
    SELECT bit_or(a.privileges) FROM ace a
    WHERE a.home_id = $1 AND a.calendar_id = ANY (ARRAY[0, c.id])
      AND CASE a.grantee WHEN 0 THEN a.principal_id = $3 WHEN 1 THEN a.group_name = ANY ($4::text[]) ELSE a.grantee IN (2, 3) END) END AS granted
FROM bind b
LEFT JOIN calendar c ON c.home_id = $1 AND c.id = b.calendar_id
WHERE b.home_id = $1 AND b.name = $2;

--: lock
-- Held to the end of the transaction: one writer at a time, and its revision is seen only when all before it are. The name is
-- held as well, so that what was renamed while somebody waited is not taken for what is called so. Rights are looked up when
-- the waiting is over.
WITH own AS (
    SELECT b.name, b.owner_home_id, b.calendar_id, c.id, c.kind, c.key, c.components, c.revision, c.floor, c.octets, c.created,
           c.modified, c.shared, c.watched, c.locked > now() IS TRUE AS locked
    FROM bind b
    JOIN calendar c ON c.home_id = b.home_id AND c.id = b.calendar_id
    WHERE b.home_id = $1 AND b.name = $2 AND c.home_id = $1
    FOR NO KEY UPDATE OF c FOR KEY SHARE OF b
)
SELECT * FROM own
UNION ALL
SELECT b.name, b.owner_home_id, b.calendar_id, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL
FROM bind b
WHERE b.home_id = $1 AND b.name = $2 AND b.owner_home_id <> $1;

--: lock_home
-- Held to the end of the transaction: one at a time makes or counts calendars here.
SELECT revision FROM home_state WHERE home_id = $1 FOR NO KEY UPDATE;

--: count
SELECT count(*) FROM calendar WHERE home_id = $1 AND kind IN (0, 4) AND trashed IS NULL;

--: octets
SELECT coalesce(sum(octets), 0)::bigint AS octets FROM calendar WHERE home_id = $1 AND trashed IS NULL;

--: create
-- Where $7, who did it is logged.
WITH made AS (
    INSERT INTO calendar (home_id, components, kind, kept) VALUES ($1, $3, $4, CASE WHEN $7 THEN 256 ELSE 0 END)
    RETURNING home_id, id
), logged AS (
    INSERT INTO history (home_id, calendar_id, name, revision, author, client, action)
    SELECT home_id, id, '', 0, $5, $6, 0 FROM made WHERE $7
), counted AS (
    UPDATE home_state SET revision = revision + 1 WHERE home_id = $1
)
INSERT INTO bind (home_id, name, owner_home_id, calendar_id)
SELECT home_id, $2, home_id, id FROM made
RETURNING calendar_id;

--: delete
-- The home's revision takes over what the calendar's counted, so that it never comes to an old value again.
WITH gone AS (
    DELETE FROM calendar WHERE home_id = $1 AND id = $2 RETURNING revision
), unbound AS (
    DELETE FROM bind WHERE home_id = $1 AND owner_home_id = $1 AND calendar_id = $2 RETURNING name
), stripped AS (
    DELETE FROM property WHERE home_id = $1 AND calendar_id = $2
), opened AS (
    DELETE FROM ace WHERE home_id = $1 AND calendar_id = $2
), counted AS (
    UPDATE home_state
    SET revision = home_state.revision + gone.revision + 1,
        default_event = nullif(default_event, $2), default_task = nullif(default_task, $2)
    FROM gone
    WHERE home_id = $1
    RETURNING home_state.revision
)
INSERT INTO home_tombstone (home_id, revision, name, calendar_id)
SELECT $1, counted.revision, unbound.name, $2 FROM counted, unbound;

--: trash
-- As deleting it; but it stays with all that is in it, where nobody sees it and nobody is invited to it, under the name that it
-- had.
WITH unbound AS (
    DELETE FROM bind WHERE home_id = $1 AND owner_home_id = $1 AND calendar_id = $2 RETURNING name
), gone AS (
    UPDATE calendar SET trashed = now(), former = unbound.name, locked = NULL, shared = false, kept = kept + 256
    FROM unbound
    WHERE home_id = $1 AND id = $2
    RETURNING revision, former
), unlocked AS (
    DELETE FROM lock WHERE home_id = $1 AND calendar_id = $2
), opened AS (
    DELETE FROM ace WHERE home_id = $1 AND calendar_id = $2
), uninvited AS (
    DELETE FROM invite WHERE home_id = $1 AND calendar_id = $2
), counted AS (
    UPDATE home_state
    SET revision = home_state.revision + gone.revision + 1,
        default_event = nullif(default_event, $2), default_task = nullif(default_task, $2)
    FROM gone
    WHERE home_id = $1
    RETURNING home_state.revision
), logged AS (
    INSERT INTO history (home_id, calendar_id, name, revision, author, client, action, detail)
    SELECT $1, $2, '', gone.revision, $3, $4, 2, gone.former FROM gone
)
INSERT INTO home_tombstone (home_id, revision, name, calendar_id)
SELECT $1, counted.revision, unbound.name, $2 FROM counted, unbound;

--: change
-- Something other than its members changed, and where $6 is not null that is logged, unless it comes within so many seconds
-- after the same by the same hands.
WITH entry AS (
    SELECT 256 AS octets
    WHERE $6::integer IS NOT NULL AND NOT EXISTS (
        SELECT FROM (
            SELECT author, client, action, at FROM history
            WHERE home_id = $1 AND calendar_id = $2 AND name = ''
            ORDER BY id DESC LIMIT 1
        ) AS last
        WHERE last.author IS NOT DISTINCT FROM $3::bigint AND last.client = $4 AND last.action = $5
          AND last.at > now() - make_interval(secs => $6)
    )
), seen AS (
    UPDATE calendar SET revision = revision + 1, modified = now(), kept = kept + coalesce((SELECT octets FROM entry), 0)
    WHERE home_id = $1 AND id = $2 RETURNING revision
)
INSERT INTO history (home_id, calendar_id, name, revision, author, client, action)
SELECT $1, $2, '', seen.revision, $3, $4, $5 FROM seen, entry;

--: touch
-- Something other than its members changed.
UPDATE calendar SET revision = revision + 1, modified = now() WHERE home_id = $1 AND id = $2;

--: begin_anew
-- Of the calendar $2, or of all in the home where that is null, somebody sees something else than before though nothing in it has
-- changed: tokens from before are not answered any more.
WITH held AS (
    SELECT id FROM calendar
    WHERE home_id = $1 AND kind = 0 AND trashed IS NULL AND ($2::bigint IS NULL OR id = $2)
    ORDER BY id FOR NO KEY UPDATE
)
UPDATE calendar c SET revision = c.revision + 1, floor = c.revision + 1, modified = now()
FROM held WHERE c.home_id = $1 AND c.id = held.id;

--: touch_home
UPDATE home_state SET revision = revision + 1 WHERE home_id = $1;

--: chosen
-- What the calendars are called that new events and new tasks go to, where they are kept in the home.
SELECT e.name AS event, t.name AS task
FROM home_state s
LEFT JOIN bind e ON e.home_id = $1 AND e.owner_home_id = $1 AND e.calendar_id = s.default_event
LEFT JOIN bind t ON t.home_id = $1 AND t.owner_home_id = $1 AND t.calendar_id = s.default_task
WHERE s.home_id = $1;

--: choose
UPDATE home_state
SET default_event = CASE WHEN $2 THEN default_event ELSE $3 END, default_task = CASE WHEN $2 THEN $3 ELSE default_task END
WHERE home_id = $1;
