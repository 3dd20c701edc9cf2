-- prune_base_history: removes what ended long ago; what still runs stays, however old.
-- parameters: $1 before, $2 most rows
-- rows: one: rows removed
-- write
with gone as (
	delete from base_history d
	where (d.instance_id, d.since) in (
		select h.instance_id, h.since from base_history h
		where h.ended_at < $1::timestamptz
		order by h.ended_at
		limit $2::bigint
	)
	returning 1
)
select count(*) from gone
