-- What becomes of calendars and traces of people when others take them over, or nobody does: work of an admin, across homes.

--: patience
-- A home may be large, and nobody waits for an answer.
SELECT set_config('statement_timeout', '0', true);

--: hold
-- The calendars of the home $1, and all in whose lists the person or the group $2 is, in the order in which calendars are held
-- everywhere.
SELECT c.id FROM calendar c
WHERE (c.home_id, c.id) IN (
    SELECT home_id, id FROM calendar WHERE home_id = $1
    UNION
    SELECT home_id, calendar_id FROM ace WHERE principal_id = $1 OR group_name = $2)
ORDER BY c.home_id, c.id
FOR NO KEY UPDATE OF c;

--: hold_homes
-- The homes that have the person or the group in their lists, or see what is kept in the home $1, and that home; then, in the same
-- way.
SELECT s.home_id FROM home_state s
WHERE s.home_id IN (
    SELECT $1::bigint
    UNION
    SELECT home_id FROM bind WHERE owner_home_id = $1 AND home_id <> owner_home_id
    UNION
    SELECT home_id FROM ace WHERE calendar_id = 0 AND (principal_id = $1 OR group_name = $2))
ORDER BY s.home_id
FOR NO KEY UPDATE OF s;

--: kept
-- The calendars of a home, held until the transaction ends.
SELECT b.name, c.id FROM bind b JOIN calendar c ON c.home_id = b.home_id AND c.id = b.calendar_id
WHERE b.home_id = $1 AND b.owner_home_id = $1 AND c.home_id = $1 AND c.kind = 0
ORDER BY c.id
FOR UPDATE OF c, b;

--: names
-- What is seen in a home: under which name, and whose it is.
SELECT name, owner_home_id, calendar_id FROM bind WHERE home_id = $1;

