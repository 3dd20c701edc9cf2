-- chunk_keep: first half of the end of an upload: gives its pieces their name, or, when the same bytes are there already, makes those young
-- again, so that they are not collected before the artifact that names them is committed.
-- parameters: $1 name of the upload, $2 sha256
-- rows: none
-- write
with there as materialized (
	select exists (select from artifact_chunk c where c.sha256 = $2::text) as yes
)
update artifact_chunk set sha256 = $2::text, created_at = now()
from there
where artifact_chunk.sha256 = case when there.yes then $2::text else $1::text end
