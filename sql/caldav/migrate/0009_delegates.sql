-- The homes that are open to somebody are found from their side.
CREATE INDEX ace_delegate ON ace (principal_id) WHERE calendar_id = 0 AND grantee = 0;
CREATE INDEX ace_delegates ON ace (group_name) WHERE calendar_id = 0 AND grantee = 1;
