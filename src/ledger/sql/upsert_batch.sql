-- upsert_batch: writes whole rows of table batch; a row that is there takes the new values.
-- parameters: one array per column of the table, in table order, all of one length; no key twice
-- rows: none
-- write
insert into batch (
	plan_id, number, state, size, done, failed, started_at, ended_at, label
)
select
	plan_id, number, state, size, done, failed, started_at, ended_at, label
from unnest(
	$1::bigint[], $2::bigint[], $3::text[], $4::bigint[], $5::bigint[], $6::bigint[], $7::timestamptz[], $8::timestamptz[], $9::text[]
) as new (
	plan_id, number, state, size, done, failed, started_at, ended_at, label
)
on conflict (plan_id, number) do update set
	state = excluded.state, size = excluded.size, done = excluded.done, failed = excluded.failed, started_at = excluded.started_at,
	ended_at = excluded.ended_at, label = excluded.label
