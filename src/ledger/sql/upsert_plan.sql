-- upsert_plan: writes whole rows of table plan; a row that is there takes the new values.
-- parameters: one array per column of the table, in table order, all of one length; no key twice
-- rows: none
-- write
insert into plan (
	id, tenant_id, kind, state, state_reason, state_at, options, current_batch, tasks_done, tasks_failed, soaked_us, stalled_us,
	actor, address, reason, link, created_at, started_at, ended_at, waiting
)
select
	id, tenant_id, kind, state, state_reason, state_at, options, current_batch, tasks_done, tasks_failed, soaked_us, stalled_us,
	actor, address, reason, link, created_at, started_at, ended_at, waiting
from unnest(
	$1::bigint[], $2::bigint[], $3::text[], $4::text[], $5::text[], $6::timestamptz[], $7::json[], $8::bigint[], $9::bigint[],
	$10::bigint[], $11::bigint[], $12::bigint[], $13::text[], $14::text[], $15::text[], $16::text[], $17::timestamptz[],
	$18::timestamptz[], $19::timestamptz[], $20::json[]
) as new (
	id, tenant_id, kind, state, state_reason, state_at, options, current_batch, tasks_done, tasks_failed, soaked_us, stalled_us,
	actor, address, reason, link, created_at, started_at, ended_at, waiting
)
on conflict (id) do update set
	tenant_id = excluded.tenant_id, kind = excluded.kind, state = excluded.state, state_reason = excluded.state_reason,
	state_at = excluded.state_at, options = excluded.options, current_batch = excluded.current_batch,
	tasks_done = excluded.tasks_done, tasks_failed = excluded.tasks_failed, soaked_us = excluded.soaked_us,
	stalled_us = excluded.stalled_us, actor = excluded.actor, address = excluded.address, reason = excluded.reason,
	link = excluded.link, created_at = excluded.created_at, started_at = excluded.started_at, ended_at = excluded.ended_at,
	waiting = excluded.waiting
