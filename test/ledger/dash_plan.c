/* The views of schema dash at the size of a large cell: with the filters that their comments name, no table of many rows is read from end
 * to end: 5,000 bases, 50,000 instances, 5 million events. The plan is looked at, not the clock. */
#include "world.h"

static const char fill[] =
    "set session_replication_role = replica;" /* no foreign keys while loading */
    "insert into tenant (id, name) values (1, 'default'), (2, 'other');"
    "insert into base_group (id, tenant_id, name, runtime, install_limit, mutable_versions, unmanaged_policy, placement, upgrade_policy, "
    "etag)"
    " select k, 1, 'group-' || k, 'native', 12, false, 'report', 'spread', 'in_place', 1 from generate_series(1, 50) k;"
    "insert into base (id, tenant_id, group_id, name, state, state_at, zone, runtime, install_limit, units_used, units_ceiling, "
    "incarnation, generation,"
    " report_seq, cordoned, key_hash, process_start, etag)"
    " select k, 1, 1 + k % 50, 'base-' || k, case when k % 500 = 0 then 'lost' else 'ready' end, now(), 'z' || k % 3, 'native', 0, 10, 12, "
    "1, 1, 1, false,"
    " sha256(k::text::bytea), 0, 1 from generate_series(1, 5000) k;"
    "insert into artifact (id, tenant_id, sha256, size_bytes, stored) values (1, 1, '00', 1, true);"
    "insert into module (id, tenant_id, name) select k, 1, 'module-' || k from generate_series(1, 200) k;"
    "insert into version (id, module_id, name, revision, artifact_id, runtime, units, priority)"
    " select k, 1 + k % 200, k || '.0', 1, 1, 'native', 1, 0 from generate_series(1, 2000) k;"
    "insert into deployment (id, tenant_id, name, module_id, group_id, revision, completed_revision, state, state_at, offline, etag)"
    " select k, 1, 'deployment-' || k, 1 + k % 200, 1 + k % 50, 2, 1, 'running', now(), false, 1 from generate_series(1, 500) k;"
    "insert into revision (deployment_id, number, version_id, replicas)"
    " select d, n, 1 + (d + n) % 2000, 100 from generate_series(1, 500) d, generate_series(1, 2) n;"
    "insert into instance (id, base_id, deployment_id, version_id, revision, wanted, state, state_at, commanded, generation, units, "
    "failures)"
    " select k, 1 + k % 5000, 1 + k % 500, 1 + k % 2000, 2, true, case when k % 1000 = 0 then 'failed' else 'ready' end, now(), 'install', "
    "1, 1, 0"
    " from generate_series(1, 50000) k;"
    "insert into plan (id, tenant_id, kind, state, current_batch, tasks_done, tasks_failed, soaked_us, stalled_us, created_at, ended_at)"
    " select k, 1, 'upgrade', case when k > 4990 then 'running' else 'succeeded' end, 1, 1, 0, 0, 0, now() - k * interval '1 minute',"
    " case when k > 4990 then null else now() end from generate_series(1, 5000) k;"
    "insert into plan_change (plan_id, number, deployment_id, deployment, module, from_revision, to_revision, from_replicas, to_replicas)"
    " select k, 1, 1 + k % 500, 'deployment-' || 1 + k % 500, 'module-' || 1 + k % 200, 1, 2, 1, 1 from generate_series(1, 5000) k;"
    "insert into batch (plan_id, number, state, size, done, failed) select p, n, 'done', 10, 10, 0 from generate_series(1, 5000) p, "
    "generate_series(1, 3) n;"
    "insert into task (id, plan_id, change_no, batch, kind, state, base_id, deployment_id, version_id, instance_id, generation, attempt, "
    "fault, retryable,"
    " duration_us, base, deployment, module, version, created_at, ended_at)"
    " select k, 1 + k % 5000, 1, 1, 'install', 'succeeded', 1 + k % 5000, 1 + k % 500, 1 + k % 2000, 1 + k % 50000, 1, 1, '', false, 1000, "
    "'base-' || 1 + k % 5000,"
    " 'deployment-' || 1 + k % 500, 'module-' || 1 + k % 200, '1.0', now() - (100000 - k) * interval '1 minute', now() from "
    "generate_series(1, 100000) k;"
    "insert into finding (id, tenant_id, kind, base_id, module, since)"
    " select k, 1, 'unmanaged', 1 + k % 5000, 'stray', now() from generate_series(1, 5000) k;"
    /* without its indexes, which are made again as they were: a third of the time */
    "create temp table indexes as select indexrelid::regclass::text as name, pg_get_indexdef(indexrelid) as def from pg_index"
    " where indrelid = 'event'::regclass and not indisprimary;"
    "do $$ declare i record; begin for i in table indexes loop execute 'drop index ' || i.name; end loop; end $$;"
    "alter table event set unlogged;"
    "insert into event (number, at, tenant_id, kind, actor, base, module, version, deployment, plan_id, message)"
    " select k, now() - (5000000 - k) * interval '1.5 seconds', 1, 'task.succeeded', case when k % 1000 = 0 then 'ci' else 'berth' end, "
    "'base-' || 1 + k % 5000,"
    " 'module-' || 1 + k % 200, '1.0', 'deployment-' || 1 + k % 500, 1 + k % 5000, 'installed' from generate_series(1, 5000000) k;"
    "do $$ declare i record; begin for i in table indexes loop execute i.def; end loop; end $$;"
    "insert into base_history (instance_id, since, ended_at, tenant_id, base, module, version, deployment, revision, plan_id, actor)"
    " select k, now() - (150000 - k) * interval '1 minute', case when k % 3 = 0 then null else now() end, 1, 'base-' || 1 + k % 5000, "
    "'module-' || 1 + k % 200, '1.0',"
    " 'deployment-' || 1 + k % 500, 1, 1 + k % 5000, 'ci' from generate_series(1, 150000) k;"
    "set session_replication_role = origin;"
    "analyze;"
    /* The tables of more than 2,000 rows that a query reads from end to end. */
    "create function pg_temp.read_whole(query text) returns text language plpgsql as $$"
    " declare plan json; found text;"
    " begin"
    "  execute 'explain (format json) ' || query into plan;"
    "  select string_agg(distinct c.relname, ' ') into found"
    "  from jsonb_path_query(plan::jsonb, '$.** ? (@.\"Node Type\" == \"Seq Scan\")') node join pg_class c on c.relname = node ->> "
    "'Relation Name'"
    "  where c.relnamespace = 'public'::regnamespace and c.reltuples > 2000;"
    "  return found;"
    " end $$";

