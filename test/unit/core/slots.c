/* Who gets the next command slot. */
#include "../../suite.h"

#include "core/slots.h"

#include <stdio.h>
#include <string.h>

#define MUT(s) ((char *)(uintptr_t)(s))
#define BASES 40

struct world {
	struct fleet *f;
	struct tenant *t;
	struct version *v;
	struct base *bases[BASES];
	int next_base;
	struct slots s;
};

static const wall_t now = { US_PER_S };

static void world_init(struct world *w, int64_t limit) {
	memset(w, 0, sizeof *w);
	w->f = fleet_new();
	w->t = fleet_tenant_add(w->f, "default", now);
	struct group *g = fleet_group_add(w->f, w->t, &(struct row_base_group){ .name = MUT("demo"), .install_limit = 5 });
	struct module *m = fleet_module_add(w->f, w->t, &(struct row_module){ .name = MUT("orders") });
	struct artifact *a = fleet_artifact_add(w->f, w->t, &(struct row_artifact){ .sha256 = MUT("00") });
	w->v = fleet_version_add(w->f, m, a, &(struct row_version){ .name = MUT("1"), .units = 1 });
	for (int i = 0; i < BASES; i++) {
		char name[16];
		snprintf(name, sizeof name, "n%d", i);
		w->bases[i] = fleet_base_add(w->f, g, &(struct row_base){ .name = name, .state = BASE_READY });
	}
	slots_init(&w->s, limit);
}

static void world_deinit(struct world *w) {
	slots_deinit(&w->s);
	fleet_free(w->f);
}

/* A command that waits, of that plan or of a repair, on a base of its own. */
static struct task *waits(struct world *w, struct plan *p) {
	struct row_instance row = { .wanted = true, .units = 1 };
	struct instance *i;
	ck_assert_int_eq(fleet_instance_add(w->f, w->bases[w->next_base++], NULL, w->v, &row, &i, NULL), 0);
	struct task *t = fleet_task_add(w->f, p, i, &(struct row_task){ .kind = TASK_KIND_INSTALL });
	slots_park(&w->s, t);
	return t;
}

static struct plan *plan(struct world *w, int tasks) {
	struct plan *p = fleet_plan_add(w->f, w->t, &(struct row_plan){ .kind = PLAN_KIND_RELEASE });
	for (int i = 0; i < tasks; i++)
		waits(w, p);
	return p;
}

static struct task *send(struct world *w) {
	struct task *t = slots_next(&w->s, w->f);
	if (t != NULL)
		task_set_state(w->f, t, TASK_SENT, now);
	return t;
}

static void answer(struct world *w, struct task *t) {
	task_set_state(w->f, t, TASK_SUCCEEDED, now);
}

START_TEST(each_slot_goes_to_the_smallest_share) {
	struct world w;
	world_init(&w, 6);
	struct plan *big = plan(&w, 20), *small = plan(&w, 4), *late;
	for (int i = 0; i < 6; i++)
		ck_assert_ptr_nonnull(send(&w));
	ck_assert_ptr_null(send(&w));
	ck_assert(big->n_sent == 3 && small->n_sent == 3 && fleet_inflight(w.f) == 6);
	late = plan(&w, 6);
	for (int i = 0; i < 12; i++) { /* whatever ends, shares come together and stay so */
		struct task *t = fleet_tasks(w.f);
		while (t->row.state != TASK_SENT)
			t = t->hh_id.next;
		answer(&w, t);
		ck_assert_ptr_nonnull(send(&w));
	}
	ck_assert_int_eq(fleet_inflight(w.f), 6);
	ck_assert_msg(late->n_sent >= 1 && big->n_sent - late->n_sent <= 1 && small->n_sent <= 3, "late %d, big %d, small %d", late->n_sent,
	    big->n_sent, small->n_sent);
	world_deinit(&w);
}
END_TEST

START_TEST(repairs_go_first) {
	struct world w;
	world_init(&w, 1);
	struct plan *p = plan(&w, 2);
	struct task *repair = waits(&w, NULL), *t;
	ck_assert_ptr_eq(t = send(&w), repair);
	answer(&w, t);
	ck_assert_ptr_eq((t = send(&w))->plan, p);
	world_deinit(&w);
}
END_TEST

START_TEST(nobody_overtakes_those_that_wait) {
	struct world w;
	world_init(&w, 2);
	ck_assert(slots_free(&w.s, w.f));
	plan(&w, 1);
	ck_assert(!slots_free(&w.s, w.f));
	ck_assert_ptr_nonnull(send(&w));
	ck_assert(slots_free(&w.s, w.f));
	world_deinit(&w);
}
END_TEST

START_TEST(what_left_the_fleet_left_the_queue) {
	struct world w;
	world_init(&w, 2);
	struct plan *p = plan(&w, 0);
	struct task *gone = waits(&w, p), *stays = waits(&w, p);
	task_set_state(w.f, gone, TASK_CANCELLED, now);
	fleet_task_forget(w.f, gone);
	ck_assert_ptr_eq(send(&w), stays);
	answer(&w, stays);
	plan_set_state(w.f, p, PLAN_STOPPED, NULL, now);
	fleet_plan_forget(w.f, p);
	ck_assert_ptr_null(send(&w));
	ck_assert(slots_free(&w.s, w.f));
	world_deinit(&w);
}
END_TEST

START_TEST(without_a_limit_nobody_waits) {
	struct world w;
	world_init(&w, 0);
	for (int i = 0; i < 10; i++)
		task_set_state(w.f, waits(&w, NULL), TASK_SENT, now);
	slots_clear(&w.s);
	ck_assert(slots_free(&w.s, w.f));
	world_deinit(&w);
}
END_TEST

TEST_SUITE("core/slots", each_slot_goes_to_the_smallest_share, repairs_go_first, nobody_overtakes_those_that_wait,
    what_left_the_fleet_left_the_queue, without_a_limit_nobody_waits)
