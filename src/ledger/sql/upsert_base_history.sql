-- upsert_base_history: writes rows of table base_history. One that is there only gets its end: its names are those of the time it began.
-- Names that are indexed are cut at 200 characters, as in events.
-- parameters: one array per column of the table, in table order, all of one length; no key twice
-- rows: none
-- write
insert into base_history (
	instance_id, since, ended_at, ended_as, ended_reason, tenant_id, base, base_group, zone, module, version, deployment, revision,
	plan_id, actor
)
select
	instance_id, since, ended_at, ended_as, ended_reason, tenant_id, left(base, 200), base_group, zone, left(module, 200), version,
	left(deployment, 200), revision, plan_id, actor
from unnest(
	$1::bigint[], $2::timestamptz[], $3::timestamptz[], $4::text[], $5::text[], $6::bigint[], $7::text[], $8::text[], $9::text[],
	$10::text[], $11::text[], $12::text[], $13::bigint[], $14::bigint[], $15::text[]
) as new (
	instance_id, since, ended_at, ended_as, ended_reason, tenant_id, base, base_group, zone, module, version, deployment, revision,
	plan_id, actor
)
on conflict (instance_id, since) do update set
	ended_at = excluded.ended_at, ended_as = excluded.ended_as, ended_reason = excluded.ended_reason
