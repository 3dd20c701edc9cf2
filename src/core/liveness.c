/* Silent, lost, replaced, forgotten: what the absence of a sign means, and when. Measured on the monotonic clock from the last sign. */
#include "core/conductor.h"

#define DISCONNECT_GRACE_US (2 * US_PER_S)
#define ZONE_MIN 3

void base_heard(struct core *c, struct base *b) {
	b->seen = c->mono;
	b->heard = c->wall;
}

static void check_again(struct core *c, struct base *b, int64_t age, int64_t at) {
	int64_t us = at - age;
	agenda_add(&c->agenda, mono_add(c->mono, us < US_PER_MS ? US_PER_MS : us), AGENDA_BASE, b->row.id);
}

/* P10: half of a zone, at least three, gone in one window looks like a network or us, not like bases. */
void zone_check(struct core *c, struct base *b) {
	struct group *g = b->group;
	int gone = 0, all = 0;
	const struct base *x;
	TAILQ_FOREACH(x, &g->bases, group_link) {
		if (!text_same(x->row.zone, b->row.zone))
			continue;
		all++;
		gone += x->row.state == BASE_SILENT || x->row.state == BASE_LOST;
	}
	bool alarm = gone >= ZONE_MIN && 2 * gone >= all;
	if (alarm == g->alarm)
		return;
	group_set_alarm(c->fleet, g, alarm);
	if (alarm) {
		finding_raise(c, FINDING_ZONE_ALARM, NULL, g->row.name, b->row.zone, NULL, "berth base list --group",
		    "%d of %d bases of group %s%s%s are silent: automatic replacement is stopped there", gone, all, g->row.name,
		    b->row.zone == NULL || !*b->row.zone ? "" : ", zone ", b->row.zone == NULL ? "" : b->row.zone);
		struct event_facts f = { .kind = "group.alarm", .base = b };
		core_event(c, &f, "%d of %d bases of group %s went silent: automatic replacement is stopped", gone, all, g->row.name);
	} else {
		finding_clear(c, FINDING_ZONE_ALARM, NULL, g->row.name, b->row.zone);
		room_freed(c, g);
	}
}

static void goes_silent(struct core *c, struct base *b, const char *why) {
	struct event_facts f = { .kind = "base.silent", .base = b };
	base_set_state(c->fleet, b, BASE_SILENT, why, c->wall);
	instances_lose_sight(c, b, INSTANCE_UNKNOWN, "its base is silent");
	core_event(c, &f, "base %s is silent: %s", b->row.name, why);
	zone_check(c, b);
}

static void goes_lost(struct core *c, struct base *b) {
	struct event_facts f = { .kind = "base.lost", .base = b };
	base_set_state(c->fleet, b, BASE_LOST, "nothing heard", c->wall);
	instances_lose_sight(c, b, INSTANCE_UNKNOWN, "its base is lost");
	core_event(c, &f, "base %s is lost", b->row.name);
	for (struct plan *p = fleet_plans(c->fleet); p != NULL; p = p->hh_id.next) {
		if (word_terminal(WORD_PLAN, p->row.state) || !plan_busy_on(p, b))
			continue;
		plan_base_lost(&c->plans, p, b);
		plan_due(c, p->row.id);
	}
	zone_check(c, b);
}

static bool gone_state(const struct base *b) {
	return b->row.state == BASE_LOST || b->row.state == BASE_STOPPED;
}

static void check_gone(struct core *c, struct base *b, int64_t age) {
	int64_t replace = c->cfg.lost_us + c->cfg.replace_us;
	if (age < replace) {
		check_again(c, b, age, replace);
		return;
	}
	replace_lost(c, b);
	if (age >= c->cfg.forget_us && b->n_instances == 0)
		(void)change_forget(c, &c->who, b, NULL);
	else if (age < c->cfg.forget_us)
		check_again(c, b, age, c->cfg.forget_us);
}

void base_check(struct core *c, struct base *b) {
	int64_t age = mono_diff(c->mono, b->seen);
	bool silent_already = b->row.state == BASE_SILENT;
	if (gone_state(b)) {
		if (!b->connected)
			check_gone(c, b, age);
		return;
	}
	if (age >= c->cfg.lost_us) {
		if (!silent_already)
			goes_silent(c, b, "nothing heard from it");
		goes_lost(c, b);
		check_gone(c, b, age);
	} else if (!silent_already && age >= c->cfg.silent_us) {
		goes_silent(c, b, "nothing heard from it");
		check_again(c, b, age, c->cfg.lost_us);
	} else if (!silent_already && !b->connected && b->lost_since.us != 0 && mono_diff(c->mono, b->lost_since) >= DISCONNECT_GRACE_US) {
		goes_silent(c, b, "its connection ended");
		check_again(c, b, age, c->cfg.lost_us);
	} else {
		check_again(c, b, age, silent_already ? c->cfg.lost_us : c->cfg.silent_us);
	}
}
