-- Who gets in, and whose an address is.

-- Set: nobody gets in as them any more, and everything of theirs stays.
ALTER TABLE principal ADD disabled timestamptz;

-- An address leads to one person: whoever had it first keeps it, the others get theirs told anew when they sign in.
UPDATE principal AS later SET email = NULL
WHERE EXISTS (SELECT FROM principal AS first WHERE lower(first.email) = lower(later.email) AND first.id < later.id);
DROP INDEX principal_email;
CREATE UNIQUE INDEX principal_email ON principal (lower(email)) WHERE email IS NOT NULL;
