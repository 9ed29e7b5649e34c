-- Calendars in other homes than the one they are kept in.

--: of
-- Of these calendars, but for those in the trash by now, all that is known where they are kept, and what is granted there to the
-- viewer $3, whose groups are $4. To whom is a CASE, here and wherever rights are asked for: the planner cannot take it for a reason to look for
-- all that is granted to somebody, or in the whole of a home.
SELECT c.home_id, c.id, c.kind, c.key, c.components, c.revision, c.floor, c.octets, c.created, c.modified, c.shared, c.watched,
       c.locked > now() IS TRUE AS locked, p.name AS owner, p.email AS owner_email, p.display_name AS owner_name, own.name AS called, (
    SELECT bit_or(a.privileges) FROM ace a
    WHERE a.home_id = told.home_id AND a.calendar_id = ANY (ARRAY[0, told.id])
      AND CASE a.grantee WHEN 0 THEN a.principal_id = $3 WHEN 1 THEN a.group_name = ANY ($4::text[]) ELSE a.grantee IN (2, 3) END) AS granted
FROM unnest($1::bigint[], $2::bigint[]) AS told (home_id, id)
JOIN calendar c ON c.home_id = told.home_id AND c.id = told.id AND c.trashed IS NULL
CROSS JOIN LATERAL (SELECT * FROM principal WHERE id = told.home_id OFFSET 0) AS p
CROSS JOIN LATERAL (
    SELECT name FROM bind WHERE home_id = told.home_id AND owner_home_id = told.home_id AND calendar_id = told.id OFFSET 0
) AS own;

--: listed
-- The same, but for whose they are.
SELECT c.home_id, c.id, c.kind, c.key, c.components, c.revision, c.floor, c.octets, c.created, c.modified, c.shared, c.watched,
       c.locked > now() IS TRUE AS locked, (
    SELECT bit_or(a.privileges) FROM ace a
    WHERE a.home_id = told.home_id AND a.calendar_id = ANY (ARRAY[0, told.id])
      AND CASE a.grantee WHEN 0 THEN a.principal_id = $3 WHEN 1 THEN a.group_name = ANY ($4::text[]) ELSE a.grantee IN (2, 3) END) AS granted
FROM unnest($1::bigint[], $2::bigint[]) AS told (home_id, id)
JOIN calendar c ON c.home_id = told.home_id AND c.id = told.id AND c.trashed IS NULL;

--: held
-- Of these calendars no more than how far they are, and what is granted there to the viewer $3, whose groups are $4.
SELECT c.home_id, c.id, c.revision, (
    SELECT bit_or(a.privileges) FROM ace a
    WHERE a.home_id = told.home_id AND a.calendar_id = ANY (ARRAY[0, told.id])
      AND CASE a.grantee WHEN 0 THEN a.principal_id = $3 WHEN 1 THEN a.group_name = ANY ($4::text[]) ELSE a.grantee IN (2, 3) END) AS granted
FROM unnest($1::bigint[], $2::bigint[]) AS told (home_id, id)
JOIN calendar c ON c.home_id = told.home_id AND c.id = told.id AND c.trashed IS NULL;

--: lock
-- One of them, held to the end of the transaction; what went to the trash while others waited for it is no more.
SELECT c.home_id, c.id, c.kind, c.key, c.components, c.revision, c.floor, c.octets, c.created, c.modified, c.shared, c.watched,
       c.locked > now() IS TRUE AS locked, p.name AS owner, p.email AS owner_email, p.display_name AS owner_name,
       own.name AS called
FROM calendar c
JOIN principal p ON p.id = c.home_id
JOIN bind own ON own.home_id = $1 AND own.owner_home_id = $1 AND own.calendar_id = c.id
WHERE c.home_id = $1 AND c.id = $2 AND c.trashed IS NULL
FOR NO KEY UPDATE OF c;

