/* Streams that somebody else speaks on: rpc moves the bytes, the hook knows what they mean. struct rpc_stream is the call itself. */
#include "base/arena.h"
#include "base/err.h"
#include "rpc/rpc_int.h"

static struct call *call_of(struct rpc_stream *s) {
	return (struct call *)(void *)s;
}

static void hook_message(struct call *c, const void *p, size_t n) {
	c->hook->hook.message(c->data, p, n);
}

static void hook_ended(struct call *c) {
	c->hook->hook.ended(c->data);
}

static void hook_closed(struct call *c) {
	if (c->data != NULL)
		c->hook->hook.closed(c->data);
}

const struct call_kind hook_kind = { hook_message, hook_ended, NULL, hook_closed };

/* A refusal ends the call before its first message: data stays NULL and the hook hears nothing of it. */
void hook_accept(struct call *c, const void *entry) {
	struct err err;
	ARENA_AUTO a = arena_new();
	c->hook = entry;
	c->data = c->hook->hook.open(c->hook->arg, (struct rpc_stream *)(void *)c, call_peer(c, a), &err);
	if (c->data == NULL)
		call_end_err(c, &err, NULL);
	else
		call_read(c, true);
}

bool rpc_stream_send(struct rpc_stream *s, const void *p, size_t n) {
	return call_send(call_of(s), p, n);
}

void rpc_stream_read(struct rpc_stream *s, bool on) {
	call_read(call_of(s), on);
}

void rpc_stream_close(struct rpc_stream *s, int code, const char *text) {
	struct err err;
	err_set(&err, code, "%s", text);
	if (code == E_OK)
		call_end_ok(call_of(s));
	else
		call_end_err(call_of(s), &err, NULL);
}

size_t rpc_stream_queued(const struct rpc_stream *s) {
	return ((const struct call *)(const void *)s)->out.bytes;
}
