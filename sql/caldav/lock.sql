-- Write locks, by the database's clock. Whoever takes, refreshes or gives back one holds the row of its calendar.

--: of
-- Those of these calendars that have not run out; vacant says that nothing lies at the root, veiled that what lies there is private.
SELECT l.calendar_id, l.token, l.member, l.principal_id, l.shared, l.infinite, l.owner, l.seconds,
       ceil(extract(epoch FROM l.expires - now()))::bigint AS remaining,
       l.member IS NOT NULL AND NOT EXISTS (
           SELECT FROM object o WHERE o.home_id = told.home_id AND o.calendar_id = l.calendar_id AND o.name = l.member
       ) AS vacant,
       l.member IS NOT NULL AND EXISTS (
           SELECT FROM object o
           WHERE o.home_id = told.home_id AND o.calendar_id = l.calendar_id AND o.name = l.member AND coalesce(o.access & 3, 3) = 3
       ) AS veiled
FROM unnest($1::bigint[], $2::bigint[]) AS told (home_id, id)
JOIN lock l ON l.home_id = told.home_id AND l.calendar_id = told.id
WHERE l.expires > now()
ORDER BY l.created, l.token;

--: of_calendars
-- Those on calendars themselves.
SELECT l.calendar_id, l.token, l.member, l.principal_id, l.shared, l.infinite, l.owner, l.seconds,
       ceil(extract(epoch FROM l.expires - now()))::bigint AS remaining, false AS vacant, false AS veiled
FROM unnest($1::bigint[], $2::bigint[]) AS told (home_id, id)
JOIN lock l ON l.home_id = told.home_id AND l.calendar_id = told.id
WHERE l.member IS NULL AND l.expires > now()
ORDER BY l.created, l.token;

--: take
-- Those that have run out go on the way.
WITH marked AS (
    UPDATE calendar SET locked = greatest(locked, now() + make_interval(secs => $9::integer))
    WHERE home_id = $1 AND id = $2
), trimmed AS (
    DELETE FROM lock WHERE home_id = $1 AND calendar_id = $2 AND expires <= now()
)
INSERT INTO lock (home_id, calendar_id, token, member, principal_id, shared, infinite, owner, seconds, expires)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, now() + make_interval(secs => $9::integer));

--: refresh
WITH marked AS (
    UPDATE calendar SET locked = greatest(locked, now() + make_interval(secs => $4::integer))
    WHERE home_id = $1 AND id = $2
)
UPDATE lock SET seconds = $4, expires = now() + make_interval(secs => $4::integer)
WHERE home_id = $1 AND calendar_id = $2 AND token = $3;

--: release
WITH marked AS (
    UPDATE calendar
    SET locked = (SELECT max(expires) FROM lock WHERE home_id = $1 AND calendar_id = $2 AND token <> $3)
    WHERE home_id = $1 AND id = $2
)
DELETE FROM lock WHERE home_id = $1 AND calendar_id = $2 AND token = $3;

--: hand_over
-- What moves leaves its locks behind, and comes under those of what it takes the place of (RFC 4918 §7.6); $3 is that, or 0.
-- Those of members that nothing takes the place of go with them.
WITH marked AS (
    UPDATE calendar SET locked = (SELECT max(expires) FROM lock WHERE home_id = $1 AND calendar_id = $3)
    WHERE home_id = $1 AND id = $2
), left_behind AS (
    DELETE FROM lock WHERE home_id = $1 AND calendar_id = $2
)
UPDATE lock l SET calendar_id = $2
WHERE l.home_id = $1 AND l.calendar_id = $3
  AND (l.member IS NULL OR EXISTS (
      SELECT FROM object o WHERE o.home_id = $1 AND o.calendar_id = $2 AND o.name = l.member
  ));

--: clear
-- Those whose root is no more.
DELETE FROM lock WHERE home_id = $1 AND calendar_id = $2 AND member = $3;
