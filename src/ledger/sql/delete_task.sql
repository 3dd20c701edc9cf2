-- delete_task: removes rows of table task by key; an absent one is no error.
-- parameters: one array per key column, all of one length
-- rows: none
-- write
delete from task
using unnest($1::bigint[]) as gone (id)
where task.id = gone.id
