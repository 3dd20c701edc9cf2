-- begin: opens a transaction.
-- parameters: none
-- rows: none
-- write
begin
