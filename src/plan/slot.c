/* Slots that failed or are let be: what counts against the threshold, what a retry takes up again, what nobody waits for. */
#include "plan/live.h"

#include <stdio.h>
#include <stdlib.h>

#include "base/arena.h"

void plan_memo_store(struct plan_env *e, struct plan *p) {
	ARENA_AUTO a = arena_new();
	if (text_set(&p->row.options, memo_print(&live_get(p)->memo, a)))
		fleet_touch(e->fleet, &p->o);
}

const struct plan_memo *plan_memo(struct plan *p) {
	return &live_get(p)->memo;
}

bool slot_ignored(const struct plan *p, const struct deployment *d, const struct base *b) {
	return p->live != NULL && p->live->memo.n_marks > 0 && memo_ignores(&p->live->memo, d->row.id, b->row.id);
}

int64_t plan_failures(const struct plan *p) {
	int64_t n = 0;
	const struct batch *b;
	TAILQ_FOREACH(b, &p->batches, link)
		n += b->row.failed;
	return n;
}

/* ---- failed ------------------------------------------------------------------------------------------------------------------------ */
struct failed_slot *slot_mark_failed(struct plan *p, struct slot_key key, int64_t batch, bool tolerated) {
	struct plan_live *l = live_get(p);
	struct failed_slot *x;
	HASH_FIND(hh, l->failed, &key, sizeof key, x);
	if (x == NULL) {
		x = calloc(1, sizeof *x);
		if (x == NULL)
			abort();
		x->key = key;
		HASH_ADD(hh, l->failed, key, sizeof x->key, x);
	}
	x->batch = batch;
	x->tolerated = tolerated;
	return x;
}

static void batch_count(struct plan_env *e, struct plan *p, int64_t number, int failed, int done) {
	struct batch *b = plan_batch(p, number);
	if (b == NULL)
		return;
	b->row.failed += failed;
	b->row.done += done;
	fleet_touch(e->fleet, &b->o);
}

/* One of no batch counts for nothing. */
static void tolerate(struct plan *p, struct failed_slot *x, bool on) {
	if (x->batch == 0)
		return;
	if (x->tolerated != on)
		live_get(p)->memo.tolerated += on ? 1 : -1;
	x->tolerated = on;
}

void slot_fail(struct plan_env *e, struct plan *p, struct slot_key key, int64_t batch) {
	struct failed_slot *x = slot_mark_failed(p, key, batch, false);
	batch_count(e, p, batch, 1, 0);
	if (!memo_ignores(&p->live->memo, key.deployment_id, key.base_id))
		return;
	tolerate(p, x, true);
	plan_memo_store(e, p);
}

static void slot_forget(struct plan *p, struct failed_slot *x) {
	HASH_DEL(p->live->failed, x);
	room_forget(p->live); /* its base may be asked again */
	free(x);
}

void slot_recover(struct plan_env *e, struct plan *p, struct slot_key key) {
	struct failed_slot *x;
	HASH_FIND(hh, live_get(p)->failed, &key, sizeof key, x);
	if (x == NULL)
		return;
	batch_count(e, p, x->batch, -1, 1);
	tolerate(p, x, false);
	slot_forget(p, x);
	plan_memo_store(e, p);
}

static int64_t last_task(const struct plan *p) {
	int64_t id = 0;
	const struct task *t;
	TAILQ_FOREACH(t, &p->tasks, plan_link)
		if (t->row.id > id)
			id = t->row.id;
	return id;
}

void plan_tolerate(struct plan_env *e, struct plan *p) {
	struct plan_live *l = live_get(p);
	struct failed_slot *x, *tx;
	HASH_ITER(hh, l->failed, x, tx)
		x->tolerated = true;
	l->memo.tolerated = plan_failures(p);
	l->memo.accepted = last_task(p);
	l->memo.halt = HALT_NONE;
	plan_memo_store(e, p);
}

/* ---- what a verb is about ------------------------------------------------------------------------------------------------------------ */
static const struct task *scope_task(const struct plan *p, const struct plan_scope *s) {
	const struct task *t;
	TAILQ_FOREACH(t, &p->tasks, plan_link)
		if (t->row.id == s->task)
			return t;
	return NULL;
}

