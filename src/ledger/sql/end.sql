-- end: commits the open transaction.
-- parameters: none
-- rows: none
-- write
commit
