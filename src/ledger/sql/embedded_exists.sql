-- embedded_exists: whether the database of the private cluster is there.
-- parameters: none
-- rows: one: true or false
-- read
select exists (select from pg_database d where d.datname = 'berth')
