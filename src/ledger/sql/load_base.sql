-- load_base: all rows, by key.
-- parameters: none
-- rows: columns of table base, by COPY in binary
-- read
copy (
	select
		x.id, x.tenant_id, x.group_id, x.name, x.state, x.state_reason, x.state_at, x.labels, x.taints, x.zone, x.runtime,
		x.install_limit, x.units_used, x.units_ceiling, x.incarnation, x.generation, x.report_seq, x.cordoned, x.cordon_reason,
		x.key_hash, x.boot, x.address, x.arklet_url, x.agent_version, x.process_start, x.etag, x.joined_at, x.seen_at,
		x.absence_us, x.install_failures, x.memory, x.memory_at, x.cordoned_at
	from base x
	order by x.id
) to stdout (format binary)
