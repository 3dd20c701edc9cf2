/* What a base holds, as it tells: instances become what they are there, what nobody asked for becomes a finding, and what is wanted and
 * missing is repaired. Called with each hello and report. */
#include "core/conductor.h"
#include "base/name.h"
#include "proto/held.h"
#include "proto/modfile.h"

void instances_lose_sight(struct core *c, struct base *b, enum instance_state s, const char *reason) {
	struct instance *i;
	TAILQ_FOREACH(i, &b->instances, base_link) {
		if (i->row.state == INSTANCE_READY || i->row.state == INSTANCE_STANDBY || i->row.state == INSTANCE_DRAINING)
			instance_set_state(c->fleet, i, s, reason, c->wall);
		if (i->deployment != NULL)
			deployment_refresh(c, i->deployment);
	}
}

struct instance *held_instance(struct base *b, const Berth__V1__HeldModule *h) {
	struct instance *i;
	TAILQ_FOREACH(i, &b->instances, base_link)
		if (text_same(i->version->module->row.name, h->module) && text_same(i->version->row.name, h->version))
			return i;
	return NULL;
}

/* INSTANCE_NONE: no news (held.h). */
static enum instance_state held_state(const Berth__V1__HeldModule *h) {
	static const enum instance_state of[] = { [HELD_ON_ITS_WAY] = INSTANCE_NONE,
		[HELD_ACTIVE] = INSTANCE_READY,
		[HELD_BESIDE] = INSTANCE_STANDBY,
		[HELD_BROKEN] = INSTANCE_FAILED,
		[HELD_STOPPED] = INSTANCE_FAILED };
	return h->quarantined ? INSTANCE_QUARANTINED : of[held_meaning(h->state)];
}

void instance_quarantine(struct core *c, struct instance *i, const char *cause) {
	finding_raise(c, FINDING_QUARANTINED, i->base, i->version->module->row.name, i->version->row.name, i->deployment,
	    "berth deploy MODULE:OTHER-VERSION", "%s:%s made base %s crash and is not installed there again: %s",
	    i->version->module->row.name, i->version->row.name, i->base->row.name, cause == NULL || !*cause ? "no last words" : cause);
	struct event_facts f = {
		.kind = "instance.quarantined", .base = i->base, .instance = i, .deployment = i->deployment, .version = i->version
	};
	core_event(c, &f, "%s:%s is quarantined on %s: %s", i->version->module->row.name, i->version->row.name, i->base->row.name,
	    cause == NULL ? "" : cause);
}

/* What was found there is wanted now. */
void held_asked_for(struct core *c, const struct instance *i) {
	finding_clear(c, FINDING_UNMANAGED, i->base, i->version->module->row.name, i->version->row.name);
	finding_clear(c, FINDING_VERSION_DRIFT, i->base, i->version->module->row.name, i->version->row.name);
}

/* What its task does to it is told by its outcome. A hook does nothing to it: one whose base went down and came back meanwhile is there
 * again, and those that require each other go by that. */
static bool back_in_sight(const struct instance *i, enum instance_state s) {
	bool unseen = i->row.state == INSTANCE_MISSING || i->row.state == INSTANCE_UNKNOWN;
	return s == INSTANCE_READY && unseen && i->row.generation != 0 && task_is_hook(i->task);
}

/* Active, and out of traffic for as long as it is being taken out. */
static enum instance_state state_told(const struct instance *i, enum instance_state s) {
	bool leaves = i->row.state == INSTANCE_DRAINING || (i->task != NULL && i->task->row.kind == TASK_KIND_BEFORE_SWAP);
	return s == INSTANCE_READY && leaves ? INSTANCE_DRAINING : s;
}

/* Its plan takes the old one out of traffic and has not told the base anything yet. What lies there by that name all the same is no news:
 * when its turn comes the base is told to install it, and answers that it has it. */
static bool turn_to_come(const struct instance *i) {
	return i->row.state == INSTANCE_PENDING && i->row.generation == 0 && i->deployment != NULL &&
	       plan_busy_on(i->deployment->plan, i->base);
}

