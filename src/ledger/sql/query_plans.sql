-- query_plans: plans, newest first.
-- parameters: $1 before (0 any), $2 tenant (0 any), $3 deployment (null any), $4 state (null any), $5 limit
-- rows: columns of table plan
-- read
select
	x.id, x.tenant_id, x.kind, x.state, x.state_reason, x.state_at, x.options, x.current_batch, x.tasks_done, x.tasks_failed,
	x.soaked_us, x.stalled_us, x.actor, x.address, x.reason, x.link, x.created_at, x.started_at, x.ended_at, x.waiting
from plan x
where ($1::bigint = 0 or x.id < $1)
	and ($2::bigint = 0 or x.tenant_id = $2)
	and ($3::text is null or x.id in (select c.plan_id from plan_change c where c.deployment = $3))
	and ($4::text is null or x.state = $4)
order by x.id desc
limit $5::bigint
