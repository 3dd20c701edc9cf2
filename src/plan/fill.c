/* Filling the running batch: which slots are next, and whether the windows (maxUnavailable, maxInFlight, room) let them begin. */
#include "plan/live.h"

#include <stdlib.h>
#include <string.h>

#include "base/arena.h"
#include "sched/place.h"
#include "sched/requires.h"

/* ---- who goes ---------------------------------------------------------------------------------------------------------------------------
 */
/* Those that require it stay where they are, or are about to come there: it cannot go without them. */
static bool needed_there(const struct instance *i) {
	return i->base->tenant->n_requiring > 0 && (requirer_of(i, NULL) != NULL || requirer_coming(i) != NULL);
}

struct victim {
	const struct instance *i;
	bool named, required, failing;
	int64_t load, version;
};

/* Named bases first, what others require last; then what is not ready, what is on the fullest base, the oldest version. */
static int cmp_victims(const void *pa, const void *pb) {
	const struct victim *a = pa, *b = pb;
	if (a->named != b->named)
		return b->named - a->named;
	if (a->required != b->required)
		return a->required - b->required;
	if (a->failing != b->failing)
		return b->failing - a->failing;
	if (a->load != b->load)
		return a->load > b->load ? -1 : 1;
	if (a->version != b->version)
		return a->version < b->version ? -1 : 1;
	return (a->i->row.id < b->i->row.id) - (a->i->row.id > b->i->row.id);
}

/* Of bases with different limits the fuller one is the one with less room. */
static int64_t load_of(const struct base *b) {
	return base_limit(b) <= 0 ? 0 : b->row.units_used * 1000 / base_limit(b);
}

static struct victim victim_of(const struct plan *p, const struct instance *i) {
	return (struct victim){ .i = i,
		.named = memo_names(&p->live->memo, i->row.base_id),
		.required = needed_there(i),
		.failing = i->row.state != INSTANCE_READY,
		.load = load_of(i->base),
		.version = i->version->row.id }; /* in the order in which they were registered */
}

static void list_victims(struct plan *p, const struct deployment *d, int64_t n, const struct batch *b) {
	struct victim *v = calloc((size_t)d->n_instances + 1, sizeof *v);
	const struct instance *i;
	size_t k = 0;
	if (v == NULL)
		abort();
	TAILQ_FOREACH(i, &d->instances, deployment_link)
		if (i->row.wanted && batch_takes(b, i->base))
			v[k++] = victim_of(p, i);
	qsort(v, k, sizeof *v, cmp_victims);
	for (size_t j = 0; j < k && (int64_t)j < n; j++)
		todo_add(&p->live->removals, v[j].i->row.id);
	free(v);
}

/* No walk is needed to find those that are. What is behind and goes away is not in the count. */
static bool nothing_behind(const struct plan_work *w) {
	return w->behind == 0 && w->target > 0;
}

/* From that place on those that are not ready come first; each kind stays in its order. */
static void ready_last(struct plan_env *e, struct todo *t, size_t first) {
	int64_t *ready = calloc(t->n - first + 1, sizeof *ready);
	size_t n = 0, at = first;
	if (ready == NULL)
		abort();
	for (size_t k = first; k < t->n; k++) {
		if (fleet_instance(e->fleet, t->ids[k])->row.state == INSTANCE_READY)
			ready[n++] = t->ids[k];
		else
			t->ids[at++] = t->ids[k];
	}
	memcpy(&t->ids[at], ready, n * sizeof *ready);
	free(ready);
}

/* What is left of one change now, not ready ones first; and who goes when there are too many. */
static void list_change(struct plan_env *e, struct plan *p, struct change *ch, const struct batch *b) {
	struct plan_live *l = p->live;
	struct plan_work w;
	struct instance *i;
	plan_work_left(p, ch, &w);
	if (w.in > 0 && (change_shrinks(ch) || !batch_labelled(b))) /* who goes is not a matter of labels */
		list_victims(p, ch->deployment, w.in, b);
	if (change_shrinks(ch) || nothing_behind(&w))
		return;
	size_t ready = 0, first = l->upgrades.n;
	TAILQ_FOREACH(i, &ch->deployment->instances, deployment_link)
		if (slot_left(p, ch, i) && batch_takes(b, i->base)) {
			todo_add(&l->upgrades, i->row.id);
			ready += i->row.state == INSTANCE_READY;
		}
	if (first + ready < l->upgrades.n)
		ready_last(e, &l->upgrades, first);
}

