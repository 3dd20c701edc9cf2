/* A link to an agent: one long stream of AgentMessages up and ServerMessages down. First comes Hello; what the core makes of it comes
 * later, as welcome or refusal. Bytes are strangers' until then and afterwards: every message is bounded, counted and checked. */
#include <stdlib.h>
#include <string.h>

#include "base/arena.h"
#include "base/err.h"
#include "base/faultpoint.h"
#include "base/log.h"
#include "core/inbound.h"
#include "drive/keep.h"
#include "drive/link.h"
#include "drive/tap.h"
#include "proto/json.h"
#include "proto/unpack.h"

#define MAX_UNPACKED ((size_t)16 * 1024 * 1024)

struct agent {
	struct driver_link link; /* first */
	const struct drive_transport *t;
	void *stream;
	struct keep keep;
	struct ration *ration;
	struct expiry expiry; /* in greetings, then in silences */
	struct timer *pause;  /* made when it floods for the first time */
	struct taps taps;
	char *why;                    /* it goes; NULL while it stays */
	uint64_t welcomed;            /* the core's model that welcomed it */
	bool greeted, heard, closing; /* said Hello; the core knows it, of this model or an older one; no more goes out */
	bool left;                    /* said goodbye */
	char peer[];
};

static struct agent *of(struct driver_link *k) {
	return (struct agent *)(void *)k;
}

static void shut(struct agent *g, int code, const char *text) {
	if (g->closing)
		return;
	g->closing = true;
	g->why = strdup(text);
	expiry_cancel(g->greeted ? &g->link.drive->silences : &g->link.drive->greetings, &g->expiry);
	g->t->close(g->stream, code, text);
}

/* A fault that a test asked for: the stream breaks, and what was to pass is lost with it. */
static bool broken_at(struct agent *g, enum faultpoint p) {
	struct err err;
	if (faultpoint_pass(p, &err) == 0)
		return false;
	shut(g, err.code, err.text);
	return true;
}

/* ---- down -------------------------------------------------------------------------------------------------------------------------- */

static void send(struct agent *g, const Berth__V1__ServerMessage *m) {
	struct drive *d = g->link.drive;
	if (g->closing)
		return;
	size_t n = berth__v1__server_message__get_packed_size(m);
	ARENA_AUTO big = NULL;
	uint8_t small[512], *p = small;
	if (n > sizeof small) {
		big = arena_new();
		p = arena_alloc(big, n);
	}
	berth__v1__server_message__pack(m, p);
	if (!g->t->send(g->stream, p, n)) {
		d->stats.overflowed++;
		g->closing = true;
		g->why = strdup("it does not read what it is sent");
	}
}

static void agent_welcome(struct driver_link *k, const Berth__V1__Welcome *w) {
	struct agent *g = of(k);
	keep_welcome(&g->keep, w->base, w->base_key);
	if (k->epoch == 0)
		k->drive->stats.welcomed++;
	k->epoch = w->epoch;
	g->welcomed = k->drive->model;
	if (broken_at(g, FAULTPOINT_REGISTER_WELCOME))
		return;
	Berth__V1__ServerMessage m = BERTH__V1__SERVER_MESSAGE__INIT;
	m.kind_case = BERTH__V1__SERVER_MESSAGE__KIND_WELCOME;
	m.welcome = (Berth__V1__Welcome *)(uintptr_t)w;
	send(g, &m);
}

/* Strangers decide how often this happens, so not each one is a line. */
static void log_refusal(struct agent *g, const char *code, const char *detail) {
	struct drive *d = g->link.drive;
	struct bucket before = d->refusals;
	if (bucket_take(&d->refusals, clock_mono(&clock_real), US_PER_S, 50 * US_PER_S) > 0)
		d->refusals = before;
	else
		log_info("agent refused", log_s("peer", g->peer), log_s("code", code), log_s("detail", detail));
}

