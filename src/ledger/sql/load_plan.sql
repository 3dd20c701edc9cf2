-- load_plan: plans that are not finished, or have an open task left, by key.
-- parameters: none
-- rows: columns of table plan, by COPY in binary
-- read
copy (
	select
		x.id, x.tenant_id, x.kind, x.state, x.state_reason, x.state_at, x.options, x.current_batch, x.tasks_done, x.tasks_failed,
		x.soaked_us, x.stalled_us, x.actor, x.address, x.reason, x.link, x.created_at, x.started_at, x.ended_at, x.waiting
	from plan x
	where x.state not in ('succeeded', 'succeeded_with_failures', 'failed', 'stopped', 'undone', 'superseded')
		or x.id in (select o.plan_id from task o where o.state in ('pending', 'sent', 'backoff'))
	order by x.id
) to stdout (format binary)
