#include "fleet.h"

#include <grpc/byte_buffer.h>
#include <grpc/byte_buffer_reader.h>
#include <grpc/grpc.h>
#include <grpc/grpc_security.h>
#include <grpc/slice.h>
#include <grpc/support/time.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "berth/v1/agent.pb-c.h"
#include "db.h"

#define GREETING 200
#define METHOD "/berth.v1.AgentService/Connect"

struct tag {
	struct agent *agent;
	enum { SENT, RECEIVED, OVER } kind;
};
struct parcel {
	struct parcel *next;
	grpc_byte_buffer *buffer;
};
struct agent {
	struct fleet *fleet;
	grpc_call *call;
	grpc_metadata_array initial, trailing;
	grpc_byte_buffer *in;
	grpc_slice details;
	grpc_status_code status;
	struct tag sent, received, over;
	struct parcel *first, **last;
	bool sending, closing, welcomed;
	int64_t seq, acked_seq, unacked; /* reports; outcomes that wait for the acknowledgement of report `seq` */
	Berth__V1__ServerMessage *late;  /* a command that is being carried out, until then */
	int64_t due_us, took_us;
};

static void batch(struct agent *a, const grpc_op *ops, size_t n, struct tag *tag) {
	if (grpc_call_start_batch(a->call, ops, n, tag, NULL) != GRPC_CALL_OK)
		die("batch", "refused");
}

/* ---- down ------------------------------------------------------------------------------------------------------------------------------
 */

static void pump(struct agent *a) {
	struct parcel *p = a->first;
	if (a->sending || (p == NULL && !a->closing))
		return;
	grpc_op op = { .op = p != NULL ? GRPC_OP_SEND_MESSAGE : GRPC_OP_SEND_CLOSE_FROM_CLIENT };
	if (p == NULL) {
		a->closing = false;
	} else {
		op.data.send_message.send_message = p->buffer;
		if ((a->first = p->next) == NULL)
			a->last = &a->first;
	}
	a->sending = true;
	batch(a, &op, 1, &a->sent);
	if (p != NULL)
		grpc_byte_buffer_destroy(p->buffer);
	free(p);
}

static grpc_byte_buffer *packed(const Berth__V1__AgentMessage *m) {
	grpc_slice slice = grpc_slice_malloc(berth__v1__agent_message__get_packed_size(m));
	berth__v1__agent_message__pack(m, GRPC_SLICE_START_PTR(slice));
	grpc_byte_buffer *buffer = grpc_raw_byte_buffer_create(&slice, 1);
	grpc_slice_unref(slice);
	return buffer;
}

static void say(struct agent *a, const Berth__V1__AgentMessage *m) {
	struct parcel *p = malloc(sizeof *p);
	if (p == NULL)
		die("agent", "no memory");
	*p = (struct parcel){ .buffer = packed(m) };
	*a->last = p;
	a->last = &p->next;
	pump(a);
}

static void say_report(struct agent *a, Berth__V1__Report *r) {
	Berth__V1__AgentMessage m = BERTH__V1__AGENT_MESSAGE__INIT;
	m.kind_case = BERTH__V1__AGENT_MESSAGE__KIND_REPORT;
	m.report = r;
	r->has_seq = true;
	r->seq = ++a->seq;
	say(a, &m);
}

static void outcome_of(const Berth__V1__CommandItem *x, int64_t took_us, Berth__V1__Outcome *o) {
	berth__v1__outcome__init(o);
	o->has_generation = o->has_task = o->has_instance = o->has_kind = o->has_ok = o->has_duration_us = true;
	o->generation = x->generation;
	o->task = x->task;
	o->instance = x->module->instance;
	o->kind = x->kind;
	o->ok = true;
	o->code = (char *)(uintptr_t) "SUCCESS";
	o->state = (char *)(uintptr_t)(x->kind == BERTH__V1__TASK_KIND__TASK_KIND_UNINSTALL ? "" : "activated");
	o->module = x->module->module;
	o->version = x->module->version;
	o->duration_us = took_us;
}

static void carry_out(struct agent *a, const Berth__V1__Command *c, int64_t took_us) {
	Berth__V1__Outcome *all = calloc(c->n_items, sizeof *all), **list = calloc(c->n_items, sizeof *list);
	if (all == NULL || list == NULL)
		die("agent", "no memory");
	for (size_t i = 0; i < c->n_items; i++) {
		outcome_of(c->items[i], took_us, &all[i]);
		list[i] = &all[i];
	}
	Berth__V1__Report r = BERTH__V1__REPORT__INIT;
	r.outcomes = list;
	r.n_outcomes = c->n_items;
	a->unacked += (int64_t)c->n_items;
	say_report(a, &r);
	free(all);
	free(list);
}

