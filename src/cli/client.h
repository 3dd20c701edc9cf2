/* Requests to the server: addresses in turn, retries of what is safe (with one Idempotency-Key for all tries), errors as problems.
 *
 * client_call() is for the straight line of a command: it runs the loop until the answer is there. client_start() and client_stream()
 * are for followers, who run the loop themselves. Completions run exactly once, never before the start returned. */
#ifndef BERTH_CLI_CLIENT_H
#define BERTH_CLI_CLIENT_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/clock.h"

struct cli;
struct client;
struct err;
struct exchange;
struct fetch;
struct fetch_result;

struct request {
	const char *method; /* "GET", "POST", "PATCH", "PUT", "DELETE" */
	const char *path;   /* "/v1/…", encoded */
	const char *query;  /* encoded, without '?'; NULL or "" = none. The tenant is added here */
	const json_t *body; /* NULL = none */
	const char *key;    /* Idempotency-Key; NULL: one is made for a change */
	const char *accept; /* NULL = JSON */
	/* A body from a file: bytes come from read(), rewind() starts it over for another try. Copied pointers must live until done. */
	int (*read)(void *arg, char *buf, size_t n);
	int (*rewind)(void *arg);
	void *read_arg;
	int64_t size;
	int64_t total_us; /* of one try; 0 = 60 s (none with read) */
	bool quiet;       /* client_stream: nothing may come for as long as it likes; else a minute of silence ends it */
};

struct reply {
	int status;         /* HTTP status, 0 when none arrived */
	json_t *json;       /* NULL when the body is none */
	struct buf text;    /* the body when it is no JSON */
	int64_t elapsed_us; /* of the try that was answered */
};
void reply_deinit(struct reply *r);
#define REPLY_AUTO __attribute__((cleanup(reply_deinit))) struct reply

int client_new(const struct cli *c, struct client **ret, struct err *err);
void client_free(struct client *cl);

/* 0 for a 2xx. Otherwise the server's error (its code, its detail; *ret holds the problem document), or E_UNAVAILABLE when no server
 * answered in time. ret must be released either way; it may be NULL when the answer does not matter. */
int client_call(struct client *cl, const struct request *q, struct reply *ret, struct err *err);

/* The same without running the loop. r may be taken by setting the pointers in it to NULL; it is released after done. */
typedef void (*client_done_fn)(void *arg, struct reply *r, const struct err *err);
struct exchange *client_start(struct client *cl, const struct request *q, client_done_fn done, void *arg);
void client_cancel(struct exchange *x); /* done follows with E_CANCELLED */

/* One try at the current address; on_piece gets the bytes of a 2xx as they come. done's err is NULL when the stream ended by itself;
 * an answer that is no 2xx is an error like those of client_call. */
struct stream;
struct stream *client_stream(struct client *cl, const struct request *q, int (*on_piece)(void *arg, const char *p, size_t n),
    void (*done)(void *arg, const struct err *err), void *arg);
void client_stream_cancel(struct stream *s);
void client_rotate(struct client *cl); /* the next address from now on */

/* All items of reply field `key` in one array. pages: the list has them; they are walked to the end. */
int client_list(struct client *cl, const char *path, const char *query, const char *key, bool pages, json_t **ret, struct err *err);

const char *client_address(const struct client *cl); /* the one in use: "http://127.0.0.1:7777" */
size_t client_addresses(const struct client *cl);
const char *client_address_at(const struct client *cl, size_t i);

/* One try at one address, without a token, whatever the others say. */
struct probe {
	int status;
	int64_t elapsed_us;
	char date[40], text[256]; /* Date header or ""; beginning of the body */
};
int client_probe(struct client *cl, size_t i, const char *path, struct probe *ret, struct err *err);

/* The problem document of the last error that came from a server; NULL when the last error was our own. */
const json_t *client_problem(const struct client *cl);

#endif
