-- delete_idempotency: removes rows of table idempotency by key; an absent one is no error.
-- parameters: one array per key column, all of one length
-- rows: none
-- write
delete from idempotency
using unnest($1::bytea[]) as gone (hash)
where idempotency.hash = gone.hash
