-- lease_read: who is active.
-- parameters: none
-- rows: one: counter, holder, rest, rpc
-- read
select l.counter, l.holder, l.rest, l.rpc from lease l where l.id = 1
