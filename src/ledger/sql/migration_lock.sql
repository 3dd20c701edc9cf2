-- migration_lock: lets one server migrate at a time, in an open transaction.
-- parameters: none
-- rows: none
-- write
lock table schema_migration in share row exclusive mode
