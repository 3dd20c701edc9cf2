-- query_plan_sums: what all tasks of a plan took, first in all (base is null), then per base, slowest first. Of a task that succeeded the
-- time between sending it and knowing its outcome that the base did not need for it is Berth's share.
-- parameters: $1 plan, $2 limit of bases
-- rows: columns of task_sum (model/tables.def)
-- read
select
	x.base,
	count(distinct x.base) as bases,
	count(*) as tasks,
	count(*) filter (where x.sent_us is not null) as commands,
	coalesce(sum(greatest(x.attempt - 1, 0)), 0)::bigint as retries,
	count(*) filter (where x.state = 'failed') as failed,
	coalesce(sum(x.sent_us), 0)::bigint as sent_us,
	coalesce(sum(x.duration_us), 0)::bigint as at_base_us,
	coalesce(sum(greatest(x.sent_us - x.duration_us, 0)) filter (where x.state = 'succeeded'), 0)::bigint as in_berth_us
from (
	select t.base, t.state, t.attempt, t.duration_us, (extract(epoch from t.ended_at - t.sent_at) * 1000000)::bigint as sent_us
	from task t
	where t.plan_id = $1::bigint
) x
group by grouping sets ((), (x.base))
order by grouping(x.base) desc, sent_us desc, x.base
limit $2::bigint + 1
