-- embedded_secret: hands the password of berth_dash to the statement embedded_dash, which as a utility statement takes no parameters.
-- parameters: $1 password
-- rows: one
-- write (a session setting only)
select set_config('berth.dash_secret', $1::text, false) is not null