/* Refused before it was welcomed in this model: the core does not know it, so it hears no core_base_gone. */
static void agent_refuse(struct driver_link *k, const char *code, const char *detail, bool final) {
	struct agent *g = of(k);
	if (g->welcomed != k->drive->model)
		g->heard = false;
	Berth__V1__Refused r = BERTH__V1__REFUSED__INIT;
	r.code = (char *)(uintptr_t)code;
	r.detail = (char *)(uintptr_t)detail;
	r.has_final = true;
	r.final = final;
	Berth__V1__ServerMessage m = BERTH__V1__SERVER_MESSAGE__INIT;
	m.kind_case = BERTH__V1__SERVER_MESSAGE__KIND_REFUSED;
	m.refused = &r;
	send(g, &m);
	log_refusal(g, code, detail);
	shut(g, E_OK, detail != NULL ? detail : code);
}

static void agent_command(struct driver_link *k, const Berth__V1__Command *c) {
	if (broken_at(of(k), FAULTPOINT_COMMAND_OUT))
		return;
	Berth__V1__ServerMessage m = BERTH__V1__SERVER_MESSAGE__INIT;
	m.kind_case = BERTH__V1__SERVER_MESSAGE__KIND_COMMAND;
	m.command = (Berth__V1__Command *)(uintptr_t)c;
	send(of(k), &m);
}

static void agent_ack(struct driver_link *k, int64_t committed_seq) {
	if (broken_at(of(k), FAULTPOINT_REPORT_ACK))
		return;
	Berth__V1__Ack a = BERTH__V1__ACK__INIT;
	a.has_committed_seq = true;
	a.committed_seq = committed_seq;
	Berth__V1__ServerMessage m = BERTH__V1__SERVER_MESSAGE__INIT;
	m.kind_case = BERTH__V1__SERVER_MESSAGE__KIND_ACK;
	m.ack = &a;
	send(of(k), &m);
}

static void agent_prefetch(struct driver_link *k, const Berth__V1__Prefetch *p) {
	Berth__V1__ServerMessage m = BERTH__V1__SERVER_MESSAGE__INIT;
	m.kind_case = BERTH__V1__SERVER_MESSAGE__KIND_PREFETCH;
	m.prefetch = (Berth__V1__Prefetch *)(uintptr_t)p;
	send(of(k), &m);
}

static void agent_tick(struct driver_link *k, int64_t epoch, int64_t last_event) {
	Berth__V1__Tick t = BERTH__V1__TICK__INIT;
	t.has_epoch = t.has_last_event = true;
	t.epoch = epoch;
	t.last_event = last_event;
	Berth__V1__ServerMessage m = BERTH__V1__SERVER_MESSAGE__INIT;
	m.kind_case = BERTH__V1__SERVER_MESSAGE__KIND_TICK;
	m.tick = &t;
	send(of(k), &m);
}

static void agent_leave(struct driver_link *k, const char *why) {
	shut(of(k), E_UNAVAILABLE, why);
}

static void send_log_request(void *link, const Berth__V1__LogRequest *r) {
	Berth__V1__ServerMessage m = BERTH__V1__SERVER_MESSAGE__INIT;
	m.kind_case = BERTH__V1__SERVER_MESSAGE__KIND_LOG;
	m.log = (Berth__V1__LogRequest *)(uintptr_t)r;
	send(link, &m);
}

static void *agent_logs(struct driver_link *k, int64_t bytes, bool follow, driver_logs_fn fn, void *arg) {
	struct agent *g = of(k);
	if (g->closing || k->epoch == 0 || g->taps.n >= k->drive->limits.max_logs)
		return NULL;
	return tap_open(&g->taps, k->drive->next_log++, bytes, follow, fn, arg);
}

void agent_logs_stop(void *handle) {
	tap_stop(handle);
}

/* ---- up ---------------------------------------------------------------------------------------------------------------------------- */

static void give_hello(struct agent *g) {
	struct drive *d = g->link.drive;
	ARENA_AUTO a = arena_new();
	g->link.model = d->model;
	g->heard = true;
	core_base_hello(d->core, &g->link, keep_hello(&g->keep, a), g->peer);
	if (g->left && link_in_core(&g->link))
		core_base_goodbye(d->core, &g->link, "it said so before");
}

static void agent_hello(struct driver_link *k) {
	struct agent *g = of(k);
	if (g->greeted && !g->closing)
		give_hello(g);
}

