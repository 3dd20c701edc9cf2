-- What a plan waits for stands in its row, so that SQL can say it.
-- The default stays: a server of the release before does not name this column.
alter table plan add column waiting json;
comment on column plan.waiting is 'what it waits for: an array of {rule, text, command, count, since_us}; null when its commands are at work or it is over';

create view dash.plan_waiting as
select
	t.name as tenant,
	p.id as plan_id,
	p.kind,
	p.state,
	(select string_agg(distinct x.deployment, ', ') from plan_change x where x.plan_id = p.id) as deployments,
	p.current_batch as batch,
	w.rule,
	w.text as waits_for,
	w.command,
	w.count,
	to_timestamp(w.since_us / 1000000.0) as since,
	extract(epoch from now())::bigint - w.since_us / 1000000 as waiting_seconds
from plan p
join tenant t on t.id = p.tenant_id
cross join lateral json_to_recordset(case when json_typeof(p.waiting) = 'array' then p.waiting else '[]'::json end)
	as w (rule text, text text, command text, count bigint, since_us bigint)
where p.state not in ('succeeded', 'succeeded_with_failures', 'failed', 'stopped', 'undone', 'superseded');
comment on view dash.plan_waiting is 'What plans that are not over wait for, a row per reason. Few rows; filter by plan_id or rule.';
comment on column dash.plan_waiting.tenant is 'owner';
comment on column dash.plan_waiting.plan_id is 'number of the plan';
comment on column dash.plan_waiting.kind is 'what the plan does';
comment on column dash.plan_waiting.state is 'state of the plan';
comment on column dash.plan_waiting.deployments is 'deployments it changes';
comment on column dash.plan_waiting.batch is 'number of the running batch';
comment on column dash.plan_waiting.rule is 'no_room, confirm, soak, paused, base_away, other_plan, frozen, command_slots, …';
comment on column dash.plan_waiting.waits_for is 'the same for people';
comment on column dash.plan_waiting.command is 'what would let it go on';
comment on column dash.plan_waiting.count is 'how many instances, tasks or bases it is about';
comment on column dash.plan_waiting.since is 'since when';
comment on column dash.plan_waiting.waiting_seconds is 'for how long';
