-- dash_state: is there a role berth_dash whose statements this login may end?
-- parameters: none
-- rows: one: whether it is so
-- read
select exists (select from pg_roles r where r.rolname = 'berth_dash' and pg_has_role(current_user, r.oid, 'usage'))
