-- load_cell: all rows, by key.
-- parameters: none
-- rows: columns of table cell
-- read
select
	x.id, x.commit_no, x.last_event
from cell x
order by x.id
