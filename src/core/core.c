/* The conductor's life, its turns and its operations. */
#include "core/conductor.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void core_config_defaults(struct core_config *c) {
	*c = (struct core_config){
		.lease_us = 10 * US_PER_S,
		.renew_us = 3 * US_PER_S,
		.stop_us = 7 * US_PER_S,
		.silent_us = 30 * US_PER_S,
		.lost_us = 60 * US_PER_S,
		.replace_us = 300 * US_PER_S,
		.forget_us = 86400 * US_PER_S,
		.heartbeat_us = 10 * US_PER_S,
		.max_rows = 10000,
		.keep_revisions = 10,
		.idempotency_us = 86400 * US_PER_S,
		.max_idempotency = 100000,
		.in_flight = 1024,
		.in_flight_base = 4,
		.set_aside = 3,
		.base_events = 60,
		.repair_backoff_us = US_PER_S,
		.repair_backoff_max_us = 300 * US_PER_S,
	};
}

int core_new(const struct core_env *env, const struct core_config *cfg, struct core **ret, struct err *err) {
	if (cfg->stop_us >= cfg->lease_us || cfg->renew_us >= cfg->stop_us)
		return err_set(err, E_INVALID, "lease times must grow: renew < stop < lease");
	struct core *c = calloc(1, sizeof *c);
	if (c == NULL)
		return err_set(err, E_NOMEM, "no memory");
	c->env = *env;
	c->cfg = *cfg;
	c->mode = CORE_STARTING;
	c->started = clock_wall(&env->clock);
	c->open = bundle_new();
	TAILQ_INIT(&c->waiting);
	TAILQ_INIT(&c->reads);
	TAILQ_INIT(&c->ready);
	slots_init(&c->slots, c->cfg.in_flight);
	TAILQ_INIT(&c->to_command);
	STAILQ_INIT(&c->held_back);
	STAILQ_INIT(&c->graves);
	TAILQ_INIT(&c->watches);
	TAILQ_INIT(&c->strays);
	c->lease.next = MONO_NEVER;
	conduct_init(c);
	*ret = c;
	return 0;
}

void core_end(struct core *c) {
	if (c == NULL || c->ended)
		return;
	struct err err = ERR_INIT;
	err_set(&err, E_UNAVAILABLE, "the server ended");
	c->mode = CORE_STOPPING;
	c->ended = true;
	asks_end(c);
	commit_drop(c, &err, false);
	core_refuse_waiting(c);
}

/* ---- what nobody looks at any more, freed a piece per turn ----------------------------------------------------------------------------
 */
struct grave {
	void *what;
	bool (*free_some)(void *what, size_t *objects);
	STAILQ_ENTRY(grave) link;
};

void core_bury(struct core *c, void *what, bool (*free_some)(void *what, size_t *objects)) {
	if (what == NULL)
		return;
	struct grave *g = c == NULL || c->ended ? NULL : calloc(1, sizeof *g);
	if (g == NULL) {
		(void)free_some(what, &(size_t){ SIZE_MAX });
		return;
	}
	g->what = what;
	g->free_some = free_some;
	STAILQ_INSERT_TAIL(&c->graves, g, link);
	c->stats.buried++;
	core_wake(c);
}

static bool fleet_gone(void *what, size_t *objects) {
	return fleet_free_some(what, objects);
}

void core_bury_fleet(struct core *c, struct fleet *f) {
	core_bury(c, f, fleet_gone);
}

static void graves_dig(struct core *c, size_t objects) {
	struct grave *g;
	while ((g = STAILQ_FIRST(&c->graves)) != NULL && g->free_some(g->what, &objects)) {
		STAILQ_REMOVE_HEAD(&c->graves, link);
		c->stats.buried--;
		free(g);
	}
}

/* Beside what the turn was for: a piece at least, and more while there is time. */
static void graves_look(struct core *c) {
	mono_t end = mono_add(c->mono, TURN_BUDGET_US);
	for (int pieces = 0; pieces < PIECES_A_TURN && !STAILQ_EMPTY(&c->graves); pieces++) {
		graves_dig(c, PIECE_OBJECTS);
		if (mono_before(end, clock_mono(&c->env.clock)))
			return;
	}
}

