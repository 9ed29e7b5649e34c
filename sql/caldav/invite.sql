-- To whom calendars are shared. What they may do is in ace, and where it appears in bind: both are brought in line with the
-- invites by statements about all sharees of one calendar, or all invites of one person.

--: of
-- Who is invited to these calendars, each kept in the home of the same place.
SELECT i.calendar_id, i.uid, i.address, i.principal_id, p.name, p.display_name, i.group_name, i.member, i.common_name, i.summary,
       i.status, coalesce(g.granted, i.privileges) AS privileges
FROM unnest($1::bigint[], $2::bigint[]) AS wanted (home_id, calendar_id)
JOIN invite i ON i.home_id = wanted.home_id AND i.calendar_id = wanted.calendar_id
LEFT JOIN principal p ON p.id = i.principal_id
CROSS JOIN LATERAL (
    SELECT bit_or(a.privileges) AS granted
    FROM ace a
    WHERE a.home_id = i.home_id AND a.calendar_id = i.calendar_id
      AND (a.principal_id = i.principal_id OR a.group_name = i.group_name OR i.member AND a.group_name = ANY (p.groups))
) AS g
ORDER BY i.created, coalesce(i.address, p.name, i.group_name);

--: set
-- Invites persons ($4) and groups ($5) who are not.
INSERT INTO invite (home_id, calendar_id, address, principal_id, group_name, common_name, summary, status)
SELECT $1, $2, given.* FROM unnest($3::text[], $4::bigint[], $5::text[], $6::text[], $7::text[], $8::smallint[]) AS given
ON CONFLICT DO NOTHING;

--: change
-- Says something else of those who are invited; what is not said stays, and who declined is asked again.
UPDATE invite i
SET address = coalesce(given.address, i.address), common_name = coalesce(given.common_name, i.common_name),
    summary = coalesce(given.summary, i.summary), member = false, modified = now(),
    status = CASE i.status WHEN 2 THEN given.status ELSE i.status END
FROM unnest($3::text[], $4::bigint[], $5::text[], $6::text[], $7::text[], $8::smallint[])
    AS given (address, principal_id, group_name, common_name, summary, status)
WHERE i.home_id = $1 AND i.calendar_id = $2 AND (i.principal_id = given.principal_id OR i.group_name = given.group_name);

--: await
-- Invites whoever will have these addresses.
INSERT INTO invite (home_id, calendar_id, address, common_name, summary, privileges, status)
SELECT $1, $2, given.*, 0 FROM unnest($3::text[], $4::text[], $5::text[], $6::integer[]) AS given
ON CONFLICT (home_id, calendar_id, lower(address)) WHERE principal_id IS NULL AND group_name IS NULL
DO UPDATE SET address = excluded.address, common_name = coalesce(excluded.common_name, invite.common_name),
    summary = coalesce(excluded.summary, invite.summary), privileges = excluded.privileges, modified = now();

--: drop
DELETE FROM invite WHERE home_id = $1 AND calendar_id = $2 AND uid = ANY ($3::uuid[]);

--: enrol
-- Whoever is in an invited group is invited through it.
INSERT INTO invite (home_id, calendar_id, principal_id, member, status)
SELECT DISTINCT $1, $2, p.id, true, $3
FROM invite i
JOIN principal p ON p.groups @> ARRAY[i.group_name]
WHERE i.home_id = $1 AND i.calendar_id = $2 AND i.group_name IS NOT NULL AND p.id <> $1 AND p.disabled IS NULL
ON CONFLICT DO NOTHING;

--: expel
-- Whoever was invited through groups, and is in none of them any more.
DELETE FROM invite m
USING principal p
WHERE m.home_id = $1 AND m.calendar_id = $2 AND m.member AND p.id = m.principal_id
  AND NOT EXISTS (SELECT FROM invite i WHERE i.home_id = $1 AND i.calendar_id = $2 AND i.group_name = ANY (p.groups));

