/* Commands: an upgrade in place is two of them, and what goes is not told without what comes. */
#include "../../suite.h"

#include "core/conductor.h"

static const wall_t now = { US_PER_S };

/* One base with app 1, which becomes app 2 in place. That requires lib, which is there. */
struct world {
	struct clock_virtual time;
	struct rng rng;
	struct core *c;
	struct fleet *f;
	struct tenant *t;
	struct base *b;
	struct deployment *app;
	struct instance *lib, *old;
	struct plan *p;
};

static struct version *version_of(struct world *w, const char *module, const char *name, const char *requires) {
	struct module *m = fleet_module(w->t, module);
	struct artifact *a = fleet_artifact(w->t, "00");
	if (a == NULL)
		a = fleet_artifact_add(w->f, w->t, &(struct row_artifact){ .sha256 = UNCONST("00") });
	if (m == NULL)
		m = fleet_module_add(w->f, w->t, &(struct row_module){ .name = UNCONST(module) });
	return fleet_version_add(w->f, m, a, &(struct row_version){ .name = UNCONST(name), .units = 1, .requires = UNCONST(requires) });
}

static struct instance *put(struct world *w, struct deployment *d, struct version *v) {
	struct row_instance row = { .wanted = true, .units = 1, .generation = 1, .revision = 1, .reported = UNCONST("activated") };
	struct instance *i;
	ck_assert_int_eq(fleet_instance_add(w->f, w->b, d, v, &row, &i, NULL), 0);
	instance_set_state(w->f, i, INSTANCE_READY, NULL, now);
	return i;
}

static void app_at(struct world *w, struct version *v) {
	struct strategy s = strategy_unset;
	s.upgrade_policy = UPGRADE_POLICY_IN_PLACE;
	fleet_revision_add(w->f, w->app, v, &(struct row_revision){ .replicas = 1 }, &s);
}

static void world_init(struct world *w) {
	struct core_env env = { .clock = clock_virtual_init(&w->time, now), .rng = &w->rng };
	struct core_config cfg;
	core_config_defaults(&cfg);
	rng_init(&w->rng, 1);
	ck_assert_int_eq(core_new(&env, &cfg, &w->c, NULL), 0);
	w->f = w->c->fleet = w->c->plans.fleet = fleet_new();
	core_look_at_clock(w->c);
	fleet_on_plan_free(w->f, plan_live_free);
	w->t = fleet_tenant_add(w->f, "default", now);
	struct group *g = fleet_group_add(w->f, w->t, &(struct row_base_group){ .name = UNCONST("demo"), .install_limit = 9 });
	w->b = fleet_base_add(w->f, g, &(struct row_base){ .name = UNCONST("n1"), .state = BASE_READY });
	w->b->connected = true;
	w->lib = put(w, NULL, version_of(w, "lib", "1", NULL));
	struct version *v = version_of(w, "app", "1", NULL);
	w->app = fleet_deployment_add(w->f, w->t, v->module, g, &(struct row_deployment){ .name = UNCONST("app") });
	app_at(w, v);
	w->old = put(w, w->app, v);
	app_at(w, version_of(w, "app", "2", "[\"lib\"]"));
}

static void world_with_plan(struct world *w) {
	world_init(w);
	w->p = fleet_plan_add(w->f, w->t, &(struct row_plan){ .kind = PLAN_KIND_UPGRADE });
	fleet_change_add(w->f, w->p, w->app, &(struct row_plan_change){ .from_revision = 1, .to_revision = 2 });
	plan_step(&w->c->plans, w->p);
	ck_assert_ptr_nonnull(w->old->task);
}

/* How many commands of that kind the base was told. */
static int told(const struct world *w, enum task_kind kind) {
	const struct task *t;
	int n = 0;
	TAILQ_FOREACH(t, &w->p->tasks, plan_link)
		n += t->row.kind == (int)kind && t->row.sent_at.us != 0;
	return n;
}

START_TEST(what_goes_and_what_comes_are_told_together) {
	struct world w;
	world_with_plan(&w);
	dispatch(w.c, true);
	ck_assert_int_eq(told(&w, TASK_KIND_UNINSTALL), 1);
	ck_assert_int_eq(told(&w, TASK_KIND_INSTALL), 1);
	core_free(w.c);
}
END_TEST

