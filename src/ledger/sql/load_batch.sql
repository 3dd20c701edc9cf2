-- load_batch: batches of the plans that load_plan gives, by key.
-- parameters: none
-- rows: columns of table batch, by COPY in binary
-- read
copy (
	select
		x.plan_id, x.number, x.state, x.size, x.done, x.failed, x.started_at, x.ended_at, x.label
	from batch x
	where x.plan_id in (select p.id from plan p where p.state not in ('succeeded', 'succeeded_with_failures', 'failed', 'stopped', 'undone', 'superseded'))
		or x.plan_id in (select o.plan_id from task o where o.state in ('pending', 'sent', 'backoff'))
	order by x.plan_id, x.number
) to stdout (format binary)
