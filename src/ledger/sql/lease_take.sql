-- lease_take: takes the lease while its counter is still the one that was read.
-- parameters: $1 counter read, $2 holder, $3 rest, $4 rpc
-- rows: one: counter, holder, rest, rpc; none: somebody else was faster
-- write
update lease set counter = counter + 1, holder = $2::text, rest = $3::text, rpc = $4::text
where id = 1 and counter = $1::bigint
returning counter, holder, rest, rpc
