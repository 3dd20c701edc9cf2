/* A server: the real core, its fake driver and the links of the agents that dialled it. */
#include "sim.h"
#include "core/outbound.h"
#include "proto/json.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct driver_link {
	struct node *node;
	struct agent *agent;
	struct arena *arena;
	Berth__V1__Hello *hello;
	bool dead, hello_given;
	int64_t up_at, down_at; /* order is kept: nothing overtakes */
	struct driver_link *next;
};

/* Whoever a plan asks over HTTP: answers late, refuses, wants to be asked again, or never answers. */
struct question {
	struct node *node;
	outbound_done done;
	void *arg;
	bool told;
	struct question *next;
};

struct node {
	struct driver driver;
	struct outbound outbound;
	struct question *questions;
	struct sim *sim;
	int index;
	char name[16];
	struct core *core;
	struct ledger *ledger;
	struct rng rng;
	struct driver_link *links;
	bool woken, frozen;
	int64_t frozen_until;
	uint64_t life;
	int64_t armed_at;
};

struct letter {
	struct driver_link *link;
	struct node *node;
	uint64_t life;
	uint8_t *bytes;
	size_t n;
	bool up;
};

static void turn(void *arg);

/* ---- time of the node: a frozen process sees nothing until it wakes ----------------------------------------------------------------- */
struct visit {
	struct node *node;
	uint64_t life;
};

static void visit_later(struct node *n, int64_t us) {
	struct visit *v = malloc(sizeof *v);
	*v = (struct visit){ n, n->life };
	if (n->frozen && n->sim->now_us + us < n->frozen_until)
		us = n->frozen_until - n->sim->now_us;
	sim_after(n->sim, us, turn, v);
}

static void wake(void *arg) {
	struct node *n = arg;
	if (n->woken)
		return;
	n->woken = true;
	visit_later(n, sim_delay(n->sim, 0, 20));
}

static void arm(struct node *n) {
	mono_t at = core_deadline(n->core);
	if (at.us == INT64_MAX)
		return;
	int64_t us = mono_diff(at, clock_mono(&n->sim->clock));
	int64_t when = n->sim->now_us + (us < 0 ? 0 : us);
	if (n->armed_at > n->sim->now_us && n->armed_at <= when)
		return;
	n->armed_at = when;
	visit_later(n, us < 0 ? 0 : us);
}

static void model_check(struct node *n) {
	struct err err = ERR_INIT;
	if (core_fleet(n->core) != NULL && fleet_check(core_fleet(n->core), &err) != 0)
		sim_fail(n->sim, "%s: %s", n->name, err.text);
}

static void turn(void *arg) {
	struct visit *v = arg;
	struct node *n = v->node;
	bool stale = v->life != n->life || n->core == NULL;
	free(v);
	if (stale)
		return;
	if (n->frozen && n->sim->now_us < n->frozen_until) {
		visit_later(n, n->frozen_until - n->sim->now_us);
		return;
	}
	n->frozen = false;
	n->woken = false;
	core_turn(n->core);
	if (!n->sim->calm || n->sim->steps % 32 == 0)
		model_check(n);
	arm(n);
}

