/* The stage of the plan engine's tests. */
#include "world.h"

#include <check.h>
#include <stdio.h>
#include <string.h>

#define MUT(s) ((char *)(uintptr_t)(s))

static void on_event(void *arg, const char *kind, struct plan *p, const struct deployment *d, const struct base *b, const struct version *v,
    const struct task *t, const char *text) {
	struct world *w = arg;
	snprintf(w->last, sizeof w->last, "%s", kind);
	snprintf(w->said, sizeof w->said, "%s", text == NULL ? "" : text);
}

static void on_wake(void *arg, struct plan *p, mono_t at) {
	struct world *w = arg;
	if (w->woken.us == 0 || mono_before(at, w->woken))
		w->woken = at;
}

static void on_task(void *arg, struct task *t) {}

static void on_due(void *arg, struct task *t, mono_t at) {}

static void on_freed(void *arg, struct group *g) {}

static void on_ended(void *arg, struct plan *p) {}

static int64_t on_ask(void *arg, struct plan *p, const struct plan_ask *a) {
	struct world *w = arg;
	snprintf(w->url, sizeof w->url, "%s", a->url);
	snprintf(w->body, sizeof w->body, "%s", a->body == NULL ? "" : a->body);
	return ++w->n_asked;
}

static bool on_prefetch(void *arg, struct plan *p, struct base *b, struct version *v, int64_t slot) {
	struct world *w = arg;
	w->n_prefetches++;
	w->last_slot = slot;
	return w->prefetching;
}

static void on_into_traffic(void *arg, struct instance *i) {
	struct world *w = arg;
	w->n_into_traffic++;
}

static bool on_undo(void *arg, struct plan *p, const char *why) {
	struct world *w = arg;
	w->n_undone++;
	return w->undo_possible && plan_undone(&w->e, p, 99);
}

void world_init(struct world *w, int bases, int64_t limit) {
	memset(w, 0, sizeof *w);
	w->f = fleet_new();
	fleet_on_plan_free(w->f, plan_live_free);
	w->t = fleet_tenant_add(w->f, "default", (wall_t){ 1 });
	w->g = fleet_group_add(w->f, w->t, &(struct row_base_group){ .name = MUT("demo"), .install_limit = limit });
	w->m = fleet_module_add(w->f, w->t, &(struct row_module){ .name = MUT("orders") });
	w->d = fleet_deployment_add(w->f, w->t, w->m, w->g, &(struct row_deployment){ .name = MUT("orders") });
	for (int i = 0; i < bases; i++) {
		char name[16];
		snprintf(name, sizeof name, "n%d", i + 1);
		w->bases[i] = fleet_base_add(w->f, w->g, &(struct row_base){ .name = name, .state = BASE_READY });
		w->bases[i]->connected = true;
	}
	rng_init(&w->rng, 7);
	w->undo_possible = true;
	w->e = (struct plan_env){ .fleet = w->f,
		.wall = { US_PER_S },
		.mono = { 1000 * US_PER_S },
		.rng = &w->rng,
		.in_flight_base = 4,
		.arg = w,
		.event = on_event,
		.wake = on_wake,
		.task_ready = on_task,
		.task_due = on_due,
		.freed = on_freed,
		.ended = on_ended,
		.prefetch = on_prefetch,
		.ask = on_ask,
		.into_traffic = on_into_traffic,
		.undo = on_undo };
}

void world_deinit(struct world *w) {
	fleet_free(w->f);
}

struct version *world_version(struct world *w, const char *name) {
	struct version *v = fleet_version(w->m, name);
	struct artifact *a = fleet_artifact(w->t, "00");
	if (a == NULL)
		a = fleet_artifact_add(w->f, w->t, &(struct row_artifact){ .sha256 = MUT("00") });
	return v != NULL
	           ? v
	           : fleet_version_add(w->f, w->m, a, &(struct row_version){ .name = MUT(name), .units = 1, .runtime = RUNTIME_NATIVE });
}

struct revision *world_revision(struct world *w, const char *version, int64_t replicas, const struct strategy *s) {
	struct row_revision row = { .replicas = replicas };
	return fleet_revision_add(w->f, w->d, world_version(w, version), &row, s);
}

struct plan *world_plan(struct world *w, enum plan_kind kind, int64_t from, int64_t to) {
	struct plan *p = fleet_plan_add(w->f, w->t, &(struct row_plan){ .kind = (int)kind });
	fleet_change_add(w->f, p, w->d, &(struct row_plan_change){ .from_revision = from, .to_revision = to });
	return p;
}

void world_send(struct world *w, struct plan *p) {
	struct task *t;
	TAILQ_FOREACH(t, &p->tasks, plan_link) {
		if (t->row.state != TASK_PENDING || !t->base->connected)
			continue;
		if (task_held(t, w->e.mono))
			continue;
		task_set_state(w->f, t, TASK_SENT, w->e.wall);
		if (task_is_hook(t))
			continue;
		t->instance->row.generation = ++t->base->row.generation;
		instance_set_state(
		    w->f, t->instance, t->row.kind == TASK_KIND_INSTALL ? INSTANCE_INSTALLING : INSTANCE_UNINSTALLING, NULL, w->e.wall);
	}
}

static struct task *sent_task(struct plan *p) {
	struct task *t;
	TAILQ_FOREACH(t, &p->tasks, plan_link)
		if (t->row.state == TASK_SENT)
			return t;
	return NULL;
}

int world_answer(struct world *w, struct plan *p, const char *bad) {
	struct task *t;
	int n = 0;
	while ((t = sent_task(p)) != NULL) {
		bool ok = bad == NULL || strcmp(t->row.base, bad) != 0 || t->row.kind != TASK_KIND_INSTALL;
		struct task_outcome o = { .ok = ok, .fault = ok ? FAULT_NONE : FAULT_MODULE, .cause = ok ? NULL : "it refuses to start" };
		plan_task_outcome(&w->e, t, &o);
		n++;
	}
	return n;
}

void world_pass(struct world *w, int64_t us) {
	w->e.mono = mono_add(w->e.mono, us);
	w->e.wall.us += us;
}

void world_run(struct world *w, struct plan *p, const char *bad) {
	struct err err = ERR_INIT;
	for (int idle = 0; idle < 3;) {
		plan_step(&w->e, p);
		world_send(w, p);
		idle = world_answer(w, p, bad) > 0 ? 0 : idle + 1;
		world_pass(w, 6 * US_PER_S);
	}
	ck_assert_msg(fleet_check(w->f, &err) == 0, "%s", err.text);
}

void world_reload(struct world *w, struct plan *p) {
	/* No ck_assert: the fuzz target plays here, too, and is no test of Check's. */
	while (!plan_live_free(p->live, &(size_t){ SIZE_MAX }))
		continue;
	p->live = NULL;
	plan_restore(&w->e, p);
}

int world_at(const struct world *w, const char *version) {
	const struct instance *i;
	int n = 0;
	TAILQ_FOREACH(i, &w->d->instances, deployment_link)
		n += i->row.wanted && i->row.state == INSTANCE_READY && strcmp(i->version->row.name, version) == 0;
	return n;
}
