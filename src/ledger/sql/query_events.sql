-- query_events: events after a number, oldest first.
-- parameters: $1 after, $2 up to (0 any), $3 tenant (0 any), $4 actor, $5 module, $6 base, $7 deployment, $8 kind (null any),
--   $9 plan (0 any), $10 since, $11 until (null any), $12 limit,
--   $13 kinds as a JSON list of patterns, * stands for any text (null any)
-- rows: columns of table event
-- read
select
	x.number, x.at, x.tenant_id, x.kind, x.actor, x.address, x.reason, x.link, x.base, x.module, x.version, x.deployment, x.plan_id,
	x.task_id, x.instance_id, x.message
from event x
where x.number > $1::bigint and ($2::bigint = 0 or x.number <= $2)
	and ($3::bigint = 0 or x.tenant_id = $3)
	and ($4::text is null or x.actor = $4)
	and ($5::text is null or x.module = $5)
	and ($6::text is null or x.base = $6)
	and ($7::text is null or x.deployment = $7)
	and ($8::text is null or x.kind = $8)
	and ($9::bigint = 0 or x.plan_id = $9)
	and ($10::timestamptz is null or x.at >= $10)
	and ($11::timestamptz is null or x.at < $11)
	and ($13::json is null or x.kind like any (array(
		select replace(replace(k, '_', '\_'), '*', '%') from json_array_elements_text($13::json) k)))
order by x.number
limit $12::bigint
