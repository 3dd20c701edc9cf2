-- load_cell: all rows, by key.
-- parameters: none
-- rows: columns of table cell, by COPY in binary
-- read
copy (
	select
		x.id, x.commit_no, x.last_event
	from cell x
	order by x.id
) to stdout (format binary)