/* ---- driver ------------------------------------------------------------------------------------------------------------------------- */
static void deliver(void *arg) {
	struct letter *x = arg;
	struct driver_link *k = x->link;
	struct node *n = x->node;
	if (!k->dead && x->life == n->life && n->core != NULL) {
		if (x->up && n->frozen && n->sim->now_us < n->frozen_until) {
			sim_after(n->sim, n->frozen_until - n->sim->now_us, deliver, x);
			return;
		}
		struct arena *a = arena_new();
		ProtobufCAllocator alloc = arena_pb(a);
		if (x->up) {
			Berth__V1__AgentMessage *m = berth__v1__agent_message__unpack(&alloc, x->n, x->bytes);
			if (m->kind_case == BERTH__V1__AGENT_MESSAGE__KIND_HELLO) {
				k->hello = (Berth__V1__Hello *)(void *)pb_copy(&m->hello->pb, k->arena);
				core_base_hello(n->core, k, k->hello, agent_name(k->agent));
			} else if (m->kind_case == BERTH__V1__AGENT_MESSAGE__KIND_REPORT) {
				core_base_report(n->core, k, m->report);
			} else if (m->kind_case == BERTH__V1__AGENT_MESSAGE__KIND_HEARTBEAT) {
				core_base_heartbeat(n->core, k, m->heartbeat);
			} else if (m->kind_case == BERTH__V1__AGENT_MESSAGE__KIND_PREFETCHED) {
				core_base_prefetched(n->core, k, m->prefetched);
			} else if (m->kind_case == BERTH__V1__AGENT_MESSAGE__KIND_GOODBYE) {
				core_base_goodbye(n->core, k, m->goodbye->reason);
			}
		} else {
			agent_deliver(k->agent, k, berth__v1__server_message__unpack(&alloc, x->n, x->bytes));
		}
		arena_free(a);
	}
	free(x->bytes);
	free(x);
}

static void post(struct driver_link *k, const ProtobufCMessage *m, bool up) {
	struct sim *s = k->node->sim;
	struct letter *x = calloc(1, sizeof *x);
	int64_t *order = up ? &k->up_at : &k->down_at, at = s->now_us + sim_delay(s, 50, 3000);
	if (sim_chance(s, s->f.report_late))
		at += sim_delay(s, 0, 2 * US_PER_S);
	if (at < *order)
		at = *order;
	*order = at;
	*x = (struct letter){ .link = k, .node = k->node, .life = k->node->life, .n = protobuf_c_message_get_packed_size(m), .up = up };
	x->bytes = malloc(x->n + 1);
	protobuf_c_message_pack(m, x->bytes);
	sim_after(s, at - s->now_us, deliver, x);
}

void link_up(struct driver_link *k, const Berth__V1__AgentMessage *m) {
	if (!k->dead)
		post(k, &m->pb, true);
}

static void send(struct driver_link *k, Berth__V1__ServerMessage *m) {
	if (!k->dead)
		post(k, &m->pb, false);
}

#define SERVER_MESSAGE(name, kind, field, msg)                           \
	Berth__V1__ServerMessage name = BERTH__V1__SERVER_MESSAGE__INIT; \
	name.kind_case = BERTH__V1__SERVER_MESSAGE__KIND_##kind;         \
	name.field = msg

static void d_welcome(struct driver_link *k, const Berth__V1__Welcome *w) {
	SERVER_MESSAGE(m, WELCOME, welcome, (Berth__V1__Welcome *)(uintptr_t)w);
	send(k, &m);
}

static void d_command(struct driver_link *k, const Berth__V1__Command *c) {
	SERVER_MESSAGE(m, COMMAND, command, (Berth__V1__Command *)(uintptr_t)c);
	send(k, &m);
}

static void d_ack(struct driver_link *k, int64_t seq) {
	Berth__V1__Ack a = BERTH__V1__ACK__INIT;
	a.has_committed_seq = true;
	a.committed_seq = seq;
	SERVER_MESSAGE(m, ACK, ack, &a);
	send(k, &m);
}

static void cut_later(void *arg) {
	link_cut(arg);
}

static void d_refuse(struct driver_link *k, const char *code, const char *detail, bool final) {
	Berth__V1__Refused r = BERTH__V1__REFUSED__INIT;
	r.code = (char *)(uintptr_t)code;
	r.detail = (char *)(uintptr_t)detail;
	r.final = r.has_final = final;
	SERVER_MESSAGE(m, REFUSED, refused, &r);
	sim_trace(k->node->sim, "%s refuses %s: %s", k->node->name, agent_name(k->agent), detail);
	send(k, &m);
	sim_after(k->node->sim, 5000, cut_later, k);
}

static void d_prefetch(struct driver_link *k, const Berth__V1__Prefetch *p) {
	SERVER_MESSAGE(m, PREFETCH, prefetch, (Berth__V1__Prefetch *)(uintptr_t)p);
	send(k, &m);
}

