-- The trash of a home has a URL in it: what was called so is called otherwise from now on.

UPDATE bind SET name = 'trash-' || left(gen_random_uuid()::text, 8) WHERE name = 'trash';
UPDATE calendar SET former = 'trash-' || left(gen_random_uuid()::text, 8) WHERE former = 'trash';
