/* Chains: the tasks that bring one slot about on one base. Begun by step.c, moved on by outcomes (outcome.c). */
#include "plan/live.h"
#include "proto/held.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct plan_live *live_get(struct plan *p) {
	if (p->live == NULL) {
		p->live = calloc(1, sizeof *p->live);
		if (p->live == NULL)
			abort();
		p->live->s = strategy_unset;
		p->live->todo_batch = -1;
		(void)memo_parse(p->row.options, &p->live->memo, NULL); /* unreadable: as if nobody had said anything yet */
	}
	return p->live;
}

void live_todo_reset(struct plan_live *l) {
	l->upgrades.n = l->upgrades.next = 0;
	l->removals.n = l->removals.next = 0;
	l->todo_batch = -1;
}

void todo_add(struct todo *t, int64_t id) {
	if (t->n == t->cap) {
		t->cap = t->cap == 0 ? 64 : t->cap * 2;
		t->ids = realloc(t->ids, t->cap * sizeof *t->ids);
		if (t->ids == NULL)
			abort();
	}
	t->ids[t->n++] = id;
}

bool plan_live_free(struct plan_live *l, size_t *objects) {
	struct chain *c, *tc;
	struct failed_slot *x, *tx;
	HASH_ITER(hh, l->chains, c, tc) {
		if (*objects == 0)
			return false;
		HASH_DEL(l->chains, c);
		free(c);
		--*objects;
	}
	HASH_ITER(hh, l->failed, x, tx) {
		if (*objects == 0)
			return false;
		HASH_DEL(l->failed, x);
		free(x);
		--*objects;
	}
	memo_deinit(&l->memo);
	free(l->prefetch.v);
	free(l->of);
	free(l->gates.probes);
	free(l->upgrades.ids);
	free(l->removals.ids);
	free(l);
	return true;
}

static struct slot_key key_of(const struct deployment *d, const struct base *b) {
	return (struct slot_key){ d->row.id, b->row.id };
}

struct chain *chain_find(const struct plan *p, const struct deployment *d, const struct base *b) {
	if (p == NULL || p->live == NULL || d == NULL) /* a finished plan may outlive its deployment */
		return NULL;
	struct slot_key key = key_of(d, b);
	struct chain *c;
	HASH_FIND(hh, p->live->chains, &key, sizeof key, c);
	return c;
}

struct chain *chain_of_task(struct plan *p, const struct task *t) {
	struct slot_key key = { t->row.deployment_id, t->row.base_id };
	struct chain *c = NULL;
	if (p->live != NULL)
		HASH_FIND(hh, p->live->chains, &key, sizeof key, c);
	return c;
}

bool plan_busy_on(const struct plan *p, const struct base *b) {
	const struct change *ch;
	if (p == NULL)
		return false;
	if (plan_evicts_now(p, b))
		return true;
	TAILQ_FOREACH(ch, &p->changes, link)
		if (chain_find(p, ch->deployment, b) != NULL)
			return true;
	return false;
}

bool chain_failed_before(const struct plan *p, const struct deployment *d, const struct base *b) {
	struct slot_key key = key_of(d, b);
	struct failed_slot *x = NULL;
	if (p->live != NULL)
		HASH_FIND(hh, p->live->failed, &key, sizeof key, x);
	return x != NULL;
}

struct chain *chain_new(struct plan *p, struct change *ch, struct base *b, enum chain_form form, int64_t batch) {
	struct plan_live *l = live_get(p);
	struct chain *c = calloc(1, sizeof *c);
	if (c == NULL)
		abort();
	c->key = key_of(ch->deployment, b);
	c->form = form;
	c->change = ch;
	c->base = b;
	c->batch = batch;
	HASH_ADD(hh, l->chains, key, sizeof c->key, c);
	return c;
}

void chain_set_aside(struct plan *p, struct chain *c, bool aside) {
	p->live->n_aside += (int)aside - (int)c->aside;
	c->aside = aside;
}

void chain_free(struct plan *p, struct chain *c) {
	struct chain *leave = move_leave(p, c);
	if (leave != NULL)
		chain_free(p, leave);
	chain_set_aside(p, c, false);
	HASH_DEL(p->live->chains, c);
	free(c);
}

/* Batches run one after the other: every open chain is of the running one. */
int plan_batch_chains(const struct plan *p) {
	return p->live == NULL ? 0 : (int)HASH_COUNT(p->live->chains) - p->live->n_aside;
}

