-- Which migrations a database has had.

--: ground
SELECT current_setting('server_version_num')::integer AS version,
       current_setting('server_encoding') AS encoding,
       to_regclass('migration') IS NOT NULL AS begun;

--: patience
-- A migration may take longer than a request.
SET LOCAL statement_timeout = 0;

--: has_schema
SELECT to_regnamespace($1) IS NOT NULL AS there;

--: within
-- Until the end of the transaction: where names are looked for, and made.
SELECT set_config('search_path', $1, true);

--: lock
-- Until the end of the transaction. The number is kalends' own: "kalends" in bytes.
SELECT pg_advisory_xact_lock(30224940694135923);

--: create
CREATE TABLE IF NOT EXISTS migration (
    number   integer PRIMARY KEY,
    name     text NOT NULL,
    checksum text NOT NULL,                              -- SHA-256 of the file, hexadecimal
    applied  timestamptz NOT NULL DEFAULT now()
);

--: applied
SELECT number, name, checksum FROM migration ORDER BY number;

--: record
INSERT INTO migration (number, name, checksum) VALUES ($1, $2, $3);
