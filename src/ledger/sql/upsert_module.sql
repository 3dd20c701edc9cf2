-- upsert_module: writes whole rows of table module; a row that is there takes the new values.
-- parameters: one array per column of the table, in table order, all of one length; no key twice
-- rows: none
-- write
insert into module (
	id, tenant_id, name, description, created_at, install_costs
)
select
	id, tenant_id, name, description, created_at, install_costs
from unnest(
	$1::bigint[], $2::bigint[], $3::text[], $4::text[], $5::timestamptz[], $6::json[]
) as new (
	id, tenant_id, name, description, created_at, install_costs
)
on conflict (id) do update set
	tenant_id = excluded.tenant_id, name = excluded.name, description = excluded.description, created_at = excluded.created_at,
	install_costs = excluded.install_costs
