-- lease_release: gives the lease back, so that a standby takes over at once.
-- parameters: $1 holder
-- rows: one: counter, holder, rest, rpc; none: somebody else was faster
-- write
update lease set counter = counter + 1, holder = '', rest = '', rpc = ''
where id = 1 and holder = $1::text
returning counter, holder, rest, rpc
