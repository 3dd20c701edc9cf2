-- The tables of the ledger: those of src/model/tables.def, column by column in its order, and what the ledger keeps for itself.
-- Applied once, in one transaction, by the holder of the lease; recorded in schema_migration with its digest: never edit it, add another.
-- Every constraint has a name, because the name is what the server maps to an error. Foreign keys and unique names are checked at the end
-- of a commit: deletes come before upserts, and an object may be re-linked and its old partner removed in the same commit.
-- Columns of type json, not jsonb: text comes back byte for byte, and values that jsonb refuses cannot break a commit.

create table cell (
	id bigint not null,
	uuid uuid not null default gen_random_uuid(),
	commit_no bigint not null,
	last_event bigint not null,
	constraint cell_pkey primary key (id),
	constraint cell_single check (id = 1),
	constraint cell_numbers_not_negative check (commit_no >= 0 and last_event >= 0)
) with (fillfactor = 50);
comment on table cell is 'The cell: one row. Its uuid tells two databases apart; commit_no and last_event tell whether a commit landed.';
comment on column cell.uuid is 'made once; another uuid is another cell';
comment on column cell.id is 'always 1';
comment on column cell.commit_no is 'number of the last commit';
comment on column cell.last_event is 'number of the last event';

create table counter (
	name text not null,
	value bigint not null,
	constraint counter_pkey primary key (name)
) with (fillfactor = 50);
comment on table counter is 'Last number given out per kind of object; gapless.';
comment on column counter.name is 'kind of object';
comment on column counter.value is 'last number given out';

create table tenant (
	id bigint not null,
	name text not null,
	created_at timestamptz,
	constraint tenant_pkey primary key (id),
	constraint tenant_name_unique unique (name) deferrable initially deferred
);
comment on table tenant is 'Owners of names and quotas.';
comment on column tenant.id is 'number of the object, never given twice';
comment on column tenant.name is 'unique name';
comment on column tenant.created_at is 'when it was made';

create table token (
	id bigint not null,
	tenant_id bigint not null,
	name text not null,
	role text not null,
	group_name text,
	hash bytea not null,
	create_actor text,
	created_at timestamptz,
	expires_at timestamptz,
	revoked_at timestamptz,
	constraint token_pkey primary key (id),
	constraint token_tenant_id_fkey foreign key (tenant_id) references tenant (id) deferrable initially deferred,
	constraint token_hash_unique unique (hash) deferrable initially deferred,
	constraint token_hash_length check (octet_length(hash) = 32),
	constraint token_role_known check (role in ('read', 'deploy', 'admin', 'join', 'base'))
);
comment on table token is 'Bearer and join tokens; only hashes, never the token.';
comment on column token.id is 'number of the object, never given twice';
comment on column token.tenant_id is 'owner';
comment on column token.name is 'unique among the living tokens of a tenant';
comment on column token.role is 'read, deploy, admin, join or base';
comment on column token.group_name is 'join tokens: the only group it may join';
comment on column token.hash is 'sha256 of the token';
comment on column token.create_actor is 'name of the token that made it';
comment on column token.created_at is 'when it was made';
comment on column token.expires_at is 'refused from then on';
comment on column token.revoked_at is 'refused since';
create unique index token_name_unique on token (tenant_id, name) where revoked_at is null;

create table artifact (
	id bigint not null,
	tenant_id bigint not null,
	sha256 text,
	size_bytes bigint not null,
	url text,
	credentials text,
	media_type text,
	stored boolean not null,
	created_at timestamptz,
	constraint artifact_pkey primary key (id),
	constraint artifact_tenant_id_fkey foreign key (tenant_id) references tenant (id) deferrable initially deferred,
	constraint artifact_sha256_unique unique (tenant_id, sha256) deferrable initially deferred,
	constraint artifact_size_not_negative check (size_bytes >= 0)
);
comment on table artifact is 'What a version is made of: uploaded bytes (artifact_chunk) or an URL.';
comment on column artifact.id is 'number of the object, never given twice';
comment on column artifact.tenant_id is 'owner';
comment on column artifact.sha256 is 'digest of the bytes, hexadecimal';
comment on column artifact.size_bytes is 'size';
comment on column artifact.url is 'where agents fetch it; empty when the bytes are here';
comment on column artifact.credentials is 'name of the credentials for the URL, never a secret';
comment on column artifact.media_type is 'media type';
comment on column artifact.stored is 'its bytes are in artifact_chunk';
comment on column artifact.created_at is 'when it was made';

