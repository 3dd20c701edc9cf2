/* Bases without an agent: the brain is in the server, one per base, and lives and dies with it (src/drive/direct.c does this over HTTP).
 * Nothing on such a base knows of epochs or generations: what protects it is that its server looks at its lease before each change. */
#include "link.h"

#include <stdlib.h>
#include <string.h>

#include "brain.h"
#include "proto/json.h"

#define STALE_US (25 * US_PER_S)
#define RELINK_US US_PER_S
#define RELINK_SLOW_US (30 * US_PER_S)

struct direct {
	struct driver_link link; /* first */
	struct node *node;
	struct machine *machine;
	struct brain *brain;
	int64_t base_id;
	char name[32], boot[64];
	bool up, heard, waits, dead, refused, final, pumping, seen;
	int64_t armed, ticked_us, answered_us, lease_us, epoch;
	int changing;
	struct direct *next;
};

struct chore {
	struct direct *g;
	int64_t id;
	bool changes;
};

static void pump(void *arg);

static struct sim *sim_of(const struct direct *g) {
	return node_sim(g->node);
}

static mono_t now_of(const struct direct *g) {
	return clock_mono(&sim_of(g)->clock);
}

static struct chore *chore_new(struct direct *g, int64_t id) {
	struct chore *c = calloc(1, sizeof *c);
	*c = (struct chore){ .g = g, .id = id };
	return c;
}

/* A frozen server's brains are frozen with it. */
static bool asleep(const struct direct *g, sim_fn again, void *arg) {
	int64_t us = node_frozen_for(g->node);
	if (g->dead || us <= 0)
		return false;
	sim_after(sim_of(g), us, again, arg);
	return true;
}

static void turn(void *arg) {
	struct chore *c = arg;
	struct direct *g = c->g;
	if (asleep(g, turn, c))
		return;
	free(c);
	if (!g->dead)
		pump(g);
}

static void settle(struct direct *g) {
	if (!g->dead)
		sim_after(sim_of(g), 5, turn, chore_new(g, 0));
}

/* ---- calls --------------------------------------------------------------------------------------------------------------------------- */
static void answered(void *arg, const struct brain_answer *x) {
	struct chore *c = arg;
	struct direct *g = c->g;
	struct brain_answer late = { .error = E_TIMEOUT, .sent = true, .error_text = "simulated: the server was frozen meanwhile" };
	bool frozen = node_frozen_for(g->node) > 0;
	g->changing -= c->changes;
	if (!g->dead) {
		brain_answered(g->brain, c->id, frozen ? &late : x, now_of(g));
		if (x->error == 0 && !frozen)
			g->answered_us = sim_of(g)->now_us;
		settle(g);
	}
	free(c);
}

static bool may_change(const struct direct *g) {
	return g->epoch != 0 && g->link.in_core && sim_of(g)->now_us - g->ticked_us < g->lease_us / 10 * 7;
}

static void call(struct direct *g, const struct brain_effect *e) {
	bool changes = e->command == ARKLET_INSTALL || e->command == ARKLET_UNINSTALL || e->command == ARKLET_SWITCH;
	struct brain_answer no = { .error = E_UNAVAILABLE, .error_text = "this server's lease is not certain at the moment" };
	if (changes && !may_change(g)) {
		brain_answered(g->brain, e->id, &no, now_of(g));
		return;
	}
	struct chore *c = chore_new(g, e->id);
	c->changes = changes;
	g->changing += changes;
	if (changes)
		watch_holder(sim_of(g), node_name(g->node), "changes a base");
	machine_call(g->machine, e->command, e->module, e->timeout_us, answered, c);
}

/* ---- the link --------------------------------------------------------------------------------------------------------------------------
 */
static void link_lost(struct direct *g, const char *why) {
	if (!g->up)
		return;
	g->up = false;
	g->epoch = 0;
	brain_link_down(g->brain, now_of(g));
	if (g->heard && node_core(g->node) != NULL)
		core_base_gone(node_core(g->node), &g->link, why);
	g->heard = g->link.in_core = false;
}

static void send_hello(struct direct *g, const Berth__V1__Hello *said) {
	Berth__V1__Hello h = *said;
	h.boot = g->boot;
	g->heard = g->link.in_core = true;
	core_base_hello_direct(node_core(g->node), &g->link, g->base_id, &h, g->name);
}

static bool sign_of_life(const struct direct *g) {
	return g->changing > 0 || sim_of(g)->now_us - g->answered_us < STALE_US;
}

