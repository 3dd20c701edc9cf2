-- upsert_token: writes whole rows of table token; a row that is there takes the new values.
-- parameters: one array per column of the table, in table order, all of one length; no key twice
-- rows: none
-- write
insert into token (
	id, tenant_id, name, role, group_name, hash, create_actor, created_at, expires_at, revoked_at
)
select
	id, tenant_id, name, role, group_name, hash, create_actor, created_at, expires_at, revoked_at
from unnest(
	$1::bigint[], $2::bigint[], $3::text[], $4::text[], $5::text[], $6::bytea[], $7::text[], $8::timestamptz[], $9::timestamptz[],
	$10::timestamptz[]
) as new (
	id, tenant_id, name, role, group_name, hash, create_actor, created_at, expires_at, revoked_at
)
on conflict (id) do update set
	tenant_id = excluded.tenant_id, name = excluded.name, role = excluded.role, group_name = excluded.group_name,
	hash = excluded.hash, create_actor = excluded.create_actor, created_at = excluded.created_at, expires_at = excluded.expires_at,
	revoked_at = excluded.revoked_at
