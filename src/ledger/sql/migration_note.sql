-- migration_note: records a migration in the transaction that applied it.
-- parameters: $1 number, $2 name, $3 sha256
-- rows: none
-- write
insert into schema_migration (number, name, sha256) values ($1::bigint::integer, $2::text, $3::text)
