-- load_counter: all rows, by key.
-- parameters: none
-- rows: columns of table counter, by COPY in binary
-- read
copy (
	select
		x.name, x.value
	from counter x
	order by x.name
) to stdout (format binary)