struct batch *plan_batch(struct plan *p, int64_t number) {
	struct batch *b;
	TAILQ_FOREACH(b, &p->batches, link)
		if (b->row.number == number)
			return b;
	return NULL;
}

struct task *chain_task(struct plan_env *e, struct chain *c, struct instance *i, enum task_kind kind, int64_t partner) {
	struct plan *p = c->change->plan;
	const struct deployment *d = c->change->deployment;
	struct row_task row = {
		.change_no = c->change->row.number,
		.batch = c->batch,
		.kind = kind,
		.state = TASK_PENDING,
		.base_id = i->base->row.id,
		.deployment_id = d->row.id,
		.version_id = i->version->row.id,
		.instance_id = i->row.id,
		.partner_id = partner,
		.attempt = 1,
		.base = i->base->row.name,
		.deployment = d->row.name,
		.module = d->module->row.name,
		.version = i->version->row.name,
		.created_at = e->wall,
	};
	struct task *t = fleet_task_add(e->fleet, p, i, &row);
	c->open++;
	if (mono_before(e->mono, c->hold))
		task_hold(e, t, mono_diff(c->hold, e->mono));
	else
		e->task_ready(e->arg, t);
	return t;
}

/* One of that very version is still on its way out there: a base knows modules by name and version, so its removal would take the new one,
 * too. */
static bool twin_leaves(const struct base *b, const struct version *v, const struct instance *but) {
	const struct instance *i;
	TAILQ_FOREACH(i, &b->instances, base_link)
		if (i != but && i->version == v && !i->row.wanted)
			return true;
	return false;
}

struct instance *slot_instance(struct plan_env *e, struct change *ch, struct base *b, struct revision *to, int64_t replaces) {
	struct row_instance row = {
		.revision = to->row.number,
		.wanted = true,
		.state = INSTANCE_PENDING,
		.state_at = e->wall,
		.units = to->version->row.units,
		.replaces = replaces,
		.created_at = e->wall,
	};
	struct instance *i;
	bool twin = twin_leaves(b, to->version, NULL);
	live_get(ch->plan)->wait.others |= twin;
	if (twin || fleet_instance_add(e->fleet, b, ch->deployment, to->version, &row, &i, NULL) != 0)
		return NULL;
	return i;
}

bool chain_install(struct plan_env *e, struct change *ch, struct base *b, int64_t batch) {
	struct instance *i = slot_instance(e, ch, b, change_goal(ch), 0);
	if (i == NULL)
		return false;
	struct chain *c = chain_new(ch->plan, ch, b, CHAIN_INSTALL, batch);
	c->new_id = i->row.id;
	chain_task(e, c, i, TASK_KIND_INSTALL, 0);
	return true;
}

/* What a successor that was never sent stands on the units of: it is still there, and goes first. */
static struct instance *predecessor_of(const struct instance *i) {
	struct instance *x;
	TAILQ_FOREACH(x, &i->base->instances, base_link)
		if (i->row.generation == 0 && x != i && x->deployment == i->deployment && !x->row.wanted && x->row.generation != 0)
			return x;
	return NULL;
}

static void stand_on(struct plan_env *e, struct instance *i, struct instance *old) {
	int64_t lack = MUTANT(refund_early) ? old->row.units : i->version->row.units - i->row.units;
	instance_move_units(e->fleet, old, i, lack < old->row.units ? lack : old->row.units);
}

bool slot_can_succeed(const struct instance *old, const struct revision *to) {
	const struct instance *before = predecessor_of(old);
	int64_t slot = old->row.units + (before == NULL ? 0 : before->row.units);
	return to->version->row.units - slot <= base_free(old->base) && !twin_leaves(old->base, to->version, old);
}

/* In place the new instance stands on the old one's units: a base that is full, or over a limit lowered since, can still be upgraded. What
 * it does not need of them is free when the old one is gone. */
struct instance *slot_succeed(struct plan_env *e, struct instance *old, struct revision *to) {
	struct row_instance row = {
		.revision = to->row.number, .wanted = true, .state = INSTANCE_PENDING, .state_at = e->wall, .created_at = e->wall
	};
	struct instance *i, *before = predecessor_of(old);
	if (!slot_can_succeed(old, to))
		return NULL;
	instance_set_wanted(e->fleet, old, false);
	int r = fleet_instance_add(e->fleet, old->base, old->deployment, to->version, &row, &i, NULL);
	assert(r == 0);
	stand_on(e, i, old);
	if (before != NULL)
		stand_on(e, i, before);
	r = instance_set_units(e->fleet, i, to->version->row.units, NULL);
	assert(r == 0);
	return i;
}