create table module (
	id bigint not null,
	tenant_id bigint not null,
	name text not null,
	description text,
	created_at timestamptz,
	constraint module_pkey primary key (id),
	constraint module_tenant_id_fkey foreign key (tenant_id) references tenant (id) deferrable initially deferred,
	constraint module_name_unique unique (tenant_id, name) deferrable initially deferred
);
comment on table module is 'Modules by name.';
comment on column module.id is 'number of the object, never given twice';
comment on column module.tenant_id is 'owner';
comment on column module.name is 'unique name';
comment on column module.description is 'for people';
comment on column module.created_at is 'when it was made';

create table version (
	id bigint not null,
	module_id bigint not null,
	name text not null,
	revision bigint not null,
	artifact_id bigint not null,
	runtime text not null,
	units bigint not null,
	requires json,
	context_path text,
	priority bigint not null,
	create_actor text,
	created_at timestamptz,
	constraint version_pkey primary key (id),
	constraint version_module_id_fkey foreign key (module_id) references module (id) deferrable initially deferred,
	constraint version_artifact_id_fkey foreign key (artifact_id) references artifact (id) deferrable initially deferred,
	constraint version_name_unique unique (module_id, name, revision) deferrable initially deferred,
	constraint version_units_not_negative check (units >= 0)
);
comment on table version is 'Versions of modules; immutable but for groups with mutable versions, where other bytes are a new revision.';
comment on column version.id is 'number of the object, never given twice';
comment on column version.module_id is 'module';
comment on column version.name is 'as in orders:3.1.0';
comment on column version.revision is 'grows when a group with mutable versions got other bytes under the same name';
comment on column version.artifact_id is 'artifact';
comment on column version.runtime is 'native, ark or node';
comment on column version.units is 'units it costs';
comment on column version.requires is 'modules that must be on the same base';
comment on column version.context_path is 'path its routes are served under';
comment on column version.priority is 'order of installs on one base';
comment on column version.create_actor is 'name of the token that made it';
comment on column version.created_at is 'when it was made';
create index version_artifact on version (artifact_id);

create table base_group (
	id bigint not null,
	tenant_id bigint not null,
	name text not null,
	runtime text not null,
	install_limit bigint not null,
	labels json,
	zone_key text,
	mutable_versions boolean not null,
	unmanaged_policy text not null,
	placement text not null,
	upgrade_policy text not null,
	freeze_reason text,
	etag bigint not null,
	created_at timestamptz,
	updated_at timestamptz,
	constraint base_group_pkey primary key (id),
	constraint base_group_tenant_id_fkey foreign key (tenant_id) references tenant (id) deferrable initially deferred,
	constraint base_group_name_unique unique (tenant_id, name) deferrable initially deferred,
	constraint base_group_limit_not_negative check (install_limit >= 0)
);
comment on table base_group is 'Interchangeable bases and their defaults.';
comment on column base_group.id is 'number of the object, never given twice';
comment on column base_group.tenant_id is 'owner';
comment on column base_group.name is 'unique name';
comment on column base_group.runtime is 'native, ark or node';
comment on column base_group.install_limit is 'units a base may be given';
comment on column base_group.labels is 'labels, a JSON object of strings';
comment on column base_group.zone_key is 'label that names the zone of a base';
comment on column base_group.mutable_versions is 'other bytes under a known version name are accepted as a new revision';
comment on column base_group.unmanaged_policy is 'what is done with modules that nobody told Berth about';
comment on column base_group.placement is 'spread or pack';
comment on column base_group.upgrade_policy is 'how a version replaces another';
comment on column base_group.freeze_reason is 'why changes are frozen, empty when they are not';
comment on column base_group.etag is 'grows with each change; If-Match compares it';
comment on column base_group.created_at is 'when it was made';
comment on column base_group.updated_at is 'when it was last changed';