static const char *const filters[] = {
	"base_current where tenant = 'default' and base = 'base-77'",
	"base_current where tenant = 'default' and base_group = 'group-7'",
	"capacity where tenant = 'default' and base_group = 'group-7'",
	"instance_current where tenant = 'default' and base = 'base-77'",
	"instance_current where tenant = 'default' and deployment = 'deployment-7'",
	"endpoint_current where tenant = 'default' and base = 'base-77'",
	"endpoint_current where tenant = 'default' and module = 'module-7'",
	"instance_current where tenant = 'default' and module = 'module-7'",
	"deployment_current where tenant = 'default' and deployment = 'deployment-7'",
	"drift where tenant = 'default' and base = 'base-77'",
	"drift where tenant = 'default' and deployment = 'deployment-7'",
	"drift where tenant = 'default' and module = 'module-7'",
	"plan_progress where plan_id = 4711",
	"plan_waiting where plan_id = 4711",
	"plan_waiting where rule = 'no_room'",
	"plan_progress where state = 'running'",
	"plan_progress where state in ('queued', 'running', 'paused', 'confirming', 'soaking')",
	"task_recent where plan_id = 4711 order by task_id",
	"task_recent where base = 'base-77' order by task_id desc limit 50",
	"task_recent where created_at > now() - interval '1 hour'",
	"event_recent where event > 4999000 order by event limit 100",
	"event_recent where at > now() - interval '1 hour'",
	"event_recent where base = 'base-77' order by event desc limit 50",
	"event_recent where module = 'module-7' order by event desc limit 50",
	"event_recent where deployment = 'deployment-7' order by event desc limit 50",
	"event_recent where plan_id = 4711 order by event",
	"event_recent where actor = 'ci' order by event desc limit 50",
	"finding_current where tenant = 'default' and base = 'base-77'",
	"base_history where base = 'base-77' and since <= now() and (ended_at is null or ended_at > now())",
	"base_history where module = 'module-7' order by since desc limit 50",
	"base_history where since >= now() - interval '2 days' and since < now() - interval '1 day'",
};

START_TEST(documented_filters_use_an_index) {
	struct world w;
	struct sink s;
	world_open(&w);
	struct ledger_pg *l = world_ledger(&w);
	do_load(&w, l, &s);
	sql(&w, w.admin, fill);
	for (size_t i = 0; i < sizeof filters / sizeof *filters; i++) {
		const char *whole =
		    sql(&w, w.admin, arena_printf(w.arena, "select pg_temp.read_whole($q$select * from dash.%s$q$)", filters[i]));
		ck_assert_msg(whole == NULL, "select * from dash.%s reads all of: %s", filters[i], whole);
	}
	/* That the test would see one: */
	ck_assert_str_eq(sql(&w, w.admin, "select pg_temp.read_whole('select * from dash.event_recent where message = ''x''')"), "event");
	ledger_pg_free(l);
	world_close(&w);
}
END_TEST

TEST_SUITE("ledger/dash_plan", documented_filters_use_an_index)
