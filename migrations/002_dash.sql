-- The views that dashboards and operators read: schema dash is the contract, the tables are not. States are text, times timestamptz,
-- durations end in _seconds. Views that may be large name the columns that their indexes serve.
create schema if not exists dash;
comment on schema dash is 'Berth for dashboards: what is, what is under way, what happened.';

create view dash.base_current as
select
	t.name as tenant,
	g.name as base_group,
	b.name as base,
	b.state,
	b.state_reason,
	b.state_at as state_since,
	b.zone,
	b.runtime,
	coalesce(nullif(b.install_limit, 0), g.install_limit) as install_limit,
	b.units_used,
	greatest(coalesce(nullif(b.install_limit, 0), g.install_limit) - b.units_used, 0) as units_free,
	(select count(*) from instance i where i.base_id = b.id) as instances,
	(select count(*) from instance i where i.base_id = b.id and i.state = 'ready') as instances_ready,
	b.cordoned,
	b.cordon_reason,
	b.incarnation,
	b.labels,
	b.taints,
	b.address,
	b.agent_version,
	b.joined_at,
	b.seen_at
from base b
join base_group g on g.id = b.group_id
join tenant t on t.id = b.tenant_id;
comment on view dash.base_current is 'Bases as they are. Filter by tenant and base, or by base_group.';
comment on column dash.base_current.tenant is 'owner';
comment on column dash.base_current.base_group is 'group of the base';
comment on column dash.base_current.base is 'name of the base';
comment on column dash.base_current.state is 'joining, restoring, ready, silent, lost or stopped';
comment on column dash.base_current.state_reason is 'why it is in this state';
comment on column dash.base_current.state_since is 'since when';
comment on column dash.base_current.zone is 'zone';
comment on column dash.base_current.runtime is 'native, ark or node';
comment on column dash.base_current.install_limit is 'units it may be given, its own limit or the one of its group';
comment on column dash.base_current.units_used is 'units of all instances on it';
comment on column dash.base_current.units_free is 'units left';
comment on column dash.base_current.instances is 'instances on it';
comment on column dash.base_current.instances_ready is 'instances on it that are ready';
comment on column dash.base_current.cordoned is 'takes no new instances';
comment on column dash.base_current.cordon_reason is 'why it is cordoned';
comment on column dash.base_current.incarnation is 'grows at each start of the base';
comment on column dash.base_current.labels is 'labels, a JSON object';
comment on column dash.base_current.taints is 'taints, a JSON array';
comment on column dash.base_current.address is 'address it came from';
comment on column dash.base_current.agent_version is 'version of its agent';
comment on column dash.base_current.joined_at is 'when it joined first';
comment on column dash.base_current.seen_at is 'last sign of life when the row was last written';

create view dash.deployment_current as
select
	t.name as tenant,
	d.name as deployment,
	g.name as base_group,
	m.name as module,
	v.name as version,
	d.revision,
	d.completed_revision,
	d.state,
	d.state_reason,
	d.state_at as state_since,
	r.replicas,
	coalesce(n.wanted, 0) as instances_wanted,
	coalesce(n.ready, 0) as instances_ready,
	coalesce(n.updated, 0) as instances_updated,
	coalesce(n.leaving, 0) as instances_leaving,
	d.offline,
	d.labels,
	d.created_at,
	d.updated_at