static bool swap_in_place(struct plan_env *e, struct change *ch, struct instance *old, struct revision *to, int64_t batch) {
	struct instance *before = predecessor_of(old);
	struct instance *i = before != NULL && before->task != NULL ? NULL : slot_succeed(e, old, to);
	if (i == NULL) {
		bool busy = before != NULL && before->task != NULL, others = busy || twin_leaves(old->base, to->version, old);
		struct plan_wait *w = &live_get(ch->plan)->wait;
		w->others |= others;
		w->crowded = others ? w->crowded : old->row.id;
		return false;
	}
	if (before != NULL) {
		fleet_instance_remove(e->fleet, old);
		old = before;
	}
	bool heard = old->row.generation != 0;
	struct chain *c = chain_new(ch->plan, ch, old->base, heard ? CHAIN_IN_PLACE : CHAIN_INSTALL, batch);
	c->new_id = i->row.id;
	if (!heard) { /* its base never heard of the old one */
		fleet_instance_remove(e->fleet, old);
		chain_task(e, c, i, TASK_KIND_INSTALL, 0);
		return true;
	}
	c->old_id = old->row.id;
	chain_begin(e, c);
	return true;
}

bool chain_upgrade(struct plan_env *e, struct change *ch, struct instance *old, struct revision *to, bool install_first, int64_t batch) {
	if (!install_first)
		return swap_in_place(e, ch, old, to, batch);
	struct instance *i = slot_instance(e, ch, old->base, to, 0);
	if (i == NULL)
		return false;
	struct chain *c = chain_new(ch->plan, ch, old->base, CHAIN_INSTALL_FIRST, batch);
	c->old_id = old->row.id;
	c->new_id = i->row.id;
	instance_set_wanted(e->fleet, old, false);
	chain_begin(e, c);
	return true;
}

bool chain_remove(struct plan_env *e, struct change *ch, struct instance *old, int64_t batch) {
	struct chain *c = chain_new(ch->plan, ch, old->base, CHAIN_REMOVE, batch);
	c->old_id = old->row.id;
	instance_set_wanted(e->fleet, old, false);
	chain_begin(e, c);
	return true;
}

static void leaves(struct plan_env *e, struct instance *old) {
	if (old->row.state != INSTANCE_DRAINING) /* that one still answers whoever asks, until the command is sent */
		instance_set_state(e->fleet, old, INSTANCE_UNINSTALLING, NULL, e->wall);
}

void chain_commands(struct plan_env *e, struct chain *c) {
	struct instance *old = c->old_id == 0 ? NULL : fleet_instance(e->fleet, c->old_id);
	struct instance *fresh = c->new_id == 0 ? NULL : fleet_instance(e->fleet, c->new_id);
	bool goes = c->form == CHAIN_IN_PLACE || c->form == CHAIN_REMOVE;
	if (goes) {
		chain_task(e, c, old, TASK_KIND_UNINSTALL, fresh == NULL ? 0 : fresh->row.id);
		leaves(e, old);
	}
	if (fresh != NULL)
		chain_task(e, c, fresh, TASK_KIND_INSTALL, old == NULL ? 0 : old->row.id);
}

/* The old version's removal, after the new one is ready. */
static void chain_retire_old(struct plan_env *e, struct chain *c, struct instance *old) {
	instance_set_state(e->fleet, old, INSTANCE_UNINSTALLING, NULL, e->wall);
	chain_task(e, c, old, TASK_KIND_UNINSTALL, c->new_id);
}

struct chain *chain_adopt(struct plan_env *e, struct plan *p, struct change *ch, struct task *t) {
	struct chain *c = chain_of_task(p, t);
	struct instance *i = t->instance;
	bool hook = task_is_hook(t), install = t->row.kind == TASK_KIND_INSTALL || (hook && i->row.wanted);
	const struct instance *partner = t->row.partner_id == 0 ? NULL : fleet_instance(e->fleet, t->row.partner_id);
	bool elsewhere = partner != NULL && partner->base != i->base;
	if (c == NULL) {
		/* In place the old one's removal may be over already: then it must not be removed once more after its successor came. */
		bool removed = partner != NULL && partner->row.commanded == TASK_KIND_UNINSTALL && partner->row.state != INSTANCE_READY &&
		               partner->row.state != INSTANCE_DRAINING;
		enum chain_form beside = removed ? CHAIN_IN_PLACE : CHAIN_INSTALL_FIRST;
		enum chain_form form = install ? (t->row.partner_id != 0 && !elsewhere ? beside : CHAIN_INSTALL)
		                               : (t->row.partner_id != 0 ? CHAIN_IN_PLACE : CHAIN_REMOVE);
		c = chain_new(p, ch, i->base, form, t->row.batch);
	}
	int64_t *mine = install ? &c->new_id : &c->old_id, *other = install ? &c->old_id : &c->new_id;
	*mine = i->row.id;
	if (t->row.partner_id != 0 && !elsewhere)
		*other = t->row.partner_id;
	c->open++;
	c->after |= t->row.kind == TASK_KIND_AFTER_SWAP;
	chain_hold_again(e, c, t);
	if (c->form == CHAIN_INSTALL)
		move_adopt(e, c);
	return c;
}

