/* Why things wait: sentences for people, each with the command that would let it go on. A by-product of the engine's own conditions. */
#include "core/conductor.h"
#include "core/launch.h"

#include <stdio.h>

#include "plan/memo.h"
#include "sched/place.h"
#include "sched/requires.h"

struct listing {
	struct arena *a;
	struct waiting v[12];
	size_t n;
	wall_t since;
	bool first_only; /* its rule and command, without a sentence */
};

static bool full(const struct listing *l) {
	return l->n == (l->first_only ? 1 : sizeof l->v / sizeof *l->v);
}

static void add(struct listing *l, const char *rule, int count, const char *command, const char *fmt, ...)
    __attribute__((format(printf, 5, 6)));
static void add(struct listing *l, const char *rule, int count, const char *command, const char *fmt, ...) {
	if (full(l))
		return;
	struct waiting *w = &l->v[l->n++];
	*w = (struct waiting){ .rule = rule, .text = "", .command = command, .since = l->since, .count = count };
	if (l->first_only)
		return;
	va_list ap;
	va_start(ap, fmt);
	w->text = arena_vprintf(l->a, fmt, ap);
	va_end(ap);
}

static size_t listed(struct listing *l, struct waiting **ret) {
	*ret = arena_memdup(l->a, l->v, l->n * sizeof *l->v);
	return l->n;
}

static void place_report_of(
    struct core *c, const struct deployment *d, const struct base *only, struct arena *a, struct place_report *rep) {
	const struct revision *r = d->current;
	struct place_req req = {
		.group = d->group,
		.deployment = d,
		.module = d->module,
		.version = r == NULL ? NULL : r->version,
		.units = r == NULL ? 1 : r->version->row.units,
		.policy = r == NULL ? PLACEMENT_SPREAD : r->strategy.placement,
	};
	place_explain(c->fleet, &req, only, a, rep);
}

static void explain_room(struct core *c, const struct deployment *d, int64_t missing, struct listing *l) {
	struct place_report rep = { 0 };
	if (!l->first_only)
		place_report_of(c, d, NULL, l->a, &rep);
	add(l, "no_room", (int)missing, rep.n > 0 && rep.refusals[0].command != NULL ? rep.refusals[0].command : "berth base list",
	    "%lld waiting for room: %s", (long long)missing, rep.n_bases == 0 ? "the group has no base yet" : rep.summary);
}

static const char *hook_named(const struct task *t) {
	const char *hook = hook_of(t->base->group, (enum task_kind)t->row.kind);
	return hook == NULL ? "a hook that its group had" : hook;
}

static void explain_no_place(
    struct core *c, const struct instance *i, const struct revision *to, struct place_req *req, struct listing *l) {
	struct place_report rep = { 0 };
	req->units = to->version->row.units - i->row.units;
	place_explain(c->fleet, req, i->base, l->a, &rep);
	for (size_t k = 0; k < rep.n; k++)
		if (strcmp(rep.refusals[k].rule, "full") == 0)
			add(l, "full", 1, rep.refusals[k].command, "%s:%s on %s cannot give way to %s, which needs more: %s",
			    i->version->module->row.name, i->version->row.name, i->base->row.name, to->version->row.name,
			    rep.refusals[k].text);
}

/* It is to stand beside its successor for a while, and its base has no room for both; or the successor needs more than is there with it
 * gone. */
static void explain_crowded(struct core *c, const struct plan *p, const struct instance *i, struct listing *l) {
	const struct change *ch = change_of(p, i->deployment);
	const struct revision *to = ch == NULL ? NULL : fleet_revision(i->deployment, ch->row.to_revision);
	struct place_report rep = { 0 };
	if (to == NULL)
		return;
	struct place_req req = { .group = i->deployment->group,
		.deployment = i->deployment,
		.module = i->deployment->module,
		.version = to->version,
		.units = to->version->row.units,
		.old = i };
	if (req.units - i->row.units > base_free(i->base)) {
		explain_no_place(c, i, to, &req, l);
		return;
	}
	place_explain(c->fleet, &req, i->base, l->a, &rep);
	for (size_t k = 0; k < rep.n; k++)
		if (strcmp(rep.refusals[k].rule, "full") == 0 || strcmp(rep.refusals[k].rule, "metaspace") == 0)
			add(l, rep.refusals[k].rule, 1, rep.refusals[k].command,
			    "%s:%s goes from %s once its successor stands beside it (install_first), and for both there is no room: %s",
			    i->version->module->row.name, i->version->row.name, i->base->row.name, rep.refusals[k].text);
}

