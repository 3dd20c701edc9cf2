-- load_deployment: all rows, by key.
-- parameters: none
-- rows: columns of table deployment, by COPY in binary
-- read
copy (
	select
		x.id, x.tenant_id, x.name, x.module_id, x.group_id, x.revision, x.completed_revision, x.state, x.state_reason, x.state_at,
		x.labels, x.offline, x.etag, x.created_at, x.updated_at
	from deployment x
	order by x.id
) to stdout (format binary)
