/* The role of dashboards: what it may and may not, its limits, and databases whose login may not make it. */
#include "world.h"

#include <stdlib.h>
#include <string.h>

static struct ledger_pg *open_with(struct world *w, int64_t every_us, int64_t limit_us) {
	struct ledger_pg_config c;
	struct sink s;
	ledger_pg_config_defaults(&c);
	c.dash_every_us = every_us;
	c.dash_limit_us = limit_us;
	world_open(w);
	struct ledger_pg *l = world_ledger_with(w, &c);
	struct call k = { 0 };
	ledger_pg_check(l, call_done, &k);
	wait_until(w, &k.done);
	do_load(w, l, &s);
	wait_until(w, &l->dash.made);
	return l;
}

/* The password stands in the throw-away cluster's folder. */
static PGconn *log_in(struct world *w) {
	const char *keys[] = { "dbname", "user", "password", NULL };
	char secret[64] = "";
	FILE *f = fopen(arena_printf(w->arena, "%s/pg.dash.secret", getenv("BERTH_TEST_DIR")), "r");
	ck_assert_ptr_nonnull(f);
	ck_assert_ptr_nonnull(fgets(secret, sizeof secret, f));
	fclose(f);
	const char *values[] = { w->database, "berth_dash", secret, NULL };
	PGconn *pg = PQconnectdbParams(keys, values, 1);
	ck_assert_msg(PQstatus(pg) == CONNECTION_OK, "%s", PQerrorMessage(pg));
	return pg;
}

static void refused(PGconn *pg, const char *text, const char *sqlstate) {
	PGresult *res = PQexec(pg, text);
	ck_assert_msg(PQresultStatus(res) == PGRES_FATAL_ERROR, "%s was taken", text);
	ck_assert_msg(strcmp(PQresultErrorField(res, PG_DIAG_SQLSTATE), sqlstate) == 0, "%s: %s", text, PQresultErrorMessage(res));
	PQclear(res);
}

START_TEST(it_reads_every_view_and_nothing_else) {
	struct world w;
	struct ledger_pg *l = open_with(&w, 15 * US_PER_S, 120 * US_PER_S);
	PGconn *pg = log_in(&w);
	char *views = arena_strdup(w.arena, sql(&w, w.admin, "select string_agg(viewname, ' ') from pg_views where schemaname = 'dash'"));
	int n = 0;
	for (char *rest, *v = strtok_r(views, " ", &rest); v != NULL; v = strtok_r(NULL, " ", &rest), n++)
		sql(&w, pg, arena_printf(w.arena, "select * from %s limit 1", v));
	ck_assert_int_ge(n, 12);
	static const char *const tables[] = { "token", "webhook", "base", "artifact_chunk", "event", "cell", "lease", "idempotency" };
	for (size_t i = 0; i < sizeof tables / sizeof *tables; i++)
		refused(pg, arena_printf(w.arena, "select 1 from public.%s", tables[i]), "42501");
	ck_assert_ptr_null(sql(&w, w.admin,
	    "select c.oid::regclass from pg_class c join pg_namespace n on n.oid = c.relnamespace "
	    "where n.nspname in ('public', 'dash') and c.relkind in ('r', 'v', 'S') and (has_table_privilege('berth_dash', c.oid, "
	    "'insert,update,delete,truncate') "
	    "or (n.nspname = 'public' and has_table_privilege('berth_dash', c.oid, 'select'))) limit 1"));
	PQfinish(pg);
	ledger_pg_free(l);
	world_close(&w);
}
END_TEST

START_TEST(it_cannot_write_even_when_it_tries) {
	struct world w;
	struct ledger_pg *l = open_with(&w, 15 * US_PER_S, 120 * US_PER_S);
	PGconn *pg = log_in(&w);
	refused(pg, "create table dash.x (a integer)", "25006");
	sql(&w, pg, "set default_transaction_read_only = off");
	refused(pg, "create table dash.x (a integer)", "42501");
	refused(pg, "create table public.x (a integer)", "42501");
	refused(pg, "create temporary table x (a integer)", "42501");
	refused(pg, "update public.base set units_used = 0", "42501");
	refused(pg, "select lo_create(0)", "42501");
	refused(pg, "set role berth", "42501");
	refused(pg, "set temp_file_limit = -1", "42501");
	refused(pg, "select pg_read_file('PG_VERSION')", "42501");
	PQfinish(pg);
	ledger_pg_free(l);
	world_close(&w);
}
END_TEST

START_TEST(it_has_limits) {
	struct world w;
	struct ledger_pg *l = open_with(&w, 15 * US_PER_S, 120 * US_PER_S);
	PGconn *pg = log_in(&w);
	ck_assert_str_eq(sql(&w, pg, "show statement_timeout"), "30s");
	ck_assert_str_eq(sql(&w, pg, "show idle_in_transaction_session_timeout"), "30s");
	ck_assert_str_eq(sql(&w, pg, "show temp_file_limit"), "1GB");
	ck_assert_str_eq(sql(&w, pg, "show transaction_read_only"), "on");
	ck_assert_str_eq(sql(&w, w.admin, "select rolconnlimit from pg_roles where rolname = 'berth_dash'"), "20");
	PQfinish(pg);
	ledger_pg_free(l);
	world_close(&w);
}
END_TEST

