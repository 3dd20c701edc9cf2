-- Which bases serve which module and are ready: the same as /v1/endpoints.
create view dash.endpoint_current as
select
	t.name as tenant,
	m.name as module,
	v.name as version,
	d.name as deployment,
	g.name as base_group,
	b.zone,
	b.name as base,
	b.address,
	v.context_path,
	i.state = 'ready' and b.state = 'ready' as ready,
	i.state_at as since,
	i.id as instance_id
from instance i
join base b on b.id = i.base_id
join base_group g on g.id = b.group_id
join tenant t on t.id = b.tenant_id
join version v on v.id = i.version_id
join module m on m.id = v.module_id
left join deployment d on d.id = i.deployment_id;
comment on view dash.endpoint_current is 'Where modules answer. Filter by tenant and module, deployment or base; send requests to ready ones only.';
comment on column dash.endpoint_current.tenant is 'owner';
comment on column dash.endpoint_current.module is 'module';
comment on column dash.endpoint_current.version is 'version';
comment on column dash.endpoint_current.deployment is 'deployment that wants it; null for adopted modules';
comment on column dash.endpoint_current.base_group is 'group of the base';
comment on column dash.endpoint_current.zone is 'zone of the base';
comment on column dash.endpoint_current.base is 'base that serves it';
comment on column dash.endpoint_current.address is 'where the HTTP routes of that base answer';
comment on column dash.endpoint_current.context_path is 'path of the module on it';
comment on column dash.endpoint_current.ready is 'installed and active, on a base that is ready';
comment on column dash.endpoint_current.since is 'since when it is in its state';
comment on column dash.endpoint_current.instance_id is 'number of the instance';