/* ---- up --------------------------------------------------------------------------------------------------------------------------------
 */

static void begin_command(struct agent *a, Berth__V1__ServerMessage *m) {
	struct fleet *f = a->fleet;
	f->commanded += (int64_t)m->command->n_items;
	if (f->o.most_us > 0 && a->late == NULL) {
		f->seed = f->seed * 1103515245u + 12345u;
		int64_t took = f->o.least_us + (int64_t)((f->seed >> 8) % (uint32_t)(f->o.most_us - f->o.least_us + 1));
		a->late = m;
		a->took_us = took;
		a->due_us = now_us() + took;
		f->late++;
		return;
	}
	if (!f->o.mute)
		carry_out(a, m->command, 0);
	berth__v1__server_message__free_unpacked(m, NULL);
}

static void acknowledged(struct agent *a, int64_t seq) {
	if (seq < a->seq || seq <= a->acked_seq)
		return;
	a->acked_seq = seq;
	a->fleet->acked += a->unacked;
	a->unacked = 0;
	if (seq == 1)
		a->fleet->ready++;
}

static void heard(struct agent *a, Berth__V1__ServerMessage *m) {
	if (m->kind_case == BERTH__V1__SERVER_MESSAGE__KIND_COMMAND) {
		begin_command(a, m);
		return;
	}
	if (m->kind_case == BERTH__V1__SERVER_MESSAGE__KIND_REFUSED)
		die("the server refused an agent", m->refused->detail);
	if (m->kind_case == BERTH__V1__SERVER_MESSAGE__KIND_WELCOME && !a->welcomed) {
		a->welcomed = true;
		a->fleet->welcomed++;
	}
	if (m->kind_case == BERTH__V1__SERVER_MESSAGE__KIND_ACK)
		acknowledged(a, m->ack->committed_seq);
	berth__v1__server_message__free_unpacked(m, NULL);
}

static void read_on(struct agent *a, bool first) {
	grpc_op ops[2] = { { .op = GRPC_OP_RECV_MESSAGE }, { .op = GRPC_OP_RECV_INITIAL_METADATA } };
	ops[0].data.recv_message.recv_message = &a->in;
	ops[1].data.recv_initial_metadata.recv_initial_metadata = &a->initial;
	batch(a, ops, first ? 2 : 1, &a->received);
}

static void received(struct agent *a) {
	if (a->in == NULL)
		return;
	grpc_byte_buffer_reader reader;
	grpc_byte_buffer_reader_init(&reader, a->in);
	grpc_slice all = grpc_byte_buffer_reader_readall(&reader);
	grpc_byte_buffer_reader_destroy(&reader);
	Berth__V1__ServerMessage *m = berth__v1__server_message__unpack(NULL, GRPC_SLICE_LENGTH(all), GRPC_SLICE_START_PTR(all));
	grpc_slice_unref(all);
	grpc_byte_buffer_destroy(a->in);
	a->in = NULL;
	if (m == NULL)
		die("agent", "the server's message cannot be read");
	heard(a, m);
	read_on(a, false);
}

/* ---- life ------------------------------------------------------------------------------------------------------------------------------
 */

static grpc_channel *connect_to(const char *address) {
	grpc_arg args[] = {
		{ .type = GRPC_ARG_INTEGER, .key = (char *)(uintptr_t)GRPC_ARG_USE_LOCAL_SUBCHANNEL_POOL, .value.integer = 1 },
		{ .type = GRPC_ARG_INTEGER, .key = (char *)(uintptr_t)GRPC_ARG_ENABLE_HTTP_PROXY, .value.integer = 0 },
		{ .type = GRPC_ARG_INTEGER, .key = (char *)(uintptr_t)GRPC_ARG_ENABLE_RETRIES, .value.integer = 0 },
	};
	grpc_channel_args all = { sizeof args / sizeof *args, args };
	grpc_channel_credentials *creds = grpc_insecure_credentials_create();
	grpc_channel *c = grpc_channel_create(address, creds, &all);
	grpc_channel_credentials_release(creds);
	return c;
}

static void greet(struct agent *a) {
	char name[64];
	snprintf(name, sizeof name, "%s-%d", a->fleet->o.prefix, (int)(a - a->fleet->agents));
	Berth__V1__Hello h = BERTH__V1__HELLO__INIT;
	h.base = h.boot = name;
	h.join_token = (char *)(uintptr_t)a->fleet->o.token;
	h.has_runtime = h.has_base_running = h.has_base_start = h.has_protocol = true;
	h.runtime = BERTH__V1__RUNTIME__RUNTIME_NATIVE;
	h.agent_version = (char *)(uintptr_t) "bench";
	h.address = (char *)(uintptr_t) "127.0.0.1:8080";
	h.base_running = true;
	h.base_start = h.protocol = 1;
	Berth__V1__AgentMessage m = BERTH__V1__AGENT_MESSAGE__INIT;
	m.kind_case = BERTH__V1__AGENT_MESSAGE__KIND_HELLO;
	m.hello = &h;
	say(a, &m);
}

