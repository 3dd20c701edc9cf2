-- prune_events: removes old events, oldest first; the last one stays, because it is the witness of the cell.
-- parameters: $1 before, $2 most rows
-- rows: one: events removed
-- write
with gone as (
	delete from event d
	where d.number in (
		select e.number from event e
		where e.number < (select c.last_event from cell c where c.id = 1)
		order by e.number
		limit $2::bigint
	) and d.at < $1::timestamptz
	returning 1
)
select count(*) from gone
