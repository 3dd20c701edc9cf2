/* The brain under any order of inputs: thousands of random ones, most of them wrong, from fixed seeds. It must not crash, never come to
 * an endless row of effects, never work on one module twice at a time, and say only numbers that grow. */
#include "brain.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../../suite.h"
#include "base/err.h"
#include "base/rng.h"

#define MAX_CALLS 64

struct call {
	int64_t id;
	enum arklet_command command;
	char module[16], version[16];
};

struct chaos {
	struct rng rng;
	struct brain *brain;
	mono_t now;
	struct call calls[MAX_CALLS];
	size_t n_calls, n_fetches;
	int64_t fetches[MAX_CALLS], seq, generation;
	bool persisting, linked, base_up, start_asked, gone;
	uint8_t *disk;
	size_t disk_len;
	struct arklet_biz biz[4];
};

static const char *const modules[] = { "a", "b", "c" };
static const char *const versions[] = { "1", "2" };
static const char sha[2][65] = { "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa",
	"bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb" };

static char *text(const char *s) {
	return (char *)(uintptr_t)s;
}

static size_t below(struct chaos *c, size_t n) {
	return (size_t)rng_below(&c->rng, n);
}

static void check_reports(struct chaos *c, const Berth__V1__AgentMessage *m) {
	if (m->kind_case == BERTH__V1__AGENT_MESSAGE__KIND_REPORT && m->report->seq > c->seq)
		c->seq = m->report->seq;
	for (size_t i = 1; i < brain_state(c->brain)->n_unacked; i++)
		ck_assert_int_gt(brain_state(c->brain)->unacked[i]->seq, brain_state(c->brain)->unacked[i - 1]->seq);
}

static void note_call(struct chaos *c, const struct brain_effect *e) {
	struct call *k = &c->calls[c->n_calls++ % MAX_CALLS];
	*k = (struct call){ .id = e->id, .command = e->command };
	if (e->module != NULL) {
		snprintf(k->module, sizeof k->module, "%s", e->module->module);
		snprintf(k->version, sizeof k->version, "%s", e->module->version);
	}
}

static void perform(struct chaos *c, const struct brain_effect *e) {
	switch (e->kind) {
	case BRAIN_PERSIST:
		ck_assert(!c->persisting);
		free(c->disk);
		c->disk = malloc(e->state_len + 1);
		memcpy(c->disk, e->state, e->state_len);
		c->disk_len = e->state_len;
		c->persisting = true;
		break;
	case BRAIN_SEND:
		check_reports(c, e->message);
		break;
	case BRAIN_CALL:
		note_call(c, e);
		break;
	case BRAIN_FETCH:
		c->fetches[c->n_fetches++ % MAX_CALLS] = e->id;
		break;
	case BRAIN_BASE_START:
		c->start_asked = true;
		break;
	case BRAIN_EXIT:
		c->gone = true;
		break;
	default:
		break;
	}
}

static void settle(struct chaos *c) {
	const struct brain_effect *e;
	for (int i = 0; (e = brain_next(c->brain)) != NULL; i++) {
		ck_assert_int_lt(i, 5000);
		perform(c, e);
	}
}

static Berth__V1__WantedModule any_module(struct chaos *c, int64_t generation) {
	Berth__V1__WantedModule m = BERTH__V1__WANTED_MODULE__INIT;
	m.module = below(c, 50) == 0 ? text("../x") : text(modules[below(c, 3)]);
	m.version = below(c, 50) == 0 ? NULL : text(versions[below(c, 2)]);
	m.sha256 = below(c, 30) == 0 ? NULL : text(sha[below(c, 2)]);
	m.has_generation = m.has_standby = m.has_priority = 1;
	m.generation = generation;
	m.standby = below(c, 3) == 0;
	m.priority = (int32_t)below(c, 3);
	return m;
}

static void send(struct chaos *c, Berth__V1__ServerMessage *m, int kind) {
	m->kind_case = (Berth__V1__ServerMessage__KindCase)kind;
	brain_message(c->brain, m, c->now);
}