static void open_next(struct fleet *f) {
	static grpc_channel *channel;
	struct agent *a = &f->agents[f->opened];
	if (f->opened++ % f->o.streams == 0)
		channel = connect_to(f->o.server);
	*a = (struct agent){ .fleet = f, .sent = { a, SENT }, .received = { a, RECEIVED }, .over = { a, OVER } };
	a->last = &a->first;
	a->details = grpc_empty_slice();
	a->call = grpc_channel_create_call(
	    channel, NULL, 0, f->queue, grpc_slice_from_static_string(METHOD), NULL, gpr_inf_future(GPR_CLOCK_REALTIME), NULL);
	grpc_op over = { .op = GRPC_OP_RECV_STATUS_ON_CLIENT };
	over.data.recv_status_on_client.trailing_metadata = &a->trailing;
	over.data.recv_status_on_client.status = &a->status;
	over.data.recv_status_on_client.status_details = &a->details;
	batch(a, &over, 1, &a->over);
	grpc_op begin = { .op = GRPC_OP_SEND_INITIAL_METADATA };
	a->sending = true;
	batch(a, &begin, 1, &a->sent);
	greet(a);
	read_on(a, true);
}

void fleet_init(struct fleet *f, const struct fleet_options *o) {
	grpc_init();
	*f = (struct fleet){ .o = *o, .seed = 1 };
	f->agents = calloc((size_t)o->agents, sizeof *f->agents);
	f->queue = grpc_completion_queue_create_for_next(NULL);
	if (f->agents == NULL)
		die("fleet", "no memory");
}

static int64_t late_ones(struct fleet *f, int64_t now) {
	int64_t next = INT64_MAX;
	for (int i = 0; f->late > 0 && i < f->opened; i++) {
		struct agent *a = &f->agents[i];
		if (a->late == NULL)
			continue;
		if (a->due_us > now) {
			next = a->due_us < next ? a->due_us : next;
			continue;
		}
		Berth__V1__ServerMessage *m = a->late;
		a->late = NULL;
		f->late--;
		carry_out(a, m->command, a->took_us);
		berth__v1__server_message__free_unpacked(m, NULL);
	}
	return next;
}

void fleet_turn(struct fleet *f, int64_t wait_us) {
	while (f->opened < f->o.agents && f->opened - f->welcomed < GREETING)
		open_next(f);
	int64_t now = now_us(), next = late_ones(f, now), until = next < now + wait_us ? next : now + wait_us;
	grpc_event ev = grpc_completion_queue_next(f->queue, gpr_time_from_micros(until, GPR_CLOCK_MONOTONIC), NULL);
	if (ev.type != GRPC_OP_COMPLETE)
		return;
	struct tag *tag = ev.tag;
	struct agent *a = tag->agent;
	if (tag->kind == RECEIVED) {
		received(a);
	} else if (tag->kind == SENT) {
		a->sending = false;
		pump(a);
	} else {
		f->gone++;
	}
}

void fleet_say_ready(struct fleet *f) {
	for (int i = 0; i < f->opened; i++) {
		Berth__V1__Report r = BERTH__V1__REPORT__INIT;
		r.has_full = r.has_base_ready = r.has_base_running = r.has_base_start = true;
		r.full = r.base_ready = r.base_running = true;
		r.base_start = 1;
		say_report(&f->agents[i], &r);
	}
}

void fleet_beat(struct fleet *f, int n) {
	Berth__V1__Heartbeat b = BERTH__V1__HEARTBEAT__INIT;
	Berth__V1__AgentMessage m = BERTH__V1__AGENT_MESSAGE__INIT;
	b.has_memory_bytes = b.has_digest = b.has_report_seq = b.has_base_ready = b.base_ready = true;
	b.memory_bytes = 123456789;
	b.digest = INT64_C(0x1234567890abcdef);
	b.report_seq = 1;
	m.kind_case = BERTH__V1__AGENT_MESSAGE__KIND_HEARTBEAT;
	m.heartbeat = &b;
	for (int k = 0; k < n; k++)
		for (int i = 0; i < f->opened; i++)
			say(&f->agents[i], &m);
	for (int i = 0; i < f->opened; i++) {
		f->agents[i].closing = true;
		pump(&f->agents[i]);
	}
}
