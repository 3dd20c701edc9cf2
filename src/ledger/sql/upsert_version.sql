-- upsert_version: writes whole rows of table version; a row that is there takes the new values.
-- parameters: one array per column of the table, in table order, all of one length; no key twice
-- rows: none
-- write
insert into version (
	id, module_id, name, revision, artifact_id, runtime, units, requires, context_path, priority, create_actor, created_at
)
select
	id, module_id, name, revision, artifact_id, runtime, units, requires, context_path, priority, create_actor, created_at
from unnest(
	$1::bigint[], $2::bigint[], $3::text[], $4::bigint[], $5::bigint[], $6::text[], $7::bigint[], $8::json[], $9::text[],
	$10::bigint[], $11::text[], $12::timestamptz[]
) as new (
	id, module_id, name, revision, artifact_id, runtime, units, requires, context_path, priority, create_actor, created_at
)
on conflict (id) do update set
	module_id = excluded.module_id, name = excluded.name, revision = excluded.revision, artifact_id = excluded.artifact_id,
	runtime = excluded.runtime, units = excluded.units, requires = excluded.requires, context_path = excluded.context_path,
	priority = excluded.priority, create_actor = excluded.create_actor, created_at = excluded.created_at
