-- What JVMs say of their memory, what modules cost there, and how much of the metaspace a group's bases may be given.
alter table base
	add column memory json,
	add column memory_at timestamptz;
comment on column base.memory is 'memory as of the last health that was written, a JSON object; see dash.base_memory';
comment on column base.memory_at is 'when that was';
alter table module add column install_costs json;
comment on column module.install_costs is 'what installs took, by base group, a JSON array; see dash.install_cost';
alter table base_group add column metaspace_limit bigint not null default 0;
comment on column base_group.metaspace_limit is 'percent of the metaspace of a base that installs may be expected to fill; 0 for no limit';

create view dash.base_memory as
select
	t.name as tenant,
	g.name as base_group,
	b.name as base,
	b.memory_at as at,
	b.memory ->> 'application' as application,
	b.memory ->> 'java' as java_version,
	(b.memory ->> 'metaspaceUsed')::bigint as metaspace_used_bytes,
	(b.memory ->> 'metaspaceCommitted')::bigint as metaspace_committed_bytes,
	(b.memory ->> 'metaspaceMax')::bigint as metaspace_max_bytes,
	round(100.0 * (b.memory ->> 'metaspaceUsed')::bigint / nullif((b.memory ->> 'metaspaceMax')::bigint, 0), 1) as metaspace_percent,
	(b.memory ->> 'heapUsed')::bigint as heap_used_bytes,
	(b.memory ->> 'heapMax')::bigint as heap_max_bytes,
	(b.memory ->> 'classes')::bigint as classes,
	(b.memory ->> 'threads')::bigint as threads,
	((b.memory ->> 'uptimeUs')::bigint / 1000000) as uptime_seconds
from base b
join base_group g on g.id = b.group_id
join tenant t on t.id = b.tenant_id
where json_typeof(b.memory) = 'object';
comment on view dash.base_memory is 'Memory of JVM bases as of their last health, written when it changed. Filter by tenant and base, or base_group.';
comment on column dash.base_memory.tenant is 'owner';
comment on column dash.base_memory.base_group is 'group of the base';
comment on column dash.base_memory.base is 'name of the base';
comment on column dash.base_memory.at is 'when the base said so';
comment on column dash.base_memory.application is 'name of the application, as the base says';
comment on column dash.base_memory.java_version is 'version of its Java';
comment on column dash.base_memory.metaspace_used_bytes is 'metaspace in use; what removed modules held may still count until memory is short';
comment on column dash.base_memory.metaspace_committed_bytes is 'metaspace taken from the system';
comment on column dash.base_memory.metaspace_max_bytes is 'MaxMetaspaceSize; null when it has none';
comment on column dash.base_memory.metaspace_percent is 'used of max';
comment on column dash.base_memory.heap_used_bytes is 'heap in use';
comment on column dash.base_memory.heap_max_bytes is 'most the heap may take';
comment on column dash.base_memory.classes is 'classes loaded';
comment on column dash.base_memory.threads is 'threads; null where no agent can count them';
comment on column dash.base_memory.uptime_seconds is 'since the JVM started';

create view dash.install_cost as
select
	t.name as tenant,
	m.name as module,
	g.name as base_group,
	x.installs,
	round(x."durationUs" / 1000000.0, 3) as duration_seconds,
	x.measured,
	case when x.measured > 0 then x."metaspaceBytes" end as metaspace_bytes
from module m
join tenant t on t.id = m.tenant_id
cross join lateral json_to_recordset(case when json_typeof(m.install_costs) = 'array' then m.install_costs else '[]'::json end)
	as x ("group" bigint, installs bigint, "durationUs" bigint, measured bigint, "metaspaceBytes" bigint)
join base_group g on g.id = x."group";
comment on view dash.install_cost is 'What installs of a module took on the bases of a group, over the last eight. Filter by tenant and module.';
comment on column dash.install_cost.tenant is 'owner';
comment on column dash.install_cost.module is 'module';
comment on column dash.install_cost.base_group is 'group of the bases';
comment on column dash.install_cost.installs is 'installs so far';
comment on column dash.install_cost.duration_seconds is 'mean duration at the base';
comment on column dash.install_cost.measured is 'installs that ran alone, so that their metaspace could be told';
comment on column dash.install_cost.metaspace_bytes is 'mean growth of the metaspace; null when none was measured';
