-- load_revision: the newest revisions of each deployment, and older ones that something still stands on, by key.
-- parameters: none; how many: load_limits
-- rows: columns of table revision, by COPY in binary
-- read
copy (
	select
		x.deployment_id, x.number, x.version_id, x.replicas, x.args, x.env, x.strategy, x.actor, x.reason, x.link, x.plan_id,
		x.created_at
	from revision x
	join deployment d on d.id = x.deployment_id
	where x.number > d.revision - current_setting('berth.keep_revisions')::bigint
		or x.number = d.completed_revision
		or exists (select from instance i where i.deployment_id = x.deployment_id and i.revision = x.number)
		or exists (
			select from plan_change c join plan p on p.id = c.plan_id
			where c.deployment_id = x.deployment_id and x.number in (c.from_revision, c.to_revision)
				and p.state not in ('succeeded', 'succeeded_with_failures', 'failed', 'stopped', 'undone', 'superseded'))
	order by x.deployment_id, x.number
) to stdout (format binary)
