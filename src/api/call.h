/* Inside of the api: one operation under way, and what handlers may use.
 *
 * Life: api_start → core_submit → apply (caller, tenant, stored answer, handler) → commit → [continue: history, bytes, another apply]
 * → [wait for the plan] → done. apply may run twice: everything a handler makes is in op->arena, which is new each time. */
#ifndef BERTH_API_CALL_H
#define BERTH_API_CALL_H

#include <sys/queue.h>

#include "api/api.h"
#include "api/credential.h"
#include "base/arena.h"
#include "berth/v1/api.pb-c.h"
#include "core/change.h"
#include "core/core.h"
#include "core/ledger.h"
#include "loop/loop.h"
#include "proto/json.h"
#include "proto/stamp.h"

struct api_op;
struct stream;
struct wait;
struct blobs;
struct upkeep;
struct reading;
struct remote;
struct dry;
struct dry_history;

/* Sets a scalar of a proto2 message together with its presence. */
#define PUT(m, field, value) ((m)->has_##field = 1, (m)->field = (value))

/* A list or map of the request that is to be set, to nothing as well (empty.c). */
#define GIVEN(list) ((list) != NULL)

typedef int (*op_handler)(struct api_op *op, struct err *err);

struct api_op {
	struct core_op core; /* first: core callbacks cast back */
	struct api *api;
	struct api_call *call; /* NULL once answered */
	bool cancelled, in_core, introduced;
	uint8_t bearer_hash[32];
	const Berth__V1__Meta *meta; /* of the request, or an empty one */
	struct arena *kept;          /* lives as long as the op: pages, reads of history */

	/* new at each apply */
	struct arena *arena;
	struct api_caller who;
	struct fleet *fleet; /* these two: inside apply only */
	struct tenant *tenant;

	/* what the handler leaves */
	ProtobufCMessage *reply;
	int status; /* 0 = by the flags of the operation */
	const char *location;
	int64_t wait_plan;           /* unfinished plan the answer is about */
	bool needs_person;           /* it stands still until somebody acts */
	int64_t seen_module;         /* of a dry run: whose history is read … */
	struct dry_history *history; /* … and what it was of those read so far */
	int64_t seen_event;          /* last event when it was applied */
	/* Runs after the commit instead of the answer; ends in op_again, op_finish or op_fail. */
	void (*then)(struct api_op *op);

	/* between steps */
	int step;
	struct page *page;
	void *state;     /* of the handler, in kept */
	struct dry *dry; /* the dry run under way */
	bool dry_over;   /* nothing more happens there; it is to be told */
	struct reading *reading;
	struct remote *fetching;
	void (*abort)(struct api_op *op); /* how to end what `then` started when the client leaves; runs once */
	struct stream *stream;
	struct wait *wait;
	struct deferred later;
	struct err later_err;
	TAILQ_ENTRY(api_op) link;
};
TAILQ_HEAD(op_queue, api_op);

struct api {
	struct loop *loop;
	struct core *core;
	struct api_config config;
	struct credentials credentials;
	struct arena *arena; /* config's strings, the OpenAPI document */
	struct op_queue ops;
	struct core_watch watch;
	int64_t committed; /* highest event number known to be committed */
	TAILQ_HEAD(, stream) streams;
	TAILQ_HEAD(, endpoint_watch) endpoint_watches;
	unsigned n_streams;
	TAILQ_HEAD(, wait) waits;
	struct blobs *blobs; /* artifact bytes; NULL without a cache folder */
	struct upkeep *upkeep;
	struct base_keys *keys;
	struct courier *courier;
	struct idem_counts *idem;
	bool draining;
	char *openapi;
	size_t openapi_len;
};

/* manifest.c: 0, and what `want` leaves out is in the row; or what its file says does not go with it. A package is for its base to check.
 */
