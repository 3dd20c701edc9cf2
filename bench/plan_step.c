/* plan_step: what one event costs in a plan over very many bases. The plan engine alone, in this process: a first release to all bases,
 * then an upgrade, 64 commands in flight; an event is one outcome with the step that follows it, and the rows it changed are collected as a
 * commit would. No floor: the same program with fewer bases is what it is compared with.
 *
 * usage: plan_step BASES EVENTS
 * prints: plan_step EVENTS NS (per event) */
#include <stdio.h>
#include <stdlib.h>

#include "base/rng.h"
#include "db.h"
#include "model/changeset.h"
#include "plan/plan.h"

#define TEXT(s) ((char *)(uintptr_t)(s))
#define COLLECT_EVERY 50

static struct task_queue ready;

static void on_event(void *arg, const char *kind, struct plan *p, const struct deployment *d, const struct base *b, const struct version *v,
    const struct task *t, const char *text) {}
static void on_plan(void *arg, struct plan *p) {}
static void on_wake(void *arg, struct plan *p, mono_t at) {}
static void on_due(void *arg, struct task *t, mono_t at) {}
static void on_freed(void *arg, struct group *g) {}

static void on_ready(void *arg, struct task *t) {
	TAILQ_INSERT_TAIL(&ready, t, queue_link);
}

struct world {
	struct fleet *fleet;
	struct deployment *deployment;
	struct rng rng;
	struct plan_env env;
};

static void world_make(struct world *w, int bases) {
	struct fleet *f = w->fleet = fleet_new();
	struct tenant *t = fleet_tenant_add(f, "default", (wall_t){ 1 });
	struct group *g = fleet_group_add(f, t, &(struct row_base_group){ .name = TEXT("bench"), .install_limit = 10 });
	struct module *m = fleet_module_add(f, t, &(struct row_module){ .name = TEXT("bench") });
	struct artifact *a = fleet_artifact_add(f, t, &(struct row_artifact){ .sha256 = TEXT("00") });
	fleet_on_plan_free(f, plan_live_free);
	for (int i = 0; i < 2; i++)
		fleet_version_add(
		    f, m, a, &(struct row_version){ .name = TEXT(i == 0 ? "1.0.0" : "2.0.0"), .units = 1, .runtime = RUNTIME_NATIVE });
	w->deployment = fleet_deployment_add(f, t, m, g, &(struct row_deployment){ .name = TEXT("bench") });
	for (int i = 0; i < bases; i++) {
		char name[16];
		snprintf(name, sizeof name, "n%d", i);
		fleet_base_add(f, g, &(struct row_base){ .name = name, .state = BASE_READY })->connected = true;
	}
	rng_init(&w->rng, 1);
	w->env = (struct plan_env){ .fleet = f,
		.wall = { US_PER_S },
		.mono = { US_PER_S },
		.rng = &w->rng,
		.in_flight_base = 4,
		.arg = w,
		.event = on_event,
		.wake = on_wake,
		.task_ready = on_ready,
		.task_due = on_due,
		.freed = on_freed,
		.ended = on_plan };
}

static struct plan *plan_make(struct world *w, const char *version, int64_t bases, int64_t number) {
	struct strategy s = strategy_unset;
	s.batches[0] = (struct amount){ .kind = AMOUNT_PERCENT, .n = 100 };
	s.n_batches = 1;
	s.min_ready_us = 0;
	s.max_in_flight = 64;
	struct deployment *d = w->deployment;
	struct row_revision row = { .replicas = bases };
	fleet_revision_add(w->fleet, d, fleet_version(d->module, version), &row, &s);
	struct plan *p =
	    fleet_plan_add(w->fleet, d->tenant, &(struct row_plan){ .kind = number == 1 ? PLAN_KIND_RELEASE : PLAN_KIND_UPGRADE });
	fleet_change_add(w->fleet, p, d, &(struct row_plan_change){ .from_revision = number - 1, .to_revision = number });
	return p;
}

static void collect(struct fleet *f) {
	while (fleet_is_dirty(f)) {
		struct changeset *cs = changeset_new();
		fleet_collect(f, cs, 10000);
		changeset_free(cs);
	}
}

static void carry_out(struct world *w, struct task *t) {
	TAILQ_REMOVE(&ready, t, queue_link);
	t->instance->row.generation = ++t->base->row.generation;
	task_set_state(w->fleet, t, TASK_SENT, w->env.wall);
	instance_set_state(
	    w->fleet, t->instance, t->row.kind == TASK_KIND_INSTALL ? INSTANCE_INSTALLING : INSTANCE_UNINSTALLING, NULL, w->env.wall);
	plan_task_outcome(&w->env, t, &(struct task_outcome){ .ok = true });
}

/* Events until the plan ends, or so many; their time goes to ret_us. */
static int run(struct world *w, struct plan *p, int events, int64_t *ret_us) {
	int n = 0;
	plan_step(&w->env, p); /* the first step looks at everything; the others must not */
	collect(w->fleet);
	int64_t begun = now_us();
	for (struct task *t; n < events && (t = TAILQ_FIRST(&ready)) != NULL; n++) {
		carry_out(w, t);
		plan_step(&w->env, p);
		w->env.mono = mono_add(w->env.mono, US_PER_MS);
		if (n % COLLECT_EVERY == 0)
			collect(w->fleet);
	}
	*ret_us += now_us() - begun;
	return n;
}

int main(int argc, char **argv) {
	if (argc != 3)
		die("usage", "plan_step BASES EVENTS");
	int bases = (int)strtol(argv[1], NULL, 10), events = (int)strtol(argv[2], NULL, 10), n;
	int64_t us = 0, ignored = 0;
	struct world w;
	TAILQ_INIT(&ready);
	world_make(&w, bases);
	struct plan *first = plan_make(&w, "1.0.0", bases, 1);
	n = run(&w, first, events, &us);
	run(&w, first, INT32_MAX, &ignored);
	n += run(&w, plan_make(&w, "2.0.0", bases, 2), events, &us);
	if (n == 0)
		die("plan_step", "no events");
	printf("plan_step %d %lld\n", n, (long long)(us * 1000 / n));
	return 0;
}
