-- Lists of entity tags and first synchronisations are read from an index alone (docs/decisions/0023).
DROP INDEX object_revision;
CREATE UNIQUE INDEX object_revision ON object (home_id, calendar_id, revision) INCLUDE (name, etag) WHERE revision > 0;

-- What was put in lately is read from its rows until a vacuum has passed, so one passes when a calendar has been filled.
ALTER TABLE object SET (autovacuum_vacuum_insert_scale_factor = 0.02);