--: put_off
-- Who has accepted because nobody was to be asked, and has $3 calendars of others or more, is asked.
UPDATE invite i SET status = 0
WHERE i.home_id = $1 AND i.calendar_id = $2 AND i.status = 1 AND i.modified = now() AND i.principal_id IS NOT NULL
  AND NOT EXISTS (SELECT FROM bind b WHERE b.home_id = i.principal_id AND b.owner_home_id = $1 AND b.calendar_id = $2)
  AND $3 <= (SELECT count(*) FROM bind b WHERE b.home_id = i.principal_id AND b.owner_home_id <> b.home_id);

--: wanted
-- The homes in which the calendar is to be seen: of those who accepted and have a privilege of $3 by an entry of its list; and whether
-- somebody ($4, or a member of $5) may do something else there than before.
SELECT p.id, p.id = ANY ($4::bigint[]) OR p.groups && $5::text[] AS changed
FROM invite i
JOIN principal p ON p.id = i.principal_id
WHERE i.home_id = $1 AND i.calendar_id = $2 AND i.status = 1 AND EXISTS (
    SELECT FROM ace a WHERE a.home_id = $1 AND a.calendar_id = $2 AND a.privileges & $3 <> 0
      AND (a.principal_id = p.id OR a.group_name = ANY (p.groups)))
ORDER BY p.id;

--: touch_homes
-- What is seen in them is another one.
UPDATE home_state s SET revision = s.revision + 1
FROM (SELECT home_id FROM home_state WHERE home_id = ANY ($1::bigint[]) ORDER BY home_id FOR NO KEY UPDATE) AS told
WHERE s.home_id = told.home_id;

--: touch
-- The calendar is another one, and known to be shared or not.
UPDATE calendar
SET revision = revision + 1, modified = now(),
    shared = EXISTS (SELECT FROM invite i WHERE i.home_id = $1 AND i.calendar_id = $2)
WHERE home_id = $1 AND id = $2;

--: met
-- Where somebody was awaited by the address $2 who is there now: the calendars of homes whose owners may know them. Nobody is
-- hidden from anybody where $3, else from those who are in no group with them.
SELECT i.home_id, i.calendar_id, i.privileges
FROM invite i
JOIN principal o ON o.id = i.home_id
WHERE lower(i.address) = lower($2) AND i.principal_id IS NULL AND i.group_name IS NULL AND i.home_id <> $1
  AND ($3 OR o.groups && $4::text[])
ORDER BY i.home_id, i.calendar_id;

--: hold
-- These calendars, and those that the person $3, whose groups are $4, sees and is to see no more ($5), in the order in which
-- calendars are held everywhere: what of theirs is counted, nobody counts on meanwhile.
SELECT c.id
FROM (
    SELECT * FROM unnest($1::bigint[], $2::bigint[])
    UNION
    SELECT b.owner_home_id, b.calendar_id FROM bind b
    WHERE b.home_id = $3 AND b.owner_home_id <> b.home_id AND NOT EXISTS (
        SELECT FROM invite i
        JOIN ace a ON a.home_id = i.home_id AND a.calendar_id = i.calendar_id
        WHERE i.home_id = b.owner_home_id AND i.calendar_id = b.calendar_id AND i.principal_id = $3 AND i.status = 1
          AND a.privileges & $5 <> 0 AND (a.principal_id = $3 OR a.group_name = ANY ($4::text[])))
) AS held (home_id, calendar_id)
JOIN calendar c ON c.home_id = held.home_id AND c.id = held.calendar_id
ORDER BY c.home_id, c.id
FOR NO KEY UPDATE OF c;

--: merge
-- Who is invited to a calendar in another way as well is not awaited there any more.
DELETE FROM invite i
USING unnest($3::bigint[], $4::bigint[]) AS met (home_id, calendar_id)
WHERE i.home_id = met.home_id AND i.calendar_id = met.calendar_id
  AND (i.principal_id = $1 AND i.member
    OR lower(i.address) = lower($2) AND i.principal_id IS NULL AND i.group_name IS NULL AND EXISTS (
        SELECT FROM invite o WHERE o.home_id = i.home_id AND o.calendar_id = i.calendar_id AND o.principal_id = $1 AND NOT o.member));