static void send(struct direct *g, const Berth__V1__AgentMessage *m) {
	struct core *c = node_core(g->node);
	if (c == NULL)
		return;
	if (m->kind_case == BERTH__V1__AGENT_MESSAGE__KIND_HELLO)
		send_hello(g, m->hello);
	else if (!g->link.in_core)
		return; /* the next hello tells */
	else if (m->kind_case == BERTH__V1__AGENT_MESSAGE__KIND_REPORT)
		core_base_report(c, &g->link, m->report);
	else if (m->kind_case == BERTH__V1__AGENT_MESSAGE__KIND_HEARTBEAT && sign_of_life(g))
		core_base_heartbeat(c, &g->link, m->heartbeat);
}

static void relink(void *arg) {
	struct chore *c = arg;
	c->g->waits = false;
	settle(c->g);
	free(c);
}

static void drop_link(struct direct *g, bool slow) {
	link_lost(g, "its link was given up");
	g->waits = true;
	sim_after(sim_of(g), slow ? RELINK_SLOW_US : RELINK_US, relink, chore_new(g, 0));
}

static void follow_phase(struct direct *g) {
	struct brain_view v;
	brain_view(g->brain, &v);
	bool there = strcmp(v.phase, "up") == 0 || strcmp(v.phase, "restoring") == 0;
	if (strcmp(v.phase, "unreachable") == 0) {
		link_lost(g, v.note);
	} else if (there && !g->up && !g->waits) {
		g->up = true;
		brain_link_up(g->brain, now_of(g));
		settle(g);
	}
}

/* ---- effects ---------------------------------------------------------------------------------------------------------------------------
 */
static void perform(struct direct *g, const struct brain_effect *e) {
	static const struct brain_fetched there = { .ok = true };
	static const struct brain_hook nobody = { .cause = "nobody can run it" };
	switch (e->kind) {
	case BRAIN_PERSIST:
		brain_persisted(g->brain, true, now_of(g)); /* the ledger is its disk */
		return;
	case BRAIN_SEND:
		if (g->up)
			send(g, e->message);
		return;
	case BRAIN_DROP_LINK:
		drop_link(g, e->slow);
		return;
	case BRAIN_FETCH:
		brain_fetched(g->brain, e->id, &there, now_of(g));
		return;
	case BRAIN_CALL:
		call(g, e);
		return;
	case BRAIN_HOOK:
		brain_hook_ended(g->brain, e->id, &nobody, now_of(g));
		return;
	case BRAIN_SAY:
		sim_trace(sim_of(g), "%s by %s: %s", g->name, node_name(g->node), e->text);
		return;
	default:
		return;
	}
}

static void tick(void *arg) {
	struct chore *c = arg;
	struct direct *g = c->g;
	if (asleep(g, tick, c))
		return;
	free(c);
	if (g->dead)
		return;
	g->armed = 0;
	brain_tick(g->brain, now_of(g));
	pump(g);
}

static void arm(struct direct *g) {
	mono_t at = brain_deadline(g->brain);
	if (at.us == INT64_MAX)
		return;
	int64_t us = mono_diff(at, now_of(g)), when = sim_of(g)->now_us + (us < 0 ? 0 : us);
	if (g->armed != 0 && g->armed <= when)
		return;
	g->armed = when == 0 ? 1 : when;
	sim_after(sim_of(g), us, tick, chore_new(g, 0));
}

static void pump(void *arg) {
	struct direct *g = arg;
	const struct brain_effect *e;
	if (g->pumping || g->dead)
		return;
	g->pumping = true;
	if (g->refused) {
		g->refused = false;
		drop_link(g, g->final);
	}
	while (!g->dead && (e = brain_next(g->brain)) != NULL)
		perform(g, e);
	g->pumping = false;
	if (g->dead)
		return;
	follow_phase(g);
	arm(g);
}

/* ---- what the core says
 * ------------------------------------------------------------------------------------------------------------------ */
void direct_message(struct direct *g, const Berth__V1__ServerMessage *m) {
	if (m->kind_case == BERTH__V1__SERVER_MESSAGE__KIND_WELCOME) {
		g->epoch = m->welcome->epoch;
		g->lease_us = m->welcome->lease->seconds * US_PER_S;
	}
	if (m->kind_case == BERTH__V1__SERVER_MESSAGE__KIND_WELCOME || m->kind_case == BERTH__V1__SERVER_MESSAGE__KIND_TICK)
		g->ticked_us = sim_of(g)->now_us;
	if (g->up)
		brain_message(g->brain, m, now_of(g));
	settle(g);
}

void direct_refused(struct direct *g, bool final) {
	g->refused = true;
	g->link.in_core = false;
	g->final = final;
	settle(g);
}

static void hello(struct direct *g) {
	if (g->dead || !g->up)
		return;
	brain_link_down(g->brain, now_of(g));
	brain_link_up(g->brain, now_of(g));
	settle(g);
}

/* ---- which there are
 * --------------------------------------------------------------------------------------------------------------------- */
