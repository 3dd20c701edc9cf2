-- load_instance: all rows, by key.
-- parameters: none
-- rows: columns of table instance, by COPY in binary
-- read
copy (
	select
		x.id, x.base_id, x.deployment_id, x.version_id, x.revision, x.wanted, x.state, x.state_reason, x.state_at, x.commanded,
		x.generation, x.reported, x.units, x.failures, x.replaces, x.created_at
	from instance x
	order by x.id
) to stdout (format binary)
