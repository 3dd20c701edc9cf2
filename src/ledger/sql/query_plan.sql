-- query_plan: one plan.
-- parameters: $1 plan, $2 tenant (0 any)
-- rows: columns of table plan, none or one
-- read
select
	x.id, x.tenant_id, x.kind, x.state, x.state_reason, x.state_at, x.options, x.current_batch, x.tasks_done, x.tasks_failed,
	x.soaked_us, x.stalled_us, x.actor, x.address, x.reason, x.link, x.created_at, x.started_at, x.ended_at, x.waiting
from plan x
where x.id = $1::bigint and ($2::bigint = 0 or x.tenant_id = $2)
