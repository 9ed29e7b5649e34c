-- Whoever ends a password, or changes what it is for, by whatever statement, tells every node of it when that is committed.

CREATE FUNCTION password_changed() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    PERFORM pg_notify('kalends_revoked', '');
    RETURN NULL;
END
$$;
CREATE TRIGGER told AFTER DELETE OR UPDATE OF person, hash, read_only, calendars, expires ON app_password
    FOR EACH ROW EXECUTE FUNCTION password_changed();
CREATE TRIGGER all_told AFTER TRUNCATE ON app_password FOR EACH STATEMENT EXECUTE FUNCTION password_changed();
