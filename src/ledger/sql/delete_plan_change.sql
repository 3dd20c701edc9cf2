-- delete_plan_change: removes rows of table plan_change by key; an absent one is no error.
-- parameters: one array per key column, all of one length
-- rows: none
-- write
delete from plan_change
using unnest($1::bigint[], $2::bigint[]) as gone (plan_id, number)
where plan_change.plan_id = gone.plan_id and plan_change.number = gone.number
