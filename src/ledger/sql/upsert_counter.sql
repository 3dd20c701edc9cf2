-- upsert_counter: writes whole rows of table counter; a row that is there takes the new values.
-- parameters: one array per column of the table, in table order, all of one length; no key twice
-- rows: none
-- write
insert into counter (
	name, value
)
select
	name, value
from unnest(
	$1::text[], $2::bigint[]
) as new (
	name, value
)
on conflict (name) do update set
	value = excluded.value
