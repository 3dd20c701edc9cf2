-- History of bases: which module version was ready where, from when to when. Written by the commit that changes the instance, with the
-- names of that time, so that it outlives the objects and the events.
create table base_history (
	instance_id bigint not null,
	since timestamptz not null,
	ended_at timestamptz,
	ended_as text,
	ended_reason text,
	tenant_id bigint not null,
	base text not null,
	base_group text,
	zone text,
	module text not null,
	version text,
	deployment text,
	revision bigint not null,
	plan_id bigint,
	actor text,
	constraint base_history_pkey primary key (instance_id, since)
) with (fillfactor = 80);
comment on table base_history is 'What was ready where, from when to when; a row for each time, with the names of its beginning.';
comment on column base_history.instance_id is 'instance';
comment on column base_history.since is 'when it became ready';
comment on column base_history.ended_at is 'when it left that state; null while it is ready';
comment on column base_history.ended_as is 'state it went into, or removed';
comment on column base_history.ended_reason is 'why, for people';
comment on column base_history.tenant_id is 'owner';
comment on column base_history.base is 'name of the base';
comment on column base_history.base_group is 'group of the base';
comment on column base_history.zone is 'zone of the base';
comment on column base_history.module is 'name of the module';
comment on column base_history.version is 'name of the version';
comment on column base_history.deployment is 'name of the deployment; null for adopted modules';
comment on column base_history.revision is 'deployment revision it was at';
comment on column base_history.plan_id is 'plan of that revision';
comment on column base_history.actor is 'name of the token that asked for that revision';
create index base_history_base on base_history (base, since);
create index base_history_module on base_history (module, since);
create index base_history_since on base_history using brin (since) with (pages_per_range = 16, autosummarize = on);
create index base_history_ended on base_history (ended_at) where ended_at is not null;

insert into base_history (instance_id, since, tenant_id, base, base_group, zone, module, version, deployment, revision, plan_id, actor)
select
	i.id, coalesce(i.state_at, i.created_at, now()), b.tenant_id, left(b.name, 200), g.name, b.zone, left(m.name, 200), v.name,
	left(d.name, 200), i.revision, r.plan_id, r.actor
from instance i
join base b on b.id = i.base_id
join base_group g on g.id = b.group_id
join version v on v.id = i.version_id
join module m on m.id = v.module_id
left join deployment d on d.id = i.deployment_id
left join revision r on r.deployment_id = i.deployment_id and r.number = i.revision
where i.state = 'ready';

create index task_created on task using brin (created_at) with (pages_per_range = 16, autosummarize = on);

create view dash.base_history as
select
	t.name as tenant,
	h.base,
	h.base_group,
	h.zone,
	h.module,
	h.version,
	h.deployment,
	h.revision,
	h.since,
	h.ended_at,
	h.ended_as,
	h.ended_reason,
	extract(epoch from coalesce(h.ended_at, now()) - h.since)::bigint as duration_seconds,
	h.actor,
	h.plan_id,
	h.instance_id
from base_history h
left join tenant t on t.id = h.tenant_id;
comment on view dash.base_history is 'What was ready where, from when to when. Filter by base or module, or by since.';
comment on column dash.base_history.tenant is 'owner';
comment on column dash.base_history.base is 'base it was on';
comment on column dash.base_history.base_group is 'group of that base';
comment on column dash.base_history.zone is 'zone of that base';
comment on column dash.base_history.module is 'module';
comment on column dash.base_history.version is 'version';
comment on column dash.base_history.deployment is 'deployment that wanted it; null for adopted modules';
comment on column dash.base_history.revision is 'deployment revision it was at when it became ready';
comment on column dash.base_history.since is 'when it became ready';
comment on column dash.base_history.ended_at is 'when it was not ready any more; null: it still is';
comment on column dash.base_history.ended_as is 'state it went into, or removed';
comment on column dash.base_history.ended_reason is 'why';
comment on column dash.base_history.duration_seconds is 'for how long, up to now while it is ready';
comment on column dash.base_history.actor is 'name of the token that asked for that revision';
comment on column dash.base_history.plan_id is 'plan that brought that revision';
comment on column dash.base_history.instance_id is 'number of the instance';

create or replace view dash.task_recent as
select
	k.id as task_id,
	k.plan_id,
	k.batch,
	k.kind,
	k.state,
	k.base,
	k.deployment,
	k.module,
	k.version,
	k.attempt,
	nullif(k.fault, '') as fault,
	k.retryable,
	k.cause,
	round(k.duration_us / 1000000.0, 3) as duration_seconds,
	k.created_at,
	k.sent_at,
	k.ended_at,
	(
		select t.name from tenant t
		where t.id = coalesce((select p.tenant_id from plan p where p.id = k.plan_id), (select b.tenant_id from base b where b.id = k.base_id))
	) as tenant
from task k;
comment on view dash.task_recent is 'Commands to bases, finished ones included. Filter by plan_id, base or created_at; order by task_id.';
comment on column dash.task_recent.tenant is 'owner; null for a repair on a base that is gone';
comment on view dash.event_recent is 'Facts, in order. Filter by event, at, base, module, deployment, plan_id or actor.';
comment on view dash.finding_current is 'Differences that nobody asked for and nobody settled yet. Filter by tenant and base.';
comment on view dash.plan_progress is 'Plans and how far they are. Filter by plan_id, or by state for those that are not over.';
comment on view dash.capacity is 'Units and bases per group and zone. Filter by tenant and base_group.';