static void explain_tasks(const struct core *c, const struct plan *p, const struct plan_wait *w, struct listing *l) {
	const struct task *t;
	char d[48];
	TAILQ_FOREACH(t, &p->tasks, plan_link) {
		if (full(l)) /* nothing more is told: very many tasks are not put into words for nothing */
			break;
		if (word_terminal(WORD_TASK, t->row.state))
			continue;
		struct requirement q = { 0 };
		const struct instance *other = t->row.state == TASK_PENDING ? task_waits_for(t, l->a, &q) : NULL;
		if (!t->base->connected)
			add(l, "base_away", 1, arena_printf(l->a, "berth base show %s", t->row.base), "%s of %s:%s on %s: the base is %s",
			    word_text(WORD_TASK_KIND, t->row.kind), t->row.module, t->row.version, t->row.base,
			    word_text(WORD_BASE, t->base->row.state));
		else if (other != NULL && q.module != NULL)
			add(l, "requires", 1, arena_printf(l->a, "berth why %s", other->version->module->row.name),
			    "install of %s:%s on %s: it requires %s%s%s there, and %s:%s is %s", t->row.module, t->row.version, t->row.base,
			    q.module, *q.range == '\0' ? "" : " ", q.range, q.module, other->version->row.name,
			    word_text(WORD_INSTANCE, other->row.state));
		else if (other != NULL)
			add(l, "requires", 1, arena_printf(l->a, "berth why %s", other->version->module->row.name),
			    "%s of %s:%s on %s: %s:%s requires it there and is %s", word_text(WORD_TASK_KIND, t->row.kind), t->row.module,
			    t->row.version, t->row.base, other->version->module->row.name, other->version->row.name,
			    word_text(WORD_INSTANCE, other->row.state));
		else if (task_held(t, c->mono))
			add(l, "drain", 1, "", "%s of %s:%s on %s: it is out of traffic, drainWait is over in %s",
			    word_text(WORD_TASK_KIND, t->row.kind), t->row.module, t->row.version, t->row.base,
			    duration_format((mono_diff(t->due, c->mono) / US_PER_MS + 1) * US_PER_MS, d));
		else if (t->row.state == TASK_SENT && task_is_hook(t))
			add(l, "hook", 1, arena_printf(l->a, "berth group show %s", t->base->group->row.name),
			    "%s of %s:%s on %s: %s was called and is not done", word_text(WORD_TASK_KIND, t->row.kind), t->row.module,
			    t->row.version, t->row.base, hook_named(t));
		else if (t->row.state == TASK_BACKOFF)
			add(l, "backoff", 1, arena_printf(l->a, "berth plan show %lld", (long long)p->row.id),
			    "%s of %s:%s on %s is tried again (attempt %lld failed: %s)", word_text(WORD_TASK_KIND, t->row.kind),
			    t->row.module, t->row.version, t->row.base, (long long)t->row.attempt,
			    t->row.cause == NULL ? "" : t->row.cause);
	}
	int parked = 0;
	TAILQ_FOREACH(t, &p->parked, queue_link)
		parked++;
	if (parked > 0)
		add(l, "command_slots", parked, "",
		    "%d %s for a command slot: all %lld of the cell are in use, and each that becomes free goes to the plan with the "
		    "fewest",
		    parked, parked == 1 ? "command waits" : "commands wait", (long long)c->cfg.in_flight);
	if (w->n_sent > 0)
		add(l, "at_work", w->n_sent, "", "%d %s at work on their bases", w->n_sent, w->n_sent == 1 ? "task is" : "tasks are");
}

static const struct change *change_ahead(const struct plan *p) {
	const struct change *ch;
	TAILQ_FOREACH(ch, &p->changes, link)
		if (ch->deployment != NULL && ch->deployment->plan != NULL && ch->deployment->plan != p)
			return ch;
	return NULL;
}