struct placed_todo {
	int64_t id, base_id;
	bool ready;
	size_t at;
};

static int cmp_placed(const void *pa, const void *pb) {
	const struct placed_todo *a = pa, *b = pb;
	if (a->ready != b->ready)
		return a->ready - b->ready;
	if (a->base_id != b->base_id)
		return a->base_id < b->base_id ? -1 : 1;
	return (a->at > b->at) - (a->at < b->at);
}

/* Of several changes, base by base: in the order of the changes, in which what is required comes first. */
static void order_by_base(struct plan_env *e, struct todo *t) {
	struct placed_todo *v = calloc(t->n + 1, sizeof *v);
	if (v == NULL)
		abort();
	for (size_t k = 0; k < t->n; k++) {
		const struct instance *i = fleet_instance(e->fleet, t->ids[k]);
		v[k] = (struct placed_todo){ t->ids[k], i->row.base_id, i->row.state == INSTANCE_READY, k };
	}
	qsort(v, t->n, sizeof *v, cmp_placed);
	for (size_t k = 0; k < t->n; k++)
		t->ids[k] = v[k].id;
	free(v);
}

/* Once per batch. */
static void list_work(struct plan_env *e, struct plan *p, const struct batch *b) {
	struct change *ch;
	live_todo_reset(p->live);
	p->live->todo_batch = b->row.number;
	TAILQ_FOREACH(ch, &p->changes, link)
		list_change(e, p, ch, b);
	if (!plan_keeps_revision(p) && TAILQ_NEXT(TAILQ_FIRST(&p->changes), link) != NULL)
		order_by_base(e, &p->live->upgrades);
}

bool base_reachable(const struct base *b) {
	return b->row.state == BASE_READY || b->row.state == BASE_RESTORING || b->row.state == BASE_JOINING;
}

static int64_t target_of(const struct plan *p, const struct change *ch) {
	const struct revision *r = plan_keeps_revision(p) || ch->row.accompanies ? ch->deployment->current : change_goal(ch);
	return r != NULL && r->row.replicas >= 0 ? r->row.replicas : ch->deployment->n_wanted;
}

static bool interrupts(struct plan *p, const struct change *ch, const struct instance *i, int64_t target) {
	if (i->row.state != INSTANCE_READY || MUTANT(interrupt_all))
		return true;
	int64_t least = amount_of(strategy_of(p, ch)->max_unavailable, target, ROUND_DOWN);
	if (least < 1)
		least = 1;
	return ch->deployment->n_serving - 1 >= target - least;
}

bool may_interrupt(struct plan *p, const struct change *ch, const struct instance *i) {
	return interrupts(p, ch, i, target_of(p, ch));
}

/* Can the new version be installed beside the old one, if there is room for both? */
static bool goes_beside(struct plan *p, const struct change *ch, const struct instance *old, const struct revision *to) {
	if (strategy_of(p, ch)->upgrade_policy == UPGRADE_POLICY_IN_PLACE || old->row.state != INSTANCE_READY)
		return false;
	if (requirers_break(old, to->version))
		return false; /* those that require the old one must be gone before the new one is the active one */
	return versions_side_by_side(old->version, to->version);
}

/* Both are held for a while then: room is asked for as for one more module. In place what goes makes room for what comes, so nothing is
 * asked: metaspace, too, is recorded per module, and one version of it is taken to need what another does. */
static bool room_beside(struct plan_env *e, const struct change *ch, const struct instance *old, const struct revision *to) {
	struct place_req r = { .group = ch->deployment->group,
		.deployment = ch->deployment,
		.module = ch->deployment->module,
		.version = to->version,
		.units = to->version->row.units,
		.old = old };
	return place_has_room(e->fleet, &r, old->base);
}

enum pick { PICK_DONE, PICK_NONE, PICK_HELD };

struct exclusion {
	struct plan *plan;
	struct deployment *deployment;
	const struct batch *batch; /* NULL: a move, which may go to any base */
};

static bool slot_failed(const struct base *b, void *arg) {
	const struct exclusion *x = arg;
	return chain_failed_before(x->plan, x->deployment, b) || slot_ignored(x->plan, x->deployment, b) ||
	       (x->batch != NULL && !batch_takes(x->batch, b));
}

