-- Who may do what: the entries of access control lists.

--: granted
-- What entries of a collection and of its home grant to the viewer $3, whose groups are $4; of the home alone where $2 is 0.
SELECT coalesce(bit_or(privileges), 0) AS granted
FROM ace
WHERE home_id = $1 AND calendar_id = ANY (ARRAY[0, $2::bigint])
  AND CASE grantee WHEN 0 THEN principal_id = $3 WHEN 1 THEN group_name = ANY ($4::text[]) ELSE grantee IN (2, 3) END;

--: of
-- The list of a collection and behind it that of its home; of the home where $2 is 0.
SELECT a.calendar_id, a.grantee, a.principal_id, p.name, a.group_name, a.privileges
FROM ace a
LEFT JOIN principal p ON p.id = a.principal_id
WHERE a.home_id = $1 AND a.calendar_id = ANY (ARRAY[0, $2::bigint])
ORDER BY a.calendar_id = 0, a.place;

--: of_all
-- The lists of a home and of all that is in it.
SELECT a.calendar_id, a.grantee, a.principal_id, p.name, a.group_name, a.privileges
FROM ace a
LEFT JOIN principal p ON p.id = a.principal_id
WHERE a.home_id = $1
ORDER BY a.calendar_id = 0, a.place;

--: of_bound
-- The lists of these collections, each with what it inherits from the home that it is kept in.
SELECT told.id, a.calendar_id, a.grantee, a.principal_id, p.name, a.group_name, a.privileges
FROM unnest($1::bigint[], $2::bigint[]) AS told (home_id, id)
JOIN ace a ON a.home_id = told.home_id AND a.calendar_id = ANY (ARRAY[0, told.id])
LEFT JOIN principal p ON p.id = a.principal_id
ORDER BY a.calendar_id = 0, a.place;

--: clear
DELETE FROM ace WHERE home_id = $1 AND calendar_id = $2;

--: add
INSERT INTO ace (home_id, calendar_id, place, grantee, principal_id, group_name, privileges)
SELECT $1, $2, given.place, given.grantee, given.principal_id, given.group_name, given.privileges
FROM unnest($3::smallint[], $4::bigint[], $5::text[], $6::integer[]) WITH ORDINALITY
    AS given (grantee, principal_id, group_name, privileges, place);

--: on_homes
-- The entries of the lists of homes themselves about the principal $1 or one of the groups $2, and whose homes they are. Who
-- has no name that a URL could have is passed over.
SELECT *
FROM (
    SELECT (SELECT name FROM principal WHERE id = given.home_id) AS owner, 0::bigint AS calendar_id, given.grantee, given.principal_id,
           (SELECT name FROM principal WHERE id = given.principal_id) AS name, given.group_name, given.privileges
    FROM (
        SELECT home_id, grantee, principal_id, group_name, privileges FROM ace
        WHERE calendar_id = 0 AND grantee = 0 AND principal_id = $1
        UNION ALL
        SELECT home_id, grantee, principal_id, group_name, privileges FROM ace
        WHERE calendar_id = 0 AND grantee = 1 AND group_name = ANY ($2::text[])
    ) AS given
    WHERE given.home_id <> coalesce($1, 0)
) AS named
WHERE strpos(owner, '/') = 0
ORDER BY owner;
