-- Groups that are only observed, how heartbeats find their group, and where bases without an agent fetch external artifacts.
-- The defaults stay: a server of the release before does not name these columns.
alter table base_group
	add column mode text not null default 'manage',
	add column clusters json,
	add column open_join boolean not null default false,
	add column origin_artifacts boolean not null default false;
comment on column base_group.mode is 'manage, or observe: its bases are looked at and never commanded';
comment on column base_group.clusters is 'clusterName of heartbeats whose bases belong here, a JSON array';
comment on column base_group.open_join is 'bases may join it by heartbeats without a token';
comment on column base_group.origin_artifacts is 'bases without an agent fetch external artifacts from their own URL';
