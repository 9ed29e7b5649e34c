-- What becomes of what is kept of people when they are called otherwise, hand calendars over, or are erased.

--: is_there
SELECT to_regclass('kalends_api.feed') IS NOT NULL AS there;

--: called
-- Every node looks passwords up anew, for the name that they are checked with is another.
WITH known AS (
    UPDATE kalends_api.person SET name = $2 WHERE id = $1 AND name <> $2
), links AS (
    UPDATE kalends_api.feed SET name = $2 WHERE person = $1 AND name <> $2
), passwords AS (
    UPDATE kalends_api.app_password SET name = $2 WHERE person = $1 AND name <> $2 RETURNING id
)
SELECT pg_notify('kalends_revoked', id::text) FROM passwords;

--: yield
-- What $2 had of links to these calendars, as somebody who had them before, gives way to those of $1.
DELETE FROM kalends_api.feed heir USING kalends_api.feed given
WHERE heir.person = $2 AND given.person = $1 AND given.calendar = ANY ($3::uuid[])
  AND heir.calendar = given.calendar AND heir.busy_only = given.busy_only;

--: hand_over
UPDATE kalends_api.feed f SET person = $2, name = $3, place = given.place
FROM unnest($4::uuid[], $5::text[]) AS given (calendar, place)
WHERE f.person = $1 AND f.calendar = given.calendar;

--: kept
-- Of whom there is anything, beginning behind $1.
SELECT DISTINCT person FROM (
    SELECT id AS person FROM kalends_api.person
    UNION ALL SELECT person FROM kalends_api.feed
    UNION ALL SELECT person FROM kalends_api.app_password
) all_of_them WHERE person > $1 ORDER BY person LIMIT 1000;

--: forget
WITH known AS (
    DELETE FROM kalends_api.person WHERE id = $1
), links AS (
    DELETE FROM kalends_api.feed WHERE person = $1
), passwords AS (
    DELETE FROM kalends_api.app_password WHERE person = $1 RETURNING id
)
SELECT pg_notify('kalends_revoked', id::text) FROM passwords;
