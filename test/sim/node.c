/* A server: the real core, its fake driver and the links of the agents that dialled it. */
#include "link.h"

#include <stdlib.h>
#include <string.h>

#include "core/outbound.h"
#include "proto/json.h"

/* Whoever a plan asks over HTTP: answers late, refuses, wants to be asked again, or never answers. */
struct question {
	struct node *node;
	outbound_done done;
	void *arg;
	bool told;
	struct question *next;
};

struct node {
	struct driver driver; /* first */
	struct outbound outbound;
	struct question *questions;
	struct sim *sim;
	int index;
	char name[16];
	struct core *core;
	struct ledger *ledger;
	struct rng rng;
	struct driver_link *links;
	struct direct *directs;
	bool woken, looked_after;
	int64_t frozen_until;
	uint64_t life;
	int64_t armed_at;
	int64_t compared_epoch;               /* the model was found equal to the ledger since it was loaded */
	int64_t witness_epoch, witness_event; /* its data directory */
};

struct letter {
	struct driver_link *link;
	uint64_t life;
	uint8_t *bytes;
	size_t n;
	bool up;
};

/* Something to be done for this life of the server. */
struct errand {
	struct node *node;
	uint64_t life;
};

static void turn(void *arg);

static struct errand *errand_new(struct node *n) {
	struct errand *x = malloc(sizeof *x);
	*x = (struct errand){ n, n->life };
	return x;
}

static struct node *errand_end(struct errand *x) {
	struct node *n = x->life == x->node->life && x->node->core != NULL ? x->node : NULL;
	free(x);
	return n;
}

struct sim *node_sim(const struct node *n) {
	return n->sim;
}

const char *node_name(const struct node *n) {
	return n->name;
}

struct node *sim_active(struct sim *s) {
	for (int i = 0; i < s->n_nodes; i++)
		if (node_active(s->nodes[i]))
			return s->nodes[i];
	return NULL;
}

struct direct **node_directs(struct node *n) {
	return &n->directs;
}

/* ---- time of the node: a frozen process sees nothing until it wakes ---------------------------------------------------------------- */
int64_t node_frozen_for(const struct node *n) {
	return n->frozen_until - n->sim->now_us;
}

static void visit_later(struct node *n, int64_t us) {
	int64_t frozen = node_frozen_for(n);
	sim_after(n->sim, us < frozen ? frozen : us, turn, errand_new(n));
}

