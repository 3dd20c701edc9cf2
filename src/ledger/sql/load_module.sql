-- load_module: all rows, by key.
-- parameters: none
-- rows: columns of table module, by COPY in binary
-- read
copy (
	select
		x.id, x.tenant_id, x.name, x.description, x.created_at, x.install_costs
	from module x
	order by x.id
) to stdout (format binary)
