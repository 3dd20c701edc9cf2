/* An operation over gRPC: request message → api call → reply messages and a status. Unary and server streaming differ only in how
 * many replies come. The object lives in the request's arena until both sides are done with it: the api and gRPC. */
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "api/api.h"
#include "base/arena.h"
#include "base/clock.h"
#include "base/err.h"
#include "base/secret.h"
#include "proto/json.h"
#include "proto/stamp.h"
#include "proto/unpack.h"
#include "rpc/rpc_int.h"

#define MAX_UNPACKED ((size_t)32 * 1024 * 1024)
#define MAX_HEADER 256 /* of what is kept or logged */

struct op_call {
	struct api_call api;
	struct call *call;
	struct arena *arena;
	const char *request_id;
	bool started, done, closed;
};

/* ---- from the wire ------------------------------------------------------------------------------------------------------------------ */

static const char *short_header(const struct op_call *o, const char *name) {
	const char *s = call_header(o->call, name, o->arena);
	return s != NULL && s[0] != '\0' && strlen(s) <= MAX_HEADER ? s : NULL;
}

static const char *request_id(const struct op_call *o) {
	const char *given = short_header(o, "x-request-id");
	if (given != NULL)
		return given;
	uint8_t bits[8];
	char hex[2 * sizeof bits + 1];
	random_bytes(bits, sizeof bits);
	hex_encode(bits, sizeof bits, hex);
	return arena_strdup(o->arena, hex);
}

static const char *bearer(const struct op_call *o) {
	const char *s = call_header(o->call, "authorization", o->arena);
	return s != NULL && strncasecmp(s, "Bearer ", 7) == 0 ? s + 7 : NULL;
}

/* A wait that outlives the client's own deadline would end as a lost answer: it is cut so that the reply still arrives. */
static void cap_wait(ProtobufCMessage *m, int64_t timeout_us, struct arena *a) {
	const ProtobufCFieldDescriptor *meta = protobuf_c_message_descriptor_get_field_by_name(m->descriptor, "meta");
	if (meta != NULL && meta->type == PROTOBUF_C_TYPE_MESSAGE && meta->label != PROTOBUF_C_LABEL_REPEATED) {
		ProtobufCMessage *inner = *(ProtobufCMessage **)(void *)((char *)m + meta->offset);
		if (inner != NULL)
			cap_wait(inner, timeout_us, a);
	}
	const ProtobufCFieldDescriptor *wait = protobuf_c_message_descriptor_get_field_by_name(m->descriptor, "wait");
	if (wait == NULL || wait->descriptor != &google__protobuf__duration__descriptor)
		return;
	Google__Protobuf__Duration **d = (Google__Protobuf__Duration **)(void *)((char *)m + wait->offset);
	int64_t margin = timeout_us / 10 < 500 * US_PER_MS ? timeout_us / 10 : 500 * US_PER_MS;
	if (*d != NULL && pb_duration_us(*d) > timeout_us - margin)
		*d = pb_duration(timeout_us > margin ? timeout_us - margin : 0, a);
}

/* ---- answers ------------------------------------------------------------------------------------------------------------------------ */

static void op_release(struct op_call *o) {
	if (!o->closed || (o->started && !o->done))
		return;
	struct call *c = o->call;
	arena_free(o->arena);
	call_unref(c);
}

static void on_done(
    struct api_call *call, const ProtobufCMessage *reply, int status, const char *location, bool more, const struct err *err) {
	struct op_call *o = call->arg;
	if (reply != NULL && more) {
		call_send_message(o->call, reply);
		call->paused = o->call->out.bytes > CALL_HIGH_BYTES;
		return;
	}
	o->done = true;
	if (err != NULL)
		call_end_err(o->call, err, o->request_id);
	else if (reply != NULL)
		call_reply(o->call, reply);
	else
		call_end_ok(o->call);
	op_release(o);
}

static void op_message(struct call *c, const void *p, size_t n) {
	struct op_call *o = c->data;
	struct err err;
	ProtobufCMessage *m;
	call_read(c, false);
	if (pb_unpack(o->api.op->request, p, n, UNPACK_STRICT, MAX_UNPACKED, o->arena, &m, &err) != 0) {
		call_end_err(c, &err, o->request_id);
		return;
	}
	if (c->timeout_us != INT64_MAX)
		cap_wait(m, c->timeout_us, o->arena);
	o->api.request = m;
	o->started = true;
	api_start(c->rpc->api, &o->api);
}

static void op_ended(struct call *c) {
	struct op_call *o = c->data;
	if (o->started)
		return;
	struct err err;
	err_set(&err, E_MALFORMED, "no request message");
	call_end_err(c, &err, o->request_id);
}

static void op_drained(struct call *c) {
	struct op_call *o = c->data;
	if (!o->api.paused || o->done)
		return;
	o->api.paused = false;
	api_stream_more(c->rpc->api, &o->api);
}

static void op_closed(struct call *c) {
	struct op_call *o = c->data;
	o->closed = true;
	if (o->started && !o->done)
		api_cancel(c->rpc->api, &o->api);
	else
		op_release(o);
}

const struct call_kind op_kind = { op_message, op_ended, op_drained, op_closed };

void op_accept(struct call *c, const void *what) {
	const struct op_def *op = what;
	struct arena *a = arena_new();
	struct op_call *o = arena_alloc(a, sizeof *o);
	o->call = c;
	o->arena = a;
	c->data = o;
	call_ref(c);
	o->request_id = request_id(o);
	o->api.op = op;
	o->api.bearer = bearer(o);
	o->api.address = call_peer(c, a);
	o->api.request_id = o->request_id;
	o->api.trace = short_header(o, "traceparent");
	o->api.idempotency_key = short_header(o, "idempotency-key");
	o->api.if_match = short_header(o, "if-match");
	o->api.arena = a;
	o->api.done = on_done;
	o->api.arg = o;
	call_read(c, true);
	call_wait(c);
}
