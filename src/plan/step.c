/* plan_step: start, fill the running batch (fill.c), watch it, go to the next, end. */
#include "plan/gate.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void plan_announce(struct plan_env *e, const char *kind, struct plan *p, const char *text) {
	struct change *ch = TAILQ_FIRST(&p->changes);
	const struct revision *to = ch == NULL ? NULL : change_goal(ch);
	e->event(e->arg, kind, p, ch == NULL ? NULL : ch->deployment, p->evicts == NULL ? NULL : p->evicts->base,
	    to == NULL ? NULL : to->version, NULL, text);
}

/* ---- start ----------------------------------------------------------------------------------------------------------------------- */
static bool group_frozen(const struct group *g) {
	return group_observed(g) || (g->row.freeze_reason != NULL && *g->row.freeze_reason != '\0');
}

const struct group *plan_frozen(const struct plan *p) {
	const struct change *ch;
	TAILQ_FOREACH(ch, &p->changes, link)
		if (ch->deployment != NULL && group_frozen(ch->deployment->group))
			return ch->deployment->group;
	return p->evicts != NULL && group_frozen(p->evicts->base->group) ? p->evicts->base->group : NULL;
}

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
	if (to == NULL || renamed_count(ch->deployment, to) == 0)
		return;
	TAILQ_FOREACH(i, &ch->deployment->instances, deployment_link)
		if (i->row.wanted && i->row.revision != to->row.number && !instance_behind(i, to))
			instance_set_revision(e->fleet, i, to->row.number);
}

/* Units → slots: a batch of so many bases holds what the plan has to do there. */
static int64_t take_slots(const int64_t *slots, int64_t *at, int64_t units) {
	int64_t n = slots == NULL ? units : 0;
	for (; slots != NULL && units > 0; units--)
		n += slots[(*at)++];
	return n;
}

static void make_batches(struct plan_env *e, struct plan *p) {
	struct plan_live *l = live_get(p);
	struct piece pieces[STRATEGY_MAX_BATCHES];
	bool by_label = l->s.batches_by[0] != '\0';
	int64_t *slots = NULL, at = 0;
	int n = plan_cut(e->fleet, p, &l->s, by_label ? plan_slots(p, NULL) : plan_units(p, l->s.beta, &slots), pieces);
	for (int i = 0; i < n; i++) {
		struct row_batch row = {
			.number = i + 1, .state = BATCH_PENDING, .size = take_slots(slots, &at, pieces[i].size), .label = pieces[i].label
		};
		fleet_batch_add(e->fleet, p, &row);
	}
	free(slots);
}

