/* What is committed comes back, byte for byte. */
#include "world.h"

#include <stdio.h>
#include <string.h>

static void same_field(const struct table_def *t, const struct col *c, const char *a, const char *b) {
	if (c->type != COL_text && c->type != COL_json) {
		ck_assert_msg(memcmp(a + c->offset, b + c->offset, c->size) == 0, "%s.%s differs", t->name, c->name);
		return;
	}
	const char *x, *y;
	memcpy(&x, a + c->offset, sizeof x);
	memcpy(&y, b + c->offset, sizeof y);
	ck_assert_msg((x == NULL) == (y == NULL) && (x == NULL || strcmp(x, y) == 0), "%s.%s: '%s' became '%s'", t->name, c->name, x, y);
}

static void same_rows(enum table t, void *const *a, size_t n, void *const *b, size_t m) {
	const struct table_def *d = &table_defs[t];
	ck_assert_msg(n == m, "%s: %zu rows became %zu", d->name, n, m);
	for (size_t i = 0; i < n; i++) {
		size_t j = 0;
		while (j < m && row_key_cmp(d, a[i], b[j]) != 0)
			j++;
		ck_assert_msg(j < m, "%s: row %zu is gone", d->name, i);
		for (int k = 0; k < d->n_cols; k++)
			same_field(d, &d->cols[k], a[i], b[j]);
	}
}

static void same_tables(const struct changeset *cs, const struct sink *s) {
	for (int t = 0; t < TABLE_COUNT; t++)
		if (t != TABLE_cell && t != TABLE_event && t != TABLE_base_history)
			same_rows((enum table)t, cs->tables[t].upserts, cs->tables[t].n_upserts, s->rows[t], s->n[t]);
}

static void read_done(void *arg, struct ledger_rows *rows, const struct err *err) {
	struct {
		bool done;
		struct ledger_rows rows;
		struct err err;
	} *r = arg;
	r->done = true;
	if (err != NULL)
		r->err = *err;
	else
		r->rows = *rows;
}

static void same_events(struct world *w, struct ledger_pg *l, const struct changeset *cs, int64_t after) {
	struct {
		bool done;
		struct ledger_rows rows;
		struct err err;
	} r = { 0 };
	struct ledger *led = ledger_pg_ledger(l);
	struct ledger_read spec = { .query = QUERY_EVENTS, .after = after };
	led->ops->read(led, &spec, read_done, &r);
	wait_until(w, &r.done);
	ck_assert_msg(r.err.code == 0, "%s", r.err.text);
	same_rows(TABLE_event, cs->tables[TABLE_event].upserts, cs->tables[TABLE_event].n_upserts, r.rows.rows, r.rows.n);
	arena_free(r.rows.arena);
}

START_TEST(every_table_comes_back_and_changes) {
	struct world w;
	struct sink s;
	world_open(&w);
	struct ledger_pg *l = world_ledger(&w);
	do_load(&w, l, &s);
	ck_assert_uint_eq(s.n[TABLE_tenant], 0);
	for (int round = 0; round < 3; round++) {
		struct err err;
		struct changeset *cs = changeset_random(&w, s.loaded.epoch, round + 1, 40, 1 + 40 * round);
		ck_assert_msg(do_commit(&w, l, cs, &err) == 0, "%s", err.text);
		do_load(&w, l, &s);
		ck_assert_int_eq(s.loaded.commit_no, round + 1);
		ck_assert_int_eq(s.loaded.last_event, 40 * (round + 1));
		ck_assert_int_eq(s.loaded.last_event_at.us, INT64_C(1700000000000000) + 40 * (round + 1));
		same_tables(cs, &s);
		same_events(&w, l, cs, 40 * round);
		changeset_free(cs);
	}
	ledger_pg_free(l);
	world_close(&w);
}
END_TEST

START_TEST(rows_are_deleted_in_any_order) {
	struct world w;
	struct sink s;
	struct err err;
	world_open(&w);
	struct ledger_pg *l = world_ledger(&w);
	do_load(&w, l, &s);
	struct changeset *cs = changeset_random(&w, s.loaded.epoch, 1, 10, 1), *gone = changeset_of(s.loaded.epoch, 2, 10);
	ck_assert_msg(do_commit(&w, l, cs, &err) == 0, "%s", err.text);
	for (int t = TABLE_counter; t < TABLE_event; t++)
		for (size_t i = 0; i < cs->tables[t].n_upserts; i++)
			changeset_delete(gone, (enum table)t, cs->tables[t].upserts[i]);
	ck_assert_msg(do_commit(&w, l, gone, &err) == 0, "%s", err.text);
	do_load(&w, l, &s);
	for (int t = TABLE_counter; t < TABLE_event; t++)
		ck_assert_msg(s.n[t] == 0, "%zu rows left in %s", s.n[t], table_defs[t].name);
	changeset_free(cs);
	changeset_free(gone);
	ledger_pg_free(l);
	world_close(&w);
}
END_TEST

