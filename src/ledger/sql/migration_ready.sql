-- migration_ready: whether the lease and the list of migrations are there.
-- parameters: none
-- rows: one: true or false
-- read
select to_regclass('lease') is not null and to_regclass('schema_migration') is not null
