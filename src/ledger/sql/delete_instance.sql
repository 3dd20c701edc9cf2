-- delete_instance: removes rows of table instance by key; an absent one is no error.
-- parameters: one array per key column, all of one length
-- rows: none
-- write
delete from instance
using unnest($1::bigint[]) as gone (id)
where instance.id = gone.id
