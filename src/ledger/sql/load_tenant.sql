-- load_tenant: all rows, by key.
-- parameters: none
-- rows: columns of table tenant, by COPY in binary
-- read
copy (
	select
		x.id, x.name, x.created_at
	from tenant x
	order by x.id
) to stdout (format binary)
