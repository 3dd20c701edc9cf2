/* Several changes in one plan: how they are cut, what begins together on one base, in which order it is sent, and what fails together. */
#include "../../suite.h"

#include <stdio.h>
#include <string.h>

#include "base/arena.h"
#include "sched/requires.h"
#include "world.h"

#define MUT(s) ((char *)(uintptr_t)(s))

/* app requires lib; both are on every base of a small world. */
struct pair_world {
	struct world w;
	struct deployment *app, *lib; /* lib is the world's own deployment */
};

static struct version *version_of(struct world *w, struct module *m, const char *name, const char *requires) {
	struct artifact *a = fleet_artifact(w->t, "00");
	struct row_version row = { .name = MUT(name), .units = 1, .runtime = RUNTIME_NATIVE, .requires = MUT(requires) };
	if (a == NULL)
		a = fleet_artifact_add(w->f, w->t, &(struct row_artifact){ .sha256 = MUT("00") });
	struct version *v = fleet_version(m, name);
	return v != NULL ? v : fleet_version_add(w->f, m, a, &row);
}

static void app_wants(struct pair_world *x, const char *version, const char *requires, int64_t replicas, const struct strategy *s) {
	fleet_revision_add(
	    x->w.f, x->app, version_of(&x->w, x->app->module, version, requires), &(struct row_revision){ .replicas = replicas }, s);
}

static void pair_change(struct pair_world *x, struct plan *p, struct deployment *d, bool accompanies) {
	fleet_change_add(x->w.f, p, d,
	    &(struct row_plan_change){ .from_revision = accompanies ? d->row.revision : d->row.revision - 1,
	        .to_revision = d->row.revision,
	        .accompanies = accompanies });
}

/* As the conductor does: what waits for its turn is not sent. Returns how many were sent; log: "app- lib- lib+ app+" per base n1. */
static int send_in_order(struct world *w, struct plan *p, char *log) {
	struct task *t;
	int n = 0;
	TAILQ_FOREACH(t, &p->tasks, plan_link) {
		ARENA_AUTO a = arena_new();
		if (t->row.state != TASK_PENDING || task_awaits(t, false, a, NULL) != NULL)
			continue;
		t->instance->row.generation = ++t->base->row.generation;
		task_set_state(w->f, t, TASK_SENT, w->e.wall);
		bool install = t->row.kind == TASK_KIND_INSTALL;
		instance_set_state(w->f, t->instance, install ? INSTANCE_INSTALLING : INSTANCE_UNINSTALLING, NULL, w->e.wall);
		if (strcmp(t->row.base, "n1") == 0)
			sprintf(log + strlen(log), "%s%s%c", *log ? " " : "", t->row.module, install ? '+' : '-');
		n++;
	}
	return n;
}

static void run_in_order(struct world *w, struct plan *p, const char *bad, char *log) {
	for (int idle = 0; idle < 3;) {
		plan_step(&w->e, p);
		int sent = send_in_order(w, p, log);
		idle = world_answer(w, p, bad) + sent > 0 ? 0 : idle + 1;
		world_pass(w, 6 * US_PER_S);
	}
	struct err err = ERR_INIT;
	ck_assert_msg(fleet_check(w->f, &err) == 0, "%s", err.text);
}

static void pair_init(struct pair_world *x, int bases, const struct strategy *s, char *log) {
	world_init(&x->w, bases, 4);
	struct module *m = fleet_module_add(x->w.f, x->w.t, &(struct row_module){ .name = MUT("app") });
	x->lib = x->w.d;
	x->app = fleet_deployment_add(x->w.f, x->w.t, m, x->w.g, &(struct row_deployment){ .name = MUT("app") });
	version_of(&x->w, x->lib->module, "2.0.0", NULL);
	world_revision(&x->w, "1.0.0", bases, s);
	app_wants(x, "1.0.0", "[\"orders:^1\"]", bases, s);
	struct plan *p = fleet_plan_add(x->w.f, x->w.t, &(struct row_plan){ .kind = PLAN_KIND_RELEASE });
	pair_change(x, p, x->lib, false);
	pair_change(x, p, x->app, false);
	run_in_order(&x->w, p, NULL, log);
	ck_assert_int_eq(p->row.state, PLAN_SUCCEEDED);
}

START_TEST(what_is_required_is_installed_first) {
	struct pair_world x;
	char log[256] = "";
	pair_init(&x, 2, NULL, log);
	ck_assert_str_eq(log, "orders+ app+");
	ck_assert_int_eq(x.app->n_ready, 2);
	world_deinit(&x.w);
}
END_TEST

