/* A dry run: a core of its own, without ledger and driver, on a copy of the groups in question. Commands are taken from its open commit, as
 * a driver would get them, and each is answered "done" after the time such tasks took lately. */
#include "core/dry.h"
#include "core/conductor.h"
#include "core/scratch.h"

#include <stdio.h>

#define MAX_LISTED 1000
#define STRIDE 16              /* objects copied between two looks at the clock */
#define OUTCOMES_A_STEP 64     /* the same of tasks that end */
#define MAX_IDLE_STEPS 1000000 /* of virtual time in which nothing is at work: a soak of 30 days */

/* One module on one base: what is done with it is done one after the other, and beside what is done with others. */
struct lane {
	struct {
		int64_t base_id, module_id;
	} key;
	mono_t busy;
	UT_hash_handle hh;
};

struct seat { /* a base of the copy: one of those that are told of */
	int64_t base_id;
	int64_t peak;
	bool interrupted;
	UT_hash_handle hh;
};

struct placed {
	int64_t base_id;
	const struct deployment *deployment;
	const char *action;
	int batch;
};

/* One deployment of the plan. */
struct part {
	const struct deployment *deployment;
	const struct change *change; /* NULL: it is so already */
	int64_t ready;               /* before */
	int replaced, interrupted, taken_along;
	const char *labels_only; /* a note, or NULL */
};

struct dry {
	struct scratch *copy; /* NULL: it is complete, and was asked */
	struct core *core;
	struct rng rng;
	struct clock host; /* the time of whoever runs it */
	mono_t mono, began;
	wall_t wall;
	struct dry_times *times; /* in the arena */
	size_t n_times;
	struct agenda outcomes; /* of tasks */
	struct seat *seats;
	struct lane *lanes; /* where something is being done */
	struct placed placed[MAX_LISTED];
	size_t n_placed; /* in all; the first are listed */
	struct part parts[2 * PLAN_MAX_CHANGES];
	size_t n_parts;
	struct plan *plan;
	int64_t ready, lowest, idle, question;
	int n_confirmed;
	enum plan_kind kind;
	struct arena *arena; /* of what was asked, as it was before */
	struct dry_change *changes;
	size_t n_changes;
};

/* ---- its time --------------------------------------------------------------------------------------------------------------------------
 */
static mono_t dry_mono(void *arg) {
	return ((const struct dry *)arg)->mono;
}

static wall_t dry_wall(void *arg) {
	return ((const struct dry *)arg)->wall;
}

/* ---- its conductor ---------------------------------------------------------------------------------------------------------------------
 */
static void nobody_wakes(void *arg) {}

/* Gates are taken as open. */
static int64_t dry_ask(void *arg, struct plan *p, const struct plan_ask *a) {
	struct core *c = arg;
	struct dry *d = c->env.arg;
	(void)p;
	return 2 * ++d->question + (a->body != NULL);
}

static int scratch_core(struct dry *d, const struct core *like, struct err *err) {
	struct core_env env = {
		.clock = { dry_mono, dry_wall, d },
		.rng = &d->rng,
		.wake = nobody_wakes,
		.arg = d,
	};
	int r = core_new(&env, &like->cfg, &d->core, err);
	if (r != 0)
		return r;
	d->core->plans.ask = dry_ask;
	d->core->plans.prefetch = NULL;
	return 0;
}

static const struct dry_times *times_of(const struct dry *d, const struct module *m) {
	static const struct dry_times unknown;
	const struct dry_times *any = &unknown;
	for (size_t k = 0; k < d->n_times; k++) {
		if (d->times[k].module_id == m->row.id)
			return &d->times[k];
		if (d->times[k].module_id == 0)
			any = &d->times[k];
	}
	return any;
}

static int64_t task_takes(const struct dry *d, const struct task *t) {
	if (task_is_hook(t)) /* nobody knows how long it takes */
		return 0;
	const struct dry_times *x = times_of(d, t->instance->version->module);
	return t->row.kind == TASK_KIND_INSTALL ? x->install_us : x->uninstall_us;
}

