-- delete_artifact: removes rows of table artifact by key; an absent one is no error.
-- parameters: one array per key column, all of one length
-- rows: none
-- write
delete from artifact
using unnest($1::bigint[]) as gone (id)
where artifact.id = gone.id
