-- Where a tenant wants to be told of events, and how far each was told.
create table webhook (
	id bigint not null,
	tenant_id bigint not null,
	name text not null,
	url text not null,
	secret text not null,
	kinds json,
	template text,
	sent_event bigint not null,
	failures bigint not null,
	last_error text,
	failing_since timestamptz,
	etag bigint not null,
	create_actor text,
	created_at timestamptz,
	updated_at timestamptz,
	constraint webhook_pkey primary key (id),
	constraint webhook_tenant_id_fkey foreign key (tenant_id) references tenant (id) deferrable initially deferred,
	constraint webhook_name_unique unique (tenant_id, name) deferrable initially deferred,
	constraint webhook_numbers_not_negative check (sent_event >= 0 and failures >= 0)
);
comment on table webhook is 'Where a tenant wants to be told of events, and how far it was told.';
comment on column webhook.id is 'number of the object, never given twice';
comment on column webhook.tenant_id is 'owner';
comment on column webhook.name is 'unique within the tenant';
comment on column webhook.url is 'where events are sent, by POST; may hold a secret of the receiver';
comment on column webhook.secret is 'signs what is sent';
comment on column webhook.kinds is 'kinds of events it is told of, * stands for any text; none: those that need a person';
comment on column webhook.template is 'body that is sent, with {field} of the event; null: the event as JSON';
comment on column webhook.sent_event is 'events up to this number were delivered, or are none of its kinds';
comment on column webhook.failures is 'tries in a row that failed';
comment on column webhook.last_error is 'what the last failed try met';
comment on column webhook.failing_since is 'when the first of the failed tries in a row was made';
comment on column webhook.etag is 'grows with each change of its settings';
comment on column webhook.create_actor is 'name of the token that made it';
comment on column webhook.created_at is 'when it was made';
comment on column webhook.updated_at is 'when its settings were changed';

create view dash.webhook_current as
select
	t.name as tenant,
	w.name,
	w.kinds,
	w.sent_event,
	w.failures,
	w.last_error,
	w.failing_since,
	w.created_at
from webhook w
join tenant t on t.id = w.tenant_id;
comment on view dash.webhook_current is 'Webhooks and how far each was told; without addresses and secrets.';
comment on column dash.webhook_current.tenant is 'owner';
comment on column dash.webhook_current.name is 'name';
comment on column dash.webhook_current.kinds is 'kinds of events it is told of';
comment on column dash.webhook_current.sent_event is 'events up to this number were delivered, or are none of its kinds';
comment on column dash.webhook_current.failures is 'tries in a row that failed';
comment on column dash.webhook_current.last_error is 'what the last failed try met';
comment on column dash.webhook_current.failing_since is 'since when';
comment on column dash.webhook_current.created_at is 'when it was made';
