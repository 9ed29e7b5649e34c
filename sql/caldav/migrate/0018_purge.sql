-- What is kept of people who are erased.

-- Notifications count to nobody's quota: where some of them went with somebody, their octets were taken off all the same.
UPDATE calendar SET octets = 0 WHERE kind = 3 AND octets <> 0;
