/* Repair: bringing back what is already wanted, without a plan (design section 1). Tasks of the instance, with backoff, and events. Where a
 * plan is at work on a base, it is the plan's duty and repair keeps away. */
#include "core/conductor.h"

#include <stdio.h>

#include "sched/place.h"
#include "sched/requires.h"

#define HOOK_TRIES 3 /* of an afterSwap that no plan waits for: a plan that comes does not wait for ever either */

/* ---- findings -------------------------------------------------------------------------------------------------------------------------
 */
static struct finding *raised(
    struct core *c, struct tenant *t, struct row_finding *row, struct base *b, const struct deployment *d, const char *fmt, va_list ap) {
	char text[512], kind[48];
	struct event_facts f = { .kind = kind, .tenant = t, .base = b, .deployment = d };
	struct finding *x = fleet_finding_find(c->fleet, t, (enum finding_kind)row->kind, b, row->module, row->version);
	if (x != NULL)
		return x;
	vsnprintf(text, sizeof text, fmt, ap);
	utf8_clean(text);
	row->detail = text;
	row->since = c->wall;
	x = fleet_finding_add(c->fleet, t, b, row);
	snprintf(kind, sizeof kind, "finding.%s", word_text(WORD_FINDING, row->kind));
	core_event(c, &f, "%s", text);
	return x;
}

struct finding *finding_raise(struct core *c, enum finding_kind kind, struct base *b, const char *module, const char *version,
    struct deployment *d, const char *command, const char *fmt, ...) {
	struct row_finding row = { .kind = kind,
		.module = UNCONST(module),
		.version = UNCONST(version),
		.deployment_id = d == NULL ? 0 : d->row.id,
		.command = UNCONST(command) };
	va_list ap;
	va_start(ap, fmt);
	struct finding *x = raised(c, b->tenant, &row, b, d, fmt, ap);
	va_end(ap);
	return x;
}

struct finding *finding_raise_for(struct core *c, enum finding_kind kind, struct tenant *t, const char *module, const char *version,
    const struct deployment *d, const char *command, const char *fmt, ...) {
	struct row_finding row = { .kind = kind,
		.module = UNCONST(module),
		.version = UNCONST(version),
		.deployment_id = d == NULL ? 0 : d->row.id,
		.command = UNCONST(command) };
	va_list ap;
	va_start(ap, fmt);
	struct finding *x = raised(c, t, &row, NULL, d, fmt, ap);
	va_end(ap);
	return x;
}

static void cleared(struct core *c, struct finding *x) {
	if (x == NULL)
		return;
	struct event_facts f = { .kind = "finding.cleared", .tenant = x->tenant, .base = x->base };
	core_event(c, &f, "no longer so: %s", x->row.detail);
	if (x->plan != NULL)
		plan_due(c, x->plan->row.id);
	fleet_finding_remove(c->fleet, x);
}

void finding_clear(struct core *c, enum finding_kind kind, struct base *b, const char *module, const char *version) {
	cleared(c, fleet_finding_find(c->fleet, b->tenant, kind, b, module, version));
}

void finding_clear_for(struct core *c, enum finding_kind kind, struct tenant *t, const char *module, const char *version) {
	cleared(c, fleet_finding_find(c->fleet, t, kind, NULL, module, version));
}

/* ---- state of a deployment at rest ------------------------------------------------------------------------------------------------------
 */
void deployment_refresh(struct core *c, struct deployment *d) {
	if (d->plan == NULL && d->current != NULL && d->row.state != DEPLOYMENT_WAITING)
		deployment_rest(c->fleet, d, c->wall);
}

/* ---- tasks
 * ------------------------------------------------------------------------------------------------------------------------------- */
static void repair_task(struct core *c, struct instance *i, enum task_kind kind, const struct instance *partner) {
	struct row_task row = {
		.kind = kind,
		.state = TASK_PENDING,
		.base_id = i->base->row.id,
		.deployment_id = i->row.deployment_id,
		.version_id = i->version->row.id,
		.instance_id = i->row.id,
		.partner_id = partner == NULL ? 0 : partner->row.id,
		.attempt = i->row.failures + 1,
		.base = i->base->row.name,
		.deployment = i->deployment == NULL ? NULL : i->deployment->row.name,
		.module = i->version->module->row.name,
		.version = i->version->row.name,
		.created_at = c->wall,
	};
	task_make_ready(c, fleet_task_add(c->fleet, NULL, i, &row));
}

