-- fence_check: first statement of a commit. Locks the fence row for share, so that whoever raises the epoch waits for this commit, and
-- fails with 22012 when the row is missing or holds another epoch.
-- parameters: $1 epoch the commit was decided under
-- rows: one
-- read (and locks)
with mine as materialized (
	select epoch from fence where id = 1 for share
)
select 1 / count(*)::integer from mine where epoch = $1::bigint