static int hello_check(const struct drive *d, const Berth__V1__Hello *h, size_t n, struct err *err) {
	if (n > d->limits.max_hello)
		return err_set(err, E_TOO_LARGE, "a Hello of %zu bytes; at most %zu are taken", n, d->limits.max_hello);
	if (h->n_held > d->limits.max_held)
		return err_set(err, E_TOO_LARGE, "a Hello with %zu modules; at most %u are taken", h->n_held, d->limits.max_held);
	if (h->has_protocol && h->protocol > 1)
		return err_set(err, E_UNSUPPORTED, "this server speaks version 1 of the agent protocol, not %d: upgrade the server first",
		    h->protocol);
	return 0;
}

static void on_hello(struct agent *g, const Berth__V1__Hello *h, size_t n) {
	struct drive *d = g->link.drive;
	struct err err;
	if (hello_check(d, h, n, &err) != 0) {
		shut(g, err.code, err.text);
		return;
	}
	expiry_cancel(&d->greetings, &g->expiry);
	d->stats.greeting--;
	d->stats.hellos++;
	g->greeted = true;
	if (broken_at(g, FAULTPOINT_REGISTER_HELLO))
		return;
	expiry_set(&d->silences, &g->expiry);
	mono_t now = clock_mono(&clock_real);
	g->ration = ration_get(&d->rations, now, h->tenant, h->base, h->base_key, h->join_token);
	if (!ration_hello(&d->rations, g->ration, now)) {
		agent_refuse(&g->link, err_name(E_TOO_MANY), "this base connects too often; wait before the next try", false);
		return;
	}
	keep_init(&g->keep, h);
	give_hello(g);
}

static void on_report(struct agent *g, const Berth__V1__Report *r) {
	struct drive *d = g->link.drive;
	if (broken_at(g, FAULTPOINT_REPORT_IN))
		return;
	if (r->n_changed > d->limits.max_held || r->n_gone > d->limits.max_held || r->n_outcomes > d->limits.max_held) {
		shut(g, E_TOO_LARGE, "a report with too many entries");
		return;
	}
	keep_report(&g->keep, r);
	if (keep_bytes(&g->keep) > 4 * d->limits.max_hello) {
		shut(g, E_TOO_LARGE,
		    "this base told of more modules than one base can hold; connect again with a Hello that lists what there is");
		return;
	}
	if (link_in_core(&g->link))
		core_base_report(d->core, &g->link, r);
}

/* The last word of a stream: what comes after it was on its way already, or is of a process that takes its time to stop. */
static void on_goodbye(struct agent *g, const Berth__V1__Goodbye *m) {
	g->left = true;
	if (link_in_core(&g->link))
		core_base_goodbye(g->link.drive->core, &g->link, m->reason);
}

static void on_message(struct agent *g, const Berth__V1__AgentMessage *m, size_t n) {
	struct drive *d = g->link.drive;
	bool is_hello = m->kind_case == BERTH__V1__AGENT_MESSAGE__KIND_HELLO;
	if (is_hello == g->greeted) {
		shut(g, E_INVALID, is_hello ? "a second Hello on one stream" : "the first message must be Hello");
		return;
	}
	if (g->left)
		return;
	switch (m->kind_case) {
	case BERTH__V1__AGENT_MESSAGE__KIND_HELLO:
		on_hello(g, m->hello, n);
		break;
	case BERTH__V1__AGENT_MESSAGE__KIND_REPORT:
		on_report(g, m->report);
		break;
	case BERTH__V1__AGENT_MESSAGE__KIND_HEARTBEAT:
		if (link_in_core(&g->link))
			core_base_heartbeat(d->core, &g->link, m->heartbeat);
		break;
	case BERTH__V1__AGENT_MESSAGE__KIND_GOODBYE:
		on_goodbye(g, m->goodbye);
		break;
	case BERTH__V1__AGENT_MESSAGE__KIND_PREFETCHED:
		if (link_in_core(&g->link))
			core_base_prefetched(d->core, &g->link, m->prefetched);
		break;
	case BERTH__V1__AGENT_MESSAGE__KIND_LOG:
		taps_chunk(&g->taps, m->log);
		break;
	default: /* a kind of the next release: not ours to judge */
		break;
	}
}

static void on_pause_over(void *arg) {
	struct agent *g = arg;
	if (!g->closing)
		g->t->read(g->stream, true);
}