/* What an agent reads from its disk, from the ledger: commands without outcome are in doubt. */
static uint8_t *seed(const struct base *b, struct arena *a, size_t *ret_n) {
	Berth__V1__AgentState s = BERTH__V1__AGENT_STATE__INIT;
	const struct instance *i;
	s.base = b->row.name;
	s.base_key = (char *)(uintptr_t) "direct";
	s.has_report_seq = s.has_high_generation = s.has_restarts = true;
	s.report_seq = b->row.report_seq;
	s.high_generation = b->row.generation;
	s.restarts = b->row.process_start > 0 ? (int32_t)(b->row.process_start - 1) : 0;
	s.outcomes = arena_alloc(a, ((size_t)b->n_instances + 1) * sizeof *s.outcomes);
	TAILQ_FOREACH(i, &b->instances, base_link) {
		if (i->task == NULL || i->task->row.state != TASK_SENT)
			continue;
		Berth__V1__Outcome *o = s.outcomes[s.n_outcomes++] = PB_NEW(Berth__V1__Outcome, berth__v1__outcome, a);
		o->has_generation = o->has_task = true;
		o->generation = i->task->row.generation;
		o->task = i->task->row.id;
	}
	*ret_n = berth__v1__agent_state__get_packed_size(&s);
	uint8_t *p = arena_alloc(a, *ret_n + 1);
	berth__v1__agent_state__pack(&s, p);
	return p;
}

static void brain_make(struct direct *g, const struct base *b) {
	ARENA_AUTO a = arena_new();
	struct err err = ERR_INIT;
	size_t n;
	uint8_t *state = seed(b, a, &n);
	Berth__V1__Hello h = BERTH__V1__HELLO__INIT;
	h.base = g->name;
	h.boot = g->boot;
	h.has_runtime = true;
	h.runtime = BERTH__V1__RUNTIME__RUNTIME_NATIVE;
	struct brain_config cfg = { .hello = &h, .parallel = 2, .seed = rng_u64(&sim_of(g)->rng) };
	if (brain_new(&cfg, state, n, now_of(g), &g->brain, &err) != 0)
		abort();
}

static struct direct *direct_new(struct node *n, const struct base *b) {
	struct direct *g = calloc(1, sizeof *g);
	g->node = n;
	g->base_id = b->row.id;
	snprintf(g->name, sizeof g->name, "%s", b->row.name);
	snprintf(g->boot, sizeof g->boot, "arklet/%s", b->row.name);
	g->machine = sim_lone(node_sim(n), b->row.name);
	g->link.direct = g;
	g->link.node = n;
	g->lease_us = 10 * US_PER_S;
	brain_make(g, b);
	brain_start(g->brain, false, now_of(g));
	settle(g);
	return g;
}

static void direct_end(struct direct *g) {
	if (g->dead)
		return;
	link_lost(g, "the server does not look after it any more");
	g->dead = true;
	brain_free(g->brain);
	g->brain = NULL;
}

static struct direct *direct_find(struct node *n, int64_t base_id) {
	for (struct direct *g = *node_directs(n); g != NULL; g = g->next)
		if (!g->dead && g->base_id == base_id)
			return g;
	return NULL;
}

void direct_look(struct node *n) {
	struct direct *g, **list = node_directs(n);
	for (g = *list; g != NULL; g = g->next)
		g->seen = false;
	for (const struct base *b = fleet_bases(core_fleet(node_core(n))); b != NULL; b = b->hh_id.next) {
		if (b->row.arklet_url == NULL || sim_lone(node_sim(n), b->row.name) == NULL)
			continue;
		if ((g = direct_find(n, b->row.id)) == NULL) {
			g = direct_new(n, b);
			g->next = *list;
			*list = g;
		}
		g->seen = true;
	}
	for (g = *list; g != NULL; g = g->next)
		if (!g->seen)
			direct_end(g);
}

void direct_tell_all(struct node *n, const Berth__V1__ServerMessage *m) {
	for (struct direct *g = *node_directs(n); g != NULL; g = g->next)
		if (!g->dead && g->link.in_core && g->epoch != 0)
			direct_message(g, m);
}

void direct_hello_all(struct node *n) {
	for (struct direct *g = *node_directs(n); g != NULL; g = g->next)
		hello(g);
}

void direct_forgotten_all(struct node *n) {
	for (struct direct *g = *node_directs(n); g != NULL; g = g->next)
		g->link.in_core = false;
}

void direct_leave(struct node *n) {
	for (struct direct *g = *node_directs(n); g != NULL; g = g->next)
		direct_end(g);
}

void direct_free(struct node *n) {
	for (struct direct *g = *node_directs(n), *next; g != NULL; g = next) {
		next = g->next;
		free(g);
	}
	*node_directs(n) = NULL;
}
