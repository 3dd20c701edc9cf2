/* Commands. A PENDING task whose base is connected becomes SENT in the open commit; after that commit the base gets one command message
 * with everything that is new for it. Sent again after a reconnect with the same generation (design section 5, rule 8). */
#include "core/conductor.h"
#include "model/spec.h"
#include "plan/memo.h"
#include "proto/json.h"
#include "sched/requires.h"

#include <string.h>

#define COMMAND_ITEMS 64 /* of one message */

static void version_fill(const struct version *v, Berth__V1__WantedModule *w) {
	w->has_priority = w->has_runtime = w->has_units = true;
	w->module = v->module->row.name;
	w->version = v->row.name;
	w->runtime = (Berth__V1__Runtime)v->row.runtime;
	w->priority = (int32_t)v->row.priority;
	w->units = (int32_t)v->row.units;
	if (v->artifact == NULL)
		return;
	w->sha256 = v->artifact->row.sha256;
	w->has_size = true;
	w->size = v->artifact->row.size_bytes;
}

static void requires_fill(const struct version *v, Berth__V1__WantedModule *w, struct arena *a) {
	struct requirement *list;
	size_t n = requires_of(v, a, &list);
	w->requires = n == 0 ? NULL : arena_alloc(a, n * sizeof *w->requires);
	for (size_t k = 0; k < n; k++)
	w->requires[w->n_requires++] = arena_strdup(a, list[k].module);
}

void wanted_fill(struct core *c, const struct instance *i, Berth__V1__WantedModule *w, struct arena *a) {
	const struct version *v = i->version;
	const struct revision *r = i->deployment == NULL ? NULL : fleet_revision(i->deployment, i->row.revision);
	(void)c;
	version_fill(v, w);
	if (i->base->group->row.origin_artifacts && v->artifact != NULL)
		w->url = v->artifact->row.url;
	w->has_instance = w->has_generation = true;
	w->instance = i->row.id;
	w->generation = i->row.generation;
	requires_fill(v, w, a);
	if (r == NULL)
		return;
	struct pair *env;
	size_t n;
	if (strings_parse(r->row.args, a, &w->args, &w->n_args, NULL) != 0)
		w->n_args = 0;
	if (pairs_parse(r->row.env, a, &env, &n, NULL) != 0 || n == 0)
		return;
	w->env = arena_alloc(a, n * sizeof *w->env);
	w->n_env = n;
	for (size_t k = 0; k < n; k++) {
		w->env[k] = PB_NEW(Berth__V1__Entry, berth__v1__entry, a);
		w->env[k]->key = env[k].key;
		w->env[k]->value = env[k].value;
	}
}

bool prefetch_send(struct core *c, struct plan *p, struct base *b, struct version *v, int64_t slot) {
	Berth__V1__WantedModule w = BERTH__V1__WANTED_MODULE__INIT, *list[] = { &w };
	Berth__V1__Prefetch m = BERTH__V1__PREFETCH__INIT;
	if (!b->prefetches || b->drive == NULL)
		return false;
	version_fill(v, &w);
	m.modules = list;
	m.n_modules = 1;
	m.has_plan = m.has_slot = true;
	m.plan = p->row.id;
	m.slot = slot;
	effect_add(c, EFFECT_PREFETCH, b->drive)->message = pb_copy(&m.pb, c->open->arena);
	return true;
}

static Google__Protobuf__Duration *duration_new(int64_t us, struct arena *a) {
	Google__Protobuf__Duration *d = PB_NEW(Google__Protobuf__Duration, google__protobuf__duration, a);
	d->seconds = us / US_PER_S;
	d->nanos = (int32_t)(us % US_PER_S) * 1000;
	return d;
}

