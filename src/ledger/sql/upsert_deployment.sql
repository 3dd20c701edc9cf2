-- upsert_deployment: writes whole rows of table deployment; a row that is there takes the new values.
-- parameters: one array per column of the table, in table order, all of one length; no key twice
-- rows: none
-- write
insert into deployment (
	id, tenant_id, name, module_id, group_id, revision, completed_revision, state, state_reason, state_at, labels, offline, etag,
	created_at, updated_at
)
select
	id, tenant_id, name, module_id, group_id, revision, completed_revision, state, state_reason, state_at, labels, offline, etag,
	created_at, updated_at
from unnest(
	$1::bigint[], $2::bigint[], $3::text[], $4::bigint[], $5::bigint[], $6::bigint[], $7::bigint[], $8::text[], $9::text[],
	$10::timestamptz[], $11::json[], $12::boolean[], $13::bigint[], $14::timestamptz[], $15::timestamptz[]
) as new (
	id, tenant_id, name, module_id, group_id, revision, completed_revision, state, state_reason, state_at, labels, offline, etag,
	created_at, updated_at
)
on conflict (id) do update set
	tenant_id = excluded.tenant_id, name = excluded.name, module_id = excluded.module_id, group_id = excluded.group_id,
	revision = excluded.revision, completed_revision = excluded.completed_revision, state = excluded.state,
	state_reason = excluded.state_reason, state_at = excluded.state_at, labels = excluded.labels, offline = excluded.offline,
	etag = excluded.etag, created_at = excluded.created_at, updated_at = excluded.updated_at
