-- dash_role: makes the role that dashboards log in as, with its limits, when it is not there and this login may make roles. What an
-- administrator changed later stays. temp_file_limit needs a superuser.
-- parameters: none
-- rows: none
-- write
do $dash$
declare
	owner name := (select pg_get_userbyid(d.datdba) from pg_database d where d.datname = current_database());
begin
	if not exists (select from pg_roles r where r.rolname = 'berth_dash') then
		create role berth_dash login connection limit 20;
		alter role berth_dash set statement_timeout = '30s';
		alter role berth_dash set idle_in_transaction_session_timeout = '30s';
		alter role berth_dash set lock_timeout = '5s';
		alter role berth_dash set default_transaction_read_only = on;
		alter role berth_dash set search_path = dash;
		begin
			alter role berth_dash set temp_file_limit = '1GB';
		exception when insufficient_privilege then null;
		end;
	end if;
	if not pg_has_role(owner, 'berth_dash', 'usage') then
		execute format('grant berth_dash to %I', owner); -- so that it may end its statements
	end if;
exception when insufficient_privilege or duplicate_object or unique_violation then null;
end
$dash$
