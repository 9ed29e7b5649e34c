-- A home is synchronised as a whole, and what was deleted is remembered for so long only.

-- Names under which a home no longer has the collection that it had, for those who have not heard of it.
CREATE TABLE home_tombstone (
    home_id     bigint NOT NULL REFERENCES home ON DELETE CASCADE,
    revision    bigint NOT NULL,                                      -- of the home, when the name went
    name        text NOT NULL,
    calendar_id bigint NOT NULL,                                      -- what had it
    buried      timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (home_id, revision)
);

-- Tokens of the home below it are no longer answered: tombstones were trimmed.
ALTER TABLE home_state ADD floor bigint NOT NULL DEFAULT 0;

-- What is old enough to be forgotten, in whichever home.
CREATE INDEX tombstone_buried ON tombstone (buried);
CREATE INDEX home_tombstone_buried ON home_tombstone (buried);

-- The stored properties of an object, as a column of a statement about many: none of the names (namespace and local name
-- with U+0001 between, which XML has not) are all. One text each: namespace, local name, value.
CREATE FUNCTION stored(home bigint, calendar bigint, object bigint, names text[]) RETURNS text[]
LANGUAGE sql STABLE PARALLEL SAFE AS $$
    SELECT coalesce(array_agg(namespace || E'\x01' || local || E'\x01' || value ORDER BY namespace, local), '{}')
    FROM property
    WHERE home_id = home AND calendar_id = calendar AND object_id = object
      AND (cardinality(names) = 0 OR namespace || E'\x01' || local = ANY (names))
$$;

-- What its objects take together, counted with each change of them.
ALTER TABLE calendar ADD octets bigint NOT NULL DEFAULT 0;
UPDATE calendar c SET octets = (SELECT coalesce(sum(o.size), 0) FROM object o WHERE o.home_id = c.home_id AND o.calendar_id = c.id);