struct base *room_for(struct plan_env *e, struct plan *p, const struct change *ch, const struct revision *to, const struct batch *batch,
    int64_t beside, struct place_cursor *cursor) {
	struct deployment *d = ch->deployment;
	struct exclusion x = { p, d, batch };
	struct place_req r = {
		.group = d->group,
		.deployment = d,
		.module = d->module,
		.version = to->version,
		.units = to->version->row.units + beside,
		.policy = strategy_of(p, ch)->placement,
		.excluded = slot_failed,
		.arg = &x,
	};
	return place_choose(e->fleet, &r, cursor);
}

void room_forget(struct plan_live *l) {
	memset(&l->room, 0, sizeof l->room);
}

/* The same, many times in a row. */
static struct base *room_next(
    struct plan_env *e, struct plan *p, const struct change *ch, const struct revision *to, const struct batch *batch) {
	struct plan_live *l = p->live;
	const struct deployment *d = ch->deployment;
	if (requires_any(to->version)) /* a base may be fit for it because of what came there, without more room */
		return room_for(e, p, ch, to, batch, 0, &(struct place_cursor){ 0 });
	if (l->room.deployment != d || l->room.batch != batch || l->room.grown != d->group->grown) {
		room_forget(l);
		l->room.deployment = d;
		l->room.batch = batch;
		l->room.grown = d->group->grown;
	}
	return room_for(e, p, ch, to, batch, 0, &l->room.at);
}

/* ---- changing or moving what is there -------------------------------------------------------------------------------------------------
 */
enum way { WAY_SWAP, WAY_MOVE, WAY_LEAVE };

/* Where every base has one there is no other base to go to: a drain takes it away, a replacement happens where it is. */
static enum way way_of(struct plan *p, const struct change *ch, const struct instance *i) {
	bool everywhere = ch->deployment->current != NULL && ch->deployment->current->row.replicas < 0;
	if (p->row.kind == PLAN_KIND_DRAIN)
		return everywhere ? WAY_LEAVE : WAY_MOVE;
	if (p->row.kind == PLAN_KIND_RESTART || everywhere)
		return WAY_SWAP;
	if (p->row.kind == PLAN_KIND_REPLACE)
		return WAY_MOVE;
	return strategy_of(p, ch)->upgrade_policy == UPGRADE_POLICY_SURGE && !needed_there(i) ? WAY_MOVE : WAY_SWAP;
}

/* Not this one in this plan: it went, is done, or cannot be asked now (repair brings it up to date when it is back; draining and replacing
 * need not ask it). */
static bool slot_moot(struct plan *p, const struct change *ch, const struct instance *i) {
	if (ch == NULL || !slot_left(p, ch, i) || chain_failed_before(p, ch->deployment, i->base) ||
	    slot_ignored(p, ch->deployment, i->base) ||
	    (!plan_keeps_revision(p) && needs(p, i->base, slot_goal(p, ch, i)->version) == NEED_FAILED))
		return true;
	bool asks = !plan_keeps_revision(p) || way_of(p, ch, i) == WAY_SWAP;
	return asks && !base_reachable(i->base);
}

static enum pick move_try(struct plan_env *e, struct plan *p, struct change *ch, struct instance *i, int64_t batch) {
	struct plan_live *l = p->live;
	struct deployment *d = ch->deployment;
	struct revision *to = slot_goal(p, ch, i);
	int64_t most = amount_of(strategy_of(p, ch)->max_surge, target_of(p, ch), ROUND_UP);
	if (l->wait.no_room && l->wait.room_id == d->row.id)
		return PICK_HELD;
	if (move_count(p, d) >= (most < 1 ? 1 : most)) { /* a move needs one more than wanted for a moment */
		l->wait.surge = true;
		return PICK_HELD;
	}
	struct base *b = room_next(e, p, ch, to, NULL);
	if (b != NULL)
		return chain_move(e, ch, i, to, b, batch) ? PICK_DONE : PICK_HELD;
	l->wait.no_room = true;
	l->wait.room_id = d->row.id;
	return PICK_HELD;
}

static enum pick removal_start(struct plan_env *e, struct plan *p, struct change *ch, struct instance *i, int64_t batch);