void instance_seen_again(struct plan_env *e, struct instance *old) {
	if (old->row.state != INSTANCE_READY || old->row.reported == NULL)
		return;
	enum held_meaning m = held_meaning(old->row.reported);
	if (m == HELD_BESIDE)
		instance_set_state(e->fleet, old, INSTANCE_STANDBY, NULL, e->wall);
	else if (m == HELD_BROKEN || m == HELD_STOPPED)
		instance_set_state(e->fleet, old, INSTANCE_FAILED, "it broke while it was being swapped", e->wall);
}

/* What is known of an instance whose removal was called off. */
static void called_off(struct plan_env *e, struct instance *i) {
	bool up = i->base->row.state == BASE_READY, active = i->row.reported != NULL && strcmp(i->row.reported, "activated") == 0;
	instance_set_state(e->fleet, i, !up ? INSTANCE_UNKNOWN : active ? INSTANCE_READY : INSTANCE_MISSING, NULL, e->wall);
}

/* It goes on as it was, and takes traffic again. */
static void stays(struct plan_env *e, struct chain *c, struct instance *old) {
	called_off(e, old);
	if (c->out && old->row.wanted && old->row.state == INSTANCE_READY && old->task == NULL &&
	    hook_of(c->base->group, TASK_KIND_AFTER_SWAP) != NULL)
		e->into_traffic(e->arg, old);
	c->out = false;
}

/* It could not start, or could not take over, and its base holds it all the same: until it is removed it counts. Of the old one's own
 * version it is what the old one is put back over. */
static bool left_there(const struct instance *old, const struct instance *fresh) {
	bool same = fresh->base == old->base && fresh->version == old->version;
	return !same && fresh->row.generation != 0 && instance_reported(fresh);
}

void chain_give_back(struct plan_env *e, struct chain *c) {
	struct instance *old = c->old_id == 0 ? NULL : fleet_instance(e->fleet, c->old_id);
	struct instance *fresh = c->new_id == 0 ? NULL : fleet_instance(e->fleet, c->new_id);
	bool serves = fresh != NULL && fresh->row.state == INSTANCE_READY;
	bool back = c->form == CHAIN_MOVE && old != NULL && old->row.state == INSTANCE_READY; /* there is one to fall back on */
	if (old == NULL || c->form == CHAIN_REMOVE || (serves && !back))
		return; /* the new one serves: only the old one's removal failed, and repair goes on with that */
	bool wanted = fresh != NULL && fresh->row.wanted; /* a later plan may have taken the slot away */
	bool left = fresh != NULL && left_there(old, fresh);
	if (serves || left) /* it is not in traffic: the old one stays, and repair removes this one */
		instance_set_wanted(e->fleet, fresh, false);
	struct group *g = old->base->group;
	if (fresh != NULL && !serves && !left && fresh->task == NULL) {
		if (c->form == CHAIN_IN_PLACE)
			instance_move_units(e->fleet, fresh, old, fresh->row.units);
		fleet_instance_remove(e->fleet, fresh);
		c->new_id = 0;
	}
	if (c->form == CHAIN_IN_PLACE) /* beside what is left there only where both fit; else repair waits for that to go */
		(void)instance_set_units(e->fleet, old, old->version->row.units, NULL);
	instance_set_wanted(e->fleet, old, wanted);
	instance_seen_again(e, old);
	old->row.failures = 0; /* of its own install, when that was: it is put back at once */
	fleet_touch(e->fleet, &old->o);
	if (old->row.state == INSTANCE_DRAINING)
		stays(e, c, old);
	else if (c->form == CHAIN_IN_PLACE && !c->untouched)
		instance_set_state(e->fleet, old, INSTANCE_MISSING, "the new version failed; this one is put back", e->wall);
	e->freed(e->arg, g);
}

