/* Sequences of events into the life cycles: a plan over a fleet, with whatever bases, people and takeovers do to it, in any order. The
 * setters abort on a state that may not follow; after each event every invariant of the fleet must hold, no base may be over its ceiling,
 * and a finished plan stays finished. The input is the schedule: a head that says what fleet and plan, then one event after another. */
#include <assert.h>
#include <stdint.h>
#include <string.h>

#include "model/lifecycle.h"
#include "world.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

struct schedule {
	const uint8_t *at, *end;
};

static uint8_t next(struct schedule *s) {
	return s->at < s->end ? *s->at++ : 0;
}

struct stage {
	struct world w;
	struct plan *p;
	struct schedule s;
};

static struct base *a_base(struct stage *g) {
	struct base *b;
	int n = next(&g->s) % WORLD_BASES;
	for (b = fleet_bases(g->w.f); n > 0 && b != NULL && b->hh_id.next != NULL; n--)
		b = b->hh_id.next;
	return b;
}

static struct task *a_task(struct stage *g, enum task_state state) {
	struct task *t, *found = NULL;
	int n = next(&g->s) % 8;
	TAILQ_FOREACH(t, &g->p->tasks, plan_link)
		if (t->row.state == (int)state && (found = t, n-- == 0))
			break;
	return found;
}

static struct instance *an_instance(struct stage *g) {
	struct instance *i, *found = NULL;
	int n = next(&g->s) % 16;
	TAILQ_FOREACH(i, &g->w.d->instances, deployment_link)
		if (found = i, n-- == 0)
			break;
	return found;
}

/* ---- what may happen ------------------------------------------------------------------------------------------------------------- */

static void on_step(struct stage *g) {
	plan_step(&g->w.e, g->p);
}

static void on_start(struct stage *g) {
	if (g->p->row.state == PLAN_QUEUED)
		plan_start(&g->w.e, g->p);
}

static void on_send(struct stage *g) {
	world_send(&g->w, g->p);
}

static void on_outcome(struct stage *g) {
	struct task *t = a_task(g, TASK_SENT);
	uint8_t how = next(&g->s);
	struct task_outcome o = {
		.ok = how & 1, .retryable = how & 2, .gone = how & 4, .fault = how & 1 ? FAULT_NONE : (enum fault)(1 + how / 64)
	};
	o.cause = o.ok ? NULL : "it refuses";
	if (t != NULL)
		plan_task_outcome(&g->w.e, t, &o);
}

static void on_due(struct stage *g) {
	struct task *t = a_task(g, TASK_BACKOFF);
	if (t != NULL)
		plan_task_due(&g->w.e, t);
}

static void on_time(struct stage *g) {
	world_pass(&g->w, (int64_t)(1 + next(&g->s)) * US_PER_S);
}

static void on_lost(struct stage *g) {
	struct base *b = a_base(g);
	if (transition_row(WORD_BASE, b->row.state, BASE_LOST) == transition_count())
		return;
	b->connected = false;
	base_set_state(g->w.f, b, BASE_LOST, "nothing heard", g->w.e.wall);
	if (!word_terminal(WORD_PLAN, g->p->row.state) && plan_busy_on(g->p, b))
		plan_base_lost(&g->w.e, g->p, b);
}

static void on_base_state(struct stage *g) {
	struct base *b = a_base(g);
	int to = 1 + next(&g->s) % word_count(WORD_BASE);
	if (to == BASE_LOST || transition_row(WORD_BASE, b->row.state, to) == transition_count())
		return;
	b->connected = to == BASE_READY;
	base_set_state(g->w.f, b, (enum base_state)to, NULL, g->w.e.wall);
}

static void on_cordon(struct stage *g) {
	struct base *b = a_base(g);
	base_set_cordoned(g->w.f, b, next(&g->s) & 1, "upkeep", g->w.e.wall);
}

static void on_limit(struct stage *g) {
	struct base *b = a_base(g);
	base_set_limit(g->w.f, b, next(&g->s) % 6);
}

static void on_join(struct stage *g) {
	char name[16];
	int n = (int)(next(&g->s) % WORLD_BASES);
	snprintf(name, sizeof name, "j%d", n);
	if (fleet_base(g->w.t, name) != NULL)
		return;
	fleet_base_add(g->w.f, g->w.g, &(struct row_base){ .name = name, .state = BASE_READY })->connected = true;
}

