-- load_finding: all rows, by key.
-- parameters: none
-- rows: columns of table finding, by COPY in binary
-- read
copy (
	select
		x.id, x.tenant_id, x.kind, x.base_id, x.module, x.version, x.deployment_id, x.detail, x.command, x.since,
		x.reported, x.context_path, x.ignored_at, x.ignore_reason
	from finding x
	order by x.id
) to stdout (format binary)