/* What was asked, beside what is. */
static void describe(struct dry *d, const struct resolved *r, size_t n) {
	d->changes = arena_alloc(d->arena, (n + 1) * sizeof *d->changes);
	for (size_t k = 0; k < n; k++) {
		const struct revision *from = r[k].deployment == NULL ? NULL : r[k].deployment->current;
		struct dry_change *ch = &d->changes[d->n_changes++];
		*ch = (struct dry_change){ .deployment = arena_strdup(d->arena, r[k].name),
			.module = arena_strdup(d->arena, r[k].module->row.name),
			.to_version = arena_strdup(d->arena, r[k].version->row.name),
			.to_replicas = r[k].replicas,
			.to_revision = from == NULL ? 1 : from->row.number + !r[k].same };
		enum plan_kind kind = resolved_kind(&r[k]);
		d->kind = d->kind == PLAN_KIND_NONE || d->kind == kind ? kind : PLAN_KIND_CHANGE;
		if (from == NULL)
			continue;
		ch->from_version = arena_strdup(d->arena, from->version->row.name);
		ch->from_replicas = from->row.replicas;
		ch->from_revision = from->row.number;
	}
}

static void part_add(struct dry *d, const struct deployment *x, const struct change *ch) {
	for (size_t k = 0; k < d->n_parts; k++)
		if (d->parts[k].deployment == x)
			return;
	if (d->n_parts == sizeof d->parts / sizeof *d->parts)
		return;
	d->parts[d->n_parts++] = (struct part){ .deployment = x, .change = ch, .ready = x->n_serving };
	d->ready += x->n_serving;
}

static int ask_there(struct dry *d, const struct core_who *who, const struct deploy_spec *specs, size_t n, struct err *err) {
	struct core *c = d->core;
	struct deployment *asked[PLAN_MAX_CHANGES] = { NULL };
	const struct change *ch;
	c->who = *who;
	int r = change_deploy_all(c, who, specs, n, asked, &d->plan, err);
	c->who = (struct core_who){ 0 };
	if (r != 0)
		return r;
	if (d->plan != NULL)
		TAILQ_FOREACH(ch, &d->plan->changes, link)
			part_add(d, ch->deployment, ch);
	for (size_t k = 0; k < n; k++)
		if (asked[k] != NULL)
			part_add(d, asked[k], NULL);
	d->lowest = d->ready;
	return 0;
}

int dry_begin(struct core *c, const struct core_who *who, const struct deploy_spec *specs, size_t n, const struct dry_times *times,
    size_t n_times, struct dry **ret, struct err *err) {
	ARENA_AUTO a = arena_new();
	struct resolved *r = arena_alloc(a, (n + 1) * sizeof *r);
	int e = resolve_all(c, who->tenant_id, specs, n, r, err);
	if (e != 0)
		return e;
	struct dry *d = calloc(1, sizeof *d);
	if (d == NULL)
		abort();
	d->arena = arena_new();
	d->times = arena_memdup(d->arena, times, n_times * sizeof *times);
	d->n_times = n_times;
	d->host = c->env.clock;
	rng_init(&d->rng, 1);
	e = scratch_core(d, c, err);
	if (e != 0) {
		dry_free(d, c);
		return e;
	}
	d->copy = scratch_new(c, r, n);
	*ret = d;
	return 0;
}

/* The copy is complete: time begins, and everything is asked for there. */
static int dry_ask_all(
    struct dry *d, struct core *c, const struct core_who *who, const struct deploy_spec *specs, size_t n, struct err *err) {
	ARENA_AUTO a = arena_new();
	struct resolved *r = arena_alloc(a, (n + 1) * sizeof *r);
	struct core *there = d->core;
	there->fleet = there->plans.fleet = scratch_take(d->copy);
	scratch_free(d->copy, c);
	d->copy = NULL;
	fleet_on_plan_free(there->fleet, plan_live_free);
	d->mono = d->began = c->mono;
	d->wall = c->wall;
	core_look_at_clock(there);
	int e = resolve_all(there, who->tenant_id, specs, n, r, err);
	if (e != 0)
		return e;
	describe(d, r, n);
	return ask_there(d, who, specs, n, err);
}