static void on_instance_failed(struct stage *g) {
	struct instance *i = an_instance(g);
	if (i == NULL || i->task != NULL || transition_row(WORD_INSTANCE, i->row.state, INSTANCE_FAILED) == transition_count())
		return;
	instance_set_state(g->w.f, i, INSTANCE_FAILED, "it broke", g->w.e.wall);
	plan_instance_failed(&g->w.e, i, FAULT_MODULE, "it broke");
}

static void on_takeover(struct stage *g) {
	if (!word_terminal(WORD_PLAN, g->p->row.state) && g->p->row.state != PLAN_QUEUED)
		world_reload(&g->w, g->p);
}

static void on_pause(struct stage *g) {
	plan_pause(&g->w.e, g->p, "a person asked for it");
}

static void on_resume(struct stage *g) {
	plan_resume(&g->w.e, g->p);
}

static void on_confirm(struct stage *g) {
	plan_confirm(&g->w.e, g->p, next(&g->s) % 4);
}

static void on_retry(struct stage *g) {
	struct plan_scope s = { .base = next(&g->s) & 1 ? a_base(g) : NULL, .batch = next(&g->s) % 3 };
	plan_retry(&g->w.e, g->p, &s);
}

static void on_ignore(struct stage *g) {
	struct plan_scope s = { .base = a_base(g) };
	plan_ignore(&g->w.e, g->p, &s, "it is known", "ops");
}

static void on_hurry(struct stage *g) {
	plan_hurry(&g->w.e, g->p, "now");
}

static void on_stop(struct stage *g) {
	if (next(&g->s) < 16) /* seldom: nothing follows it */
		plan_stop(&g->w.e, g->p, "enough");
}

static void on_superseded(struct stage *g) {
	if (next(&g->s) < 16)
		plan_supersede(&g->w.e, g->p, 99);
}

static void (*const events[])(struct stage *) = { on_step, on_step, on_step, on_start, on_send, on_send, on_outcome, on_outcome, on_outcome,
	on_due, on_time, on_time, on_lost, on_base_state, on_cordon, on_limit, on_join, on_instance_failed, on_takeover, on_pause,
	on_resume, on_confirm, on_retry, on_ignore, on_hurry, on_stop, on_superseded };

/* ---- the oracle --------------------------------------------------------------------------------------------------------------------- */

static void check(const struct stage *g, bool ended, int state) {
	struct err err = ERR_INIT;
	if (fleet_check(g->w.f, &err) != 0) {
		fprintf(stderr, "after an event: %s\n", err.text);
		abort();
	}
	for (const struct base *b = fleet_bases(g->w.f); b != NULL; b = b->hh_id.next)
		assert(b->row.units_used >= 0 && b->row.units_used <= b->row.units_ceiling);
	assert(!ended || g->p->row.state == state);
}

static void begin(struct stage *g) {
	uint8_t head = next(&g->s), shape = next(&g->s);
	struct strategy s = strategy_unset;
	world_init(&g->w, 1 + head % 8, 1 + head / 64);
	g->w.undo_possible = shape & 1;
	g->w.prefetching = shape & 2;
	s.upgrade_policy = (enum upgrade_policy)(1 + shape / 4 % 4);
	s.on_failure = (enum on_failure)(1 + shape / 16 % 4);
	s.max_surge = (struct amount){ AMOUNT_COUNT, shape / 64 % 2 };
	s.soak_us = shape / 128 * US_PER_S;
	world_revision(&g->w, "1.0.0", next(&g->s) % 9, &s);
	world_revision(&g->w, "2.0.0", next(&g->s) % 9, &s);
	g->p = world_plan(&g->w, shape & 8 ? PLAN_KIND_RELEASE : PLAN_KIND_UPGRADE, 0, 1);
}

/* A plan that ended gives way to the next change, from where the fleet is now. */
static void go_on(struct stage *g) {
	if (!word_terminal(WORD_PLAN, g->p->row.state) || g->w.d->plan != NULL)
		return;
	int64_t from = g->w.d->row.completed_revision, to = from == 1 ? 2 : 1;
	g->p = world_plan(&g->w, PLAN_KIND_UPGRADE, from, to);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
	struct stage g = { .s = { data, data + size } };
	if (size < 8 || size > 300)
		return 0;
	begin(&g);
	while (g.s.at < g.s.end) {
		bool ended = word_terminal(WORD_PLAN, g.p->row.state);
		int state = g.p->row.state;
		events[next(&g.s) % (sizeof events / sizeof *events)](&g);
		check(&g, ended, state);
		go_on(&g);
	}
	world_deinit(&g.w);
	return 0;
}
