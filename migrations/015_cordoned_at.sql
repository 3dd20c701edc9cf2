-- Since when a base is cordoned, for "berth why" and the view. Bases cordoned before do not say: null.
alter table base add column cordoned_at timestamptz;
comment on column base.cordoned_at is 'since when it is cordoned; null: it is not, or since before this was kept';

create or replace view dash.base_current as
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
	b.seen_at,
	b.cordoned_at
from base b
join base_group g on g.id = b.group_id
join tenant t on t.id = b.tenant_id;
comment on column dash.base_current.cordoned_at is 'since when it is cordoned; null where it is not';