static bool lanes_free(struct dry *d, size_t *objects) {
	struct lane *l, *next;
	HASH_ITER(hh, d->lanes, l, next) {
		if (*objects == 0)
			return false;
		HASH_DEL(d->lanes, l);
		free(l);
		--*objects;
	}
	return true;
}

/* The copy first: everything else is little. */
static bool dry_gone(void *what, size_t *objects) {
	struct dry *d = what;
	struct seat *s, *next;
	if (!lanes_free(d, objects) || (d->core != NULL && d->core->fleet != NULL && !fleet_free_some(d->core->fleet, objects)))
		return false;
	HASH_ITER(hh, d->seats, s, next) {
		HASH_DEL(d->seats, s);
		free(s);
	}
	if (d->core != NULL)
		d->core->fleet = NULL;
	agenda_clear(&d->outcomes);
	core_free(d->core);
	arena_free(d->arena);
	free(d);
	return true;
}

void dry_free(struct dry *d, struct core *c) {
	if (d == NULL)
		return;
	scratch_free(d->copy, c);
	core_bury(c, d, dry_gone);
}

int dry_check(const struct dry *d, struct err *err) {
	return d->core->fleet == NULL ? 0 : fleet_check(d->core->fleet, err);
}

/* ---- what happens ----------------------------------------------------------------------------------------------------------------------
 */
/* NULL: it is not one of those that are told of. */
static struct seat *seat_of(struct dry *d, const struct base *b) {
	struct seat *s;
	HASH_FIND(hh, d->seats, &b->row.id, sizeof b->row.id, s);
	if (s == NULL && HASH_COUNT(d->seats) < MAX_LISTED) {
		s = calloc(1, sizeof *s);
		if (s == NULL)
			abort();
		s->base_id = b->row.id;
		HASH_ADD(hh, d->seats, base_id, sizeof s->base_id, s);
	}
	return s;
}

static void seat_note(struct dry *d, const struct base *b, bool gap) {
	struct seat *s = seat_of(d, b);
	if (s == NULL)
		return;
	if (b->row.units_used > s->peak)
		s->peak = b->row.units_used;
	s->interrupted |= gap;
}

static struct lane *lane_of(struct dry *d, const struct task *t) {
	struct lane *l, key = { .key = { t->row.base_id, t->instance->version->module->row.id } };
	HASH_FIND(hh, d->lanes, &key.key, sizeof key.key, l);
	if (l == NULL) {
		l = calloc(1, sizeof *l);
		if (l == NULL)
			abort();
		l->key = key.key;
		HASH_ADD(hh, d->lanes, key, sizeof l->key, l);
	}
	return l;
}

/* Nothing is at work there any more. */
static void lane_close(struct dry *d, const struct task *t) {
	struct lane *l = lane_of(d, t);
	if (mono_before(d->mono, l->busy))
		return;
	HASH_DEL(d->lanes, l);
	free(l);
}

/* What others do by the way, because the plan makes it possible, is not the plan's. */
static void place(struct dry *d, const struct task *t, const char *action) {
	if (t->plan != d->plan)
		return;
	if (d->n_placed < MAX_LISTED)
		d->placed[d->n_placed] = (struct placed){ t->row.base_id, t->instance->deployment, action, (int)t->row.batch };
	d->n_placed++;
}

static struct part *part_of(struct dry *d, const struct deployment *x) {
	for (size_t k = 0; k < d->n_parts; k++)
		if (d->parts[k].deployment == x)
			return &d->parts[k];
	return NULL;
}