static void explain_eviction(const struct core *c, const struct plan *p, const struct plan_wait *w, struct listing *l) {
	const struct finding *x = p->evicts;
	const char *module = x->row.module, *version = x->row.version, *base = x->base->row.name;
	char d[48];
	if (w->grace)
		add(l, "grace", 1, arena_printf(l->a, "berth plan stop %lld", (long long)p->row.id),
		    "%s:%s goes from base %s in another %s, unless the finding is adopted or ignored before", module, version, base,
		    duration_format((mono_diff(w->until, c->mono) / US_PER_MS + 1) * US_PER_MS, d));
	else if (w->away && p->n_open == 0)
		add(l, "base_away", 1, arena_printf(l->a, "berth base show %s", base),
		    "%s:%s goes from base %s when that can be told to; it is %s", module, version, base,
		    word_text(WORD_BASE, x->base->row.state));
	const struct instance *by = p->n_open > 0 || plan_memo(x->plan)->forced != 0 ? NULL : plan_evict_misser(x);
	if (by != NULL)
		add(l, "requires", 1, arena_printf(l->a, "berth finding evict %lld --force --reason WHY", (long long)x->row.id),
		    "%s:%s on base %s requires %s, which stays as long as that is wanted there", by->version->module->row.name,
		    by->version->row.name, base, module);
}

static void explain_into(struct core *c, const struct plan *p, struct listing *l) {
	struct plan_wait w;
	char d[48];
	long long id = p->row.id;
	plan_waiting(p, &w);
	l->since = p->row.state_at;
	const struct change *ch = TAILQ_FIRST(&p->changes);
	const struct change *other = change_ahead(p);
	const struct plan *ahead = other == NULL ? NULL : other->deployment->plan;
	if (word_terminal(WORD_PLAN, p->row.state))
		return;
	const struct group *frozen = w.queued ? plan_frozen(p) : NULL;
	if (frozen != NULL && group_observed(frozen))
		add(l, "observed", 1, arena_printf(l->a, "berth group set %s --mode manage", frozen->row.name),
		    "group %s is only observed, no plan starts there", frozen->row.name);
	else if (frozen != NULL)
		add(l, "frozen", 1, arena_printf(l->a, "berth unfreeze %s", frozen->row.name),
		    "group %s is frozen, no plan starts there: %s", frozen->row.name, frozen->row.freeze_reason);
	if (w.queued && ahead != NULL)
		add(l, "other_plan", 1, arena_printf(l->a, "berth plan show %lld", (long long)ahead->row.id),
		    "plan %lld of deployment %s is %s", (long long)ahead->row.id, other->deployment->row.name,
		    word_text(WORD_PLAN, ahead->row.state));
	if (w.paused)
		add(l, "paused", 1, arena_printf(l->a, "berth plan resume %lld", id), "paused: %s",
		    p->row.state_reason == NULL ? "" : p->row.state_reason);
	if (w.confirm)
		add(l, "confirm", 1, arena_printf(l->a, "berth plan confirm %lld %lld", id, (long long)p->row.current_batch),
		    "batch %lld waits to be confirmed by a person", (long long)p->row.current_batch);
	const struct deployment *homeless = w.no_room ? fleet_deployment_by_id(c->fleet, w.room_id) : NULL;
	if (homeless != NULL)
		explain_room(c, homeless, w.unplaced, l);
	if (w.surge)
		add(l, "max_surge", 1, "",
		    "a move holds one instance more than wanted for a moment; as many are under way as max_surge allows");
	if (w.unavailable)
		add(l, "max_unavailable", 1, "", "one more at once would leave fewer ready than max_unavailable allows");
	const struct instance *behind = w.lacking == 0 ? NULL : fleet_instance(c->fleet, w.lacking);
	if (behind != NULL)
		add(l, "requires", 1, arena_printf(l->a, "berth why %s --base %s", behind->deployment->row.name, behind->base->row.name),
		    "%s:%s cannot follow on %s: what the next version requires is not there, and modules that require %s are",
		    behind->version->module->row.name, behind->version->row.name, behind->base->row.name,
		    behind->version->module->row.name);
	const struct instance *crowded = w.crowded == 0 ? NULL : fleet_instance(c->fleet, w.crowded);
	if (crowded != NULL)
		explain_crowded(c, p, crowded, l);
	const struct instance *first = w.order ? fleet_instance(c->fleet, w.order_id) : NULL;
	if (first != NULL)
		add(l, "requires", 1,
		    first->deployment == NULL
		        ? ""
		        : arena_printf(l->a, "berth why %s --base %s", first->deployment->row.name, first->base->row.name),
		    "modules that require each other on one base wait for their turn there: %s:%s on %s has to go, or to come, first%s",
		    first->version->module->row.name, first->version->row.name, first->base->row.name,
		    w.stuck ? arena_printf(l->a, "; no plan has it, and this one pauses in %s",
		                  duration_format(mono_diff(w.until, c->mono) / US_PER_S * US_PER_S, d))
		            : "");
	if (w.repair)
		add(l, "repair", 1, arena_printf(l->a, "berth why %s", ch->row.deployment),
		    "instances that were missing are being installed again");
	if (w.others)
		add(l, "others_at_work", 1, arena_printf(l->a, "berth why %s", ch->row.deployment),
		    "a repair, or a plan before this one, is still at work on instances that come next");
	if (w.in_flight)
		add(l, "in_flight", 1, "", "as many bases are at work as max_in_flight allows");
	if (w.gate != NULL) {
		const struct plan_memo *m = plan_memo(fleet_plan(c->fleet, p->row.id));
		add(l, "gate", 1, arena_printf(l->a, "berth plan confirm %lld %lld", id, (long long)p->row.current_batch),
		    "gate %s holds batch %lld%s%s; it refuses after another %s", w.gate, (long long)p->row.current_batch,
		    m->gate_said[0] == '\0' ? "" : ": ", m->gate_said,
		    duration_format(mono_diff(w.until, c->mono) / US_PER_S * US_PER_S, d));
		l->v[l->n - 1].since = (wall_t){ m->gate_since };
	}
	if (w.prefetch > 0)
		add(l, "prefetch", w.prefetch, "", "%d %s the artifact ahead of the first batch; it waits for another %s at most",
		    w.prefetch, w.prefetch == 1 ? "base fetches" : "bases fetch",
		    duration_format((mono_diff(w.until, c->mono) / US_PER_MS + 1) * US_PER_MS, d));
	if (w.min_ready || w.soak)
		add(l, w.soak ? "soak" : "min_ready", 1, "", "%s for another %s", w.soak ? "soaking" : "watching what was installed",
		    duration_format((mono_diff(w.until, c->mono) / US_PER_MS + 1) * US_PER_MS, d));
	if (p->evicts != NULL)
		explain_eviction(c, p, &w, l);
	explain_tasks(c, p, &w, l);
}

