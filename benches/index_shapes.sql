-- Both shapes of the time-range index, side by side (decision 0001): what 100, 10,000 and 100,000 objects of four instances
-- each cost to put in, to ask for a week, and to keep. For psql, in a database that may be filled:
--   psql -X -q -f benches/index_shapes.sql DATABASE
-- A fifth recurs; one in fifty lasts more than two weeks; the week asked for holds the same 80 instances at every size.
\set ON_ERROR_STOP 1
SET client_min_messages = warning;
SET plan_cache_mode = force_generic_plan;
CREATE EXTENSION IF NOT EXISTS btree_gist;
DROP TABLE IF EXISTS shape_tree, shape_gist, shape_given;

CREATE TABLE shape_tree (
    home_id bigint NOT NULL, calendar_id bigint NOT NULL, object_id bigint NOT NULL, starts bigint NOT NULL, ends bigint NOT NULL,
    floating boolean NOT NULL, busy smallint NOT NULL, lasting boolean NOT NULL GENERATED ALWAYS AS (ends - starts > 1209600) STORED
);
CREATE TABLE shape_gist (
    home_id bigint NOT NULL, calendar_id bigint NOT NULL, object_id bigint NOT NULL, span int8range NOT NULL,
    floating boolean NOT NULL, busy smallint NOT NULL
);
CREATE TABLE shape_given (calendar_id bigint, object_id bigint, starts bigint, ends bigint);

CREATE OR REPLACE FUNCTION pg_temp.took(statement text, times integer) RETURNS numeric LANGUAGE plpgsql AS $$
DECLARE begun timestamptz; ignored bigint;
BEGIN
    begun := clock_timestamp();
    FOR turn IN 1 .. times LOOP
        EXECUTE statement INTO ignored;
    END LOOP;
    RETURN round((extract(epoch FROM clock_timestamp() - begun) * 1e6 / times)::numeric, 1);
END $$;

CREATE OR REPLACE FUNCTION pg_temp.measure(objects integer) RETURNS TABLE (shape text, instances bigint, "a row in, µs" numeric,
    "a week, µs" numeric, "rows found" bigint, "bytes a row" numeric) LANGUAGE plpgsql AS $$
DECLARE
    week bigint := 1795392000;
    -- The last rows lie in the weeks around the one asked for, all others in the years before, spread by a number without pattern.
    past bigint := week - 30 * 604800;
BEGIN
    TRUNCATE shape_tree, shape_gist, shape_given;
    DROP INDEX IF EXISTS shape_tree_span, shape_tree_lasting, shape_tree_object, shape_gist_span, shape_gist_object;
    INSERT INTO shape_given
    SELECT 1, o, at, at + CASE WHEN o % 50 = 0 THEN 1300000 + hashint4(o) % 600000 ELSE 3600 * (1 + o % 4) END
    FROM generate_series(1, objects) AS o, generate_series(0, 3) AS i,
         LATERAL (SELECT CASE WHEN o <= 100 THEN week - 604800 + (abs(hashint4(o * 7 + i)::bigint) % (3 * 604800))
                              ELSE past - abs(hashint4(o * 7 + i)::bigint) % 300000000 END AS at) AS place;
    CREATE INDEX shape_tree_span ON shape_tree (home_id, calendar_id, floating, starts) INCLUDE (ends, object_id, busy) WHERE NOT lasting;
    CREATE INDEX shape_tree_lasting ON shape_tree (home_id, calendar_id, floating, ends) INCLUDE (starts, object_id, busy) WHERE lasting;
    CREATE INDEX shape_tree_object ON shape_tree (home_id, object_id);
    CREATE INDEX shape_gist_span ON shape_gist USING gist (home_id, calendar_id, floating, span) INCLUDE (object_id, busy);
    CREATE INDEX shape_gist_object ON shape_gist (home_id, object_id);
    shape := 'b-tree'; SELECT count(*) INTO instances FROM shape_given;
    "a row in, µs" := round(pg_temp.took('INSERT INTO shape_tree SELECT 1, calendar_id, object_id, starts, ends, false, 1 FROM shape_given
        ORDER BY object_id RETURNING 1', 1) / instances, 2);
    ANALYZE shape_tree;
    DEALLOCATE ALL;
    EXECUTE 'PREPARE week (bigint, bigint) AS SELECT count(*) FROM (SELECT object_id FROM shape_tree WHERE home_id = 1 AND calendar_id = 1
        AND NOT floating AND NOT lasting AND starts >= $1 - 1209600 AND starts < $2 AND ends > $1 UNION SELECT object_id FROM shape_tree
        WHERE home_id = 1 AND calendar_id = 1 AND NOT floating AND lasting AND starts < $2 AND ends > $1) AS hit';
    "a week, µs" := pg_temp.took(format('EXECUTE week (%s, %s)', week, week + 604800), 300);
    SELECT count(*) INTO "rows found" FROM shape_tree WHERE starts < week + 604800 AND ends > week;
    "bytes a row" := round((pg_total_relation_size('shape_tree'))::numeric / instances);
    RETURN NEXT;
    shape := 'GiST';
    "a row in, µs" := round(pg_temp.took('INSERT INTO shape_gist SELECT 1, calendar_id, object_id, int8range(starts, ends), false, 1 FROM shape_given
        ORDER BY object_id RETURNING 1', 1) / instances, 2);
    ANALYZE shape_gist;
    DEALLOCATE ALL;
    EXECUTE 'PREPARE week (bigint, bigint) AS SELECT count(*) FROM (SELECT DISTINCT object_id FROM shape_gist WHERE home_id = 1
        AND calendar_id = 1 AND NOT floating AND span && int8range($1, $2)) AS hit';
    "a week, µs" := pg_temp.took(format('EXECUTE week (%s, %s)', week, week + 604800), 300);
    SELECT count(*) INTO "rows found" FROM shape_gist WHERE span && int8range(week, week + 604800);
    "bytes a row" := round((pg_total_relation_size('shape_gist'))::numeric / instances);
    RETURN NEXT;
END $$;

SELECT * FROM pg_temp.measure(100);
SELECT * FROM pg_temp.measure(10000);
SELECT * FROM pg_temp.measure(100000);
DROP TABLE shape_tree, shape_gist, shape_given;
