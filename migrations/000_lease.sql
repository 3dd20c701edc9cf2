-- What must be there before anybody can hold the lease, and so before anybody may migrate: the lease row and the list of migrations.
-- Not a numbered migration: each server runs it on its lease connection when the lease table is absent. Its form can never change.
create table if not exists lease (
	id smallint not null default 1,
	counter bigint not null default 0,
	holder text not null default '',
	rest text not null default '',
	rpc text not null default '',
	constraint lease_pkey primary key (id),
	constraint lease_single check (id = 1)
) with (fillfactor = 50);
comment on table lease is 'One row: who is active. A standby takes over when the counter did not change for the lease time by its own clock.';
comment on column lease.id is 'always 1';
comment on column lease.counter is 'grows with each renewal and each change of the holder';
comment on column lease.holder is 'id of the active server; empty when it was released';
comment on column lease.rest is 'REST address of the holder';
comment on column lease.rpc is 'gRPC address of the holder';
insert into lease (id) values (1) on conflict (id) do nothing;

create table if not exists schema_migration (
	number integer not null,
	name text not null,
	sha256 text not null,
	applied_at timestamptz not null default now(),
	constraint schema_migration_pkey primary key (number)
);
comment on table schema_migration is 'Migrations that were applied to this database.';
comment on column schema_migration.number is 'leading number of the file name';
comment on column schema_migration.name is 'file name';
comment on column schema_migration.sha256 is 'digest of the file when it was applied; another digest is refused';
comment on column schema_migration.applied_at is 'when it was applied';
