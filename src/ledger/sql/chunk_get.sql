-- chunk_get: one piece of an artifact.
-- parameters: $1 sha256, $2 piece
-- rows: one: whether the artifact is there, the bytes or null past the end
-- read
select
	exists (select from artifact_chunk c where c.sha256 = $1::text and c.seq = 0),
	(select c.bytes from artifact_chunk c where c.sha256 = $1::text and c.seq = $2::bigint::integer)
