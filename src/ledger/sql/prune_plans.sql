-- prune_plans: removes plans that ended long ago, with their changes, batches and tasks.
-- parameters: $1 before, $2 most plans
-- rows: one: plans removed
-- write
with gone as (
	delete from plan d
	where d.id in (
		select p.id from plan p
		where p.ended_at < $1::timestamptz
			and p.state in ('succeeded', 'succeeded_with_failures', 'failed', 'stopped', 'undone', 'superseded')
			and not exists (select from task o where o.plan_id = p.id and o.state in ('pending', 'sent', 'backoff'))
		order by p.ended_at
		limit $2::bigint
	)
	returning 1
)
select count(*) from gone
