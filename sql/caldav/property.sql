-- Properties that are kept as they were sent.

--: of
-- calendar 0 is the home itself, -1 the principal; object 0 is the calendar itself.
SELECT calendar_id, object_id, namespace, local, value
FROM property
WHERE home_id = $1 AND calendar_id = $2 AND object_id = $3
ORDER BY namespace, local;

--: of_calendars
-- What each of these homes keeps of the collection beside it.
SELECT p.home_id, p.calendar_id, p.namespace, p.local, p.value
FROM unnest($1::bigint[], $2::bigint[]) AS told (home_id, id)
JOIN property p ON p.home_id = told.home_id AND p.calendar_id = told.id AND p.object_id = 0;

--: set
INSERT INTO property (home_id, calendar_id, object_id, namespace, local, value)
SELECT $1, $2, $3, given.* FROM unnest($4::text[], $5::text[], $6::text[]) AS given (namespace, local, value)
ON CONFLICT (home_id, calendar_id, object_id, namespace, local) DO UPDATE SET value = excluded.value;

--: remove
DELETE FROM property p
USING unnest($4::text[], $5::text[]) AS given (namespace, local)
WHERE p.home_id = $1 AND p.calendar_id = $2 AND p.object_id = $3
  AND p.namespace = given.namespace AND p.local = given.local;

--: size
SELECT count(*) AS number, coalesce(sum(octet_length(value)), 0)::bigint AS octets
FROM property
WHERE home_id = $1 AND calendar_id = $2 AND object_id = $3;

--: size_of_home
SELECT coalesce(sum(octet_length(value)), 0)::bigint AS octets FROM property WHERE home_id = $1;
