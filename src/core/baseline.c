/* Who is in the baseline of a base: whatever was commanded there and not commanded away, closed under what it requires. */
#include "core/baseline.h"

#include <string.h>

#include "base/arena.h"
#include "plan/plan.h"
#include "sched/requires.h"

struct member {
	const struct instance *i;
	const struct requirement *needs;
	size_t n_needs;
	bool kept;   /* there, or comes back, as far as its base was told */
	bool coming; /* by a command, or after one */
	bool stays;  /* wanted, or needed by one that stays */
};

struct members {
	struct member *v;
	size_t n;
};

/* Its install comes by a command, or its removal was told. A hook changes nothing of what is there, nor does a removal that waits. */
static bool commanded(const struct instance *i) {
	const struct task *t = i->task;
	return t != NULL && (t->row.kind == TASK_KIND_INSTALL || (t->row.kind == TASK_KIND_UNINSTALL && t->row.sent_at.us != 0));
}

/* It will be told so once more, wanted or not: nobody knows what became of that. */
static bool told_to_install(const struct instance *i) {
	return i->task != NULL && i->task->row.kind == TASK_KIND_INSTALL && i->task->row.state == TASK_SENT;
}

static void member_fill(struct member *m, const struct instance *i, struct arena *a) {
	struct requirement *needs;
	*m = (struct member){ .i = i, .coming = commanded(i) };
	m->n_needs = requires_of(i->version, a, &needs);
	m->needs = needs;
	m->kept = version_restorable(i->version) && i->row.generation > 0 && !m->coming && i->row.state != INSTANCE_FAILED &&
	          i->row.state != INSTANCE_QUARANTINED;
	m->stays = told_to_install(i) || (i->row.wanted && m->kept);
}

/* Something that is kept meets it, other than `but`. */
static bool provided(const struct members *s, const struct requirement *r, const struct member *but, bool wanted) {
	for (const struct member *x = s->v; x < s->v + s->n; x++)
		if (x != but && x->kept && (!wanted || x->i->row.wanted) && requirement_meets(r, x->i->version))
			return true;
	return false;
}

static bool comes(const struct members *s, const struct requirement *r) {
	for (const struct member *x = s->v; x < s->v + s->n; x++)
		if (x->coming && strcmp(x->i->version->module->row.name, r->module) == 0)
			return true;
	return false;
}

/* What it requires comes by a command: so does it, after that. Where nobody brings that at all, it is what it was. */
static bool fall_behind(struct members *s) {
	bool any = false;
	for (struct member *m = s->v; m < s->v + s->n; m++)
		for (size_t k = 0; m->kept && k < m->n_needs; k++) {
			if (provided(s, &m->needs[k], m, false) || !comes(s, &m->needs[k]))
				continue;
			m->kept = false;
			m->coming = any = true;
		}
	return any;
}

/* Of what m requires: what is not wanted any more stays, where nothing that is wanted would do. */
static bool hold_on_to(struct members *s, const struct member *m) {
	bool any = false;
	for (size_t k = 0; k < m->n_needs; k++)
		for (struct member *x = s->v; x < s->v + s->n; x++) {
			if (x->stays || !x->kept || !requirement_meets(&m->needs[k], x->i->version) || provided(s, &m->needs[k], m, true))
				continue;
			x->stays = any = true;
		}
	return any;
}

static bool hold_on(struct members *s) {
	bool any = false;
	for (const struct member *m = s->v; m < s->v + s->n; m++)
		any |= m->stays && hold_on_to(s, m);
	return any;
}

size_t baseline_of(const struct base *b, struct arena *a, const struct instance ***ret) {
	struct members s = { .v = arena_alloc(a, ((size_t)b->n_instances + 1) * sizeof *s.v) };
	const struct instance *i, **list = arena_alloc(a, ((size_t)b->n_instances + 1) * sizeof *list);
	size_t n = 0;
	if (!group_observed(b->group)) /* of them nothing is wanted: an agent that believed otherwise would put it back */
		TAILQ_FOREACH(i, &b->instances, base_link)
			member_fill(&s.v[s.n++], i, a);
	while (fall_behind(&s))
		continue;
	while (hold_on(&s))
		continue;
	for (const struct member *m = s.v; m < s.v + s.n; m++)
		if (m->kept && m->stays)
			list[n++] = m->i;
	*ret = list;
	return n;
}
