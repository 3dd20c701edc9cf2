-- prune_tasks: removes repairs (tasks without a plan) that ended long ago.
-- parameters: $1 before, $2 most tasks
-- rows: one: tasks removed
-- write
with gone as (
	delete from task d
	where d.id in (
		select k.id from task k
		where k.plan_id is null and k.ended_at < $1::timestamptz
			and k.state not in ('pending', 'sent', 'backoff')
		order by k.ended_at
		limit $2::bigint
	)
	returning 1
)
select count(*) from gone