/* An upgrade in place is the removal of the old one before the new one is there. */
static void note(struct dry *d, const struct task *t) {
	const struct instance *other = t->row.partner_id == 0 ? NULL : fleet_instance(d->core->fleet, t->row.partner_id);
	bool here = other != NULL && other->base == t->base, install = t->row.kind == TASK_KIND_INSTALL;
	struct part *p = part_of(d, t->instance->deployment);
	bool gap = !install && here && other->row.state != INSTANCE_READY;
	if (install)
		place(d, t, here ? "upgrade" : "install");
	else if (!here)
		place(d, t, "uninstall");
	seat_note(d, t->base, gap);
	if (p == NULL)
		return;
	p->replaced += install && here;
	if (install && here && other->row.state == INSTANCE_READY && p->labels_only == NULL)
		p->labels_only = explain_labels(other->version, t->instance->version, d->arena);
	p->interrupted += gap;
	p->taken_along += !install && p->change != NULL && p->change->row.accompanies;
}

/* As an agent does it: what is in one message one after the other. */
static void command_taken(struct dry *d, const Berth__V1__Command *cmd) {
	mono_t before = d->mono;
	for (size_t k = 0; k < cmd->n_items; k++) {
		struct task *t = fleet_task(d->core->fleet, cmd->items[k]->task);
		if (t == NULL || t->base == NULL)
			continue;
		if (task_is_hook(t)) {
			agenda_add(&d->outcomes, d->mono, AGENDA_TASK, t->row.id);
			continue;
		}
		struct lane *l = lane_of(d, t);
		note(d, t);
		mono_t from = mono_before(l->busy, before) ? before : l->busy;
		before = l->busy = mono_add(from, task_takes(d, t));
		agenda_add(&d->outcomes, l->busy, AGENDA_TASK, t->row.id);
	}
}

static void look(struct dry *d) {
	int64_t now = 0;
	for (size_t k = 0; k < d->n_parts; k++)
		now += d->parts[k].deployment->n_serving;
	if (now < d->lowest)
		d->lowest = now;
}

static void commands_take(struct dry *d) {
	struct core *c = d->core;
	struct effect *x;
	TAILQ_FOREACH(x, &c->open->effects, entry) {
		if (x->kind == EFFECT_COMMAND)
			command_taken(d, x->message);
		else if (x->kind == EFFECT_ASK && x->task_id != 0)
			agenda_add(&d->outcomes, d->mono, AGENDA_TASK, x->task_id);
	}
	if (TAILQ_EMPTY(&c->open->effects))
		return;
	bundle_free(c->open);
	c->open = bundle_new();
	look(d);
}

/* Even numbers are probes, odd ones are posted to a gate URL. */
static void questions_answer(struct dry *d) {
	struct strategy s;
	struct plan_answer answers[2] = { { .status = 200 }, { .status = 200 } };
	if (d->question == 0)
		return;
	plan_strategy(d->plan, &s);
	answers[0].status = (int)s.gate_probe_status;
	for (; d->question > 0; d->question--)
		for (int64_t k = 0; k < 2; k++)
			plan_answered(&d->core->plans, d->plan, 2 * d->question + k, &answers[k]);
	plan_due(d->core, d->plan->row.id);
}

/* Very many may be due at one moment: as many as fit into a step. */
static void outcomes_take(struct dry *d) {
	struct agenda_item x;
	for (int n = 0; n < OUTCOMES_A_STEP && agenda_pop(&d->outcomes, d->mono, &x); n++) {
		struct task *t = fleet_task(d->core->fleet, x.id);
		struct task_outcome good = { .ok = true };
		if (t == NULL || t->row.state != TASK_SENT)
			continue;
		if (!task_is_hook(t))
			lane_close(d, t);
		good.duration_us = task_takes(d, t);
		task_outcome(d->core, t, &good);
		look(d);
	}
}

static void agenda_take(struct dry *d) {
	struct agenda_item x;
	while (agenda_pop(&d->core->agenda, d->mono, &x)) {
		struct task *t = x.kind == AGENDA_TASK ? fleet_task(d->core->fleet, x.id) : NULL;
		if (x.kind == AGENDA_PLAN)
			plan_due(d->core, x.id);
		else if (t != NULL && t->plan != NULL && t->row.state == TASK_PENDING && !task_still_held(&d->core->plans, t))
			plan_task_due(&d->core->plans, t);
	}
}

