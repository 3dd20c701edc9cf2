-- delete_webhook: removes rows of table webhook by key; an absent one is no error.
-- parameters: one array per key column, all of one length
-- rows: none
-- write
delete from webhook
using unnest($1::bigint[]) as gone (id)
where webhook.id = gone.id
