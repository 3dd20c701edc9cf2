/* See slots.h. Plans that wait are few beside their tasks: the smallest share is looked for among them, task by task. */
#include "core/slots.h"

#include <stdlib.h>

void slots_init(struct slots *s, int64_t limit) {
	*s = (struct slots){ .limit = limit };
	TAILQ_INIT(&s->repairs);
}

void slots_deinit(struct slots *s) {
	free(s->plans);
	*s = (struct slots){ 0 };
}

void slots_clear(struct slots *s) {
	s->n_plans = 0;
	TAILQ_INIT(&s->repairs);
}

static bool any_left(const struct slots *s, const struct fleet *f) {
	return s->limit <= 0 || fleet_inflight(f) < s->limit;
}

bool slots_free(const struct slots *s, const struct fleet *f) {
	return s->n_plans == 0 && TAILQ_EMPTY(&s->repairs) && any_left(s, f);
}

static void plan_waits(struct slots *s, const struct plan *p) {
	if (s->n_plans == s->cap) {
		s->cap = s->cap == 0 ? 16 : 2 * s->cap;
		s->plans = reallocarray(s->plans, s->cap, sizeof *s->plans);
		if (s->plans == NULL)
			abort();
	}
	s->plans[s->n_plans++] = p->row.id;
}

void slots_park(struct slots *s, struct task *t) {
	struct task_queue *q = t->plan == NULL ? &s->repairs : &t->plan->parked;
	if (t->plan != NULL && TAILQ_EMPTY(q))
		plan_waits(s, t->plan);
	t->parked = q;
	TAILQ_INSERT_TAIL(q, t, queue_link);
}

static struct task *take(struct task_queue *q) {
	struct task *t = TAILQ_FIRST(q);
	TAILQ_REMOVE(q, t, queue_link);
	t->parked = NULL;
	return t;
}

/* The plan with the smallest share; its place in the list goes when it has nothing more that waits. */
static struct task *take_fair(struct slots *s, struct fleet *f) {
	struct plan *best = NULL;
	size_t at = 0;
	for (size_t i = 0; i < s->n_plans;) {
		struct plan *p = fleet_plan(f, s->plans[i]);
		if (p == NULL || TAILQ_EMPTY(&p->parked)) {
			s->plans[i] = s->plans[--s->n_plans];
			continue;
		}
		if (best == NULL || p->n_sent < best->n_sent || (p->n_sent == best->n_sent && p->row.id < best->row.id)) {
			best = p;
			at = i;
		}
		i++;
	}
	if (best == NULL)
		return NULL;
	struct task *t = take(&best->parked);
	if (TAILQ_EMPTY(&best->parked))
		s->plans[at] = s->plans[--s->n_plans];
	return t;
}

struct task *slots_next(struct slots *s, struct fleet *f) {
	if (!any_left(s, f))
		return NULL;
	return TAILQ_EMPTY(&s->repairs) ? take_fair(s, f) : take(&s->repairs);
}