static bool over(const struct dry *d) {
	struct plan_wait w = { .stuck = false };
	if (d->plan != NULL)
		plan_wait_now(d->plan, &w);
	return d->plan == NULL || word_terminal(WORD_PLAN, d->plan->row.state) || d->plan->row.state == PLAN_PAUSED || w.stuck ||
	       d->idle > MAX_IDLE_STEPS;
}

/* To the next moment at which something happens. False: nothing ever will. */
static bool time_passes(struct dry *d) {
	mono_t work = agenda_next(&d->outcomes), next = agenda_next(&d->core->agenda);
	if (mono_before(work, next))
		next = work;
	if (next.us == MONO_NEVER.us)
		return false;
	d->idle = d->outcomes.n == 0 ? d->idle + 1 : 0;
	if (mono_before(d->mono, next)) {
		d->wall.us += mono_diff(next, d->mono);
		d->mono = next;
	}
	core_look_at_clock(d->core);
	outcomes_take(d);
	agenda_take(d);
	return true;
}

/* What a turn of the core does. False: nothing more will happen. */
static bool one_step(struct dry *d) {
	struct core *c = d->core;
	if (conduct_step(c))
		return true;
	dispatch(c, false);
	commands_take(d);
	questions_answer(d);
	if (c->due_plans.next < c->due_plans.n)
		return true;
	if (over(d))
		return false;
	if (d->plan->row.state == PLAN_CONFIRMING) {
		d->n_confirmed++;
		plan_confirm(&c->plans, d->plan, d->plan->row.current_batch);
		plan_due(c, d->plan->row.id);
		return true;
	}
	return time_passes(d);
}

static bool late(const struct dry *d, mono_t from, int64_t budget_us) {
	return mono_diff(clock_mono(&d->host), from) >= budget_us;
}

int dry_step(struct dry *d, struct core *c, const struct core_who *who, const struct deploy_spec *specs, size_t n, int64_t budget_us,
    bool *ret_over, struct err *err) {
	mono_t from = clock_mono(&d->host);
	bool whole = false;
	int r = 0;
	*ret_over = false;
	while (d->copy != NULL && r == 0) {
		r = scratch_step(d->copy, c, STRIDE, &whole, err);
		if (r == 0 && whole)
			r = dry_ask_all(d, c, who, specs, n, err);
		if (r != 0 || late(d, from, budget_us))
			return r;
	}
	while (!*ret_over) {
		*ret_over = d->plan == NULL || !one_step(d);
		if (late(d, from, budget_us))
			break;
	}
	return 0;
}

/* ---- what is told ----------------------------------------------------------------------------------------------------------------------
 */
static const char *base_name(const struct dry *d, int64_t id, struct arena *a) {
	const struct base *b = fleet_base_by_id(d->core->fleet, id);
	return b == NULL ? "" : arena_strdup(a, b->row.name);
}

static void tell_bases(struct dry *d, struct arena *a, struct dry_run *x) {
	struct seat *s, *next;
	x->peaks = arena_alloc(a, (HASH_COUNT(d->seats) + 1) * sizeof *x->peaks);
	HASH_ITER(hh, d->seats, s, next) {
		const struct base *b = fleet_base_by_id(d->core->fleet, s->base_id);
		x->peaks[x->n_peaks++] = (struct dry_peak){
			.base = arena_strdup(a, b->row.name), .units = s->peak, .limit = base_limit(b), .interrupted = s->interrupted
		};
	}
	x->placed = arena_alloc(a, MAX_LISTED * sizeof *x->placed);
	for (; x->n_placed < d->n_placed && x->n_placed < MAX_LISTED; x->n_placed++) {
		const struct placed *p = &d->placed[x->n_placed];
		x->placed[x->n_placed] =
		    (struct dry_placed){ base_name(d, p->base_id, a), arena_strdup(a, p->deployment->row.name), p->action, p->batch };
	}
}

static void say(struct dry_run *x, const char *text) {
	x->notes[x->n_notes++] = text;
}