START_TEST(batches_count_bases_with_all_their_modules) {
	struct pair_world x;
	char log[256] = "";
	const struct batch *b;
	int64_t sizes[] = { 2, 6 }, k = 0;
	pair_init(&x, 4, NULL, log);
	world_revision(&x.w, "2.0.0", 4, NULL);
	app_wants(&x, "2.0.0", "[\"orders:^2\"]", 4, NULL);
	struct plan *p = fleet_plan_add(x.w.f, x.w.t, &(struct row_plan){ .kind = PLAN_KIND_UPGRADE });
	pair_change(&x, p, x.lib, false);
	pair_change(&x, p, x.app, false);
	plan_step(&x.w.e, p);
	TAILQ_FOREACH(b, &p->batches, link)
		ck_assert_int_eq(b->row.size, sizes[k++]);
	ck_assert_int_eq(k, 2);
	run_in_order(&x.w, p, NULL, log);
	ck_assert_int_eq(p->row.state, PLAN_SUCCEEDED);
	ck_assert_int_eq(world_at(&x.w, "2.0.0"), 4);
	ck_assert_int_eq(x.app->n_ready, 4);
	world_deinit(&x.w);
}
END_TEST

static struct plan *exchange(struct pair_world *x, const char *version) {
	struct strategy s = strategy_unset;
	s.upgrade_policy = UPGRADE_POLICY_IN_PLACE;
	world_revision(&x->w, version, x->lib->n_wanted, &s);
	struct plan *p = fleet_plan_add(x->w.f, x->w.t, &(struct row_plan){ .kind = PLAN_KIND_UPGRADE });
	pair_change(x, p, x->lib, false);
	pair_change(x, p, x->app, true);
	return p;
}

START_TEST(an_exchange_in_place_takes_those_along_that_require_it) {
	struct pair_world x;
	char log[256] = "";
	pair_init(&x, 2, NULL, log);
	version_of(&x.w, x.lib->module, "1.1.0", NULL);
	struct plan *p = exchange(&x, "1.1.0");
	*log = '\0';
	run_in_order(&x.w, p, NULL, log);
	ck_assert_int_eq(p->row.state, PLAN_SUCCEEDED);
	ck_assert_str_eq(log, "app- orders- orders+ app+");
	ck_assert_int_eq(x.app->n_ready, 2);
	ck_assert_int_eq(x.app->row.completed_revision, 1); /* nothing of it was new */
	ck_assert_int_eq(TAILQ_FIRST(&p->batches)->row.size, 4);
	world_deinit(&x.w);
}
END_TEST

START_TEST(a_takeover_in_the_middle_keeps_the_order) {
	struct pair_world x;
	char log[256] = "";
	pair_init(&x, 2, NULL, log);
	version_of(&x.w, x.lib->module, "1.1.0", NULL);
	struct plan *p = exchange(&x, "1.1.0");
	*log = '\0';
	plan_step(&x.w.e, p);
	ck_assert_int_gt(send_in_order(&x.w, p, log), 0);
	ck_assert_str_eq(log, "app-");
	world_reload(&x.w, p);
	run_in_order(&x.w, p, NULL, log);
	ck_assert_int_eq(p->row.state, PLAN_SUCCEEDED);
	ck_assert_str_eq(log, "app- orders- orders+ app+");
	world_deinit(&x.w);
}
END_TEST

START_TEST(what_waits_for_a_failed_install_fails_too) {
	struct pair_world x;
	char log[256] = "";
	pair_init(&x, 1, NULL, log);
	version_of(&x.w, x.lib->module, "1.1.0", NULL);
	struct plan *p = exchange(&x, "1.1.0");
	run_in_order(&x.w, p, "n1", log);
	ck_assert_msg(p->row.state == PLAN_PAUSED, "%s: %s", log, x.w.said);
	ck_assert_int_eq(plan_batch_chains(p), 0);
	/* Both old ones are wanted again; repair puts them back, in order. */
	const struct instance *app = base_instance_of_module(x.w.bases[0], x.app->module);
	const struct instance *lib = base_instance_of_module(x.w.bases[0], x.lib->module);
	ck_assert(app->row.wanted && lib->row.wanted && app->row.state == INSTANCE_MISSING && lib->row.state == INSTANCE_MISSING);
	ck_assert_str_eq(lib->version->row.name, "1.0.0");
	world_deinit(&x.w);
}
END_TEST