/* Over its ration: nothing is dropped, the agent just waits, by flow control. */
static void pause_for(struct agent *g, int64_t us) {
	if (g->pause == NULL) {
		g->pause = calloc(1, sizeof *g->pause);
		if (g->pause == NULL)
			abort();
		timer_init(g->pause, g->link.drive->loop, on_pause_over, g);
	}
	g->link.drive->stats.paused++;
	g->t->read(g->stream, false);
	timer_set(g->pause, us);
}

void drive_message(void *link, const void *p, size_t n) {
	struct agent *g = link;
	struct drive *d = g->link.drive;
	struct err err;
	ProtobufCMessage *m;
	if (g->closing)
		return;
	d->stats.messages++;
	ARENA_AUTO a = arena_new();
	if (pb_unpack(&berth__v1__agent_message__descriptor, p, n, UNPACK_PEER, MAX_UNPACKED, a, &m, &err) != 0) {
		d->stats.malformed++;
		shut(g, err.code, err.text);
		return;
	}
	if (g->greeted)
		expiry_set(&d->silences, &g->expiry);
	on_message(g, (Berth__V1__AgentMessage *)m, n);
	if (g->closing || g->ration == NULL)
		return;
	int64_t us = ration_message(&d->rations, g->ration, clock_mono(&clock_real), n);
	if (us > 0)
		pause_for(g, us);
}

/* ---- life -------------------------------------------------------------------------------------------------------------------------- */

static struct agent *agent_of_expiry(struct expiry *e) {
	return (struct agent *)(void *)((char *)e - offsetof(struct agent, expiry));
}

void agent_greeting_expired(struct expiry *e, void *arg) {
	shut(agent_of_expiry(e), E_TIMEOUT, "no Hello came in time");
}

void agent_silence_expired(struct expiry *e, void *arg) {
	struct drive *d = arg;
	d->stats.silent++;
	shut(agent_of_expiry(e), E_TIMEOUT, "no message for three heartbeats");
}

static const struct link_ops agent_ops = {
	.welcome = agent_welcome,
	.refuse = agent_refuse,
	.command = agent_command,
	.ack = agent_ack,
	.prefetch = agent_prefetch,
	.tick = agent_tick,
	.hello = agent_hello,
	.leave = agent_leave,
	.logs = agent_logs,
};

static int admit(const struct drive *d, struct err *err) {
	if (d->why[0] != '\0')
		return err_set(err, E_UNAVAILABLE, "%s", d->why);
	if (d->stats.links >= d->limits.max_links || d->stats.greeting >= d->limits.max_greeting)
		return err_set(err, E_TOO_MANY, "%u agents are connected, as many as this server takes; try again later", d->stats.links);
	return 0;
}

void *drive_open(struct drive *d, const struct drive_transport *t, void *stream, const char *peer, struct err *err) {
	if (admit(d, err) != 0)
		return NULL;
	size_t n = strlen(peer) + 1;
	struct agent *g = calloc(1, sizeof *g + n);
	if (g == NULL) {
		err_set(err, E_NOMEM, "no memory for another agent");
		return NULL;
	}
	memcpy(g->peer, peer, n);
	g->t = t;
	g->stream = stream;
	taps_init(&g->taps, send_log_request, g);
	link_add(d, &g->link, &agent_ops);
	d->stats.greeting++;
	expiry_set(&d->greetings, &g->expiry);
	return g;
}

void drive_ended(void *link) {
	shut(link, E_OK, "the agent closed its stream");
}

void drive_closed(void *link) {
	struct agent *g = link;
	struct drive *d = g->link.drive;
	g->closing = true;
	expiry_cancel(g->greeted ? &d->silences : &d->greetings, &g->expiry);
	if (!g->greeted)
		d->stats.greeting--;
	link_remove(&g->link);
	taps_end(&g->taps);
	if (g->heard)
		core_base_gone(d->core, &g->link, g->why != NULL ? g->why : "its stream broke");
	ration_release(&d->rations, g->ration);
	if (g->pause != NULL)
		timer_deinit(g->pause);
	free(g->pause);
	keep_deinit(&g->keep);
	free(g->why);
	free(g);
}
