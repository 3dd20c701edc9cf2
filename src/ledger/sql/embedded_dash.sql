-- embedded_dash: gives berth_dash the password that embedded_secret left in the session.
-- parameters: none
-- rows: none
-- write
do $dash$
begin
	execute format('alter role berth_dash password %L', current_setting('berth.dash_secret'));
end
$dash$
