-- dash_grant: what role berth_dash may in this database: read the views of schema dash and nothing else. Changes only what is not so yet.
-- Views read with the rights of their owner, so it needs none on the tables. Everybody may make temporary tables and large objects unless
-- that is taken from everybody.
-- parameters: none
-- rows: none
-- write
do $dash$
declare
	item record;
begin
	if not exists (select from pg_roles r where r.rolname = 'berth_dash') or not exists (select from pg_namespace n where n.nspname = 'dash') then
		return;
	end if;
	if not has_schema_privilege('berth_dash', 'dash', 'usage') then
		grant usage on schema dash to berth_dash;
	end if;
	for item in
		select c.oid::regclass as view from pg_class c
		where c.relnamespace = 'dash'::regnamespace and c.relkind = 'v' and not has_table_privilege('berth_dash', c.oid, 'select')
	loop
		execute format('grant select on %s to berth_dash', item.view);
	end loop;
	if has_database_privilege('berth_dash', current_database(), 'temporary') then
		execute format('revoke temporary on database %I from public', current_database());
	end if;
	if has_schema_privilege('berth_dash', 'public', 'create') then
		revoke create on schema public from public;
	end if;
	if current_setting('is_superuser')::boolean and has_function_privilege('berth_dash', 'lo_create(oid)', 'execute') then
		for item in
			select p.oid::regprocedure as fn from pg_proc p
			where p.pronamespace = 'pg_catalog'::regnamespace
				and p.proname in ('lo_creat', 'lo_create', 'lo_from_bytea', 'lo_open', 'lo_unlink', 'lo_put', 'lowrite', 'lo_truncate', 'lo_truncate64')
		loop
			execute format('revoke execute on function %s from public', item.fn);
		end loop;
	end if;
end
$dash$
