-- cell_state: where the ledger stands.
-- parameters: none
-- rows: one: cell id, number of the last commit, of the last event, time of the last event
-- read
select c.uuid::text, c.commit_no, c.last_event, (select e.at from event e where e.number = c.last_event)
from cell c
where c.id = 1
