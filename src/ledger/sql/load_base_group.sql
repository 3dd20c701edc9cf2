-- load_base_group: all rows, by key.
-- parameters: none
-- rows: columns of table base_group, by COPY in binary
-- read
copy (
	select
		x.id, x.tenant_id, x.name, x.runtime, x.install_limit, x.labels, x.zone_key, x.mutable_versions, x.unmanaged_policy,
		x.placement, x.upgrade_policy, x.freeze_reason, x.etag, x.created_at, x.updated_at, x.mode, x.clusters,
		x.open_join, x.origin_artifacts, x.metaspace_limit,
		x.before_swap, x.after_swap, x.hook_timeout_us, x.drain_wait_us, x.hook_secret
	from base_group x
	order by x.id
) to stdout (format binary)
