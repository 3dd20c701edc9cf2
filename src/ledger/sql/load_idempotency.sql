-- load_idempotency: answers that are kept still, by key.
-- parameters: none; since when: load_limits
-- rows: columns of table idempotency, by COPY in binary
-- read
copy (
	select
		x.hash, x.body_hash, x.tenant_id, x.status, x.location, x.result, x.created_at
	from idempotency x
	where x.created_at >= current_setting('berth.keep_answers_since')::timestamptz
	order by x.hash
) to stdout (format binary)
