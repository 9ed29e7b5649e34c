-- Who wants to be told when somebody else changes what is in a calendar, or does not want it.

--: set
-- The calendar remembers that somebody may want it: whoever writes to what nobody watches pays nothing.
WITH marked AS (
    UPDATE calendar SET watched = watched OR $4 WHERE home_id = $1 AND id = $2
)
INSERT INTO watch (home_id, calendar_id, principal_id, wanted) VALUES ($1, $2, $3, $4)
ON CONFLICT (home_id, calendar_id, principal_id) DO UPDATE SET wanted = excluded.wanted;

--: of
-- Those who want it, but for $3, with what is granted to them.
SELECT p.id, p.name, p.groups, g.granted
FROM watch w
JOIN principal p ON p.id = w.principal_id
CROSS JOIN LATERAL (
    SELECT bit_or(a.privileges) AS granted
    FROM ace a
    WHERE p.id <> $1 AND a.home_id = $1 AND a.calendar_id = ANY (ARRAY[0, $2::bigint])
      AND CASE a.grantee WHEN 0 THEN a.principal_id = p.id WHEN 1 THEN a.group_name = ANY (p.groups) ELSE a.grantee IN (2, 3) END
) AS g
WHERE w.home_id = $1 AND w.calendar_id = $2 AND w.wanted AND p.id <> $3 AND p.disabled IS NULL
ORDER BY p.id
LIMIT $4;

--: called
-- What a calendar kept elsewhere is called in a home.
SELECT name FROM bind WHERE home_id = $1 AND owner_home_id = $2 AND calendar_id = $3;