--: hand_over
-- The calendars $3 of the home $1, called $4 there, with all that belongs to them, are in the home $2 from now on, where they
-- are called $5; what the new owner saw of them before, they see under the name that it had for them, and with the properties
-- that they gave it; whether the old owner wanted to be told of changes is nobody's affair any more. The old home's revision
-- takes over what the calendars counted.
WITH gone AS MATERIALIZED (
    SELECT coalesce(sum(revision), 0)::bigint + count(*) AS counted FROM calendar WHERE home_id = $1 AND id = ANY ($3::bigint[])
), moved AS (
    UPDATE calendar SET home_id = $2, revision = revision + 1, modified = now(), locked = NULL
    WHERE home_id = $1 AND id = ANY ($3)
), objects AS (
    UPDATE object SET home_id = $2 WHERE home_id = $1 AND calendar_id = ANY ($3)
), owned AS (
    DELETE FROM personal p USING object o
    WHERE p.principal_id = $2 AND p.home_id = $1 AND o.home_id = $1 AND o.id = p.object_id AND o.calendar_id = ANY ($3)
), times AS (
    UPDATE instance SET home_id = $2 WHERE home_id = $1 AND calendar_id = ANY ($3)
), graves AS (
    UPDATE tombstone SET home_id = $2 WHERE home_id = $1 AND calendar_id = ANY ($3)
), tired AS (
    DELETE FROM watch WHERE home_id = $1 AND calendar_id = ANY ($3) AND principal_id = $1
), watching AS (
    UPDATE watch SET home_id = $2 WHERE home_id = $1 AND calendar_id = ANY ($3) AND principal_id <> $1
), freed AS (
    DELETE FROM lock WHERE home_id = $1 AND calendar_id = ANY ($3)
), needless AS (
    DELETE FROM ace WHERE home_id = $1 AND calendar_id = ANY ($3) AND principal_id IN ($1, $2)
), listed AS (
    UPDATE ace SET home_id = $2
    WHERE home_id = $1 AND calendar_id = ANY ($3) AND (principal_id IS NULL OR principal_id NOT IN ($1, $2))
), hidden AS (
    DELETE FROM property p WHERE p.home_id = $1 AND p.calendar_id = ANY ($3) AND (p.local = 'notify-changes' OR EXISTS (
        SELECT FROM property own WHERE own.home_id = $2 AND own.calendar_id = p.calendar_id
          AND own.object_id = p.object_id AND own.namespace = p.namespace AND own.local = p.local))
), described AS (
    UPDATE property p SET home_id = $2 WHERE p.home_id = $1 AND p.calendar_id = ANY ($3) AND p.local <> 'notify-changes' AND NOT EXISTS (
        SELECT FROM property own WHERE own.home_id = $2 AND own.calendar_id = p.calendar_id
          AND own.object_id = p.object_id AND own.namespace = p.namespace AND own.local = p.local)
), past AS (
    UPDATE history SET home_id = $2 WHERE home_id = $1 AND calendar_id = ANY ($3)
), own AS (
    UPDATE personal SET home_id = $2 WHERE home_id = $1 AND principal_id <> $2
      AND object_id IN (SELECT id FROM object WHERE home_id = $1 AND calendar_id = ANY ($3))
), host AS (
    DELETE FROM invite WHERE home_id = $1 AND calendar_id = ANY ($3) AND principal_id = $2
), invited AS (
    UPDATE invite SET home_id = $2 WHERE home_id = $1 AND calendar_id = ANY ($3) AND principal_id IS DISTINCT FROM $2
), unbound AS (
    DELETE FROM bind WHERE home_id = $1 AND owner_home_id = $1 AND calendar_id = ANY ($3)
), kept AS (
    UPDATE bind SET owner_home_id = $2 WHERE home_id = $2 AND owner_home_id = $1 AND calendar_id = ANY ($3)
), bound AS (
    INSERT INTO bind (home_id, name, owner_home_id, calendar_id)
    SELECT $2, given.name, $2, given.id FROM unnest($3, $5::text[]) AS given (id, name)
    WHERE NOT EXISTS (
        SELECT FROM bind seen WHERE seen.home_id = $2 AND seen.owner_home_id = $1 AND seen.calendar_id = given.id)
), arrived AS (
    UPDATE home_state SET revision = revision + cardinality($3) WHERE home_id = $2
), left_behind AS (
    UPDATE home_state s
    SET revision = s.revision + gone.counted,
        default_event = CASE WHEN s.default_event = ANY ($3) THEN NULL ELSE s.default_event END,
        default_task = CASE WHEN s.default_task = ANY ($3) THEN NULL ELSE s.default_task END
    FROM gone
    WHERE s.home_id = $1
    RETURNING s.revision - gone.counted AS before
)
INSERT INTO home_tombstone (home_id, revision, name, calendar_id)
SELECT $1, left_behind.before + given.nth, given.name, given.id
FROM left_behind, unnest($3, $4::text[]) WITH ORDINALITY AS given (id, name, nth);

--: follow
-- Who sees these calendars of the home $1 elsewhere than in the home $2, sees the same in $2.
UPDATE bind SET owner_home_id = $2 WHERE owner_home_id = $1 AND home_id NOT IN ($1, $2) AND calendar_id = ANY ($3::bigint[]);

--: revoke
-- Takes the entries about the principal $1, or about the group $2, out of all lists but those of the principal's own home, and
-- counts a change of what had them.
WITH gone AS (
    DELETE FROM ace WHERE (principal_id = $1 OR group_name = $2) AND home_id IS DISTINCT FROM $1 RETURNING home_id, calendar_id
), uninvited AS (
    DELETE FROM invite WHERE group_name = $2
), touched AS (
    UPDATE calendar c SET revision = c.revision + 1, modified = now()
    FROM gone WHERE c.home_id = gone.home_id AND c.id = gone.calendar_id
)
UPDATE home_state s SET revision = s.revision + 1
FROM (SELECT DISTINCT home_id FROM gone WHERE calendar_id = 0) AS gone WHERE s.home_id = gone.home_id;

