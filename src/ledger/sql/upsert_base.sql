-- upsert_base: writes whole rows of table base; a row that is there takes the new values.
-- parameters: one array per column of the table, in table order, all of one length; no key twice
-- rows: none
-- write
insert into base (
	id, tenant_id, group_id, name, state, state_reason, state_at, labels, taints, zone, runtime, install_limit, units_used,
	units_ceiling, incarnation, generation, report_seq, cordoned, cordon_reason, key_hash, boot, address, arklet_url, agent_version,
	process_start, etag, joined_at, seen_at, absence_us, install_failures, memory, memory_at, cordoned_at
)
select
	id, tenant_id, group_id, name, state, state_reason, state_at, labels, taints, zone, runtime, install_limit, units_used,
	units_ceiling, incarnation, generation, report_seq, cordoned, cordon_reason, key_hash, boot, address, arklet_url, agent_version,
	process_start, etag, joined_at, seen_at, absence_us, install_failures, memory, memory_at, cordoned_at
from unnest(
	$1::bigint[], $2::bigint[], $3::bigint[], $4::text[], $5::text[], $6::text[], $7::timestamptz[], $8::json[], $9::json[],
	$10::text[], $11::text[], $12::bigint[], $13::bigint[], $14::bigint[], $15::bigint[], $16::bigint[], $17::bigint[],
	$18::boolean[], $19::text[], $20::bytea[], $21::text[], $22::text[], $23::text[], $24::text[], $25::bigint[], $26::bigint[],
	$27::timestamptz[], $28::timestamptz[], $29::bigint[], $30::bigint[], $31::json[],
	$32::timestamptz[], $33::timestamptz[]
) as new (
	id, tenant_id, group_id, name, state, state_reason, state_at, labels, taints, zone, runtime, install_limit, units_used,
	units_ceiling, incarnation, generation, report_seq, cordoned, cordon_reason, key_hash, boot, address, arklet_url, agent_version,
	process_start, etag, joined_at, seen_at, absence_us, install_failures, memory, memory_at, cordoned_at
)
on conflict (id) do update set
	tenant_id = excluded.tenant_id, group_id = excluded.group_id, name = excluded.name, state = excluded.state,
	state_reason = excluded.state_reason, state_at = excluded.state_at, labels = excluded.labels, taints = excluded.taints,
	zone = excluded.zone, runtime = excluded.runtime, install_limit = excluded.install_limit, units_used = excluded.units_used,
	units_ceiling = excluded.units_ceiling, incarnation = excluded.incarnation, generation = excluded.generation,
	report_seq = excluded.report_seq, cordoned = excluded.cordoned, cordon_reason = excluded.cordon_reason,
	key_hash = excluded.key_hash, boot = excluded.boot, address = excluded.address, arklet_url = excluded.arklet_url,
	agent_version = excluded.agent_version, process_start = excluded.process_start, etag = excluded.etag,
	joined_at = excluded.joined_at, seen_at = excluded.seen_at, absence_us = excluded.absence_us,
	install_failures = excluded.install_failures, memory = excluded.memory, memory_at = excluded.memory_at,
	cordoned_at = excluded.cordoned_at
