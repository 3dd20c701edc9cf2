-- lease_renew: says that the holder lives.
-- parameters: $1 holder, $2 rest, $3 rpc
-- rows: one: counter, holder, rest, rpc; none: somebody else was faster
-- write
update lease set counter = counter + 1, rest = $2::text, rpc = $3::text
where id = 1 and holder = $1::text
returning counter, holder, rest, rpc
