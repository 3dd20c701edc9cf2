/* One gRPC call on a channel of its own. Four operations can be out at a time (start, receive, send, status); the stream's memory goes
 * with the last of them. gRPC allows one send at a time per call. A server that is frozen answers no HTTP/2 ping: that ends the call. */
#include <grpc/byte_buffer_reader.h>
#include <grpc/grpc.h>
#include <grpc/grpc_security.h>
#include <grpc/support/alloc.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/arena.h"
#include "base/clock.h"
#include "base/err.h"
#include "base/log.h"
#include "link_int.h"
#include "proto/unpack.h"

#define METHOD "/berth.v1.AgentService/Connect"
#define DIAL_US (10 * US_PER_S)
#define MAX_MESSAGE (64 << 20) /* a Welcome carries the whole wanted set */
#define MAX_UNPACKED ((size_t)256 << 20)
#define KEEPALIVE_MS 10000 /* the server takes pings from every 5 s on */

struct stream {
	struct link *link;
	grpc_channel *channel;
	grpc_call *call;
	struct cq_tag start, receive, send, status;
	struct timer dial;
	grpc_metadata_array initial, trailing;
	grpc_status_code code;
	grpc_slice details;
	grpc_byte_buffer *in, *out;
	size_t sending;
	unsigned refs;
	bool sends, over, ended, first_read;
};

#define OF(tag, member) ((struct stream *)(void *)((char *)(tag)-offsetof(struct stream, member)))

static void unref(struct stream *s) {
	if (--s->refs > 0)
		return;
	grpc_call_unref(s->call);
	grpc_channel_destroy(s->channel);
	grpc_metadata_array_destroy(&s->initial);
	grpc_metadata_array_destroy(&s->trailing);
	grpc_slice_unref(s->details);
	grpc_byte_buffer_destroy(s->in);
	grpc_byte_buffer_destroy(s->out);
	timer_deinit(&s->dial);
	free(s);
}

static void batch(struct stream *s, const grpc_op *ops, size_t n, struct cq_tag *tag) {
	s->refs++;
	cq_begin(s->link->cq);
	grpc_call_error e = grpc_call_start_batch(s->call, ops, n, tag, NULL);
	cq_end(s->link->cq);
	if (e == GRPC_CALL_OK)
		return;
	log_error("gRPC refused an operation", log_i("call_error", e));
	s->refs--;
	grpc_call_cancel(s->call, NULL);
}

static void receive(struct stream *s) {
	grpc_op ops[2] = { { .op = GRPC_OP_RECV_MESSAGE, .data.recv_message.recv_message = &s->in } };
	size_t n = 1;
	if (!s->first_read) {
		s->first_read = true;
		ops[n++] =
		    (grpc_op){ .op = GRPC_OP_RECV_INITIAL_METADATA, .data.recv_initial_metadata.recv_initial_metadata = &s->initial };
	}
	batch(s, ops, n, &s->receive);
}

static void take(struct stream *s) {
	grpc_byte_buffer_reader reader;
	ProtobufCMessage *m;
	struct err err = ERR_INIT;
	ARENA_AUTO a = arena_new();
	if (!grpc_byte_buffer_reader_init(&reader, s->in))
		return;
	grpc_slice all = grpc_byte_buffer_reader_readall(&reader);
	grpc_byte_buffer_reader_destroy(&reader);
	int rc = pb_unpack(&berth__v1__server_message__descriptor, GRPC_SLICE_START_PTR(all), GRPC_SLICE_LENGTH(all), UNPACK_PEER,
	    MAX_UNPACKED, a, &m, &err);
	grpc_slice_unref(all);
	if (rc != 0) {
		log_error("a message of the server cannot be read; starting over", log_e(&err));
		grpc_call_cancel(s->call, NULL);
		return;
	}
	if (!s->over)
		link_stream_message(s->link, (const Berth__V1__ServerMessage *)m);
}

static void on_received(struct cq_tag *tag, bool ok) {
	struct stream *s = OF(tag, receive);
	if (ok && s->in != NULL) {
		take(s);
		grpc_byte_buffer_destroy(s->in);
		s->in = NULL;
		if (!s->over)
			receive(s);
	}
	unref(s);
}

static void on_started(struct cq_tag *tag, bool ok) {
	struct stream *s = OF(tag, start);
	timer_cancel(&s->dial);
	if (ok && !s->over) {
		receive(s);
		link_stream_up(s->link);
	}
	unref(s);
}

void stream_pump(struct stream *s) {
	struct parcel *p;
	if (s == NULL || s->sends || s->over || s->ended || (p = link_next(s->link)) == NULL)
		return;
	grpc_slice slice = grpc_slice_from_copied_buffer((const char *)p->data, p->n);
	grpc_byte_buffer_destroy(s->out);
	s->out = grpc_raw_byte_buffer_create(&slice, 1);
	grpc_slice_unref(slice);
	s->sending = p->n;
	s->sends = true;
	free(p);
	grpc_op op = { .op = GRPC_OP_SEND_MESSAGE, .data.send_message.send_message = s->out };
	batch(s, &op, 1, &s->send);
}

