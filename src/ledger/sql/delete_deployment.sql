-- delete_deployment: removes rows of table deployment by key; an absent one is no error.
-- parameters: one array per key column, all of one length
-- rows: none
-- write
delete from deployment
using unnest($1::bigint[]) as gone (id)
where deployment.id = gone.id
