/* Inputs one per commit, after a refused one, until its culprit is found (design section 5, rule 5). What bases tell meanwhile waits here
 * in its order, packed and bounded; the turn takes it like any other input. */
#include "core/conductor.h"
#include "proto/json.h"

#define MAX_HELD_BACK 4096

struct held_back {
	struct driver_link *link;
	char *peer;      /* of a hello; NULL: a report */
	int64_t base_id; /* of a hello without an agent */
	uint8_t *bytes;
	size_t n;
	STAILQ_ENTRY(held_back) entry;
};

static void held_back_free(struct held_back *x) {
	free(x->peer);
	free(x->bytes);
	free(x);
}

bool series_waits(const struct core *c) {
	return c->serial > 0 && (c->flying != NULL || (c->fleet != NULL && fleet_is_dirty(c->fleet)));
}

void series_begin(struct core *c, size_t ops) {
	c->serial = MUTANT(blame_nobody) ? 0
	                                 : (int)(ops + HASH_COUNT(c->links)) +
	                                       64; /* the operations, the bases, and what the engine does by itself right after the load */
}

void series_commit_done(struct core *c) {
	if (c->serial > 0)
		c->serial--;
}

/* Nothing is left that could be the culprit. */
void series_idle(struct core *c) {
	bool busy = c->flying != NULL || c->n_waiting > 0 || c->due_plans.n > c->due_plans.next || !TAILQ_EMPTY(&c->ready) ||
	            !STAILQ_EMPTY(&c->held_back);
	if (c->fleet != NULL && !busy && !fleet_is_dirty(c->fleet))
		c->serial = 0;
	if (c->serial > 0 || !c->dropped_reports)
		return;
	c->dropped_reports = false;
	effects_make_up(c);
}

bool series_hold(struct core *c, struct driver_link *k, int64_t base_id, const ProtobufCMessage *m, const char *peer) {
	if (!series_waits(c) && STAILQ_EMPTY(&c->held_back))
		return false;
	if (c->n_held_back == MAX_HELD_BACK) {
		c->dropped_reports = true;
		return true;
	}
	struct held_back *x = calloc(1, sizeof *x);
	if (x == NULL || (x->bytes = malloc((x->n = protobuf_c_message_get_packed_size(m)) + 1)) == NULL ||
	    (peer != NULL && (x->peer = strdup(peer)) == NULL))
		abort();
	protobuf_c_message_pack(m, x->bytes);
	x->link = k;
	x->base_id = base_id;
	STAILQ_INSERT_TAIL(&c->held_back, x, entry);
	c->n_held_back++;
	core_wake(c);
	return true;
}

bool series_step(struct core *c) {
	struct held_back *x = STAILQ_FIRST(&c->held_back);
	if (x == NULL)
		return false;
	STAILQ_REMOVE_HEAD(&c->held_back, entry);
	c->n_held_back--;
	struct arena *a = arena_new();
	ProtobufCAllocator alloc = arena_pb(a);
	if (x->peer != NULL)
		hello_hear(c, x->link, x->base_id, berth__v1__hello__unpack(&alloc, x->n, x->bytes), x->peer);
	else
		report_take(c, x->link, berth__v1__report__unpack(&alloc, x->n, x->bytes));
	arena_free(a);
	held_back_free(x);
	return true;
}

void series_forget(struct core *c, const struct driver_link *k) {
	struct held_back *x, *next;
	for (x = STAILQ_FIRST(&c->held_back); x != NULL; x = next) {
		next = STAILQ_NEXT(x, entry);
		if (k != NULL && x->link != k)
			continue;
		STAILQ_REMOVE(&c->held_back, x, held_back, entry);
		c->n_held_back--;
		held_back_free(x);
	}
}

/* The subject of what was refused does nothing more by itself until a person looked. */
void series_set_aside(struct core *c) {
	struct plan *p = c->set_aside.kind == CULPRIT_PLAN ? fleet_plan(c->fleet, c->set_aside.id) : NULL;
	struct base *b = c->set_aside.kind == CULPRIT_BASE ? fleet_base_by_id(c->fleet, c->set_aside.id) : NULL;
	const struct change *ch = p == NULL ? NULL : TAILQ_FIRST(&p->changes);
	c->set_aside = (struct culprit){ CULPRIT_NONE, 0 };
	if (p != NULL) {
		plan_pause(&c->plans, p, "the database refused what this plan did next; it was set aside");
		finding_raise_for(c, FINDING_SET_ASIDE, p->tenant, ch == NULL ? NULL : ch->row.module, NULL,
		    ch == NULL ? NULL : ch->deployment, "berth plan show",
		    "the database refused what plan %lld did next (%s); it was set aside: resume or stop it, and report this",
		    (long long)p->row.id, c->constraint);
	}
	if (b == NULL)
		return;
	c->aside[c->n_aside++ % MAX_ASIDE] = b->row.id;
	finding_raise(c, FINDING_SET_ASIDE, b, NULL, NULL, NULL, "berth base forget",
	    "the database refused what base %s told (%s); it is not heard until it is forgotten and joins anew; report this", b->row.name,
	    c->constraint);
}

bool series_aside(const struct core *c, const struct base *b) {
	for (size_t i = 0; i < c->n_aside && i < MAX_ASIDE; i++)
		if (c->aside[i] == b->row.id)
			return true;
	return false;
}
