/* One gRPC call of any kind: messages in one by one, messages out through a capped queue, a status at the end. Inside of the room only.
 *
 * A call lives until it is over and no reference is left: each started batch holds one, and so may its kind. */
#ifndef BERTH_RPC_CALL_H
#define BERTH_RPC_CALL_H

#include <grpc/grpc.h>
#include <protobuf-c/protobuf-c.h>
#include <stdbool.h>
#include <stdint.h>

#include "loop/cq.h"
#include "loop/expiry.h"
#include "rpc/outbound.h"

struct rpc;
struct call;
struct err;
struct hook_entry;
struct call_end; /* the status to send; call.c's */

enum { CALL_LOW_BYTES = 64 * 1024, CALL_HIGH_BYTES = 256 * 1024 };

struct call_kind {
	void (*message)(struct call *c, const void *p, size_t n);
	void (*ended)(struct call *c);   /* the client sends no more */
	void (*drained)(struct call *c); /* or NULL: after a send, when less than CALL_LOW_BYTES wait to be sent */
	void (*closed)(struct call *c);  /* exactly once: over, by whoever. The call lives on while the kind holds a reference. */
};

struct call {
	struct rpc *rpc;
	grpc_call *call;
	const struct call_kind *kind;
	void *data;                    /* the kind's */
	const struct hook_entry *hook; /* of a hooked stream */
	grpc_metadata_array head;      /* request metadata */
	int64_t timeout_us;            /* what the client gave it; INT64_MAX = no deadline */
	struct cq_tag received, sent, over;
	grpc_byte_buffer *incoming;
	int cancelled;
	struct outbound out;
	size_t sending; /* bytes of the piece in flight */
	struct call_end *end;
	struct expiry stall, idle;
	unsigned refs;
	bool counted;                        /* against max_calls */
	bool started, send_open, out_closed; /* head sent; a batch is out; nothing more goes out */
	bool read_open, read_on, input_ended;
	bool ended, is_over; /* its end was decided; gRPC is done with it */
	TAILQ_ENTRY(call) link;
};

/* Takes over an accepted call. counted: against the cap of calls (a hooked stream is not). */
struct call *call_new(
    struct rpc *r, grpc_call *gc, grpc_metadata_array *head, int64_t timeout_us, const struct call_kind *kind, bool counted);
void call_ref(struct call *c);
void call_unref(struct call *c);

void call_read(struct call *c, bool on); /* on: messages are delivered, one after the other */
void call_wait(struct call *c);          /* the next message has to come within limits.request_us */
/* Queues bytes or a packed message. false: over the cap (the call then ends by itself) or already ended. */
bool call_send(struct call *c, const void *p, size_t n);
bool call_send_message(struct call *c, const ProtobufCMessage *m);
/* One message and OK: what a unary call answers, in one batch. */
void call_reply(struct call *c, const ProtobufCMessage *m);
/* Ends the call with that status after what is queued. The first end wins. */
void call_end_ok(struct call *c);
void call_end_err(struct call *c, const struct err *err, const char *request_id);
/* The same, and the trailing header berth-active tells which server to go to; NULL or "" = none known. */
void call_end_moved(struct call *c, const struct err *err, const char *request_id, const char *active);
void call_cancel(struct call *c, const char *why); /* drops what is queued: the peer is stalled or too slow */

/* First value of a request header, in `a`; NULL when absent or not printable. */
struct arena;
const char *call_header(const struct call *c, const char *name, struct arena *a);
const char *call_peer(const struct call *c, struct arena *a); /* "10.0.0.7:51324" */

#endif
