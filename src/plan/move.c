/* Moves: a new instance on another base first, then the old one goes. Two chains, because two bases are busy with it: MOVE on the new base
 * installs; LEAVE on the old one waits aside, keeps repair away, and is the slot that the batch counts. */
#include "plan/live.h"

static struct chain *find(struct plan *p, int64_t deployment_id, int64_t base_id) {
	struct slot_key key = { deployment_id, base_id };
	struct chain *c;
	HASH_FIND(hh, p->live->chains, &key, sizeof key, c);
	return c;
}

struct chain *move_leave(struct plan *p, const struct chain *c) {
	struct chain *leave = c->form == CHAIN_MOVE && c->from_base != 0 ? find(p, c->key.deployment_id, c->from_base) : NULL;
	return leave != NULL && leave->form == CHAIN_LEAVE ? leave : NULL;
}

int move_count(const struct plan *p, const struct deployment *d) {
	const struct chain *c, *next;
	int n = 0;
	if (p->live == NULL || p->live->n_aside == 0)
		return 0;
	HASH_ITER(hh, p->live->chains, c, next)
		n += c->form == CHAIN_LEAVE && c->key.deployment_id == d->row.id;
	return n;
}

static void pair(struct chain *c, struct instance *old) {
	struct plan *p = c->change->plan;
	struct chain *leave = chain_new(p, c->change, old->base, CHAIN_LEAVE, c->batch);
	c->form = CHAIN_MOVE;
	c->old_id = leave->old_id = old->row.id;
	c->from_base = old->row.base_id;
	chain_set_aside(p, leave, true);
}

bool chain_move(struct plan_env *e, struct change *ch, struct instance *old, struct revision *to, struct base *b, int64_t batch) {
	if (chain_find(ch->plan, ch->deployment, b) != NULL)
		return false;
	struct instance *i = slot_instance(e, ch, b, to, old->row.id);
	if (i == NULL)
		return false;
	struct chain *c = chain_new(ch->plan, ch, b, CHAIN_MOVE, batch);
	c->new_id = i->row.id;
	pair(c, old);
	instance_set_wanted(e->fleet, old, false);
	chain_commands(e, c); /* a partner on another base: that is how a load tells a move */
	return true;
}

/* After a load: an install that stands in for one that is still there is half of a move. */
void move_adopt(struct plan_env *e, struct chain *c) {
	const struct instance *i = fleet_instance(e->fleet, c->new_id);
	struct instance *old = i == NULL || i->row.replaces == 0 ? NULL : fleet_instance(e->fleet, i->row.replaces);
	if (old != NULL && !old->row.wanted && old->task == NULL && old->base != c->base &&
	    find(c->change->plan, c->key.deployment_id, old->row.base_id) == NULL)
		pair(c, old);
}

static void count_done(struct plan_env *e, struct plan *p, const struct chain *c) {
	struct batch *b = plan_batch(p, c->batch);
	if (c->ignored) {
		slot_recover(e, p, c->key);
	} else if (b != NULL) {
		b->row.done++;
		fleet_touch(e->fleet, &b->o);
	}
}

/* The new one is in: now the old one goes. What cannot be asked now is removed by repair when its base is back. */
static void leave_begin(struct plan_env *e, struct plan *p, struct chain *leave) {
	struct instance *old = fleet_instance(e->fleet, leave->old_id);
	leave->form = CHAIN_REMOVE;
	chain_set_aside(p, leave, leave->ignored);
	if (old == NULL || old->task != NULL || !base_reachable(old->base)) {
		count_done(e, p, leave);
		chain_free(p, leave);
		return;
	}
	chain_begin(e, leave);
}

/* The old one stays; neither its slot nor that other base is tried again by this plan, unless it says that a third one may be. */
static void move_failed(struct plan_env *e, struct plan *p, const struct chain *c, const struct chain *leave) {
	const struct instance *old = leave == NULL ? NULL : fleet_instance(e->fleet, leave->old_id);
	if (leave == NULL) {
		slot_fail(e, p, c->key, c->batch);
		return;
	}
	bool elsewhere = !leave->ignored && old != NULL && may_go_elsewhere(e, p, c->change, slot_goal(p, c->change, old), c->batch);
	slot_mark_failed(p, c->key, 0, true); /* of no batch: it counts for nothing, it only keeps others away from that base */
	if (elsewhere)
		live_todo_reset(p->live);
	else if (!leave->ignored)
		slot_fail(e, p, leave->key, leave->batch);
}

void move_end(struct plan_env *e, struct plan *p, struct chain *c) {
	struct chain *leave = move_leave(p, c);
	if (c->failed)
		move_failed(e, p, c, leave);
	else if (leave == NULL)
		count_done(e, p, c);
	else
		leave_begin(e, p, leave); /* not a LEAVE any more: it does not go with c */
	chain_free(p, c);
}