/* What is out of traffic is let be for drainWait. */
static void drain(struct core *c, struct task *t) {
	int64_t wait_us = t->base->group->row.drain_wait_us;
	if (wait_us > 0)
		task_hold(&c->plans, t, wait_us);
}

void repair_again(struct core *c, struct task *t) {
	bool leaves = t->row.kind == TASK_KIND_UNINSTALL;
	const struct instance *old = leaves || t->row.partner_id == 0 ? t->instance : fleet_instance(c->fleet, t->row.partner_id);
	if (t->row.state == TASK_PENDING && !task_is_hook(t) && old != NULL && old->row.state == INSTANCE_DRAINING)
		drain(c, t);
	if (!task_held(t, c->mono))
		task_make_ready(c, t);
}

/* One that answers is out of traffic first. True: it may be removed now. */
static bool out_of_traffic(struct core *c, struct instance *i) {
	const struct group *g = i->base->group;
	bool hooked = hook_of(g, TASK_KIND_BEFORE_SWAP) != NULL;
	if (i->row.state != INSTANCE_READY || (!hooked && g->row.drain_wait_us <= 0))
		return true;
	instance_set_state(c->fleet, i, INSTANCE_DRAINING, NULL, c->wall);
	if (hooked)
		repair_task(c, i, TASK_KIND_BEFORE_SWAP, NULL);
	return !hooked;
}

static void removal(struct core *c, struct instance *i, const struct instance *partner) {
	repair_task(c, i, TASK_KIND_UNINSTALL, partner);
	if (i->row.state == INSTANCE_DRAINING)
		drain(c, i->task);
}

void repair_into_traffic(struct core *c, struct instance *i) {
	if (hook_of(i->base->group, TASK_KIND_AFTER_SWAP) != NULL && i->task == NULL && i->row.wanted && i->row.state == INSTANCE_READY)
		repair_task(c, i, TASK_KIND_AFTER_SWAP, NULL);
}

static struct instance *replacement_of(const struct instance *i) {
	struct instance *r;
	if (i->deployment == NULL)
		return NULL;
	TAILQ_FOREACH(r, &i->deployment->instances, deployment_link)
		if (r->row.replaces == i->row.id && r->row.wanted)
			return r;
	return NULL;
}

/* The record only: the base never heard of it, or what it was is not there. */
static void drop_record(struct core *c, struct instance *i) {
	struct group *g = i->base->group;
	struct deployment *d = i->deployment;
	fleet_instance_remove(c->fleet, i);
	room_freed(c, g);
	if (d != NULL)
		deployment_refresh(c, d);
}

/* A base knows a module by name and version: removing this one would take the wanted one of the same version with it. */
static bool taken_over(const struct instance *i) {
	const struct instance *x = base_instance_of(i->base, i->version);
	return x != NULL && x != i && x->row.wanted && (i->row.state == INSTANCE_MISSING || x->row.state == INSTANCE_READY);
}

/* It went in place, and its successor has its units: nothing but the record is left of it. */
static bool gave_way(const struct instance *i) {
	return i->row.state == INSTANCE_MISSING && i->row.commanded == TASK_KIND_UNINSTALL && i->row.units < i->version->row.units &&
	       !instance_reported(i);
}

/* It was to go, and another stays that requires it there: it is wanted again, and the one that stands in for it goes. */
static bool takes_back(struct core *c, struct instance *i, struct instance *r) {
	const struct instance *x = requirer_of(i, NULL);
	bool stays = x != NULL && x->row.wanted && x->task == NULL && (x->deployment == NULL || x->deployment->plan == NULL);
	if (!stays || r == NULL || r->task != NULL || i->row.state != INSTANCE_READY || i->deployment->plan != NULL ||
	    requirer_of(r, NULL) != NULL || i->version != r->version)
		return false;
	instance_set_wanted(c->fleet, i, true);
	instance_set_wanted(c->fleet, r, false);
	agenda_add(&c->agenda, c->mono, AGENDA_REPAIR, r->row.id);
	return true;
}

