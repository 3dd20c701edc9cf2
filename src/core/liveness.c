/* Silent, lost, replaced, forgotten: what the absence of a sign means, and when. Measured on the monotonic clock from the last sign. */
#include "core/conductor.h"

#define DISCONNECT_GRACE_US (2 * US_PER_S)

void base_heard(struct core *c, struct base *b) {
	b->seen = c->mono;
	b->heard = c->wall;
}

static void check_again(struct core *c, struct base *b, int64_t age, int64_t at) {
	int64_t us = at - age;
	if (!b->connected && b->lost_since.us != 0 && b->row.state != BASE_SILENT) {
		int64_t grace = DISCONNECT_GRACE_US - mono_diff(c->mono, b->lost_since);
		us = grace > 0 && grace < us ? grace : us;
	}
	base_look(c, b, mono_add(c->mono, us < US_PER_MS ? US_PER_MS : us));
}

/* One entry of the agenda counts per base, the earliest; others are what was overtaken by it. However often a base comes and goes, there
 * are no more of them than it has deadlines. */
void base_look(struct core *c, struct base *b, mono_t at) {
	if (b->look_at.us != 0 && !mono_before(at, b->look_at))
		return;
	b->look_at = at;
	agenda_add(&c->agenda, at, AGENDA_BASE, b->row.id);
}

/* What counts is what is heard: a link that leads nowhere may stand for long, and nobody tells either end. Why a base without an agent is
 * not reached is known already, see core_base_unreached(). */
static const char *unheard(const struct base *b, const char *otherwise) {
	if (b->connected)
		return "nothing heard from it, though its connection stands";
	return b->row.arklet_url != NULL && !text_same(b->row.state_reason, NULL) ? b->row.state_reason : otherwise;
}

static void goes_silent(struct core *c, struct base *b, const char *why) {
	struct event_facts f = { .kind = "base.silent", .base = b };
	base_set_state(c->fleet, b, BASE_SILENT, why, c->wall);
	instances_lose_sight(c, b, INSTANCE_UNKNOWN, "its base is silent");
	core_event(c, &f, "base %s is silent: %s", b->row.name, why);
	brake_base_gone(c, b);
}

/* What a plan that ended, or a repair, was about to tell a base that is lost begins anew when it is back. What it was told stays open: it
 * may be doing it, out of our sight. */
static void tasks_give_up(struct core *c, struct base *b) {
	struct instance *i;
	TAILQ_FOREACH(i, &b->instances, base_link) {
		struct task *t = i->task;
		if (i->deployment != NULL && i->deployment->plan != NULL) /* it may have waited for what was at work there */
			plan_due(c, i->deployment->plan->row.id);
		if (t == NULL || t->row.state == TASK_SENT)
			continue;
		t->row.fault = FAULT_BASE;
		t->row.ended_at = c->wall;
		text_set(&t->row.cause, "its base was lost");
		task_set_state(c->fleet, t, TASK_CANCELLED, c->wall);
		instance_set_state(c->fleet, i, INSTANCE_UNKNOWN, "its base is lost", c->wall);
	}
}

static void goes_lost(struct core *c, struct base *b) {
	struct event_facts f = { .kind = "base.lost", .base = b };
	base_set_state(c->fleet, b, BASE_LOST, unheard(b, "nothing heard from it"), c->wall);
	instances_lose_sight(c, b, INSTANCE_UNKNOWN, "its base is lost");
	core_event(c, &f, "base %s is lost", b->row.name);
}

static bool held_up(const struct core *c, const struct base *b) {
	return (brake_holds(b) && !MUTANT(no_brake)) || brake_excused(c, b);
}

/* What plans have under way there goes elsewhere; done again, it finds nothing left. */
static void plans_give_up(struct core *c, struct base *b) {
	for (struct plan *p = fleet_plans(c->fleet); p != NULL; p = p->hh_id.next) {
		if (!plan_busy_on(p, b)) /* one that ended may be, too */
			continue;
		plan_base_lost(&c->plans, p, b);
		plan_due(c, p->row.id);
	}
	tasks_give_up(c, b);
}

static bool gone_state(const struct base *b) {
	return b->row.state == BASE_LOST || b->row.state == BASE_STOPPED;
}

/* What every base is to have needs no other place: it goes with the base. */
static void forget_peers(struct core *c, struct base *b) {
	struct instance *i, *next;
	for (i = TAILQ_FIRST(&b->instances); i != NULL; i = next) {
		next = TAILQ_NEXT(i, base_link);
		struct deployment *d = i->deployment;
		bool peer = d != NULL && d->current != NULL && d->current->row.replicas < 0;
		if (i->task != NULL || !(peer || !i->row.wanted))
			continue;
		fleet_instance_remove(c->fleet, i);
		if (d != NULL)
			deployment_refresh(c, d);
	}
}

static void check_gone(struct core *c, struct base *b, int64_t age) {
	int64_t replace = c->cfg.lost_us + c->cfg.replace_us;
	if (held_up(c, b)) /* looked at again when the brake is lifted, the absence over, or it is time to forget */
		return;
	if (b->row.state == BASE_LOST)
		plans_give_up(c, b);
	if (age < replace) {
		check_again(c, b, age, replace);
		return;
	}
	replace_lost(c, b);
	brake_base_settled(c, b);
	if (age >= c->cfg.forget_us)
		forget_peers(c, b);
	if (age >= c->cfg.forget_us && b->n_instances == 0)
		(void)change_forget(c, &c->who, b, NULL);
	else if (age < c->cfg.forget_us)
		check_again(c, b, age, c->cfg.forget_us);
}

static void base_check(struct core *c, struct base *b) {
	brake_absence_check(c, b);
	int64_t age = mono_diff(c->mono, b->seen);
	bool silent_already = b->row.state == BASE_SILENT;
	if (gone_state(b)) {
		if (!b->connected || age >= c->cfg.lost_us) /* a link that only seems to stand keeps nothing from being replaced */
			check_gone(c, b, age);
		return;
	}
	if (age >= c->cfg.lost_us) {
		if (!silent_already)
			goes_silent(c, b, unheard(b, "nothing heard from it"));
		goes_lost(c, b);
		check_gone(c, b, age);
	} else if (!silent_already && age >= c->cfg.silent_us) {
		goes_silent(c, b, unheard(b, "nothing heard from it"));
		check_again(c, b, age, c->cfg.lost_us);
	} else if (!silent_already && !b->connected && b->lost_since.us != 0 && mono_diff(c->mono, b->lost_since) >= DISCONNECT_GRACE_US) {
		goes_silent(c, b, unheard(b, "its connection ended"));
		check_again(c, b, age, c->cfg.lost_us);
	} else {
		check_again(c, b, age, silent_already ? c->cfg.lost_us : c->cfg.silent_us);
	}
}

void base_due(struct core *c, struct base *b) {
	int64_t id = b->row.id;
	if (b->look_at.us == 0 || mono_before(c->mono, b->look_at))
		return;
	b->look_at = (mono_t){ 0 };
	base_check(c, b);
	if ((b = fleet_base_by_id(c->fleet, id)) == NULL)
		return; /* it was forgotten */
	budget_look(c, b);
	if (brake_excused(c, b))
		base_look(c, b, b->absence_until);
}
