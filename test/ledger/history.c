/* Reads of history with their filters and pages, and retention. */
#include "world.h"

#include <string.h>

struct page {
	bool done;
	struct ledger_rows rows;
	struct err err;
};

static void on_page(void *arg, struct ledger_rows *rows, const struct err *err) {
	struct page *p = arg;
	p->done = true;
	if (err != NULL)
		p->err = *err;
	else
		p->rows = *rows;
}

/* The receiver frees the rows' arena. */
static struct page page_read(struct world *w, struct ledger_pg *l, const struct ledger_read *spec) {
	struct page p = { 0 };
	struct ledger *led = ledger_pg_ledger(l);
	led->ops->read(led, spec, on_page, &p);
	ck_assert(!p.done);
	wait_until(w, &p.done);
	ck_assert_msg(p.err.code == 0, "%s", p.err.text);
	return p;
}

/* The ids of a page's rows, as text: their first column. */
static const char *ids(struct world *w, struct ledger_pg *l, const struct ledger_read *spec) {
	struct page p = page_read(w, l, spec);
	BUF_AUTO b;
	buf_init(&b, 0);
	for (size_t i = 0; i < p.rows.n; i++) {
		int64_t id, second;
		memcpy(&id, p.rows.rows[i], sizeof id);
		memcpy(&second, (char *)p.rows.rows[i] + sizeof id, sizeof second);
		enum table of = p.rows.def->id;
		bool pair = of == TABLE_batch || of == TABLE_plan_change || of == TABLE_revision;
		buf_printf(&b, "%s%lld", i > 0 ? " " : "", (long long)(pair ? second : id));
	}
	arena_free(p.rows.arena);
	return arena_strdup(w->arena, buf_str(&b));
}
#define IDS(...) ids(&w, l, &(struct ledger_read){ __VA_ARGS__ })

static struct ledger_pg *ready(struct world *w, struct sink *s) {
	world_open(w);
	struct ledger_pg *l = world_ledger(w);
	do_load(w, l, s);
	return l;
}

static char text_a[] = "a", text_b[] = "b", text_ci[] = "ci", text_berth[] = "berth", text_kind[] = "module.installed";

static void add_events(struct changeset *cs) {
	for (int64_t k = 1; k <= 20; k++) {
		struct row_event e = { .number = k,
			.at = { INT64_C(1700000000000000) + k * US_PER_S },
			.tenant_id = 1 + k % 2,
			.kind = k % 5 == 0 ? text_kind : text_a,
			.actor = k % 4 == 0 ? text_ci : text_berth,
			.base = k % 3 == 0 ? text_a : NULL,
			.module = k % 10 == 0 ? text_b : NULL,
			.deployment = k == 7 ? text_b : NULL,
			.plan_id = k > 17 ? 3 : 0 };
		changeset_upsert(cs, TABLE_event, &e);
	}
	cs->last_event = 20;
}

START_TEST(events_are_filtered_and_paged) {
	struct world w;
	struct sink s;
	struct ledger_pg *l = ready(&w, &s);
	struct changeset *cs = changeset_of(s.loaded.epoch, 1, 20);
	add_events(cs);
	ck_assert_int_eq(do_commit(&w, l, cs, NULL), 0);
	ck_assert_str_eq(IDS(.query = QUERY_EVENTS, .after = 3, .limit = 4), "4 5 6 7");
	ck_assert_str_eq(IDS(.query = QUERY_EVENTS, .limit = 3, .newest_first = true), "20 19 18");
	ck_assert_str_eq(IDS(.query = QUERY_EVENTS, .before = 18, .limit = 2, .newest_first = true), "18 17");
	ck_assert_str_eq(IDS(.query = QUERY_EVENTS, .after = 4, .before = 6), "5 6");
	ck_assert_str_eq(IDS(.query = QUERY_EVENTS, .tenant_id = 2, .limit = 3), "1 3 5");
	ck_assert_str_eq(IDS(.query = QUERY_EVENTS, .actor = "ci"), "4 8 12 16 20");
	ck_assert_str_eq(IDS(.query = QUERY_EVENTS, .base = "a", .after = 10), "12 15 18");
	ck_assert_str_eq(IDS(.query = QUERY_EVENTS, .module = "b", .kind = "module.installed"), "10 20");
	ck_assert_str_eq(IDS(.query = QUERY_EVENTS, .deployment = "b"), "7");
	ck_assert_str_eq(IDS(.query = QUERY_EVENTS, .plan_id = 3), "18 19 20");
	ck_assert_str_eq(IDS(.query = QUERY_EVENTS, .since = { INT64_C(1700000000000000) + 19 * US_PER_S }), "19 20");
	ck_assert_str_eq(IDS(.query = QUERY_EVENTS, .until = { INT64_C(1700000000000000) + 3 * US_PER_S }), "1 2");
	ck_assert_str_eq(IDS(.query = QUERY_EVENTS, .actor = "it's; drop table event --"), "");
	changeset_free(cs);
	ledger_pg_free(l);
	world_close(&w);
}
END_TEST