static bool in_scope(const struct plan *p, const struct plan_scope *s, struct slot_key key, int64_t batch) {
	const struct task *t = s->task == 0 ? NULL : scope_task(p, s);
	if (s->task != 0 && (t == NULL || t->row.base_id != key.base_id || t->row.deployment_id != key.deployment_id))
		return false;
	return (s->base == NULL || s->base->row.id == key.base_id) && (s->batch == 0 || s->batch == batch);
}

int plan_failed_count(const struct plan *p, const struct plan_scope *s) {
	int n = 0;
	struct failed_slot *x, *tx;
	if (p->live == NULL)
		return 0;
	HASH_ITER(hh, p->live->failed, x, tx)
		n += in_scope(p, s, x->key, x->batch);
	return n;
}

/* ---- retry --------------------------------------------------------------------------------------------------------------------------- */
/* This plan makes a new one where one is missing. */
static bool places_anew(const struct plan *p, const struct change *ch) {
	return !plan_keeps_revision(p) && !ch->row.accompanies && !change_shrinks(ch);
}

/* What failed there makes room for the next try, for which any base will do. What the plan has yet to exchange or to move stays; so does
 * what it would make no other one of: that is put back, by repair. */
static void failed_again(struct plan_env *e, struct plan *p, const struct change *ch, struct instance *i) {
	if (slot_left(p, ch, i))
		return;
	if (!places_anew(p, ch)) {
		i->row.failures = 0;
		instance_set_state(e->fleet, i, INSTANCE_MISSING, "its base is tried again", e->wall);
	} else if (instance_reported(i)) {
		instance_set_wanted(e->fleet, i, false); /* by repair */
	} else {
		fleet_instance_remove(e->fleet, i);
	}
}

static void slot_again(struct plan_env *e, struct plan *p, struct slot_key key) {
	struct deployment *d = fleet_deployment_by_id(e->fleet, key.deployment_id);
	struct base *b = fleet_base_by_id(e->fleet, key.base_id);
	const struct change *ch = d == NULL ? NULL : change_of(p, d);
	struct instance *i = b == NULL || ch == NULL ? NULL : TAILQ_FIRST(&b->instances), *next;
	for (; i != NULL; i = next) {
		next = TAILQ_NEXT(i, base_link);
		if (i->deployment == d && i->row.wanted && i->row.state == INSTANCE_FAILED && i->task == NULL)
			failed_again(e, p, ch, i);
	}
}

static void batch_reopen(struct plan_env *e, struct plan *p, int64_t number) {
	struct batch *b = plan_batch(p, number);
	if (b == NULL || b->row.state != BATCH_FAILED)
		return;
	batch_set_state(e->fleet, b, BATCH_RUNNING, e->wall);
	if (number < p->row.current_batch)
		p->row.current_batch = number;
	fleet_touch(e->fleet, &p->o);
}

static bool named_scope(const struct plan_scope *s) {
	return s->base != NULL || s->task != 0;
}

static bool whole_scope(const struct plan_scope *s) {
	return !named_scope(s) && s->batch == 0;
}

/* Named ones also when they were let be; "all that failed" leaves those alone. */
static bool taken_up(const struct plan *p, const struct plan_scope *s, const struct failed_slot *x) {
	return in_scope(p, s, x->key, x->batch) && (named_scope(s) || !memo_ignores(&p->live->memo, x->key.deployment_id, x->key.base_id));
}

/* A chain that was let be and is still at work is waited for again. */
static void mark_clear(struct plan *p, struct slot_key key, int64_t until) {
	struct plan_memo *m = &p->live->memo;
	struct memo_mark *wide = memo_find(m, 0, key.base_id), *x;
	struct chain *c;
	if (wide != NULL)
		wide->ignored = wide->counted = false;
	x = memo_mark(m, key.deployment_id, key.base_id, NULL);
	if (x != NULL) {
		x->ignored = x->counted = false;
		x->forgiven = until;
	}
	HASH_FIND(hh, p->live->chains, &key, sizeof key, c);
	if (c == NULL || !c->ignored)
		return;
	c->ignored = false;
	chain_set_aside(p, c, false);
}

