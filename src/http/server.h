/* HTTP/1.1 front on bufferevents for server, agent and native base. Strict head parser, absolute deadlines, caps in all and per
 * address, streaming both ways with back-pressure, event streams, TLS with reload. It knows no routes: `accept` decides per request.
 *
 * Life of a request: head complete → handler->head() chooses how the body comes → (stream pieces | whole body) → handler->request()
 * → the program answers now or later, exactly once. A struct http_req outlives its connection until it is answered or released:
 * answering after the client left is a no-op. All callbacks on the loop's thread; none runs inside http_reply().
 *
 * Errors of the protocol (malformed, too large, too slow) are answered here, as problem+json through handler->problem when set. */
#ifndef BERTH_HTTP_SERVER_H
#define BERTH_HTTP_SERVER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct loop;
struct err;
struct arena;
struct http_server;
struct http_req;

struct http_limits {            /* 0 = the default in parentheses */
	int64_t head_us;        /* (10 s) absolute, from accept or from the end of the last answer's first byte */
	int64_t idle_us;        /* (75 s) keep-alive without a request */
	int64_t write_stall_us; /* (30 s) no byte accepted by the peer */
	int64_t min_body_rate;  /* (1024 B/s) averaged over windows of body_window_us (10 s); slower is a 408 */
	int64_t body_window_us;
	size_t max_line, max_head; /* (8 KiB, 16 KiB) */
	unsigned max_fields;       /* (100) */
	size_t max_output;         /* (4 MiB) queued bytes of an event stream before its client is dropped */
	unsigned max_connections;  /* (10000) handshakes included */
	unsigned max_per_address;  /* (1024) IPv6 by /64 */
	unsigned max_refused;      /* (600) a minute and address: http_req_refuse() */
};

struct http_tls {
	const char *cert_file, *key_file, *client_ca_file;
};

enum http_body_mode {
	HTTP_BODY_BUFFER, /* collected up to max_body, then request() */
	HTTP_BODY_STREAM, /* body() per piece; request() after the last */
	HTTP_BODY_REFUSE, /* already answered in head(): drain a little, then close */
};

struct http_handler {
	/* Head parsed. Set *ret_max_body for BUFFER (413 above; default 1 MiB). May answer at once (then return REFUSE). Required. */
	enum http_body_mode (*head)(struct http_req *r, size_t *ret_max_body, void *arg);
	/* One piece of a streamed body. Return bytes taken (< n pauses reading until http_req_resume()). */
	size_t (*body)(struct http_req *r, const void *p, size_t n, void *arg);
	/* Whole request is there. Required. */
	void (*request)(struct http_req *r, void *arg);
	/* The client left (or was dropped) before the answer was complete; the req still has to be released by answering or
	 * http_req_release(), now or later. Called for requests that reached request(), and for STREAM ones from head() on. A BUFFER
	 * request whose body never became whole is freed without a call: what head() attached to it has to live in its arena. Without gone,
	 * a STREAM request is freed likewise until it reached request(). */
	void (*gone)(struct http_req *r, void *arg);
	/* Text of a protocol error: writes a body, sets the content type; NULL = plain text. */
	char *(*problem)(struct arena *a, int status, const char *detail, const char **ret_type, void *arg);
};

int http_server_new(
    struct loop *l, const struct http_handler *h, void *arg, const struct http_limits *limits, struct http_server **ret, struct err *err);
/* "127.0.0.1:7777", "[::1]:0", "unix:/path". ret_port gets the real port. tls NULL = plain. May be called several times; tag is seen in
 * http_req_tag(). */
int http_server_listen(struct http_server *s, const char *address, const struct http_tls *tls, int tag, int *ret_port, struct err *err);
/* Adopt an already bound and listening socket (takes the fd). */
int http_server_listen_fd(struct http_server *s, int fd, const struct http_tls *tls, int tag, struct err *err);
int http_server_reload_tls(struct http_server *s, struct err *err); /* new handshakes use the new files; on error the old stay */
/* Stop accepting, close idle connections, let pending answers finish; done runs when the last connection is gone or after us. */
void http_server_drain(struct http_server *s, int64_t us, void (*done)(void *), void *arg);
void http_server_free(struct http_server *s); /* cuts what is left; requests still held stay valid until released. Not from a callback */

struct http_stats {
	unsigned connections;
	uint64_t accepted, requests, malformed, timed_out, over_limit, evicted, refused, held_back;
};
void http_server_stats(const struct http_server *s, struct http_stats *ret);

/* The request. Strings live as long as the req. */
struct arena *http_req_arena(struct http_req *r);
const char *http_req_method(const struct http_req *r);
const char *http_req_path(const struct http_req *r);                    /* decoded once, no query */
const char *http_req_query(const struct http_req *r, const char *name); /* decoded value, "" when given without =, NULL when absent */
bool http_req_query_next(
    const struct http_req *r, size_t *cursor, const char **ret_name, const char **ret_value); /* walk all; cursor starts 0 */
const char *http_req_header(const struct http_req *r, const char *name);                      /* case-insensitive; NULL when absent */
const void *http_req_body(const struct http_req *r, size_t *ret_n);                           /* BUFFER: NUL-terminated beyond its length */
int64_t http_req_content_length(const struct http_req *r);                                    /* -1 = chunked, 0 = none */
const char *http_req_peer(const struct http_req *r);                                          /* "10.0.0.7:51324" */
int http_req_tag(const struct http_req *r);
bool http_req_tls(const struct http_req *r);
bool http_req_alive(const struct http_req *r);
void http_req_set_data(struct http_req *r, void *data);
void *http_req_data(const struct http_req *r);
void http_req_resume(struct http_req *r);  /* after body() took less than n */
void http_req_release(struct http_req *r); /* give up without an answer: the connection is closed */

/* Extra answer header; before the answer. Values are checked (no CR, LF, NUL). "Connection: close" ends the connection after it. */
void http_req_add_header(struct http_req *r, const char *name, const char *value);
/* The client showed no token that is known, and http_reply() follows. Above max_refused a minute that answer is held back, 5 s at most,
 * and nothing more is taken from the connection before it left; others of the same address are served as ever. True: it will be. */
bool http_req_refuse(struct http_req *r);
/* Whole answer; body is copied. Consumes the req. type NULL = no Content-Type. */
void http_reply(struct http_req *r, int status, const char *type, const void *body, size_t n);

/* Streamed answer. length -1 = chunked. drained runs (once per arming) when the queue is below 64 KiB again. */
void http_reply_begin(struct http_req *r, int status, const char *type, int64_t length);
bool http_reply_write(struct http_req *r, const void *p, size_t n); /* false = queue is above 256 KiB: wait for drained */
void http_reply_on_drained(struct http_req *r, void (*drained)(struct http_req *r, void *arg), void *arg);
void http_reply_end(struct http_req *r); /* consumes the req */
size_t http_reply_queued(const struct http_req *r);
/* Sends n bytes of fd from offset (takes a dup), sendfile on plain sockets, 64 KiB pieces over TLS; after begin; then end by itself.
 * Consumes the req. */
void http_reply_file(struct http_req *r, int fd, uint64_t offset, uint64_t n);

const char *http_status_text(int status);

#endif
