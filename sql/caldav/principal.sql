-- Who there is.

--: by_name
SELECT id, name, subject, display_name, email, told, groups, disabled IS NOT NULL AS disabled FROM principal WHERE name = $1;

--: by_credential
-- Whose a credential is, if they are called what came with it: a name that somebody else has by now is not theirs.
SELECT p.id, p.name, p.subject, p.display_name, p.email, p.told, p.groups, p.disabled IS NOT NULL AS disabled
FROM principal p JOIN home_state s ON s.home_id = p.id
WHERE p.name = $1 AND s.key = $2;

--: by_subject
SELECT id, name, subject, display_name, email, told, groups, disabled IS NOT NULL AS disabled FROM principal WHERE subject = $1;

--: by_email
SELECT id, name, subject, display_name, email, told, groups, disabled IS NOT NULL AS disabled FROM principal
WHERE lower(email) = lower($1);

--: by_emails
SELECT id, name, subject, display_name, email, told, groups, disabled IS NOT NULL AS disabled FROM principal
WHERE lower(email) = ANY ($1::text[]);

--: by_names
SELECT id, name, subject, display_name, email, told, groups, disabled IS NOT NULL AS disabled FROM principal
WHERE name = ANY ($1::text[]);

--: by_ids
SELECT id, name, subject, display_name, email, told, groups, disabled IS NOT NULL AS disabled FROM principal
WHERE id = ANY ($1::bigint[]) ORDER BY name;

--: keys
-- Of the homes of these people.
SELECT home_id, key FROM home_state WHERE home_id = ANY ($1::bigint[]);

--: alive
-- Which of these are keys of homes.
SELECT key FROM home_state WHERE key = ANY ($1::uuid[]);

--: calendar_keys
-- What stays of calendars.
SELECT id, key FROM calendar WHERE home_id = $1 AND id = ANY ($2::bigint[]);

--: groups
-- Those of these groups that somebody is in.
SELECT wanted.name FROM unnest($1::text[]) AS wanted (name)
WHERE EXISTS (SELECT FROM principal WHERE groups @> ARRAY[wanted.name] AND disabled IS NULL);

--: members
-- Who is in the group, the first $2 of them.
SELECT id, name, subject, display_name, email, told, groups, disabled IS NOT NULL AS disabled FROM principal
WHERE groups @> ARRAY[$1] AND disabled IS NULL ORDER BY name LIMIT $2;

--: search
-- Those of whom all tests hold, or any if $1. A field (0 the name that is shown, 1 the address, 2 the user name, 3 all of
-- them) has a text in it (0), begins with it (1), ends with it (2) or is it (3), in any case of letters. Where $5 is not
-- null, only who is in one of these groups, and the one who asks. However many there are, it looks at a hundred thousand.
SELECT p.id, p.name, p.subject, p.display_name, p.email, p.told, p.groups, false AS disabled
FROM (
    SELECT * FROM principal
    WHERE disabled IS NULL AND strpos(name, '/') = 0 AND ($5::text[] IS NULL OR groups && $5 OR id = $6)
    LIMIT 100000
) AS p
WHERE (
    SELECT CASE WHEN $1 THEN bool_or(tried.holds) ELSE coalesce(bool_and(tried.holds), true) END
    FROM (
        SELECT CASE test.how
            WHEN 0 THEN strpos(of.value, lower(test.text)) > 0
            WHEN 1 THEN starts_with(of.value, lower(test.text))
            WHEN 2 THEN right(of.value, length(test.text)) = lower(test.text)
            ELSE of.value = lower(test.text)
        END AS holds
        FROM unnest($2::smallint[], $3::smallint[], $4::text[]) AS test (field, how, text)
        CROSS JOIN LATERAL (
            SELECT lower(CASE test.field
                WHEN 0 THEN coalesce(p.display_name, p.name)
                WHEN 1 THEN coalesce(p.email, '')
                WHEN 2 THEN p.name
                ELSE concat_ws(chr(10), p.display_name, p.email, p.name)
            END) AS value
        ) AS of
    ) AS tried
)
ORDER BY p.name
LIMIT $7;