--: object
-- An object where it is kept, with its octets, and what is granted there to the viewer $4.
SELECT o.id, o.name, o.uid, o.component, o.etag, o.revision, o.size, o.created, o.modified, o.body,
    (SELECT bit_or(a.privileges) FROM ace a
     WHERE a.home_id = $1 AND a.calendar_id = ANY (ARRAY[0, $2::bigint])
       AND CASE a.grantee WHEN 0 THEN a.principal_id = $4 WHEN 1 THEN a.group_name = ANY ($5::text[]) ELSE a.grantee IN (2, 3) END) AS granted,
    o.access, (SELECT p.data FROM personal p WHERE p.home_id = $1 AND p.object_id = o.id AND p.principal_id = $4) AS personal
FROM object o
WHERE o.home_id = $1 AND o.calendar_id = $2 AND o.name = $3;

--: homes
-- In which homes a calendar is seen besides that which it is kept in.
SELECT home_id FROM bind WHERE owner_home_id = $1 AND calendar_id = $2 AND owner_home_id <> home_id ORDER BY home_id;

--: lock_homes
-- Held to the end of the transaction, in one order: what is called how in them stays so.
SELECT home_id FROM home_state WHERE home_id = ANY ($1::bigint[]) ORDER BY home_id FOR NO KEY UPDATE;

--: bind
-- The calendar is seen in these homes from now on, in each under the first of the names that is free there.
WITH wanted AS (
    SELECT told.home_id, (
        SELECT given.name
        FROM unnest($4::text[]) WITH ORDINALITY AS given (name, nth)
        WHERE NOT EXISTS (SELECT FROM bind b WHERE b.home_id = told.home_id AND b.name = given.name)
        ORDER BY given.nth LIMIT 1
    ) AS name
    FROM unnest($1::bigint[]) AS told (home_id)
    WHERE told.home_id <> $2 AND NOT EXISTS (
        SELECT FROM bind b WHERE b.home_id = told.home_id AND b.owner_home_id = $2 AND b.calendar_id = $3
    )
), made AS (
    INSERT INTO bind (home_id, name, owner_home_id, calendar_id)
    SELECT home_id, name, $2, $3 FROM wanted
    RETURNING home_id, name
), counted AS (
    UPDATE home_state s SET revision = s.revision + 1
    FROM unnest($1::bigint[]) AS told (home_id), made
    WHERE s.home_id = told.home_id AND made.home_id = told.home_id
)
SELECT home_id, name FROM made;

--: unbind
-- The calendar is no longer seen in these homes, and what was kept there of it is gone. The revision of each takes over what the
-- calendar's counted ($4), so that it never comes to an old value again.
WITH gone AS (
    DELETE FROM bind b USING unnest($1::bigint[]) AS told (home_id)
    WHERE b.home_id = told.home_id AND b.owner_home_id = $2 AND b.calendar_id = $3 AND b.owner_home_id <> b.home_id
    RETURNING b.home_id, b.name
), stripped AS (
    DELETE FROM property p USING unnest($1::bigint[]) AS told (home_id)
    WHERE p.home_id = told.home_id AND p.calendar_id = $3 AND p.home_id <> $2
), forgotten AS (
    DELETE FROM personal p USING unnest($1::bigint[]) AS told (home_id), object o
    WHERE p.principal_id = told.home_id AND p.home_id = $2 AND told.home_id <> $2
      AND o.home_id = $2 AND o.id = p.object_id AND o.calendar_id = $3
), unwatched AS (
    DELETE FROM watch w USING unnest($1::bigint[]) AS told (home_id)
    WHERE w.home_id = $2 AND w.calendar_id = $3 AND w.principal_id = told.home_id
), counted AS (
    UPDATE home_state s SET revision = s.revision + $4 + 1
    FROM unnest($1::bigint[]) AS told (home_id), gone
    WHERE s.home_id = told.home_id AND gone.home_id = told.home_id
    RETURNING s.home_id, s.revision, gone.name
)
INSERT INTO home_tombstone (home_id, revision, name, calendar_id)
SELECT home_id, revision, name, $3 FROM counted;

--: mark
-- Others see it in their homes; that is a change of it.
UPDATE calendar SET shared = true, revision = revision + 1, modified = now() WHERE home_id = $1 AND id = $2;