size_t explain_plan(struct core *c, const struct plan *p, struct arena *a, struct waiting **ret) {
	struct listing l = { .a = a };
	explain_into(c, p, &l);
	return listed(&l, ret);
}

/* What waits its turn, or for a group to thaw. */
static void explain_queued(struct core *c, const struct deployment *d, struct listing *l) {
	struct plan *p = d->plan != NULL || d->n_queued == 0 ? NULL : fleet_plans(c->fleet);
	for (; p != NULL; p = p->hh_id.next)
		if (p->row.state == PLAN_QUEUED && plan_touches(p, d))
			explain_into(c, p, l);
}

/* Repairs that wait for their turn among the modules of their base. */
static void explain_turns(const struct deployment *d, struct listing *l) {
	const struct instance *i;
	TAILQ_FOREACH(i, &d->instances, deployment_link) {
		if (full(l))
			break;
		bool waits = i->task != NULL && i->task->plan == NULL && i->task->row.state == TASK_PENDING;
		const struct instance *x = waits ? task_waits_for(i->task, l->a, NULL) : NULL;
		if (x != NULL)
			add(l, "requires", 1, arena_printf(l->a, "berth why %s --base %s", x->version->module->row.name, x->base->row.name),
			    i->row.wanted ? "%s:%s on %s requires %s:%s there, which is %s"
			                  : "%s:%s on %s is not wanted any more, and stays as long as %s:%s requires it there (%s)",
			    d->module->row.name, i->version->row.name, i->base->row.name, x->version->module->row.name,
			    x->version->row.name, word_text(WORD_INSTANCE, x->row.state));
	}
}

#define MAX_LACKING 5

/* On all bases: each ready one that lacks it, and why. */
static void explain_lacking(struct core *c, const struct deployment *d, struct listing *l) {
	const struct base *b;
	int n = 0;
	if (d->row.offline || d->current == NULL || d->current->row.replicas >= 0 || deployment_holders(d) >= d->group->n_bases)
		return;
	TAILQ_FOREACH(b, &d->group->bases, group_link) {
		struct place_report rep;
		if (n == MAX_LACKING)
			break;
		if (b->row.state != BASE_READY || base_instance_of_module(b, d->module) != NULL)
			continue;
		place_report_of(c, d, b, l->a, &rep);
		if (rep.n == 0)
			continue;
		n++;
		add(l, rep.refusals[0].rule, 1, rep.refusals[0].command, "base %s lacks it: %s", b->row.name, rep.refusals[0].text);
	}
}

