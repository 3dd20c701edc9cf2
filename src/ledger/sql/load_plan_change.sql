-- load_plan_change: changes of the plans that load_plan gives, by key.
-- parameters: none
-- rows: columns of table plan_change, by COPY in binary
-- read
copy (
	select
		x.plan_id, x.number, x.deployment_id, x.deployment, x.module, x.from_revision, x.to_revision, x.from_version, x.to_version,
		x.from_replicas, x.to_replicas, x.accompanies
	from plan_change x
	where x.plan_id in (select p.id from plan p where p.state not in ('succeeded', 'succeeded_with_failures', 'failed', 'stopped', 'undone', 'superseded'))
		or x.plan_id in (select o.plan_id from task o where o.state in ('pending', 'sent', 'backoff'))
	order by x.plan_id, x.number
) to stdout (format binary)
