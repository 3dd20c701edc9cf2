-- begin_snapshot: opens a transaction that sees one moment.
-- parameters: none
-- rows: none
-- read
begin isolation level repeatable read read only