/* Somebody took lib away, with what that breaks in mind, after the plan had begun here. */
START_TEST(what_could_not_start_is_not_told_nor_is_what_would_make_room_for_it) {
	struct world w;
	world_with_plan(&w);
	instance_set_wanted(w.f, w.lib, false);
	dispatch(w.c, true);
	ck_assert_int_eq(told(&w, TASK_KIND_INSTALL), 0);
	ck_assert_int_eq(told(&w, TASK_KIND_UNINSTALL), 0);
	ck_assert(w.old->row.wanted && w.old->row.state == INSTANCE_READY && w.app->n_instances == 1);
	core_free(w.c);
}
END_TEST

/* Its removal fails, as an outcome of its base or of another task there tells: it is tried again when its time has come. */
START_TEST(what_refuses_to_go_is_not_asked_without_end) {
	struct world w;
	struct task_outcome refuses = { .fault = FAULT_MODULE, .retryable = true, .cause = "a thread of it does not end" };
	world_with_plan(&w);
	instance_set_wanted(w.f, w.lib, false);
	repair_instance(w.c, w.lib);
	dispatch(w.c, true);
	ck_assert(w.lib->task != NULL && w.lib->task->row.state == TASK_SENT);
	task_outcome(w.c, w.lib->task, &refuses);
	ck_assert_ptr_null(w.lib->task);
	clock_virtual_advance(&w.time, w.lib->retry_at.us - w.c->mono.us);
	core_look_at_clock(w.c);
	leftovers_due(w.c, w.b);
	ck_assert_ptr_nonnull(w.lib->task);
	core_free(w.c);
}
END_TEST

static const struct task_outcome stays = { .fault = FAULT_MODULE, .retryable = true, .cause = "a thread of it does not end" };

/* The base was away while app became 2 elsewhere: repair exchanges it, and 1 does not stop. */
static struct instance *refused_exchange(struct world *w) {
	world_init(w);
	deployment_set_completed(w->f, w->app, 2);
	repair_instance(w->c, w->old);
	struct instance *fresh = TAILQ_LAST(&w->app->instances, instance_queue);
	dispatch(w->c, true);
	ck_assert(fresh != w->old && w->old->task->row.state == TASK_SENT && fresh->task->row.state == TASK_SENT);
	task_outcome(w->c, w->old->task, &stays);
	task_outcome(w->c, fresh->task, &stays);
	ck_assert(w->old->task == NULL && fresh->task == NULL && w->old->row.units == 0 && fresh->row.units == 1);
	return fresh;
}

static void wait_until(struct world *w, mono_t at) {
	clock_virtual_advance(&w->time, at.us - w->c->mono.us);
	core_look_at_clock(w->c);
}

static void go_together(bool old_is_first) {
	struct world w;
	struct instance *fresh = refused_exchange(&w), *first = old_is_first ? w.old : fresh, *second = old_is_first ? fresh : w.old;
	second->retry_at = mono_add(first->retry_at, US_PER_S);
	wait_until(&w, first->retry_at);
	repair_instance(w.c, first);
	ck_assert(w.old->task == NULL && fresh->task == NULL);
	wait_until(&w, second->retry_at);
	repair_instance(w.c, second);
	ck_assert(w.old->task != NULL && w.old->task->row.kind == TASK_KIND_UNINSTALL && w.old->task->row.partner_id == fresh->row.id);
	ck_assert(fresh->task != NULL && fresh->task->row.kind == TASK_KIND_INSTALL && fresh->task->row.partner_id == w.old->row.id);
	core_free(w.c);
}

START_TEST(an_exchange_that_was_refused_is_tried_as_one) {
	go_together(true);
	go_together(false);
}
END_TEST

/* Its turn came while something else was at work in its place: it gets another when that has ended. */
START_TEST(a_turn_that_came_too_early_is_not_the_last) {
	struct world w;
	struct agenda_item x;
	world_init(&w);
	instance_set_state(w.f, w.old, INSTANCE_MISSING, NULL, now);
	w.old->row.failures = 1;
	while (agenda_pop(&w.c->agenda, w.c->mono, &x))
		continue;
	leftovers_due(w.c, w.b);
	ck_assert(agenda_pop(&w.c->agenda, w.c->mono, &x) && x.kind == AGENDA_REPAIR && x.id == w.old->row.id);
	core_free(w.c);
}
END_TEST

TEST_SUITE("core/dispatch", an_exchange_that_was_refused_is_tried_as_one, a_turn_that_came_too_early_is_not_the_last,
    what_refuses_to_go_is_not_asked_without_end, what_goes_and_what_comes_are_told_together,
    what_could_not_start_is_not_told_nor_is_what_would_make_room_for_it)
