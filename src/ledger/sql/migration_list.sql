-- migration_list: what was applied.
-- parameters: none
-- rows: number, name, sha256
-- read
select m.number::bigint, m.name, m.sha256 from schema_migration m order by m.number
