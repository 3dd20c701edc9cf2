/* Inside of REST. */
#ifndef BERTH_REST_INSIDE_H
#define BERTH_REST_INSIDE_H

#include <sys/queue.h>

#include "api/api.h"
#include "base/arena.h"
#include "core/core.h"
#include "http/server.h"
#include "loop/loop.h"
#include "rest/rest.h"

struct exchange;

#define HOP_HEADER "Berth-Hop" /* a standby passed this request on */

struct rest {
	struct loop *loop;
	struct api *api;
	struct core *core;
	struct rest_config config;
	struct http_server *http;
	unsigned n_proxied;
	LIST_HEAD(, proxy) proxied;
	struct proxy_tls *tls;
	uint64_t answers[6]; /* by hundred */
};

/* What a path leads to. */
enum route_kind {
	ROUTE_OP,
	ROUTE_UPLOAD,
	ROUTE_DOWNLOAD,
	ROUTE_LOGS,
	ROUTE_HEARTBEAT,
	ROUTE_BASELINE,
	ROUTE_LIVEZ,
	ROUTE_READYZ,
	ROUTE_METRICS,
	ROUTE_OPENAPI,
	ROUTE_PAGE
};
#define ROUTE_PARAMS 4
struct route {
	const char *method, *path;
	enum route_kind kind;
	const struct op_def *op;
};
struct route_match {
	struct route route;
	struct {
		const char *name;
		size_t name_len;
		const char *value;
	} params[ROUTE_PARAMS];
	size_t n;
};
/* E_NOT_FOUND names the nearest path; E_METHOD leaves the allowed methods in ret_allow ("GET, POST"). Strings are in the arena. */
int route_find(const char *method, const char *path, struct arena *a, struct route_match *ret, const char **ret_allow, struct err *err);
const char *route_param(const struct route_match *m, const char *name);

/* One request from head to answer; in the request's arena, its data. */
struct exchange {
	struct rest *rest;
	struct http_req *req;
	struct route_match match;
	const char *request_id, *bearer;
	struct api_call call;
	bool calling; /* the api has it */
	bool began;   /* a streamed answer is on its way */
	struct timer beat;
	bool has_beat;
	bool tarpit;  /* refused, and its address asks for too much of that: nothing that is worth a line in the log */
	int64_t skip; /* event numbers the client has seen (plan streams) */
	/* who works on the body or the answer besides the api; NULL = nobody */
	size_t (*on_body)(struct exchange *x, const void *p, size_t n);
	void (*on_end)(struct exchange *x);
	void (*on_gone)(struct exchange *x); /* the client left: ends in exchange_drop or an answer */
	void *work;
	int64_t started_us;
};

/* request.c */
int request_read(struct exchange *x, ProtobufCMessage **ret, struct err *err);
int query_only(struct exchange *x, const char *const *names, size_t n, struct err *err); /* of paths that are no operation */
void request_headers(struct exchange *x);
const char *bearer_of(const struct http_req *r, struct arena *a);
const char *request_id_of(struct http_req *r);
/* answer.c */
void answer_message(struct exchange *x, const ProtobufCMessage *m, int status, const char *location);
void answer_error(struct exchange *x, const struct err *err);
void answer_bytes(struct exchange *x, int status, const char *type, const void *p, size_t n);
void answer_headers(struct exchange *x); /* what every answer carries */
void exchange_close(struct exchange *x); /* before the req is consumed */
void exchange_drop(struct exchange *x);  /* no answer: the client is gone */
char *problem_text(struct arena *a, int status, const char *detail, const char **ret_type, void *arg);
/* call.c */
void call_start(struct exchange *x);
/* artifact.c */
void upload_head(struct exchange *x);
void download_start(struct exchange *x);
/* beat.c */
void beat_start(struct exchange *x);
/* logs.c */
void logs_start(struct exchange *x);
/* health.c, page.c */
void livez(struct exchange *x);
void readyz(struct exchange *x);
void metrics(struct exchange *x);
void openapi(struct exchange *x);
void page(struct exchange *x);
/* proxy.c */
bool proxy_wanted(struct exchange *x, struct err *err); /* true: forward; err filled: answer that */
void proxy_head(struct exchange *x);
int proxy_tls_new(const struct rest_config *config, struct proxy_tls **ret, struct err *err);
void proxy_tls_free(struct proxy_tls *t);

#endif
