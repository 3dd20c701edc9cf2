-- delete_module: removes rows of table module by key; an absent one is no error.
-- parameters: one array per key column, all of one length
-- rows: none
-- write
delete from module
using unnest($1::bigint[]) as gone (id)
where module.id = gone.id
