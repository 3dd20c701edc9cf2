/* Inside the brain: its parts and how they call each other. Only brain*.c and op*.c include this.
 *
 *   brain.c         inputs, deadlines, life and death
 *   brain_effect.c  the two queues of effects
 *   brain_server.c  what the server says: welcome, ticks, commands, acknowledgements
 *   brain_base.c    the base's life: probing, restoring, polling, crashes
 *   brain_report.c  what the server is told
 *   brain_held.c    what the base holds, as arklet said last
 *   op.c, op_step.c one operation on one module, from its artifact to its outcome */
#ifndef BERTH_AGENT_BRAIN_INT_H
#define BERTH_AGENT_BRAIN_INT_H

#include <sys/queue.h>

#include "base/mutant.h"
#include "base/rng.h"
#include "brain.h"
#include "state.h"

struct arena;

enum phase {
	PHASE_OFF,     /* no process; starting one was asked for, or nothing was yet */
	PHASE_PROBING, /* waits until arklet answers */
	PHASE_LISTING, /* arklet answers: what does it hold? */
	PHASE_UP,
	PHASE_BACKOFF, /* died; waits before the next start */
	PHASE_STOPPING,
	PHASE_ENDED
};

struct held {
	TAILQ_ENTRY(held) link;
	char *module, *version;
	enum arklet_state state;
	char *cause, *context_path;
	int64_t failures;
	bool absent; /* not on the base: remembered because its install failed */
	bool dirty;  /* the server was not told yet */
	bool seen;   /* by the listing that is being taken over */
};
TAILQ_HEAD(held_list, held);

struct gone {
	TAILQ_ENTRY(gone) link;
	char *module, *version;
};
TAILQ_HEAD(gone_list, gone);

enum op_kind { OP_INSTALL, OP_UNINSTALL, OP_SWITCH, OP_BEFORE_SWAP, OP_AFTER_SWAP };
enum op_step {
	OP_QUEUED,
	OP_ASKING, /* queryAllBiz: what is there? */
	OP_INSTALLING,
	OP_REMOVING,
	OP_SWITCHING,
	OP_HOOKING, /* a command of ours runs */
	OP_BATCHED, /* in one call with others; op_batch.c */
	OP_PAUSED,  /* until `at`, then `resume` */
};
enum op_fetch { FETCH_NONE, FETCH_WAITING, FETCH_THERE, FETCH_FAILED };

struct failure { /* of an operation; strings on the heap */
	char *code, *cause;
	Berth__V1__Fault fault;
	bool retryable;
};

struct op {
	TAILQ_ENTRY(op) link;
	enum op_kind kind;
	enum op_step step, resume;
	bool restore;  /* our own doing: no command, no outcome */
	bool doubtful; /* ask before anything is sent: an earlier attempt may have had an effect */
	bool activate;
	bool removed_first;  /* a broken or differing one of that name and version went before */
	bool remove_refused; /* removing it was answered with an error; it may be gone all the same */
	bool undoing;        /* it has failed, as failure says, and what it put in goes out again */
	bool repeated;       /* REPEAT_BIZ was the answer */
	bool lost_artifact;  /* it had to be fetched a second time */
	unsigned attempts;   /* calls with an effect that were sent */
	int64_t command;     /* operations of one command run in its order */
	int64_t generation, task;
	Berth__V1__WantedModule *module;
	char *hook, *hook_context, *hook_key;
	char *remove_module, *remove_version; /* REMOVING something else than asked: what a wrong manifest installed */
	enum op_fetch fetch;
	int64_t fetch_us;
	mono_t fetch_at; /* restore: try the fetch again; MONO_NEVER */
	int64_t fetch_backoff_us;
	struct failure fetch_failure, failure;
	int64_t call; /* outstanding, or 0 */
	bool began;   /* nothing before it in its way: the deadline runs */
	mono_t since, deadline, at;
	int64_t timeout_us, pause_us;
	int64_t memory_bytes;
	int64_t metaspace_growth; /* -1: not known, or something else ran beside it */
	bool alone;
	bool single; /* not in a batch: it was, and did not go in */
	char *output;
};
TAILQ_HEAD(op_list, op);

