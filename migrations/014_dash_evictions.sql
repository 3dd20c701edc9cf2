-- Evictions in the views: a finding says which plan takes its module out, and a plan that has no change says what it is about.
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
	f.ignore_reason,
	e.plan_id
from finding f
join tenant t on t.id = f.tenant_id
left join base b on b.id = f.base_id
left join deployment d on d.id = f.deployment_id
left join (
	select (p.options ->> 'evicts')::bigint as finding_id, max(p.id) as plan_id
	from plan p
	where p.kind = 'evict' and p.state not in ('succeeded', 'succeeded_with_failures', 'failed', 'stopped', 'undone', 'superseded')
	group by 1
) e on e.finding_id = f.id;
comment on column dash.finding_current.plan_id is 'plan that evicts it, in its grace or at work; null for none';

create or replace view dash.plan_progress as
select
	t.name as tenant,
	p.id as plan_id,
	p.kind,
	p.state,
	p.state_reason,
	p.state_at as state_since,
	c.deployments,
	coalesce(c.modules, e.module) as modules,
	c.versions as to_versions,
	p.current_batch as batch,
	(select count(*) from batch b where b.plan_id = p.id) as batches,
	coalesce(b.size, 0) as tasks,
	p.tasks_done,
	p.tasks_failed,
	p.actor,
	p.address,
	p.reason,
	p.link,
	p.created_at,
	p.started_at,
	p.ended_at,
	extract(epoch from coalesce(p.ended_at, now()) - coalesce(p.started_at, p.created_at))::bigint as elapsed_seconds,
	coalesce(c.from_versions, e.version) as from_versions,
	e.base
from plan p
join tenant t on t.id = p.tenant_id
left join lateral (
	select
		string_agg(distinct x.deployment, ', ') as deployments,
		string_agg(distinct x.module, ', ') as modules,
		string_agg(distinct x.to_version, ', ') as versions,
		string_agg(distinct x.from_version, ', ') as from_versions
	from plan_change x
	where x.plan_id = p.id
) c on true
left join lateral (select sum(x.size) as size from batch x where x.plan_id = p.id) b on true
-- An eviction is about its finding, and when that is settled its task remembers it.
left join lateral (
	select x.module, x.version, x.base
	from (
		select 1 as choice, f.module, f.version, (select y.name from base y where y.id = f.base_id) as base
		from finding f
		where p.kind = 'evict' and f.id = (p.options ->> 'evicts')::bigint
		union all
		(select 2, k.module, k.version, k.base from task k where p.kind = 'evict' and k.plan_id = p.id order by k.id desc limit 1)
	) x
	order by x.choice
	limit 1
) e on true;
comment on column dash.plan_progress.modules is 'modules of these deployments; the one that an eviction takes out';
comment on column dash.plan_progress.from_versions is 'versions it replaces or takes away';
comment on column dash.plan_progress.base is 'base that an eviction is about; null for other plans';
