/* Order of things in one call: initial metadata goes out with the first message or the status, whichever comes first; one send batch
 * is outstanding at a time; the status goes with the last message when that saves a batch. gRPC delivers "over" always, once. */
#include "rpc/call.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include <grpc/byte_buffer.h>
#include <grpc/byte_buffer_reader.h>
#include <grpc/slice.h>
#include <grpc/support/alloc.h>

#include "base/arena.h"
#include "base/err.h"
#include "rpc/rpc_int.h"
#include "rpc/status.h"

struct call_end {
	grpc_status_code code;
	grpc_slice text;
	grpc_metadata trailer[3];
	size_t n_trailers;
};

#define OF(tag_, member) ((struct call *)(void *)((char *)(tag_)-offsetof(struct call, member)))

/* ---- life -------------------------------------------------------------------------------------------------------------------- */

static void end_free(struct call_end *e) {
	if (e == NULL)
		return;
	grpc_slice_unref(e->text);
	for (size_t i = 0; i < e->n_trailers; i++) {
		grpc_slice_unref(e->trailer[i].key);
		grpc_slice_unref(e->trailer[i].value);
	}
	free(e);
}

void call_ref(struct call *c) {
	c->refs++;
}

void call_unref(struct call *c) {
	if (--c->refs > 0)
		return;
	assert(c->is_over);
	outbound_deinit(&c->out);
	end_free(c->end);
	grpc_metadata_array_destroy(&c->head);
	grpc_call_unref(c->call);
	free(c);
}

static void on_over(struct cq_tag *tag, bool ok) {
	struct call *c = OF(tag, over);
	struct rpc *r = c->rpc;
	c->is_over = true;
	c->ended = true;
	expiry_cancel(&r->stalls, &c->stall);
	expiry_cancel(&r->idles, &c->idle);
	TAILQ_REMOVE(&r->calls, c, link);
	if (c->counted)
		r->stats.open_calls--;
	else
		r->stats.open_streams--;
	c->kind->closed(c);
	call_unref(c);
}

static void start_batch(struct call *c, const grpc_op *ops, size_t n, struct cq_tag *tag) {
	call_ref(c);
	cq_begin(c->rpc->cq);
	grpc_call_error e = grpc_call_start_batch(c->call, ops, n, tag, NULL);
	cq_end(c->rpc->cq);
	assert(e == GRPC_CALL_OK); /* anything else is our own misuse */
}

static void on_received(struct cq_tag *tag, bool ok);
static void on_sent(struct cq_tag *tag, bool ok);

struct call *call_new(
    struct rpc *r, grpc_call *gc, grpc_metadata_array *head, int64_t timeout_us, const struct call_kind *kind, bool counted) {
	struct call *c = calloc(1, sizeof *c);
	if (c == NULL)
		abort();
	c->rpc = r;
	c->call = gc;
	c->head = *head;
	grpc_metadata_array_init(head);
	c->timeout_us = timeout_us;
	c->kind = kind;
	c->counted = counted;
	c->received.fn = on_received;
	c->sent.fn = on_sent;
	c->over.fn = on_over;
	outbound_init(&c->out, r->limits.max_output);
	TAILQ_INSERT_TAIL(&r->calls, c, link);
	if (counted)
		r->stats.open_calls++;
	else
		r->stats.open_streams++;
	grpc_op op = { .op = GRPC_OP_RECV_CLOSE_ON_SERVER };
	op.data.recv_close_on_server.cancelled = &c->cancelled;
	start_batch(c, &op, 1, &c->over);
	return c;
}

/* ---- in ---------------------------------------------------------------------------------------------------------------------- */

static void receive(struct call *c) {
	if (c->read_open || !c->read_on || c->input_ended || c->is_over)
		return;
	c->read_open = true;
	grpc_op op = { .op = GRPC_OP_RECV_MESSAGE };
	op.data.recv_message.recv_message = &c->incoming;
	start_batch(c, &op, 1, &c->received);
}

void call_read(struct call *c, bool on) {
	c->read_on = on;
	receive(c);
}

void call_wait(struct call *c) {
	if (!c->is_over)
		expiry_set(&c->rpc->idles, &c->idle);
}

static void refuse_message(struct call *c, int code, const char *text) {
	struct err err;
	err_set(&err, code, "%s", text);
	call_end_err(c, &err, NULL);
}

