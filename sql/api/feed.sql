-- Secret links to calendars.

--: of_person
SELECT id, person, name, calendar, place, busy_only, token, calendar_name, label, active, created, used
FROM kalends_api.feed WHERE person = $1 ORDER BY created, id LIMIT 2000;

--: by_token
SELECT id, person, name, calendar, place, busy_only, token, calendar_name, label, active, created, used
FROM kalends_api.feed WHERE hash = $1 AND active;

--: add
INSERT INTO kalends_api.feed (id, person, name, calendar, place, busy_only, token, calendar_name, label, active)
SELECT $1, $2, $3, $4, $5, $6, $7, $8, $9, $10
WHERE (SELECT count(*) FROM kalends_api.feed WHERE person = $2) < 1000
ON CONFLICT (person, calendar, busy_only) DO NOTHING;

--: change
UPDATE kalends_api.feed
SET calendar_name = coalesce($3, calendar_name), label = coalesce($4, label), active = coalesce($5, active)
WHERE person = $1 AND id = $2
RETURNING id, person, name, calendar, place, busy_only, token, calendar_name, label, active, created, used;

--: convert
UPDATE kalends_api.feed f SET busy_only = $3 WHERE person = $1 AND id = $2
AND NOT EXISTS (SELECT FROM kalends_api.feed o WHERE o.person = $1 AND o.calendar = f.calendar AND o.busy_only = $3 AND o.id <> $2);

--: remove
DELETE FROM kalends_api.feed WHERE person = $1 AND id = ANY ($2::uuid[]);

--: called
UPDATE kalends_api.feed SET name = $2 WHERE person = $1 AND name <> $2;

--: moved
UPDATE kalends_api.feed SET place = $2 WHERE id = $1;

--: used
UPDATE kalends_api.feed f SET used = u.used
FROM unnest($1::uuid[], $2::timestamptz[]) AS u (id, used) WHERE f.id = u.id;
