-- Who was erased is taken out of the calendars of others: home by home, a few texts at a time. The calendars of the home are held
-- meanwhile. $n that names marks are addresses and paths in small letters.

--: ask
INSERT INTO erasure (marks) VALUES ($1) RETURNING id;

--: take
-- The oldest that nobody is at.
UPDATE erasure SET taken = now()
WHERE id = (
    SELECT id FROM erasure WHERE taken IS NULL OR taken < now() - interval '10 minutes' ORDER BY id LIMIT 1 FOR UPDATE SKIP LOCKED)
RETURNING id, marks, done;

--: pass
-- All homes up to $2 are done.
UPDATE erasure SET done = $2, taken = now() WHERE id = $1;

--: finish
DELETE FROM erasure WHERE id = $1;

--: homes
-- The next $3 homes behind $1, and whether one of the marks $2 is in what is kept there.
SELECT h.home_id,
       EXISTS (SELECT FROM object o WHERE o.home_id = h.home_id AND o.component <> 0 AND names_one(o.body, $2))
       OR EXISTS (SELECT FROM history p WHERE p.home_id = h.home_id AND names_one(p.body, $2))
       OR EXISTS (SELECT FROM personal p WHERE p.home_id = h.home_id AND names_one(p.data, $2)) AS named
FROM (SELECT home_id FROM home WHERE home_id > $1 ORDER BY home_id LIMIT $3) AS h
ORDER BY h.home_id;

--: hold
SELECT id FROM calendar WHERE home_id = $1 ORDER BY id FOR NO KEY UPDATE;

--: objects
-- Objects behind the number $2, wherever they lie.
SELECT calendar_id, id, 0::bigint AS whose, name, body
FROM object
WHERE home_id = $1 AND id > $2 AND component <> 0 AND names_one(body, $3)
ORDER BY id LIMIT $4;

--: past
-- What objects were, behind that entry.
SELECT calendar_id, id, 0::bigint AS whose, name, body
FROM history
WHERE home_id = $1 AND id > $2 AND names_one(body, $3)
ORDER BY id LIMIT $4;

--: own
-- What others keep of their own of objects behind the number $2.
SELECT o.calendar_id, p.object_id AS id, p.principal_id AS whose, o.name, p.data AS body
FROM personal p
JOIN object o ON o.home_id = $1 AND o.id = p.object_id
WHERE p.home_id = $1 AND (p.object_id, p.principal_id) > ($2, $3) AND names_one(p.data, $4)
ORDER BY p.object_id, p.principal_id LIMIT $5;

--: reword
-- The objects $3 of a calendar have other octets now, in which the same is said of everything but somebody.
WITH given AS (
    SELECT of.id, of.body, of.etag, row_number() OVER (ORDER BY of.id) AS nth
    FROM unnest($3::bigint[], $4::bytea[], $5::text[]) AS of (id, body, etag)
), seen AS (
    UPDATE calendar SET revision = revision + cardinality($3), modified = now(), octets = octets + (
        SELECT coalesce(sum(octet_length(given.body) - o.size), 0) FROM given JOIN object o ON o.home_id = $1 AND o.id = given.id)
    WHERE home_id = $1 AND id = $2
    RETURNING revision - cardinality($3) AS before
)
UPDATE object o
SET body = given.body, etag = given.etag, size = octet_length(given.body), revision = seen.before + given.nth, modified = now()
FROM given, seen
WHERE o.home_id = $1 AND o.calendar_id = $2 AND o.id = given.id;

--: reword_past
-- The same of the entries $3 of its log; $6 are the names of their objects.
WITH given AS (
    SELECT of.id, of.body, of.etag, of.name
    FROM unnest($3::bigint[], $4::bytea[], $5::text[], $6::text[]) AS of (id, body, etag, name)
), counted AS (
    UPDATE calendar SET kept = kept + (
        SELECT coalesce(sum(octet_length(given.body) - h.size), 0) FROM given
        JOIN history h ON h.home_id = $1 AND h.calendar_id = $2 AND h.name = given.name AND h.id = given.id)
    WHERE home_id = $1 AND id = $2
)
UPDATE history h SET body = given.body, etag = given.etag, size = octet_length(given.body)
FROM given
WHERE h.home_id = $1 AND h.calendar_id = $2 AND h.name = given.name AND h.id = given.id;

--: reword_own
-- The same of what the principals $5 keep of the objects $3, which they see changed.
WITH given AS (
    SELECT of.id, of.data, of.whose FROM unnest($3::bigint[], $4::bytea[], $5::bigint[]) AS of (id, data, whose)
), about AS (
    SELECT id, row_number() OVER (ORDER BY id) AS nth, count(*) OVER () AS number FROM (SELECT DISTINCT id FROM given) AS one
), seen AS (
    UPDATE calendar SET revision = revision + (SELECT count(*) FROM about), modified = now()
    WHERE home_id = $1 AND id = $2 RETURNING revision
), touched AS (
    UPDATE object o SET revision = seen.revision - about.number + about.nth, modified = now()
    FROM about, seen WHERE o.home_id = $1 AND o.calendar_id = $2 AND o.id = about.id
)
UPDATE personal p SET data = given.data
FROM given WHERE p.home_id = $1 AND p.object_id = given.id AND p.principal_id = given.whose;
