-- load_webhook: all rows, by key.
-- parameters: none
-- rows: columns of table webhook, by COPY in binary
-- read
copy (
	select
		x.id, x.tenant_id, x.name, x.url, x.secret, x.kinds, x.template, x.sent_event, x.failures, x.last_error, x.failing_since, x.etag,
		x.create_actor, x.created_at, x.updated_at
	from webhook x
	order by x.id
) to stdout (format binary)
