-- Groups that are kept here beside those that the proxy tells, and who did what to whose rights.

-- Groups as the proxy told them last, and groups in which an admin keeps somebody. Who is in either is in the group: all that
-- asks for somebody's groups reads the column that has both.
CREATE FUNCTION effective(told text[], kept text[]) RETURNS text[]
LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$
    SELECT CASE WHEN cardinality(kept) = 0 THEN told
                ELSE (SELECT array_agg(DISTINCT name COLLATE "C" ORDER BY name COLLATE "C") FROM unnest(told || kept) AS of (name)) END
$$;
DROP INDEX principal_groups;
ALTER TABLE principal RENAME groups TO told;
ALTER TABLE principal ADD kept text[] NOT NULL DEFAULT '{}';
ALTER TABLE principal ADD groups text[] NOT NULL GENERATED ALWAYS AS (effective(told, kept)) STORED;
CREATE INDEX principal_groups ON principal USING gin (groups);

-- What was done to people and to the rights in their homes. Numbers are of principals, names are as they were then; what is
-- about somebody who is purged goes with them.
CREATE TABLE audit (
    id       bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    at       timestamptz NOT NULL DEFAULT now(),
    actor_id bigint,                                                  -- who did it; null: the proxy, or somebody at the command line
    actor    text NOT NULL,
    action   text NOT NULL,
    owner_id bigint,                                                  -- in whose home
    owner    text NOT NULL,
    place    text NOT NULL,                                           -- the collection there; empty: the home
    whom_id  bigint,                                                  -- to whom it was done
    whom     text NOT NULL,
    detail   text NOT NULL
);
CREATE INDEX audit_at ON audit (at);