/* Compressed messages are refused: their size limit holds for what crossed the wire, not for what would come out of it. */
static void deliver(struct call *c, grpc_byte_buffer *buffer) {
	if (buffer->type != GRPC_BB_RAW || buffer->data.raw.compression != GRPC_COMPRESS_NONE) {
		refuse_message(c, E_UNSUPPORTED, "compressed messages are not taken; switch compression off");
		return;
	}
	if (buffer->data.raw.slice_buffer.count == 1) { /* the usual case: nothing to join */
		const grpc_slice *only = &buffer->data.raw.slice_buffer.slices[0];
		c->kind->message(c, GRPC_SLICE_START_PTR(*only), GRPC_SLICE_LENGTH(*only));
		return;
	}
	grpc_byte_buffer_reader reader;
	if (!grpc_byte_buffer_reader_init(&reader, buffer)) {
		refuse_message(c, E_MALFORMED, "unreadable message");
		return;
	}
	grpc_slice all = grpc_byte_buffer_reader_readall(&reader);
	grpc_byte_buffer_reader_destroy(&reader);
	c->kind->message(c, GRPC_SLICE_START_PTR(all), GRPC_SLICE_LENGTH(all));
	grpc_slice_unref(all);
}

static void on_received(struct cq_tag *tag, bool ok) {
	struct call *c = OF(tag, received);
	grpc_byte_buffer *buffer = c->incoming;
	c->incoming = NULL;
	c->read_open = false;
	expiry_cancel(&c->rpc->idles, &c->idle);
	if (buffer == NULL) { /* with ok, too: end of the stream */
		c->input_ended = true;
		if (!c->ended)
			c->kind->ended(c);
	} else {
		if (!c->ended)
			deliver(c, buffer);
		grpc_byte_buffer_destroy(buffer);
		if (!c->ended)
			receive(c);
	}
	call_unref(c);
}

/* ---- out --------------------------------------------------------------------------------------------------------------------- */

/* The piece's memory is the slice's: freed by gRPC when it is on the wire. */
static grpc_byte_buffer *buffer_of(struct piece *p) {
	grpc_slice slice = grpc_slice_new_with_user_data(p->data, p->n, free, p);
	grpc_byte_buffer *b = grpc_raw_byte_buffer_create(&slice, 1);
	grpc_slice_unref(slice);
	return b;
}

static size_t add_head(struct call *c, grpc_op *op) {
	if (c->started)
		return 0;
	c->started = true;
	*op = (grpc_op){ .op = GRPC_OP_SEND_INITIAL_METADATA };
	return 1;
}

static size_t add_end(struct call *c, grpc_op *op) {
	if (c->end == NULL || !outbound_empty(&c->out))
		return 0;
	c->out_closed = true;
	*op = (grpc_op){ .op = GRPC_OP_SEND_STATUS_FROM_SERVER };
	op->data.send_status_from_server.status = c->end->code;
	op->data.send_status_from_server.status_details = &c->end->text;
	op->data.send_status_from_server.trailing_metadata = c->end->trailer;
	op->data.send_status_from_server.trailing_metadata_count = c->end->n_trailers;
	return 1;
}

static void pump(struct call *c) {
	if (c->send_open || c->out_closed || c->is_over)
		return;
	struct piece *p = outbound_take(&c->out);
	if (p == NULL && c->end == NULL)
		return;
	grpc_op ops[3];
	size_t n = add_head(c, ops);
	grpc_byte_buffer *buffer = NULL;
	if (p != NULL) {
		c->sending = p->n;
		buffer = buffer_of(p);
		ops[n] = (grpc_op){ .op = GRPC_OP_SEND_MESSAGE };
		ops[n++].data.send_message.send_message = buffer;
	}
	n += add_end(c, &ops[n]);
	c->send_open = true;
	expiry_set(&c->rpc->stalls, &c->stall);
	start_batch(c, ops, n, &c->sent);
	if (buffer != NULL)
		grpc_byte_buffer_destroy(buffer);
}

static void on_sent(struct cq_tag *tag, bool ok) {
	struct call *c = OF(tag, sent);
	expiry_cancel(&c->rpc->stalls, &c->stall);
	outbound_sent(&c->out, c->sending);
	c->sending = 0;
	c->send_open = false;
	if (!ok)
		c->out_closed = true;
	pump(c);
	if (!c->ended && c->kind->drained != NULL && c->out.bytes < CALL_LOW_BYTES)
		c->kind->drained(c);
	call_unref(c);
}

static unsigned char *room_for(struct call *c, size_t n) {
	if (c->ended)
		return NULL;
	unsigned char *room = outbound_add(&c->out, n);
	if (room == NULL)
		call_cancel(c, "the client reads too slowly");
	return room;
}

