-- What a new private cluster is given.

--: exists
SELECT 1 FROM pg_database WHERE datname = $1;

--: create
CREATE DATABASE kalends;

--: toast
-- Quicker than the usual pglz, and calendar objects are large enough to be compressed.
ALTER SYSTEM SET default_toast_compression = 'lz4';

--: wal
ALTER SYSTEM SET wal_compression = 'lz4';

--: reload
SELECT pg_reload_conf();