from deployment d
join tenant t on t.id = d.tenant_id
join base_group g on g.id = d.group_id
join module m on m.id = d.module_id
left join revision r on r.deployment_id = d.id and r.number = d.revision
left join version v on v.id = r.version_id
left join lateral (
	select
		count(*) filter (where i.wanted) as wanted,
		count(*) filter (where i.wanted and i.state = 'ready') as ready,
		count(*) filter (where i.wanted and i.revision = d.revision) as updated,
		count(*) filter (where not i.wanted) as leaving
	from instance i
	where i.deployment_id = d.id
) n on true;
comment on view dash.deployment_current is 'Deployments as they are, at the revision in force. Filter by tenant and deployment.';
comment on column dash.deployment_current.tenant is 'owner';
comment on column dash.deployment_current.deployment is 'name of the deployment';
comment on column dash.deployment_current.base_group is 'group it is placed in';
comment on column dash.deployment_current.module is 'module';
comment on column dash.deployment_current.version is 'version of the revision in force';
comment on column dash.deployment_current.revision is 'revision in force';
comment on column dash.deployment_current.completed_revision is 'last revision whose plan was completed, 0 for none';
comment on column dash.deployment_current.state is 'waiting, rolling, running, degraded or offline';
comment on column dash.deployment_current.state_reason is 'why it is in this state';
comment on column dash.deployment_current.state_since is 'since when';
comment on column dash.deployment_current.replicas is 'wanted instances; -1 is one on every base';
comment on column dash.deployment_current.instances_wanted is 'instances that are wanted now';
comment on column dash.deployment_current.instances_ready is 'wanted instances that are ready';
comment on column dash.deployment_current.instances_updated is 'wanted instances at the revision in force';
comment on column dash.deployment_current.instances_leaving is 'instances on their way out';
comment on column dash.deployment_current.offline is 'its instances are gone on purpose';
comment on column dash.deployment_current.labels is 'labels, a JSON object';
comment on column dash.deployment_current.created_at is 'when it was made';
comment on column dash.deployment_current.updated_at is 'when it was last changed';

create view dash.instance_current as
select
	t.name as tenant,
	i.id as instance_id,
	g.name as base_group,
	b.name as base,
	m.name as module,
	v.name as version,
	d.name as deployment,
	i.revision,
	i.wanted,
	i.state,
	i.state_reason,
	i.state_at as state_since,
	i.commanded,
	i.generation,
	i.reported,
	i.units,
	i.failures,
	i.created_at
from instance i
join base b on b.id = i.base_id
join base_group g on g.id = b.group_id
join tenant t on t.id = b.tenant_id
join version v on v.id = i.version_id
join module m on m.id = v.module_id
left join deployment d on d.id = i.deployment_id;
comment on view dash.instance_current is 'Module versions on bases as they are. Filter by tenant and base, deployment or module.';
comment on column dash.instance_current.tenant is 'owner';
comment on column dash.instance_current.instance_id is 'number of the instance';
comment on column dash.instance_current.base_group is 'group of the base';
comment on column dash.instance_current.base is 'base it is on';
comment on column dash.instance_current.module is 'module';
comment on column dash.instance_current.version is 'version';
comment on column dash.instance_current.deployment is 'deployment that wants it; null for adopted modules';
comment on column dash.instance_current.revision is 'deployment revision it is at';
comment on column dash.instance_current.wanted is 'false: on its way out';
comment on column dash.instance_current.state is 'pending, installing, ready, standby, failed, missing, uninstalling, unknown or quarantined';
comment on column dash.instance_current.state_reason is 'why it is in this state';
comment on column dash.instance_current.state_since is 'since when';
comment on column dash.instance_current.commanded is 'last command sent';
comment on column dash.instance_current.generation is 'number of that command';
comment on column dash.instance_current.reported is 'state as the base told';
comment on column dash.instance_current.units is 'units it costs';
comment on column dash.instance_current.failures is 'failures in a row';
comment on column dash.instance_current.created_at is 'when it was placed';

create view dash.drift as
select
	t.name as tenant,
	i.id as instance_id,
	b.name as base,
	b.state as base_state,
	m.name as module,
	v.name as version,
	d.name as deployment,
	i.wanted,
	i.state,
	i.reported,
	case
		when b.state in ('silent', 'lost', 'stopped') then 'base is ' || b.state
		when not i.wanted then 'not wanted any more'
		when d.id is not null and i.revision <> d.revision then 'at revision ' || i.revision || ' of ' || d.revision
		else i.state
	end as reason,
	i.state_reason as detail,
	i.state_at as since,
	extract(epoch from now() - i.state_at)::bigint as age_seconds
