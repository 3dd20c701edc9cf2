/* Outbound HTTP on the loop (libcurl multi). Reads header-less answers up to EOF, as stock arklet sends them.
 * Completion: done runs exactly once, never before fetch_start returned, also on cancel and time-out. */
#ifndef BERTH_LOOP_FETCH_H
#define BERTH_LOOP_FETCH_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct loop;
struct err;
struct fetcher; /* connection pool and limits; one per program */
struct fetch;

struct fetch_spec {
	const char *method;         /* "GET", "POST", … */
	const char *url;            /* http and https only */
	const char *const *headers; /* NULL-terminated "Name: value" lines, or NULL */
	const void *body;
	size_t body_len; /* copied */
	int (*read_body)(void *arg, char *buf,
	    size_t n); /* or streamed: bytes put in buf, 0 = end, -1 = abort; body_len = total or SIZE_MAX (chunked) */
	int64_t connect_us, idle_us, total_us; /* time-outs; 0 = none. idle: no byte either way for so long */
	int64_t answer_idle_us;                /* the same once the answer has begun: for servers that think long and then say it all */
	size_t max_body;                       /* answer larger than this fails with E_TOO_LARGE; 0 = 16 MiB, or no limit with on_body */
	bool fresh_connection;                 /* one request per connection */
	bool no_redirect; /* default: follow up to 5, same scheme; libcurl keeps back no more than Authorization and Cookie from another
	                     host, so who sends any other secret follows by itself */
	const char *ca_file;
	const char *cert_file, *key_file; /* our own, PEM, for servers that ask who we are; both or none */
	const char *unix_socket;
	bool insecure;
	const char *proxy;    /* NULL: none, whatever http_proxy says in the environment */
	uint64_t resume_from; /* sends Range: bytes=N- */
	/* streaming: called with each piece instead of collecting; non-zero aborts the transfer with E_CANCELLED */
	int (*on_body)(void *arg, int status, const void *p, size_t n);
};

struct fetch_result {
	int status; /* HTTP status; 0 when none arrived */
	const char *body;
	size_t body_len;                                                 /* NUL-terminated beyond its length; valid during done */
	const char *content_type, *etag, *location, *retry_after, *date; /* or NULL */
	const char *redirect; /* the whole URL that an answer sends to which was not followed; or NULL */
	uint64_t bytes;       /* body bytes received */
	int64_t elapsed_us;
	bool sent; /* false: not a byte of the request left, so trying again is safe whatever it asked for */
};

/* err NULL when an HTTP answer arrived whole (whatever its status); else E_TIMEOUT, E_IO, E_TOO_LARGE, E_CANCELLED, E_PROTOCOL. */
typedef void (*fetch_done_fn)(void *arg, const struct fetch_result *res, const struct err *err);

int fetcher_new(struct loop *l, struct fetcher **ret, struct err *err);
void fetcher_free(struct fetcher *f); /* cancels what runs: done is called from within; not from a callback of its own */
/* The spec and its strings are copied; what read_body and on_body need must live until done. Never NULL.
 * May be called from any callback, those of other fetches included. */
struct fetch *fetch_start(struct fetcher *f, const struct fetch_spec *spec, fetch_done_fn done, void *arg);
void fetch_cancel(struct fetch *x); /* done follows with E_CANCELLED, on a later turn */

#endif
