/* What a batch is counted in. A plan of one change counts its slots, one per base. One of several changes counts bases, so that a base gets
 * all of its modules in one batch; a unit then holds as many slots as the plan has for that base. */
#include "plan/live.h"

#include <stdlib.h>

struct counted {
	int64_t *slots; /* of each unit */
	size_t n, cap;
};

static void unit_add(struct counted *x, int64_t slots) {
	if (slots == 0)
		return;
	if (x->n == x->cap) {
		x->cap = x->cap == 0 ? 64 : x->cap * 2;
		x->slots = realloc(x->slots, x->cap * sizeof *x->slots);
		if (x->slots == NULL)
			abort();
	}
	x->slots[x->n++] = slots;
}

static int64_t slots_on(struct plan *p, const struct base *b) {
	const struct change *ch;
	const struct instance *i;
	int64_t n = 0;
	TAILQ_FOREACH(i, &b->instances, base_link) {
		ch = i->deployment == NULL ? NULL : change_of(p, i->deployment);
		n += ch != NULL && !change_shrinks(ch) && slot_left(p, ch, i);
	}
	return n;
}

static bool group_counted(const struct plan *p, const struct change *before) {
	const struct change *ch;
	TAILQ_FOREACH(ch, &p->changes, link) {
		if (ch == before)
			return false;
		if (ch->deployment->group == before->deployment->group)
			return true;
	}
	return false;
}

static void count_bases(struct plan *p, const struct base *first, struct counted *x) {
	const struct change *ch;
	const struct base *b;
	if (first != NULL)
		unit_add(x, slots_on(p, first));
	TAILQ_FOREACH(ch, &p->changes, link)
		if (!group_counted(p, ch))
			TAILQ_FOREACH(b, &ch->deployment->group->bases, group_link)
				if (b != first)
					unit_add(x, slots_on(p, b));
}

/* New instances, and those that go: the k-th of each change are taken to share a base. */
static void count_rest(struct plan *p, struct counted *x, bool out) {
	int64_t *rest = calloc((size_t)TAILQ_LAST(&p->changes, change_list)->row.number + 1, sizeof *rest);
	const struct change *ch;
	int changes = 0;
	if (rest == NULL)
		abort();
	TAILQ_FOREACH(ch, &p->changes, link) {
		struct plan_work w;
		plan_work_left(p, ch, &w);
		rest[changes++] = out ? w.out : w.in;
	}
	for (int64_t k = 0, n = 1; n > 0; k++, unit_add(x, n)) {
		n = 0;
		for (int i = 0; i < changes; i++)
			n += rest[i] > k;
	}
	free(rest);
}

static bool counts_slots(const struct plan *p) {
	return plan_keeps_revision(p) || TAILQ_FIRST(&p->changes) == TAILQ_LAST(&p->changes, change_list);
}

int64_t plan_units(struct plan *p, const char *first, int64_t **ret_slots) {
	struct counted x = { 0 };
	*ret_slots = NULL;
	if (counts_slots(p))
		return plan_slots(p, NULL);
	count_bases(p, *first == '\0' ? NULL : fleet_base(p->tenant, first), &x);
	count_rest(p, &x, true);
	count_rest(p, &x, false);
	*ret_slots = x.slots;
	return (int64_t)x.n;
}
