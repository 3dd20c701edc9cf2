-- upsert_instance: writes whole rows of table instance; a row that is there takes the new values.
-- parameters: one array per column of the table, in table order, all of one length; no key twice
-- rows: none
-- write
insert into instance (
	id, base_id, deployment_id, version_id, revision, wanted, state, state_reason, state_at, commanded, generation, reported, units,
	failures, replaces, created_at
)
select
	id, base_id, deployment_id, version_id, revision, wanted, state, state_reason, state_at, commanded, generation, reported, units,
	failures, replaces, created_at
from unnest(
	$1::bigint[], $2::bigint[], $3::bigint[], $4::bigint[], $5::bigint[], $6::boolean[], $7::text[], $8::text[], $9::timestamptz[],
	$10::text[], $11::bigint[], $12::text[], $13::bigint[], $14::bigint[], $15::bigint[], $16::timestamptz[]
) as new (
	id, base_id, deployment_id, version_id, revision, wanted, state, state_reason, state_at, commanded, generation, reported, units,
	failures, replaces, created_at
)
on conflict (id) do update set
	base_id = excluded.base_id, deployment_id = excluded.deployment_id, version_id = excluded.version_id,
	revision = excluded.revision, wanted = excluded.wanted, state = excluded.state, state_reason = excluded.state_reason,
	state_at = excluded.state_at, commanded = excluded.commanded, generation = excluded.generation, reported = excluded.reported,
	units = excluded.units, failures = excluded.failures, replaces = excluded.replaces, created_at = excluded.created_at
