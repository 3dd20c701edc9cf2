-- upsert_task: writes whole rows of table task; a row that is there takes the new values.
-- parameters: one array per column of the table, in table order, all of one length; no key twice
-- rows: none
-- write
insert into task (
	id, plan_id, change_no, batch, kind, state, base_id, deployment_id, version_id, instance_id, partner_id, generation, attempt,
	fault, retryable, cause, output, duration_us, base, deployment, module, version, created_at, sent_at, ended_at,
	held_us
)
select
	id, plan_id, change_no, batch, kind, state, base_id, deployment_id, version_id, instance_id, partner_id, generation, attempt,
	fault, retryable, cause, output, duration_us, base, deployment, module, version, created_at, sent_at, ended_at,
	held_us
from unnest(
	$1::bigint[], $2::bigint[], $3::bigint[], $4::bigint[], $5::text[], $6::text[], $7::bigint[], $8::bigint[], $9::bigint[],
	$10::bigint[], $11::bigint[], $12::bigint[], $13::bigint[], $14::text[], $15::boolean[], $16::text[], $17::text[],
	$18::bigint[], $19::text[], $20::text[], $21::text[], $22::text[], $23::timestamptz[], $24::timestamptz[], $25::timestamptz[],
	$26::bigint[]
) as new (
	id, plan_id, change_no, batch, kind, state, base_id, deployment_id, version_id, instance_id, partner_id, generation, attempt,
	fault, retryable, cause, output, duration_us, base, deployment, module, version, created_at, sent_at, ended_at,
	held_us
)
on conflict (id) do update set
	plan_id = excluded.plan_id, change_no = excluded.change_no, batch = excluded.batch, kind = excluded.kind,
	state = excluded.state, base_id = excluded.base_id, deployment_id = excluded.deployment_id, version_id = excluded.version_id,
	instance_id = excluded.instance_id, partner_id = excluded.partner_id, generation = excluded.generation,
	attempt = excluded.attempt, fault = excluded.fault, retryable = excluded.retryable, cause = excluded.cause,
	output = excluded.output, duration_us = excluded.duration_us, base = excluded.base, deployment = excluded.deployment,
	module = excluded.module, version = excluded.version, created_at = excluded.created_at, sent_at = excluded.sent_at,
	ended_at = excluded.ended_at, held_us = excluded.held_us
