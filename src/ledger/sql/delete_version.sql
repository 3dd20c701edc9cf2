-- delete_version: removes rows of table version by key; an absent one is no error.
-- parameters: one array per key column, all of one length
-- rows: none
-- write
delete from version
using unnest($1::bigint[]) as gone (id)
where version.id = gone.id