void core_free(struct core *c) {
	struct bundle *b;
	if (c == NULL)
		return;
	core_end(c);
	while ((b = TAILQ_FIRST(&c->strays)) != NULL) {
		TAILQ_REMOVE(&c->strays, b, stray);
		bundle_free(b);
	}
	bundle_free(c->open);
	fleet_free(c->fleet);
	fleet_free(c->loading);
	graves_dig(c, SIZE_MAX);
	agenda_clear(&c->agenda);
	links_clear(c);
	series_forget(c, NULL);
	free(c->due_plans.ids);
	slots_deinit(&c->slots);
	free(c);
}

void core_wake(struct core *c) {
	if (c->ended)
		return;
	c->env.wake(c->env.arg);
}

/* ---- modes --------------------------------------------------------------------------------------------------------------------------- */
void core_state(const struct core *c, struct core_state *s) {
	*s = (struct core_state){ .mode = c->mode, .epoch = c->epoch, .started = c->started };
	s->ready = c->mode == CORE_ACTIVE && core_may_act(c) && !commit_stuck(c);
	s->last_event = c->committed_event;
	memcpy(s->cell, c->cell, sizeof s->cell);
	snprintf(s->reason, sizeof s->reason, "%s", commit_stuck(c) && c->reason[0] == '\0' ? "the database takes no change" : c->reason);
	if (c->mode != CORE_STANDBY || c->lease.seen_read.us == 0 || c->lease.seen.holder[0] == '\0')
		return;
	s->peer_age_us = mono_diff(clock_mono(&c->env.clock), c->lease.seen_read);
	if (s->peer_age_us >= US_PER_S)
		return;
	memcpy(s->peer_rest, c->lease.seen.rest, sizeof s->peer_rest);
	memcpy(s->peer_rpc, c->lease.seen.rpc, sizeof s->peer_rpc);
}

void core_on_state(struct core *c, void (*fn)(void *arg, const struct core_state *s), void *arg) {
	c->on_state = fn;
	c->on_state_arg = arg;
}

void core_set_mode(struct core *c, enum core_mode m, const char *reason) {
	if (reason != c->reason)
		snprintf(c->reason, sizeof c->reason, "%s", reason == NULL ? "" : reason);
	if (c->mode == CORE_STOPPING || c->mode == m)
		return;
	c->mode = m;
	if (c->on_state != NULL) {
		struct core_state s;
		core_state(c, &s);
		c->on_state(c->on_state_arg, &s);
	}
}

void core_start(struct core *c) {
	lease_start(c);
	core_wake(c);
}

static void released(void *arg, const struct err *err) {
	struct core *c = arg;
	if (err != NULL)
		log_warn("lease not released; a standby has to wait for it to run out", log_e(err));
	void (*fn)(void *) = c->stopped;
	c->stopped = NULL;
	fn(c->stopped_arg);
}

static void stop_when_idle(struct core *c) {
	if (c->stopped == NULL || c->lease.releasing || c->lease.busy || c->loading != NULL)
		return;
	if (c->fleet != NULL && core_may_act(c) && !c->recovering && !commit_idle(c))
		return;
	lease_hand_over(c, released, c);
}

void core_stop(struct core *c, void (*done)(void *arg), void *arg) {
	c->stopped = done;
	c->stopped_arg = arg;
	core_set_mode(c, CORE_STOPPING, "this server is stopping");
	core_wake(c);
}

/* ---- operations ------------------------------------------------------------------------------------------------------------------------
 */
void core_submit(struct core *c, struct core_op *op) {
	op->tries = 0;
	core_enqueue(c, op, false);
	core_wake(c);
}

void core_enqueue(struct core *c, struct core_op *op, bool first) {
	struct op_queue *q = op->read ? &c->reads : &c->waiting;
	if (first)
		TAILQ_INSERT_HEAD(q, op, link);
	else
		TAILQ_INSERT_TAIL(q, op, link);
	c->n_waiting++;
}

void core_fail_op(struct core *c, struct core_op *op, const struct err *err) {
	(void)c;
	op->done(op, err);
}

static struct core_op *take_op(struct core *c, struct op_queue *q) {
	struct core_op *op = TAILQ_FIRST(q);
	if (op == NULL)
		return NULL;
	TAILQ_REMOVE(q, op, link);
	c->n_waiting--;
	return op;
}