static void d_tick_all(struct driver *d, int64_t epoch, int64_t last_event) {
	struct node *n = (struct node *)(void *)d;
	for (struct driver_link *k = n->links; k != NULL; k = k->next) {
		Berth__V1__Tick t = BERTH__V1__TICK__INIT;
		t.has_epoch = t.has_last_event = true;
		t.epoch = epoch;
		t.last_event = last_event;
		SERVER_MESSAGE(m, TICK, tick, &t);
		send(k, &m);
	}
}

struct again {
	struct node *node;
	uint64_t life;
};

static void hello_again(void *arg) {
	struct again *x = arg;
	struct node *n = x->node;
	if (x->life == n->life && n->core != NULL)
		for (struct driver_link *k = n->links; k != NULL; k = k->next)
			if (!k->dead && k->hello != NULL) {
				k->hello->base_running =
				    false; /* what it held then is old: reports since are in the ledger, or come again */
				core_base_hello(n->core, k, k->hello, agent_name(k->agent));
			}
	free(x);
}

static void d_rehello_all(struct driver *d) {
	struct node *n = (struct node *)(void *)d;
	struct again *x = malloc(sizeof *x);
	*x = (struct again){ n, n->life };
	sim_after(n->sim, 10, hello_again, x);
}

static const struct driver_ops driver_ops = {
	.welcome = d_welcome,
	.refuse = d_refuse,
	.command = d_command,
	.ack = d_ack,
	.prefetch = d_prefetch,
	.tick_all = d_tick_all,
	.rehello_all = d_rehello_all,
};

struct driver_link *node_accept(struct node *n, struct agent *a) {
	if (n->core == NULL || (n->frozen && n->sim->now_us < n->frozen_until))
		return NULL;
	struct core_state st;
	core_state(n->core, &st);
	if (st.mode == CORE_STANDBY || st.mode == CORE_STARTING)
		return NULL;
	struct driver_link *k = calloc(1, sizeof *k);
	k->node = n;
	k->agent = a;
	k->arena = arena_new();
	k->next = n->links;
	n->links = k;
	return k;
}

void link_mute(struct driver_link *k, int64_t us) {
	if (k->up_at < k->node->sim->now_us + us)
		k->up_at = k->node->sim->now_us + us;
}

void link_cut(struct driver_link *k) {
	if (k->dead)
		return;
	k->dead = true;
	if (k->node->core != NULL)
		core_base_gone(k->node->core, k, "cut");
	agent_link_down(k->agent, k);
}

static void links_cut(struct node *n) {
	for (struct driver_link *k = n->links; k != NULL; k = k->next)
		link_cut(k);
}

/* A server that stands by sends its agents away, as berthd does. */
static void leave(void *arg) {
	struct again *x = arg;
	if (x->life == x->node->life && x->node->core != NULL)
		links_cut(x->node);
	free(x);
}

static void state_changed(void *arg, const struct core_state *st) {
	struct node *n = arg;
	if (st->mode == CORE_READ_ONLY)
		sim_fail(n->sim, "%s takes the ledger for an older one: %s", n->name, st->reason);
	if (st->mode != CORE_STANDBY)
		return;
	struct again *x = malloc(sizeof *x);
	*x = (struct again){ n, n->life };
	sim_after(n->sim, 10, leave, x);
}

/* ---- questions over HTTP ------------------------------------------------------------------------------------------------------------- */
static void question_tell(struct question *q, int status) {
	struct outbound_answer a = { .status = status, .retry_after_us = status == 202 ? 3 * US_PER_S : 0, .text = "the gate" };
	if (q->told)
		return;
	q->told = true;
	q->done(q->arg, &a);
}

static void question_over(void *arg) {
	static const int storm[] = { 200, 200, 200, 202, 202, 409, 503, 0 };
	struct question *q = arg, **at = &q->node->questions;
	struct sim *s = q->node->sim;
	bool late = !q->told && q->node->frozen && s->now_us < q->node->frozen_until;
	if (late) {
		sim_after(s, q->node->frozen_until - s->now_us, question_over, q);
		return;
	}
	if (!q->told)
		question_tell(q, s->calm ? 200 : storm[rng_below(&s->rng, sizeof storm / sizeof *storm)]);
	while (*at != NULL && *at != q)
		at = &(*at)->next;
	if (*at == q)
		*at = q->next;
	free(q);
}