struct pull {
	TAILQ_ENTRY(pull) link;
	int64_t id;
	char *sha256;
	bool ahead; /* asked for by a plan of the server, which is told */
	int64_t plan, slot;
}; /* an artifact on its way */
TAILQ_HEAD(pull_list, pull);

struct node; /* a queued effect */
TAILQ_HEAD(node_list, node);

struct waiting {
	TAILQ_ENTRY(waiting) link;
	Berth__V1__Command *command;
}; /* came outside of the lease */
TAILQ_HEAD(waiting_list, waiting);

#define MAX_DEATHS 16

struct brain {
	struct brain_config cfg;
	Berth__V1__Hello *who;
	Berth__V1__AgentState *state;
	struct rng rng;
	mono_t now;
	int64_t last_id;

	/* effects */
	struct node_list ordered, urgent;
	struct node *current;
	bool dirty, persisting, persist_failed;
	int64_t state_serial, durable_serial, writing_serial;
	mono_t persist_at;
	uint8_t *writing;

	/* server */
	bool linked, welcomed, joined_once, key_refused;
	int64_t lease_us, heartbeat_us;
	mono_t tick_at, heartbeat_at, witness_at;
	char goodbye[256]; /* why it stops; empty: it does not */
	struct waiting_list waiting;
	size_t n_waiting;

	/* reports to come */
	Berth__V1__Outcome **outcomes;
	size_t n_outcomes;
	bool facts_dirty, full_due;

	/* base */
	enum phase phase;
	mono_t phase_since, at, kill_at, poll_at, repair_at;
	int64_t backoff_us, restart_backoff_us, repair_backoff_us, base_call, memory_bytes;
	double run_time_s;
	bool polling, ready, adopted, baseline_due, crash_loop, noted, start_asked;
	unsigned poll_failures;
	int exit_status;
	char *note;
	Berth__V1__BaseMemory *memory; /* as it last said; NULL: it did not */
	bool measuring_blurred;        /* modules come or go while it is asked */
	mono_t deaths[MAX_DEATHS];
	size_t n_deaths;
	char *fresh_module, *fresh_version; /* changed last by a command */
	mono_t fresh_at;

	unsigned commands; /* bits of what /help lists; 0: not asked yet in this life */
	int64_t help_call;

	struct held_list held;
	struct gone_list gone;
	struct op_list ops;
	bool ops_running, ops_again;
	struct pull_list pulls;
};

/* effects */
void effects_init(struct brain *b);
void effects_deinit(struct brain *b);
void effect_persist(struct brain *b); /* the state changed: what is queued from now on waits until it is durable */
void effect_send(struct brain *b, const Berth__V1__AgentMessage *m, bool urgent); /* copied */
void effect_simple(struct brain *b, enum brain_effect_kind kind);
void effect_drop_link(struct brain *b, bool slow);
void effect_exit(struct brain *b, int status);
int64_t effect_call(struct brain *b, enum arklet_command c, const Berth__V1__WantedModule *m, int64_t timeout_us);
int64_t effect_batch(struct brain *b, const Berth__V1__WantedModule *const *modules, size_t n, int64_t timeout_us);
int64_t effect_hook(struct brain *b, const struct op *op, const char *kind, int64_t timeout_us);
int64_t effect_fetch(struct brain *b, const Berth__V1__WantedModule *m);
void say(struct brain *b, enum log_level level, const char *fmt, ...) __attribute__((format(printf, 3, 4)));

/* held */
struct held *held_find(const struct brain *b, const char *module, const char *version);
struct held *held_active(const struct brain *b, const char *module);
struct held *held_set(struct brain *b, const char *module, const char *version, enum arklet_state state, const char *cause);
void held_drop(struct brain *b, struct held *h, bool tell);
void held_clear(struct brain *b, bool keep_absent);
void held_take(struct brain *b, const struct arklet_reply *list); /* the whole truth; differences become dirty or gone */
void held_switched(struct brain *b, const char *module, const char *version);
uint64_t held_sum(const struct brain *b);
Berth__V1__HeldModule *held_message(struct brain *b, const struct held *h, struct arena *a);

