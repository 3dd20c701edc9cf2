-- delete_tenant: removes rows of table tenant by key; an absent one is no error.
-- parameters: one array per key column, all of one length
-- rows: none
-- write
delete from tenant
using unnest($1::bigint[]) as gone (id)
where tenant.id = gone.id
