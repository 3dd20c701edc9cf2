-- fence_adopt: names this backend as the one that commits under our epoch, after a connection that was idle had to be made again.
-- parameters: $1 epoch
-- rows: none
-- write
update fence set
	backend_pid = pg_backend_pid(),
	backend_start = (select a.backend_start from pg_stat_activity a where a.pid = pg_backend_pid())
where id = 1 and epoch = $1::bigint