/* reports */
void report_facts(struct brain *b);                                /* ready, running, crash loop changed */
void report_outcome(struct brain *b, const Berth__V1__Outcome *o); /* stored and told */
void report_seal(struct brain *b);                                 /* at the end of each input */
void report_hello(struct brain *b);
void report_resend(struct brain *b);
void report_heartbeat(struct brain *b);
void report_prefetched(struct brain *b, int64_t plan, int64_t slot, const struct brain_fetched *f);
void report_forget_changes(struct brain *b); /* the Hello tells everything */

char *clean_text(struct arena *a, const char *s, size_t max); /* valid UTF-8 of at most max bytes, on lines; NULL stays NULL */

/* server */
void server_tick(struct brain *b);
void server_message(struct brain *b, const Berth__V1__ServerMessage *m);
void server_drop_waiting(struct brain *b);

/* base */
void base_begin(struct brain *b, bool adopted);
void base_tick(struct brain *b);
mono_t base_deadline(const struct brain *b);
void base_answered(struct brain *b, const struct brain_answer *a);
void base_exited(struct brain *b, const struct brain_exit *x);
void base_stop(struct brain *b, int status);
void base_check_ready(struct brain *b);
void base_changes(struct brain *b);
void base_restore(struct brain *b); /* operations for all that is wanted and not there */
void base_note(struct brain *b, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
int64_t base_identity(const struct brain *b);

/* batches of a baseline */
void batch_run(struct brain *b);         /* begins one when there is what to put in */
bool batch_holds(const struct brain *b); /* what the base can do is being asked: restores wait */
void batch_helped(struct brain *b, const struct brain_answer *a);
void batch_answered(struct brain *b, int64_t call, const struct brain_answer *a);

/* operations */
struct op *op_new(struct brain *b, enum op_kind kind, const Berth__V1__WantedModule *m);
void op_free(struct brain *b, struct op *op);
struct op *op_by_generation(const struct brain *b, int64_t generation);
struct op *op_restoring(const struct brain *b, const char *module, const char *version);
void ops_run(struct brain *b); /* starts what may start */
void ops_tick(struct brain *b);
mono_t ops_deadline(const struct brain *b);
void ops_fetch_now(struct brain *b);
void ops_base_gone(struct brain *b); /* answers will not come: back into the queue */
bool ops_sha_used(const struct brain *b, const char *sha256);
size_t ops_restoring(const struct brain *b);
bool ops_changing(const struct brain *b);
bool op_called(const struct op *op); /* it has been told to the base */
void op_fetch(struct brain *b, struct op *op);
void fetch_ahead(struct brain *b, const Berth__V1__WantedModule *m, int64_t plan, int64_t slot);
void op_fetched(struct brain *b, int64_t id, const struct brain_fetched *f);
void op_begin(struct brain *b, struct op *op);
void op_answered(struct brain *b, struct op *op, const struct brain_answer *a);
void op_go(struct brain *b, struct op *op, enum op_step step);
void op_installed(struct brain *b, struct op *op, const struct arklet_reply *r); /* a call that installed it was answered with success */
void op_fail(struct brain *b, struct op *op, const char *code, Berth__V1__Fault fault, bool retryable, const char *cause);
void op_succeed(struct brain *b, struct op *op, const char *code, const char *state);
void failure_set(struct failure *f, const char *code, Berth__V1__Fault fault, bool retryable, const char *cause);
void failure_clear(struct failure *f);

static inline bool due(mono_t at, mono_t now) {
	return at.us <= now.us;
}
static inline mono_t mono_min(mono_t a, mono_t b) {
	return a.us < b.us ? a : b;
}

#endif