/* A name may be taken over by another object in the commit that gives it up, whatever their numbers. */
START_TEST(a_name_changes_hands_in_one_commit) {
	struct world w;
	struct sink s;
	struct err err;
	world_open(&w);
	struct ledger_pg *l = world_ledger(&w);
	do_load(&w, l, &s);
	char a[] = "a", b[] = "b";
	struct row_tenant one = { .id = 1, .name = a }, two = { .id = 2, .name = b };
	struct changeset *cs = changeset_of(s.loaded.epoch, 1, 0);
	changeset_upsert(cs, TABLE_tenant, &one);
	changeset_upsert(cs, TABLE_tenant, &two);
	ck_assert_int_eq(do_commit(&w, l, cs, &err), 0);
	changeset_free(cs);
	cs = changeset_of(s.loaded.epoch, 2, 0);
	one.name = b;
	two.name = a;
	changeset_upsert(cs, TABLE_tenant, &one);
	changeset_upsert(cs, TABLE_tenant, &two);
	ck_assert_msg(do_commit(&w, l, cs, &err) == 0, "%s", err.text);
	changeset_free(cs);
	ledger_pg_free(l);
	world_close(&w);
}
END_TEST

START_TEST(ten_thousand_rows_go_in_one_commit) {
	struct world w;
	struct sink s;
	struct err err;
	world_open(&w);
	struct ledger_pg *l = world_ledger(&w);
	do_load(&w, l, &s);
	struct changeset *cs = changeset_of(s.loaded.epoch, 1, 10000);
	for (int64_t k = 1; k <= 10000; k++)
		changeset_upsert(cs, TABLE_event, row_random(&w, TABLE_event, k));
	ck_assert_msg(do_commit(&w, l, cs, &err) == 0, "%s", err.text);
	ck_assert_str_eq(sql(&w, w.admin, "select count(*) from event"), "10000");
	changeset_free(cs);
	ledger_pg_free(l);
	world_close(&w);
}
END_TEST

struct stop {
	struct call call;
	int rows;
};

static int stop_at_third(void *arg, enum table t, void *row, struct err *err) {
	struct stop *s = arg;
	return ++s->rows == 3 ? err_set(err, E_INTERNAL, "third row") : 0;
}

static void stopped(void *arg, const struct ledger_loaded *res, const struct err *err) {
	call_done(&((struct stop *)arg)->call, err);
}

START_TEST(a_row_that_is_not_taken_ends_the_load) {
	struct world w;
	struct sink s;
	struct stop stop = { 0 };
	world_open(&w);
	struct ledger_pg *l = world_ledger(&w);
	struct ledger *led = ledger_pg_ledger(l);
	do_load(&w, l, &s);
	struct changeset *cs = changeset_random(&w, s.loaded.epoch, 1, 50, 1);
	ck_assert_int_eq(do_commit(&w, l, cs, NULL), 0);
	led->ops->load(led, stop_at_third, stopped, &stop);
	wait_until(&w, &stop.call.done);
	ck_assert_int_eq(stop.call.err.code, E_INTERNAL);
	ck_assert_int_eq(stop.rows, 3);
	do_load(&w, l, &s);
	same_tables(cs, &s);
	changeset_free(cs);
	ledger_pg_free(l);
	world_close(&w);
}
END_TEST

struct ended {
	struct call call;
	struct world *w;
	int pid, rows;
};

static int end_backend_at_third(void *arg, enum table t, void *row, struct err *err) {
	struct ended *e = arg;
	if (++e->rows == 3)
		sql(e->w, e->w->admin, arena_printf(e->w->arena, "select pg_terminate_backend(%d)", e->pid));
	return 0;
}

static void load_ended(void *arg, const struct ledger_loaded *res, const struct err *err) {
	call_done(&((struct ended *)arg)->call, err);
}

START_TEST(a_backend_that_ends_in_the_middle_of_a_table_ends_the_load) {
	struct world w;
	struct sink s;
	world_open(&w);
	struct ledger_pg *l = world_ledger(&w);
	struct ledger *led = ledger_pg_ledger(l);
	struct ended ended = { .w = &w };
	do_load(&w, l, &s);
	struct changeset *cs = changeset_of(s.loaded.epoch, 1, 0);
	for (int64_t k = 1; k <= 10000; k++)
		changeset_upsert(cs, TABLE_counter, row_random(&w, TABLE_counter, k));
	ck_assert_int_eq(do_commit(&w, l, cs, NULL), 0);
	ended.pid = pgconn_pid(l->commit_conn);
	led->ops->load(led, end_backend_at_third, load_ended, &ended);
	wait_until(&w, &ended.call.done);
	ck_assert_int_eq(ended.call.err.code, E_DB_LOST);
	do_load(&w, l, &s);
	ck_assert_uint_eq(s.n[TABLE_counter], 10000);
	changeset_free(cs);
	ledger_pg_free(l);
	world_close(&w);
}
END_TEST