bool plan_retry(struct plan_env *e, struct plan *p, const struct plan_scope *s) {
	if (word_terminal(WORD_PLAN, p->row.state) || p->live == NULL)
		return false;
	struct plan_live *l = p->live;
	struct failed_slot *x, *tx;
	int64_t until = last_task(p);
	HASH_ITER(hh, l->failed, x, tx) {
		if (!taken_up(p, s, x))
			continue;
		slot_again(e, p, x->key);
		batch_count(e, p, x->batch, -1, 0);
		batch_reopen(e, p, x->batch);
		tolerate(p, x, false);
		if (!whole_scope(s))
			mark_clear(p, x->key, until);
		hook_retry(e, p, x->key, x->batch);
		slot_forget(p, x);
	}
	if (whole_scope(s))
		l->memo.forgiven = until;
	live_todo_reset(l);
	plan_memo_store(e, p);
	plan_announce(e, "plan.retried", p, "failed bases are tried again");
	if (p->row.state == PLAN_PAUSED)
		return plan_resume(e, p);
	plan_step(e, p);
	return true;
}

/* ---- ignore -------------------------------------------------------------------------------------------------------------------------- */
/* What was not sent is taken back; what the base was told ends there, and nobody waits for it. */
static void chain_ignore(struct plan_env *e, struct plan *p, struct chain *c) {
	struct chain *slot = move_leave(p, c);
	struct slot_key key = c->key;
	struct task *t;
	if (slot == NULL)
		slot = c;
	if (!slot->ignored)
		slot_fail(e, p, slot->key, slot->batch);
	slot->ignored = c->ignored = true;
	chain_set_aside(p, slot, true);
	chain_set_aside(p, c, true);
	TAILQ_FOREACH(t, &p->tasks, plan_link)
		if (t->row.base_id == key.base_id && t->row.deployment_id == key.deployment_id &&
		    (t->row.state == TASK_PENDING || t->row.state == TASK_BACKOFF))
			task_cancel(e, p, t);
}

static bool mark_ignored(struct plan *p, const struct deployment *d, const struct base *b, const char *reason, const char *actor) {
	struct memo_mark *x = memo_mark(&live_get(p)->memo, d == NULL ? 0 : d->row.id, b->row.id, b->row.name);
	if (x == NULL)
		return false;
	x->ignored = true;
	text_set(&x->base, b->row.name);
	text_set(&x->reason, reason);
	text_set(&x->actor, actor);
	return true;
}

static void slots_ignore(struct plan_env *e, struct plan *p, const struct deployment *only, const struct base *b) {
	struct plan_live *l = p->live;
	struct memo_mark *mark = memo_find(&l->memo, only == NULL ? 0 : only->row.id, b->row.id);
	struct failed_slot *x, *tx;
	struct change *ch;
	TAILQ_FOREACH(ch, &p->changes, link) {
		struct chain *c = only != NULL && ch->deployment != only ? NULL : chain_find(p, ch->deployment, b);
		if (c != NULL && !c->ignored)
			chain_ignore(e, p, c);
	}
	HASH_ITER(hh, l->failed, x, tx) {
		if (x->key.base_id != b->row.id || (only != NULL && x->key.deployment_id != only->row.id))
			continue;
		tolerate(p, x, true);
		mark->counted = true;
	}
}

/* Nothing else holds it: it goes on without anybody saying so. */
static bool freed_by_ignore(struct plan *p) {
	if (p->row.state != PLAN_PAUSED)
		return false;
	return (p->live->memo.halt == HALT_FAILURES && !plan_over_threshold(p)) ||
	       (p->live->memo.halt == HALT_STALLED && plan_batch_chains(p) == 0);
}

bool plan_ignore(struct plan_env *e, struct plan *p, const struct plan_scope *s, const char *reason, const char *actor) {
	const struct task *t = s->task == 0 ? NULL : scope_task(p, s);
	const struct base *b = t != NULL ? t->base : s->base;
	const struct deployment *only = t == NULL ? NULL : fleet_deployment_by_id(e->fleet, t->row.deployment_id);
	bool begun = !word_terminal(WORD_PLAN, p->row.state) && p->row.state != PLAN_QUEUED;
	char text[256];
	if (b == NULL || !begun || !mark_ignored(p, only, b, reason, actor))
		return false;
	slots_ignore(e, p, only, b);
	live_todo_reset(p->live);
	plan_memo_store(e, p);
	snprintf(
	    text, sizeof text, "%s%s%s is let be: %s", only == NULL ? "" : only->row.name, only == NULL ? "" : " on ", b->row.name, reason);
	e->event(e->arg, "plan.ignored", p, only, b, NULL, t, text);
	if (freed_by_ignore(p))
		return plan_resume(e, p);
	plan_step(e, p);
	return true;
}