bool call_send(struct call *c, const void *p, size_t n) {
	unsigned char *room = room_for(c, n);
	if (room == NULL)
		return false;
	memcpy(room, p, n);
	pump(c);
	return true;
}

bool call_send_message(struct call *c, const ProtobufCMessage *m) {
	unsigned char *room = room_for(c, protobuf_c_message_get_packed_size(m));
	if (room == NULL)
		return false;
	protobuf_c_message_pack(m, room);
	pump(c);
	return true;
}

/* ---- end --------------------------------------------------------------------------------------------------------------------- */

static struct call_end *end_new(struct call *c, int code, const char *text) {
	c->ended = true;
	c->end = calloc(1, sizeof *c->end);
	if (c->end == NULL)
		abort();
	c->end->code = (grpc_status_code)code;
	c->end->text = grpc_slice_from_copied_string(text);
	expiry_cancel(&c->rpc->idles, &c->idle);
	return c->end;
}

static void end_trailer(struct call_end *e, const char *key, const void *value, size_t n) {
	e->trailer[e->n_trailers].key = grpc_slice_from_static_string(key);
	e->trailer[e->n_trailers++].value = grpc_slice_from_copied_buffer(value, n);
}

void call_end_ok(struct call *c) {
	if (c->ended)
		return;
	end_new(c, GRPC_STATUS_OK, "");
	pump(c);
}

void call_reply(struct call *c, const ProtobufCMessage *m) {
	unsigned char *room = room_for(c, protobuf_c_message_get_packed_size(m));
	if (room == NULL)
		return;
	protobuf_c_message_pack(m, room);
	call_end_ok(c); /* only now: message and status leave together */
}

void call_end_err(struct call *c, const struct err *err, const char *request_id) {
	call_end_moved(c, err, request_id, NULL);
}

void call_end_moved(struct call *c, const struct err *err, const char *request_id, const char *active) {
	if (c->ended)
		return;
	ARENA_AUTO a = arena_new();
	size_t n;
	const uint8_t *details = status_details(err, request_id, a, &n);
	struct call_end *e = end_new(c, err_grpc(err->code), err->text);
	end_trailer(e, "grpc-status-details-bin", details, n);
	if (request_id != NULL)
		end_trailer(e, "x-request-id", request_id, strlen(request_id));
	if (active != NULL && active[0] != '\0')
		end_trailer(e, "berth-active", active, strlen(active));
	pump(c);
}

void call_cancel(struct call *c, const char *why) {
	if (c->is_over)
		return;
	c->ended = true;
	c->out_closed = true;
	c->rpc->stats.stalled++;
	expiry_cancel(&c->rpc->idles, &c->idle);
	grpc_call_cancel_with_status(c->call, GRPC_STATUS_RESOURCE_EXHAUSTED, why, NULL);
}

/* ---- what the client said of itself -------------------------------------------------------------------------------------------- */

static bool printable(const char *p, size_t n) {
	for (size_t i = 0; i < n; i++)
		if ((unsigned char)p[i] < 0x20 || (unsigned char)p[i] > 0x7e)
			return false;
	return true;
}

const char *call_header(const struct call *c, const char *name, struct arena *a) {
	for (size_t i = 0; i < c->head.count; i++) {
		const grpc_metadata *m = &c->head.metadata[i];
		if (grpc_slice_str_cmp(m->key, name) != 0)
			continue;
		const char *p = (const char *)GRPC_SLICE_START_PTR(m->value);
		size_t n = GRPC_SLICE_LENGTH(m->value);
		return printable(p, n) ? arena_strndup(a, p, n) : NULL;
	}
	return NULL;
}

/* gRPC says "ipv4:10.0.0.7:51324", "ipv6:%5B::1%5D:51324", "unix:". */
const char *call_peer(const struct call *c, struct arena *a) {
	char *uri = grpc_call_get_peer(c->call);
	const char *p = uri;
	if (strncmp(p, "ipv4:", 5) == 0 || strncmp(p, "ipv6:", 5) == 0)
		p += 5;
	char *out = arena_strdup(a, p), *w = out;
	for (const char *s = out; *s != '\0';) {
		bool open = strncmp(s, "%5B", 3) == 0, close = strncmp(s, "%5D", 3) == 0;
		*w++ = open ? '[' : close ? ']' : *s;
		s += open || close ? 3 : 1;
	}
	*w = '\0';
	gpr_free(uri);
	return out;
}