/* lib is taken away altogether, and app becomes one that does without it: one slot at a time, app first. */
START_TEST(what_is_required_goes_when_nobody_there_requires_it_any_more) {
	struct pair_world x;
	char log[256] = "";
	struct strategy s = strategy_unset;
	s.max_in_flight = 1;
	s.upgrade_policy = UPGRADE_POLICY_IN_PLACE;
	pair_init(&x, 1, NULL, log);
	world_revision(&x.w, "1.0.0", 1, &s);
	app_wants(&x, "2.0.0", NULL, 1, &s);
	struct plan *p = fleet_plan_add(x.w.f, x.w.t, &(struct row_plan){ .kind = PLAN_KIND_UNDO });
	fleet_change_add(x.w.f, p, x.lib, &(struct row_plan_change){ .from_revision = 2, .to_revision = 2 });
	pair_change(&x, p, x.app, false);
	x.lib->row.offline = true;
	*log = '\0';
	run_in_order(&x.w, p, NULL, log);
	ck_assert_int_eq(p->row.state, PLAN_SUCCEEDED);
	ck_assert_str_eq(log, "app- app+ orders-");
	world_deinit(&x.w);
}
END_TEST

START_TEST(what_others_require_is_not_taken_away_under_them) {
	struct pair_world x;
	char log[256] = "";
	pair_init(&x, 1, NULL, log);
	world_revision(&x.w, "1.0.0", 1, NULL);
	struct plan *p = fleet_plan_add(x.w.f, x.w.t, &(struct row_plan){ .kind = PLAN_KIND_OFFLINE });
	fleet_change_add(x.w.f, p, x.lib, &(struct row_plan_change){ .from_revision = 2, .to_revision = 2 });
	x.lib->row.offline = true;
	*log = '\0';
	run_in_order(&x.w, p, NULL, log);
	ck_assert_int_eq(p->row.state, PLAN_RUNNING);
	ck_assert_str_eq(log, "");
	struct plan_wait wait;
	plan_waiting(p, &wait);
	ck_assert(wait.order && wait.stuck);
	ck_assert_ptr_eq(fleet_instance(x.w.f, wait.order_id)->deployment, x.app);
	/* A plan that has app: whatever it waits for, it is waited for. */
	struct plan *other = fleet_plan_add(x.w.f, x.w.t, &(struct row_plan){ .kind = PLAN_KIND_SCALE });
	pair_change(&x, other, x.app, false);
	deployment_set_plan(x.w.f, x.app, other);
	for (int k = 0; k < 3; k++) {
		world_pass(&x.w, 9 * 60 * US_PER_S);
		plan_step(&x.w.e, p);
	}
	ck_assert_int_eq(p->row.state, PLAN_RUNNING);
	deployment_set_plan(x.w.f, x.app, NULL);
	plan_step(&x.w.e, p);
	world_pass(&x.w, 9 * 60 * US_PER_S);
	plan_step(&x.w.e, p);
	ck_assert_int_eq(p->row.state, PLAN_RUNNING);
	world_pass(&x.w, 2 * 60 * US_PER_S);
	plan_step(&x.w.e, p);
	ck_assert_int_eq(p->row.state, PLAN_PAUSED);
	ck_assert_ptr_nonnull(strstr(p->row.state_reason, "nobody changed app:1.0.0 on n1"));
	world_deinit(&x.w);
}
END_TEST

/* Its agent may be putting app back just now. */
START_TEST(a_base_that_is_filled_again_has_what_was_there) {
	struct pair_world x;
	char log[256] = "";
	ARENA_AUTO a = arena_new();
	pair_init(&x, 1, NULL, log);
	struct base *b = x.w.bases[0];
	struct instance *app = base_instance_of_module(b, x.app->module), *lib = base_instance_of_module(b, x.lib->module);
	ck_assert_ptr_eq(requirer_of(lib, NULL), app);
	instance_set_state(x.w.f, app, INSTANCE_MISSING, NULL, x.w.e.wall);
	ck_assert_ptr_null(requirer_of(lib, NULL));
	instance_set_state(x.w.f, app, INSTANCE_INSTALLING, NULL, x.w.e.wall);
	instance_set_state(x.w.f, app, INSTANCE_FAILED, NULL, x.w.e.wall);
	ck_assert_ptr_null(requirer_of(lib, NULL));
	base_set_state(x.w.f, b, BASE_RESTORING, NULL, x.w.e.wall);
	ck_assert_ptr_eq(requirer_of(lib, NULL), app); /* broken in the base that died, it may do in this one */
	instance_set_state(x.w.f, app, INSTANCE_MISSING, NULL, x.w.e.wall);
	ck_assert_ptr_eq(requirer_of(lib, NULL), app);
	ck_assert_ptr_null(requirement_missed(b, app->version, a));
	instance_set_wanted(x.w.f, app, false); /* its removal was not sent */
	ck_assert_ptr_eq(requirer_of(lib, NULL), app);
	instance_set_wanted(x.w.f, lib, false);
	ck_assert_str_eq(requirement_missed(b, app->version, a), "orders:^1");
	world_deinit(&x.w);
}
END_TEST

