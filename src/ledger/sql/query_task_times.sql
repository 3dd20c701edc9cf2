-- query_task_times: installs and removals of a module that succeeded, newest first, of the cell's last 20,000: how long one takes these days.
-- parameters: $1 module, $2 limit
-- rows: columns of table task
-- read
select
	x.id, x.plan_id, x.change_no, x.batch, x.kind, x.state, x.base_id, x.deployment_id, x.version_id, x.instance_id, x.partner_id,
	x.generation, x.attempt, x.fault, x.retryable, x.cause, x.output, x.duration_us, x.base, x.deployment, x.module, x.version,
	x.created_at, x.sent_at, x.ended_at, x.held_us
from task x
join version v on v.id = x.version_id
where v.module_id = $1::bigint and x.kind in ('install', 'uninstall') and x.state = 'succeeded' and x.duration_us > 0 and x.id > (select coalesce(max(id), 0) - 20000 from task)
order by x.id desc
limit $2::bigint