/* One of table counter, as COPY sends the first: head, two columns, a text and a number. */
static const char copied[] = "PGCOPY\n\377\r\n\0\0\0\0\0\0\0\0\0"
                             "\0\2\0\0\0\4plan\0\0\0\10\0\0\0\0\0\0\1\2";
#define COPIED_HEAD 19

START_TEST(a_row_that_is_cut_short_is_refused) {
	const struct table_def *t = &table_defs[TABLE_counter];
	struct row_counter row;
	struct err err;
	bool there;
	ARENA_AUTO a = arena_new();
	for (size_t head = 0; head <= COPIED_HEAD; head += COPIED_HEAD) {
		const char *p = copied + COPIED_HEAD - head;
		size_t n = sizeof copied - 1 - COPIED_HEAD + head;
		ck_assert_int_eq(row_decode_copied(t, p, n, &row, a, &there, &err), 0);
		ck_assert(there && row.value == 258);
		ck_assert_str_eq(row.name, "plan");
		for (size_t k = head + 2; k < n; k++)
			ck_assert_int_eq(row_decode_copied(t, p, k, &row, a, &there, &err), E_INTERNAL);
	}
	ck_assert_int_eq(row_decode_copied(t, "\377\377", 2, &row, a, &there, &err), 0);
	ck_assert(!there);
	ck_assert_int_eq(row_decode_copied(t, "\0\3", 2, &row, a, &there, &err), E_INTERNAL);
	ck_assert_int_eq(row_decode_copied(t, "\0\2\0\0\0\0\0\0\0\1x", 11, &row, a, &there, &err), E_INTERNAL);
}
END_TEST

/* What a hostile base reports must not be able to stop a commit. */
START_TEST(an_event_with_an_endless_name_is_cut) {
	struct world w;
	struct sink s;
	struct err err;
	world_open(&w);
	struct ledger_pg *l = world_ledger(&w);
	do_load(&w, l, &s);
	struct row_event *e = row_random(&w, TABLE_event, 1);
	e->module = arena_alloc(w.arena, 100001);
	for (int i = 0; i < 100000; i++)
		e->module[i] = (char)('!' + rng_below(&w.rng, 90));
	e->base = e->deployment = e->actor = e->module;
	struct changeset *cs = changeset_of(s.loaded.epoch, 1, 1);
	changeset_upsert(cs, TABLE_event, e);
	ck_assert_msg(do_commit(&w, l, cs, &err) == 0, "%s", err.text);
	ck_assert_str_eq(sql(&w, w.admin, "select length(module) from event"), "200");
	changeset_free(cs);
	ledger_pg_free(l);
	world_close(&w);
}
END_TEST

/* Which answers are kept is a time that goes through text: "CST" of Shanghai would be read as that of Chicago, fourteen hours later. */
START_TEST(whatever_the_database_prints_times_as_answers_come_back) {
	static const char *const settings[][2] = { { "SQL, DMY", "Asia/Shanghai" }, { "SQL, YMD", "Asia/Shanghai" },
		{ "German", "Europe/Moscow" }, { "Postgres, MDY", "Asia/Kathmandu" } };
	for (size_t i = 0; i < sizeof settings / sizeof *settings; i++) {
		struct world w;
		struct sink s;
		world_open(&w);
		const char *name = sql(&w, w.admin, "select current_database()");
		sql(&w, w.admin, arena_printf(w.arena, "alter database %s set datestyle = %s", name, settings[i][0]));
		sql(&w, w.admin, arena_printf(w.arena, "alter database %s set timezone = '%s'", name, settings[i][1]));
		struct ledger_pg *l = world_ledger(&w);
		do_load(&w, l, &s);
		struct changeset *cs = changeset_of(s.loaded.epoch, 1, 0);
		struct row_idempotency *old = row_random(&w, TABLE_idempotency, 1), *young = row_random(&w, TABLE_idempotency, 2);
		old->created_at.us -= INT64_C(25) * 3600 * US_PER_S;
		young->created_at.us -= INT64_C(23) * 3600 * US_PER_S;
		changeset_upsert(cs, TABLE_idempotency, old);
		changeset_upsert(cs, TABLE_idempotency, young);
		ck_assert_int_eq(do_commit(&w, l, cs, NULL), 0);
		do_load(&w, l, &s);
		same_rows(TABLE_idempotency, (void *const[]){ young }, 1, s.rows[TABLE_idempotency], s.n[TABLE_idempotency]);
		changeset_free(cs);
		ledger_pg_free(l);
		world_close(&w);
	}
}
END_TEST

TEST_SUITE("ledger/roundtrip", every_table_comes_back_and_changes, rows_are_deleted_in_any_order, a_name_changes_hands_in_one_commit,
    whatever_the_database_prints_times_as_answers_come_back, ten_thousand_rows_go_in_one_commit, an_event_with_an_endless_name_is_cut,
    a_row_that_is_not_taken_ends_the_load, a_backend_that_ends_in_the_middle_of_a_table_ends_the_load, a_row_that_is_cut_short_is_refused)