void instance_held(struct core *c, struct instance *i, const Berth__V1__HeldModule *h) {
	enum instance_state told = held_state(h), s = state_told(i, told);
	text_set(&i->row.reported, said(c, h->state, MAX_WORD));
	const char *cause = said(c, h->cause, MAX_CAUSE);
	fleet_touch(c->fleet, &i->o);
	if (i->row.wanted)
		held_asked_for(c, i);
	bool at_work = (i->task != NULL && !back_in_sight(i, told)) || turn_to_come(i);
	if (s == INSTANCE_NONE || i->row.state == (int)s || at_work || (!i->row.wanted && told != INSTANCE_READY))
		return;
	if (s == INSTANCE_READY)
		i->ready_since = c->mono;
	instance_set_state(c->fleet, i, s, cause, c->wall);
	if (s == INSTANCE_QUARANTINED) {
		instance_quarantine(c, i, cause);
		plan_instance_failed(&c->plans, i, FAULT_MODULE, cause);
	} else if (s == INSTANCE_FAILED) {
		plan_instance_failed(&c->plans, i, FAULT_MODULE, cause);
	}
	if (i->deployment != NULL) {
		deployment_refresh(c, i->deployment);
		if (i->deployment->plan != NULL)
			plan_due(c, i->deployment->plan->row.id);
	}
	if (s == INSTANCE_READY)
		replacement_ready(c, i);
}

/* As a manifest would have said it: "/shop". NULL: the root, or nothing that could be a path. */
static const char *path_of(const Berth__V1__HeldModule *h, struct arena *a) {
	return h->context_path == NULL || text_same(h->context_path, "/") ? NULL : modfile_context_path(a, h->context_path);
}

/* What the finding says of the module is as new as the report. */
static void unmanaged_note(struct core *c, struct finding *x, const Berth__V1__HeldModule *h) {
	ARENA_AUTO a = arena_new();
	bool news = text_set(&x->row.reported, said(c, h->state, MAX_WORD));
	news |= text_set(&x->row.context_path, path_of(h, a));
	news |= text_set(&x->row.command, arena_printf(a, "berth finding adopt %lld", (long long)x->row.id));
	if (news)
		fleet_touch(c->fleet, &x->o);
}

static void unmanaged(struct core *c, struct base *b, const Berth__V1__HeldModule *h) {
	const struct instance *i;
	enum finding_kind kind = FINDING_UNMANAGED;
	struct finding *x;
	TAILQ_FOREACH(i, &b->instances, base_link)
		if (i->row.wanted && text_same(i->version->module->row.name, h->module))
			break;
	if (i != NULL)
		kind = FINDING_VERSION_DRIFT;
	x = fleet_finding_find(c->fleet, b->tenant, kind, b, h->module, h->version);
	bool known = x != NULL;
	if (!known && !budget_held(c, b))
		return;
	if (i != NULL)
		x = finding_raise(c, kind, b, h->module, h->version, i->deployment, NULL, "base %s holds %s:%s beside the wanted %s",
		    b->row.name, h->module, h->version, i->version->row.name);
	else
		x = finding_raise(c, kind, b, h->module, h->version, NULL, NULL, "base %s holds %s:%s, which nobody told Berth about",
		    b->row.name, h->module, h->version);
	unmanaged_note(c, x, h);
	if (!known)
		policy_found(c, x);
}

static bool in_list(Berth__V1__HeldModule *const *held, size_t n, const struct instance *i) {
	for (size_t k = 0; k < n; k++)
		if (text_same(held[k]->module, i->version->module->row.name) && text_same(held[k]->version, i->version->row.name))
			return true;
	return false;
}