int manifest_apply(struct api_op *op, const char *module, const Berth__V1__Version *want, struct row_version *row, struct err *err);
bool manifest_missing(const struct api_op *op, const Berth__V1__Version *want); /* its bytes are in the ledger only; at step 0 */
void manifest_bring(struct api_op *op);                                         /* a `then`: they come, and it is applied at step 1 */

/* api.c */
#define MAX_REASON 1024           /* bytes of why somebody does something */
void op_again(struct api_op *op); /* apply once more, with op->step set by the caller */
/* For domain operations that take the caller from the core instead of an argument: the core read it before the first apply found out who
 * calls. True: come back in the next apply (nothing else is to be done in this one). */
bool op_who_unknown(struct api_op *op);
void op_finish(struct api_op *op); /* answers with reply, or waits for the plan */
void op_answer(struct api_op *op); /* answers now */
void op_fail(struct api_op *op, const struct err *err);
void op_fail_later(struct api_op *op, const struct err *err); /* on a later turn */
op_handler op_handler_of(const struct op_def *def);

/* auth.c: both inside apply. */
struct base_keys;
struct base_keys *base_keys_new(void);
void base_keys_free(struct base_keys *k);
bool role_allows(enum role have, enum role least);
/* Fills who and tenant from a token's hash. may_be_new: a cell admin may name a tenant that is not there; then *ret_tenant is NULL. */
int caller_find(struct api *a, const uint8_t hash[32], bool has_bearer, enum role least, const char *tenant, bool may_be_new,
    struct arena *arena, struct api_caller *ret, struct tenant **ret_tenant, struct err *err);

/* idem.c: both inside apply. */
struct idem_counts;
struct idem_counts *idem_counts_new(void);
void idem_counts_free(struct idem_counts *k);
int idem_replay(struct api_op *op, bool *ret_found, struct err *err); /* fills the answer from the stored one */
void idem_store(struct api_op *op);

/* empty.c */
struct sha256;
int clear_apply(const struct api_call *call, const Berth__V1__Meta *meta, struct err *err); /* marks what meta.clear names as given */
void empty_digest(const struct api_call *call, struct sha256 *d); /* what is given as empty, which packed bytes do not show */

/* plan.c: the answer is the plan as the ledger has it. */
void plan_answer_from_history(struct api_op *op, int64_t id);
/* Leaves the plan as the answer of a change; NULL: nothing was to do. */
int plan_reply(struct api_op *op, const struct plan *p, const char *location, const char *note);

/* wait.c */
void wait_start(struct api_op *op, int64_t us);
void wait_cancel(struct api_op *op);
void waits_notify(struct api *a, const struct row_event *const *events, size_t n);
void waits_end(struct api *a);

/* stream.c */
struct event_filter {
	int64_t tenant_id, plan;
	const char *actor, *module, *base, *deployment, *kind;
	wall_t since, until;
};
enum stream_end { STREAM_ENDLESS, STREAM_UNTIL_PLAN_ENDS, STREAM_WHAT_IS_THERE };
void stream_start(struct api_op *op, const struct event_filter *f, int64_t after, bool check_age, enum stream_end end);
void stream_cancel(struct api_op *op);
void stream_more(struct api_op *op);
void streams_notify(struct api *a, const struct row_event *const *events, size_t n);
void streams_end(struct api *a);
void event_read(struct ledger_read *r, const struct event_filter *f);
bool event_matches(const struct event_filter *f, const struct row_event *e);

/* history.c: a read that is forgotten when the op ends first. */
void history_read(
    struct api_op *op, const struct ledger_read *spec, void (*fn)(struct api_op *op, struct ledger_rows *rows, const struct err *err));

/* page.c: lists. */
struct page {
	size_t limit, n, n_before; /* n_before: when this apply began */
	int64_t next;              /* id to go on after; 0 = from the start */
	int64_t next_before;
	int64_t walked;
	bool more;
	void **items;
};
int page_open(struct api_op *op, const Berth__V1__Page *p, struct err *err);
int64_t page_after(const struct api_op *op);
bool page_add(struct api_op *op, int64_t id, ProtobufCMessage *item); /* item NULL: filtered out. False: stop the walk */
/* After the walk: sets list and cursor of the reply (fields are found by name), or has the walk go on in another turn. */
void page_close(struct api_op *op, const ProtobufCMessageDescriptor *reply);
char *cursor_make(int64_t id, struct arena *a);
int cursor_read(const char *text, int64_t *ret, struct err *err);