bool plan_start(struct plan_env *e, struct plan *p) {
	if (p->row.state != PLAN_QUEUED || (plan_frozen(p) != NULL && !MUTANT(start_frozen)) ||
	    (!deployments_free(p) && !MUTANT(two_plans)))
		return false;
	struct plan_live *l = live_get(p);
	struct change *ch;
	TAILQ_FOREACH(ch, &p->changes, link) {
		if (!plan_keeps_revision(p) && !ch->row.accompanies)
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
/* On all bases: those that left are no loss. */
static int64_t wanted_now(const struct deployment *d) {
	if (d->current == NULL || d->row.offline)
		return 0;
	return d->current->row.replicas >= 0 ? d->current->row.replicas : d->n_wanted - d->n_away;
}

void deployment_rest(struct fleet *f, struct deployment *d, wall_t now) {
	char text[96] = "";
	enum deployment_state s = DEPLOYMENT_DEGRADED;
	int64_t want = wanted_now(d);
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
		if (whole && !plan_keeps_revision(p) && !ch->row.accompanies)
			deployment_set_completed(e->fleet, d, ch->row.to_revision);
		if (d->plan == NULL) /* one that never began says nothing about what another one is changing */
			deployment_rest(e->fleet, d, e->wall);
	}
	char kind[48];
	snprintf(kind, sizeof kind, "plan.%s", word_text(WORD_PLAN, s));
	plan_announce(e, kind, p, reason != NULL ? reason : word_sentence(WORD_PLAN, s));
	e->ended(e->arg, p);
}

void plan_halt(struct plan_env *e, struct plan *p, enum plan_halt why, const char *reason) {
	bool paused = p->row.state == PLAN_PAUSED;
	if (paused && why != HALT_PERSON)
		return;
	live_get(p)->memo.halt = why; /* a person's word outlives the reason it stood still for */
	plan_memo_store(e, p);
	if (paused)
		return;
	plan_set_state(e->fleet, p, PLAN_PAUSED, reason, e->wall);
	plan_announce(e, "plan.paused", p, reason);
}

/* ---- watching and going on ---------------------------------------------------------------------------------------------------------- */
static int64_t bases_planned(const struct plan *p) {
	int64_t total = 0;
	const struct batch *b;
	TAILQ_FOREACH(b, &p->batches, link)
		total += b->row.size;
	return total;
}

static int64_t at_least_one(struct amount a, int64_t total) {
	int64_t n = amount_of(a, total, ROUND_UP);
	return n < 1 ? 1 : n;
}

/* Of the failures nobody accepted yet: too many in all, or in the running batch. */
bool plan_over_threshold(struct plan *p) {
	const struct plan_live *l = p->live;
	const struct batch *b = batch_now(p);
	int64_t fresh = plan_failures(p) - l->memo.tolerated;
	if (fresh >= at_least_one(l->s.failure_threshold, bases_planned(p)) + MUTANT(threshold_after))
		return true;
	if (b == NULL || l->s.batch_failure_threshold.kind == AMOUNT_UNSET)
		return false;
	int64_t here = b->row.failed < fresh ? b->row.failed : fresh;
	return here >= at_least_one(l->s.batch_failure_threshold, b->row.size);
}

static bool threshold_reached(struct plan_env *e, struct plan *p) {
	struct plan_live *l = p->live;
	if (l->s.on_failure == ON_FAILURE_CONTINUE || !plan_over_threshold(p))
		return false;
	char text[200];
	snprintf(text, sizeof text,
	    "%lld of %lld bases failed; look at the failed tasks, then retry, ignore, resume (go on without them), undo or stop",
	    (long long)plan_failures(p), (long long)bases_planned(p));
	if (l->s.on_failure == ON_FAILURE_STOP) {
		tasks_cancel_unsent(e, p);
		plan_end(e, p, PLAN_FAILED, text);
	} else if (l->s.on_failure != ON_FAILURE_UNDO || !e->undo(e->arg, p, text)) {
		plan_halt(e, p, HALT_FAILURES, text);
	}
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
	if (MUTANT(no_confirm))
		return false;
	return l->s.confirm == CONFIRM_EACH || (l->s.confirm == CONFIRM_BETA && b->row.number == 1);
}

void batch_close(struct plan_env *e, struct plan *p, struct batch *b) {
	char text[96];
	if (p->live->memo.gate_batch == b->row.number) {
		gates_reset(p);
		plan_memo_store(e, p);
	}
	batch_set_state(e->fleet, b, b->row.failed > 0 ? BATCH_FAILED : BATCH_DONE, e->wall);
	snprintf(text, sizeof text, "batch %lld of %lld is done: %lld ok, %lld failed", (long long)b->row.number,
	    (long long)TAILQ_LAST(&p->batches, batch_list)->row.number, (long long)b->row.done, (long long)b->row.failed);
	plan_announce(e, "batch.done", p, text);
}

/* A retry goes back to an earlier one; behind that it may go on with one that was begun before. */
static void batch_is_current(struct plan_env *e, struct plan *p, const struct batch *b) {
	if (p->row.current_batch == b->row.number)
		return;
	p->row.current_batch = b->row.number;
	fleet_touch(e->fleet, &p->o);
}

static void batch_open(struct plan_env *e, struct plan *p, struct batch *b) {
	char text[256];
	bool labelled = b->row.label != NULL && *b->row.label != '\0';
	batch_set_state(e->fleet, b, BATCH_RUNNING, e->wall);
	if (mono_before(p->live->progress, e->mono)) /* what came before it was no task that did not end */
		p->live->progress = e->mono;
	batch_is_current(e, p, b);
	snprintf(text, sizeof text, "batch %lld of %lld: %lld %s%s%s", (long long)b->row.number,
	    (long long)TAILQ_LAST(&p->batches, batch_list)->row.number, (long long)b->row.size, b->row.size == 1 ? "base" : "bases",
	    labelled ? ", " : "", labelled ? b->row.label : "");
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
	TAILQ_FOREACH(ch, &p->changes, link) {
		if (ch->deployment->n_ready == ch->deployment->n_wanted)
			continue;
		TAILQ_FOREACH(i, &ch->deployment->instances, deployment_link) {
			bool coming =
			    i->row.state == INSTANCE_PENDING || i->row.state == INSTANCE_INSTALLING || i->row.state == INSTANCE_MISSING;
			if (coming && i->row.wanted && base_reachable(i->base) && !slot_ignored(p, ch->deployment, i->base))
				return true;
		}
	}
	return false;
}

static bool left_behind(struct plan *p, const struct base *b) {
	const struct change *ch;
	const struct instance *i;
	TAILQ_FOREACH(ch, &p->changes, link)
		TAILQ_FOREACH(i, &b->instances, base_link)
			if (slot_left(p, ch, i))
				return true;
	return false;
}

/* Bases that were let be before this plan came to them. */
static int64_t left_out(const struct plan_env *e, struct plan *p) {
	const struct plan_memo *m = &p->live->memo;
	int64_t n = 0;
	for (size_t k = 0; k < m->n_marks; k++) {
		const struct base *b = m->marks[k].ignored && !m->marks[k].counted ? fleet_base_by_id(e->fleet, m->marks[k].base_id) : NULL;
		n += b != NULL && left_behind(p, b);
	}
	return n;
}

/* What another plan moved off the drained base came back, because its move came to nothing: one more batch. */
static bool drain_again(struct plan_env *e, struct plan *p) {
	const struct batch *last = TAILQ_LAST(&p->batches, batch_list);
	struct row_batch row = { .number = last == NULL ? 1 : last->row.number + 1, .state = BATCH_PENDING };
	if (p->row.kind == PLAN_KIND_DRAIN)
		row.size = slots_late(e, p);
	if (row.size == 0)
		return false;
	fleet_batch_add(e->fleet, p, &row);
	live_todo_reset(p->live);
	e->wake(e->arg, p, e->mono);
	return true;
}

static void finish(struct plan_env *e, struct plan *p) {
	struct plan_live *l = p->live;
	bool others = others_at_work(p) || (p->row.kind == PLAN_KIND_DRAIN && plan_leaves_yet(p));
	if (drain_again(e, p))
		return;
	if (others && mono_diff(e->mono, l->progress) < l->s.progress_us) {
		l->wait.repair = true;
		e->wake(e->arg, p, mono_add(l->progress, l->s.progress_us));
		return;
	}
	int64_t bad = plan_failures(p) + left_out(e, p);
	char text[96];
	snprintf(text, sizeof text, "%lld %s behind", (long long)bad, bad == 1 ? "base is" : "bases are");
	if (bad == 0)
		plan_end(e, p, PLAN_SUCCEEDED, NULL);
	else
		plan_end(e, p, PLAN_SUCCEEDED_WITH_FAILURES, text);
}

/* Bases left or became unreachable: the batch is smaller than it was planned. What found no room where a label wanted it may find it
 * elsewhere, with the last batch. */
static void batch_shrink(struct plan_env *e, struct plan *p, struct batch *b, int64_t idle) {
	struct batch *last = TAILQ_LAST(&p->batches, batch_list);
	b->row.size -= idle;
	fleet_touch(e->fleet, &b->o);
	if (!batch_labelled(b))
		return;
	last->row.size += idle;
	fleet_touch(e->fleet, &last->o);
}

/* Bases that came in while it rolled belong to the last batch. */
static bool batch_grow(struct plan_env *e, struct plan *p, struct batch *b) {
	int64_t late = slots_late(e, p);
	if (late == 0)
		return false;
	b->row.size += late;
	fleet_touch(e->fleet, &b->o);
	live_todo_reset(p->live);
	e->wake(e->arg, p, e->mono);
	return true;
}

/* It waits for others by the order of requirements only: nobody else's room, time or turn would let it go on. What another plan has under
 * way is as good as progress; else somebody has to change something, and is told so at the progress deadline. */
static void order_watch(struct plan_env *e, struct plan *p) {
	struct plan_live *l = p->live;
	struct plan_wait *w = &l->wait;
	if (!w->order || w->no_room || w->unavailable || w->surge || w->lacking != 0 || w->crowded != 0)
		return;
	if ((w->elsewhere || !l->stuck) && mono_before(l->progress, e->mono)) /* it begins now: what came before was another wait */
		l->progress = e->mono;
	w->stuck = !w->elsewhere;
	w->until = mono_add(l->progress, l->s.progress_us);
	e->wake(e->arg, p, w->until);
}

/* The running batch, once around. True when it is done and the next may begin. */
static bool batch_run(struct plan_env *e, struct plan *p, struct batch *b) {
	struct plan_live *l = p->live;
	if (threshold_reached(e, p))
		return false;
	int64_t idle = batch_fill(e, p, b);
	if (plan_batch_chains(p) > 0 || l->wait.others) {
		e->wake(e->arg, p, mono_add(l->progress, l->s.progress_us));
		return false;
	}
	order_watch(e, p);
	if (b->row.done + b->row.failed + idle < b->row.size || !batch_watched(e, p, b))
		return false;
	if (idle > 0)
		batch_shrink(e, p, b, idle);
	return TAILQ_NEXT(b, link) != NULL || !batch_grow(e, p, b);
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

/* Somebody paused it meanwhile: what was watched counts. */
static void soak_resume(struct plan_env *e, struct plan *p, const struct batch *b) {
	char text[96], d[48];
	p->live->soak_from = e->mono;
	snprintf(text, sizeof text, "watching batch %lld for another %s before the next", (long long)b->row.number,
	    duration_format(p->live->s.soak_us - p->row.soaked_us, d));
	plan_set_state(e->fleet, p, PLAN_SOAKING, text, e->wall);
}

bool plan_soaked(struct plan_env *e, struct plan *p, int64_t whole_us) {
	struct plan_live *l = p->live;
	int64_t fresh = mono_diff(e->mono, l->soak_from), left = whole_us - p->row.soaked_us - fresh;
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

static bool soak_go_on(struct plan_env *e, struct plan *p) {
	return plan_soaked(e, p, p->live->s.soak_us);
}

static bool gates_open(struct plan_env *e, struct plan *p, struct batch *b) {
	struct plan_live *l = p->live;
	if (TAILQ_NEXT(b, link) == NULL || b->row.size == 0)
		return true;
	if (l->s.soak_us > 0 && b->row.state == BATCH_RUNNING) {
		soak_begin(e, p, b);
		return soak_go_on(e, p);
	}
	if (b->row.state == BATCH_SOAKING && p->row.soaked_us < l->s.soak_us) {
		soak_resume(e, p, b);
		return soak_go_on(e, p);
	}
	if (!gates_passed(e, p, b))
		return false;
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

static void halt_stuck(struct plan_env *e, struct plan *p) {
	const struct instance *x = fleet_instance(e->fleet, p->live->wait.order_id);
	char text[400];
	snprintf(text, sizeof text,
	    "within the progress deadline nobody changed %s:%s on %s, which has to go or to come first, since one requires the other "
	    "there; "
	    "change that one, or ask for both in one plan, then resume, ignore its base or stop",
	    x == NULL ? "?" : x->version->module->row.name, x == NULL ? "?" : x->version->row.name,
	    x == NULL ? "its base" : x->base->row.name);
	plan_halt(e, p, HALT_STALLED, text);
}

static bool stalled(struct plan_env *e, struct plan *p) {
	struct plan_live *l = p->live;
	bool at_work = plan_batch_chains(p) > 0 || l->wait.others, stuck = !at_work && l->wait.stuck;
	if ((!at_work && !stuck) || mono_diff(e->mono, l->progress) < l->s.progress_us)
		return false;
	if (stuck)
		halt_stuck(e, p);
	else
		plan_halt(e, p, HALT_STALLED,
		    "no task ended within the progress deadline; look at its open tasks, then resume, ignore their bases or stop");
	return true;
}

static void advance(struct plan_env *e, struct plan *p) {
	struct batch *b;
	if (!prefetch_done(e, p))
		return;
	while ((b = batch_now(p)) != NULL) {
		if (b->row.state == BATCH_PENDING)
			batch_open(e, p, b);
		batch_is_current(e, p, b);
		if (!batch_run(e, p, b) || !gates_open(e, p, b))
			return;
		batch_close(e, p, b);
	}
	if (p->row.state == PLAN_RUNNING)
		finish(e, p);
}

/* A deployment of which nothing is at work, because nothing fits, says that it waits. */
static void show_waiting(struct plan_env *e, struct plan *p) {
	bool waits = p->live->wait.no_room && HASH_COUNT(p->live->chains) == 0;
	struct change *ch;
	TAILQ_FOREACH(ch, &p->changes, link)
		if (ch->deployment != NULL && ch->deployment->plan == p)
			deployment_set_state(e->fleet, ch->deployment, waits ? DEPLOYMENT_WAITING : DEPLOYMENT_ROLLING,
			    waits ? "nothing fits; it goes on by itself when a base has room" : NULL, e->wall);
}

void plan_step(struct plan_env *e, struct plan *p) {
	if (p->row.kind == PLAN_KIND_EVICT) {
		evict_step(e, p);
		return;
	}
	if (p->row.state == PLAN_QUEUED && !plan_start(e, p))
		return;
	if (p->row.state != PLAN_RUNNING && p->row.state != PLAN_SOAKING && !(MUTANT(go_on_paused) && p->row.state == PLAN_PAUSED))
		return;
	struct plan_live *l = live_get(p);
	bool halted = p->row.state == PLAN_RUNNING && stalled(e, p); /* by what it waited for until now */
	l->stuck = l->wait.stuck;
	l->wait = (struct plan_wait){ .until = MONO_NEVER };
	if (halted)
		return;
	if (p->row.state == PLAN_SOAKING) {
		if (!soak_go_on(e, p))
			return;
		plan_set_state(e->fleet, p, PLAN_RUNNING, NULL, e->wall);
	}
	advance(e, p);
	if (p->row.state == PLAN_RUNNING)
		show_waiting(e, p);
}

void plan_wait_now(const struct plan *p, struct plan_wait *ret) {
	*ret = p->live == NULL ? (struct plan_wait){ .until = MONO_NEVER } : p->live->wait;
	ret->queued = p->row.state == PLAN_QUEUED;
	ret->paused = p->row.state == PLAN_PAUSED;
	ret->confirm = p->row.state == PLAN_CONFIRMING;
	ret->soak = p->row.state == PLAN_SOAKING;
}

void plan_waiting(const struct plan *p, struct plan_wait *ret) {
	plan_wait_now(p, ret);
	const struct task *t;
	TAILQ_FOREACH(t, &p->tasks, plan_link) {
		ret->n_pending += t->row.state == TASK_PENDING;
		ret->n_sent += t->row.state == TASK_SENT;
		ret->n_backoff += t->row.state == TASK_BACKOFF;
		ret->away |= !word_terminal(WORD_TASK, t->row.state) && !t->base->connected;
	}
	ret->backoff = ret->n_backoff > 0;
}
