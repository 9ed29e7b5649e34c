-- What is left of people who are erased, and which collection something was done to.

-- Notifications count to nobody's quota: where some of them went with somebody, their octets were taken off all the same.
UPDATE calendar SET octets = 0 WHERE kind = 3 AND octets <> 0;

-- Who was erased, until nothing is left of them with others; what names them in notifications.
CREATE TABLE erased (
    principal_id bigint PRIMARY KEY,
    marks        text[] NOT NULL
);

-- What somebody did elsewhere than in their own home, and what was done by them or to them; in their home: audit_place.
CREATE INDEX history_author ON history (author) WHERE author <> home_id;
CREATE INDEX audit_actor ON audit (actor_id) WHERE actor_id IS NOT NULL;
CREATE INDEX audit_whom ON audit (whom_id) WHERE whom_id IS NOT NULL;

-- The number of the collection that was done something to, which it has whatever it is called. Of what was done before, what the name
-- has led to since it was made is the best guess.
ALTER TABLE audit ADD calendar_id bigint;
UPDATE audit a SET calendar_id = c.id
FROM bind b JOIN calendar c ON c.home_id = b.home_id AND c.id = b.calendar_id
WHERE b.home_id = a.owner_id AND b.owner_home_id = a.owner_id AND b.name = a.place AND a.at >= c.created;
CREATE INDEX audit_calendar ON audit (calendar_id, id) WHERE calendar_id IS NOT NULL;