static Berth__V1__CommandItem *item_new(struct core *c, const struct task *t, struct arena *a) {
	Berth__V1__CommandItem *x = PB_NEW(Berth__V1__CommandItem, berth__v1__command_item, a);
	const struct revision *r = t->instance->deployment == NULL ? NULL : t->instance->deployment->current;
	int64_t timeout = strategy_timeout(r == NULL ? &strategy_unset : &r->strategy, (enum task_kind)t->row.kind);
	x->has_kind = x->has_generation = x->has_task = x->has_activate = true;
	x->kind = (Berth__V1__TaskKind)t->row.kind;
	x->generation = t->row.generation;
	x->task = t->row.id;
	x->activate = t->row.kind == TASK_KIND_INSTALL;
	x->timeout = duration_new(task_is_hook(t) ? hook_timeout(t->base->group) : timeout, a);
	if (task_is_hook(t))
		hook_fill(c, t, x, a);
	x->module = PB_NEW(Berth__V1__WantedModule, berth__v1__wanted_module, a);
	wanted_fill(c, t->instance, x->module, a);
	const struct instance *old =
	    t->row.partner_id == 0 || t->row.kind != TASK_KIND_INSTALL ? NULL : fleet_instance(c->fleet, t->row.partner_id);
	if (old != NULL && old->base == t->base) {
		x->replaces = PB_NEW(Berth__V1__ModuleRef, berth__v1__module_ref, a);
		x->replaces->module = old->version->module->row.name;
		x->replaces->version = old->version->row.name;
	}
	return x;
}

/* What the base gets with the same commit goes in the same message, unless something else goes to it in between. */
static Berth__V1__Command *command_open(struct core *c, const struct base *b, size_t more) {
	const struct effect *x = b->drive == NULL ? NULL : effect_latest(c, b->drive);
	Berth__V1__Command *cmd = x == NULL || x->kind != EFFECT_COMMAND ? NULL : x->message;
	return cmd == NULL || cmd->n_items + more > COMMAND_ITEMS ? NULL : cmd;
}

static void command_join(Berth__V1__Command *cmd, const Berth__V1__Command *more, struct arena *a) {
	Berth__V1__CommandItem **items = arena_alloc(a, (cmd->n_items + more->n_items) * sizeof(*items));
	memcpy(items, cmd->items, cmd->n_items * sizeof(*items));
	memcpy(items + cmd->n_items, more->items, more->n_items * sizeof(*items));
	cmd->items = items;
	cmd->n_items += more->n_items;
}

/* Deep-copied: the fleet may change or go before the commit is answered. */
static void command_effect(struct core *c, struct base *b, struct task *const *tasks, size_t n) {
	struct arena *a = c->open->arena, *scratch = arena_new();
	Berth__V1__Command cmd = BERTH__V1__COMMAND__INIT;
	cmd.has_epoch = true;
	cmd.epoch = c->epoch;
	cmd.items = arena_alloc(scratch, n * sizeof *cmd.items);
	for (size_t i = 0; i < n; i++)
		cmd.items[cmd.n_items++] = item_new(c, tasks[i], scratch);
	Berth__V1__Command *open = command_open(c, b, n), *copy = (Berth__V1__Command *)pb_copy(&cmd.pb, a);
	if (open != NULL)
		command_join(open, copy, a);
	else
		effect_add(c, EFFECT_COMMAND, b->drive)->message = copy;
	arena_free(scratch);
}

static void task_send(struct core *c, struct task *t) {
	struct base *b = t->base;
	struct instance *i = t->instance;
	t->row.generation = ++b->row.generation;
	t->sent = c->mono;
	fleet_touch(c->fleet, &b->o);
	if (!task_is_hook(t)) {
		i->row.generation = t->row.generation;
		i->row.commanded = t->row.kind;
		fleet_touch(c->fleet, &i->o);
	}
	task_set_state(c->fleet, t, TASK_SENT, c->wall);
	if (t->row.kind == TASK_KIND_INSTALL)
		instance_set_state(c->fleet, i, INSTANCE_INSTALLING, NULL, c->wall);
	else if (t->row.kind == TASK_KIND_UNINSTALL)
		instance_set_state(c->fleet, i, INSTANCE_UNINSTALLING, NULL, c->wall);
	struct event_facts f = { .kind = "task.sent",
		.plan = t->plan,
		.task = t,
		.base = b,
		.instance = i,
		.deployment = i->deployment,
		.version = i->version };
	core_event(c, &f, "%s %s:%s on %s", word_text(WORD_TASK_KIND, t->row.kind), t->row.module, t->row.version, t->row.base);
	if (hook_calls_url(t)) {
		hook_ask(c, t);
		return;
	}
	if (!b->command_queued) {
		b->command_queued = true;
		TAILQ_INIT(&b->outbox);
		TAILQ_INSERT_TAIL(&c->to_command, b, command_link);
	}
	TAILQ_INSERT_TAIL(&b->outbox, t, queue_link);
}

