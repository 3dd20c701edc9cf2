-- query_plan_tasks: the tasks of a plan after a task, in order.
-- parameters: $1 plan, $2 after task, $3 limit
-- rows: columns of table task
-- read
select
	x.id, x.plan_id, x.change_no, x.batch, x.kind, x.state, x.base_id, x.deployment_id, x.version_id, x.instance_id, x.partner_id,
	x.generation, x.attempt, x.fault, x.retryable, x.cause, x.output, x.duration_us, x.base, x.deployment, x.module, x.version,
	x.created_at, x.sent_at, x.ended_at, x.held_us
from task x
where x.plan_id = $1::bigint and x.id > $2::bigint
order by x.id
limit $3::bigint
