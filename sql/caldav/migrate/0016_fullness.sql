-- Who was told that their quota is nearly or wholly used up (caldav-notifications section 5.2): 0 nothing, 1 nearly, 2 wholly.
ALTER TABLE home_state ADD told_full smallint NOT NULL DEFAULT 0;
