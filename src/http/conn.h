/* Inside of the HTTP front: what server.c, conn.c, body.c, request.c, reply.c and sse.c share. Nobody else includes this. */
#ifndef BERTH_HTTP_CONN_H
#define BERTH_HTTP_CONN_H

#include <openssl/types.h>
#include <sys/queue.h>
#include <sys/socket.h>

#include "base/buf.h"
#include "base/clock.h"
#include "base/hash.h"
#include "http/chunk.h"
#include "http/head.h"
#include "http/server.h"
#include "http/tarpit.h"
#include "loop/loop.h"

#define HTTP_QUEUE_LOW (64u * 1024u)   /* below: drained, the next pipelined request is taken */
#define HTTP_QUEUE_HIGH (256u * 1024u) /* above: http_reply_write() says wait */
#define HTTP_FILE_PIECE (64u * 1024u)
#define HTTP_INPUT_MAX (64u * 1024u) /* unread bytes before reading stops */

struct bufferevent;
struct evbuffer;
struct evbuffer_cb_entry;

/* Where a connection stands in reading; whether its answer is done is told by req and answered. */
enum http_conn_state {
	CONN_HEAD,   /* waits for a request head */
	CONN_BODY,   /* head() was called, the body is coming */
	CONN_WAIT,   /* request() was called; the answer is pending or streaming */
	CONN_HELD,   /* the answer is complete and waits in `held` for its time */
	CONN_FLUSH,  /* the last answer is complete: write it out, then linger or close */
	CONN_LINGER, /* write side shut: read and throw away for a moment, so that the answer is not lost in a reset */
	CONN_CLOSED, /* to be freed on the next turn */
};

struct address_count {
	unsigned char key[16];
	unsigned n;
	UT_hash_handle hh;
};

struct file_out { /* what http_reply_file still has to send on TLS */
	int fd;   /* -1 = none */
	uint64_t offset, left;
	bool chunk_framed;
};

struct conn {
	LIST_ENTRY(conn) link;
	struct http_server *server;
	struct bufferevent *bev;
	struct address_count *address; /* NULL on unix sockets */
	struct event *hup;             /* notices a client that leaves while reading is off; NULL while it is on */
	struct timer deadline;         /* head, idle, body rate, held answer, linger: one at a time */
	struct timer stall;            /* of writing */
	struct deferred advance;       /* goes on outside of the caller's stack */
	enum http_conn_state state;
	struct http_req *req; /* current one until its answer is complete */
	enum http_body_mode mode;
	struct chunk chunk;
	uint64_t body_left;    /* Content-Length still to come */
	uint64_t body_bytes;   /* decoded so far */
	uint64_t window_bytes; /* of the raw body in this rate window */
	size_t max_body;
	size_t head_cursor;
	struct file_out file;
	struct evbuffer *held; /* NULL: nothing is held back */
	size_t lingered;
	int tag;
	bool tls, ready;   /* ready: handshake done */
	bool head_started; /* the head deadline runs, else the idle one */
	bool chunked, body_done, request_called;
	bool eof;      /* the client will send nothing more */
	bool stalling; /* the stall timer runs */
	bool paused;   /* body() took less than it was given */
	bool paused_in_window;
	bool reading;
	bool keep_alive; /* after the current answer */
	bool unread;     /* the client may still be sending what nobody reads: linger */
	bool reset;      /* close hard: the answer cannot be completed */
	bool wrote;      /* progress since the stall timer was set */
	char peer[64];
};

struct http_req {
	struct conn *conn; /* NULL once the client is gone or the answer complete */
	struct arena *arena;
	struct http_head head;
	const char *body;
	size_t body_len;
	struct evbuffer *collecting;
	void *data;
	void (*drained)(struct http_req *r, void *arg);
	void *drained_arg;
	struct buf extra; /* header lines added by the program */
	int64_t length;   /* announced by begin; -1 = chunked */
	int64_t hold_us;  /* of its answer; 0: not at all */
	uint64_t written;
	int tag;
	bool tls, begun, chunk_framed, no_body;
	char peer[64];
};

struct http_listener {
	LIST_ENTRY(http_listener) link;
	struct http_server *server;
	struct evconnlistener *ev;
	struct timer retry; /* after accept(2) failed for want of descriptors */
	SSL_CTX *tls;
	char *cert_file, *key_file, *client_ca_file;
	char *unix_path;
	int tag;
};

struct http_server {
	struct loop *loop;
	struct http_handler handler;
	void *arg;
	struct http_limits limits;
	struct http_head_limits head_limits;
	struct http_stats stats;
	LIST_HEAD(, conn) conns;
	LIST_HEAD(, http_listener) listeners;
	struct address_count *addresses;
	struct tarpit tarpit;
	bool draining;
	struct timer drain_timer;
	struct deferred drain_check;
	void (*drained)(void *);
	void *drained_arg;
	int64_t date_s; /* second that `date` was made for */
	char date[40];
};

/* conn.c */
void http_conn_new(struct http_server *s, int fd, SSL *ssl, const struct sockaddr *peer, struct address_count *address, int tag);
void http_conn_free(struct conn *c);  /* now; not from its own callbacks */
void http_conn_close(struct conn *c); /* stops everything, frees on the next turn */
void http_conn_evict(struct conn *c); /* the same with a reset, so that the kernel keeps nothing for a peer that does not read */
void http_conn_refuse(struct conn *c, int status, const char *reason);
void http_conn_refuse_size(struct conn *c); /* 413, with the limit */
void http_conn_answered(struct conn *c);    /* the current answer is complete in the output queue */
void http_conn_advance_soon(struct conn *c);
void http_conn_hold(struct conn *c, int64_t us); /* the current answer is complete in c->held */
void http_conn_drain(struct conn *c);            /* the server stops: idle ones close, what is held back leaves */
size_t http_conn_queued(const struct conn *c);

/* body.c */
void body_begin(struct conn *c);  /* before head(): what is to come */
void body_start(struct conn *c);  /* after it: the rate window, 100-continue */
void body_step(struct conn *c);   /* consumes input; may end in CONN_WAIT, a refusal or a pause */
void body_window(struct conn *c); /* the rate window is over */

/* request.c */
struct http_req *req_new(struct conn *c);
void req_free(struct http_req *r);

/* reply.c */
void reply_file_pump(struct conn *c); /* on TLS: next piece when the queue is low */
void reply_write_error(struct conn *c, int status, const char *reason);

/* server.c */
int server_conn_admit(struct http_server *s, const struct sockaddr *peer, struct address_count **ret); /* -1: over a cap */
void server_conn_refund(struct http_server *s, struct address_count *address); /* admitted, but no connection was made */
void server_conn_gone(struct http_server *s, struct address_count *address);
const char *server_date(struct http_server *s);

/* listen.c */
void listener_free(struct http_listener *ls);

/* tls.c */
int tls_context_new(const struct http_tls *files, SSL_CTX **ret, struct err *err);
struct bufferevent *tls_accept(struct loop *l, int fd, SSL *ssl);
void tls_close_notify(struct bufferevent *bev);

#endif
