-- fence_raise: raises the epoch, after every commit under the old one has ended, and names this backend as the one that commits under it.
-- parameters: $1 the new epoch is at least one above this, too; $2 only while this epoch is in force (0 any), or the one that
--   backend $3 raised it to: ours, whose answer was lost
-- rows: one: epoch; none: another epoch is in force, or the row is missing
-- write
update fence set
	epoch = greatest(epoch, $1::bigint) + 1,
	backend_pid = pg_backend_pid(),
	backend_start = (select a.backend_start from pg_stat_activity a where a.pid = pg_backend_pid())
where id = 1 and ($2::bigint = 0 or epoch = $2 or backend_pid = $3::bigint)
returning epoch
