-- upsert_base_group: writes whole rows of table base_group; a row that is there takes the new values.
-- parameters: one array per column of the table, in table order, all of one length; no key twice
-- rows: none
-- write
insert into base_group (
	id, tenant_id, name, runtime, install_limit, labels, zone_key, mutable_versions, unmanaged_policy, placement, upgrade_policy,
	freeze_reason, etag, created_at, updated_at, mode, clusters, open_join, origin_artifacts, metaspace_limit,
	before_swap, after_swap, hook_timeout_us, drain_wait_us, hook_secret
)
select
	id, tenant_id, name, runtime, install_limit, labels, zone_key, mutable_versions, unmanaged_policy, placement, upgrade_policy,
	freeze_reason, etag, created_at, updated_at, mode, clusters, open_join, origin_artifacts, metaspace_limit,
	before_swap, after_swap, hook_timeout_us, drain_wait_us, hook_secret
from unnest(
	$1::bigint[], $2::bigint[], $3::text[], $4::text[], $5::bigint[], $6::json[], $7::text[], $8::boolean[], $9::text[],
	$10::text[], $11::text[], $12::text[], $13::bigint[], $14::timestamptz[], $15::timestamptz[], $16::text[], $17::json[],
	$18::boolean[], $19::boolean[], $20::bigint[], $21::text[], $22::text[], $23::bigint[], $24::bigint[], $25::text[]
) as new (
	id, tenant_id, name, runtime, install_limit, labels, zone_key, mutable_versions, unmanaged_policy, placement, upgrade_policy,
	freeze_reason, etag, created_at, updated_at, mode, clusters, open_join, origin_artifacts, metaspace_limit,
	before_swap, after_swap, hook_timeout_us, drain_wait_us, hook_secret
)
on conflict (id) do update set
	tenant_id = excluded.tenant_id, name = excluded.name, runtime = excluded.runtime, install_limit = excluded.install_limit,
	labels = excluded.labels, zone_key = excluded.zone_key, mutable_versions = excluded.mutable_versions,
	unmanaged_policy = excluded.unmanaged_policy, placement = excluded.placement, upgrade_policy = excluded.upgrade_policy,
	freeze_reason = excluded.freeze_reason, etag = excluded.etag, created_at = excluded.created_at,
	updated_at = excluded.updated_at, mode = excluded.mode, clusters = excluded.clusters, open_join = excluded.open_join,
	origin_artifacts = excluded.origin_artifacts, metaspace_limit = excluded.metaspace_limit,
	before_swap = excluded.before_swap, after_swap = excluded.after_swap, hook_timeout_us = excluded.hook_timeout_us,
	drain_wait_us = excluded.drain_wait_us, hook_secret = excluded.hook_secret