/* Wanted there, and its turn has not come: what it requires stays for it, where nothing else would do. */
START_TEST(what_is_to_come_is_waited_for) {
	struct pair_world x;
	char log[256] = "";
	pair_init(&x, 1, NULL, log);
	struct instance *lib = base_instance_of_module(x.w.bases[0], x.lib->module), *next;
	app_wants(&x, "2.0.0", "[\"orders\"]", 1, NULL);
	ck_assert_ptr_null(requirer_coming(lib));
	next = slot_succeed(&x.w.e, base_instance_of_module(x.w.bases[0], x.app->module), x.app->current);
	ck_assert_ptr_eq(requirer_coming(lib), next);
	instance_set_wanted(x.w.f, next, false);
	ck_assert_ptr_null(requirer_coming(lib));
	world_deinit(&x.w);
}
END_TEST

/* Broken, it may be started again by its agent just then; one that its base does not hold goes at once. */
START_TEST(what_is_broken_goes_after_those_that_require_it) {
	struct pair_world x;
	char log[256] = "";
	ARENA_AUTO a = arena_new();
	pair_init(&x, 1, NULL, log);
	struct instance *lib = base_instance_of_module(x.w.bases[0], x.lib->module);
	struct task *t = fleet_task_add(x.w.f, NULL, lib, &(struct row_task){ .kind = TASK_KIND_UNINSTALL });
	instance_set_wanted(x.w.f, lib, false);
	ck_assert_ptr_nonnull(task_awaits(t, false, a, NULL));
	instance_set_state(x.w.f, lib, INSTANCE_FAILED, NULL, x.w.e.wall);
	ck_assert_ptr_null(task_awaits(t, false, a, NULL));
	text_set(&lib->row.reported, "broken");
	ck_assert_ptr_nonnull(task_awaits(t, false, a, NULL));
	text_set(&lib->row.reported, NULL);
	instance_set_state(x.w.f, lib, INSTANCE_MISSING, NULL, x.w.e.wall);
	ck_assert_ptr_null(task_awaits(t, false, a, NULL));
	text_set(&lib->row.reported, "activated"); /* its base was restarted while this waited, and came back with it */
	ck_assert_ptr_nonnull(task_awaits(t, false, a, NULL));
	world_deinit(&x.w);
}
END_TEST

/* It is offline, by a plan that is over: nobody requires it any more, or somebody said that this may be so. */
START_TEST(what_was_left_behind_keeps_what_it_requires_until_it_is_caught_up) {
	struct pair_world x;
	char log[256] = "";
	ARENA_AUTO a = arena_new();
	pair_init(&x, 1, NULL, log);
	struct instance *lib = base_instance_of_module(x.w.bases[0], x.lib->module);
	struct task *t = fleet_task_add(x.w.f, NULL, lib, &(struct row_task){ .kind = TASK_KIND_UNINSTALL });
	instance_set_wanted(x.w.f, lib, false);
	x.lib->row.offline = true;
	ck_assert_ptr_null(task_awaits(t, false, a, NULL)); /* as it is wanted, it requires it: that was forced */
	app_wants(&x, "2.0.0", NULL, 1, NULL);
	ck_assert_ptr_nonnull(task_awaits(t, false, a, NULL));       /* a plan that never came to this base, or was superseded before */
	deployment_set_completed(x.w.f, x.app, x.app->row.revision); /* its base was away */
	ck_assert_ptr_nonnull(task_awaits(t, false, a, NULL));
	world_deinit(&x.w);
}
END_TEST

/* ---- who goes --------------------------------------------------------------------------------------------------------------------------
 */
struct victims_case {
	const char *why;
	int named, failing, fuller, older; /* index of a base, -1 = none */
	int goes;
};

static const struct victims_case victims[] = {
	{ "named before everything", 1, 2, 2, 2, 1 },
	{ "failing before full", -1, 2, 1, 1, 2 },
	{ "full before old", -1, -1, 2, 1, 2 },
	{ "old before young", -1, -1, -1, 1, 1 },
	{ "else the youngest", -1, -1, -1, -1, 2 },
};