static void wake(void *arg) {
	struct node *n = arg;
	if (n->woken)
		return;
	n->woken = true;
	visit_later(n, n->sim->steady ? 1 : sim_delay(n->sim, 0, 20)); /* steady: when all that arrives now is there */
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

/* ---- what must hold in its model ----------------------------------------------------------------------------------------------------- */
static void model_check(struct node *n, const struct core_state *st) {
	struct err err = ERR_INIT;
	struct fleet *f = core_fleet(n->core);
	if (f == NULL)
		return;
	if (fleet_check(f, &err) != 0)
		sim_fail(n->sim, "%s: %s", n->name, err.text);
	bool quiet = st->mode == CORE_ACTIVE && st->epoch == store_epoch(n->sim->store) && !ledger_busy(n->ledger) && !fleet_is_dirty(f);
	if (!quiet || (n->compared_epoch == st->epoch && n->sim->steps % 16 != 0))
		return;
	n->compared_epoch = st->epoch;
	watch_model(n->sim, f);
}

/* What berthd keeps in its data directory. */
static void remember(struct node *n, const struct core_state *st) {
	if (st->mode != CORE_ACTIVE)
		return;
	n->witness_epoch = st->epoch;
	n->witness_event = st->last_event;
}

static void turn(void *arg) {
	struct errand *x = arg;
	struct node *n = x->node;
	struct core_state st;
	if (x->life == n->life && n->core != NULL && node_frozen_for(n) > 0) {
		sim_after(n->sim, node_frozen_for(n), turn, x);
		return;
	}
	if ((n = errand_end(x)) == NULL)
		return;
	n->woken = false;
	core_turn(n->core);
	core_state(n->core, &st);
	remember(n, &st);
	if (!n->sim->calm || n->sim->steps % 32 == 0)
		model_check(n, &st);
	arm(n);
}

/* ---- letters ------------------------------------------------------------------------------------------------------------------------- */
static void hear(struct node *n, struct driver_link *k, const Berth__V1__AgentMessage *m) {
	switch (m->kind_case) {
	case BERTH__V1__AGENT_MESSAGE__KIND_HELLO:
		k->hello = (Berth__V1__Hello *)(void *)pb_copy(&m->hello->pb, k->arena);
		k->in_core = true;
		core_base_hello(n->core, k, k->hello, agent_name(k->agent));
		return;
	case BERTH__V1__AGENT_MESSAGE__KIND_REPORT:
		core_base_report(n->core, k, m->report);
		return;
	case BERTH__V1__AGENT_MESSAGE__KIND_HEARTBEAT:
		core_base_heartbeat(n->core, k, m->heartbeat);
		return;
	case BERTH__V1__AGENT_MESSAGE__KIND_PREFETCHED:
		core_base_prefetched(n->core, k, m->prefetched);
		return;
	case BERTH__V1__AGENT_MESSAGE__KIND_GOODBYE:
		core_base_goodbye(n->core, k, m->goodbye->reason);
		return;
	default:
		return;
	}
}

static void open_letter(struct letter *x) {
	struct driver_link *k = x->link;
	struct sim *s = k->node->sim;
	ARENA_AUTO a = arena_new();
	ProtobufCAllocator alloc = arena_pb(a);
	if (!x->up) {
		agent_deliver(k->agent, k, berth__v1__server_message__unpack(&alloc, x->n, x->bytes));
		return;
	}
	Berth__V1__AgentMessage *m = berth__v1__agent_message__unpack(&alloc, x->n, x->bytes);
	if (agent_index(k->agent) == s->liar && sim_chance(s, s->f.lie))
		lie(s, m);
	hear(k->node, k, m);
}

static void deliver(void *arg) {
	struct letter *x = arg;
	struct node *n = x->link->node;
	bool live = !x->link->dead && x->life == n->life && n->core != NULL;
	int64_t later = x->up ? node_frozen_for(n) : agent_hung_for(x->link->agent);
	if (live && later > 0) {
		sim_after(n->sim, later, deliver, x);
		return;
	}
	if (live)
		open_letter(x);
	free(x->bytes);
	free(x);
}

static void post_at(struct driver_link *k, const ProtobufCMessage *m, bool up, int64_t at) {
	struct letter *x = calloc(1, sizeof *x);
	*x = (struct letter){ .link = k, .life = k->node->life, .n = protobuf_c_message_get_packed_size(m), .up = up };
	x->bytes = malloc(x->n + 1);
	protobuf_c_message_pack(m, x->bytes);
	sim_after(k->node->sim, at - k->node->sim->now_us, deliver, x);
}

static void post(struct driver_link *k, const ProtobufCMessage *m, bool up) {
	struct sim *s = k->node->sim;
	int64_t *order = up ? &k->up_at : &k->down_at, at = s->now_us + sim_delay(s, 50, 3000);
	bool strange = up && agent_index(k->agent) == s->liar;
	if (sim_chance(s, s->f.report_late))
		at += sim_delay(s, 0, 2 * US_PER_S);
	if (at < *order && !strange) /* a strange agent says its things in any order */
		at = *order;
	*order = at;
	post_at(k, m, up, at);
	if (up && sim_chance(s, s->f.report_twice))
		post_at(k, m, up, at + (strange ? sim_delay(s, 0, 5 * US_PER_S) : 0));
}

void link_up(struct driver_link *k, const Berth__V1__AgentMessage *m) {
	if (!k->dead)
		post(k, &m->pb, true);
}

/* What somebody in between kept comes once more, on whatever stream the agent has by then. */
struct echo {
	struct agent *agent;
	uint8_t *bytes;
	size_t n;
};

static void echoes(void *arg) {
	struct echo *x = arg;
	ARENA_AUTO a = arena_new();
	ProtobufCAllocator alloc = arena_pb(a);
	agent_hear(x->agent, berth__v1__server_message__unpack(&alloc, x->n, x->bytes));
	free(x->bytes);
	free(x);
}

static void echo(struct driver_link *k, const Berth__V1__ServerMessage *m) {
	struct echo *x = malloc(sizeof *x);
	*x = (struct echo){ .agent = k->agent, .n = berth__v1__server_message__get_packed_size(m) };
	x->bytes = malloc(x->n + 1);
	berth__v1__server_message__pack(m, x->bytes);
	sim_after(k->node->sim, sim_delay(k->node->sim, US_PER_MS, 30 * US_PER_S), echoes, x);
}

static void send(struct driver_link *k, Berth__V1__ServerMessage *m) {
	if (k->direct != NULL)
		direct_message(k->direct, m);
	else if (!k->dead)
		post(k, &m->pb, false);
	if (k->agent != NULL && m->kind_case == BERTH__V1__SERVER_MESSAGE__KIND_COMMAND && sim_chance(k->node->sim, k->node->sim->f.replay))
		echo(k, m);
}

/* ---- driver -------------------------------------------------------------------------------------------------------------------------- */
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
	watch_holder(k->node->sim, k->node->name, "commands");
	watch_command(k->node->sim, c);
	send(k, &m);
}

