-- upsert_cell: writes whole rows of table cell; a row that is there takes the new values.
-- parameters: one array per column of the table, in table order, all of one length; no key twice
-- rows: none
-- write
insert into cell (
	id, commit_no, last_event
)
select
	id, commit_no, last_event
from unnest(
	$1::bigint[], $2::bigint[], $3::bigint[]
) as new (
	id, commit_no, last_event
)
on conflict (id) do update set
	commit_no = excluded.commit_no, last_event = excluded.last_event
