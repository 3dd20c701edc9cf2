/* Who is active. The lease row holds a counter; nobody compares clocks of two machines (design section 5, rule 3): a standby takes over
 * when the counter did not change for lease_us of its own monotonic time; the holder renews every renew_us and stops acting stop_us after
 * it sent its last good renewal. */
#include "core/conductor.h"

#include <stdio.h>
#include <string.h>

#define WATCH_US (500 * US_PER_MS)
#define RETRY_US (500 * US_PER_MS)

bool core_may_act(const struct core *c) {
	return c->lease.held && (mono_before(clock_mono(&c->env.clock), c->lease.valid_until) || MUTANT(act_late));
}

static void lease_me(const struct core *c, struct lease_view *v) {
	*v = (struct lease_view){ 0 };
	snprintf(v->holder, sizeof v->holder, "%s", c->cfg.node);
	snprintf(v->rest, sizeof v->rest, "%s", c->cfg.rest == NULL ? "" : c->cfg.rest);
	snprintf(v->rpc, sizeof v->rpc, "%s", c->cfg.rpc == NULL ? "" : c->cfg.rpc);
}

static void lease_begin(struct core *c) {
	c->lease.busy = true;
	c->lease.sent = clock_mono(&c->env.clock);
}

static mono_t lease_end(struct core *c, int64_t again_us) {
	mono_t now = clock_mono(&c->env.clock);
	c->lease.busy = false;
	c->lease.next = mono_add(now, again_us);
	core_wake(c); /* the deadline has moved */
	return now;
}

static void lease_good(struct core *c) {
	c->lease.held = true;
	c->lease.valid_until = mono_add(c->lease.sent, c->cfg.stop_us);
	c->lease.next = mono_add(c->lease.sent, c->cfg.renew_us);
}

static void taken(void *arg, const struct lease_view *v, const struct err *err) {
	struct core *c = arg;
	if (c->ended)
		return;
	lease_end(c, WATCH_US);
	if (err != NULL) {
		if (err->code != E_FENCED && err->code != E_CONFLICT)
			core_set_mode(c, c->mode == CORE_STANDBY ? CORE_STANDBY : CORE_STARTING, err->text);
	} else {
		c->lease.seen = *v;
		lease_good(c);
		if (c->loading == NULL && !c->load_again)
			core_load(c);
	}
	core_wake(c);
}

/* Our own earlier process is dead for certain: its data directory's lock is ours. Another's lease must run out. */
static bool may_take(const struct core *c, const struct lease_view *v, mono_t now) {
	return v->holder[0] == '\0' || strcmp(v->holder, c->cfg.node) == 0 || mono_diff(now, c->lease.seen_changed) >= c->cfg.lease_us;
}

static void looked(void *arg, const struct lease_view *v, const struct err *err) {
	struct core *c = arg;
	if (c->ended)
		return;
	mono_t now = lease_end(c, WATCH_US);
	if (err != NULL) {
		core_set_mode(c, CORE_STARTING, err->text);
		return;
	}
	struct lease *l = &c->lease;
	bool changed = l->seen_read.us == 0 || v->counter != l->seen.counter || strcmp(v->holder, l->seen.holder) != 0;
	l->seen = *v;
	l->seen_read = now;
	if (changed)
		l->seen_changed = now;
	if (c->stopped != NULL || c->loading != NULL)
		return;
	if (may_take(c, v, now)) {
		struct lease_view me;
		lease_me(c, &me);
		lease_begin(c);
		c->env.ledger->ops->lease_take(c->env.ledger, v->counter, &me, taken, c);
		return;
	}
	core_set_mode(c, CORE_STANDBY, "");
}

static void renewed(void *arg, const struct lease_view *v, const struct err *err) {
	struct core *c = arg;
	if (c->ended)
		return;
	lease_end(c, RETRY_US);
	if (!c->lease.held)
		return;
	if (err == NULL) {
		c->lease.seen = *v;
		lease_good(c);
		if (!core_may_act(c)) /* the answer came too late: somebody else may have taken it since */
			return;
		if (c->mode == CORE_AWAY && !c->recovering)
			core_set_mode(c, CORE_ACTIVE, "");
		if (c->missed && c->mode == CORE_ACTIVE)
			effects_make_up(c);
		if (c->mode == CORE_ACTIVE || c->mode == CORE_STOPPING)
			c->env.driver->ops->tick_all(c->env.driver, c->epoch, c->committed_event);
	} else if (err->code == E_FENCED || err->code == E_CONFLICT) {
		log_warn("lease lost", log_e(err));
		lease_give_up(c);
	} else if (c->mode == CORE_ACTIVE || c->mode == CORE_AWAY) {
		core_set_mode(c, CORE_AWAY, err->text); /* people read the newest reason */
	}
	core_wake(c);
}

void lease_start(struct core *c) {
	c->lease.next = clock_mono(&c->env.clock);
}

void lease_tick(struct core *c) {
	mono_t now = clock_mono(&c->env.clock);
	struct lease *l = &c->lease;
	if (l->held && !mono_before(now, l->valid_until) && c->mode == CORE_ACTIVE)
		core_set_mode(c, CORE_AWAY, "the lease could not be renewed in time");
	if (l->busy || l->releasing || mono_before(now, l->next))
		return;
	struct lease_view me;
	lease_me(c, &me);
	lease_begin(c);
	if (l->held)
		c->env.ledger->ops->lease_renew(c->env.ledger, &me, renewed, c);
	else
		c->env.ledger->ops->lease_read(c->env.ledger, looked, c);
}

mono_t lease_deadline(const struct core *c) {
	return c->lease.busy || c->lease.releasing ? MONO_NEVER : c->lease.next;
}

void lease_give_up(struct core *c) {
	struct err err = ERR_INIT;
	err_set(&err, E_UNAVAILABLE,
	    "this server is not the active one any more; it may or may not have been done: ask again with the same Idempotency-Key");
	c->lease.held = c->load_again = false;
	c->lease.seen_read = (mono_t){ 0 };
	c->lease.next = mono_add(clock_mono(&c->env.clock), WATCH_US);
	c->serial = 0;
	core_set_mode(c, CORE_STARTING, ""); /* whether another one is active is known after the next look; agents stay until then */
	commit_drop(c, &err, false);
	core_refuse_waiting(c);
	core_bury_fleet(c, c->fleet);
	c->fleet = NULL;
	agenda_clear(&c->agenda);
	links_clear(c);
	series_forget(c, NULL);
	c->older = false;
	TAILQ_INIT(&c->ready);
	slots_clear(&c->slots);
	TAILQ_INIT(&c->to_command);
	c->due_plans.next = c->due_plans.n = 0;
	core_wake(c);
}

void lease_hand_over(struct core *c, ledger_done done, void *arg) {
	struct lease_view me;
	lease_me(c, &me);
	c->lease.releasing = true;
	c->env.ledger->ops->lease_release(c->env.ledger, &me, done, arg);
	c->lease.held = c->load_again = false;
}
