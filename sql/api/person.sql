-- How people want to be talked to.

--: by_id
SELECT id, name, language, timezone FROM kalends_api.person WHERE id = $1;

--: by_ids
SELECT id, name, language, timezone FROM kalends_api.person WHERE id = ANY ($1::uuid[]);

--: set
INSERT INTO kalends_api.person (id, name, language, timezone) VALUES ($1, $2, $3, $4)
ON CONFLICT (id) DO UPDATE
SET name = excluded.name, language = coalesce(excluded.language, person.language),
    timezone = coalesce(excluded.timezone, person.timezone);