static void repair_unwanted(struct core *c, struct instance *i) {
	struct instance *r = replacement_of(i);
	if (taken_over(i) || gave_way(i)) {
		drop_record(c, i);
		return;
	}
	if (takes_back(c, i, r))
		return;
	if (r != NULL && r->row.state != INSTANCE_READY) {
		finding_raise(c, FINDING_SURPLUS, i->base, i->version->module->row.name, i->version->row.name, i->deployment, NULL,
		    "%s:%s on base %s is surplus; it goes when its replacement on %s is ready", i->version->module->row.name,
		    i->version->row.name, i->base->row.name, r->base->row.name);
		return;
	}
	if (!out_of_traffic(c, i))
		return;
	if (i->row.state == INSTANCE_READY && requirer_of(i, NULL) == NULL) /* no plan counts on it, also before the command is sent */
		instance_set_state(c->fleet, i, INSTANCE_UNINSTALLING, NULL, c->wall);
	removal(c, i, NULL);
}

/* Partners, as in a plan: the new one stands on the old one's units, and is not sent before the old one may go. */
static void send_both(struct core *c, struct instance *old, struct instance *fresh) {
	removal(c, old, fresh);
	repair_task(c, fresh, TASK_KIND_INSTALL, old);
	if (old->row.state == INSTANCE_DRAINING) /* one message takes both */
		drain(c, fresh->task);
}

static bool exchange(struct core *c, struct instance *i, struct revision *to) {
	struct instance *fresh = to == NULL ? NULL : slot_succeed(&c->plans, i, to);
	if (fresh == NULL)
		return false;
	fresh->row.replaces = i->row.replaces;
	if (i->row.generation != 0) {
		send_both(c, i, fresh);
		return true;
	}
	fleet_instance_remove(c->fleet, i); /* its base never heard of it */
	repair_task(c, fresh, TASK_KIND_INSTALL, NULL);
	return true;
}

/* One that answers may be taken away without too few being left. */
static bool may_interrupt(const struct instance *i, const struct revision *to) {
	struct strategy s = to->strategy;
	const struct deployment *d = i->deployment;
	int64_t target = to->row.replicas < 0 ? d->n_wanted : to->row.replicas;
	strategy_resolve(&s, target, UPGRADE_POLICY_AUTO, PLACEMENT_SPREAD);
	int64_t away = amount_of(s.max_unavailable, target, ROUND_DOWN);
	return i->row.state != INSTANCE_READY || d->n_serving - 1 >= target - (away < 1 ? 1 : away);
}

/* It goes before what it requires, and comes back after it as what it is. */
static bool goes_along(const struct instance *x, const struct instance *required) {
	return x->row.wanted && x->row.generation != 0 && x->task == NULL && x->deployment != NULL && x->deployment->plan == NULL &&
	       requires_instance(x, required);
}

#define MAX_DEPTH 16 /* requirements have no cycles; rows that somebody edited might */

/* So may all that would go along. */
static bool may_interrupt_all(const struct instance *i, const struct revision *to, int depth) {
	const struct instance *x;
	if (depth == MAX_DEPTH || !may_interrupt(i, to))
		return false;
	TAILQ_FOREACH(x, &i->base->instances, base_link) {
		const struct revision *own = goes_along(x, i) ? fleet_revision(x->deployment, x->row.revision) : NULL;
		if (own != NULL && !may_interrupt_all(x, own, depth + 1))
			return false;
	}
	return true;
}

/* In which order they are sent is decided in dispatch.c. */
static bool take_requirers_along(struct core *c, struct instance *i) {
	struct instance *x, *next;
	for (x = TAILQ_FIRST(&i->base->instances); x != NULL; x = next) {
		next = TAILQ_NEXT(x, base_link);
		if (goes_along(x, i) && exchange(c, x, fleet_revision(x->deployment, x->row.revision)))
			take_requirers_along(c, x);
	}
	return true;
}

