-- What a dump of MySQL or MariaDB is read into: tables of SQLite without types, in a file that goes with the import.

--: begin
BEGIN;

--: table
CREATE TABLE "{table}" ({columns});

--: row
INSERT INTO "{table}" ({columns}) VALUES ({values});

--: index
-- What lies in a calendar is looked for calendar by calendar.
CREATE INDEX "{table}_of" ON "{table}" (calendarid);

--: commit
COMMIT;
