-- upsert_revision: writes whole rows of table revision; a row that is there takes the new values.
-- parameters: one array per column of the table, in table order, all of one length; no key twice
-- rows: none
-- write
insert into revision (
	deployment_id, number, version_id, replicas, args, env, strategy, actor, reason, link, plan_id, created_at
)
select
	deployment_id, number, version_id, replicas, args, env, strategy, actor, reason, link, plan_id, created_at
from unnest(
	$1::bigint[], $2::bigint[], $3::bigint[], $4::bigint[], $5::json[], $6::json[], $7::json[], $8::text[], $9::text[], $10::text[],
	$11::bigint[], $12::timestamptz[]
) as new (
	deployment_id, number, version_id, replicas, args, env, strategy, actor, reason, link, plan_id, created_at
)
on conflict (deployment_id, number) do update set
	version_id = excluded.version_id, replicas = excluded.replicas, args = excluded.args, env = excluded.env,
	strategy = excluded.strategy, actor = excluded.actor, reason = excluded.reason, link = excluded.link,
	plan_id = excluded.plan_id, created_at = excluded.created_at