/* What is adopted runs from bytes that Berth never had. */
static void tell_no_way_back(const struct dry *d, const struct part *p, struct arena *a, struct dry_run *x) {
	for (size_t k = 0; k < d->n_changes; k++) {
		const struct dry_change *ch = &d->changes[k];
		bool here = strcmp(ch->deployment, p->deployment->row.name) == 0 && ch->from_version != NULL;
		const struct version *old = here ? fleet_version(p->deployment->module, ch->from_version) : NULL;
		if (old != NULL && !version_restorable(old))
			say(x, arena_printf(a, "Berth has no artifact of %s:%s: where the new version fails, it cannot be put back",
			           ch->module, ch->from_version));
	}
}

static void tell_part(const struct dry *d, const struct part *p, struct arena *a, struct dry_run *x) {
	const char *name = p->deployment->module->row.name;
	if (p->interrupted > 0)
		tell_no_way_back(d, p, a, x);
	if (p->labels_only != NULL)
		say(x, arena_strdup(a, p->labels_only));
	if (p->taken_along > 0)
		say(x, arena_printf(a, "%s requires %s: it is taken down before and brought back after it on each base",
		           p->deployment->row.name, d->changes[0].module));
	else if (p->interrupted > 0 && p->interrupted >= p->replaced)
		say(x, arena_printf(a, "%s is uninstalled before it is installed on each base", name));
	else if (p->interrupted > 0)
		say(x, arena_printf(a, "%s is uninstalled before it is installed on %d of %d bases", name, p->interrupted, p->replaced));
}

/* Each group that is touched says it once. */
static void tell_hooks(const struct dry *d, struct arena *a, struct dry_run *x) {
	for (size_t k = 0; k < d->n_parts; k++) {
		const struct group *g = d->parts[k].deployment->group;
		const char *before = hook_of(g, TASK_KIND_BEFORE_SWAP), *after = hook_of(g, TASK_KIND_AFTER_SWAP);
		char wait[48] = "";
		bool told = false;
		for (size_t j = 0; j < k; j++)
			told |= d->parts[j].deployment->group == g;
		if (told)
			continue;
		if (g->row.drain_wait_us > 0)
			duration_format(g->row.drain_wait_us, wait);
		if (before != NULL || *wait != '\0')
			say(x, arena_printf(a, "in group %s, before what answers is removed or replaced: %s%s%s%s", g->row.name,
			           before == NULL ? "" : "beforeSwap ", before == NULL ? "" : before,
			           before != NULL && *wait != '\0' ? ", then " : "",
			           *wait == '\0' ? "" : arena_printf(a, "%s of drainWait", wait)));
		if (after != NULL)
			say(x, arena_printf(a, "in group %s, when what comes is ready: afterSwap %s", g->row.name, after));
	}
}

/* Of each module once. */
static int samples(const struct dry *d) {
	int n = 0;
	for (size_t k = 0; k < d->n_parts; k++) {
		const struct module *m = d->parts[k].deployment->module;
		bool counted = false;
		for (size_t j = 0; j < k; j++)
			counted |= d->parts[j].deployment->module == m;
		n += counted ? 0 : times_of(d, m)->samples;
	}
	return n;
}

static const char *modules_without_history(const struct dry *d, struct arena *a, int *ret_known) {
	const char *names = NULL;
	*ret_known = 0;
	for (size_t k = 0; k < d->n_parts; k++) {
		const struct module *m = d->parts[k].deployment->module;
		bool known = times_of(d, m)->samples > 0, told = false;
		*ret_known += known;
		for (size_t j = 0; j < k; j++)
			told |= d->parts[j].deployment->module == m;
		if (!known && !told)
			names = names == NULL ? arena_strdup(a, m->row.name) : arena_printf(a, "%s, %s", names, m->row.name);
	}
	return names;
}