/* The result of a query that was sent and is ended by the server, while the loop turns. */
static const char *sqlstate_of_end(struct world *w, PGconn *pg) {
	bool never = false;
	for (int i = 0; i < 300 && PQisBusy(pg); i++) {
		wait_until_within(w, &never, 50 * US_PER_MS);
		if (!PQconsumeInput(pg))
			return "gone";
	}
	PGresult *res = PQgetResult(pg);
	const char *state = res == NULL ? NULL : PQresultErrorField(res, PG_DIAG_SQLSTATE);
	const char *copy = arena_strdup(w->arena, state);
	PQclear(res);
	return copy;
}

START_TEST(what_takes_too_long_is_ended) {
	struct world w;
	struct ledger_pg *l = open_with(&w, 50 * US_PER_MS, 300 * US_PER_MS);
	PGconn *busy = log_in(&w), *idle = log_in(&w), *admin = world_session(&w);
	sql(&w, admin, "begin");
	sql(&w, busy, "set statement_timeout = 0");
	sql(&w, idle, "set idle_in_transaction_session_timeout = 0");
	sql(&w, idle, "begin");
	sql(&w, idle, "select count(*) from base_current");
	ck_assert_int_eq(PQsendQuery(busy, "select pg_sleep(600)"), 1);
	ck_assert_str_eq(sqlstate_of_end(&w, busy), "57014");
	bool never = false;
	for (int i = 0;
	     i < 300 &&
	     strcmp(sql(&w, w.admin, "select count(*) from pg_stat_activity where usename = 'berth_dash' and state like 'idle in%'"),
	         "0") != 0;
	     i++)
		wait_until_within(&w, &never, 50 * US_PER_MS);
	PGresult *res = PQexec(idle, "select 1");
	ck_assert_int_eq(PQresultStatus(res), PGRES_FATAL_ERROR);
	PQclear(res);
	sql(&w, admin, "commit"); /* others are left alone */
	PQfinish(busy);
	PQfinish(idle);
	PQfinish(admin);
	ledger_pg_free(l);
	world_close(&w);
}
END_TEST

/* Roles are of the cluster: databases of earlier tests go first, because they grant it something. */
static void forget_role(struct world *w) {
	PGresult *res = PQexec(w->admin, "select datname from pg_database where datname like 't\\_%' and datname <> current_database()");
	for (int i = 0; i < PQntuples(res); i++)
		sql(w, w->admin, arena_printf(w->arena, "drop database %s with (force)", PQgetvalue(res, i, 0)));
	PQclear(res);
	sql(w, w->admin, "drop owned by berth_dash");
	sql(w, w->admin, "drop role berth_dash");
}

/* A database of a login that may not make roles, and the statements that init-dash prints, run by an administrator. */
START_TEST(a_login_without_the_right_works_and_is_helped) {
	struct world w;
	struct sink s;
	struct err err;
	struct ledger_pg_config c;
	world_open(&w);
	forget_role(&w);
	const char *name = sql(&w, w.admin, "select current_database()");
	sql(&w, w.admin, "drop role if exists plain");
	sql(&w, w.admin, "create role plain login password 'plain'");
	sql(&w, w.admin, arena_printf(w.arena, "alter database %s owner to plain", name));
	sql(&w, w.admin, "alter schema public owner to plain");
	ledger_pg_config_defaults(&c);
	c.dash_every_us = 50 * US_PER_MS;
	size_t n = strlen(w.database);
	snprintf(w.database + n, sizeof w.database - n, " user=plain password=plain");
	struct ledger_pg *l = world_ledger_with(&w, &c);
	do_load(&w, l, &s);
	wait_until(&w, &l->dash.made);
	ck_assert(!l->dash.there);
	char *script = NULL;
	FILE *f = open_memstream(&script, &n);
	ck_assert_int_eq(dash_statements(f, &err), 0);
	fclose(f);
	sql(&w, w.admin, script);
	free(script);
	ck_assert_str_eq(
	    sql(&w, w.admin,
	        "select pg_has_role('plain', 'berth_dash', 'usage') and has_table_privilege('berth_dash', 'dash.drift', 'select')"),
	    "t");
	do_load(&w, l, &s);
	wait_until(&w, &l->dash.there);
	ledger_pg_free(l);
	world_close(&w);
}
END_TEST

TEST_SUITE("ledger/dash", it_reads_every_view_and_nothing_else, it_cannot_write_even_when_it_tries, it_has_limits,
    what_takes_too_long_is_ended, a_login_without_the_right_works_and_is_helped)