/* lookup.c: by name; E_NOT_FOUND names the nearest and what there is. pointer "" for the path. */
struct module *find_module(struct api_op *op, const char *name, const char *pointer, struct err *err);
struct version *find_version(struct api_op *op, struct module *m, const char *name, const char *pointer, struct err *err);
struct group *find_group(struct api_op *op, const char *name, const char *pointer, struct err *err);
struct base *find_base(struct api_op *op, const char *name, const char *pointer, struct err *err);
struct deployment *find_deployment(struct api_op *op, const char *name, const char *pointer, struct err *err);
struct token *find_token(struct api_op *op, const char *name, struct err *err);
struct webhook *find_webhook(struct api_op *op, const char *name, struct err *err);
struct tenant *find_tenant(struct api *a, const char *name, struct err *err);
int check_sha256(const char *text, const char *pointer, struct err *err);
int check_media_type(const char *text, const char *pointer, struct err *err);             /* NULL is fine */
int check_etag(const struct api_op *op, int64_t etag, const char *what, struct err *err); /* If-Match */
int etag_wanted(const struct api_op *op, int64_t *ret, struct err *err);                  /* 0 = any */
int refuse_dry_run(const struct api_op *op, struct err *err);
bool pairs_check(Berth__V1__Entry *const *v, size_t n, bool labels, const char *pointer, struct err *err); /* true when fine */
char *entries_json(Berth__V1__Entry *const *v, size_t n, struct arena *a);

/* view_*.c: model to message, in the arena. */
Berth__V1__Artifact *view_artifact(const struct artifact *x, struct arena *a);
Berth__V1__Module *view_module(const struct module *x, struct arena *a);
Berth__V1__Version *view_version(const struct version *x, struct arena *a);
Berth__V1__BaseGroup *view_group(const struct group *x, struct arena *a);
Berth__V1__Base *view_base(const struct base *x, struct arena *a);
Berth__V1__Account *view_account(struct api_op *op, const struct instance *i);
/* Fills p->report when it ended, from row_task_sum of QUERY_PLAN_SUMS. */
void plan_report(Berth__V1__Plan *p, const struct ledger_rows *sums, struct arena *a);
Berth__V1__Instance *view_instance(const struct instance *x, struct arena *a);
Berth__V1__Finding *view_finding(struct fleet *f, const struct finding *x, struct arena *a);
Berth__V1__Token *view_token(const struct token *x, struct arena *a);
Berth__V1__Webhook *view_webhook(const struct webhook *x, struct arena *a);
Berth__V1__Deployment *view_deployment(struct api_op *op, const struct deployment *x, bool waits, struct arena *a);
Berth__V1__Revision *view_revision(const char *deployment, const char *version, const struct row_revision *r, struct arena *a);
Berth__V1__Plan *view_plan(struct api_op *op, const struct plan *x, bool whole, struct arena *a);
void view_plan_sums(Berth__V1__Plan *m); /* basesTotal, basesDone, basesFailed from its batches */
Berth__V1__Plan *view_plan_row(const char *tenant, const struct row_plan *r, struct arena *a);
Berth__V1__PlanChange *view_change(const struct row_plan_change *r, struct arena *a);
Berth__V1__Batch *view_batch(const struct row_batch *r, struct arena *a);
Berth__V1__Task *view_task(const struct row_task *r, struct arena *a);
Berth__V1__Plan *view_dry_run(const struct api_op *op, const struct dry_run *d, struct arena *a);
Berth__V1__Event *view_event(const char *tenant, const struct row_event *r, struct arena *a);
void view_waiting(const struct waiting *w, size_t n, struct arena *a, Berth__V1__Waiting ***ret, size_t *ret_n);
long long deployment_target(const struct deployment *d); /* instances it asks for: its replicas, or what "all" means now */
Berth__V1__Amount *view_amount(struct amount v, struct arena *a);
Berth__V1__Amount *view_replicas(int64_t n, struct arena *a);
Berth__V1__Strategy *view_strategy(const struct strategy *s, struct arena *a); /* NULL when nothing is given */
void view_pairs(const char *json, struct arena *a, Berth__V1__Entry ***ret, size_t *ret_n);
void view_strings(const char *json, struct arena *a, char ***ret, size_t *ret_n);
char *view_text(const char *s, struct arena *a); /* NULL for "" */

