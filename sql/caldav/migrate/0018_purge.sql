-- What is kept of people who are erased.

-- Notifications count to nobody's quota: where some of them went with somebody, their octets were taken off all the same.
UPDATE calendar SET octets = 0 WHERE kind = 3 AND octets <> 0;

-- Who was erased, until nothing is left of them with others; what names them in notifications.
CREATE TABLE erased (
    principal_id bigint PRIMARY KEY,
    marks        text[] NOT NULL
);

-- What somebody did elsewhere than in their own home, and all that was done by them, to them or in their home.
CREATE INDEX history_author ON history (author) WHERE author <> home_id;
CREATE INDEX audit_actor ON audit (actor_id) WHERE actor_id IS NOT NULL;
CREATE INDEX audit_owner ON audit (owner_id) WHERE owner_id IS NOT NULL;
CREATE INDEX audit_whom ON audit (whom_id) WHERE whom_id IS NOT NULL;
