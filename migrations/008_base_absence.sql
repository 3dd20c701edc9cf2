-- How long a base may be away without an alarm, and its failed installs in a row.
-- The defaults stay: a server of the release before does not name these columns.
alter table base
	add column absence_us bigint not null default 0,
	add column install_failures bigint not null default 0;
comment on column base.absence_us is 'microseconds it may be away without counting for an alarm, from when that was said or the last load; -1: until it is back';
comment on column base.install_failures is 'failed installs in a row, of versions that run elsewhere';