--: unshare
-- The calendars of the home $1 are seen in no other home any more, and what those said of them is forgotten. The revision of each
-- takes over what the calendars counted, so that it never comes to an old value again.
WITH gone AS (
    DELETE FROM bind WHERE owner_home_id = $1 AND home_id <> owner_home_id RETURNING home_id, name, calendar_id
), told AS (
    SELECT gone.home_id, gone.name, gone.calendar_id, row_number() OVER (PARTITION BY gone.home_id ORDER BY gone.name) AS nth,
           sum(c.revision + 1) OVER (PARTITION BY gone.home_id)::bigint AS number
    FROM gone JOIN calendar c ON c.home_id = $1 AND c.id = gone.calendar_id
), stripped AS (
    DELETE FROM property p USING gone WHERE p.home_id = gone.home_id AND p.calendar_id = gone.calendar_id
), forgotten AS (
    DELETE FROM personal WHERE home_id = $1
), counted AS (
    UPDATE home_state s SET revision = s.revision + told.number
    FROM (SELECT DISTINCT home_id, number FROM told) AS told WHERE s.home_id = told.home_id
    RETURNING s.home_id, s.revision - told.number AS before
)
INSERT INTO home_tombstone (home_id, revision, name, calendar_id)
SELECT told.home_id, counted.before + told.nth, told.name, told.calendar_id
FROM told JOIN counted ON counted.home_id = told.home_id;

--: unlock
-- What they locked in other homes is free.
DELETE FROM lock WHERE principal_id = $1 AND home_id <> $1;

--: disinvite
-- Nobody awaits them by their address any more: whoever comes with it is somebody else.
DELETE FROM invite i USING principal p
WHERE p.id = $1 AND lower(i.address) = lower(p.email) AND i.principal_id IS NULL AND i.group_name IS NULL;

--: clear
-- Their home, large things first and without looking for what belongs to each.
WITH times AS (
    DELETE FROM instance WHERE home_id = $1
)
DELETE FROM property WHERE home_id = $1;

--: demolish
DELETE FROM home WHERE home_id = $1;

--: erase
DELETE FROM principal WHERE id = $1;

--: remember
-- Somebody who is no more, and what names them in the notifications of others, until nothing of it is left.
INSERT INTO erased (principal_id, marks) VALUES ($1, $2);

--: remembered
SELECT principal_id, marks FROM erased ORDER BY principal_id;

--: anonymise
-- What they changed in other homes was changed by nobody: so much of it.
UPDATE history h SET author = NULL
FROM (
    SELECT home_id, calendar_id, name, id FROM history WHERE author = $1 AND author <> home_id
    ORDER BY home_id, calendar_id, name, id LIMIT $2
) AS theirs
WHERE h.home_id = theirs.home_id AND h.calendar_id = theirs.calendar_id AND h.name = theirs.name AND h.id = theirs.id;

--: forget
-- What was done by them, to them or in their home: so much of it.
DELETE FROM audit
WHERE id IN (SELECT id FROM audit WHERE actor_id = $1 OR owner_id = $1 OR whom_id = $1 ORDER BY id LIMIT $2);

--: named
-- The next $2 homes behind $1, and whether one of these texts stands in a notification there.
SELECT s.home_id, EXISTS (
    SELECT FROM object o
    JOIN calendar c ON c.home_id = s.home_id AND c.id = o.calendar_id AND c.kind = 3
    WHERE o.home_id = s.home_id AND o.component = 0
      AND EXISTS (SELECT FROM unnest($3::text[]) AS mark (text) WHERE position(convert_to(mark.text, 'UTF8') IN o.body) > 0)
) AS named
FROM (SELECT home_id FROM home_state WHERE home_id > $1 ORDER BY home_id LIMIT $2) AS s
ORDER BY s.home_id;

--: forgotten
DELETE FROM erased WHERE principal_id = $1;

--: holdings
-- What there is of somebody: calendars, objects and octets in their home but for the trash, entries of their lists, entries about them in the
-- lists of others, calendars of theirs that others see, and of others that they see.
SELECT (SELECT count(*) FROM calendar WHERE home_id = $1 AND kind = 0 AND trashed IS NULL) AS calendars,
       (SELECT count(*) FROM object o JOIN calendar c ON c.home_id = $1 AND c.id = o.calendar_id AND c.trashed IS NULL
        WHERE o.home_id = $1) AS objects,
       (SELECT coalesce(sum(octets), 0)::bigint FROM calendar WHERE home_id = $1 AND trashed IS NULL) AS octets,
       (SELECT count(*) FROM ace WHERE home_id = $1) AS given,
       (SELECT count(*) FROM ace WHERE principal_id = $1) AS held,
       (SELECT count(*) FROM bind WHERE owner_home_id = $1 AND home_id <> $1) AS seen,
       (SELECT count(*) FROM bind WHERE home_id = $1 AND owner_home_id <> $1) AS sees;
