-- chunk_put: stores one piece of an upload.
-- parameters: $1 name of the upload, $2 piece, $3 bytes
-- rows: none
-- write
insert into artifact_chunk (sha256, seq, bytes) values ($1::text, $2::bigint::integer, $3::bytea)