static struct instance *newer_on(struct world *w, struct base *b) {
	struct instance *old = base_instance_of_module(b, w->m), *i = slot_succeed(&w->e, old, w->d->current);
	fleet_instance_remove(w->f, old);
	i->row.generation = 1; /* its base heard of it */
	instance_set_state(w->f, i, INSTANCE_INSTALLING, NULL, w->e.wall);
	instance_set_state(w->f, i, INSTANCE_READY, NULL, w->e.wall);
	return i;
}

static void victims_set(struct world *w, const struct victims_case *v) {
	struct instance *i;
	if (v->fuller >= 0)
		base_set_limit(w->f, w->bases[v->fuller], 1);
	for (int k = 0; k < 3; k++) {
		i = k == v->older ? base_instance_of_module(w->bases[k], w->m) : newer_on(w, w->bases[k]);
		if (k == v->failing)
			instance_set_state(w->f, i, INSTANCE_UNKNOWN, NULL, w->e.wall);
	}
}

START_TEST(victims_in_their_order) {
	for (size_t k = 0; k < sizeof victims / sizeof *victims; k++) {
		struct world w;
		ARENA_AUTO a = arena_new();
		struct plan_memo m = { 0 };
		world_init(&w, 3, 4);
		world_revision(&w, "1.0.0", 3, NULL);
		world_run(&w, world_plan(&w, PLAN_KIND_RELEASE, 0, 1), NULL);
		world_revision(&w, "2.0.0", 2, NULL);
		victims_set(&w, &victims[k]);
		struct plan *p = world_plan(&w, PLAN_KIND_SCALE, 1, 2);
		if (victims[k].named >= 0)
			memo_base_add(&m, w.bases[victims[k].named]->row.id);
		text_set(&p->row.options, memo_print(&m, a));
		memo_deinit(&m);
		plan_step(&w.e, p);
		const struct instance *gone = TAILQ_FIRST(&p->tasks)->instance;
		ck_assert_msg(gone->base == w.bases[victims[k].goes] && !gone->row.wanted, "%s: %s", victims[k].why, gone->base->row.name);
		world_deinit(&w);
	}
}
END_TEST

/* app is being restored on the fullest base, and lib is there for it: another one goes, and of two none. */
START_TEST(what_is_being_restored_keeps_what_it_requires) {
	struct pair_world x;
	char log[256] = "";
	pair_init(&x, 2, NULL, log);
	struct instance *lib = base_instance_of_module(x.w.bases[0], x.lib->module), *app[2];
	for (int k = 0; k < 2; k++)
		app[k] = base_instance_of_module(x.w.bases[k], x.app->module);
	fleet_instance_remove(x.w.f, app[1]);
	instance_set_state(x.w.f, app[0], INSTANCE_MISSING, NULL, x.w.e.wall);
	world_revision(&x.w, "1.0.0", 1, NULL);
	struct plan *p = fleet_plan_add(x.w.f, x.w.t, &(struct row_plan){ .kind = PLAN_KIND_SCALE });
	pair_change(&x, p, x.lib, false);
	*log = '\0';
	run_in_order(&x.w, p, NULL, log);
	ck_assert_int_eq(p->row.state, PLAN_SUCCEEDED);
	ck_assert(lib->row.wanted && lib->row.state == INSTANCE_READY && x.lib->n_instances == 1);
	x.lib->row.offline = true;
	p = fleet_plan_add(x.w.f, x.w.t, &(struct row_plan){ .kind = PLAN_KIND_OFFLINE });
	fleet_change_add(x.w.f, p, x.lib, &(struct row_plan_change){ .from_revision = 2, .to_revision = 2 });
	run_in_order(&x.w, p, NULL, log);
	struct plan_wait wait;
	plan_waiting(p, &wait);
	ck_assert(p->row.state == PLAN_RUNNING && lib->row.wanted && wait.order && wait.order_id == app[0]->row.id);
	world_deinit(&x.w);
}
END_TEST

TEST_SUITE("plan/together", what_is_being_restored_keeps_what_it_requires, what_is_required_is_installed_first,
    batches_count_bases_with_all_their_modules, an_exchange_in_place_takes_those_along_that_require_it,
    a_takeover_in_the_middle_keeps_the_order, what_waits_for_a_failed_install_fails_too,
    what_is_required_goes_when_nobody_there_requires_it_any_more, what_others_require_is_not_taken_away_under_them,
    a_base_that_is_filled_again_has_what_was_there, what_is_to_come_is_waited_for, what_is_broken_goes_after_those_that_require_it,
    what_was_left_behind_keeps_what_it_requires_until_it_is_caught_up, victims_in_their_order)
