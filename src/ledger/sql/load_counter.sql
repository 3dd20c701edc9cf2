-- load_counter: all rows, by key.
-- parameters: none
-- rows: columns of table counter
-- read
select
	x.name, x.value
from counter x
order by x.name
