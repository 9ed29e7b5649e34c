-- Who did what to whom.

--: record
INSERT INTO audit (actor_id, actor, action, owner_id, owner, place, whom_id, whom, detail)
SELECT * FROM unnest($1::bigint[], $2::text[], $3::text[], $4::bigint[], $5::text[], $6::text[], $7::bigint[], $8::text[], $9::text[]);

--: since
-- What was done in the last $1 days, oldest first; where $2 is not null, what that principal did, was done to, or in whose home.
SELECT at, actor_id, actor, action, owner_id, owner, place, whom_id, whom, detail
FROM audit
WHERE at >= now() - make_interval(days => $1) AND ($2::bigint IS NULL OR $2 IN (actor_id, owner_id, whom_id))
ORDER BY id;

--: trim
-- Forgets what was done more than $1 days ago, the oldest $2 of it.
DELETE FROM audit
WHERE id IN (SELECT id FROM audit WHERE at < now() - make_interval(days => $1) ORDER BY at LIMIT $2);
