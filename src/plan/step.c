/* plan_step: start, fill the running batch with chains as far as the windows allow, watch it, go to the next, end. */
#include "plan/live.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "sched/place.h"

void plan_announce(struct plan_env *e, const char *kind, struct plan *p, const char *text) {
	struct change *ch = TAILQ_FIRST(&p->changes);
	const struct revision *to = ch == NULL ? NULL : change_goal(ch);
	e->event(e->arg, kind, p, ch == NULL ? NULL : ch->deployment, NULL, to == NULL ? NULL : to->version, NULL, text);
}

/* ---- start ----------------------------------------------------------------------------------------------------------------------- */
static bool deployments_free(const struct plan *p) {
	const struct change *ch;
	TAILQ_FOREACH(ch, &p->changes, link)
		if (ch->deployment->plan != NULL && ch->deployment->plan != p)
			return false;
	return true;
}

/* Instances that differ only by name of the revision take its number without a command. */
static void bring_up_to_date(struct plan_env *e, struct change *ch) {
	struct revision *to = change_goal(ch);
	struct instance *i;
	if (to == NULL)
		return;
	TAILQ_FOREACH(i, &ch->deployment->instances, deployment_link)
		if (i->row.wanted && i->row.revision != to->row.number && !instance_behind(i, to))
			instance_set_revision(e->fleet, i, to->row.number);
}

static void make_batches(struct plan_env *e, struct plan *p) {
	struct plan_live *l = live_get(p);
	struct plan_work w = { 0 };
	struct change *ch = TAILQ_FIRST(&p->changes);
	plan_work_count(ch->deployment, change_goal(ch), plan_goal_shrinks(p), &w);
	int64_t sizes[STRATEGY_MAX_BATCHES];
	int n = plan_batches_cut(&l->s, w.total, sizes);
	for (int i = 0; i < n; i++) {
		struct row_batch row = { .number = i + 1, .state = BATCH_PENDING, .size = sizes[i] };
		fleet_batch_add(e->fleet, p, &row);
	}
}

bool plan_start(struct plan_env *e, struct plan *p) {
	if (p->row.state != PLAN_QUEUED || !deployments_free(p))
		return false;
	struct plan_live *l = live_get(p);
	struct change *ch;
	TAILQ_FOREACH(ch, &p->changes, link) {
		bring_up_to_date(e, ch);
		deployment_set_plan(e->fleet, ch->deployment, p);
		deployment_set_state(e->fleet, ch->deployment, DEPLOYMENT_ROLLING, NULL, e->wall);
	}
	plan_strategy(p, &l->s);
	make_batches(e, p);
	l->progress = e->mono;
	p->row.started_at = e->wall;
	plan_set_state(e->fleet, p, PLAN_RUNNING, NULL, e->wall);
	plan_announce(e, "plan.started", p, "the plan began");
	return true;
}

/* ---- end ------------------------------------------------------------------------------------------------------------------------- */
void deployment_rest(struct fleet *f, struct deployment *d, wall_t now) {
	char text[96] = "";
	enum deployment_state s = DEPLOYMENT_DEGRADED;
	int64_t want = d->current == NULL || d->row.offline ? 0 : d->current->row.replicas < 0 ? d->n_wanted : d->current->row.replicas;
	if (d->row.offline && d->n_instances == 0)
		s = DEPLOYMENT_OFFLINE;
	else if (d->row.offline)
		snprintf(text, sizeof text, "%d instances remain on bases that cannot be reached", d->n_instances);
	else if (d->n_ready < want)
		snprintf(text, sizeof text, "%d of %lld ready", d->n_ready, (long long)want);
	else if (d->n_updated < want)
		snprintf(text, sizeof text, "%lld of %lld behind", (long long)(want - d->n_updated), (long long)want);
	else
		s = DEPLOYMENT_RUNNING;
	deployment_set_state(f, d, s, *text == '\0' ? NULL : text, now);
}

