/* The conductor of a cell: inputs (requests, reports, timers) → decisions on the fleet → one commit → only then replies and commands.
 *
 * One thread, no sockets, no SQL, no protobuf beyond plain messages of the agent protocol. Time, randomness, ledger and driver are handed
 * in, so that the same code runs in the server and in the simulation.
 *
 * The host calls core_turn() soon after core_env.wake() and when core_deadline() is reached. */
#ifndef BERTH_CORE_CORE_H
#define BERTH_CORE_CORE_H

#include "base/clock.h"
#include "base/err.h"
#include "model/fleet.h"

#include <sys/queue.h>

struct core;
struct ledger;
struct driver;
struct outbound;
struct rng;

struct core_config {
	const char *node;                    /* this server's id in the lease: host:pid:random */
	const char *rest, *rpc;              /* addresses told to standbys and agents */
	const char *const *servers;          /* gRPC addresses of the cell, NULL-terminated (at least our own) */
	const char *artifacts;               /* URL prefix told to agents */
	const char *plain_artifacts;         /* the same for bases without an agent, which check no certificate of ours; NULL = artifacts */
	int64_t lease_us, renew_us, stop_us; /* 10 s, 3 s, 7 s */
	int64_t silent_us, lost_us, replace_us; /* 30 s, 60 s, +5 min */
	int64_t forget_us;                      /* 24 h */
	int64_t heartbeat_us;                   /* 10 s */
	int64_t max_rows;                       /* per commit: 10000 */
	int64_t keep_revisions;                 /* 10 */
	int64_t idempotency_us;
	int64_t max_idempotency; /* 24 h; per tenant 100000 */
	int64_t in_flight;       /* per cell: 64·n; per base 4 */
	int64_t in_flight_base;
	int64_t set_aside;                                /* a base after so many failed installs in a row: 3; 0 = never */
	int64_t base_events;                              /* 60 a minute and base, on average: what it may set off by itself */
	int64_t repair_backoff_us, repair_backoff_max_us; /* 1 s … 5 min */
};
void core_config_defaults(struct core_config *c);

struct core_env {
	struct clock clock;
	struct rng *rng;
	struct ledger *ledger;
	struct driver *driver;
	struct outbound *outbound; /* NULL: plans can ask nobody, and their gates over HTTP hold until their time is over */
	void (*wake)(void *arg);   /* core has work: call core_turn() soon, not from inside */
	void *arg;
	uint64_t *transitions; /* counts per row of lifecycle.def (model/lifecycle.h); NULL: not counted */
};

int core_new(const struct core_env *env, const struct core_config *cfg, struct core **ret, struct err *err);
/* The end: callers are answered, nothing is decided or sent any more. What the ledger has under way may still be completed, so the ledger
 * goes between the two. */
void core_end(struct core *c);
void core_free(struct core *c);
/* Competes for the lease; once it holds it, loads and becomes active. */
void core_start(struct core *c);
/* Hands over: finishes the open commit, releases the lease; done when nothing is in flight. New operations get E_UNAVAILABLE at once. */
void core_stop(struct core *c, void (*done)(void *arg), void *arg);
void core_turn(struct core *c); /* at most 10 ms; wakes itself when more is to do */
mono_t core_deadline(const struct core *c);

enum core_mode {
	CORE_STARTING, /* nothing known yet, or not any more */
	CORE_STANDBY,  /* another server is active: core_peer() */
	CORE_LOADING,
	CORE_ACTIVE,
	CORE_AWAY,      /* active, but the ledger does not answer: writes 503, reads of the model 503 */
	CORE_READ_ONLY, /* P13: the ledger is older than what was witnessed; until core_accept_older() */
	CORE_STOPPING,
};
struct core_state {
	enum core_mode mode;
	bool ready; /* answers writes now */
	int64_t epoch, last_event;
	char cell[37];
	char reason[256];                   /* of AWAY and READ_ONLY */
	char peer_rest[128], peer_rpc[128]; /* STANDBY: where the active one is, read less than 1 s ago; "" otherwise */
	int64_t peer_age_us;
	wall_t started;
};
void core_state(const struct core *c, struct core_state *ret);
void core_on_state(struct core *c, void (*fn)(void *arg, const struct core_state *s), void *arg); /* after each change of mode */

/* ---- operations ------------------------------------------------------------------------------------------------------------------ */
/* One request. apply() runs on a turn, on the live fleet: it validates first and changes nothing when it fails; it builds its answer from
 * the model as it then is. done() runs once, when everything apply() saw or did is committed (err NULL) or surely is not (err: what apply
 * returned, or 503/500). apply() may run again on a reloaded fleet before done(): it keeps no pointers into the fleet, and starts over. */
struct core_op {
	int (*apply)(struct core *c, struct core_op *op, struct err *err);
	void (*done)(struct core_op *op, const struct err *err);
	struct core_who { /* goes into every event and plan made by this op; strings outlive the op's done */
		int64_t tenant_id;
		const char *actor, *address, *reason, *link;
		bool force; /* although others require what goes away; the reason is needed then */
	} who;
	bool read;                 /* apply() changes nothing: also answered while the server is read-only */
	TAILQ_ENTRY(core_op) link; /* the core's */
	int tries;
};
void core_submit(struct core *c, struct core_op *op);

/* For apply(): */
struct fleet *core_fleet(struct core *c);
wall_t core_now(const struct core *c); /* one wall time per turn, never before an earlier one */
mono_t core_mono(const struct core *c);
const struct core_config *core_cfg(const struct core *c);
/* An event by the op's (or "berth"'s) hand; NULL fields are left out. at, number, actor, address, reason, link are filled. */
struct event_facts {
	const char *kind;
	const struct tenant *tenant; /* this one and the next: where nothing else says whom it concerns */
	const struct group *group;
	const struct base *base;
	const struct module *module;
	const struct version *version;
	const struct deployment *deployment;
	const struct plan *plan;
	const struct task *task;
	const struct instance *instance;
};
void core_event(struct core *c, const struct event_facts *f, const char *fmt, ...) __attribute__((format(printf, 3, 4)));

/* ---- committed events ------------------------------------------------------------------------------------------------------------- */
/* Runs after each commit with the events that just became true, in order. The rows are valid during the call. */
struct core_watch {
	void (*fn)(void *arg, const struct row_event *const *events, size_t n);
	void *arg;
	TAILQ_ENTRY(core_watch) link;
};
void core_watch_add(struct core *c, struct core_watch *w);
void core_watch_remove(struct core *c, struct core_watch *w); /* also from inside fn */

/* ---- P13 --------------------------------------------------------------------------------------------------------------------------- */
/* What the data directory witnessed earlier (before core_start). */
void core_witness(struct core *c, const char *cell, int64_t epoch, int64_t event);
/* The newest that was witnessed, by the data directory or by bases: to be kept while the ledger is older than it. */
void core_witnessed(const struct core *c, char ret_cell[37], int64_t *ret_epoch, int64_t *ret_event);
void core_accept_older(struct core *c, void (*done)(void *arg, const struct err *err), void *arg);

struct core_stats {
	uint64_t commits, rows, ops, retries, refused, reloads, commands, reports, turns_over;
	int64_t last_commit_us, max_commit_us, commit_us; /* commit_us: of all commits together */
	int64_t max_turn_us, max_turn_cpu_us; /* by the clock; by the CPU that the loop's thread got: each the most of any turn */
	int buried;                           /* fleets and copies that nobody looks at any more, and that are not freed yet */
};
void core_stats(const struct core *c, struct core_stats *ret);
struct ledger *core_ledger(struct core *c);
struct driver *core_driver(struct core *c);

#endif
