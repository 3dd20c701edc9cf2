/* What bases report: outcomes of commands, whether they are ready, that they are alive or go away. A report is recorded once, by its
 * sequence, and acknowledged when its commit is in the ledger (design section 5, rule 7). */
#include "core/conductor.h"

#include <stdio.h>

static void ack(struct core *c, struct base *b) {
	if (MUTANT(acknowledge_early))
		c->env.driver->ops->ack(b->drive, b->row.report_seq);
	effect_add(c, EFFECT_ACK, b->drive)->seq = b->row.report_seq;
	core_wake(c);
}

static void crashed(struct core *c, struct base *b, const Berth__V1__Outcome *o) {
	struct instance *i = fleet_instance(c->fleet, o->instance);
	if (i == NULL || i->base != b || i->task != NULL || !text_same(o->code, "crash"))
		return;
	Berth__V1__HeldModule h = BERTH__V1__HELD_MODULE__INIT;
	h.quarantined = h.has_quarantined = true;
	h.cause = o->cause;
	h.state = UNCONST("broken");
	instance_held(c, i, &h);
}

static void outcome_apply(struct core *c, struct base *b, const Berth__V1__Outcome *o) {
	struct task *t = o->has_task ? fleet_task(c->fleet, o->task) : NULL;
	if (t == NULL || t->base != b || t->row.state != TASK_SENT || t->row.generation != o->generation) {
		crashed(c, b, o);
		return;
	}
	struct instance *i = t->instance;
	bool quarantined = !o->ok && text_same(o->code, "crash");
	struct task_outcome x = {
		.ok = o->ok,
		.retryable = o->retryable && !quarantined,
		.gone = text_same(o->code, "NOT_FOUND_BIZ"),
		.fault = (enum fault)o->fault,
		.cause = said(c, o->cause != NULL && *o->cause ? o->cause : o->code, MAX_CAUSE),
		.output = said(c, o->output, MAX_OUTPUT),
		.state = said(c, o->state, MAX_WORD),
		.duration_us = o->duration_us,
	};
	if (!x.ok && x.fault == FAULT_NONE)
		x.fault = FAULT_BASE;
	c->hearing = NULL; /* an answer to a command of ours is always told */
	if (!task_is_hook(t) && text_set(&i->row.reported, x.state))
		fleet_touch(c->fleet, &i->o);
	if (o->has_memory_bytes)
		b->memory_bytes = o->memory_bytes;
	if (x.ok && t->row.kind == TASK_KIND_INSTALL && text_same(o->code, "SUCCESS"))
		module_cost_note(c->fleet, i->version->module, b->group, o->duration_us,
		    o->has_metaspace_growth && o->metaspace_growth >= 0 ? o->metaspace_growth : -1);
	int64_t id = i->row.id;
	struct deployment *d = i->deployment;
	task_outcome(c, t, &x);
	if ((i = fleet_instance(c->fleet, id)) != NULL && quarantined) {
		instance_set_state(c->fleet, i, INSTANCE_QUARANTINED, x.cause, c->wall);
		instance_quarantine(c, i, x.cause);
	} else if (i != NULL && i->row.state == INSTANCE_READY) {
		held_asked_for(c, i);
		replacement_ready(c, i);
	}
	if (d != NULL)
		deployment_refresh(c, d);
	c->hearing = b;
}

/* What its baseline was to bring and did not. */
static void baseline_over(struct core *c, struct base *b) {
	struct instance *i;
	TAILQ_FOREACH(i, &b->instances, base_link)
		if (i->row.state == INSTANCE_INSTALLING && i->task == NULL)
			instance_set_state(c->fleet, i, INSTANCE_MISSING, "its base came up without it", c->wall);
}

static void base_ready(struct core *c, struct base *b) {
	if (b->row.state == BASE_READY)
		return;
	base_set_state(c->fleet, b, BASE_READY, NULL, c->wall);
	struct event_facts f = { .kind = "base.ready", .base = b };
	core_event(c, &f, "base %s is ready", b->row.name);
	struct base *hearing = c->hearing;
	c->hearing = NULL; /* what follows is our doing */
	brake_base_back(c, b);
	baseline_over(c, b);
	peer_join(c, b);
	repair_base(c, b);
	evictions_due(c, b);
	room_freed(c, b->group);
	c->hearing = hearing;
}

static void base_down(struct core *c, struct base *b, const Berth__V1__Report *r) {
	struct instance *i;
	base_set_state(c->fleet, b, BASE_RESTORING, said(c, r->base_note, MAX_CAUSE), c->wall);
	TAILQ_FOREACH(i, &b->instances, base_link)
		if (text_set(&i->row.reported, NULL))
			fleet_touch(c->fleet, &i->o);
	instances_lose_sight(c, b, INSTANCE_MISSING, "its base process is being restarted");
	struct event_facts f = { .kind = "base.down", .base = b };
	core_event(c, &f, "the process of base %s ended: %s", b->row.name, r->base_note == NULL ? "" : r->base_note);
}