void instance_gone(struct core *c, struct instance *i, const char *why) {
	if (i->row.state == INSTANCE_INSTALLING && i->base->row.state != BASE_READY)
		return;                                                                                  /* on its way with the baseline */
	bool at_work = i->task != NULL && (i->task->row.kind != TASK_KIND_AFTER_SWAP || !i->row.wanted); /* that one changes nothing here */
	if (text_set(&i->row.reported, NULL)) /* also for whoever calls that work off */
		fleet_touch(c->fleet, &i->o);
	if (at_work || i->row.state == INSTANCE_QUARANTINED || i->row.state == INSTANCE_FAILED || i->row.state == INSTANCE_MISSING ||
	    i->row.generation == 0)
		return;
	if (!i->row.wanted && (i->deployment == NULL || !plan_busy_on(i->deployment->plan, i->base))) {
		struct group *g = i->base->group;
		struct deployment *d = i->deployment;
		fleet_instance_remove(c->fleet, i);
		room_freed(c, g);
		if (d != NULL)
			deployment_refresh(c, d);
		return;
	}
	instance_set_state(c->fleet, i, INSTANCE_MISSING, why, c->wall);
	struct event_facts f = {
		.kind = "instance.missing", .base = i->base, .instance = i, .deployment = i->deployment, .version = i->version
	};
	core_event(c, &f, "%s:%s is not on %s any more: %s", i->version->module->row.name, i->version->row.name, i->base->row.name, why);
	if (i->deployment != NULL)
		deployment_refresh(c, i->deployment);
	agenda_add(&c->agenda, c->mono, AGENDA_REPAIR, i->row.id);
}

static bool names(const Berth__V1__HeldModule *h, const struct finding *x) {
	return text_same(h->module, x->row.module) && text_same(h->version, x->row.version);
}

/* What a full list does not name any more is not held any more. */
static void findings_settle(struct core *c, struct base *b, Berth__V1__HeldModule *const *held, size_t n) {
	for (struct finding *x = TAILQ_FIRST(&b->findings), *next; x != NULL; x = next) {
		next = TAILQ_NEXT(x, base_link);
		bool of_held = (x->row.kind == FINDING_UNMANAGED || x->row.kind == FINDING_VERSION_DRIFT) && x->row.module != NULL;
		size_t k = 0;
		while (of_held && k < n && !names(held[k], x))
			k++;
		if (of_held && k == n)
			finding_clear(c, (enum finding_kind)x->row.kind, b, x->row.module, x->row.version);
	}
	if (b->n_findings <= BUDGET_HELD)
		finding_clear(c, FINDING_UNMANAGED, b, NULL, NULL);
}

/* Out of service by hand, or nothing else serves any more: repair looks at it. */
void standbys_due(struct core *c, struct base *b) {
	const struct instance *i;
	TAILQ_FOREACH(i, &b->instances, base_link)
		if (i->row.wanted && i->row.state == INSTANCE_STANDBY && i->task == NULL && !mono_before(c->mono, i->retry_at))
			agenda_add(&c->agenda, c->mono, AGENDA_REPAIR, i->row.id);
}

static bool set_aside(const struct instance *i) {
	return i->row.state == INSTANCE_FAILED || i->row.state == INSTANCE_QUARANTINED;
}

/* Its base started again what had failed there. True: it is in the baseline again. */
static bool held_again(struct core *c, struct instance *i, const Berth__V1__HeldModule *h) {
	bool was = set_aside(i);
	instance_held(c, i, h);
	return was && !set_aside(i);
}

void held_apply(struct core *c, struct base *b, Berth__V1__HeldModule *const *held, size_t n, bool full) {
	bool again = false;
	for (size_t k = 0; k < n; k++) {
		if (held[k]->module == NULL || held[k]->version == NULL || !name_valid(NAME_PLAIN, held[k]->module) ||
		    !name_valid(NAME_VERSION, held[k]->version))
			continue;
		struct instance *i = held_instance(b, held[k]);
		if (i != NULL)
			again |= held_again(c, i, held[k]);
		else
			unmanaged(c, b, held[k]);
	}
	if (again)
		base_welcome(c, b);
	if (full)
		findings_settle(c, b, held, n);
	struct instance *i, *next;
	for (i = full ? TAILQ_FIRST(&b->instances) : NULL; i != NULL; i = next) {
		next = TAILQ_NEXT(i, base_link);
		if (!in_list(held, n, i))
			instance_gone(c, i, "its base does not hold it");
	}
	standbys_due(c, b);
	tasks_of_base_ready(c, b);
}
