-- chunk_drop: removes what is stored under the name of an upload; second half of its end, or its abort.
-- parameters: $1 name of the upload
-- rows: none
-- write
delete from artifact_chunk where sha256 = $1::text