from instance i
join base b on b.id = i.base_id
join base_group g on g.id = b.group_id
join tenant t on t.id = b.tenant_id
join version v on v.id = i.version_id
join module m on m.id = v.module_id
left join deployment d on d.id = i.deployment_id
where not i.wanted or i.state <> 'ready' or b.state in ('silent', 'lost', 'stopped') or i.revision <> d.revision;
comment on view dash.drift is 'Instances that are not as wanted, with the reason. Filter by tenant and base, deployment or module.';
comment on column dash.drift.tenant is 'owner';
comment on column dash.drift.instance_id is 'number of the instance';
comment on column dash.drift.base is 'base it is on';
comment on column dash.drift.base_state is 'state of that base';
comment on column dash.drift.module is 'module';
comment on column dash.drift.version is 'version';
comment on column dash.drift.deployment is 'deployment that wants it; null for adopted modules';
comment on column dash.drift.wanted is 'false: on its way out';
comment on column dash.drift.state is 'state of the instance';
comment on column dash.drift.reported is 'state as the base told';
comment on column dash.drift.reason is 'what differs';
comment on column dash.drift.detail is 'why the instance is in its state';
comment on column dash.drift.since is 'since when';
comment on column dash.drift.age_seconds is 'for how long';

create view dash.plan_progress as
select
	t.name as tenant,
	p.id as plan_id,
	p.kind,
	p.state,
	p.state_reason,
	p.state_at as state_since,
	c.deployments,
	c.modules,
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
	extract(epoch from coalesce(p.ended_at, now()) - coalesce(p.started_at, p.created_at))::bigint as elapsed_seconds
from plan p
join tenant t on t.id = p.tenant_id
left join lateral (
	select
		string_agg(distinct x.deployment, ', ') as deployments,
		string_agg(distinct x.module, ', ') as modules,
		string_agg(distinct x.to_version, ', ') as versions
	from plan_change x
	where x.plan_id = p.id
) c on true
left join lateral (select sum(x.size) as size from batch x where x.plan_id = p.id) b on true;
comment on view dash.plan_progress is 'Plans and how far they are. Filter by tenant and plan_id, or by state.';
comment on column dash.plan_progress.tenant is 'owner';
comment on column dash.plan_progress.plan_id is 'number of the plan';
comment on column dash.plan_progress.kind is 'what the plan does';
comment on column dash.plan_progress.state is 'state of the plan';
comment on column dash.plan_progress.state_reason is 'why it is in this state';
comment on column dash.plan_progress.state_since is 'since when';
comment on column dash.plan_progress.deployments is 'deployments it changes';
comment on column dash.plan_progress.modules is 'modules of these deployments';
comment on column dash.plan_progress.to_versions is 'versions it brings';
comment on column dash.plan_progress.batch is 'number of the running batch';
comment on column dash.plan_progress.batches is 'batches in all';
comment on column dash.plan_progress.tasks is 'tasks of all batches so far';
comment on column dash.plan_progress.tasks_done is 'tasks that succeeded';
comment on column dash.plan_progress.tasks_failed is 'tasks given up';
comment on column dash.plan_progress.actor is 'name of the token that asked for it';
comment on column dash.plan_progress.address is 'address it was asked from';
comment on column dash.plan_progress.reason is 'reason given by the caller';
comment on column dash.plan_progress.link is 'link given by the caller';
comment on column dash.plan_progress.created_at is 'when it was asked for';
comment on column dash.plan_progress.started_at is 'when it began';
comment on column dash.plan_progress.ended_at is 'when it ended';
comment on column dash.plan_progress.elapsed_seconds is 'how long it took, or is at work';

create view dash.task_recent as
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
	k.ended_at
from task k;
comment on view dash.task_recent is 'Commands to bases, finished ones included. Filter by plan_id or by base; order by task_id.';
comment on column dash.task_recent.task_id is 'number of the task';
comment on column dash.task_recent.plan_id is 'plan; null for repairs';
comment on column dash.task_recent.batch is 'number of the batch in its plan';
comment on column dash.task_recent.kind is 'install, uninstall or switch';
comment on column dash.task_recent.state is 'pending, sent, backoff, succeeded, failed or cancelled';
comment on column dash.task_recent.base is 'base that was told';
comment on column dash.task_recent.deployment is 'deployment';
comment on column dash.task_recent.module is 'module';
comment on column dash.task_recent.version is 'version';
comment on column dash.task_recent.attempt is 'counts from 1';
comment on column dash.task_recent.fault is 'module, base, artifact or berth; null when it did not fail';
comment on column dash.task_recent.retryable is 'a retry can help';
comment on column dash.task_recent.cause is 'why it failed';
comment on column dash.task_recent.duration_seconds is 'how long the base worked';
comment on column dash.task_recent.created_at is 'when it was made';
comment on column dash.task_recent.sent_at is 'when the base was told last';
comment on column dash.task_recent.ended_at is 'when it ended';

