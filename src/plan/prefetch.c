/* Before the first batch of several, the bases that will need an artifact fetch it, so that installs do not wait for bytes. A help, never a
 * condition: who does not answer in time, or cannot be asked, fetches when it installs. Nothing of it is stored; after a takeover before
 * the first batch everybody is asked again, and has it already. */
#include "plan/live.h"

#include <stdio.h>
#include <stdlib.h>

#include "base/arena.h"
#include "sched/place.h"

#define LOOK_AGAIN_US US_PER_S /* for bases that went away meanwhile */

enum { FETCH_ASKED = 1, FETCH_THERE, FETCH_NOT };

static void want(struct prefetch *f, const struct base *b, struct version *v) {
	if (f->n == f->cap) {
		f->cap = f->cap == 0 ? 64 : f->cap * 2;
		f->v = realloc(f->v, f->cap * sizeof *f->v);
		if (f->v == NULL)
			abort();
	}
	f->v[f->n++] = (struct fetching){ .base_id = b->row.id, .version_id = v->row.id };
}

/* New ones go where placement would put them now; it may choose differently later. */
static void want_places(struct plan_env *e, struct plan *p, const struct change *ch, struct version *v, int64_t n) {
	ARENA_AUTO a = arena_new();
	struct place_req r = { .group = ch->deployment->group,
		.deployment = ch->deployment,
		.module = ch->deployment->module,
		.version = v,
		.units = v->row.units,
		.policy = strategy_of(p, ch)->placement };
	struct place_report rep;
	place_explain(e->fleet, &r, NULL, a, &rep);
	for (size_t k = 0; k < rep.n_fit && (int64_t)k < n; k++)
		want(&p->live->prefetch, rep.fit[k], v);
}

static void want_change(struct plan_env *e, struct plan *p, struct change *ch) {
	struct revision *to = change_goal(ch);
	bool moves = strategy_of(p, ch)->upgrade_policy == UPGRADE_POLICY_SURGE;
	const struct instance *i;
	struct plan_work w;
	if (to == NULL || to->version->artifact == NULL)
		return;
	plan_work_left(p, ch, &w);
	TAILQ_FOREACH(i, &ch->deployment->instances, deployment_link)
		if (!moves && slot_left(p, ch, i) && i->version != to->version)
			want(&p->live->prefetch, i->base, to->version);
	if (w.out > 0 || moves)
		want_places(e, p, ch, to->version, w.out + (moves ? w.behind : 0));
}

static void begin(struct plan_env *e, struct plan *p) {
	struct prefetch *f = &p->live->prefetch;
	struct change *ch;
	const struct batch *first = TAILQ_FIRST(&p->batches);
	char text[96];
	f->begun = true;
	f->from = e->mono;
	bool several = first != NULL && TAILQ_NEXT(first, link) != NULL;
	if (several && p->live->s.prefetch_us > 0 && !plan_keeps_revision(p))
		TAILQ_FOREACH(ch, &p->changes, link)
			if (!ch->row.accompanies && !change_shrinks(ch))
				want_change(e, p, ch);
	f->over = f->n == 0;
	if (f->over)
		return;
	snprintf(text, sizeof text, "%zu %s what batch 1 and later install", f->n, f->n == 1 ? "base fetches" : "bases fetch");
	plan_announce(e, "plan.prefetching", p, text);
}

static void ask(struct plan_env *e, struct plan *p) {
	struct prefetch *f = &p->live->prefetch;
	while (f->next < f->n && f->asked < p->live->s.max_in_flight) {
		struct fetching *x = &f->v[f->next];
		struct base *b = fleet_base_by_id(e->fleet, x->base_id);
		struct version *v = fleet_version_by_id(e->fleet, x->version_id);
		bool sent = b != NULL && v != NULL && b->connected && e->prefetch(e->arg, p, b, v, (int64_t)f->next);
		x->state = sent ? FETCH_ASKED : FETCH_NOT;
		f->asked += sent;
		f->not += !sent;
		f->next++;
	}
}

/* Nobody waits for a base that went away. */
static void drop_absent(struct plan_env *e, struct prefetch *f) {
	for (size_t k = 0; k < f->next; k++) {
		const struct base *b = f->v[k].state == FETCH_ASKED ? fleet_base_by_id(e->fleet, f->v[k].base_id) : NULL;
		if (f->v[k].state != FETCH_ASKED || (b != NULL && b->connected))
			continue;
		f->v[k].state = FETCH_NOT;
		f->asked--;
		f->not ++;
	}
}

static void end(struct plan_env *e, struct plan *p) {
	struct prefetch *f = &p->live->prefetch;
	char text[200], took[48], slowest[48];
	f->over = true;
	snprintf(text, sizeof text, "%zu of %zu bases hold what they will install, after %s (slowest %s)%s", f->there, f->n,
	    duration_format(mono_diff(e->mono, f->from) / US_PER_MS * US_PER_MS, took),
	    duration_format(f->slowest_us / US_PER_MS * US_PER_MS, slowest), f->there < f->n ? "; the others fetch it then" : "");
	plan_announce(e, "plan.prefetched", p, text);
	free(f->v);
	f->v = NULL;
	f->next = f->n = f->cap = 0;
}

bool prefetch_done(struct plan_env *e, struct plan *p) {
	struct prefetch *f = &p->live->prefetch;
	if (p->row.current_batch != 0 || e->prefetch == NULL)
		return true;
	if (!f->begun)
		begin(e, p);
	if (f->over)
		return true;
	if (mono_diff(e->mono, f->looked) >= LOOK_AGAIN_US) {
		f->looked = e->mono;
		drop_absent(e, f);
	}
	ask(e, p);
	mono_t until = mono_add(f->from, p->live->s.prefetch_us), look = mono_add(f->looked, LOOK_AGAIN_US);
	if ((f->asked == 0 && f->next == f->n) || mono_diff(until, e->mono) <= 0) {
		end(e, p);
		return true;
	}
	p->live->wait.prefetch = (int)(f->n - f->there - f->not );
	p->live->wait.until = until;
	e->wake(e->arg, p, mono_before(until, look) ? until : look);
	return false;
}

bool plan_prefetched(struct plan *p, const struct base *b, int64_t slot, bool ok, int64_t us) {
	struct prefetch *f = p->live == NULL ? NULL : &p->live->prefetch;
	struct fetching *x = f == NULL || slot < 0 || (size_t)slot >= f->next ? NULL : &f->v[slot];
	if (x == NULL || x->base_id != b->row.id || x->state != FETCH_ASKED)
		return false;
	x->state = ok ? FETCH_THERE : FETCH_NOT;
	f->asked--;
	f->there += ok;
	f->not += !ok;
	if (us > f->slowest_us)
		f->slowest_us = us;
	return true;
}
