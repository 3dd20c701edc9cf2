-- upsert_plan_change: writes whole rows of table plan_change; a row that is there takes the new values.
-- parameters: one array per column of the table, in table order, all of one length; no key twice
-- rows: none
-- write
insert into plan_change (
	plan_id, number, deployment_id, deployment, module, from_revision, to_revision, from_version, to_version, from_replicas,
	to_replicas, accompanies
)
select
	plan_id, number, deployment_id, deployment, module, from_revision, to_revision, from_version, to_version, from_replicas,
	to_replicas, accompanies
from unnest(
	$1::bigint[], $2::bigint[], $3::bigint[], $4::text[], $5::text[], $6::bigint[], $7::bigint[], $8::text[], $9::text[],
	$10::bigint[], $11::bigint[], $12::boolean[]
) as new (
	plan_id, number, deployment_id, deployment, module, from_revision, to_revision, from_version, to_version, from_replicas,
	to_replicas, accompanies
)
on conflict (plan_id, number) do update set
	deployment_id = excluded.deployment_id, deployment = excluded.deployment, module = excluded.module,
	from_revision = excluded.from_revision, to_revision = excluded.to_revision, from_version = excluded.from_version,
	to_version = excluded.to_version, from_replicas = excluded.from_replicas, to_replicas = excluded.to_replicas,
	accompanies = excluded.accompanies