create view dash.event_recent as
select
	e.number as event,
	e.at,
	t.name as tenant,
	e.kind,
	e.actor,
	e.address,
	e.reason,
	e.link,
	e.base,
	e.module,
	e.version,
	e.deployment,
	e.plan_id,
	e.task_id,
	e.instance_id,
	e.message
from event e
left join tenant t on t.id = e.tenant_id;
comment on view dash.event_recent is 'Facts, in order. Filter by event, at, base, module, deployment, plan_id or actor.';
comment on column dash.event_recent.event is 'number, without gaps';
comment on column dash.event_recent.at is 'when';
comment on column dash.event_recent.tenant is 'owner';
comment on column dash.event_recent.kind is 'kind of fact';
comment on column dash.event_recent.actor is 'name of the token that did it, berth for the server itself';
comment on column dash.event_recent.address is 'client address';
comment on column dash.event_recent.reason is 'reason given by the caller';
comment on column dash.event_recent.link is 'link given by the caller';
comment on column dash.event_recent.base is 'base';
comment on column dash.event_recent.module is 'module';
comment on column dash.event_recent.version is 'version';
comment on column dash.event_recent.deployment is 'deployment';
comment on column dash.event_recent.plan_id is 'plan';
comment on column dash.event_recent.task_id is 'task';
comment on column dash.event_recent.instance_id is 'instance';
comment on column dash.event_recent.message is 'the fact as a sentence';

create view dash.finding_current as
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
	extract(epoch from now() - f.since)::bigint as age_seconds
from finding f
join tenant t on t.id = f.tenant_id
left join base b on b.id = f.base_id
left join deployment d on d.id = f.deployment_id;
comment on view dash.finding_current is 'Differences that nobody asked for and nobody settled yet.';
comment on column dash.finding_current.tenant is 'owner';
comment on column dash.finding_current.finding_id is 'number of the finding';
comment on column dash.finding_current.kind is 'kind of difference';
comment on column dash.finding_current.base is 'base it was found on';
comment on column dash.finding_current.module is 'module';
comment on column dash.finding_current.version is 'version';
comment on column dash.finding_current.deployment is 'deployment';
comment on column dash.finding_current.detail is 'what is different';
comment on column dash.finding_current.command is 'command that mends it';
comment on column dash.finding_current.since is 'since when';
comment on column dash.finding_current.age_seconds is 'for how long';

create view dash.capacity as
select
	t.name as tenant,
	g.name as base_group,
	coalesce(b.zone, '') as zone,
	count(*) as bases,
	count(*) filter (where b.state = 'ready') as bases_ready,
	count(*) filter (where b.state in ('silent', 'lost', 'stopped')) as bases_away,
	count(*) filter (where b.cordoned) as bases_cordoned,
	sum(coalesce(nullif(b.install_limit, 0), g.install_limit)) as units_limit,
	sum(b.units_used) as units_used,
	coalesce(sum(greatest(coalesce(nullif(b.install_limit, 0), g.install_limit) - b.units_used, 0))
		filter (where b.state = 'ready' and not b.cordoned), 0) as units_open
from base b
join base_group g on g.id = b.group_id
join tenant t on t.id = b.tenant_id
group by t.name, g.name, coalesce(b.zone, '');
comment on view dash.capacity is 'Units and bases per group and zone.';
comment on column dash.capacity.tenant is 'owner';
comment on column dash.capacity.base_group is 'group';
comment on column dash.capacity.zone is 'zone; empty when bases have none';
comment on column dash.capacity.bases is 'bases';
comment on column dash.capacity.bases_ready is 'bases that are ready';
comment on column dash.capacity.bases_away is 'bases that are silent, lost or stopped';
comment on column dash.capacity.bases_cordoned is 'cordoned bases';
comment on column dash.capacity.units_limit is 'units that all bases may be given';
comment on column dash.capacity.units_used is 'units in use';
comment on column dash.capacity.units_open is 'units left on ready bases that are not cordoned';
