-- delete_token: removes rows of table token by key; an absent one is no error.
-- parameters: one array per key column, all of one length
-- rows: none
-- write
delete from token
using unnest($1::bigint[]) as gone (id)
where token.id = gone.id
