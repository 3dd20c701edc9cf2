-- delete_plan: removes rows of table plan by key; an absent one is no error.
-- parameters: one array per key column, all of one length
-- rows: none
-- write
delete from plan
using unnest($1::bigint[]) as gone (id)
where plan.id = gone.id
