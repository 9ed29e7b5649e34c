-- Series that go on are asked by their pattern.

ALTER TABLE object
    ADD pattern bytea,                                                -- of an object with a tail: what its times depend on
    ADD horizon bigint;                                               -- where its rows end, if a later one would make more of them
-- It stays beside the other columns; to compress the little that it is costs more than it saves.
ALTER TABLE object ALTER pattern SET STORAGE PLAIN;
CREATE INDEX object_horizon ON object (home_id, horizon) WHERE horizon IS NOT NULL;

-- What was stored before is indexed anew in the background. Until then it has its tail, and is asked by its octets: stored
-- free-busy time from the first moment on, for its periods have no rows yet.
UPDATE object SET horizon = 0 WHERE tail IS NOT NULL;
UPDATE object SET horizon = 0, tail = -2305843009213693952 WHERE component = 8;

-- Short instances by their start, of which a window looks back two weeks; lasting ones by their end, for most of those that
-- there ever were are over.
DROP INDEX instance_span;
CREATE INDEX instance_span ON instance (home_id, calendar_id, floating, starts) INCLUDE (ends, object_id, busy) WHERE NOT lasting;
CREATE INDEX instance_lasting ON instance (home_id, calendar_id, floating, ends) INCLUDE (starts, object_id, busy) WHERE lasting;

-- Bodies are read far more often than they are written: where the server has it, the compression that is read fastest.
DO $$
BEGIN
    ALTER TABLE object ALTER body SET COMPRESSION lz4;
EXCEPTION WHEN feature_not_supported THEN
    NULL;
END
$$;