/* Work on it that is not the running plan's. */
static void explain_instance(const struct instance *i, struct listing *l) {
	const char *module = i->version->module->row.name, *version = i->version->row.name, *base = i->base->row.name;
	bool leftover = !i->row.wanted && i->task == NULL && i->base->row.state != BASE_READY;
	bool busy = i->task != NULL && (i->task->plan == NULL || i->task->plan != i->deployment->plan);
	const char *show = leftover || busy ? arena_printf(l->a, "berth base show %s", base) : NULL;
	if (leftover)
		add(l, "base_away", 1, show, "%s:%s is removed from %s when that base is back (it is %s)", module, version, base,
		    word_text(WORD_BASE, i->base->row.state));
	if (busy)
		add(l, "at_work", 1, show, "base %s was told to %s %s:%s before, and did not tell yet what came of it", base,
		    word_text(WORD_TASK_KIND, i->task->row.kind), module, version);
}

static void explain_all(struct core *c, const struct deployment *d, struct listing *l) {
	const struct instance *i;
	if (d->plan != NULL)
		explain_into(c, d->plan, l);
	if (full(l))
		return;
	explain_queued(c, d, l);
	TAILQ_FOREACH(i, &d->instances, deployment_link) {
		if (full(l))
			break;
		explain_instance(i, l);
		bool well = i->row.state == INSTANCE_READY || i->task != NULL || !i->row.wanted;
		if (well)
			continue;
		add(l, word_text(WORD_INSTANCE, i->row.state), 1, arena_printf(l->a, "berth base show %s", i->base->row.name),
		    "%s:%s on %s is %s%s%s", d->module->row.name, i->version->row.name, i->base->row.name,
		    word_text(WORD_INSTANCE, i->row.state), i->row.state_reason == NULL || !*i->row.state_reason ? "" : ": ",
		    i->row.state_reason == NULL ? "" : i->row.state_reason);
	}
	explain_turns(d, l);
	explain_lacking(c, d, l);
	int64_t want = d->row.offline || d->current == NULL ? 0 : d->current->row.replicas;
	if (d->plan == NULL && !d->row.offline && d->n_updated < d->n_wanted)
		add(l, "behind", d->n_wanted - d->n_updated,
		    arena_printf(l->a, "berth deploy %s:%s", d->row.name, d->current->version->row.name),
		    "%d of %d are at an earlier revision than %lld, and no plan is at work", d->n_wanted - d->n_updated, d->n_wanted,
		    (long long)d->row.revision);
	if (d->plan == NULL && d->n_wanted > want && want >= 0)
		add(l, "surplus", (int)(d->n_wanted - want), arena_printf(l->a, "berth scale %s %lld", d->row.name, (long long)want),
		    "%lld more than wanted, and no plan is at work", (long long)(d->n_wanted - want));
	if (d->plan == NULL && d->n_wanted < want)
		explain_room(c, d, want - d->n_wanted, l);
}

size_t explain_deployment(struct core *c, const struct deployment *d, struct arena *a, struct waiting **ret) {
	struct listing l = { .a = a, .since = d->row.state_at };
	explain_all(c, d, &l);
	return listed(&l, ret);
}

const char *explain_rule(struct core *c, const struct deployment *d, struct arena *a) {
	struct listing l = { .a = a, .first_only = true };
	explain_all(c, d, &l);
	return l.n == 0 ? "" : l.v[0].rule;
}

const char *explain_labels(const struct version *old, const struct version *to, struct arena *a) {
	if (to->row.runtime != RUNTIME_ARK || !versions_side_by_side(old, to))
		return NULL;
	return arena_printf(a,
	    "labels only: where %s %s is installed beside %s, switchBiz marks it activated, and both answer until the old one is gone",
	    to->module->row.name, to->row.name, old->row.name);
}

size_t explain_placement(struct core *c, const struct deployment *d, const struct base *only, struct arena *a, struct refusal **ret,
    struct base ***ret_fit, size_t *ret_n_fit) {
	struct place_report rep;
	place_report_of(c, d, only, a, &rep);
	struct refusal *v = arena_alloc(a, (rep.n + 1) * sizeof *v);
	for (size_t i = 0; i < rep.n; i++) {
		const struct place_refusal *p = &rep.refusals[i];
		v[i] = (struct refusal){
			.rule = p->rule, .text = p->text, .command = p->command, .bases = p->bases, .n_examples = p->n_examples
		};
		memcpy(v[i].examples, p->examples, sizeof v[i].examples);
	}
	*ret = v;
	*ret_fit = rep.fit;
	*ret_n_fit = rep.n_fit;
	return rep.n;
}