void plan_end(struct plan_env *e, struct plan *p, enum plan_state s, const char *reason) {
	bool whole = s == PLAN_SUCCEEDED || s == PLAN_SUCCEEDED_WITH_FAILURES;
	struct change *ch;
	p->row.ended_at = e->wall;
	plan_set_state(e->fleet, p, s, reason, e->wall);
	TAILQ_FOREACH(ch, &p->changes, link) {
		struct deployment *d = ch->deployment;
		if (d->plan == p)
			deployment_set_plan(e->fleet, d, NULL);
		if (whole)
			deployment_set_completed(e->fleet, d, ch->row.to_revision);
		deployment_rest(e->fleet, d, e->wall);
	}
	char kind[48];
	snprintf(kind, sizeof kind, "plan.%s", word_text(WORD_PLAN, s));
	plan_announce(e, kind, p, reason != NULL ? reason : word_sentence(WORD_PLAN, s));
	e->ended(e->arg, p);
}

void plan_halt(struct plan_env *e, struct plan *p, const char *reason) {
	if (p->row.state == PLAN_PAUSED)
		return;
	plan_set_state(e->fleet, p, PLAN_PAUSED, reason, e->wall);
	plan_announce(e, "plan.paused", p, reason);
}

/* ---- filling a batch --------------------------------------------------------------------------------------------------------------- */
static int cmp_victims(const void *pa, const void *pb) {
	const struct instance *a = *(struct instance *const *)pa, *b = *(struct instance *const *)pb;
	bool fa = a->row.state != INSTANCE_READY, fb = b->row.state != INSTANCE_READY;
	if (fa != fb)
		return fb - fa;
	if (a->row.revision != b->row.revision)
		return a->row.revision < b->row.revision ? -1 : 1;
	if (a->base->row.units_used != b->base->row.units_used)
		return a->base->row.units_used > b->base->row.units_used ? -1 : 1;
	return (a->row.id < b->row.id) - (a->row.id > b->row.id);
}

static void list_victims(struct plan_live *l, const struct deployment *d, int64_t n) {
	struct instance **v = calloc((size_t)d->n_instances + 1, sizeof(struct instance *)), *i;
	size_t k = 0;
	if (v == NULL)
		abort();
	TAILQ_FOREACH(i, &d->instances, deployment_link)
		if (i->row.wanted)
			v[k++] = i;
	qsort(v, k, sizeof *v, cmp_victims);
	for (size_t j = 0; j < k && (int64_t)j < n; j++)
		todo_add(&l->removals, v[j]->row.id);
	free(v);
}

/* Once per batch: what is behind now, not ready ones first; and who goes when there are too many. */
static void list_work(struct plan *p, struct change *ch, int64_t batch) {
	struct plan_live *l = p->live;
	struct revision *to = change_goal(ch);
	struct plan_work w;
	live_todo_reset(l);
	l->todo_batch = batch;
	plan_work_count(ch->deployment, to, plan_goal_shrinks(p), &w);
	if (w.in > 0)
		list_victims(l, ch->deployment, w.in);
	if (plan_goal_shrinks(p))
		return;
	struct instance *i;
	for (int pass = 0; pass < 2; pass++)
		TAILQ_FOREACH(i, &ch->deployment->instances, deployment_link)
			if (i->row.wanted && instance_behind(i, to) && (i->row.state == INSTANCE_READY) == (pass == 1))
				todo_add(&l->upgrades, i->row.id);
}

static bool base_reachable(const struct base *b) {
	return b->row.state == BASE_READY || b->row.state == BASE_RESTORING || b->row.state == BASE_JOINING;
}

static bool may_interrupt(const struct plan_live *l, const struct deployment *d, const struct instance *i, int64_t target) {
	if (i->row.state != INSTANCE_READY)
		return true;
	int64_t least = amount_of(l->s.max_unavailable, target, ROUND_DOWN);
	if (least < 1)
		least = 1;
	return d->n_serving - 1 >= target - least;
}

static bool side_by_side(const struct plan_live *l, const struct instance *old, const struct revision *to) {
	if (l->s.upgrade_policy == UPGRADE_POLICY_IN_PLACE || old->row.state != INSTANCE_READY)
		return false;
	if (old->version == to->version || strcmp(old->version->row.name, to->version->row.name) == 0)
		return false; /* arklet knows a module by name and version: other arguments need the old one gone first */
	bool ark = to->version->row.runtime == RUNTIME_ARK;
	const char *op = old->version->row.context_path, *np = to->version->row.context_path;
	if (ark && op != NULL && np != NULL && strcmp(op, np) == 0)
		return false; /* one context path, one version: the second cannot start in a JVM */
	return base_free(old->base) >= to->version->row.units;
}