static void tell_duration(struct dry *d, struct arena *a, struct dry_run *x) {
	char took[48];
	int known;
	const char *unknown = modules_without_history(d, a, &known);
	duration_format(x->duration_us / US_PER_MS * US_PER_MS, took);
	if (known == 0)
		say(x, arena_printf(a, "no history of %s: how long its tasks take is not known; watching its batches alone takes %s",
		           unknown, took));
	else
		say(x, arena_printf(a, "takes about %s, as the last %d tasks of %s did%s%s%s", took, x->samples,
		           d->n_parts == 1 ? d->changes[0].module : "its modules", unknown == NULL ? "" : "; no history of ",
		           unknown == NULL ? "" : unknown, unknown == NULL ? "" : ", whose tasks count as taking no time"));
}

static void tell_people(struct dry *d, struct arena *a, struct dry_run *x) {
	struct strategy s;
	x->notes = arena_alloc(a, (5 * d->n_parts + 7) * sizeof *x->notes);
	if (d->plan == NULL) {
		say(x, "everything already is so: nothing would be done");
		return;
	}
	for (size_t k = 0; k < d->n_parts; k++)
		tell_part(d, &d->parts[k], a, x);
	tell_hooks(d, a, x);
	if (d->n_placed > x->n_placed)
		say(x, arena_printf(a, "the first %zu of %zu placements are listed", x->n_placed, d->n_placed));
	if (d->ready > 0)
		say(x, arena_printf(a, "at the lowest %lld of %lld instances are ready", (long long)d->lowest, (long long)d->ready));
	tell_duration(d, a, x);
	if (d->n_confirmed > 0)
		say(x, arena_printf(
		           a, "waits for a person %d %s, which is not counted", d->n_confirmed, d->n_confirmed == 1 ? "time" : "times"));
	plan_strategy(d->plan, &s);
	if (s.gate_state == CHOICE_YES || s.gate_failed.kind != AMOUNT_UNSET || s.gate_probe[0] != '\0' || s.gate_url[0] != '\0')
		say(x, "its gates are taken as open");
}

static void tell_plan(struct dry *d, struct arena *a, struct dry_run *x) {
	const struct batch *b;
	struct waiting *w = NULL;
	if (d->plan == NULL)
		return;
	TAILQ_FOREACH(b, &d->plan->batches, link) {
		x->batch_label[x->n_batches] = arena_strdup(a, b->row.label);
		x->batch_size[x->n_batches++] = b->row.size;
	}
	x->n_waiting = word_terminal(WORD_PLAN, d->plan->row.state) ? 0 : explain_plan(d->core, d->plan, a, &w);
	x->waiting = arena_alloc(a, (x->n_waiting + 1) * sizeof *x->waiting);
	for (size_t k = 0; k < x->n_waiting; k++) {
		x->waiting[k] = w[k];
		x->waiting[k].rule = arena_strdup(a, w[k].rule);
		x->waiting[k].command = arena_strdup(a, w[k].command);
	}
}

static void tell_changes(const struct dry *d, struct arena *a, struct dry_run *x) {
	x->changes = arena_alloc(a, (d->n_changes + 1) * sizeof *x->changes);
	for (; x->n_changes < d->n_changes; x->n_changes++) {
		struct dry_change *ch = &x->changes[x->n_changes];
		*ch = d->changes[x->n_changes];
		ch->deployment = arena_strdup(a, ch->deployment);
		ch->module = arena_strdup(a, ch->module);
		ch->from_version = arena_strdup(a, ch->from_version);
		ch->to_version = arena_strdup(a, ch->to_version);
	}
}

struct dry_run *dry_result(struct dry *d, struct arena *a) {
	struct dry_run *x = arena_alloc(a, sizeof *x);
	*x = (struct dry_run){ .kind = d->plan == NULL ? PLAN_KIND_NONE : d->kind,
		.ready = d->ready,
		.lowest = d->lowest,
		.duration_us = mono_diff(d->mono, d->began),
		.samples = samples(d),
		.confirmations = d->n_confirmed };
	tell_changes(d, a, x);
	tell_bases(d, a, x);
	tell_plan(d, a, x);
	tell_people(d, a, x);
	return x;
}