create table base (
	id bigint not null,
	tenant_id bigint not null,
	group_id bigint not null,
	name text not null,
	state text not null,
	state_reason text,
	state_at timestamptz,
	labels json,
	taints json,
	zone text,
	runtime text not null,
	install_limit bigint not null,
	units_used bigint not null,
	units_ceiling bigint not null,
	incarnation bigint not null,
	generation bigint not null,
	report_seq bigint not null,
	cordoned boolean not null,
	cordon_reason text,
	key_hash bytea not null,
	boot text,
	address text,
	arklet_url text,
	agent_version text,
	process_start bigint not null,
	etag bigint not null,
	joined_at timestamptz,
	seen_at timestamptz,
	constraint base_pkey primary key (id),
	constraint base_tenant_id_fkey foreign key (tenant_id) references tenant (id) deferrable initially deferred,
	constraint base_group_id_fkey foreign key (group_id) references base_group (id) deferrable initially deferred,
	constraint base_name_unique unique (tenant_id, name) deferrable initially deferred,
	constraint base_units_within_ceiling check (units_used <= units_ceiling),
	constraint base_units_not_negative check (units_used >= 0 and install_limit >= 0),
	constraint base_key_hash_length check (octet_length(key_hash) = 32),
	constraint base_state_known check (state in ('joining', 'restoring', 'ready', 'silent', 'lost', 'stopped'))
) with (fillfactor = 70);
comment on table base is 'Host processes that modules are installed into.';
comment on column base.id is 'number of the object, never given twice';
comment on column base.tenant_id is 'owner';
comment on column base.group_id is 'base group';
comment on column base.name is 'unique name';
comment on column base.state is 'where it is in its life cycle';
comment on column base.state_reason is 'why it is in this state, for people';
comment on column base.state_at is 'since when it is in this state';
comment on column base.labels is 'labels, a JSON object of strings';
comment on column base.taints is 'taints, a JSON array';
comment on column base.zone is 'zone';
comment on column base.runtime is 'native, ark or node';
comment on column base.install_limit is 'its own limit in units; 0 is the one of the group';
comment on column base.units_used is 'units of all instances on it';
comment on column base.units_ceiling is 'units_used may not pass it: the limit, or what was used when the limit was lowered or modules were adopted';
comment on column base.incarnation is 'given by the server, grows at each start of the base';
comment on column base.generation is 'number of the newest command; an agent refuses older ones';
comment on column base.report_seq is 'highest committed report of this boot';
comment on column base.cordoned is 'takes no new instances';
comment on column base.cordon_reason is 'why it is cordoned';
comment on column base.key_hash is 'sha256 of the key of the base, zeros before it has one';
comment on column base.boot is 'boot id of the running process';
comment on column base.address is 'address it came from';
comment on column base.arklet_url is 'where its arklet answers; empty behind an agent';
comment on column base.agent_version is 'version of its agent';
comment on column base.process_start is 'start of the base process as its agent told';
comment on column base.etag is 'grows with each change; If-Match compares it';
comment on column base.joined_at is 'when it joined first';
comment on column base.seen_at is 'last sign of life when the row was last written';
create index base_group_id on base (group_id);

create table deployment (
	id bigint not null,
	tenant_id bigint not null,
	name text not null,
	module_id bigint not null,
	group_id bigint not null,
	revision bigint not null,
	completed_revision bigint not null,
	state text not null,
	state_reason text,
	state_at timestamptz,
	labels json,
	offline boolean not null,
	etag bigint not null,
	created_at timestamptz,
	updated_at timestamptz,
	constraint deployment_pkey primary key (id),
	constraint deployment_tenant_id_fkey foreign key (tenant_id) references tenant (id) deferrable initially deferred,
	constraint deployment_module_id_fkey foreign key (module_id) references module (id) deferrable initially deferred,
	constraint deployment_group_id_fkey foreign key (group_id) references base_group (id) deferrable initially deferred,
	constraint deployment_name_unique unique (tenant_id, name) deferrable initially deferred,
	constraint deployment_state_known check (state in ('waiting', 'rolling', 'running', 'degraded', 'offline'))
) with (fillfactor = 80);
comment on table deployment is 'Module M at version V in group G on N bases.';
comment on column deployment.id is 'number of the object, never given twice';
comment on column deployment.tenant_id is 'owner';
comment on column deployment.name is 'unique name';
comment on column deployment.module_id is 'module';
comment on column deployment.group_id is 'base group';
comment on column deployment.revision is 'revision in force';
comment on column deployment.completed_revision is 'last revision whose plan was completed, 0 for none';
comment on column deployment.state is 'where it is in its life cycle';
comment on column deployment.state_reason is 'why it is in this state, for people';
comment on column deployment.state_at is 'since when it is in this state';
comment on column deployment.labels is 'labels, a JSON object of strings';
comment on column deployment.offline is 'its instances are gone on purpose';
comment on column deployment.etag is 'grows with each change; If-Match compares it';
comment on column deployment.created_at is 'when it was made';
comment on column deployment.updated_at is 'when it was last changed';
create index deployment_module on deployment (module_id);
create index deployment_group on deployment (group_id);

