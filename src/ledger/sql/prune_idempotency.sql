-- prune_idempotency: removes stored answers that are too old to be asked for again.
-- parameters: $1 before, $2 most rows
-- rows: one: rows removed
-- write
with gone as (
	delete from idempotency d
	where d.hash in (
		select i.hash from idempotency i
		where i.created_at < $1::timestamptz
		order by i.created_at
		limit $2::bigint
	)
	returning 1
)
select count(*) from gone
