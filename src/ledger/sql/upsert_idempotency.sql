-- upsert_idempotency: writes whole rows of table idempotency; a row that is there takes the new values.
-- parameters: one array per column of the table, in table order, all of one length; no key twice
-- rows: none
-- write
insert into idempotency (
	hash, body_hash, tenant_id, status, location, result, created_at
)
select
	hash, body_hash, tenant_id, status, location, result, created_at
from unnest(
	$1::bytea[], $2::bytea[], $3::bigint[], $4::bigint[], $5::text[], $6::text[], $7::timestamptz[]
) as new (
	hash, body_hash, tenant_id, status, location, result, created_at
)
on conflict (hash) do update set
	body_hash = excluded.body_hash, tenant_id = excluded.tenant_id, status = excluded.status, location = excluded.location,
	result = excluded.result, created_at = excluded.created_at