create table revision (
	deployment_id bigint not null,
	number bigint not null,
	version_id bigint not null,
	replicas bigint not null,
	args json,
	env json,
	strategy json,
	actor text,
	reason text,
	link text,
	plan_id bigint,
	created_at timestamptz,
	constraint revision_pkey primary key (deployment_id, number),
	constraint revision_deployment_id_fkey foreign key (deployment_id) references deployment (id) deferrable initially deferred,
	constraint revision_version_id_fkey foreign key (version_id) references version (id) deferrable initially deferred,
	constraint revision_replicas_valid check (replicas >= -1)
);
comment on table revision is 'Each change of a deployment is a revision.';
comment on column revision.deployment_id is 'deployment it belongs to';
comment on column revision.number is 'counts from 1 in its deployment';
comment on column revision.version_id is 'module version';
comment on column revision.replicas is 'wanted instances; -1 is one on every base';
comment on column revision.args is 'arguments for the module, JSON';
comment on column revision.env is 'environment for the module, JSON';
comment on column revision.strategy is 'how it rolls out, JSON';
comment on column revision.actor is 'name of the token that did it';
comment on column revision.reason is 'reason given by the caller';
comment on column revision.link is 'link given by the caller, for example a CI job';
comment on column revision.plan_id is 'plan that brings it';
comment on column revision.created_at is 'when it was made';
create index revision_version on revision (version_id);

create table plan (
	id bigint not null,
	tenant_id bigint not null,
	kind text not null,
	state text not null,
	state_reason text,
	state_at timestamptz,
	options json,
	current_batch bigint not null,
	tasks_done bigint not null,
	tasks_failed bigint not null,
	soaked_us bigint not null,
	stalled_us bigint not null,
	actor text,
	address text,
	reason text,
	link text,
	created_at timestamptz not null,
	started_at timestamptz,
	ended_at timestamptz,
	constraint plan_pkey primary key (id),
	constraint plan_tenant_id_fkey foreign key (tenant_id) references tenant (id) deferrable initially deferred,
	constraint plan_state_known check (state in ('queued', 'running', 'paused', 'confirming', 'soaking', 'succeeded', 'succeeded_with_failures', 'failed', 'stopped', 'undone', 'superseded'))
) with (fillfactor = 70);
comment on table plan is 'Operation plans: every change of what is wanted is one.';
comment on column plan.id is 'number of the object, never given twice';
comment on column plan.tenant_id is 'owner';
comment on column plan.kind is 'kind';
comment on column plan.state is 'where it is in its life cycle';
comment on column plan.state_reason is 'why it is in this state, for people';
comment on column plan.state_at is 'since when it is in this state';
comment on column plan.options is 'how it rolls, JSON';
comment on column plan.current_batch is 'number of the running batch, 0 before the first';
comment on column plan.tasks_done is 'tasks that succeeded';
comment on column plan.tasks_failed is 'tasks given up';
comment on column plan.soaked_us is 'time already soaked in this batch, microseconds';
comment on column plan.stalled_us is 'time without progress, microseconds';
comment on column plan.actor is 'name of the token that did it';
comment on column plan.address is 'client address';
comment on column plan.reason is 'reason given by the caller';
comment on column plan.link is 'link given by the caller, for example a CI job';
comment on column plan.created_at is 'when it was made';
comment on column plan.started_at is 'when it began';
comment on column plan.ended_at is 'when it ended';
create index plan_open on plan (id) where state not in ('succeeded', 'succeeded_with_failures', 'failed', 'stopped', 'undone', 'superseded');
create index plan_ended on plan (ended_at) where ended_at is not null;