static enum pick swap_try(struct plan_env *e, struct plan *p, struct change *ch, struct instance *i, int64_t batch) {
	struct plan_live *l = p->live;
	struct revision *to = slot_goal(p, ch, i);
	ARENA_AUTO a = arena_new();
	if (plan_keeps_revision(p) && requirement_missed(i->base, to->version, a) != NULL) { /* it would not come back */
		l->wait.lacking = i->row.id;
		return PICK_HELD;
	}
	enum need need = plan_keeps_revision(p) ? NEED_MET : needs(p, i->base, to->version);
	if (need == NEED_ELSEWHERE && to->row.replicas >= 0 && !needed_there(i)) /* nobody brings there what it requires */
		return move_try(e, p, ch, i, batch);
	if (need == NEED_COMES)
		order_waits_for_needs(p, i->base, to->version);
	else if (need != NEED_MET)
		l->wait.lacking = i->row.id;
	if (need != NEED_MET)
		return PICK_HELD;
	bool beside = goes_beside(p, ch, i, to), first = beside && room_beside(e, ch, i, to);
	if (beside && !first && strategy_of(p, ch)->upgrade_policy == UPGRADE_POLICY_INSTALL_FIRST) {
		l->wait.crowded = i->row.id;
		return PICK_HELD;
	}
	if ((!first || hook_interrupts(i->base->group)) && !may_interrupt(p, ch, i)) {
		l->wait.unavailable = true;
		return PICK_HELD;
	}
	bool begun = first ? chain_upgrade(e, ch, i, to, true, batch) : together_begin(e, p, ch, i, to, batch);
	return begun ? PICK_DONE : PICK_HELD;
}

/* Its own chain is at work there, or what a repair or an earlier plan began. */
static bool slot_busy(struct plan *p, const struct change *ch, const struct instance *i) {
	bool ours = chain_find(p, ch->deployment, i->base) != NULL;
	p->live->wait.others |= i->task != NULL && !ours;
	return ours || i->task != NULL;
}

/* PICK_HELD: not yet, something under way or a window keeps it. */
static enum pick upgrade_try(struct plan_env *e, struct plan *p, struct change *ch, struct instance *i, int64_t batch) {
	if (slot_busy(p, ch, i))
		return PICK_HELD;
	switch (way_of(p, ch, i)) {
	case WAY_MOVE:
		return move_try(e, p, ch, i, batch);
	case WAY_LEAVE:
		if (interrupts(p, ch, i, ch->deployment->n_wanted))
			return removal_start(e, p, ch, i, batch);
		p->live->wait.unavailable = true;
		return PICK_HELD;
	case WAY_SWAP:
		break;
	}
	return swap_try(e, p, ch, i, batch);
}

/* Where so many in a row are held by max_unavailable alone, and chains are at work that will open it again, the others are not asked in
 * this step: of very many each event would look at all that still wait. */
#define HELD_IN_A_ROW 256

/* The same, and how many in a row the window held by now. */
static enum pick upgrade_try_counted(
    struct plan_env *e, struct plan *p, struct change *ch, struct instance *i, int64_t batch, int *in_a_row) {
	struct plan_wait *w = &p->live->wait;
	bool before = w->unavailable;
	w->unavailable = false;
	enum pick got = upgrade_try(e, p, ch, i, batch);
	*in_a_row = got == PICK_HELD && w->unavailable ? *in_a_row + 1 : 0;
	w->unavailable |= before;
	return got;
}

/* Held ones stay in the list, behind the cursor's place: they are asked again at the next step. */
static enum pick pick_upgrade(struct plan_env *e, struct plan *p, int64_t batch) {
	struct todo *t = &p->live->upgrades;
	bool held = false;
	int in_a_row = 0;
	for (size_t k = t->next; k < t->n; k++) {
		struct instance *i = fleet_instance(e->fleet, t->ids[k]);
		struct change *ch = i == NULL || i->deployment == NULL ? NULL : change_of(p, i->deployment);
		enum pick got = slot_moot(p, ch, i) ? PICK_NONE : upgrade_try_counted(e, p, ch, i, batch, &in_a_row);
		held |= got == PICK_HELD;
		if (in_a_row == HELD_IN_A_ROW && plan_batch_chains(p) > 0)
			return PICK_HELD;
		if (got == PICK_HELD)
			continue;
		t->ids[k] = t->ids[t->next];
		t->next++;
		if (got == PICK_DONE)
			return PICK_DONE;
	}
	return held ? PICK_HELD : PICK_NONE;
}