static void command(struct chaos *c) {
	Berth__V1__ServerMessage m = BERTH__V1__SERVER_MESSAGE__INIT;
	Berth__V1__Command cmd = BERTH__V1__COMMAND__INIT;
	Berth__V1__CommandItem items[3], *list[3];
	Berth__V1__WantedModule mods[3];
	size_t n = 1 + below(c, 3);
	for (size_t i = 0; i < n; i++) {
		berth__v1__command_item__init(&items[i]);
		items[i].has_generation = items[i].has_kind = items[i].has_activate = 1;
		items[i].generation = below(c, 4) == 0 ? (int64_t)below(c, (size_t)c->generation + 2) : ++c->generation;
		items[i].kind = (Berth__V1__TaskKind)below(c, 5);
		items[i].activate = below(c, 2) == 0;
		mods[i] = any_module(c, items[i].generation);
		items[i].module = below(c, 60) == 0 ? NULL : &mods[i];
		list[i] = &items[i];
	}
	cmd.has_epoch = 1;
	cmd.epoch = brain_state(c->brain)->epoch - (below(c, 10) == 0) + (below(c, 20) == 0);
	cmd.items = list;
	cmd.n_items = n;
	m.command = &cmd;
	send(c, &m, BERTH__V1__SERVER_MESSAGE__KIND_COMMAND);
}

static void welcome(struct chaos *c) {
	Berth__V1__ServerMessage m = BERTH__V1__SERVER_MESSAGE__INIT;
	Berth__V1__Welcome w = BERTH__V1__WELCOME__INIT;
	Berth__V1__WantedModule mods[4], *list[4];
	w.n_wanted = below(c, 5);
	for (size_t i = 0; i < w.n_wanted; i++) {
		mods[i] = any_module(c, (int64_t)below(c, (size_t)c->generation + 1));
		list[i] = &mods[i];
	}
	w.wanted = list;
	w.cell = text(below(c, 30) == 0 ? "other" : "cell");
	w.base_key = below(c, 3) == 0 ? text("key") : NULL;
	w.has_epoch = w.has_committed_seq = 1;
	w.epoch = brain_state(c->brain)->epoch + (int64_t)below(c, 3) - (below(c, 10) == 0);
	w.committed_seq = (int64_t)below(c, (size_t)c->seq + 1);
	m.welcome = &w;
	send(c, &m, BERTH__V1__SERVER_MESSAGE__KIND_WELCOME);
}

static void small_message(struct chaos *c) {
	Berth__V1__ServerMessage m = BERTH__V1__SERVER_MESSAGE__INIT;
	Berth__V1__Tick t = BERTH__V1__TICK__INIT;
	Berth__V1__Ack a = BERTH__V1__ACK__INIT;
	Berth__V1__Refused r = BERTH__V1__REFUSED__INIT;
	switch (below(c, 8)) {
	case 0:
		r.has_final = 1;
		r.final = below(c, 40) == 0;
		m.refused = &r;
		send(c, &m, BERTH__V1__SERVER_MESSAGE__KIND_REFUSED);
		break;
	case 1:
	case 2:
		a.has_committed_seq = 1;
		a.committed_seq = (int64_t)below(c, (size_t)c->seq + 1);
		m.ack = &a;
		send(c, &m, BERTH__V1__SERVER_MESSAGE__KIND_ACK);
		break;
	default:
		t.has_epoch = 1;
		t.epoch = brain_state(c->brain)->epoch;
		m.tick = &t;
		send(c, &m, BERTH__V1__SERVER_MESSAGE__KIND_TICK);
	}
}

