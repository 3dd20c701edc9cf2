-- upsert_artifact: writes whole rows of table artifact; a row that is there takes the new values.
-- parameters: one array per column of the table, in table order, all of one length; no key twice
-- rows: none
-- write
insert into artifact (
	id, tenant_id, sha256, size_bytes, url, credentials, media_type, stored, created_at
)
select
	id, tenant_id, sha256, size_bytes, url, credentials, media_type, stored, created_at
from unnest(
	$1::bigint[], $2::bigint[], $3::text[], $4::bigint[], $5::text[], $6::text[], $7::text[], $8::boolean[], $9::timestamptz[]
) as new (
	id, tenant_id, sha256, size_bytes, url, credentials, media_type, stored, created_at
)
on conflict (id) do update set
	tenant_id = excluded.tenant_id, sha256 = excluded.sha256, size_bytes = excluded.size_bytes, url = excluded.url,
	credentials = excluded.credentials, media_type = excluded.media_type, stored = excluded.stored, created_at = excluded.created_at