create table plan_change (
	plan_id bigint not null,
	number bigint not null,
	deployment_id bigint not null,
	deployment text,
	module text,
	from_revision bigint not null,
	to_revision bigint not null,
	from_version text,
	to_version text,
	from_replicas bigint not null,
	to_replicas bigint not null,
	constraint plan_change_pkey primary key (plan_id, number),
	constraint plan_change_plan_id_fkey foreign key (plan_id) references plan (id) on delete cascade deferrable initially deferred
);
comment on table plan_change is 'What a plan changes; names are kept, so that history outlives the objects.';
comment on column plan_change.plan_id is 'plan it belongs to';
comment on column plan_change.number is 'counts from 1 in its plan';
comment on column plan_change.deployment_id is 'deployment it belongs to';
comment on column plan_change.deployment is 'name of the deployment';
comment on column plan_change.module is 'name of the module';
comment on column plan_change.from_revision is 'revision before';
comment on column plan_change.to_revision is 'revision after';
comment on column plan_change.from_version is 'version before';
comment on column plan_change.to_version is 'version after';
comment on column plan_change.from_replicas is 'replicas before';
comment on column plan_change.to_replicas is 'replicas after';
create index plan_change_deployment on plan_change (deployment, plan_id);

create table batch (
	plan_id bigint not null,
	number bigint not null,
	state text not null,
	size bigint not null,
	done bigint not null,
	failed bigint not null,
	started_at timestamptz,
	ended_at timestamptz,
	constraint batch_pkey primary key (plan_id, number),
	constraint batch_plan_id_fkey foreign key (plan_id) references plan (id) on delete cascade deferrable initially deferred,
	constraint batch_state_known check (state in ('pending', 'running', 'soaking', 'confirming', 'done', 'failed'))
) with (fillfactor = 70);
comment on table batch is 'Batches of a plan.';
comment on column batch.plan_id is 'plan it belongs to';
comment on column batch.number is 'counts from 1 in its plan';
comment on column batch.state is 'where it is in its life cycle';
comment on column batch.size is 'tasks in it';
comment on column batch.done is 'tasks that succeeded';
comment on column batch.failed is 'tasks given up';
comment on column batch.started_at is 'when it began';
comment on column batch.ended_at is 'when it ended';

create table instance (
	id bigint not null,
	base_id bigint not null,
	deployment_id bigint,
	version_id bigint not null,
	revision bigint not null,
	wanted boolean not null,
	state text not null,
	state_reason text,
	state_at timestamptz,
	commanded text not null,
	generation bigint not null,
	reported text,
	units bigint not null,
	failures bigint not null,
	replaces bigint,
	created_at timestamptz,
	constraint instance_pkey primary key (id),
	constraint instance_base_id_fkey foreign key (base_id) references base (id) deferrable initially deferred,
	constraint instance_deployment_id_fkey foreign key (deployment_id) references deployment (id) deferrable initially deferred,
	constraint instance_version_id_fkey foreign key (version_id) references version (id) deferrable initially deferred,
	constraint instance_once_per_base exclude (base_id with =, version_id with =) where (wanted) deferrable initially deferred,
	constraint instance_units_not_negative check (units >= 0),
	constraint instance_state_known check (state in ('pending', 'installing', 'ready', 'standby', 'failed', 'missing', 'uninstalling', 'unknown', 'quarantined'))
) with (fillfactor = 70);
comment on table instance is 'One module version on one base: wanted, commanded and reported, kept apart.';
comment on column instance.id is 'number of the object, never given twice';
comment on column instance.base_id is 'base it is on';
comment on column instance.deployment_id is 'deployment that wants it; null for adopted modules';
comment on column instance.version_id is 'module version';
comment on column instance.revision is 'deployment revision this slot is at';
comment on column instance.wanted is 'false: on its way out';
comment on column instance.state is 'where it is in its life cycle';
comment on column instance.state_reason is 'why it is in this state, for people';
comment on column instance.state_at is 'since when it is in this state';
comment on column instance.commanded is 'last command sent: install, uninstall or switch';
comment on column instance.generation is 'number of the newest command; an agent refuses older ones';
comment on column instance.reported is 'state as the base told';
comment on column instance.units is 'units it costs';
comment on column instance.failures is 'failures in a row';
comment on column instance.replaces is 'instance on a lost base that it stands in for';
comment on column instance.created_at is 'when it was made';
create index instance_base on instance (base_id);
create index instance_deployment on instance (deployment_id);
create index instance_version on instance (version_id);

