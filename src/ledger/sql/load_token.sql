-- load_token: living tokens, by key.
-- parameters: none
-- rows: columns of table token, by COPY in binary
-- read
copy (
	select
		x.id, x.tenant_id, x.name, x.role, x.group_name, x.hash, x.create_actor, x.created_at, x.expires_at, x.revoked_at
	from token x
	where x.revoked_at is null
	order by x.id
) to stdout (format binary)