static void outbox_flush(struct core *c, struct base *b) {
	struct task *tasks[COMMAND_ITEMS], *t;
	size_t n = 0;
	while ((t = TAILQ_FIRST(&b->outbox)) != NULL) {
		TAILQ_REMOVE(&b->outbox, t, queue_link);
		tasks[n++] = t;
		if (n == COMMAND_ITEMS) {
			command_effect(c, b, tasks, n);
			n = 0;
		}
	}
	if (n > 0)
		command_effect(c, b, tasks, n);
}

/* For its turn among the modules of its base: what is required comes first and goes last. */
const struct instance *task_waits_for(const struct task *t, struct arena *a, struct requirement *ret) {
	if (t->base->tenant->n_requiring == 0 || MUTANT(any_order))
		return NULL;
	return task_awaits(t, t->plan != NULL && plan_memo(t->plan)->forced != 0, a, ret);
}

static bool may_go(const struct core *c, const struct task *t) {
	if (t->row.state != TASK_PENDING || task_held(t, c->mono) || !t->base->connected || t->base->inflight >= c->cfg.in_flight_base ||
	    group_observed(t->base->group))
		return false;
	ARENA_AUTO a = arena_new();
	return task_waits_for(t, a, NULL) == NULL;
}

/* What it requires went meanwhile, and nobody brings it: it would not start. That is no fault of its base. One that may be there is asked
 * for all the same: that is how we learn of it. */
static bool given_up(struct core *c, struct task *t) {
	ARENA_AUTO a = arena_new();
	bool install = t->row.state == TASK_PENDING && t->row.kind == TASK_KIND_INSTALL && t->instance->row.state != INSTANCE_UNKNOWN;
	const char *r = install && !MUTANT(any_order) ? requirement_missed(t->base, t->instance->version, a) : NULL;
	if (r == NULL)
		return false;
	struct task_outcome o = { .fault = FAULT_MODULE,
		.cause = arena_printf(a, "%s, which it requires, is not wanted on %s", r, t->base->row.name) };
	if (t->plan != NULL) {
		plan_task_outcome(&c->plans, t, &o);
		plan_due(c, t->plan->row.id);
	} else {
		repair_outcome(c, t, &o);
	}
	return true;
}

/* An upgrade in place is two commands of one message: what goes and what comes are never torn apart by a limit. */
static struct task *partner_of(const struct core *c, const struct task *t) {
	const struct instance *i = t->row.partner_id == 0 ? NULL : fleet_instance(c->fleet, t->row.partner_id);
	return i == NULL || i->base != t->base ? NULL : i->task;
}

static struct task *partner_waiting(const struct core *c, const struct task *t) {
	struct task *other = partner_of(c, t);
	return other != NULL && other->queued && may_go(c, other) ? other : NULL;
}

/* It is given up, or what comes after it is: then its plan calls it off where its base did not hear of it yet. */
static bool in_vain(struct core *c, struct task *t) {
	struct task *comes = t->row.kind == TASK_KIND_UNINSTALL ? partner_of(c, t) : NULL;
	return given_up(c, t) || (comes != NULL && given_up(c, comes) && t->row.state != TASK_PENDING);
}

static void send_now(struct core *c, struct task *t) {
	c->culprit =
	    t->plan != NULL ? (struct culprit){ CULPRIT_PLAN, t->plan->row.id } : (struct culprit){ CULPRIT_BASE, t->base->row.id };
	task_send(c, t);
	if ((t = partner_waiting(c, t)) == NULL)
		return;
	TAILQ_REMOVE(t->parked != NULL ? t->parked : &c->ready, t, queue_link);
	t->parked = NULL;
	t->queued = false;
	task_send(c, t);
}

/* The next that may be sent now: as they came, and once slots are scarce as slots.h says. Tasks that cannot go leave their queue: a hello
 * or an outcome of their base brings them back (tasks_of_base_ready). */