enum pick { PICK_DONE, PICK_NONE, PICK_HELD };

/* Not this one in this plan: it went, is being changed to nothing, or cannot be asked now (repair brings it up to date when it is back). */
static bool upgrade_moot(const struct plan *p, const struct change *ch, const struct instance *i) {
	return i == NULL || !i->row.wanted || i->deployment != ch->deployment || !instance_behind(i, change_goal(ch)) || !base_reachable(i->base) ||
	       chain_failed_before(p, ch->deployment, i->base);
}

/* PICK_HELD: not yet, something under way or a window keeps it. */
static enum pick upgrade_try(struct plan_env *e, struct plan *p, struct change *ch, struct instance *i, int64_t batch) {
	struct plan_live *l = p->live;
	struct revision *to = change_goal(ch);
	int64_t target = to->row.replicas >= 0 ? to->row.replicas : ch->deployment->n_wanted;
	if (i->task != NULL || plan_busy_on(p, i->base))
		return PICK_HELD;
	bool first = side_by_side(l, i, to);
	if (!first && l->s.upgrade_policy == UPGRADE_POLICY_INSTALL_FIRST && i->row.state == INSTANCE_READY && base_free(i->base) < to->version->row.units)
		return PICK_HELD;
	if (!first && !may_interrupt(l, ch->deployment, i, target)) {
		l->wait.unavailable = true;
		return PICK_HELD;
	}
	return chain_upgrade(e, ch, i, first, batch) ? PICK_DONE : PICK_HELD;
}

/* Held ones stay in the list, behind the cursor's place: they are asked again at the next step. */
static enum pick pick_upgrade(struct plan_env *e, struct plan *p, struct change *ch, int64_t batch) {
	struct todo *t = &p->live->upgrades;
	bool held = false;
	for (size_t k = t->next; k < t->n; k++) {
		struct instance *i = fleet_instance(e->fleet, t->ids[k]);
		enum pick got = upgrade_moot(p, ch, i) ? PICK_NONE : upgrade_try(e, p, ch, i, batch);
		held |= got == PICK_HELD;
		if (got == PICK_HELD)
			continue;
		t->ids[k] = t->ids[t->next];
		t->next++;
		if (got == PICK_DONE)
			return PICK_DONE;
	}
	return held ? PICK_HELD : PICK_NONE;
}

struct exclusion { struct plan *plan; struct deployment *deployment; };

static bool slot_failed(const struct base *b, void *arg) {
	const struct exclusion *x = arg;
	return chain_failed_before(x->plan, x->deployment, b);
}

static enum pick pick_new(struct plan_env *e, struct plan *p, struct change *ch, int64_t batch) {
	struct plan_live *l = p->live;
	struct revision *to = change_goal(ch);
	if (plan_goal_shrinks(p) || (to->row.replicas >= 0 && ch->deployment->n_wanted >= to->row.replicas))
		return PICK_NONE;
	struct exclusion x = { p, ch->deployment };
	struct place_req r = {
		.group = ch->deployment->group, .deployment = ch->deployment, .module = ch->deployment->module, .version = to->version,
		.units = to->version->row.units, .policy = l->s.placement, .excluded = slot_failed, .arg = &x,
	};
	struct place_cursor cursor = { 0 };
	struct base *b = place_choose(e->fleet, &r, &cursor);
	if (b == NULL) {
		l->wait.no_room = to->row.replicas >= 0;
		return to->row.replicas >= 0 ? PICK_HELD : PICK_NONE;
	}
	return chain_install(e, ch, b, batch) ? PICK_DONE : PICK_HELD;
}

/* What no base can be asked to remove is forgotten at once: it was never sent, or its base is gone for good. */
static bool vanish(struct plan_env *e, struct instance *i) {
	if (i->row.generation != 0 || i->task != NULL)
		return false;
	struct group *g = i->base->group;
	fleet_instance_remove(e->fleet, i);
	e->freed(e->arg, g);
	return true;
}

