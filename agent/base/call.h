/* A call: one request inside a module. Made on the loop's thread by front.c with everything copied that a handler may ask for,
 * worked on by one worker, answered on the loop's thread again. The first member is what the module sees. */
#ifndef BERTH_NATIVE_CALL_H
#define BERTH_NATIVE_CALL_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/queue.h>

#include <berth/module.h>

#include "pool.h"

struct arena;
struct biz;
struct http_req;

enum { CALL_PARAMS = 16, CALL_HEADERS = 32 };

struct call_pair {
	const char *name, *value;
};

struct call {
	struct berth_call pub; /* first: handlers get a pointer to it */
	struct job job;
	TAILQ_ENTRY(call) link; /* in biz.queue */
	struct arena *arena;    /* of the call; whoever works on it owns it */
	struct http_req *req;   /* loop thread only, except for constant head fields */
	struct biz *biz;
	const struct berth_route *route;
	struct call_pair params[CALL_PARAMS];
	unsigned n_params;
	struct call_pair *query;
	size_t n_query;
	void (*finished)(struct call *c); /* on the loop's thread when the handler returned; owns the call */
	void *owner;

	size_t max_reply;
	bool replied, too_large;
	int status;
	const char *type;
	struct call_pair headers[CALL_HEADERS];
	unsigned n_headers;
	void *body; /* malloc'ed */
	size_t body_size;
};

struct call *call_new(struct http_req *req, struct biz *biz, const char *subpath, size_t max_reply);
void call_free(struct call *c);
/* Does pattern fit subpath? Fills params ({name} and *). */
bool call_match(struct call *c, const char *pattern);

/* The module's side (struct berth_host). */
const char *call_param(struct berth_call *call, const char *name);
const char *call_query(struct berth_call *call, const char *name);
const char *call_header(struct berth_call *call, const char *name);
void call_add_header(struct berth_call *call, const char *name, const char *value);
void call_reply(struct berth_call *call, int status, const char *type, const void *body, size_t size);

#endif