static void d_ack(struct driver_link *k, int64_t seq) {
	Berth__V1__Ack a = BERTH__V1__ACK__INIT;
	a.has_committed_seq = true;
	a.committed_seq = seq;
	SERVER_MESSAGE(m, ACK, ack, &a);
	if (k->agent != NULL)
		watch_ack(k->node->sim, agent_name(k->agent), seq);
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
	sim_trace(k->node->sim, "%s refuses %s: %s", k->node->name, k->agent != NULL ? agent_name(k->agent) : "a base", detail);
	if (k->direct != NULL) {
		direct_refused(k->direct, final);
		return;
	}
	send(k, &m);
	sim_after(k->node->sim, 5000, cut_later, k);
}

static void d_prefetch(struct driver_link *k, const Berth__V1__Prefetch *p) {
	SERVER_MESSAGE(m, PREFETCH, prefetch, (Berth__V1__Prefetch *)(uintptr_t)p);
	if (k->direct == NULL)
		send(k, &m);
}

static void d_tick_all(struct driver *d, int64_t epoch, int64_t last_event) {
	struct node *n = (struct node *)(void *)d;
	Berth__V1__Tick t = BERTH__V1__TICK__INIT;
	t.has_epoch = t.has_last_event = true;
	t.epoch = epoch;
	t.last_event = last_event;
	SERVER_MESSAGE(m, TICK, tick, &t);
	watch_holder(n->sim, n->name, "ticks");
	for (struct driver_link *k = n->links; k != NULL; k = k->next)
		send(k, &m);
	direct_tell_all(n, &m);
}

static void look(void *arg) {
	struct errand *x = arg;
	struct node *n = x->node;
	struct core_state st;
	if (x->life != n->life || n->core == NULL || !n->looked_after) {
		free(x);
		return;
	}
	core_state(n->core, &st);
	bool still = st.mode == CORE_ACTIVE && !ledger_busy(n->ledger) && !fleet_is_dirty(core_fleet(n->core));
	if (still && node_frozen_for(n) <= 0) /* only what is committed is acted on */
		direct_look(n);
	sim_after(n->sim, still ? US_PER_S : 3 * US_PER_MS, look, x);
}

static void hello_again(void *arg) {
	struct node *n = errand_end(arg);
	if (n == NULL)
		return;
	for (struct driver_link *k = n->links; k != NULL; k = k->next)
		if (!k->dead && k->hello != NULL) {
			k->hello->base_running = false; /* what it held then is old: reports since are in the ledger, or come again */
			core_base_hello(n->core, k, k->hello, agent_name(k->agent));
		}
	direct_hello_all(n);
	if (n->looked_after || n->sim->n_lone == 0)
		return;
	n->looked_after = true;
	sim_after(n->sim, 10, look, errand_new(n));
}

static void d_rehello_all(struct driver *d) {
	struct node *n = (struct node *)(void *)d;
	direct_forgotten_all(n);
	sim_after(n->sim, 10, hello_again, errand_new(n));
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
	struct core_state st;
	if (n->core == NULL || node_frozen_for(n) > 0)
		return NULL;
	core_state(n->core, &st);
	if (st.mode == CORE_STANDBY || st.mode == CORE_STARTING || st.mode == CORE_STOPPING)
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
	n->looked_after = false;
	direct_leave(n);
}

/* ---- modes --------------------------------------------------------------------------------------------------------------------------- */
static void accepted(void *arg, const struct err *err) {
	struct node *n = arg;
	sim_trace(n->sim, "%s: the older ledger is accepted%s%s", n->name, err == NULL ? "" : ": ", err == NULL ? "" : err->text);
	if (err == NULL)
		n->witness_event = 0;
}

/* A person looked at the alarm. */
static void accept_older(void *arg) {
	struct node *n = errand_end(arg);
	struct core_state st;
	if (n == NULL)
		return;
	core_state(n->core, &st);
	if (st.mode == CORE_READ_ONLY)
		core_accept_older(n->core, accepted, n);
}

/* A server that stands by sends its agents away, as berthd does. */
static void leave(void *arg) {
	struct node *n = errand_end(arg);
	if (n != NULL)
		links_cut(n);
}

static bool has_witness(const struct node *n) {
	return n->sim->seed % 2 == 1 && n->witness_event > 0; /* the others lose their data directory with each process */
}