/* A victim whose base cannot be asked is removed when that comes back; its slot is done. */
static void removal_unreachable(struct plan_env *e, struct plan *p, struct instance *i, int64_t batch) {
	struct batch *b = plan_batch(p, batch);
	if (!vanish(e, i))
		instance_set_wanted(e->fleet, i, false);
	b->row.done++;
	fleet_touch(e->fleet, &b->o);
}

static enum pick removal_try(struct plan_env *e, struct plan *p, struct change *ch, struct instance *i, int64_t batch) {
	if (i->task != NULL || plan_busy_on(p, i->base))
		return PICK_HELD;
	if (i->row.generation == 0 || !base_reachable(i->base))
		removal_unreachable(e, p, i, batch);
	else
		chain_remove(e, ch, i, batch);
	return PICK_DONE;
}

static enum pick pick_removal(struct plan_env *e, struct plan *p, struct change *ch, int64_t batch) {
	struct todo *t = &p->live->removals;
	bool held = false;
	for (size_t k = t->next; k < t->n; k++) {
		struct instance *i = fleet_instance(e->fleet, t->ids[k]);
		bool moot = i == NULL || !i->row.wanted || i->deployment != ch->deployment;
		enum pick got = moot ? PICK_NONE : removal_try(e, p, ch, i, batch);
		held |= got == PICK_HELD;
		if (got == PICK_HELD)
			continue;
		t->ids[k] = t->ids[t->next];
		t->next++;
		if (got == PICK_DONE)
			return PICK_DONE;
	}
	return held ? PICK_HELD : PICK_NONE;
}

typedef enum pick (*picker)(struct plan_env *, struct plan *, struct change *, int64_t);
static const picker pickers[] = { pick_removal, pick_upgrade, pick_new };

/* Starts chains until the batch is full or a window closes. Returns the slots for which there is no work left. */
static int64_t batch_fill(struct plan_env *e, struct plan *p, struct batch *b) {
	struct plan_live *l = p->live;
	struct change *ch = TAILQ_FIRST(&p->changes);
	int64_t left = b->row.size - b->row.done - b->row.failed - plan_batch_chains(p, b->row.number);
	bool held = false;
	if (l->todo_batch != b->row.number)
		list_work(p, ch, b->row.number);
	while (left > 0) {
		if (plan_batch_chains(p, b->row.number) >= l->s.max_in_flight) {
			l->wait.in_flight = true;
			return 0;
		}
		enum pick got = PICK_NONE;
		for (size_t k = 0; k < sizeof pickers / sizeof *pickers && got != PICK_DONE; k++) {
			got = pickers[k](e, p, ch, b->row.number);
			held |= got == PICK_HELD;
		}
		if (got != PICK_DONE)
			break;
		left = b->row.size - b->row.done - b->row.failed - plan_batch_chains(p, b->row.number);
	}
	l->wait.unplaced = left;
	return held ? 0 : left;
}

/* ---- watching and going on ---------------------------------------------------------------------------------------------------------- */
static int64_t failures(const struct plan *p) {
	int64_t n = 0;
	const struct batch *b;
	TAILQ_FOREACH(b, &p->batches, link)
		n += b->row.failed;
	return n;
}

static bool threshold_reached(struct plan_env *e, struct plan *p) {
	struct plan_live *l = p->live;
	int64_t total = 0;
	const struct batch *b;
	TAILQ_FOREACH(b, &p->batches, link)
		total += b->row.size;
	int64_t limit = amount_of(l->s.failure_threshold, total, ROUND_UP);
	if (limit < 1)
		limit = 1;
	int64_t now = failures(p) - l->tolerated;
	if (now < limit || l->s.on_failure == ON_FAILURE_CONTINUE)
		return false;
	char text[160];
	snprintf(text, sizeof text, "%lld of %lld bases failed; look at the failed tasks, then retry, resume (go on without them) or stop",
	    (long long)failures(p), (long long)total);
	if (l->s.on_failure == ON_FAILURE_STOP)
		plan_end(e, p, PLAN_FAILED, text);
	else
		plan_halt(e, p, text);
	return true;
}

