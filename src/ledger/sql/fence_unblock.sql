-- fence_unblock: ends the backends that keep a backend of ours from raising the epoch: the one that the fence row names, when it is the same
-- process still, and whatever else holds the lock (half a commit of a server that was frozen, a psql that somebody left open).
-- Only those that this role may end: asking for another is an error, which would spare them all.
-- parameters: $1 pid of the backend that waits
-- rows: one per backend: pid, whether it could be told to end
-- write
select a.pid::bigint, pg_terminate_backend(a.pid)
from pg_stat_activity a
where a.pid <> $1::bigint::integer
	and cardinality(pg_blocking_pids($1::bigint::integer)) > 0
	and (
		a.pid = any (pg_blocking_pids($1::bigint::integer))
		or exists (select from fence f where f.backend_pid = a.pid and f.backend_start = a.backend_start)
	)
	and (
		current_setting('is_superuser')::boolean
		or a.usename = current_user
		or (
			pg_has_role(current_user, 'pg_signal_backend', 'member')
			and not exists (select from pg_roles r where r.oid = a.usesysid and r.rolsuper)
		)
	)