--: name
-- The one who was awaited, invited with that status $5, and granted what they shall get.
WITH met AS (
    UPDATE invite i SET principal_id = $1, status = $5, modified = now()
    FROM unnest($3::bigint[], $4::bigint[]) AS met (home_id, calendar_id)
    WHERE i.home_id = met.home_id AND i.calendar_id = met.calendar_id
      AND lower(i.address) = lower($2) AND i.principal_id IS NULL AND i.group_name IS NULL
    RETURNING i.home_id, i.calendar_id, i.privileges
), touched AS (
    UPDATE calendar c SET revision = c.revision + 1, modified = now() FROM met WHERE c.home_id = met.home_id AND c.id = met.calendar_id
)
INSERT INTO ace (home_id, calendar_id, place, grantee, principal_id, privileges)
SELECT met.home_id, met.calendar_id, 1 + coalesce((
    SELECT max(a.place) FROM ace a WHERE a.home_id = met.home_id AND a.calendar_id = met.calendar_id), 0), 0, $1, met.privileges
FROM met
ON CONFLICT (home_id, calendar_id, grantee, coalesce(principal_id, 0), coalesce(group_name, ''))
DO UPDATE SET privileges = ace.privileges | excluded.privileges;

--: enrol_person
-- To whatever the groups $2 of the person are invited.
INSERT INTO invite (home_id, calendar_id, principal_id, member, status)
SELECT DISTINCT home_id, calendar_id, $1::bigint, true, $3::smallint FROM invite WHERE group_name = ANY ($2::text[]) AND home_id <> $1
ON CONFLICT DO NOTHING;

--: expel_person
DELETE FROM invite m
WHERE m.principal_id = $1 AND m.member AND NOT EXISTS (
    SELECT FROM invite i WHERE i.home_id = m.home_id AND i.calendar_id = m.calendar_id AND i.group_name = ANY ($2::text[]));

--: put_off_person
-- The same of somebody who comes: of what they accepted because nobody was to be asked, the first fill their home.
UPDATE invite i SET status = 0
FROM (
    SELECT n.home_id, n.calendar_id, row_number() OVER (ORDER BY n.home_id, n.calendar_id) AS nth
    FROM invite n
    WHERE n.principal_id = $1 AND n.status = 1 AND n.modified = now() AND NOT EXISTS (
        SELECT FROM bind b WHERE b.home_id = $1 AND b.owner_home_id = n.home_id AND b.calendar_id = n.calendar_id)
) AS fresh
WHERE i.home_id = fresh.home_id AND i.calendar_id = fresh.calendar_id AND i.principal_id = $1
  AND fresh.nth > $2 - (SELECT count(*) FROM bind b WHERE b.home_id = $1 AND b.owner_home_id <> b.home_id);

