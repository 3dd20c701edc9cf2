-- query_plan_changes: the changes of a plan.
-- parameters: $1 plan, $2 limit
-- rows: columns of table plan_change
-- read
select
	x.plan_id, x.number, x.deployment_id, x.deployment, x.module, x.from_revision, x.to_revision, x.from_version, x.to_version,
	x.from_replicas, x.to_replicas, x.accompanies
from plan_change x
where x.plan_id = $1::bigint
order by x.number
limit $2::bigint
