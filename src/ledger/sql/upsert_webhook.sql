-- upsert_webhook: writes whole rows of table webhook; a row that is there takes the new values.
-- parameters: one array per column of the table, in table order, all of one length; no key twice
-- rows: none
-- write
insert into webhook (
	id, tenant_id, name, url, secret, kinds, template, sent_event, failures, last_error, failing_since, etag, create_actor, created_at,
	updated_at
)
select
	id, tenant_id, name, url, secret, kinds, template, sent_event, failures, last_error, failing_since, etag, create_actor, created_at,
	updated_at
from unnest(
	$1::bigint[], $2::bigint[], $3::text[], $4::text[], $5::text[], $6::json[], $7::text[], $8::bigint[], $9::bigint[], $10::text[],
	$11::timestamptz[], $12::bigint[], $13::text[], $14::timestamptz[], $15::timestamptz[]
) as new (
	id, tenant_id, name, url, secret, kinds, template, sent_event, failures, last_error, failing_since, etag, create_actor, created_at,
	updated_at
)
on conflict (id) do update set
	tenant_id = excluded.tenant_id, name = excluded.name, url = excluded.url, secret = excluded.secret, kinds = excluded.kinds,
	template = excluded.template, sent_event = excluded.sent_event, failures = excluded.failures, last_error = excluded.last_error,
	failing_since = excluded.failing_since, etag = excluded.etag, create_actor = excluded.create_actor,
	created_at = excluded.created_at, updated_at = excluded.updated_at