static void state_changed(void *arg, const struct core_state *st) {
	struct node *n = arg;
	sim_trace(n->sim, "%s: mode %d, epoch %lld, event %lld %s", n->name, st->mode, (long long)st->epoch, (long long)st->last_event,
	    st->reason);
	if (st->mode == CORE_READ_ONLY && !n->sim->lost)
		sim_fail(n->sim, "%s takes the ledger for an older one: %s", n->name, st->reason);
	if (st->mode == CORE_READ_ONLY)
		sim_after(n->sim, sim_delay(n->sim, US_PER_S, 20 * US_PER_S), accept_older, errand_new(n));
	if (st->mode == CORE_ACTIVE && has_witness(n) && n->witness_event > st->last_event)
		sim_fail(n->sim, "%s writes to a ledger at event %lld after it had seen event %lld", n->name, (long long)st->last_event,
		    (long long)n->witness_event);
	if (st->mode == CORE_STANDBY)
		sim_after(n->sim, 10, leave, errand_new(n));
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
	bool late = !q->told && node_frozen_for(q->node) > 0;
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

/* A call of a hook that succeeded is not made again, and one for another try has another key. */
static void hook_called(struct node *n, const char *key) {
	struct row_task k = { 0 };
	long long id = 0, attempt = 0;
	const char *at = key == NULL ? NULL : strrchr(key, '-');
	while (at != NULL && at > key && at[-1] != '-')
		at--;
	if (at == NULL || sscanf(at, "%lld-%lld", &id, &attempt) != 2)
		return;
	k.id = id;
	const struct row_task *t = store_find(n->sim->store, TABLE_task, &k);
	if (t == NULL || t->attempt != attempt || t->state != TASK_SENT)
		sim_fail(n->sim, "%s calls the hook of task %lld (try %lld), which is %s (try %lld)", n->name, id, attempt,
		    t == NULL ? "not in the ledger" : word_text(WORD_TASK, t->state), t == NULL ? 0 : (long long)t->attempt);
}

static void o_start(struct outbound *o, const struct outbound_request *r, outbound_done done, void *arg) {
	struct node *n = (struct node *)(void *)((char *)o - offsetof(struct node, outbound));
	struct question *q = calloc(1, sizeof *q);
	hook_called(n, r->key);
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

/* ---- life ---------------------------------------------------------------------------------------------------------------------------- */
static void core_make(struct node *n) {
	struct core_config cfg;
	struct err err = ERR_INIT;
	core_config_defaults(&cfg);
	cfg.node = n->name;
	cfg.rest = cfg.rpc = n->name;
	cfg.artifacts = "http://sim";
	cfg.replace_us = 60 * US_PER_S;
	if (n->sim->bad >= 0) /* a storm is short: one more would be too many for most */
		cfg.set_aside = 2;
	if (n->sim->seed % 3 == 0) /* command slots are scarce */
		cfg.in_flight = 2;
	n->ledger = ledger_connect(n->sim->store, &n->frozen_until);
	rng_init(&n->rng, rng_u64(&n->sim->rng));
	struct core_env env = { .clock = n->sim->clock,
		.rng = &n->rng,
		.ledger = n->ledger,
		.driver = &n->driver,
		.outbound = &n->outbound,
		.wake = wake,
		.arg = n,
		.transitions = n->sim->tally->transitions };
	if (core_new(&env, &cfg, &n->core, &err) != 0)
		abort();
	core_on_state(n->core, state_changed, n);
}

static void node_boot(void *arg) {
	struct node *n = arg;
	if (n->sim->over)
		return;
	n->life++;
	n->woken = n->looked_after = false;
	n->frozen_until = n->armed_at = n->compared_epoch = 0;
	core_make(n);
	sim_trace(n->sim, "%s starts", n->name);
	if (has_witness(n))
		core_witness(n->core, "cell", n->witness_epoch, n->witness_event);
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
	ledger_disconnect(n->ledger);
	links_cut(n);
	core_free(dead);
	sim_after(n->sim, sim_delay(n->sim, 100 * US_PER_MS, 20 * US_PER_S), node_boot, n);
}

static void ends(void *arg) {
	struct node *n = errand_end(arg);
	if (n != NULL)
		node_kill(n);
}

static void stopped(void *arg) {
	struct node *n = arg;
	sim_after(n->sim, 10, ends, errand_new(n));
}

void node_stop(struct node *n) {
	struct core_state st;
	if (n->core == NULL)
		return;
	core_state(n->core, &st);
	if (st.mode == CORE_STOPPING)
		return;
	sim_trace(n->sim, "%s is asked to stop", n->name);
	core_stop(n->core, stopped, n);
}

void node_freeze(struct node *n, int64_t us) {
	if (n->core == NULL || node_frozen_for(n) > 0)
		return;
	sim_trace(n->sim, "%s is frozen for %.1f s", n->name, (double)us / US_PER_S);
	n->frozen_until = n->sim->now_us + us;
}

struct core *node_core(struct node *n) {
	return n->core;
}

bool node_active(struct node *n) {
	struct core_state st;
	if (n->core == NULL || node_frozen_for(n) > 0)
		return false;
	core_state(n->core, &st);
	return st.ready;
}

void node_free(struct node *n) {
	struct core *c = n->core;
	n->core = NULL;
	core_free(c);
	for (struct driver_link *k = n->links, *next; k != NULL; k = next) {
		next = k->next;
		arena_free(k->arena);
		free(k);
	}
	direct_free(n);
	free(n);
}