--: appear_person
-- All of it that they accepted and may see ($3) is seen in their home, and nothing else of others is: under the name that it has at its
-- owner's or that with a number, the next of which that are free if several want it; what has a number has none of these. The home's revision takes over what the calendars that go have counted.
WITH wanted AS MATERIALIZED (
    SELECT i.home_id, i.calendar_id
    FROM invite i
    WHERE i.principal_id = $1 AND i.status = 1 AND EXISTS (
        SELECT FROM ace a WHERE a.home_id = i.home_id AND a.calendar_id = i.calendar_id AND a.privileges & $3 <> 0
          AND (a.principal_id = $1 OR a.group_name = ANY ($2::text[])))
), fresh AS (
    SELECT w.home_id, w.calendar_id, b.name, row_number() OVER (PARTITION BY b.name ORDER BY w.calendar_id) AS nth
    FROM wanted w
    JOIN bind b ON b.home_id = w.home_id AND b.owner_home_id = w.home_id AND b.calendar_id = w.calendar_id
    WHERE NOT EXISTS (SELECT FROM bind o WHERE o.home_id = $1 AND o.owner_home_id = w.home_id AND o.calendar_id = w.calendar_id)
), gone AS (
    DELETE FROM bind b
    WHERE b.home_id = $1 AND b.owner_home_id <> $1 AND (b.owner_home_id, b.calendar_id) NOT IN (SELECT home_id, calendar_id FROM wanted)
    RETURNING b.name, b.owner_home_id, b.calendar_id
), stripped AS (
    DELETE FROM property WHERE home_id = $1 AND calendar_id IN (SELECT calendar_id FROM gone)
), forgotten AS (
    DELETE FROM personal p USING gone, object o
    WHERE p.principal_id = $1 AND p.home_id = gone.owner_home_id
      AND o.home_id = gone.owner_home_id AND o.id = p.object_id AND o.calendar_id = gone.calendar_id
), unwatched AS (
    DELETE FROM watch w USING gone
    WHERE w.home_id = gone.owner_home_id AND w.calendar_id = gone.calendar_id AND w.principal_id = $1
), made AS (
    INSERT INTO bind (home_id, name, owner_home_id, calendar_id)
    SELECT $1, coalesce((
        SELECT free.name
        FROM (SELECT fresh.name, 1 AS n UNION ALL SELECT fresh.name || '-' || n, n FROM generate_series(2, 9) n) AS free
        WHERE fresh.name !~ '-[2-9]$' AND octet_length(free.name) <= 255 AND NOT EXISTS (SELECT FROM bind b WHERE b.home_id = $1 AND b.name = free.name)
        ORDER BY free.n OFFSET fresh.nth - 1 LIMIT 1
    ), gen_random_uuid()::text), fresh.home_id, fresh.calendar_id
    FROM fresh
    RETURNING name
), counted AS (
    UPDATE home_state SET revision = revision + greatest((
        SELECT sum(c.revision + 1)::bigint FROM gone JOIN calendar c ON c.home_id = gone.owner_home_id AND c.id = gone.calendar_id), 1)
    WHERE home_id = $1 AND (EXISTS (SELECT FROM gone) OR EXISTS (SELECT FROM made))
    RETURNING revision
)
INSERT INTO home_tombstone (home_id, revision, name, calendar_id)
SELECT $1, counted.revision + 1 - row_number() OVER (), gone.name, gone.calendar_id FROM gone, counted;

--: asked
-- What the person was invited to in this transaction and has not answered.
SELECT i.calendar_id, i.uid, i.address, i.principal_id, p.name, p.display_name, i.group_name, i.member, i.common_name, i.summary,
       i.status, (
           SELECT coalesce(bit_or(a.privileges), 0) FROM ace a
           WHERE a.home_id = i.home_id AND a.calendar_id = i.calendar_id AND (a.principal_id = p.id OR a.group_name = ANY (p.groups))
       ) AS privileges, o.name AS owner, o.display_name AS owner_name, o.email AS owner_email, b.name AS called, c.components
FROM invite i
JOIN principal p ON p.id = i.principal_id
JOIN principal o ON o.id = i.home_id
JOIN bind b ON b.home_id = i.home_id AND b.owner_home_id = i.home_id AND b.calendar_id = i.calendar_id
JOIN calendar c ON c.home_id = i.home_id AND c.id = i.calendar_id
WHERE i.principal_id = $1 AND i.status = 0 AND i.modified = now();

--: answered
-- The invite of a person by its number, or to a calendar.
SELECT i.home_id, i.calendar_id, i.uid, p.name AS owner, b.name AS calendar
FROM invite i
JOIN principal p ON p.id = i.home_id
JOIN bind b ON b.home_id = i.home_id AND b.owner_home_id = i.home_id AND b.calendar_id = i.calendar_id
WHERE i.principal_id = $1 AND i.uid = $2;

--: answer
UPDATE invite SET status = $4, modified = now() WHERE home_id = $1 AND calendar_id = $2 AND principal_id = $3 AND status <> $4;

--: place
-- The name of the calendar in the home $1.
SELECT name FROM bind WHERE home_id = $1 AND owner_home_id = $2 AND calendar_id = $3;