/* A base that was away while its deployment moved on: the old version gives way to the current one, in place. */
static bool catch_up(struct core *c, struct instance *i) {
	struct deployment *d = i->deployment;
	struct revision *to = d == NULL ? NULL : d->completed;
	if (to == NULL || d->plan != NULL || i->row.revision >= to->row.number)
		return false;
	/* One that was here all the time was tried by the plan and failed, or was let be: it is behind until somebody says retry. */
	bool was_here = i->row.state == INSTANCE_READY && i->row.state_at.us < to->row.created_at.us;
	if (was_here && instance_behind(i, to))
		return false;
	if (!instance_behind(i, to)) {
		instance_set_revision(c->fleet, i, to->row.number);
		deployment_refresh(c, d);
		return false;
	}
	ARENA_AUTO a = arena_new();
	if (requirement_missed(i->base, to->version, a) != NULL) /* not here: it is behind, and what it is works */
		return false;
	if (!may_interrupt_all(i, to, 0)) { /* others have to be back first */
		agenda_add(&c->agenda, mono_add(c->mono, US_PER_S), AGENDA_REPAIR, i->row.id);
		return false;
	}
	if (!out_of_traffic(c, i))
		return true;
	bool heard = i->row.generation != 0;
	return exchange(c, i, to) && (!heard || take_requirers_along(c, i));
}

/* What a plan that ended told this base is not over: the old version stays until it is known what became of the new one. */
static bool slot_at_work(const struct instance *i) {
	const struct instance *x;
	TAILQ_FOREACH(x, &i->base->instances, base_link)
		if (x->deployment == i->deployment && x->task != NULL)
			return true;
	return i->deployment != NULL && plan_busy_on(i->deployment->plan, i->base);
}

/* What a plan that ended left at the base comes to its end first; and of two of one version only one is at work at a time, since the base
 * knows them by that: the removal of one would take the other. */
static bool sibling_at_work(const struct instance *i) {
	const struct instance *x;
	TAILQ_FOREACH(x, &i->base->instances, base_link)
		if (x != i && x->task != NULL && x->deployment == i->deployment && x->deployment != NULL &&
		    (x->task->plan != NULL || x->version == i->version))
			return true;
	return false;
}

/* Another version of its module gets the requests: one that is wanted there too, or one that somebody else made active. The latter is a
 * finding, and stays until a person decides. */
static bool another_serves(const struct instance *i) {
	const struct module *m = i->version->module;
	const struct instance *x;
	const struct finding *f;
	TAILQ_FOREACH(x, &i->base->instances, base_link)
		if (x != i && x->version->module == m && x->row.wanted && x->row.state == INSTANCE_READY)
			return true;
	TAILQ_FOREACH(f, &i->base->findings, base_link)
		if (f->row.kind == FINDING_VERSION_DRIFT && text_same(f->row.module, m->row.name) &&
		    text_same(f->row.reported, "activated"))
			return true;
	return false;
}

/* It is there and was put out of service by hand, or nobody was promoted when the active version went. One that does not stay active is
 * tried less and less often. */
static void repair_standby(struct core *c, struct instance *i) {
	if (another_serves(i))
		return;
	if (mono_before(c->mono, i->retry_at)) {
		agenda_add(&c->agenda, i->retry_at, AGENDA_REPAIR, i->row.id);
		return;
	}
	if (mono_diff(c->mono, i->ready_since) > c->cfg.repair_backoff_max_us)
		i->activated = 0;
	repair_task(c, i, TASK_KIND_SWITCH, NULL);
}

static bool absent(const struct instance *i) {
	return i->row.state == INSTANCE_MISSING || i->row.state == INSTANCE_PENDING || i->row.state == INSTANCE_UNKNOWN;
}

/* Left by an exchange that failed: the new one stands on the old one's units, or has its name at the base. */
static bool halves(const struct instance *old, const struct instance *fresh) {
	return !old->row.wanted && fresh->row.wanted && old->row.generation != 0 && instance_reported(old) && absent(fresh) &&
	       version_restorable(fresh->version) && (old->version == fresh->version || old->row.units < old->version->row.units);
}

static struct instance *other_half(const struct instance *i) {
	struct instance *x;
	TAILQ_FOREACH(x, &i->base->instances, base_link)
		if (i->deployment != NULL && x->deployment == i->deployment && (i->row.wanted ? halves(x, i) : halves(i, x)))
			return x;
	return NULL;
}