static void answer(struct chaos *c) {
	if (c->n_calls == 0)
		return;
	const struct call k =
	    c->calls[below(c, c->n_calls < MAX_CALLS ? c->n_calls : MAX_CALLS)]; /* often one that was answered long ago */
	struct arklet_reply r = { .verdict = (enum arklet_verdict)below(c, ARKLET_NO_COMMAND + 1),
		.code = "CODE",
		.message = "message",
		.cause = "cause \xff",
		.biz = c->biz };
	struct arklet_health h = { .run_time_s = (double)below(c, 100), .heap_used = -1 };
	struct brain_answer a = { .reply = &r,
		.sent = below(c, 2) == 0,
		.health = k.command == ARKLET_HEALTH ? &h : NULL,
		.output = below(c, 4) == 0 ? "out" : NULL };
	if (below(c, 2) == 0)
		r.verdict = ARKLET_OK;
	for (r.n_biz = 0; r.n_biz < below(c, 5); r.n_biz++)
		c->biz[r.n_biz] = (struct arklet_biz){
			.name = modules[below(c, 3)], .version = versions[below(c, 2)], .state = (enum arklet_state)below(c, ARKLET_STATES)
		};
	if (below(c, 5) == 0) {
		static const int errors[] = { E_IO, E_TIMEOUT, E_NOT_FOUND, E_PROTOCOL, E_CANCELLED };
		a = (struct brain_answer){ .error = errors[below(c, 5)], .error_text = "error", .sent = below(c, 2) == 0 };
	}
	brain_answered(c->brain, k.id, &a, c->now);
}

static void base_event(struct chaos *c) {
	struct brain_exit x = { .known = below(c, 2) == 0,
		.signo = (int)below(c, 16),
		.text = "ended",
		.output = "words",
		.blamed = below(c, 3) == 0 ? "a:1" : NULL };
	if (c->start_asked) {
		c->start_asked = false;
		c->base_up = below(c, 10) != 0;
		if (c->base_up)
			brain_base_started(c->brain, 100, 1, c->now);
		else
			brain_base_failed(c->brain, "no such file", c->now);
	} else if (c->base_up && below(c, 6) == 0) {
		c->base_up = false;
		brain_base_exited(c->brain, &x, c->now);
	}
}

static void link_event(struct chaos *c) {
	if (c->linked && below(c, 4) != 0)
		return;
	c->linked = !c->linked;
	if (c->linked)
		brain_link_up(c->brain, c->now);
	else
		brain_link_down(c->brain, c->now);
}

static void fetched(struct chaos *c) {
	struct brain_fetched f = { .ok = below(c, 3) != 0, .code = "download", .cause = "cause", .retryable = below(c, 2) == 0 };
	if (c->n_fetches > 0)
		brain_fetched(c->brain, c->fetches[below(c, c->n_fetches < MAX_CALLS ? c->n_fetches : MAX_CALLS)], &f, c->now);
}

static void pass(struct chaos *c) {
	mono_t next = brain_deadline(c->brain);
	int64_t most = (int64_t)below(c, 20) * US_PER_S;
	c->now.us += next.us > c->now.us && next.us - c->now.us < most ? next.us - c->now.us : most;
	brain_tick(c->brain, c->now);
}

static void persisted(struct chaos *c) {
	if (!c->persisting)
		return;
	c->persisting = false;
	brain_persisted(c->brain, below(c, 10) != 0, c->now);
}

static void boot(struct chaos *c) {
	Berth__V1__Hello h = BERTH__V1__HELLO__INIT;
	struct brain_config cfg = { .hello = &h, .supervised = true, .seed = rng_u64(&c->rng) };
	struct err err = ERR_INIT;
	brain_free(c->brain);
	ck_assert_msg(brain_new(&cfg, c->disk, c->disk_len, c->now, &c->brain, &err) == 0, "%s", err.text);
	c->n_calls = c->n_fetches = 0;
	c->persisting = c->linked = c->start_asked = c->gone = false;
	brain_start(c->brain, c->base_up, c->now);
}

static void step(struct chaos *c) {
	static void (*const events[])(struct chaos *) = { command, welcome, small_message, answer, answer, answer, answer, base_event,
		base_event, link_event, fetched, fetched, pass, pass, persisted, persisted, persisted };
	if (c->gone || below(c, 300) == 0)
		boot(c);
	else
		events[below(c, sizeof events / sizeof *events)](c);
	settle(c);
}

static void run(uint64_t seed) {
	struct chaos c = { .now = { 1000 * US_PER_S } };
	rng_init(&c.rng, seed);
	boot(&c);
	settle(&c);
	for (int i = 0; i < 4000; i++)
		step(&c);
	brain_free(c.brain);
	free(c.disk);
}

START_TEST(survives_any_order_of_inputs) {
	for (uint64_t seed = 1; seed <= 40; seed++)
		run(seed);
}
END_TEST

TEST_SUITE("agent/brain_random", survives_any_order_of_inputs)
