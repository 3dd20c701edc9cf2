-- dash_guard: the role may lift its own time-outs, and a long snapshot keeps dead rows everywhere. Statements of berth_dash that run too
-- long are cancelled, sessions whose transaction is open too long are ended.
-- parameters: $1 limit, microseconds
-- rows: one: how many were told
-- write
select count(*) filter (where
	case
		when a.state = 'active' and a.query_start < clock_timestamp() - $1::bigint * interval '1 microsecond' then pg_cancel_backend(a.pid)
		else pg_terminate_backend(a.pid)
	end
)
from pg_stat_activity a
where a.usename = 'berth_dash'
	and a.datname = current_database()
	and pg_has_role(current_user, a.usesysid, 'usage')
	and a.xact_start < clock_timestamp() - $1::bigint * interval '1 microsecond'