/* The plan that installs something watches its batch for min_ready before it believes it. */
static bool batch_watched(struct plan_env *e, struct plan *p, struct batch *b) {
	struct plan_live *l = p->live;
	if (b->row.done == 0 || mono_diff(l->watched_until, e->mono) <= 0)
		return true;
	l->wait.min_ready = true;
	l->wait.until = l->watched_until;
	e->wake(e->arg, p, l->watched_until);
	return false;
}

static bool must_confirm(const struct plan_live *l, const struct batch *b) {
	return l->s.confirm == CONFIRM_EACH || (l->s.confirm == CONFIRM_BETA && b->row.number == 1);
}

void batch_close(struct plan_env *e, struct plan *p, struct batch *b) {
	char text[96];
	batch_set_state(e->fleet, b, b->row.failed > 0 ? BATCH_FAILED : BATCH_DONE, e->wall);
	snprintf(text, sizeof text, "batch %lld of %lld is done: %lld ok, %lld failed", (long long)b->row.number,
	    (long long)TAILQ_LAST(&p->batches, batch_list)->row.number, (long long)b->row.done, (long long)b->row.failed);
	plan_announce(e, "batch.done", p, text);
}

static void batch_open(struct plan_env *e, struct plan *p, struct batch *b) {
	char text[96];
	batch_set_state(e->fleet, b, BATCH_RUNNING, e->wall);
	p->row.current_batch = b->row.number;
	fleet_touch(e->fleet, &p->o);
	snprintf(text, sizeof text, "batch %lld of %lld: %lld %s", (long long)b->row.number,
	    (long long)TAILQ_LAST(&p->batches, batch_list)->row.number, (long long)b->row.size, b->row.size == 1 ? "base" : "bases");
	plan_announce(e, "batch.started", p, text);
}

struct batch *batch_now(struct plan *p) {
	struct batch *b;
	TAILQ_FOREACH(b, &p->batches, link)
		if (b->row.state != BATCH_DONE && b->row.state != BATCH_FAILED)
			return b;
	return NULL;
}

/* Something wanted is still on its way by other hands: a repair, or a task of the plan before this one. */
static bool others_at_work(const struct plan *p) {
	const struct change *ch;
	const struct instance *i;
	TAILQ_FOREACH(ch, &p->changes, link)
		TAILQ_FOREACH(i, &ch->deployment->instances, deployment_link) {
			bool coming = i->row.state == INSTANCE_PENDING || i->row.state == INSTANCE_INSTALLING || i->row.state == INSTANCE_MISSING;
			if (coming && i->row.wanted && base_reachable(i->base))
				return true;
		}
	return false;
}

static void finish(struct plan_env *e, struct plan *p) {
	struct plan_live *l = p->live;
	if (others_at_work(p) && mono_diff(e->mono, l->progress) < l->s.progress_us) {
		l->wait.repair = true;
		e->wake(e->arg, p, mono_add(l->progress, l->s.progress_us));
		return;
	}
	int64_t bad = failures(p);
	char text[96];
	snprintf(text, sizeof text, "%lld %s behind", (long long)bad, bad == 1 ? "base is" : "bases are");
	if (bad == 0)
		plan_end(e, p, PLAN_SUCCEEDED, NULL);
	else
		plan_end(e, p, PLAN_SUCCEEDED_WITH_FAILURES, text);
}

/* The running batch, once around. True when it is done and the next may begin. */
static bool batch_run(struct plan_env *e, struct plan *p, struct batch *b) {
	struct plan_live *l = p->live;
	int64_t idle = batch_fill(e, p, b);
	if (threshold_reached(e, p))
		return false;
	if (plan_batch_chains(p, b->row.number) > 0) {
		e->wake(e->arg, p, mono_add(l->progress, l->s.progress_us));
		return false;
	}
	if (b->row.done + b->row.failed + idle < b->row.size || !batch_watched(e, p, b))
		return false;
	if (idle > 0) { /* bases left or became unreachable: the batch is smaller than it was planned */
		b->row.size -= idle;
		fleet_touch(e->fleet, &b->o);
	}
	return true;
}

/* Soaking counts time that passed while somebody looked: row.soaked_us is brought up to date every few seconds and survives a restart. */
#define SOAK_STEP_US (5 * US_PER_S)

