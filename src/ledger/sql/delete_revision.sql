-- delete_revision: removes rows of table revision by key; an absent one is no error.
-- parameters: one array per key column, all of one length
-- rows: none
-- write
delete from revision
using unnest($1::bigint[], $2::bigint[]) as gone (deployment_id, number)
where revision.deployment_id = gone.deployment_id and revision.number = gone.number