static int refusal(const struct core *c, struct err *err) {
	switch (c->mode) {
	case CORE_STANDBY:
		return err_set(err, E_UNAVAILABLE, "this server stands by; the active one is at %s",
		    c->lease.seen.rest[0] ? c->lease.seen.rest : "(not known yet)");
	case CORE_AWAY:
		return err_set(err, E_UNAVAILABLE, "the database does not answer (%s); try again shortly", c->reason);
	case CORE_STOPPING:
		return err_set(err, E_UNAVAILABLE, "this server is stopping; try again");
	case CORE_STARTING:
		return err_set(err, E_UNAVAILABLE, "the server is starting%s%s; try again shortly", c->reason[0] ? ": " : "", c->reason);
	default:
		if (commit_stuck(c))
			return err_set(err, E_UNAVAILABLE,
			    "the database takes no change just now: somebody holds a lock (see pg_locks), or it is overloaded; try again "
			    "shortly");
		return err_set(err, E_UNAVAILABLE, "the server is busy: too many requests wait; try again shortly");
	}
}

void core_refuse_waiting(struct core *c) {
	struct core_op *op;
	while ((op = take_op(c, &c->waiting)) != NULL || (op = take_op(c, &c->reads)) != NULL) {
		struct err err = ERR_INIT;
		refusal(c, &err);
		core_fail_op(c, op, &err);
	}
}

static void apply_op(struct core *c, struct core_op *op) {
	struct err err = ERR_INIT;
	if (c->mode == CORE_READ_ONLY && !op->read) {
		err_set(&err, E_READ_ONLY, "%s", c->reason);
		core_fail_op(c, op, &err);
		return;
	}
	c->stats.ops++;
	op->tries++;
	c->who = op->who;
	c->applying = op;
	int r = op->apply(c, op, &err);
	c->applying = NULL;
	c->who = (struct core_who){ 0 };
	if (r != 0 && err.code == 0)
		err.code = r;
	commit_op(c, op, r == 0 ? NULL : &err);
}

/* ---- turns
 * ------------------------------------------------------------------------------------------------------------------------------- */
static void agenda_run(struct core *c, const struct agenda_item *x) {
	struct plan *p;
	struct task *t;
	struct base *b;
	struct instance *i;
	struct finding *found;
	switch (x->kind) {
	case AGENDA_PLAN:
		if ((p = fleet_plan(c->fleet, x->id)) != NULL)
			plan_due(c, p->row.id);
		return;
	case AGENDA_TASK:
		if ((t = fleet_task(c->fleet, x->id)) == NULL || word_terminal(WORD_TASK, t->row.state))
			return;
		c->culprit =
		    t->plan != NULL ? (struct culprit){ CULPRIT_PLAN, t->plan->row.id } : (struct culprit){ CULPRIT_BASE, t->base->row.id };
		if (task_still_held(&c->plans, t) || mono_before(c->mono, t->due))
			return;
		if (t->row.state == TASK_SENT)
			hook_ask_again(c, t);
		else if (t->plan != NULL)
			plan_task_due(&c->plans, t);
		else
			task_make_ready(c, t);
		return;
	case AGENDA_BASE:
		c->culprit = (struct culprit){ CULPRIT_BASE, x->id };
		if ((b = fleet_base_by_id(c->fleet, x->id)) != NULL)
			base_due(c, b);
		return;
	case AGENDA_REPAIR:
		if ((i = fleet_instance(c->fleet, x->id)) == NULL)
			return;
		c->culprit = (struct culprit){ CULPRIT_BASE, i->base->row.id };
		repair_instance(c, i);
		return;
	case AGENDA_FINDING:
		if ((found = fleet_finding(c->fleet, x->id)) == NULL)
			return;
		if (found->row.kind == FINDING_NOT_RESTORABLE)
			not_restorable_look(c, found);
		else
			policy_due(c, found);
		return;
	}
}

/* Something due, or a plan. */
static bool engine_input(struct core *c) {
	struct agenda_item x;
	if (c->mode != CORE_ACTIVE)
		return false;
	if (conduct_step(c) || series_step(c))
		return true;
	if (!agenda_pop(&c->agenda, c->mono, &x))
		return false;
	agenda_run(c, &x);
	return true;
}

