-- delete_counter: removes rows of table counter by key; an absent one is no error.
-- parameters: one array per key column, all of one length
-- rows: none
-- write
delete from counter
using unnest($1::text[]) as gone (name)
where counter.name = gone.name