static void report_apply(struct core *c, struct base *b, const Berth__V1__Report *r) {
	for (size_t k = 0; k < r->n_outcomes; k++)
		outcome_apply(c, b, r->outcomes[k]);
	if (r->has_base_running && !r->base_running && b->row.state == BASE_READY)
		base_down(c, b, r);
	if (r->has_base_start && r->base_start != b->row.process_start) {
		b->row.process_start = r->base_start;
		b->row.incarnation++;
		fleet_touch(c->fleet, &b->o);
	}
	if (r->memory != NULL)
		memory_told(c, b, r->memory);
	held_apply(c, b, r->changed, r->n_changed, r->full);
	for (size_t k = 0; k < r->n_gone; k++) {
		Berth__V1__HeldModule h = BERTH__V1__HELD_MODULE__INIT;
		h.module = r->gone[k]->module;
		h.version = r->gone[k]->version;
		struct instance *i = held_instance(b, &h);
		if (i != NULL)
			instance_gone(c, i, "somebody removed it");
		finding_clear(c, FINDING_UNMANAGED, b, h.module, h.version);
		finding_clear(c, FINDING_VERSION_DRIFT, b, h.module, h.version);
	}
	if (r->n_gone > 0)
		standbys_due(c, b);
	if (r->crash_loop)
		finding_raise(c, FINDING_CRASH_LOOP, b, NULL, NULL, NULL, "berth base logs", "base %s keeps crashing: %s", b->row.name,
		    r->base_note == NULL ? "" : r->base_note);
	if (r->has_base_ready && r->base_ready) {
		finding_clear(c, FINDING_CRASH_LOOP, b, NULL, NULL);
		base_ready(c, b);
	}
}

void core_base_report(struct core *c, struct driver_link *k, const Berth__V1__Report *r) {
	if (core_hears(c) && !c->older && !series_hold(c, k, 0, &r->pb, NULL))
		report_take(c, k, r);
}

void report_take(struct core *c, struct driver_link *k, const Berth__V1__Report *r) {
	struct base *b;
	if ((b = link_base(c, k)) == NULL)
		return;
	c->culprit = (struct culprit){ CULPRIT_BASE, b->row.id };
	c->stats.reports++;
	base_heard(c, b);
	if (r->seq > b->row.report_seq) {
		char actor[80];
		snprintf(actor, sizeof actor, "base/%s", b->row.name);
		c->who = (struct core_who){ .actor = actor };
		c->hearing = b;
		b->row.report_seq = r->seq;
		b->row.seen_at = c->wall;
		fleet_touch(c->fleet, &b->o);
		report_apply(c, b, r);
		c->hearing = NULL;
		c->who = (struct core_who){ 0 };
	}
	ack(c, b);
}

void core_base_heartbeat(struct core *c, struct driver_link *k, const Berth__V1__Heartbeat *h) {
	struct base *b;
	if (!core_hears(c) || (b = link_base(c, k)) == NULL)
		return;
	base_heard(c, b);
	b->memory_bytes = h->memory_bytes;
	if (h->memory != NULL)
		memory_told(c, b, h->memory);
	if (!c->older && !series_waits(c) && h->base_ready && b->row.state != BASE_READY && h->report_seq <= b->row.report_seq) {
		c->hearing = b;
		base_ready(c, b);
		c->hearing = NULL;
		core_wake(c);
	}
}

void core_base_prefetched(struct core *c, struct driver_link *k, const Berth__V1__Prefetched *m) {
	struct base *b;
	if (!core_hears(c) || c->older || (b = link_base(c, k)) == NULL)
		return;
	base_heard(c, b);
	struct plan *p = fleet_plan(c->fleet, m->plan);
	if (p == NULL || !plan_prefetched(p, b, m->slot, m->ok, m->fetch_us))
		return;
	plan_due(c, p->row.id);
	core_wake(c);
}

void core_base_goodbye(struct core *c, struct driver_link *k, const char *reason) {
	struct base *b;
	if (!core_hears(c) || c->older || (b = link_base(c, k)) == NULL)
		return;
	base_heard(c, b);
	c->hearing = b;
	base_set_state(c->fleet, b, BASE_STOPPED, said(c, reason, MAX_CAUSE), c->wall);
	instances_lose_sight(c, b, INSTANCE_UNKNOWN, "its base was stopped");
	struct event_facts f = { .kind = "base.stopped", .base = b };
	core_event(c, &f, "base %s said goodbye: %s", b->row.name, reason == NULL ? "" : reason);
	c->hearing = NULL;
	brake_base_settled(c, b);
	base_look(c, b, c->mono);
	core_wake(c);
}

bool core_base_unreached(struct core *c, int64_t base_id, const char *why) {
	struct base *b;
	if (!core_hears(c) || c->older || series_waits(c))
		return false;
	b = fleet_base_by_id(c->fleet, base_id);
	if (b == NULL || b->row.arklet_url == NULL || b->connected || b->row.state == BASE_STOPPED || text_same(b->row.state_reason, why))
		return true;
	c->culprit = (struct culprit){ CULPRIT_BASE, b->row.id };
	c->hearing = b;
	base_set_state(c->fleet, b, b->row.state, said(c, why, MAX_CAUSE), c->wall);
	struct event_facts f = { .kind = "base.unreached", .base = b };
	core_event(c, &f, "base %s cannot be reached: %s", b->row.name, why);
	c->hearing = NULL;
	core_wake(c);
	return true;
}

void core_base_gone(struct core *c, struct driver_link *k, const char *why) {
	struct base *b = link_base(c, k);
	(void)why;
	effects_forget_link(c, k);
	series_forget(c, k);
	link_drop(c, k);
	if (b == NULL)
		return;
	b->connected = false;
	b->drive = NULL;
	b->lost_since = clock_mono(&c->env.clock);
	base_look(c, b, mono_add(b->lost_since, 2 * US_PER_S));
	core_wake(c);
}