static void add_plans(struct world *w, struct changeset *cs) {
	struct row_tenant t = { .id = 1, .name = text_a };
	changeset_upsert(cs, TABLE_tenant, &t);
	for (int64_t k = 1; k <= 6; k++) {
		struct row_plan p = { .id = k,
			.tenant_id = 1,
			.kind = PLAN_KIND_UPGRADE,
			.state = k <= 4 ? PLAN_SUCCEEDED : PLAN_RUNNING,
			.created_at = { INT64_C(1600000000000000) },
			.ended_at = { k <= 4 ? INT64_C(1600000000000000) + k * US_PER_S : 0 },
			.current_batch = 1 };
		struct row_plan_change c = { .plan_id = k, .number = 1, .deployment_id = 1, .deployment = k % 2 ? text_a : text_b };
		struct row_batch b = { .plan_id = k, .number = 1, .state = BATCH_DONE };
		changeset_upsert(cs, TABLE_plan, &p);
		changeset_upsert(cs, TABLE_plan_change, &c);
		changeset_upsert(cs, TABLE_batch, &b);
		for (int64_t i = 0; i < 5; i++) {
			struct row_task *k2 = row_random(w, TABLE_task, k * 10 + i);
			k2->plan_id = k;
			k2->state = i == 3 ? TASK_FAILED : TASK_SUCCEEDED;
			changeset_upsert(cs, TABLE_task, k2);
		}
	}
}

START_TEST(plans_and_what_belongs_to_them) {
	struct world w;
	struct sink s;
	struct ledger_pg *l = ready(&w, &s);
	struct changeset *cs = changeset_of(s.loaded.epoch, 1, 0);
	add_plans(&w, cs);
	ck_assert_int_eq(do_commit(&w, l, cs, NULL), 0);
	ck_assert_str_eq(IDS(.query = QUERY_PLANS), "6 5 4 3 2 1");
	ck_assert_str_eq(IDS(.query = QUERY_PLANS, .before = 4, .limit = 2), "3 2");
	ck_assert_str_eq(IDS(.query = QUERY_PLANS, .deployment = "a"), "5 3 1");
	ck_assert_str_eq(IDS(.query = QUERY_PLANS, .state = PLAN_RUNNING), "6 5");
	ck_assert_str_eq(IDS(.query = QUERY_PLANS, .tenant_id = 2), "");
	ck_assert_str_eq(IDS(.query = QUERY_PLAN, .after = 3), "3");
	ck_assert_str_eq(IDS(.query = QUERY_PLAN, .after = 3, .tenant_id = 2), "");
	ck_assert_str_eq(IDS(.query = QUERY_PLAN_CHANGES, .after = 3), "1");
	ck_assert_str_eq(IDS(.query = QUERY_PLAN_BATCHES, .after = 3), "1");
	ck_assert_str_eq(IDS(.query = QUERY_PLAN_TASKS, .after = 3), "30 31 32 33 34");
	ck_assert_str_eq(IDS(.query = QUERY_PLAN_TASKS, .after = 3, .before = 31, .limit = 2), "32 33");
	ck_assert_str_eq(IDS(.query = QUERY_PLAN_TASKS, .after = 3, .newest_first = true), "33 34 32 31 30");
	do_load(&w, l, &s);
	ck_assert_uint_eq(s.n[TABLE_plan], 2);
	ck_assert_uint_eq(s.n[TABLE_batch], 2);
	changeset_free(cs);
	ledger_pg_free(l);
	world_close(&w);
}
END_TEST