static void on_sent(struct cq_tag *tag, bool ok) {
	struct stream *s = OF(tag, send);
	s->sends = false;
	if (ok && !s->over) {
		if (!s->ended)
			link_sent(s->link, s->sending);
		stream_pump(s);
	}
	unref(s);
}

void stream_end(struct stream *s) {
	if (s->sends || s->over || s->ended)
		return;
	grpc_op op = { .op = GRPC_OP_SEND_CLOSE_FROM_CLIENT };
	s->ended = s->sends = true;
	batch(s, &op, 1, &s->send);
}

void stream_cancel(struct stream *s) {
	grpc_call_cancel(s->call, NULL);
}

static void on_status(struct cq_tag *tag, bool ok) {
	struct stream *s = OF(tag, status);
	char why[320];
	timer_cancel(&s->dial);
	snprintf(why, sizeof why, "%.*s (gRPC status %d)", (int)(GRPC_SLICE_LENGTH(s->details) > 256 ? 256 : GRPC_SLICE_LENGTH(s->details)),
	    (const char *)GRPC_SLICE_START_PTR(s->details), (int)s->code);
	s->over = true;
	link_stream_over(s->link, why);
	unref(s);
}

static void dial_late(void *arg) {
	stream_cancel(arg);
}

static grpc_arg number(const char *key, int value) {
	return (grpc_arg){ .type = GRPC_ARG_INTEGER, .key = (char *)(uintptr_t)key, .value.integer = value };
}

static grpc_channel *channel_open(const struct link *k, const char *address) {
	grpc_arg args[] = {
		number(GRPC_ARG_USE_LOCAL_SUBCHANNEL_POOL, 1), /* agents in one process (tests) must not share a connection */
		number(GRPC_ARG_KEEPALIVE_TIME_MS, KEEPALIVE_MS),
		number(GRPC_ARG_KEEPALIVE_TIMEOUT_MS, KEEPALIVE_MS),
		number(GRPC_ARG_KEEPALIVE_PERMIT_WITHOUT_CALLS, 0),
		number(GRPC_ARG_HTTP2_MAX_PINGS_WITHOUT_DATA, 0), /* 0: no limit */
		number(GRPC_ARG_MAX_RECEIVE_MESSAGE_LENGTH, MAX_MESSAGE),
		number(GRPC_ARG_ENABLE_HTTP_PROXY, 0),
		number(GRPC_ARG_ENABLE_RETRIES, 0),
		{ .type = GRPC_ARG_STRING,
		    .key = (char *)(uintptr_t)GRPC_ARG_PRIMARY_USER_AGENT_STRING,
		    .value.string = (char *)(uintptr_t) "berth-agent/" BERTH_VERSION },
	};
	grpc_channel_args list = { .num_args = sizeof args / sizeof *args, .args = args };
	grpc_ssl_pem_key_cert_pair pair = { k->key, k->cert };
	grpc_channel_credentials *creds =
	    k->tls ? grpc_ssl_credentials_create(k->ca, k->cert != NULL ? &pair : NULL, NULL, NULL) : grpc_insecure_credentials_create();
	grpc_channel *c = grpc_channel_create(address, creds, &list);
	grpc_channel_credentials_release(creds);
	return c;
}

void stream_open(struct link *k, const char *address) {
	struct stream *s = calloc(1, sizeof *s);
	if (s == NULL)
		abort();
	s->link = k;
	s->refs = 1;
	s->details = grpc_empty_slice();
	s->start.fn = on_started;
	s->receive.fn = on_received;
	s->send.fn = on_sent;
	s->status.fn = on_status;
	grpc_metadata_array_init(&s->initial);
	grpc_metadata_array_init(&s->trailing);
	timer_init(&s->dial, k->loop, dial_late, s);
	s->channel = channel_open(k, address);
	s->call = grpc_channel_create_call(s->channel, NULL, GRPC_PROPAGATE_DEFAULTS, cq_queue(k->cq),
	    grpc_slice_from_static_string(METHOD), NULL, gpr_inf_future(GPR_CLOCK_REALTIME), NULL);
	k->stream = s;
	timer_set(&s->dial, DIAL_US);
	grpc_op start = { .op = GRPC_OP_SEND_INITIAL_METADATA };
	grpc_op status = { .op = GRPC_OP_RECV_STATUS_ON_CLIENT,
		.data.recv_status_on_client = { .trailing_metadata = &s->trailing, .status = &s->code, .status_details = &s->details } };
	batch(s, &status, 1, &s->status);
	batch(s, &start, 1, &s->start);
	unref(s);
}
