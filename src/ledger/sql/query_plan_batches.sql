-- query_plan_batches: the batches of a plan.
-- parameters: $1 plan, $2 limit
-- rows: columns of table batch
-- read
select
	x.plan_id, x.number, x.state, x.size, x.done, x.failed, x.started_at, x.ended_at, x.label
from batch x
where x.plan_id = $1::bigint
order by x.number
limit $2::bigint
