-- query_revisions: the revisions of a deployment, newest first.
-- parameters: $1 deployment, $2 before (0 any), $3 limit
-- rows: columns of table revision
-- read
select
	x.deployment_id, x.number, x.version_id, x.replicas, x.args, x.env, x.strategy, x.actor, x.reason, x.link, x.plan_id,
	x.created_at
from revision x
where x.deployment_id = $1::bigint and ($2::bigint = 0 or x.number < $2)
order by x.number desc
limit $3::bigint
