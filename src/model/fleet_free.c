/* The end of a fleet that nobody looks at any more: object by object, as many as the caller has time for. */
#include "model/fleet_internal.h"

#include "base/arena.h"

#include <stdlib.h>

/* One more object, if there is still time for one. */
static bool spend(size_t *objects) {
	if (*objects == 0)
		return false;
	--*objects;
	return true;
}

/* False: the time is used up. The youngest go first: they are at the end of the heap, which is given back bit by bit then, and not in one
 * piece of hundreds of megabytes when the oldest goes, in which the kernel alone takes 20 ms. */
#define FREE_SOME(head, handle, objects)                                                          \
	while ((head) != NULL) {                                                                  \
		__typeof__(head) x_ = ELMT_FROM_HH((head)->handle.tbl, (head)->handle.tbl->tail); \
		if (!spend(objects))                                                              \
			return false;                                                             \
		HASH_DELETE(handle, (head), x_);                                                  \
		object_free(&x_->o);                                                              \
	}

/* The same of a list that an object has of its parts. */
#define FREE_PARTS(head, objects)                     \
	do {                                          \
		__typeof__((head)->tqh_first) x_;     \
		while ((x_ = TAILQ_FIRST(head))) {    \
			if (!spend(objects))          \
				return false;         \
			TAILQ_REMOVE(head, x_, link); \
			object_free(&x_->o);          \
		}                                     \
	} while (0)

/* Before the objects: an index that is torn down as a whole never looks at its elements. */
static void names_free(struct fleet *f) {
	struct tenant *t, *tt;
	HASH_ITER(hh_id, f->tenants, t, tt) {
		HASH_CLEAR(hh_name, t->modules);
		HASH_CLEAR(hh_name, t->groups);
		HASH_CLEAR(hh_name, t->bases);
		HASH_CLEAR(hh_arklet, t->arklets);
		HASH_CLEAR(hh_name, t->deployments);
		HASH_CLEAR(hh_name, t->tokens);
		HASH_CLEAR(hh_name, t->webhooks);
		HASH_CLEAR(hh_name, t->artifacts);
	}
	HASH_CLEAR(hh_name, f->tenants_by_name);
	HASH_CLEAR(hh_hash, f->tokens_by_hash);
	HASH_CLEAR(hh_key, f->findings_by_key);
}

static bool findings_free(struct fleet *f, size_t *objects) {
	struct finding *x;
	while ((x = TAILQ_FIRST(&f->finding_queue)) != NULL) {
		if (!spend(objects))
			return false;
		TAILQ_REMOVE(&f->finding_queue, x, link);
		free(x->key);
	}
	FREE_SOME(f->findings, hh_id, objects);
	return true;
}

/* What is on bases, and these. */
static bool bases_free(struct fleet *f, size_t *objects) {
	FREE_SOME(f->idems, hh, objects);
	FREE_SOME(f->tasks, hh_id, objects);
	FREE_SOME(f->instances, hh_id, objects);
	FREE_SOME(f->bases, hh_id, objects);
	return true;
}

static bool live_free(struct fleet *f, struct plan *p, size_t *objects) {
	if (p->live != NULL && f->plan_free != NULL && !f->plan_free(p->live, objects))
		return false;
	p->live = NULL;
	return true;
}

static bool plans_free(struct fleet *f, size_t *objects) {
	struct plan *p, *tp;
	HASH_ITER(hh_id, f->plans, p, tp) {
		if (!live_free(f, p, objects))
			return false;
		FREE_PARTS(&p->changes, objects);
		FREE_PARTS(&p->batches, objects);
		HASH_DELETE(hh_id, f->plans, p);
		object_free(&p->o);
	}
	return true;
}

static bool deployments_free(struct fleet *f, size_t *objects) {
	struct deployment *d, *td;
	HASH_ITER(hh_id, f->deployments, d, td) {
		FREE_PARTS(&d->revisions, objects);
		HASH_DELETE(hh_id, f->deployments, d);
		object_free(&d->o);
	}
	return true;
}

static bool groups_free(struct fleet *f, size_t *objects) {
	struct group *g, *tg;
	HASH_ITER(hh_id, f->groups, g, tg) {
		if (!spend(objects))
			return false;
		for (int i = 0; i < GROUP_ZONES; i++) {
			if (g->slots[i] != NULL)
				levels_free(g->slots[i]);
			free(g->slots[i]);
		}
		while (g->zones != NULL)
			zone_free(g, g->zones);
		HASH_DELETE(hh_id, f->groups, g);
		object_free(&g->o);
	}
	return true;
}

static bool modules_free(struct fleet *f, size_t *objects) {
	FREE_SOME(f->versions, hh_id, objects);
	FREE_SOME(f->modules, hh_id, objects);
	FREE_SOME(f->artifacts, hh_id, objects);
	FREE_SOME(f->webhooks, hh_id, objects);
	FREE_SOME(f->tokens, hh_id, objects);
	FREE_SOME(f->tenants, hh_id, objects);
	FREE_SOME(f->counters, hh, objects);
	return true;
}

static bool leftovers_free(struct leftover_queue *q, const struct table_def *t, size_t *objects) {
	struct leftover *l;
	while ((l = STAILQ_FIRST(q)) != NULL) {
		if (!spend(objects))
			return false;
		STAILQ_REMOVE_HEAD(q, link);
		row_clear(t, l->row);
		free(l);
	}
	return true;
}

static bool unwritten_free(struct fleet *f, size_t *objects) {
	for (int t = 0; t < TABLE_COUNT; t++)
		if (!leftovers_free(&f->gone[t], &table_defs[t], objects) || !leftovers_free(&f->parting[t], &table_defs[t], objects))
			return false;
	return true;
}

/* What refers to others goes before these. */
bool fleet_free_some(struct fleet *f, size_t *objects) {
	names_free(f);
	if (!stays_free(f, objects) || !findings_free(f, objects) || !bases_free(f, objects) || !plans_free(f, objects) ||
	    !deployments_free(f, objects) || !groups_free(f, objects) || !modules_free(f, objects) || !unwritten_free(f, objects))
		return false;
	arena_free(f->event_arena);
	free(f->events);
	free(f);
	return true;
}

void fleet_free(struct fleet *f) {
	size_t all = SIZE_MAX;
	if (f != NULL)
		(void)fleet_free_some(f, &all);
}