static bool op_input(struct core *c, struct op_queue *q) {
	struct core_op *op = take_op(c, q);
	if (op == NULL)
		return false;
	c->culprit = (struct culprit){ CULPRIT_OP, 0 };
	apply_op(c, op);
	return true;
}

/* One input. They take turns: neither a plan over very many bases nor a flood of requests keeps the other waiting. False when there is
 * nothing to do. */
static bool turn_input(struct core *c) {
	c->culprit = (struct culprit){ CULPRIT_NONE, 0 };
	c->op_first = !c->op_first;
	return c->op_first ? op_input(c, &c->waiting) || engine_input(c) : engine_input(c) || op_input(c, &c->waiting);
}

static bool turn_may_decide(const struct core *c) {
	if (c->fleet == NULL || c->recovering || !core_may_act(c) || commit_stuck(c))
		return false;
	return c->mode == CORE_ACTIVE || c->mode == CORE_READ_ONLY;
}

static void decide(struct core *c) {
	mono_t end = mono_add(c->mono, TURN_BUDGET_US);
	while (!series_waits(c) && turn_input(c)) {
		if (fleet_dirty_count(c->fleet) >= (size_t)c->cfg.max_rows)
			break;
		if (mono_before(end, clock_mono(&c->env.clock)))
			break;
	}
	if (c->mode != CORE_ACTIVE)
		return;
	room_look(c);
	while (!series_waits(c) && mono_before(clock_mono(&c->env.clock), end) && conduct_step(c))
		continue;
	if (!series_waits(c))
		dispatch(c, c->serial > 0);
}

/* Who only asks comes behind what changes something: its commit is under way by then, and who asks would have waited for it anyway. So
 * those who read as fast as they can delay nobody's change by more than one answer, and changes delay them by a turn. What is asked before
 * a change, as whose the token of an upload is, stands among the questions. */
static void answer_reads(struct core *c) {
	mono_t end = mono_add(clock_mono(&c->env.clock), READS_BUDGET_US);
	while (!series_waits(c) && op_input(c, &c->reads) && mono_before(clock_mono(&c->env.clock), end))
		continue;
}

static bool more_to_do(const struct core *c) {
	if (!turn_may_decide(c) || series_waits(c) || fleet_dirty_count(c->fleet) >= (size_t)c->cfg.max_rows)
		return false;
	bool engine = c->due_plans.n > c->due_plans.next || !STAILQ_EMPTY(&c->held_back) || !mono_before(c->mono, agenda_next(&c->agenda));
	return c->n_waiting > 0 || (c->mode == CORE_ACTIVE && engine);
}

void core_look_at_clock(struct core *c) {
	wall_t wall = clock_wall(&c->env.clock);
	c->mono = c->plans.mono = clock_mono(&c->env.clock);
	if (wall.us > c->wall.us)
		c->wall = c->plans.wall = wall; /* event time never runs backwards */
}

/* Rule 10. The limit for deciding is the budget; the whole turn also makes the commit and tells who waited. */
static void turn_took(struct core *c, int64_t us, int64_t cpu_us) {
	c->stats.turns_over += us > TURN_LIMIT_US;
	if (us > c->stats.max_turn_us)
		c->stats.max_turn_us = us;
	if (cpu_us > c->stats.max_turn_cpu_us)
		c->stats.max_turn_cpu_us = cpu_us;
}

void core_turn(struct core *c) {
	if (c->turning)
		return;
	c->turning = true;
	core_look_at_clock(c);
	mono_t begun = c->mono;
	int64_t cpu = clock_cpu(&c->env.clock);
	lease_tick(c);
	bool stuck = commit_stuck(c);
	if (stuck)
		commit_send_home(c);
	if (turn_may_decide(c) && !series_waits(c))
		decide(c);
	else if (c->mode == CORE_STANDBY || c->mode == CORE_AWAY || c->mode == CORE_STOPPING || c->mode == CORE_STARTING || stuck ||
	         c->n_waiting > MAX_QUEUED_OPS)
		core_refuse_waiting(c);
	commit_turn(c);
	if (turn_may_decide(c) && !TAILQ_EMPTY(&c->reads)) {
		answer_reads(c);
		commit_turn(c);
	}
	series_idle(c);
	stop_when_idle(c);
	graves_look(c);
	turn_took(c, mono_diff(clock_mono(&c->env.clock), begun), clock_cpu(&c->env.clock) - cpu);
	c->turning = false;
	if (more_to_do(c) || !STAILQ_EMPTY(&c->graves))
		core_wake(c);
}

