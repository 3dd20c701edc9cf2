-- upsert_finding: writes whole rows of table finding; a row that is there takes the new values.
-- parameters: one array per column of the table, in table order, all of one length; no key twice
-- rows: none
-- write
insert into finding (
	id, tenant_id, kind, base_id, module, version, deployment_id, detail, command, since, reported, context_path,
	ignored_at, ignore_reason
)
select
	id, tenant_id, kind, base_id, module, version, deployment_id, detail, command, since, reported, context_path,
	ignored_at, ignore_reason
from unnest(
	$1::bigint[], $2::bigint[], $3::text[], $4::bigint[], $5::text[], $6::text[], $7::bigint[], $8::text[], $9::text[],
	$10::timestamptz[], $11::text[], $12::text[], $13::timestamptz[], $14::text[]
) as new (
	id, tenant_id, kind, base_id, module, version, deployment_id, detail, command, since, reported, context_path,
	ignored_at, ignore_reason
)
on conflict (id) do update set
	tenant_id = excluded.tenant_id, kind = excluded.kind, base_id = excluded.base_id, module = excluded.module,
	version = excluded.version, deployment_id = excluded.deployment_id, detail = excluded.detail, command = excluded.command,
	since = excluded.since, reported = excluded.reported, context_path = excluded.context_path, ignored_at = excluded.ignored_at,
	ignore_reason = excluded.ignore_reason
