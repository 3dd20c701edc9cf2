-- load_artifact: all rows, by key.
-- parameters: none
-- rows: columns of table artifact, by COPY in binary
-- read
copy (
	select
		x.id, x.tenant_id, x.sha256, x.size_bytes, x.url, x.credentials, x.media_type, x.stored, x.created_at
	from artifact x
	order by x.id
) to stdout (format binary)