static struct task *next_to_send(struct core *c) {
	struct task *t;
	while ((t = TAILQ_FIRST(&c->ready)) != NULL) {
		TAILQ_REMOVE(&c->ready, t, queue_link);
		t->queued = false;
		if (in_vain(c, t) || !may_go(c, t))
			continue;
		if (slots_free(&c->slots, c->fleet))
			return t;
		t->queued = true;
		if (t->plan != NULL && TAILQ_EMPTY(&t->plan->parked))
			plan_due(c, t->plan->row.id); /* it says so */
		slots_park(&c->slots, t);
	}
	while ((t = slots_next(&c->slots, c->fleet)) != NULL) {
		t->queued = false;
		if (!in_vain(c, t) && may_go(c, t))
			return t;
	}
	return NULL;
}

void dispatch(struct core *c, bool one) {
	struct task *t;
	struct base *b;
	while ((t = next_to_send(c)) != NULL) {
		send_now(c, t);
		if (one)
			break;
	}
	while ((b = TAILQ_FIRST(&c->to_command)) != NULL) {
		TAILQ_REMOVE(&c->to_command, b, command_link);
		b->command_queued = false;
		outbox_flush(c, b);
	}
}

void tasks_of_base_ready(struct core *c, struct base *b) {
	struct instance *i;
	TAILQ_FOREACH(i, &b->instances, base_link)
		if (i->task != NULL && i->task->row.state == TASK_PENDING)
			task_make_ready(c, i->task);
}

static int cmp_generation(const void *pa, const void *pb) {
	const struct task *a = *(struct task *const *)pa, *b = *(struct task *const *)pb;
	return (a->row.generation > b->row.generation) - (a->row.generation < b->row.generation);
}

void dispatch_again(struct core *c, struct base *b, struct driver_link *k) {
	struct task **sent = arena_alloc(c->open->arena, ((size_t)b->n_instances + 1) * sizeof *sent);
	struct instance *i;
	size_t n = 0;
	(void)k;
	TAILQ_FOREACH(i, &b->instances, base_link) {
		if (i->task == NULL || i->task->row.state != TASK_SENT)
			continue;
		if (hook_calls_url(i->task))
			hook_ask_again(c, i->task);
		else
			sent[n++] = i->task;
	}
	qsort(sent, n, sizeof *sent, cmp_generation);
	if (n > 0)
		command_effect(c, b, sent, n);
	tasks_of_base_ready(c, b);
}

/* What repair left alone because a chain was at work here; and what the chain gave back when its new version failed in place. What nobody
 * wants goes at once: the plans that are due look at who serves after that. A repair that failed itself has its turn in the agenda, unless
 * that came while something else was at work here. */
void leftovers_due(struct core *c, struct base *b) {
	struct instance *i, *next;
	for (i = TAILQ_FIRST(&b->instances); i != NULL; i = next) {
		next = TAILQ_NEXT(i, base_link);
		bool due = i->row.state == INSTANCE_MISSING || i->row.state == INSTANCE_PENDING || i->row.state == INSTANCE_STANDBY;
		bool later = i->row.failures > 0 && mono_before(c->mono, i->retry_at);
		if (i->task != NULL || (i->row.wanted && (later || !due)))
			continue;
		if (later || i->row.wanted)
			agenda_add(&c->agenda, later ? i->retry_at : c->mono, AGENDA_REPAIR, i->row.id);
		else
			repair_instance(c, i);
	}
}

void task_outcome(struct core *c, struct task *t, const struct task_outcome *o) {
	struct base *b = t->base;
	struct plan *p = t->plan;
	struct deployment *d = t->instance->deployment;
	struct install_end end = { b, p, d, t->instance->version, o->cause, o->ok };
	bool install = t->row.kind == TASK_KIND_INSTALL;
	if (p != NULL) {
		if (p->row.kind == PLAN_KIND_EVICT && o->ok)
			evicted(c, t);
		plan_task_outcome(&c->plans, t, o);
		plan_due(c, p->row.id);
	} else {
		repair_outcome(c, t, o);
	}
	if (install && (o->ok || t->row.state == TASK_FAILED))
		install_ended(c, &end);
	if (d != NULL && d->plan != NULL && d->plan != p) /* a newer plan may wait for what an older one or a repair began */
		plan_due(c, d->plan->row.id);
	tasks_of_base_ready(c, b);
	evictions_due(c, b);
	leftovers_due(c, b);
}
