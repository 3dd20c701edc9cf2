-- chunk_collect: removes some pieces, older than a day, that no stored artifact names.
-- parameters: $1 most pieces
-- rows: one: pieces removed
-- write
with gone as (
	delete from artifact_chunk d
	where (d.sha256, d.seq) in (
		select c.sha256, c.seq
		from artifact_chunk c
		where c.created_at < now() - interval '1 day'
			and not exists (select from artifact a where a.sha256 = c.sha256)
		limit $1::bigint
	)
	returning 1
)
select count(*) from gone