--: all
SELECT id, name, subject, display_name, email, told, groups, disabled IS NOT NULL AS disabled FROM principal ORDER BY name;

--: one_at_a_time
-- Whoever is made, renamed or changed: two names, a subject and an address may be concerned, which no row lock holds together.
SELECT pg_advisory_xact_lock(7104879);

--: create
-- The principal and all that is in a new home, or nothing where the name is taken: whoever comes second waits for the first.
WITH who AS (
    INSERT INTO principal (name, subject, display_name, email, told)
    VALUES ($1, $2, $3, $4, $5)
    ON CONFLICT DO NOTHING
    RETURNING id
), house AS (
    INSERT INTO home (home_id) SELECT id FROM who RETURNING home_id
), fresh AS MATERIALIZED (
    SELECT home_id, nextval(pg_get_serial_sequence('calendar', 'id')) AS id, given.*
    FROM house, unnest($6::text[], $7::smallint[], $8::smallint[], $9::text[]) AS given (name, kind, components, label)
), made AS (
    INSERT INTO calendar (home_id, id, kind, components) SELECT home_id, id, kind, components FROM fresh
), bound AS (
    INSERT INTO bind (home_id, name, owner_home_id, calendar_id) SELECT home_id, name, home_id, id FROM fresh
), labelled AS (
    INSERT INTO property (home_id, calendar_id, namespace, local, value)
    SELECT home_id, id, 'DAV:', 'displayname', label FROM fresh WHERE label IS NOT NULL
)
INSERT INTO home_state (home_id, default_event, default_task)
SELECT home_id, (SELECT id FROM fresh WHERE name = $10), (SELECT id FROM fresh WHERE name = $11) FROM house
RETURNING home_id;

--: refresh
-- What the proxy tells of a person now; what it does not tell stays. An address of last resort fills an empty place only.
UPDATE principal
SET subject = coalesce($2, subject), display_name = coalesce($3, display_name), email = coalesce($4, email, $6),
    told = coalesce($5, told)
WHERE id = $1
RETURNING id, name, subject, display_name, email, told, groups, disabled IS NOT NULL AS disabled;

--: rename
UPDATE principal SET name = $2 WHERE id = $1;

--: vacate
-- Frees the name of somebody who is called otherwise now, or not at all; no user name has a slash. An address that goes over
-- with the name leads to its new bearer.
UPDATE principal SET name = name || '/' || id, email = nullif(email, $2) WHERE id = $1;

--: disable
UPDATE principal SET disabled = now() WHERE id = $1 AND disabled IS NULL;

--: enable
UPDATE principal SET disabled = NULL WHERE id = $1;

--: join_group
-- Keeps somebody in the group, whatever the proxy tells.
UPDATE principal SET kept = effective(kept, ARRAY[$2]) WHERE id = $1
RETURNING id, name, subject, display_name, email, told, groups, disabled IS NOT NULL AS disabled;

--: leave_group
-- Keeps somebody in it no longer; where the proxy tells it, they stay.
UPDATE principal SET kept = array_remove(kept, $2) WHERE id = $1
RETURNING id, name, subject, display_name, email, told, groups, disabled IS NOT NULL AS disabled;

--: memberships
-- Everybody who is in the group, and who says so.
SELECT id, name, subject, display_name, email, told, groups, disabled IS NOT NULL AS disabled, kept @> ARRAY[$1] AS kept
FROM principal WHERE groups @> ARRAY[$1] ORDER BY name;

--: all_groups
-- Every group that somebody is in: how many, and how many of them by the proxy's word, and by an admin's.
SELECT of.name, count(*) AS members, count(*) FILTER (WHERE p.told @> ARRAY[of.name]) AS told,
       count(*) FILTER (WHERE p.kept @> ARRAY[of.name]) AS kept
FROM principal p
CROSS JOIN LATERAL unnest(p.groups) AS of (name)
GROUP BY of.name ORDER BY of.name;