static void soak_begin(struct plan_env *e, struct plan *p, struct batch *b) {
	char text[96], d[48];
	p->row.soaked_us = 0;
	p->live->soak_from = e->mono;
	batch_set_state(e->fleet, b, BATCH_SOAKING, e->wall);
	snprintf(text, sizeof text, "watching batch %lld for %s before the next", (long long)b->row.number,
	    duration_format(p->live->s.soak_us, d));
	plan_set_state(e->fleet, p, PLAN_SOAKING, text, e->wall);
	plan_announce(e, "plan.soaking", p, text);
}

/* True when it soaked long enough. */
static bool soak_go_on(struct plan_env *e, struct plan *p) {
	struct plan_live *l = p->live;
	int64_t fresh = mono_diff(e->mono, l->soak_from), left = l->s.soak_us - p->row.soaked_us - fresh;
	if (left <= 0 || fresh >= SOAK_STEP_US) {
		p->row.soaked_us += fresh;
		l->soak_from = e->mono;
		fleet_touch(e->fleet, &p->o);
	}
	if (left <= 0)
		return true;
	l->wait.until = mono_add(e->mono, left);
	e->wake(e->arg, p, mono_add(e->mono, left < SOAK_STEP_US ? left : SOAK_STEP_US));
	return false;
}

static bool gates_open(struct plan_env *e, struct plan *p, struct batch *b) {
	struct plan_live *l = p->live;
	if (TAILQ_NEXT(b, link) == NULL)
		return true;
	if (l->s.soak_us > 0 && b->row.state == BATCH_RUNNING) {
		soak_begin(e, p, b);
		return soak_go_on(e, p);
	}
	if (must_confirm(l, b) && p->row.state != PLAN_CONFIRMING) {
		char text[96];
		batch_set_state(e->fleet, b, BATCH_CONFIRMING, e->wall);
		snprintf(text, sizeof text, "batch %lld waits to be confirmed", (long long)b->row.number);
		plan_set_state(e->fleet, p, PLAN_CONFIRMING, text, e->wall);
		plan_announce(e, "plan.confirming", p, text);
		return false;
	}
	return true;
}

static bool stalled(struct plan_env *e, struct plan *p) {
	struct plan_live *l = p->live;
	if (HASH_COUNT(l->chains) == 0 || mono_diff(e->mono, l->progress) < l->s.progress_us)
		return false;
	plan_halt(e, p, "no task ended within the progress deadline; look at its open tasks, then resume or stop");
	return true;
}

void plan_step(struct plan_env *e, struct plan *p) {
	if (p->row.state == PLAN_QUEUED && !plan_start(e, p))
		return;
	if (p->row.state != PLAN_RUNNING && p->row.state != PLAN_SOAKING)
		return;
	struct plan_live *l = live_get(p);
	l->wait = (struct plan_wait){ .until = MONO_NEVER };
	if (p->row.state == PLAN_SOAKING) {
		if (!soak_go_on(e, p))
			return;
		plan_set_state(e->fleet, p, PLAN_RUNNING, NULL, e->wall);
	}
	if (stalled(e, p))
		return;
	struct batch *b;
	while ((b = batch_now(p)) != NULL) {
		if (b->row.state == BATCH_PENDING)
			batch_open(e, p, b);
		if (!batch_run(e, p, b) || !gates_open(e, p, b))
			return;
		batch_close(e, p, b);
	}
	if (p->row.state == PLAN_RUNNING)
		finish(e, p);
}

void plan_waiting(const struct plan *p, struct plan_wait *ret) {
	*ret = p->live == NULL ? (struct plan_wait){ .until = MONO_NEVER } : p->live->wait;
	ret->queued = p->row.state == PLAN_QUEUED;
	ret->paused = p->row.state == PLAN_PAUSED;
	ret->confirm = p->row.state == PLAN_CONFIRMING;
	ret->soak = p->row.state == PLAN_SOAKING;
	const struct task *t;
	TAILQ_FOREACH(t, &p->tasks, plan_link) {
		ret->n_pending += t->row.state == TASK_PENDING;
		ret->n_sent += t->row.state == TASK_SENT;
		ret->n_backoff += t->row.state == TASK_BACKOFF;
		ret->away |= !word_terminal(WORD_TASK, t->row.state) && !t->base->connected;
	}
	ret->backoff = ret->n_backoff > 0;
}