static void install_cancelled(struct plan_env *e, struct instance *fresh) {
	struct group *g = fresh->base->group;
	if (fresh->row.generation != 0) {
		instance_set_wanted(e->fleet, fresh, false); /* repair removes what may be left of it */
		return;
	}
	fleet_instance_remove(e->fleet, fresh);
	e->freed(e->arg, g);
}

/* It was moved: another one is wanted in its place already. */
static bool stands_in(const struct instance *old) {
	const struct instance *i;
	TAILQ_FOREACH(i, &old->deployment->instances, deployment_link)
		if (i->row.replaces == old->row.id && i->row.wanted)
			return true;
	return false;
}

void chain_take_back(struct plan_env *e, struct chain *c) {
	struct instance *old = c->old_id == 0 ? NULL : fleet_instance(e->fleet, c->old_id);
	struct instance *fresh = c->new_id == 0 ? NULL : fleet_instance(e->fleet, c->new_id);
	if (c->form == CHAIN_INSTALL && fresh != NULL)
		install_cancelled(e, fresh);
	else if (c->form == CHAIN_REMOVE && old != NULL && c->untouched && c->fault == FAULT_NONE) /* else repair goes on with it */
		instance_set_wanted(e->fleet, old, !stands_in(old));
	else
		chain_give_back(e, c);
	if (old != NULL && (old->row.state == INSTANCE_UNINSTALLING || old->row.state == INSTANCE_DRAINING))
		stays(e, c, old);
}

void chain_cancelled(struct plan_env *e, struct plan *p, struct chain *c) {
	chain_take_back(e, c);
	chain_free(p, c);
}

bool may_go_elsewhere(struct plan_env *e, struct plan *p, const struct change *ch, struct revision *to, int64_t batch) {
	const struct plan_live *l = p->live;
	const struct batch *b = plan_batch(p, batch);
	const struct failed_slot *x, *next;
	int64_t tried = 0, most = l->s.retries < 1 ? 1 : l->s.retries;
	if (l->s.retry_elsewhere != CHOICE_YES || b == NULL || word_terminal(WORD_PLAN, p->row.state) || to == NULL)
		return false;
	HASH_ITER(hh, l->failed, x, next)
		tried += x->batch == 0;
	return tried < most * b->row.size && room_for(e, p, ch, to, b, 0, &(struct place_cursor){ 0 }) != NULL;
}

/* What failed on this base counts for nothing yet: the slot is filled on another one. */
static bool goes_elsewhere(struct plan_env *e, struct plan *p, struct chain *c, struct instance *fresh) {
	char text[160];
	if (!c->failed || c->ignored || c->after || c->form != CHAIN_INSTALL || fresh == NULL ||
	    !may_go_elsewhere(e, p, c->change, change_goal(c->change), c->batch))
		return false;
	slot_mark_failed(p, c->key, 0, true);
	snprintf(text, sizeof text, "%s failed on %s; another base is tried", c->change->deployment->row.name, c->base->row.name);
	e->event(e->arg, "task.elsewhere", p, c->change->deployment, c->base, fresh->version, NULL, text);
	install_cancelled(e, fresh);
	return true;
}

void chain_end(struct plan_env *e, struct plan *p, struct chain *c) {
	struct batch *b = plan_batch(p, c->batch);
	struct instance *old = c->old_id == 0 ? NULL : fleet_instance(e->fleet, c->old_id);
	struct instance *fresh = c->new_id == 0 ? NULL : fleet_instance(e->fleet, c->new_id);
	if (c->failed && (fresh == NULL || fresh->row.state != INSTANCE_READY))
		together_failed(e, p, c);
	bool retire = !c->failed && c->form == CHAIN_INSTALL_FIRST && old != NULL && fresh != NULL && old->task == NULL;
	if (retire && old->row.state != INSTANCE_UNINSTALLING) {
		chain_retire_old(e, c, old);
		return;
	}
	if (!c->failed && chain_into_traffic(e, c))
		return;
	if (c->form == CHAIN_MOVE) {
		move_end(e, p, c);
		return;
	}
	if (c->ignored && !c->failed)
		slot_recover(e, p, c->key);
	else if (goes_elsewhere(e, p, c, fresh))
		live_todo_reset(p->live);
	else if (c->failed && !c->ignored)
		slot_fail(e, p, c->key, c->batch);
	else if (b != NULL && !c->failed) {
		b->row.done++;
		fleet_touch(e->fleet, &b->o);
	}
	chain_free(p, c);
}
