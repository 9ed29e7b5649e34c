-- Tables of other products, in PostgreSQL, in SQLite, or in what a dump was read into.

--: tables
-- What there is, in PostgreSQL.
SELECT c.relname::text AS name FROM pg_class c
WHERE c.relkind IN ('r', 'p', 'v') AND pg_table_is_visible(c.oid) AND c.relnamespace <> 'pg_catalog'::regnamespace
  AND c.relnamespace <> 'information_schema'::regnamespace;

--: lite_tables
-- The same in SQLite.
SELECT name FROM sqlite_master WHERE type IN ('table', 'view');
