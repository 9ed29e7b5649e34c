-- What changed in a collection since a revision (RFC 6578).

--: since
-- The members of now and the names of those that are gone, oldest change first; to one who has seen nothing (-1) nothing is gone.
SELECT false AS gone, o.id, o.name, o.uid, o.component, o.etag, o.revision, o.size, o.created, o.modified
FROM object o
WHERE o.home_id = $1 AND o.calendar_id = $2 AND o.revision > 0 AND o.revision > $3
UNION ALL
SELECT true, 0, t.name, '', 0::smallint, '', t.revision, 0, t.buried, t.buried
FROM tombstone t
WHERE t.home_id = $1 AND t.calendar_id = $2 AND t.revision > 0 AND t.revision > $3 AND $3 >= 0
ORDER BY revision
LIMIT $4;

--: since_with_body
-- The same, with the octets of the members.
SELECT false AS gone, o.id, o.name, o.uid, o.component, o.etag, o.revision, o.size, o.created, o.modified, o.body
FROM object o
WHERE o.home_id = $1 AND o.calendar_id = $2 AND o.revision > 0 AND o.revision > $3
UNION ALL
SELECT true, 0, t.name, '', 0::smallint, '', t.revision, 0, t.buried, t.buried, NULL::bytea
FROM tombstone t
WHERE t.home_id = $1 AND t.calendar_id = $2 AND t.revision > 0 AND t.revision > $3 AND $3 >= 0
ORDER BY revision
LIMIT $4;
