-- load_task: open tasks, and finished ones of the running batch of unfinished plans, by key.
-- parameters: none
-- rows: columns of table task, by COPY in binary
-- read
copy (
	select
		x.id, x.plan_id, x.change_no, x.batch, x.kind, x.state, x.base_id, x.deployment_id, x.version_id, x.instance_id, x.partner_id,
		x.generation, x.attempt, x.fault, x.retryable, x.cause, x.output, x.duration_us, x.base, x.deployment, x.module, x.version,
		x.created_at, x.sent_at, x.ended_at, x.held_us
	from task x
	where x.state in ('pending', 'sent', 'backoff')
		or x.id in (
			select t.id from plan p join task t on t.plan_id = p.id and t.batch >= p.current_batch
			where p.state not in ('succeeded', 'succeeded_with_failures', 'failed', 'stopped', 'undone', 'superseded'))
	order by x.id
) to stdout (format binary)