create table task (
	id bigint not null,
	plan_id bigint,
	change_no bigint not null,
	batch bigint not null,
	kind text not null,
	state text not null,
	base_id bigint not null,
	deployment_id bigint,
	version_id bigint not null,
	instance_id bigint not null,
	partner_id bigint,
	generation bigint not null,
	attempt bigint not null,
	fault text not null,
	retryable boolean not null,
	cause text,
	output text,
	duration_us bigint not null,
	base text,
	deployment text,
	module text,
	version text,
	created_at timestamptz not null,
	sent_at timestamptz,
	ended_at timestamptz,
	constraint task_pkey primary key (id),
	constraint task_plan_id_fkey foreign key (plan_id) references plan (id) on delete cascade deferrable initially deferred,
	constraint task_state_known check (state in ('pending', 'sent', 'backoff', 'succeeded', 'failed', 'cancelled'))
) with (fillfactor = 70);
comment on table task is 'Commands to bases; names are kept, so that history outlives the objects.';
comment on column task.id is 'number of the object, never given twice';
comment on column task.plan_id is 'plan; null for repairs';
comment on column task.change_no is 'number of the change in its plan';
comment on column task.batch is 'number of the batch in its plan';
comment on column task.kind is 'install, uninstall or switch';
comment on column task.state is 'where it is in its life cycle';
comment on column task.base_id is 'base it is on';
comment on column task.deployment_id is 'deployment it belongs to';
comment on column task.version_id is 'module version';
comment on column task.instance_id is 'instance';
comment on column task.partner_id is 'task that has to end first';
comment on column task.generation is 'number of the newest command; an agent refuses older ones';
comment on column task.attempt is 'counts from 1';
comment on column task.fault is 'module, base, artifact or berth';
comment on column task.retryable is 'a retry can help';
comment on column task.cause is 'why it failed';
comment on column task.output is 'last lines of output of the base';
comment on column task.duration_us is 'how long the base worked, microseconds';
comment on column task.base is 'name of the base';
comment on column task.deployment is 'name of the deployment';
comment on column task.module is 'name of the module';
comment on column task.version is 'name of the version';
comment on column task.created_at is 'when it was made';
comment on column task.sent_at is 'when the base was told last';
comment on column task.ended_at is 'when it ended';
create index task_plan on task (plan_id, id) where plan_id is not null;
create index task_open on task (id) where state in ('pending', 'sent', 'backoff');
create index task_base on task (base, id);
create index task_repair_ended on task (ended_at) where plan_id is null and ended_at is not null;

create table finding (
	id bigint not null,
	tenant_id bigint not null,
	kind text not null,
	base_id bigint,
	module text,
	version text,
	deployment_id bigint,
	detail text,
	command text,
	since timestamptz,
	constraint finding_pkey primary key (id),
	constraint finding_tenant_id_fkey foreign key (tenant_id) references tenant (id) deferrable initially deferred,
	constraint finding_base_id_fkey foreign key (base_id) references base (id) deferrable initially deferred
);
comment on table finding is 'Differences that nobody asked for.';
comment on column finding.id is 'number of the object, never given twice';
comment on column finding.tenant_id is 'owner';
comment on column finding.kind is 'kind';
comment on column finding.base_id is 'base it was found on';
comment on column finding.module is 'name of the module';
comment on column finding.version is 'name of the version';
comment on column finding.deployment_id is 'deployment it belongs to';
comment on column finding.detail is 'what is different';
comment on column finding.command is 'command that mends it';
comment on column finding.since is 'since when';
create index finding_base on finding (base_id);

