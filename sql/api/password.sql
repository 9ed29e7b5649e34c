-- Passwords for single programs.

--: of_person
SELECT id, name, label, read_only, calendars, expires, created, used, used_from
FROM kalends_api.app_password WHERE person = $1 ORDER BY created, id LIMIT 200;

--: by_hash
SELECT id, person, name, read_only, calendars, expires
FROM kalends_api.app_password WHERE hash = $1 AND (expires IS NULL OR expires > now());

--: add
INSERT INTO kalends_api.app_password (id, person, name, label, hash, read_only, calendars, expires)
SELECT $1, $2, $3, $4, $5, $6, $7, $8
WHERE (SELECT count(*) FROM kalends_api.app_password WHERE person = $2) < 100
RETURNING created;

--: label
UPDATE kalends_api.app_password SET label = $3 WHERE person = $1 AND id = $2;

--: called
UPDATE kalends_api.app_password SET name = $2 WHERE person = $1 AND name <> $2;

--: revoke
DELETE FROM kalends_api.app_password WHERE person = $1 AND id = $2;

--: used
UPDATE kalends_api.app_password p SET used = u.used, used_from = u.used_from
FROM unnest($1::uuid[], $2::timestamptz[], $3::text[]) AS u (id, used, used_from)
WHERE p.id = u.id;