/* ---- new ones
 * ---------------------------------------------------------------------------------------------------------------------------- */
static bool complete(const struct plan *p, const struct change *ch) {
	const struct revision *to = change_goal(ch);
	return plan_keeps_revision(p) || ch->row.accompanies || change_shrinks(ch) ||
	       (to->row.replicas >= 0 && ch->deployment->n_wanted >= to->row.replicas);
}

static enum pick new_try(struct plan_env *e, struct plan *p, struct change *ch, int64_t batch) {
	struct plan_live *l = p->live;
	struct revision *to = change_goal(ch);
	if (complete(p, ch))
		return PICK_NONE;
	const struct batch *now = plan_batch(p, batch);
	int64_t beside = companions_units(p, ch);
	struct base *b = beside == 0 ? NULL : room_for(e, p, ch, to, now, beside, &(struct place_cursor){ 0 });
	if (b == NULL)
		b = room_next(e, p, ch, to, now);
	bool waits = b == NULL && to->row.replicas >= 0 && !batch_labelled(now);
	if (waits) {
		l->wait.no_room = true;
		l->wait.room_id = ch->deployment->row.id;
	}
	if (b == NULL)
		return waits ? PICK_HELD : PICK_NONE;
	return chain_install(e, ch, b, batch) ? PICK_DONE : PICK_HELD;
}

/* a has a smaller share of what it is to have than b: so the changes of a plan grow together. */
static bool further_back(const struct change *a, const struct change *b) {
	const struct revision *ra = change_goal(a), *rb = change_goal(b);
	int64_t ta = ra->row.replicas >= 0 ? ra->row.replicas : a->deployment->group->n_bases;
	int64_t tb = rb->row.replicas >= 0 ? rb->row.replicas : b->deployment->group->n_bases;
	return a->deployment->n_wanted * tb < b->deployment->n_wanted * ta;
}

static struct change *next_new(struct plan *p, const bool *tried) {
	struct change *ch, *best = NULL;
	TAILQ_FOREACH(ch, &p->changes, link)
		if (!tried[ch->row.number] && !complete(p, ch) && (best == NULL || further_back(ch, best)))
			best = ch;
	return best;
}

static enum pick pick_new(struct plan_env *e, struct plan *p, int64_t batch) {
	struct change *ch;
	bool held = false, tried[PLAN_MAX_CHANGES + 1] = { false };
	if (plan_keeps_revision(p))
		return PICK_NONE;
	while ((ch = next_new(p, tried)) != NULL) {
		enum pick got = new_try(e, p, ch, batch);
		tried[ch->row.number] = true;
		held |= got == PICK_HELD;
		if (got == PICK_DONE)
			return PICK_DONE;
	}
	return held ? PICK_HELD : PICK_NONE;
}

/* ---- those that go
 * ------------------------------------------------------------------------------------------------------------------------- */
/* What no base can be asked to remove is forgotten at once: it was never sent, or its base is gone for good. */
static bool vanish(struct plan_env *e, struct instance *i) {
	if (i->row.generation != 0 || i->task != NULL)
		return false;
	struct group *g = i->base->group;
	fleet_instance_remove(e->fleet, i);
	e->freed(e->arg, g);
	return true;
}

/* A victim whose base cannot be asked is removed when that comes back; its slot is done. */
static void removal_unreachable(struct plan_env *e, struct plan *p, struct instance *i, int64_t batch) {
	struct batch *b = plan_batch(p, batch);
	if (!vanish(e, i))
		instance_set_wanted(e->fleet, i, false);
	b->row.done++;
	fleet_touch(e->fleet, &b->o);
}

static enum pick removal_start(struct plan_env *e, struct plan *p, struct change *ch, struct instance *i, int64_t batch) {
	if (i->row.generation == 0 || !base_reachable(i->base))
		removal_unreachable(e, p, i, batch);
	else
		chain_remove(e, ch, i, batch);
	return PICK_DONE;
}

