-- How long a command was held by drainWait, so that a takeover goes on from there. A server of the release before does not name this column.
alter table task add column held_us bigint not null default 0;
comment on column task.held_us is 'how long it was held by drainWait so far, microseconds';
