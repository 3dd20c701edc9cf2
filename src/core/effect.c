/* Effects: messages to bases that may only go out once the commit they hang on is in the ledger, and only while we still hold the lease. */
#include "core/conductor.h"

struct effect *effect_add(struct core *c, enum effect_kind kind, struct driver_link *k) {
	struct effect *x = arena_alloc(c->open->arena, sizeof *x);
	x->kind = kind;
	x->link = k;
	TAILQ_INSERT_TAIL(&c->open->effects, x, entry);
	if (k != NULL) {
		struct effect *before;
		HASH_REPLACE_PTR(c->open->latest, link, x, before);
	}
	if (kind != EFFECT_WELCOME && kind != EFFECT_REFUSE)
		c->open->urgent = true;
	return x;
}

struct effect *effect_latest(const struct core *c, const struct driver_link *k) {
	struct effect *x;
	HASH_FIND_PTR(c->open->latest, &k, x);
	return x;
}

void effects_move(struct bundle *from, struct bundle *to) {
	TAILQ_CONCAT(&to->effects, &from->effects, entry);
	to->latest = from->latest;
	from->latest = NULL;
}

/* The epoch is the one in force now: it was raised if the commit's answer was lost meanwhile. */
static void effect_run(struct core *c, const struct effect *x) {
	const struct driver_ops *d = c->env.driver->ops;
	Berth__V1__Welcome *w = x->message;
	Berth__V1__Command *cmd = x->message;
	switch (x->kind) {
	case EFFECT_WELCOME:
		w->epoch = c->epoch;
		d->welcome(x->link, w);
		return;
	case EFFECT_COMMAND:
		c->stats.commands++;
		cmd->epoch = c->epoch;
		d->command(x->link, cmd);
		return;
	case EFFECT_ACK:
		d->ack(x->link, x->seq);
		return;
	case EFFECT_REFUSE:
		d->refuse(x->link, x->code, x->detail, x->final);
		return;
	case EFFECT_PREFETCH:
		d->prefetch(x->link, x->message);
		return;
	case EFFECT_ASK:
		ask_send(c, x);
		return;
	}
}

/* A server that was frozen in the middle may find its lease over here, and good again at the next renewal: nobody took it. What it could
 * not send meanwhile would be missing on links that never broke. */
static void missed(struct core *c, const struct effect *x) {
	struct task *t = x->task_id == 0 || c->fleet == NULL ? NULL : fleet_task(c->fleet, x->task_id);
	if (t != NULL && t->ask == x->seq)
		t->ask = 0;
	c->missed = true;
}

/* A hook that was called off while its call waited for its commit: a beforeSwap that arrives now would overtake the afterSwap that takes
 * its instance into traffic again. Its base's agent keeps the order of its commands itself. */
static bool called_off(const struct core *c, const struct effect *x) {
	bool hook = x->kind == EFFECT_ASK && x->task_id != 0 && c->fleet != NULL;
	const struct task *t = hook ? fleet_task(c->fleet, x->task_id) : NULL;
	return hook && (t == NULL || t->row.state != TASK_SENT || t->ask != x->seq);
}

void effects_run(struct core *c, struct bundle *b) {
	struct effect *x;
	while ((x = TAILQ_FIRST(&b->effects)) != NULL) {
		TAILQ_REMOVE(&b->effects, x, entry);
		if (x->link == NULL && x->kind != EFFECT_ASK) /* what a plan could not ask it asks again */
			continue;
		if (called_off(c, x))
			continue;
		if (core_may_act(c))
			effect_run(c, x);
		else
			missed(c, x);
	}
}

void effects_make_up(struct core *c) {
	c->missed = false;
	c->env.driver->ops->rehello_all(c->env.driver);
}

static void forget_in(struct bundle *b, const struct driver_link *k) {
	struct effect *x;
	if (b == NULL)
		return;
	HASH_FIND_PTR(b->latest, &k, x);
	if (x != NULL)
		HASH_DEL(b->latest, x);
	TAILQ_FOREACH(x, &b->effects, entry)
		if (x->link == k)
			x->link = NULL;
}

void effects_forget_link(struct core *c, const struct driver_link *k) {
	forget_in(c->open, k);
	forget_in(c->flying, k);
}
