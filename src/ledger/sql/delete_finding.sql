-- delete_finding: removes rows of table finding by key; an absent one is no error.
-- parameters: one array per key column, all of one length
-- rows: none
-- write
delete from finding
using unnest($1::bigint[]) as gone (id)
where finding.id = gone.id
