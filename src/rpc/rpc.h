/* gRPC front of the server: operations of api's table as berth.v1.<Service>/<Name>, health, reflection, and byte streams that somebody
 * else (the agents' driver) speaks on. gRPC bytes ⇄ operations, nothing else: no rules live here.
 *
 * Everything on the loop's thread. Nothing may fork after rpc_new(): gRPC has threads. */
#ifndef BERTH_RPC_RPC_H
#define BERTH_RPC_RPC_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct api;
struct core;
struct cq;
struct err;
struct loop;
struct rpc;
struct rpc_stream;

struct rpc_limits {           /* 0 = the default in parentheses */
	size_t max_message;   /* (1 MiB) of one message in */
	size_t max_output;    /* (4 MiB) queued bytes of one stream before it is dropped */
	unsigned max_calls;   /* (10000) operations, watches and reflection streams at a time */
	unsigned max_streams; /* (1000) per connection */
	size_t max_memory;    /* (4 GiB) that gRPC may hold for all connections */
	int64_t request_us;   /* (30 s) for the request message to arrive after its head, and between two of a reflection stream */
	int64_t stall_us;     /* (30 s) for a started send: then the client is gone for us */
};

struct rpc_tls {
	const char *cert_file, *key_file, *client_ca_file; /* or NULL */
};

/* cq is used for as long as rpc lives, and is shut down by the caller after rpc_free(). */
int rpc_new(
    struct loop *l, struct cq *cq, struct api *api, struct core *core, const struct rpc_limits *limits, struct rpc **ret, struct err *err);
/* "127.0.0.1:7778", "[::1]:0", "unix:/path"; before rpc_start. tls NULL = plain. ret_port gets the real port. E_BUSY when it is taken. */
int rpc_listen(struct rpc *r, const char *address, const struct rpc_tls *tls, int *ret_port, struct err *err);
int rpc_start(struct rpc *r, struct err *err);
int rpc_reload_tls(struct rpc *r, struct err *err); /* new handshakes use the new files; on error the old stay */
/* core's readiness may have changed: tells the watchers of health. */
void rpc_health_changed(struct rpc *r);
/* Stops accepting and says so to every client; operations may end, hooked streams are the hook's to close; what is left after us is
 * cancelled. done runs once, when the last call is gone. */
void rpc_drain(struct rpc *r, int64_t us, void (*done)(void *arg), void *arg);
void rpc_free(struct rpc *r); /* before rpc_start(), or after drain's done; NULL is fine */

struct rpc_stats {
	uint64_t calls, refused, stalled;
	unsigned open_calls, open_streams;
};
void rpc_stats(const struct rpc *r, struct rpc_stats *ret);

/* ---- byte streams ------------------------------------------------------------------------------------------------------------------ */
/* Who speaks on a bidirectional method. Messages come one by one, never while reading is off. */
struct rpc_hook {
	const char *method; /* "/berth.v1.AgentService/Connect" */
	/* A client opened the stream. Returns the hook's own object, or NULL with err (the client gets it). */
	void *(*open)(void *arg, struct rpc_stream *s, const char *peer, struct err *err);
	void (*message)(void *conn, const void *p, size_t n);
	void (*ended)(void *conn);  /* the client will send no more */
	void (*closed)(void *conn); /* the stream is gone, whoever closed it: no call with s afterwards. Never inside another call. */
};
int rpc_hook_add(struct rpc *r, const struct rpc_hook *hook, void *arg, struct err *err); /* before rpc_start */

/* Queues one message (copied). false: over the output cap or closing; on overflow the stream is dropped by itself. */
bool rpc_stream_send(struct rpc_stream *s, const void *p, size_t n);
void rpc_stream_read(struct rpc_stream *s, bool on); /* off: the client is slowed down by flow control. On at open. */
/* Sends what is queued, then the status of the error code (0 = OK). closed() follows. */
void rpc_stream_close(struct rpc_stream *s, int code, const char *text);
size_t rpc_stream_queued(const struct rpc_stream *s);

#endif
