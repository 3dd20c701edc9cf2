-- upsert_tenant: writes whole rows of table tenant; a row that is there takes the new values.
-- parameters: one array per column of the table, in table order, all of one length; no key twice
-- rows: none
-- write
insert into tenant (
	id, name, created_at
)
select
	id, name, created_at
from unnest(
	$1::bigint[], $2::text[], $3::timestamptz[]
) as new (
	id, name, created_at
)
on conflict (id) do update set
	name = excluded.name, created_at = excluded.created_at
