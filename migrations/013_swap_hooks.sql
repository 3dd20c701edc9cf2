-- Around a swap: who takes a base's module out of traffic and into it again, and how long is waited in between.
-- The defaults stay: a server of the release before does not name these columns.
alter table base_group
	add column before_swap text,
	add column after_swap text,
	add column hook_timeout_us bigint not null default 0,
	add column drain_wait_us bigint not null default 0,
	add constraint base_group_waits_not_negative check (hook_timeout_us >= 0 and drain_wait_us >= 0);
comment on column base_group.before_swap is 'called before an instance that answers is removed or replaced: a URL, or the name of a command of the agents; null for none';
comment on column base_group.after_swap is 'called when what came is ready; likewise';
comment on column base_group.hook_timeout_us is 'for one try of either; 0 for the default, 30 s';
comment on column base_group.drain_wait_us is 'how long an instance is out of traffic before it is removed or replaced';

alter table instance
	drop constraint instance_state_known,
	add constraint instance_state_known check (state in ('pending', 'installing', 'ready', 'standby', 'failed', 'missing', 'uninstalling', 'unknown', 'quarantined', 'draining'));
