-- insert_event: adds events; they are never changed, and a number given twice is refused. Names that are indexed are cut at 200 characters:
-- a base may report a module under any name, and one that does not fit into an index must not stop a commit.
-- parameters: one array per column of the table, in table order, all of one length
-- rows: none
-- write
insert into event (
	number, at, tenant_id, kind, actor, address, reason, link, base, module, version, deployment, plan_id, task_id, instance_id,
	message
)
select
	number, at, tenant_id, kind, left(actor, 200), address, reason, link, left(base, 200), left(module, 200), version,
	left(deployment, 200), plan_id, task_id, instance_id, message
from unnest(
	$1::bigint[], $2::timestamptz[], $3::bigint[], $4::text[], $5::text[], $6::text[], $7::text[], $8::text[], $9::text[],
	$10::text[], $11::text[], $12::text[], $13::bigint[], $14::bigint[], $15::bigint[], $16::text[]
) as new (
	number, at, tenant_id, kind, actor, address, reason, link, base, module, version, deployment, plan_id, task_id, instance_id,
	message
)
