-- Who did what to whom.

--: record
INSERT INTO audit (actor_id, actor, action, owner_id, owner, place, whom_id, whom, detail, calendar_id)
SELECT * FROM unnest($1::bigint[], $2::text[], $3::text[], $4::bigint[], $5::text[], $6::text[], $7::bigint[], $8::text[], $9::text[],
                     $10::bigint[]);

--: since
-- What was done in the last $1 days, oldest first; where $2 is not null, what that principal did, was done to, or in whose home.
SELECT id, at, actor, action, owner, place, whom, detail
FROM audit
WHERE at >= now() - make_interval(days => $1) AND ($2::bigint IS NULL OR $2 IN (actor_id, owner_id, whom_id))
ORDER BY id;

--: page
-- What was done before the entry $1, from $2 on and until $3, the latest $5 of it first: what the principal $4 did, was done to, or
-- in whose home. What is null does not count.
SELECT id, at, actor, action, owner, place, whom, detail
FROM audit
WHERE ($1::bigint IS NULL OR id < $1) AND ($2::timestamptz IS NULL OR at >= $2) AND ($3::timestamptz IS NULL OR at < $3)
  AND ($4::bigint IS NULL OR $4 IN (actor_id, owner_id, whom_id))
ORDER BY id DESC LIMIT $5;

--: of_calendar
-- The same of the collection $6, whatever it was called then.
SELECT id, at, actor, action, owner, place, whom, detail
FROM audit
WHERE calendar_id = $6 AND id < coalesce($1, 9223372036854775807)
  AND ($2::timestamptz IS NULL OR at >= $2) AND ($3::timestamptz IS NULL OR at < $3)
  AND ($4::bigint IS NULL OR $4 IN (actor_id, owner_id, whom_id))
ORDER BY id DESC LIMIT $5;

--: of_place
-- The same of whatever was called $7 in the home $6.
SELECT id, at, actor, action, owner, place, whom, detail
FROM audit
WHERE owner_id = $6 AND place = $7 AND id < coalesce($1, 9223372036854775807)
  AND ($2::timestamptz IS NULL OR at >= $2) AND ($3::timestamptz IS NULL OR at < $3)
  AND ($4::bigint IS NULL OR $4 IN (actor_id, owner_id, whom_id))
ORDER BY id DESC LIMIT $5;

--: trim
-- Forgets what was done more than $1 days ago, the oldest $2 of it.
DELETE FROM audit
WHERE id IN (SELECT id FROM audit WHERE at < now() - make_interval(days => $1) ORDER BY at LIMIT $2);