/* One alone would come beside what has not gone, or go and leave nothing. So whose turn it is waits for the other's. */
static void exchange_again(struct core *c, struct instance *old, struct instance *fresh) {
	mono_t due = mono_before(old->retry_at, fresh->retry_at) ? fresh->retry_at : old->retry_at;
	if (mono_before(c->mono, due))
		agenda_add(&c->agenda, due, AGENDA_REPAIR, fresh->row.id);
	else if (out_of_traffic(c, old))
		send_both(c, old, fresh);
}

/* What failed in its place lies on its units for as long as its base holds it. */
static bool units_there(struct core *c, struct instance *i) {
	return i->row.units >= i->version->row.units || instance_set_units(c->fleet, i, i->version->row.units, NULL) == 0;
}

void repair_instance(struct core *c, struct instance *i) {
	struct base *b = i->base;
	if (group_observed(b->group) || slot_at_work(i))
		return;
	if (sibling_at_work(i)) {
		agenda_add(&c->agenda, mono_add(c->mono, US_PER_S), AGENDA_REPAIR, i->row.id);
		return;
	}
	if (!i->row.wanted && i->row.generation == 0) {
		drop_record(c, i);
		return;
	}
	if (!b->connected || b->row.state != BASE_READY || b->flooding)
		return;
	struct instance *other = other_half(i);
	if (other != NULL) {
		exchange_again(c, i->row.wanted ? other : i, i->row.wanted ? i : other);
		return;
	}
	if (!i->row.wanted) {
		repair_unwanted(c, i);
		return;
	}
	if (catch_up(c, i))
		return;
	if (i->row.state == INSTANCE_DRAINING) { /* it was to go, and stays */
		instance_set_state(c->fleet, i, INSTANCE_READY, NULL, c->wall);
		repair_into_traffic(c, i);
	}
	if (i->row.state == INSTANCE_STANDBY)
		repair_standby(c, i);
	if (!absent(i))
		return;
	if (!version_restorable(i->version))
		instance_set_state(c->fleet, i, i->row.state, "not restorable: Berth has no artifact of this version", c->wall);
	else if (!units_there(c, i)) /* the outcome of that one's removal brings it back */
		instance_set_state(c->fleet, i, i->row.state, "what failed in its place is still there, and has to go first", c->wall);
	else
		repair_task(c, i, TASK_KIND_INSTALL, NULL);
}

void repair_base(struct core *c, struct base *b) {
	struct instance *i, *next;
	for (i = TAILQ_FIRST(&b->instances); i != NULL; i = next) {
		next = TAILQ_NEXT(i, base_link);
		repair_instance(c, i);
	}
}

static int64_t backoff_us(const struct core *c, int64_t failures) {
	int64_t us = c->cfg.repair_backoff_us;
	for (int64_t k = 1; k < failures && us < c->cfg.repair_backoff_max_us; k++)
		us *= 2;
	return rng_jitter(c->env.rng, us > c->cfg.repair_backoff_max_us ? c->cfg.repair_backoff_max_us : us);
}

/* Out of traffic, it is asked again what is to become of it; one that could not be taken out goes on, and is tried again. */
static void hook_done(struct core *c, struct instance *i, const struct task *t, const struct task_outcome *o) {
	fleet_touch(c->fleet, &i->o);
	if (t->row.kind == TASK_KIND_AFTER_SWAP)
		instance_seen_again(&c->plans, i);
	if (o->ok) {
		i->row.failures = 0;
		if (t->row.kind == TASK_KIND_BEFORE_SWAP)
			repair_instance(c, i);
		return;
	}
	i->row.failures++;
	i->retry_at = mono_add(c->mono, backoff_us(c, i->row.failures));
	if (t->row.kind == TASK_KIND_BEFORE_SWAP) {
		if (i->row.state == INSTANCE_DRAINING)
			instance_set_state(c->fleet, i, INSTANCE_READY, NULL, c->wall);
		agenda_add(&c->agenda, i->retry_at, AGENDA_REPAIR, i->row.id);
	} else if (t->row.attempt < HOOK_TRIES && i->row.state == INSTANCE_READY) {
		repair_task(c, i, TASK_KIND_AFTER_SWAP, NULL);
		i->task->due = i->retry_at;
		agenda_add(&c->agenda, i->retry_at, AGENDA_TASK, i->task->row.id);
	} else {
		i->row.failures = 0;
	}
}