mono_t core_deadline(const struct core *c) {
	mono_t t = lease_deadline(c), a = agenda_next(&c->agenda);
	if (c->mode != CORE_ACTIVE)
		return t;
	if (turn_may_decide(c) && !series_waits(c) && mono_before(a, t)) /* what may not be decided now must not keep the host awake */
		t = a;
	if (mono_before(c->lease.valid_until, t) && c->lease.held)
		t = c->lease.valid_until;
	mono_t commit = commit_deadline(c);
	return mono_before(commit, t) ? commit : t;
}

/* ---- for operations -------------------------------------------------------------------------------------------------------------------
 */
struct fleet *core_fleet(struct core *c) {
	return c->fleet;
}
wall_t core_now(const struct core *c) {
	return c->wall;
}
mono_t core_mono(const struct core *c) {
	return c->mono;
}
const struct core_config *core_cfg(const struct core *c) {
	return &c->cfg;
}
struct ledger *core_ledger(struct core *c) {
	return c->env.ledger;
}
struct driver *core_driver(struct core *c) {
	return c->env.driver;
}
void core_stats(const struct core *c, struct core_stats *ret) {
	*ret = c->stats;
}

static int64_t tenant_of(const struct core *c, const struct event_facts *f) {
	if (f->plan != NULL)
		return f->plan->row.tenant_id;
	if (f->deployment != NULL)
		return f->deployment->row.tenant_id;
	if (f->base != NULL)
		return f->base->row.tenant_id;
	if (f->module != NULL)
		return f->module->row.tenant_id;
	if (f->group != NULL)
		return f->group->row.tenant_id;
	if (f->tenant != NULL)
		return f->tenant->row.id;
	return c->who.tenant_id;
}

void core_event(struct core *c, const struct event_facts *f, const char *fmt, ...) {
	char text[512];
	if (core_rehearses(c) || (f->plan == NULL && f->task == NULL && !budget_take(c)))
		return;
	va_list ap;
	va_start(ap, fmt);
	vsnprintf(text, sizeof text, fmt, ap);
	va_end(ap);
	utf8_clean(text);
	if (c->applying != NULL)
		c->who = c->applying->who;
	const struct module *m = f->module != NULL       ? f->module
	                         : f->version != NULL    ? f->version->module
	                         : f->deployment != NULL ? f->deployment->module
	                                                 : NULL;
	const struct plan *p = f->plan != NULL ? f->plan : f->task != NULL ? f->task->plan : NULL;
	const char *actor = c->who.actor != NULL ? c->who.actor : p != NULL ? p->row.actor : "berth";
	struct row_event e = {
		.tenant_id = tenant_of(c, f),
		.kind = UNCONST(f->kind),
		.actor = UNCONST(actor),
		.address = UNCONST(c->who.address),
		.reason = UNCONST(c->who.reason),
		.link = UNCONST(c->who.link),
		.base = f->base == NULL ? NULL : f->base->row.name,
		.module = m == NULL ? NULL : m->row.name,
		.version = f->version == NULL ? NULL : f->version->row.name,
		.deployment = f->deployment == NULL ? NULL : f->deployment->row.name,
		.plan_id = p == NULL ? 0 : p->row.id,
		.task_id = f->task == NULL ? 0 : f->task->row.id,
		.instance_id = f->instance == NULL ? 0 : f->instance->row.id,
		.message = text,
	};
	fleet_event(c->fleet, c->wall, &e);
}

void core_watch_add(struct core *c, struct core_watch *w) {
	TAILQ_INSERT_TAIL(&c->watches, w, link);
}

void core_watch_remove(struct core *c, struct core_watch *w) {
	if (c->watch_next == w)
		c->watch_next = TAILQ_NEXT(w, link);
	TAILQ_REMOVE(&c->watches, w, link);
}

