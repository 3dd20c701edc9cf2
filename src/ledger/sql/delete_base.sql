-- delete_base: removes rows of table base by key; an absent one is no error.
-- parameters: one array per key column, all of one length
-- rows: none
-- write
delete from base
using unnest($1::bigint[]) as gone (id)
where base.id = gone.id
