-- Findings can be adopted and ignored: what the base said of the module, and since when and why nobody minds.
alter table finding
	add column reported text,
	add column context_path text,
	add column ignored_at timestamptz,
	add column ignore_reason text;
comment on column finding.reported is 'state of the module as its base says';
comment on column finding.context_path is 'web context path of the module as its base says';
comment on column finding.ignored_at is 'since when it is ignored; empty when it is not';
comment on column finding.ignore_reason is 'why it is ignored';

create or replace view dash.finding_current as
select
	t.name as tenant,
	f.id as finding_id,
	f.kind,
	b.name as base,
	f.module,
	f.version,
	d.name as deployment,
	f.detail,
	f.command,
	f.since,
	extract(epoch from now() - f.since)::bigint as age_seconds,
	f.ignored_at,
	f.ignore_reason
from finding f
join tenant t on t.id = f.tenant_id
left join base b on b.id = f.base_id
left join deployment d on d.id = f.deployment_id;
comment on column dash.finding_current.ignored_at is 'since when it is ignored; null when it is not';
comment on column dash.finding_current.ignore_reason is 'why it is ignored';