static void o_start(struct outbound *o, const struct outbound_request *r, outbound_done done, void *arg) {
	struct node *n = (struct node *)(void *)((char *)o - offsetof(struct node, outbound));
	struct question *q = calloc(1, sizeof *q);
	(void)r;
	*q = (struct question){ .node = n, .done = done, .arg = arg, .next = n->questions };
	n->questions = q;
	sim_after(n->sim, sim_delay(n->sim, US_PER_MS, 10 * US_PER_S), question_over, q);
}

static void o_cancel_all(struct outbound *o) {
	struct node *n = (struct node *)(void *)((char *)o - offsetof(struct node, outbound));
	for (struct question *q = n->questions; q != NULL; q = q->next)
		question_tell(q, 0);
}

static const struct outbound_ops outbound_ops = { .start = o_start, .cancel_all = o_cancel_all };

/* ---- life --------------------------------------------------------------------------------------------------------------------------- */
static void node_boot(void *arg) {
	struct node *n = arg;
	struct core_config cfg;
	struct err err = ERR_INIT;
	if (n->sim->over)
		return;
	core_config_defaults(&cfg);
	cfg.node = n->name;
	cfg.rest = cfg.rpc = n->name;
	cfg.artifacts = "http://sim";
	cfg.replace_us = 60 * US_PER_S;
	if (n->sim->seed % 3 == 0) /* command slots are scarce */
		cfg.in_flight = 2;
	n->ledger = store_connect(n->sim->store, &n->frozen_until);
	rng_init(&n->rng, rng_u64(&n->sim->rng));
	struct core_env env = { .clock = n->sim->clock,
		.rng = &n->rng,
		.ledger = n->ledger,
		.driver = &n->driver,
		.outbound = &n->outbound,
		.wake = wake,
		.arg = n,
		.transitions = n->sim->transitions };
	n->life++;
	n->woken = n->frozen = false;
	n->frozen_until = 0;
	n->armed_at = 0;
	if (core_new(&env, &cfg, &n->core, &err) != 0)
		abort();
	sim_trace(n->sim, "%s starts", n->name);
	core_on_state(n->core, state_changed, n);
	core_start(n->core);
}

struct node *node_new(struct sim *s, int index) {
	struct node *n = calloc(1, sizeof *n);
	n->driver.ops = &driver_ops;
	n->outbound.ops = &outbound_ops;
	n->sim = s;
	n->index = index;
	snprintf(n->name, sizeof n->name, "server%d", index);
	node_boot(n);
	return n;
}

void node_kill(struct node *n) {
	if (n->core == NULL)
		return;
	sim_trace(n->sim, "%s is killed", n->name);
	struct core *dead = n->core;
	n->core = NULL;
	n->life++;
	store_disconnect(n->ledger);
	links_cut(n);
	core_free(dead);
	sim_after(n->sim, sim_delay(n->sim, 100 * US_PER_MS, 20 * US_PER_S), node_boot, n);
}

void node_freeze(struct node *n, int64_t us) {
	if (n->core == NULL || n->frozen)
		return;
	sim_trace(n->sim, "%s is frozen for %.1f s", n->name, (double)us / US_PER_S);
	n->frozen = true;
	n->frozen_until = n->sim->now_us + us;
}

struct core *node_core(struct node *n) {
	return n->core;
}

bool node_active(struct node *n) {
	struct core_state st;
	if (n->core == NULL || (n->frozen && n->sim->now_us < n->frozen_until))
		return false;
	core_state(n->core, &st);
	return st.ready;
}

void node_free(struct node *n) {
	if (n->core != NULL) {
		struct core *c = n->core;
		n->core = NULL;
		core_free(c);
	}
	for (struct driver_link *k = n->links, *next; k != NULL; k = next) {
		next = k->next;
		arena_free(k->arena);
		free(k);
	}
	free(n);
}