create table idempotency (
	hash bytea not null,
	body_hash bytea not null,
	tenant_id bigint not null,
	status bigint not null,
	location text,
	result text,
	created_at timestamptz not null,
	constraint idempotency_pkey primary key (hash),
	constraint idempotency_hash_length check (octet_length(hash) = 16 and octet_length(body_hash) = 16)
);
comment on table idempotency is 'Answers stored under idempotency keys.';
comment on column idempotency.hash is 'first 16 bytes of sha256(tenant, token, operation, key)';
comment on column idempotency.body_hash is 'first 16 bytes of the digest of the request';
comment on column idempotency.tenant_id is 'owner';
comment on column idempotency.status is 'HTTP status of the stored answer';
comment on column idempotency.location is 'Location of the stored answer';
comment on column idempotency.result is 'stored answer';
comment on column idempotency.created_at is 'when it was made';
create index idempotency_created on idempotency (created_at);

create table event (
	number bigint not null,
	at timestamptz not null,
	tenant_id bigint not null,
	kind text,
	actor text,
	address text,
	reason text,
	link text,
	base text,
	module text,
	version text,
	deployment text,
	plan_id bigint,
	task_id bigint,
	instance_id bigint,
	message text,
	constraint event_pkey primary key (number),
	constraint event_number_positive check (number > 0)
);
comment on table event is 'Numbered facts without gaps, in one order.';
comment on column event.number is 'no gaps, one order';
comment on column event.at is 'when; never before the previous event';
comment on column event.tenant_id is 'owner';
comment on column event.kind is 'kind';
comment on column event.actor is 'name of the token that did it';
comment on column event.address is 'client address';
comment on column event.reason is 'reason given by the caller';
comment on column event.link is 'link given by the caller, for example a CI job';
comment on column event.base is 'name of the base';
comment on column event.module is 'name of the module';
comment on column event.version is 'name of the version';
comment on column event.deployment is 'name of the deployment';
comment on column event.plan_id is 'plan';
comment on column event.task_id is 'task';
comment on column event.instance_id is 'instance';
comment on column event.message is 'the fact as a sentence';
create index event_at on event using brin (at) with (pages_per_range = 16, autosummarize = on);
create index event_base on event (base, number) where base is not null;
create index event_module on event (module, number) where module is not null;
create index event_deployment on event (deployment, number) where deployment is not null;
create index event_plan on event (plan_id, number) where plan_id is not null;
create index event_actor on event (actor, number) where actor <> 'berth';

create table fence (
	id smallint not null default 1,
	epoch bigint not null,
	backend_pid integer not null default 0,
	backend_start timestamptz,
	constraint fence_pkey primary key (id),
	constraint fence_single check (id = 1)
) with (fillfactor = 50);
comment on table fence is 'One row. A commit locks it for share and compares the epoch; whoever takes over raises the epoch and so waits for commits under way.';
comment on column fence.id is 'always 1';
comment on column fence.epoch is 'the epoch in force; grows at each start, takeover and recovery';
comment on column fence.backend_pid is 'the backend that may commit under this epoch; a taker that it blocks terminates it';
comment on column fence.backend_start is 'start of that backend, so that another process with the same number is left alone';
insert into fence (epoch) values (0);

create table artifact_chunk (
	sha256 text not null,
	seq integer not null,
	bytes bytea not null,
	created_at timestamptz not null default now(),
	constraint artifact_chunk_pkey primary key (sha256, seq),
	constraint artifact_chunk_seq_not_negative check (seq >= 0),
	constraint artifact_chunk_size check (octet_length(bytes) <= 1048576)
);
alter table artifact_chunk alter column bytes set storage external;
comment on table artifact_chunk is 'Bytes of artifacts in pieces of 1 MiB. An upload under way is stored under a name of its own and renamed when it is whole.';
comment on column artifact_chunk.sha256 is 'digest of the whole artifact, or upload:<uuid> while it arrives';
comment on column artifact_chunk.seq is 'piece, from 0; all but the last hold 1 MiB';
comment on column artifact_chunk.bytes is 'the bytes; not compressed, artifacts are';
comment on column artifact_chunk.created_at is 'when it was stored or last asked for by an upload of the same bytes; orphans older than a day are collected';

insert into cell (id, commit_no, last_event) values (1, 0, 0);
