-- delete_base_group: removes rows of table base_group by key; an absent one is no error.
-- parameters: one array per key column, all of one length
-- rows: none
-- write
delete from base_group
using unnest($1::bigint[]) as gone (id)
where base_group.id = gone.id
