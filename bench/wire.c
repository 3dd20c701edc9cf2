#include "wire.h"

#include <grpc/byte_buffer.h>
#include <grpc/byte_buffer_reader.h>
#include <grpc/grpc_security.h>
#include <grpc/slice.h>
#include <grpc/support/time.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "db.h"

static void batch(struct peer *p, const grpc_op *ops, size_t n, struct peer_tag *tag) {
	if (grpc_call_start_batch(p->call, ops, n, tag, NULL) != GRPC_CALL_OK)
		die("batch", "refused");
}

static void accept_one(struct wire *w) {
	struct peer *p = calloc(1, sizeof *p);
	if (p == NULL)
		die("peer", "no memory");
	p->accept = (struct peer_tag){ p, WIRE_CALL };
	p->read = (struct peer_tag){ p, WIRE_READ };
	p->sent = (struct peer_tag){ p, WIRE_SENT };
	p->over = (struct peer_tag){ p, WIRE_OVER };
	grpc_call_details_init(&p->details);
	grpc_metadata_array_init(&p->head);
	grpc_server_request_call(w->server, &p->call, &p->details, &p->head, w->queue, w->queue, &p->accept);
}

static void read_one(struct peer *p) {
	grpc_op op = { .op = GRPC_OP_RECV_MESSAGE };
	op.data.recv_message.recv_message = &p->in;
	batch(p, &op, 1, &p->read);
}

void wire_listen(struct wire *w) {
	grpc_init();
	grpc_arg streams = { .type = GRPC_ARG_INTEGER, .key = (char *)(uintptr_t)GRPC_ARG_MAX_CONCURRENT_STREAMS, .value.integer = 1000 };
	grpc_channel_args args = { 1, &streams };
	*w = (struct wire){ .server = grpc_server_create(&args, NULL), .queue = grpc_completion_queue_create_for_next(NULL) };
	grpc_server_register_completion_queue(w->server, w->queue, NULL);
	grpc_server_credentials *creds = grpc_insecure_server_credentials_create();
	w->port = grpc_server_add_http2_port(w->server, "127.0.0.1:0", creds);
	grpc_server_credentials_release(creds);
	grpc_server_start(w->server);
	for (int i = 0; i < 64; i++)
		accept_one(w);
}

static void accepted(struct wire *w, struct peer *p) {
	p->number = w->n_peers++;
	w->peers = realloc(w->peers, (size_t)w->n_peers * sizeof(struct peer *));
	if (w->peers == NULL)
		die("peers", "no memory");
	w->peers[p->number] = p;
	grpc_call_details_destroy(&p->details);
	grpc_metadata_array_destroy(&p->head);
	grpc_op op = { .op = GRPC_OP_RECV_CLOSE_ON_SERVER };
	op.data.recv_close_on_server.cancelled = &p->cancelled;
	batch(p, &op, 1, &p->over);
	read_one(p);
	accept_one(w);
}

static uint8_t *take(struct peer *p, size_t *ret_n) {
	grpc_byte_buffer_reader reader;
	grpc_byte_buffer_reader_init(&reader, p->in);
	grpc_slice all = grpc_byte_buffer_reader_readall(&reader);
	grpc_byte_buffer_reader_destroy(&reader);
	*ret_n = GRPC_SLICE_LENGTH(all);
	uint8_t *bytes = malloc(*ret_n + 1);
	if (bytes == NULL)
		die("message", "no memory");
	memcpy(bytes, GRPC_SLICE_START_PTR(all), *ret_n);
	grpc_slice_unref(all);
	grpc_byte_buffer_destroy(p->in);
	p->in = NULL;
	read_one(p);
	return bytes;
}

static void finish(struct peer *p) {
	grpc_slice text = grpc_empty_slice();
	grpc_op ops[2] = { { .op = GRPC_OP_SEND_STATUS_FROM_SERVER } };
	size_t n = 1;
	ops[0].data.send_status_from_server.status = GRPC_STATUS_OK;
	ops[0].data.send_status_from_server.status_details = &text;
	if (!p->started)
		ops[n++] = (grpc_op){ .op = GRPC_OP_SEND_INITIAL_METADATA };
	batch(p, ops, n, &p->sent);
}

static void send_buffer(struct peer *p, grpc_byte_buffer *buffer) {
	grpc_op ops[2] = { { .op = GRPC_OP_SEND_MESSAGE }, { .op = GRPC_OP_SEND_INITIAL_METADATA } };
	ops[0].data.send_message.send_message = buffer;
	batch(p, ops, p->started ? 1 : 2, &p->sent);
	p->started = p->sending = true;
	grpc_byte_buffer_destroy(buffer);
}

static void sent(struct peer *p) {
	grpc_byte_buffer *next = p->next;
	p->sending = false;
	p->next = NULL;
	if (next != NULL)
		send_buffer(p, next);
}

uint8_t *wire_next(struct wire *w, int64_t until_us, struct peer **ret_peer, size_t *ret_n) {
	for (;;) {
		gpr_timespec until =
		    until_us == 0 ? gpr_inf_future(GPR_CLOCK_MONOTONIC) : gpr_time_from_micros(until_us, GPR_CLOCK_MONOTONIC);
		grpc_event ev = grpc_completion_queue_next(w->queue, until, NULL);
		*ret_peer = NULL;
		if (ev.type != GRPC_OP_COMPLETE)
			return NULL;
		struct peer_tag *tag = ev.tag;
		if (tag->kind == WIRE_CALL && ev.success)
			accepted(w, tag->peer);
		if (tag->kind == WIRE_SENT)
			sent(tag->peer);
		if (tag->kind != WIRE_READ)
			continue;
		*ret_peer = tag->peer;
		if (ev.success && tag->peer->in != NULL)
			return take(tag->peer, ret_n);
		finish(tag->peer);
		return NULL;
	}
}

void wire_send(struct peer *p, const Berth__V1__ServerMessage *m) {
	grpc_slice slice = grpc_slice_malloc(berth__v1__server_message__get_packed_size(m));
	berth__v1__server_message__pack(m, GRPC_SLICE_START_PTR(slice));
	grpc_byte_buffer *buffer = grpc_raw_byte_buffer_create(&slice, 1);
	grpc_slice_unref(slice);
	if (p->next != NULL)
		die("wire", "a third message for one peer");
	if (p->sending)
		p->next = buffer;
	else
		send_buffer(p, buffer);
}

bool wire_welcome(struct peer *p, const Berth__V1__AgentMessage *m) {
	if (p->greeted || m->kind_case != BERTH__V1__AGENT_MESSAGE__KIND_HELLO)
		return false;
	Berth__V1__Welcome hi = BERTH__V1__WELCOME__INIT;
	hi.has_epoch = true;
	hi.epoch = 1;
	hi.base = m->hello->base;
	hi.base_key = (char *)(uintptr_t) "bk_00000000000000000000000000000000000000000000";
	Berth__V1__ServerMessage out = BERTH__V1__SERVER_MESSAGE__INIT;
	out.kind_case = BERTH__V1__SERVER_MESSAGE__KIND_WELCOME;
	out.welcome = &hi;
	p->greeted = true;
	wire_send(p, &out);
	return true;
}
