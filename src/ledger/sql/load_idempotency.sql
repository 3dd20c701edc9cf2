-- load_idempotency: answers stored within the last day, by key.
-- parameters: $1 time
-- rows: columns of table idempotency
-- read
select
	x.hash, x.body_hash, x.tenant_id, x.status, x.location, x.result, x.created_at
from idempotency x
where x.created_at >= $1::timestamptz
order by x.hash
