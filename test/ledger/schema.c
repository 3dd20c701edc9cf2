/* Statements, schema and migrations. */
#include "world.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static struct ledger_pg *migrated(struct world *w, struct sink *s) {
	world_open(w);
	struct ledger_pg *l = world_ledger(w);
	do_load(w, l, s);
	return l;
}

static bool is_utility(const char *name) {
	static const char *const names[] = { "begin", "begin_snapshot", "end", "migration_lock", "embedded_create" };
	for (size_t i = 0; i < sizeof names / sizeof *names; i++)
		if (strcmp(names[i], name) == 0)
			return true;
	return false;
}

START_TEST(every_statement_can_be_prepared) {
	struct world w;
	struct sink s;
	struct ledger_pg *l = migrated(&w, &s);
	int n = 0;
	for (int i = 0; i < STMT_COUNT; i++) {
		const struct stmt_def *d = &l->stmts.def[i];
		if (d->text == NULL)
			continue;
		PGresult *res = PQprepare(w.admin, d->name, d->text, 0, NULL);
		ck_assert_msg(PQresultStatus(res) == PGRES_COMMAND_OK, "%s: %s", d->name, PQresultErrorMessage(res));
		PQclear(res);
		ck_assert_msg(is_utility(d->name) || strncmp(d->text, "--", 2) != 0, "%s begins with a comment", d->name);
		n++;
	}
	ck_assert_int_gt(n, 80);
	ledger_pg_free(l);
	world_close(&w);
}
END_TEST

START_TEST(columns_are_those_of_tables_def_and_have_comments) {
	static const char *const types[] = { [COL_i64] = "bigint",
		[COL_ref] = "bigint",
		[COL_text] = "text",
		[COL_json] = "json",
		[COL_flag] = "boolean",
		[COL_time] = "timestamp with time zone",
		[COL_blob] = "bytea",
		[COL_word] = "text" };
	struct world w;
	struct sink s;
	struct ledger_pg *l = migrated(&w, &s);
	for (int t = 0; t < TABLE_COUNT; t++) {
		const struct table_def *d = &table_defs[t];
		BUF_AUTO want;
		buf_init(&want, 0);
		for (int i = 0; i < d->n_cols; i++)
			buf_printf(&want, "%s%s %s", i > 0 ? ", " : "", d->cols[i].name, types[d->cols[i].type]);
		const char *have = sql(&w, w.admin,
		    arena_printf(w.arena,
		        "select string_agg(column_name || ' ' || data_type, ', ' order by ordinal_position) from "
		        "information_schema.columns "
		        "where table_schema = 'public' and table_name = '%s' and column_name <> 'uuid'",
		        d->name));
		ck_assert_str_eq(have, buf_str(&want));
	}
	ck_assert_ptr_null(sql(&w, w.admin,
	    "select c.relname || '.' || coalesce(a.attname, '(itself)') from pg_class c left join pg_attribute a on a.attrelid = c.oid and "
	    "a.attnum > 0 "
	    "where c.relkind in ('r', 'v') and c.relnamespace in ('public'::regnamespace, 'dash'::regnamespace) "
	    "and (col_description(c.oid, a.attnum) is null or obj_description(c.oid) is null) limit 1"));
	ledger_pg_free(l);
	world_close(&w);
}
END_TEST

/* The SQL spells the states that are final; states.def is where they come from. */
START_TEST(loads_know_which_states_are_final) {
	struct world w;
	struct sink s;
	struct ledger_pg *l = migrated(&w, &s);
	struct changeset *cs = changeset_random(&w, s.loaded.epoch, 1, 1, 1);
	int plans = word_count(WORD_PLAN), tasks = word_count(WORD_TASK);
	cs->tables[TABLE_plan].n_upserts = cs->tables[TABLE_task].n_upserts = cs->tables[TABLE_plan_change].n_upserts =
	    cs->tables[TABLE_batch].n_upserts = 0;
	for (int i = 1; i <= plans; i++) {
		struct row_plan *p = row_random(&w, TABLE_plan, i);
		p->tenant_id = 1;
		p->state = i;
		changeset_upsert(cs, TABLE_plan, p);
	}
	for (int i = 1; i <= tasks; i++) {
		struct row_task *k = row_random(&w, TABLE_task, i);
		k->plan_id = 0;
		k->state = i;
		changeset_upsert(cs, TABLE_task, k);
	}
	struct err err;
	ck_assert_msg(do_commit(&w, l, cs, &err) == 0, "%s", err.text);
	do_load(&w, l, &s);
	bool plan_seen[64] = { false }, task_seen[64] = { false };
	for (size_t i = 0; i < s.n[TABLE_plan]; i++)
		plan_seen[((struct row_plan *)s.rows[TABLE_plan][i])->state] = true;
	for (size_t i = 0; i < s.n[TABLE_task]; i++)
		task_seen[((struct row_task *)s.rows[TABLE_task][i])->state] = true;
	for (int i = 1; i <= plans; i++)
		ck_assert_msg(plan_seen[i] == !word_terminal(WORD_PLAN, i), "plan state %s", word_text(WORD_PLAN, i));
	for (int i = 1; i <= tasks; i++)
		ck_assert_msg(task_seen[i] == !word_terminal(WORD_TASK, i), "task state %s", word_text(WORD_TASK, i));
	changeset_free(cs);
	ledger_pg_free(l);
	world_close(&w);
}
END_TEST

