-- delete_batch: removes rows of table batch by key; an absent one is no error.
-- parameters: one array per key column, all of one length
-- rows: none
-- write
delete from batch
using unnest($1::bigint[], $2::bigint[]) as gone (plan_id, number)
where batch.plan_id = gone.plan_id and batch.number = gone.number