/* spec.c: message to model. */
int if_busy_read(const struct api_op *op, enum if_busy *ret, struct err *err);
/* Dry runs (dry.c): the answer to the op, after a few turns. */
int dry_run(struct api_op *op, const struct deploy_spec *specs, size_t n, struct err *err);
/* One of many: *ret is NULL, and the op to be applied again with the same spec, until it is over; op->then where something is read before.
 */
int dry_run_of_many(struct api_op *op, const struct deploy_spec *spec, struct dry_run **ret, struct err *err);
void dry_drop(struct api_op *op); /* the one under way */
/* Endpoints (endpoint.c) and watching them (endpoint_watch.c). */
struct endpoint_filter {
	const struct module *module;
	const struct base *base;
	const struct deployment *deployment;
	bool has_ready, ready;
};
int endpoint_filter_read(struct api_op *op, const Berth__V1__ListEndpointsRequest *r, struct endpoint_filter *f, struct err *err);
bool endpoint_selected(const struct api_op *op, const struct endpoint_filter *f, const struct instance *i);
Berth__V1__Endpoint *view_endpoint(const struct instance *i, struct arena *a);
void endpoint_watch_more(struct api_op *op);
void endpoint_watches_notify(struct api *a); /* after each commit */
void endpoint_watches_end(struct api *a);
/* What the server will call, a URL or (not whole) a path: its length and characters, and no user or password in it. E_INVALID. */
int called_url_check(const char *v, int most, bool whole, const char *pointer, struct err *err);
int strategy_read(const Berth__V1__Strategy *m, const char *pointer, struct strategy *ret, struct err *err);
int deploy_read(struct api_op *op, const Berth__V1__Deployment *m, struct deploy_spec *ret, struct err *err);

/* blob.c, upload.c, download.c, remote.c: artifact bytes. */
int blobs_new(struct api *a, struct blobs **ret, struct err *err);
void blobs_free(struct blobs *b);
/* A URL into the ledger. done gets digest and size. Ends with the op through op->abort. The credential's header goes to the URL's own host
 * only, and only where the credential may go; redirects are followed without it to another one. */
void remote_fetch(struct api_op *op, const char *url, const char *credentials, const char *sha256,
    void (*done)(struct api_op *op, const char *sha256, int64_t size, const struct err *err));
/* Registers the bytes as an artifact of the tenant; the existing row when there is one. Inside apply. */
struct artifact *artifact_put(
    struct core *c, struct tenant *t, const char *sha256, int64_t size, const char *url, const char *credentials, const char *media_type);

/* courier.c: tells webhooks of what is committed. */
struct courier;
int courier_new(struct api *a, struct courier **ret, struct err *err);
void courier_free(struct courier *c);
void courier_events(struct courier *c, const struct row_event *const *events, size_t n);
void courier_state(struct courier *c, const struct core_state *s);

int upkeep_new(struct api *a, struct upkeep **ret, struct err *err);
void upkeep_free(struct upkeep *u);

#define OP(service, rpc, request, reply, role, http, path, body, flags, handler, summary) \
	int op_##handler(struct api_op *op, struct err *err);
#include "api/ops.def"
#undef OP

#endif