/* Sums over every task, not over those of one page: the first row is of all bases, the others slowest first. */
START_TEST(the_tasks_of_a_plan_are_added_up) {
	struct world w;
	struct sink s;
	struct ledger_pg *l = ready(&w, &s);
	struct changeset *cs = changeset_of(s.loaded.epoch, 1, 0);
	add_plans(&w, cs);
	for (int64_t i = 0; i < 5; i++) { /* of plan 3: a twice, b three times */
		struct row_task *t = cs->tables[TABLE_task].upserts[10 + i];
		ck_assert_int_eq(t->plan_id, 3);
		t->base = i < 2 ? text_a : text_b;
		t->attempt = 1 + (i == 1) * 2;
		t->sent_at = (wall_t){ i == 4 ? 0 : INT64_C(1600000000000000) };
		t->ended_at = (wall_t){ INT64_C(1600000000000000) + (i + 1) * US_PER_S };
		t->duration_us = i == 3 ? 0 : 400 * US_PER_MS;
	}
	ck_assert_int_eq(do_commit(&w, l, cs, NULL), 0);
	struct page p = page_read(&w, l, &(struct ledger_read){ .query = QUERY_PLAN_SUMS, .after = 3 });
	ck_assert_uint_eq(p.rows.n, 3);
	const struct row_task_sum *all = p.rows.rows[0], *slow = p.rows.rows[1], *quick = p.rows.rows[2];
	ck_assert_ptr_null(all->base);
	ck_assert(all->bases == 2 && all->tasks == 5 && all->commands == 4 && all->retries == 2 && all->failed == 1);
	ck_assert_int_eq(all->sent_us, 10 * US_PER_S);
	ck_assert_int_eq(all->at_base_us, 1600 * US_PER_MS);
	ck_assert_int_eq(all->in_berth_us, (600 + 1600 + 2600) * US_PER_MS); /* what failed is not known */
	ck_assert(strcmp(slow->base, "b") == 0 && slow->tasks == 3 && slow->failed == 1 && slow->sent_us == 7 * US_PER_S);
	ck_assert(strcmp(quick->base, "a") == 0 && quick->tasks == 2 && quick->retries == 2 && quick->sent_us == 3 * US_PER_S);
	arena_free(p.rows.arena);
	p = page_read(&w, l, &(struct ledger_read){ .query = QUERY_PLAN_SUMS, .after = 3, .limit = 1 });
	ck_assert_uint_eq(p.rows.n, 2);
	arena_free(p.rows.arena);
	p = page_read(&w, l, &(struct ledger_read){ .query = QUERY_PLAN_SUMS, .after = 99 });
	ck_assert(p.rows.n == 1 && ((const struct row_task_sum *)p.rows.rows[0])->tasks == 0);
	arena_free(p.rows.arena);
	changeset_free(cs);
	ledger_pg_free(l);
	world_close(&w);
}
END_TEST

START_TEST(old_revisions_stay_in_the_ledger) {
	struct world w;
	struct sink s;
	struct err err;
	struct ledger_pg *l = ready(&w, &s);
	struct changeset *cs = changeset_random(&w, s.loaded.epoch, 1, 1, 1);
	((struct row_deployment *)cs->tables[TABLE_deployment].upserts[0])->revision = 25;
	((struct row_deployment *)cs->tables[TABLE_deployment].upserts[0])->completed_revision = 2;
	((struct row_instance *)cs->tables[TABLE_instance].upserts[0])->deployment_id = 1;
	((struct row_instance *)cs->tables[TABLE_instance].upserts[0])->revision = 9;
	cs->tables[TABLE_revision].n_upserts = 0;
	for (int64_t k = 1; k <= 25; k++) {
		struct row_revision *r = row_random(&w, TABLE_revision, 1);
		r->number = k;
		changeset_upsert(cs, TABLE_revision, r);
	}
	ck_assert_msg(do_commit(&w, l, cs, &err) == 0, "%s", err.text);
	ck_assert_str_eq(IDS(.query = QUERY_REVISIONS, .after = 1, .limit = 3), "25 24 23");
	ck_assert_str_eq(IDS(.query = QUERY_REVISIONS, .after = 1, .before = 4), "3 2 1");
	do_load(&w, l, &s);
	ck_assert_uint_eq(s.n[TABLE_revision], 12); /* ten, the completed one, and the one an instance is at */
	changeset_free(cs);
	ledger_pg_free(l);
	world_close(&w);
}
END_TEST

