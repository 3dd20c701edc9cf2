-- session: settles what a connection needs and tells what the server is; the first statement on every connection.
-- parameters: $1 lock time-out, milliseconds as text; $2 plan_cache_mode: an upsert from arrays has one plan, whatever is in them, and
--   making it anew each time costs more than running it
-- rows: one: server version number, fsync, synchronous_commit, encoding, in recovery, backend pid
-- write (session settings only)
select
	current_setting('server_version_num')::bigint,
	current_setting('fsync'),
	current_setting('synchronous_commit'),
	current_setting('server_encoding'),
	pg_is_in_recovery(),
	pg_backend_pid()::bigint,
	set_config('lock_timeout', $1::text, false),
	set_config('statement_timeout', '0', false),
	set_config('idle_in_transaction_session_timeout', '0', false),
	set_config('default_transaction_isolation', 'read committed', false),
	set_config('default_transaction_read_only', 'off', false),
	set_config('standard_conforming_strings', 'on', false),
	set_config('datestyle', 'ISO', false),
	set_config('plan_cache_mode', $2::text, false),
	set_config('jit', 'off', false)