/* ---- after a load -----------------------------------------------------------------------------------------------------------------------
 */
static void plans_live_again(struct core *c) {
	struct plan *p = fleet_plans(c->fleet), *next;
	for (; p != NULL; p = next) {
		next = p->hh_id.next;
		plan_restore(&c->plans, p);
		plan_due(c, p->row.id);
	}
}

static void repairs_live_again(struct core *c) {
	for (struct instance *i = fleet_instances(c->fleet); i != NULL; i = i->hh_id.next)
		if (i->task != NULL && i->task->plan == NULL && i->task->row.state != TASK_SENT)
			repair_again(c, i->task);
}

void core_loaded(struct core *c) {
	core_look_at_clock(c);
	c->plans.fleet = c->fleet;
	TAILQ_INIT(&c->ready);
	slots_clear(&c->slots);
	TAILQ_INIT(&c->to_command);
	c->due_plans.next = c->due_plans.n = 0;
	c->room = false;
	agenda_clear(&c->agenda);
	for (struct base *b = fleet_bases(c->fleet); b != NULL; b = b->hh_id.next) {
		b->seen = c->mono; /* everybody gets the full time to show up again */
		b->flooding = fleet_finding_find(c->fleet, b->tenant, FINDING_FLOODING, b, NULL, NULL) != NULL;
		base_look(c, b, mono_add(c->mono, c->cfg.silent_us));
		b->memory_told = base_memory_parse(b->row.memory, &b->memory);
		b->memory_life = b->row.incarnation;
		base_memory_counts(b);
	}
	for (struct finding *x = fleet_findings_first(c->fleet); x != NULL; x = TAILQ_NEXT(x, link)) {
		if (x->row.kind == FINDING_NOT_RESTORABLE)
			agenda_add(&c->agenda, c->mono, AGENDA_FINDING, x->row.id);
		policy_found(c, x);
	}
	if (fleet_tenant(c->fleet, "default") == NULL)
		fleet_tenant_add(c->fleet, "default", c->wall);
	brake_restore(c);
	plans_live_again(c);
	repairs_live_again(c);
	series_set_aside(c);
}

/* ---- P13
 * ---------------------------------------------------------------------------------------------------------------------------------- */
void core_witness(struct core *c, const char *cell, int64_t epoch, int64_t event) {
	bool same = strcmp(c->witness.cell, cell) == 0;
	snprintf(c->witness.cell, sizeof c->witness.cell, "%s", cell);
	c->witness.epoch = same && c->witness.epoch > epoch ? c->witness.epoch : epoch;
	c->witness.event = same && c->witness.event > event ? c->witness.event : event;
}

void core_witnessed(const struct core *c, char ret_cell[37], int64_t *ret_epoch, int64_t *ret_event) {
	memcpy(ret_cell, c->witness.cell, sizeof c->witness.cell);
	*ret_epoch = c->witness.epoch;
	*ret_event = c->witness.event;
}

bool witness_newer(const struct core *c, const char *cell, int64_t epoch, int64_t event) {
	if (cell == NULL || strcmp(cell, c->cell) != 0 || epoch < c->accepted_epoch || MUTANT(forget_witness))
		return false;
	return epoch > c->epoch || event > c->committed_event;
}

void core_accept_older(struct core *c, void (*done)(void *arg, const struct err *err), void *arg) {
	struct err err = ERR_INIT;
	if (c->mode != CORE_READ_ONLY || c->loading != NULL || c->accepted != NULL) {
		err_set(&err, E_STATE, "there is no older database to accept");
		done(arg, &err);
		return;
	}
	c->accepted = done;
	c->accepted_arg = arg;
	c->env.ledger->ops->epoch_floor(c->env.ledger, c->witness.epoch);
	commit_drop(c, NULL, true);
	core_load(c);
}

/* The load after core_accept_older(): its epoch is above everything that was witnessed. */
void witness_accepted(struct core *c) {
	if (c->accepted == NULL)
		return;
	void (*done)(void *, const struct err *) = c->accepted;
	c->accepted = NULL;
	c->accepted_epoch = c->epoch;
	c->older = false;
	done(c->accepted_arg, NULL);
}