START_TEST(views_answer) {
	struct world w;
	struct sink s;
	struct ledger_pg *l = migrated(&w, &s);
	struct changeset *cs = changeset_random(&w, s.loaded.epoch, 1, 30, 1);
	ck_assert_int_eq(do_commit(&w, l, cs, NULL), 0);
	static const char *const views[] = { "base_current", "deployment_current", "instance_current", "drift", "plan_progress",
		"task_recent", "event_recent", "finding_current", "capacity", "base_history" };
	for (size_t i = 0; i < sizeof views / sizeof *views; i++)
		ck_assert_msg(
		    strcmp(sql(&w, w.admin, arena_printf(w.arena, "select count(*) from (select * from dash.%s) v", views[i])), "0") != 0,
		    "%s is empty", views[i]);
	ck_assert_str_eq(sql(&w, w.admin, "select count(*) from dash.instance_current"), "30");
	ck_assert_str_eq(sql(&w, w.admin, "select sum(bases) from dash.capacity"), "30");
	changeset_free(cs);
	ledger_pg_free(l);
	world_close(&w);
}
END_TEST

START_TEST(migrations_run_once) {
	struct world w;
	struct sink s;
	struct ledger_pg *l = migrated(&w, &s);
	const char *first =
	    sql(&w, w.admin, "select string_agg(number || name || sha256 || applied_at, ' ' order by number) from schema_migration");
	char cell[37];
	snprintf(cell, sizeof cell, "%s", s.loaded.cell);
	ledger_pg_free(l);
	l = world_ledger(&w);
	do_load(&w, l, &s);
	ck_assert_str_eq(s.loaded.cell, cell);
	ck_assert_str_eq(
	    sql(&w, w.admin, "select string_agg(number || name || sha256 || applied_at, ' ' order by number) from schema_migration"),
	    first);
	ledger_pg_free(l);
	world_close(&w);
}
END_TEST

static void refused_load(const char *change, const char *text) {
	struct world w;
	struct sink s;
	struct ledger_pg *l = migrated(&w, &s);
	sql(&w, w.admin, change);
	load_begin(&w, l, &s);
	wait_until(&w, &s.done);
	ck_assert_int_eq(s.err.code, E_UNSUPPORTED);
	ck_assert_msg(strstr(s.err.text, text) != NULL, "%s", s.err.text);
	ledger_pg_free(l);
	world_close(&w);
}

START_TEST(an_edited_migration_is_refused) {
	refused_load("update schema_migration set sha256 = repeat('0', 64) where number = 1", "another content");
}
END_TEST

START_TEST(a_newer_schema_is_refused) {
	refused_load("insert into schema_migration (number, name, sha256) values (999, '999_later.sql', '')", "start the newer release");
}
END_TEST

START_TEST(a_missing_migration_is_refused) {
	refused_load("delete from schema_migration where number = 1", "missing");
}
END_TEST

START_TEST(two_servers_on_a_new_database_migrate_once) {
	struct world w;
	struct sink a, b;
	world_open(&w);
	struct ledger_pg *one = world_ledger(&w), *two = world_ledger(&w);
	load_begin(&w, one, &a);
	load_begin(&w, two, &b);
	wait_until(&w, &a.done);
	wait_until(&w, &b.done);
	ck_assert_msg(a.err.code == 0 || b.err.code == 0, "%s / %s", a.err.text, b.err.text);
	do_load(&w, one, &a);
	do_load(&w, two, &b);
	ck_assert_int_eq(b.loaded.epoch > a.loaded.epoch, 1);
	ledger_pg_free(one);
	ledger_pg_free(two);
	world_close(&w);
}
END_TEST

TEST_SUITE("ledger/schema", every_statement_can_be_prepared, columns_are_those_of_tables_def_and_have_comments,
    loads_know_which_states_are_final, views_answer, migrations_run_once, an_edited_migration_is_refused, a_newer_schema_is_refused,
    a_missing_migration_is_refused, two_servers_on_a_new_database_migrate_once)
