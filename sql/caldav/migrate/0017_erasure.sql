-- Who is to be taken out of the calendars of others, and what was done to a calendar.

-- What they are known by there, until it is done: then nothing is left of it.
CREATE TABLE erasure (
    id    bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    marks text[] NOT NULL,                                            -- addresses and paths of principals, in small letters
    done  bigint NOT NULL DEFAULT 0,                                  -- the last home that was looked through
    taken timestamptz                                                 -- when somebody was last at it
);

-- Whether one of the marks stands in a calendar object, however its lines are folded and whatever octets there are besides.
CREATE FUNCTION names_one(octets bytea, marks text[]) RETURNS boolean
LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$
    SELECT EXISTS (
        SELECT FROM unnest(marks) AS of (mark),
            lower(regexp_replace(encode(octets, 'escape'), '[\r\n]+[ \t]', '', 'g')) AS text
        WHERE strpos(text, encode(convert_to(of.mark, 'UTF8'), 'escape')) > 0
    )
$$;

-- What was done to one calendar is read by itself.
CREATE INDEX audit_place ON audit (owner_id, place, id);
