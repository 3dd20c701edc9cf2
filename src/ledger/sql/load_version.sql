-- load_version: all rows, by key.
-- parameters: none
-- rows: columns of table version, by COPY in binary
-- read
copy (
	select
		x.id, x.module_id, x.name, x.revision, x.artifact_id, x.runtime, x.units, x.requires, x.context_path, x.priority,
		x.create_actor, x.created_at
	from version x
	order by x.id
) to stdout (format binary)