/* The end of a row that is there, with the names of today: those of its beginning stay. */
START_TEST(history_keeps_the_names_of_its_beginning) {
	struct world w;
	struct sink s;
	struct err err;
	struct ledger_pg *l = ready(&w, &s);
	struct row_base_history h = {
		.instance_id = 7, .since = { 1000000 }, .tenant_id = 1, .base = text_a, .module = text_b, .actor = text_ci, .revision = 1
	};
	for (int64_t n = 1; n <= 2; n++) {
		struct changeset *cs = changeset_of(s.loaded.epoch, n, 0);
		changeset_upsert(cs, TABLE_base_history, &h);
		ck_assert_msg(do_commit(&w, l, cs, &err) == 0, "%s", err.text);
		changeset_free(cs);
		h.actor = text_berth;
		h.revision = 2;
		h.ended_at.us = 3000000;
		h.ended_as = text_kind;
	}
	ck_assert_str_eq(
	    sql(&w, w.admin, "select concat_ws(' ', base, module, actor, revision, ended_as, duration_seconds) from dash.base_history"),
	    "a b ci 1 module.installed 2");
	ledger_pg_free(l);
	world_close(&w);
}
END_TEST

START_TEST(retention_removes_what_is_old_and_over) {
	struct world w;
	struct sink s;
	struct call k = { 0 };
	struct ledger_pg *l = ready(&w, &s);
	struct ledger *led = ledger_pg_ledger(l);
	struct changeset *cs = changeset_of(s.loaded.epoch, 1, 20);
	add_events(cs);
	add_plans(&w, cs);
	struct row_idempotency *old = row_random(&w, TABLE_idempotency, 1), *young = row_random(&w, TABLE_idempotency, 2);
	old->created_at.us -= INT64_C(2) * 86400 * US_PER_S;
	changeset_upsert(cs, TABLE_idempotency, old);
	changeset_upsert(cs, TABLE_idempotency, young);
	for (int64_t n = 1; n <= 3; n++) { /* the third runs still */
		struct row_base_history h = { .instance_id = n,
			.since = { INT64_C(1500000000000000) },
			.tenant_id = 1,
			.base = text_a,
			.module = text_b,
			.ended_at = { n == 3 ? 0 : INT64_C(1500000000000000) + n * INT64_C(100000000000000) } };
		changeset_upsert(cs, TABLE_base_history, &h);
	}
	ck_assert_int_eq(do_commit(&w, l, cs, NULL), 0);
	struct ledger_retention before = { .events = { INT64_C(1700000000000000) + 15 * US_PER_S },
		.plans = { INT64_C(1600000000000000) + 3 * US_PER_S },
		.idempotency = { young->created_at.us - 1 },
		.base_history = { INT64_C(1650000000000000) } };
	led->ops->prune(led, &before, call_done, &k);
	wait_until(&w, &k.done);
	ck_assert_msg(k.err.code == 0, "%s", k.err.text);
	ck_assert_str_eq(IDS(.query = QUERY_EVENTS), "15 16 17 18 19 20");
	ck_assert_str_eq(IDS(.query = QUERY_PLANS), "6 5 4 3");
	ck_assert_str_eq(sql(&w, w.admin, "select count(*) from task"), "20");
	ck_assert_str_eq(sql(&w, w.admin, "select count(*) from idempotency"), "1");
	ck_assert_str_eq(sql(&w, w.admin, "select string_agg(instance_id::text, ' ' order by instance_id) from base_history"), "2 3");
	/* Whatever the time-out, the last event stays: it is the witness of the cell. */
	memset(&k, 0, sizeof k);
	before = (struct ledger_retention){ .events = { INT64_C(4000000000000000) },
		.plans = { INT64_C(4000000000000000) },
		.idempotency = { 1 },
		.base_history = { INT64_C(4000000000000000) } };
	led->ops->prune(led, &before, call_done, &k);
	wait_until(&w, &k.done);
	ck_assert_str_eq(sql(&w, w.admin, "select string_agg(instance_id::text, ' ') from base_history"), "3");
	ck_assert_str_eq(IDS(.query = QUERY_EVENTS), "20");
	ck_assert_str_eq(IDS(.query = QUERY_PLANS), "6 5");
	changeset_free(cs);
	ledger_pg_free(l);
	world_close(&w);
}
END_TEST

TEST_SUITE("ledger/history", events_are_filtered_and_paged, plans_and_what_belongs_to_them, the_tasks_of_a_plan_are_added_up,
    old_revisions_stay_in_the_ledger, history_keeps_the_names_of_its_beginning, retention_removes_what_is_old_and_over)