/* Of what every base has one that lacks what it requires has none. */
static bool unfit_peer(const struct instance *i) {
	ARENA_AUTO a = arena_new();
	const struct revision *r = i->deployment == NULL ? NULL : fleet_revision(i->deployment, i->row.revision);
	return r != NULL && r->row.replicas < 0 && i->row.generation == 0 && requirement_missed(i->base, i->version, a) != NULL;
}

static void repair_failed(struct core *c, struct instance *i, enum task_kind kind, const struct task_outcome *o) {
	if (unfit_peer(i)) {
		drop_record(c, i);
		return;
	}
	bool there = kind == TASK_KIND_SWITCH && !o->gone;
	i->row.failures++;
	fleet_touch(c->fleet, &i->o);
	instance_set_state(c->fleet, i, there ? INSTANCE_STANDBY : INSTANCE_MISSING, o->cause, c->wall);
	i->retry_at = mono_add(c->mono, backoff_us(c, i->row.failures));
	agenda_add(&c->agenda, i->retry_at, AGENDA_REPAIR, i->row.id);
}

static void repair_done(struct core *c, struct instance *i, enum task_kind kind) {
	struct group *g = i->base->group;
	if (kind == TASK_KIND_UNINSTALL) {
		finding_clear(c, FINDING_SURPLUS, i->base, i->version->module->row.name, i->version->row.name);
		fleet_instance_remove(c->fleet, i);
		room_freed(c, g);
		return;
	}
	if (kind == TASK_KIND_SWITCH)
		i->retry_at = mono_add(c->mono, backoff_us(c, ++i->activated));
	i->row.failures = 0;
	i->ready_since = c->mono;
	finding_clear(c, FINDING_QUARANTINED, i->base, i->version->module->row.name, i->version->row.name);
	instance_set_state(c->fleet, i, INSTANCE_READY, NULL, c->wall);
	repair_into_traffic(c, i);
}

void repair_outcome(struct core *c, struct task *t, const struct task_outcome *o) {
	struct instance *i = t->instance;
	struct event_facts f = { .kind = o->ok ? "repair.succeeded" : "repair.failed",
		.base = t->base,
		.deployment = i->deployment,
		.version = i->version,
		.task = t,
		.instance = i };
	core_event(c, &f, "%s %s:%s on %s%s%s", word_text(WORD_TASK_KIND, t->row.kind), t->row.module, t->row.version, t->row.base,
	    o->ok ? "" : ": ", o->ok ? "" : o->cause);
	t->row.fault = o->ok ? FAULT_NONE : o->fault;
	t->row.duration_us = o->duration_us;
	t->row.ended_at = c->wall;
	text_set(&t->row.cause, o->ok ? NULL : o->cause);
	task_set_state(c->fleet, t, o->ok ? TASK_SUCCEEDED : TASK_FAILED, c->wall);
	if (task_is_hook(t))
		hook_done(c, i, t, o);
	else if (o->ok)
		repair_done(c, i, t->row.kind);
	else
		repair_failed(c, i, t->row.kind, o);
}

/* ---- a lost base's instances elsewhere
 * ---------------------------------------------------------------------------------------------------- */
static struct base *elsewhere(struct core *c, const struct instance *i) {
	struct revision *r = fleet_revision(i->deployment, i->row.revision);
	struct place_req req = {
		.group = i->deployment->group,
		.deployment = i->deployment,
		.module = i->version->module,
		.version = i->version,
		.units = i->version->row.units,
		.policy = r == NULL ? PLACEMENT_SPREAD : r->strategy.placement,
	};
	struct place_cursor cursor = { 0 };
	return place_choose(c->fleet, &req, &cursor);
}