/* It goes after those that require it there, with this plan or another; one that is about to come is let come. */
static bool waits_for_requirers(struct plan *p, const struct instance *i) {
	const struct instance *by = requirer_of(i, NULL), *coming = requirer_coming(i);
	for (const struct instance *x = by; x != NULL; x = requirer_of(i, x))
		order_waits(p, x);
	if (coming != NULL)
		order_waits(p, coming);
	return by != NULL || coming != NULL;
}

static enum pick removal_try(struct plan_env *e, struct plan *p, struct change *ch, struct instance *i, int64_t batch) {
	bool away = !base_reachable(i->base) && chain_find(p, ch->deployment, i->base) == NULL; /* nobody waits for it */
	if (!away && slot_busy(p, ch, i))
		return PICK_HELD;
	if (!away && !p->live->memo.forced && waits_for_requirers(p, i))
		return PICK_HELD;
	if (!away && !change_shrinks(ch) && !may_interrupt(p, ch, i)) { /* too few answer as it is */
		p->live->wait.unavailable = true;
		return PICK_HELD;
	}
	return removal_start(e, p, ch, i, batch);
}

static enum pick pick_removal(struct plan_env *e, struct plan *p, int64_t batch) {
	struct todo *t = &p->live->removals;
	bool held = false;
	for (size_t k = t->next; k < t->n; k++) {
		struct instance *i = fleet_instance(e->fleet, t->ids[k]);
		struct change *ch = i == NULL || i->deployment == NULL ? NULL : change_of(p, i->deployment);
		bool moot = ch == NULL || !i->row.wanted || slot_ignored(p, ch->deployment, i->base);
		enum pick got = moot ? PICK_NONE : removal_try(e, p, ch, i, batch);
		held |= got == PICK_HELD;
		if (got == PICK_HELD)
			continue;
		t->ids[k] = t->ids[t->next];
		t->next++;
		if (got == PICK_DONE)
			return PICK_DONE;
	}
	return held ? PICK_HELD : PICK_NONE;
}

int64_t slots_late(struct plan_env *e, struct plan *p) {
	struct change *ch;
	const struct instance *i;
	int64_t n = 0;
	if (p->row.kind == PLAN_KIND_DRAIN) {
		TAILQ_FOREACH(ch, &p->changes, link)
			TAILQ_FOREACH(i, &ch->deployment->instances, deployment_link)
				n += !slot_moot(p, ch, i) && chain_find(p, ch->deployment, i->base) == NULL;
		return n;
	}
	if (plan_keeps_revision(p))
		return 0;
	TAILQ_FOREACH(ch, &p->changes, link) {
		const struct revision *to = ch->row.accompanies || change_shrinks(ch) ? NULL : change_goal(ch);
		if (to == NULL || to->row.replicas >= 0)
			continue;
		struct plan_work w;
		plan_work_left(p, ch, &w);
		if (!nothing_behind(&w))
			TAILQ_FOREACH(i, &ch->deployment->instances, deployment_link)
				n += !slot_moot(p, ch, i);
		n += room_next(e, p, ch, to, NULL) != NULL;
	}
	return n;
}

typedef enum pick (*picker)(struct plan_env *, struct plan *, int64_t);
static const picker pickers[] = { pick_removal, pick_upgrade, pick_new };

/* So many chains begin in one step: a batch of very many bases is filled over several turns, between which others are served. */
#define FILL_SLICE 128

int64_t batch_fill(struct plan_env *e, struct plan *p, struct batch *b) {
	struct plan_live *l = p->live;
	int begun = 0;
	int64_t left = b->row.size - b->row.done - b->row.failed - plan_batch_chains(p) + MUTANT(run_ahead);
	bool held = false;
	if (l->todo_batch != b->row.number)
		list_work(e, p, b);
	while (left > 0) {
		if (plan_batch_chains(p) >= l->s.max_in_flight && !MUTANT(crowd)) {
			l->wait.in_flight = true;
			return 0;
		}
		if (begun++ == FILL_SLICE) {
			e->wake(e->arg, p, e->mono);
			return 0;
		}
		enum pick got = PICK_NONE;
		for (size_t k = 0; k < sizeof pickers / sizeof *pickers && got != PICK_DONE; k++) {
			got = pickers[k](e, p, b->row.number);
			held |= got == PICK_HELD;
		}
		if (got != PICK_DONE)
			break;
		left = b->row.size - b->row.done - b->row.failed - plan_batch_chains(p);
	}
	l->wait.unplaced = left;
	return held ? 0 : left;
}