static void replace_instance(struct core *c, struct instance *i) {
	struct deployment *d = i->deployment;
	struct base *b = elsewhere(c, i);
	if (b == NULL)
		return;
	struct row_instance row = {
		.revision = i->row.revision,
		.wanted = true,
		.state = INSTANCE_PENDING,
		.state_at = c->wall,
		.units = i->version->row.units,
		.replaces = i->row.id,
		.created_at = c->wall,
	};
	struct instance *fresh;
	if (fleet_instance_add(c->fleet, b, d, i->version, &row, &fresh, NULL) != 0)
		return;
	instance_set_wanted(c->fleet, i, false);
	struct event_facts f = { .kind = "instance.replaced", .base = b, .deployment = d, .version = i->version, .instance = fresh };
	core_event(
	    c, &f, "%s:%s goes to %s: %s is lost", i->version->module->row.name, i->version->row.name, b->row.name, i->base->row.name);
	repair_instance(c, fresh);
}

void replace_lost(struct core *c, struct base *b) {
	if (group_observed(b->group))
		return;
	struct instance *i, *next;
	for (i = TAILQ_FIRST(&b->instances); i != NULL; i = next) {
		next = TAILQ_NEXT(i, base_link);
		struct deployment *d = i->deployment;
		bool told = i->task == NULL || i->task->row.state == TASK_SENT; /* what comes of that is settled when its base is back */
		bool ours =
		    i->row.wanted && told && d != NULL && d->plan == NULL && !d->row.offline && i->row.state != INSTANCE_QUARANTINED;
		if (ours && d->current->row.replicas >= 0)
			replace_instance(c, i);
	}
}

/* A replacement is in: what it stood in for may go, where its base is back. */
void replacement_ready(struct core *c, struct instance *i) {
	struct instance *old = i->row.replaces == 0 ? NULL : fleet_instance(c->fleet, i->row.replaces);
	if (old != NULL && !old->row.wanted)
		repair_instance(c, old);
}

/* Everything but that it is not ready yet. */
static bool peer_fits(struct core *c, const struct deployment *d, struct revision *r, const struct base *b) {
	ARENA_AUTO a = arena_new();
	struct place_req req = {
		.group = d->group, .deployment = d, .module = d->module, .version = r->version, .units = r->version->row.units
	};
	struct place_report rep;
	place_explain(c->fleet, &req, b, a, &rep);
	for (size_t k = 0; k < rep.n; k++)
		if (strcmp(rep.refusals[k].rule, "joining") != 0 && strcmp(rep.refusals[k].rule, "restoring") != 0)
			return false;
	return true;
}

/* Part of its baseline: told with the welcome, and in before the base is ready. One that is ready gets it by a task of its own. */
static void peer_begin(struct core *c, struct instance *i) {
	struct base *b = i->base;
	if (b->row.state == BASE_READY) {
		repair_instance(c, i);
		return;
	}
	i->row.generation = ++b->row.generation;
	i->row.commanded = TASK_KIND_INSTALL;
	fleet_touch(c->fleet, &b->o);
	instance_set_state(c->fleet, i, INSTANCE_INSTALLING, NULL, c->wall);
}

static bool peer_give(struct core *c, struct deployment *d, struct base *b) {
	struct revision *r = d->completed != NULL ? d->completed : d->plan == NULL ? d->current : NULL;
	bool all = d->group == b->group && !d->row.offline && r != NULL && r->row.replicas < 0;
	struct instance *i;
	if (!all || base_instance_of_module(b, d->module) != NULL || !peer_fits(c, d, r, b))
		return false;
	struct row_instance row = { .revision = r->row.number,
		.wanted = true,
		.state = INSTANCE_PENDING,
		.state_at = c->wall,
		.units = r->version->row.units,
		.created_at = c->wall };
	if (fleet_instance_add(c->fleet, b, d, r->version, &row, &i, NULL) != 0)
		return false;
	peer_begin(c, i);
	return true;
}

/* Once more after each that came: others may require it. */
void peer_join(struct core *c, struct base *b) {
	bool came = !b->row.cordoned && !group_observed(b->group);
	while (came) {
		came = false;
		for (struct deployment *d = b->tenant->deployments; d != NULL; d = d->hh_name.next)
			came |= peer_give(c, d, b);
	}
}
