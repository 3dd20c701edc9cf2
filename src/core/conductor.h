/* Private to src/core: the conductor's state and what its files call of each other.
 *
 *   core.c      life, turns, operations         commit.c   the open commit, the one in flight, what happens when it fails
 *   lease.c     who is active                   effect.c   replies and messages that wait for their commit
 *   hello.c     how bases join                  dispatch.c commands to bases
 *   held.c      what they hold                  report.c   what they report
 *   series.c    one input per commit, after a refused one
 *   liveness.c  silent, lost, forgotten         repair.c   restoring what is wanted, without a plan
 *   brake.c     many silent at once             setaside.c bases where installs fail
 *   budget.c    what one base may make us write  words.c    what it may say
 *   slots.c     who gets the next command slot of the cell
 *   conduct.c   the plan engine's environment   agenda.c   what is due when
 *   ask.c       questions of plans over HTTP
 *   hook.c      hooks around a swap that are URLs
 *   dry.c       what a change would do, on a copy  scratch.c  that copy
 *   deploy.c, fleetops.c, verbs.c, explain.c, account.c, evict.c    the domain operations of change.h */
#ifndef BERTH_CORE_CONDUCTOR_H
#define BERTH_CORE_CONDUCTOR_H

#include "base/arena.h"
#include "base/buf.h"
#include "base/log.h"
#include "base/mutant.h"
#include "base/rng.h"
#include "core/change.h"
#include "core/core.h"
#include "core/driver.h"
#include "core/inbound.h"
#include "core/ledger.h"
#include "core/slots.h"
#include "plan/plan.h"

#include <stdlib.h>
#include <string.h>

#define UNCONST(p) ((char *)(uintptr_t)(p)) /* rows hold char *; copies are made before anybody writes */
#define TURN_LIMIT_US (10 * US_PER_MS)
#define TURN_BUDGET_US (TURN_LIMIT_US / 2)
#define READS_BUDGET_US (TURN_LIMIT_US / 5)
#define PIECE_OBJECTS 250 /* freed beside it, between two looks at the clock */
#define PIECES_A_TURN 8
#define JOINS_US (20 * US_PER_MS) /* from one commit for which only bases that join wait to the next */
#define JOINS_ROWS 500            /* or as soon as so many rows are in it */
#define MAX_QUEUED_OPS 20000
#define MAX_ASIDE 16

/* ---- agenda ------------------------------------------------------------------------------------------------------------------------ */
enum agenda_kind { AGENDA_PLAN, AGENDA_TASK, AGENDA_BASE, AGENDA_REPAIR, AGENDA_FINDING };
struct agenda_item {
	mono_t due;
	enum agenda_kind kind;
	int64_t id;
};
struct agenda {
	struct agenda_item *items;
	size_t n, cap;
};
void agenda_add(struct agenda *a, mono_t due, enum agenda_kind kind, int64_t id);
bool agenda_pop(struct agenda *a, mono_t now, struct agenda_item *ret);
mono_t agenda_next(const struct agenda *a);
void agenda_clear(struct agenda *a);

/* ---- commits ----------------------------------------------------------------------------------------------------------------------- */
enum effect_kind { EFFECT_WELCOME, EFFECT_COMMAND, EFFECT_ACK, EFFECT_REFUSE, EFFECT_PREFETCH, EFFECT_ASK };
struct effect {
	enum effect_kind kind;
	struct driver_link *link;
	void *message;             /* packed for the driver, in the commit's arena */
	int64_t seq;               /* ACK; ASK: its number */
	int64_t plan_id, task_id;  /* ASK: whose it is, one of both */
	const char *code, *detail; /* REFUSE */
	bool final;
	TAILQ_ENTRY(effect) entry;
	UT_hash_handle hh;
};
struct applied {
	struct core_op *op;
	struct err err;
	TAILQ_ENTRY(applied) entry;
};
/* Everything that hangs on one commit. */
struct bundle {
	struct arena *arena;
	TAILQ_HEAD(applied_list, applied) ops;
	TAILQ_HEAD(effect_list, effect) effects;
	struct effect *latest; /* by link: the last of them that goes there */
	struct changeset *cs;
	struct core *core;
	bool in_ledger, dropped; /* commit() has it; nobody waits for it any more */
	bool joins, urgent;      /* bases join with it; somebody else waits for it */
	TAILQ_ENTRY(bundle) stray;
	mono_t begun;
};

/* Whose doing the next commit is, while commits are made one by one after a refused one (rule 5). */
enum culprit_kind { CULPRIT_NONE, CULPRIT_OP, CULPRIT_PLAN, CULPRIT_BASE };
struct culprit {
	enum culprit_kind kind;
	int64_t id;
};

struct lease {
	struct lease_view seen;
	mono_t seen_changed; /* when `seen` last differed */
	mono_t seen_read;    /* when it was last read */
	mono_t sent, next;   /* of the renewal under way; of the next action */
	mono_t valid_until;
	bool held, busy, releasing;
};

struct requirement;
TAILQ_HEAD(op_queue, core_op);
struct plan_id_queue {
	int64_t *ids;
	size_t next, n, cap;
}; /* ids[next … n-1] wait */

/* Which base speaks on a link: known from its hello until it is gone or the model is loaded again. */
struct linked {
	struct driver_link *link;
	int64_t base_id;
	UT_hash_handle hh;
};

struct core {
	struct core_env env;
	struct core_config cfg;
	struct fleet *fleet, *loading;
	enum core_mode mode;
	char reason[256];
	char cell[37];
	uint8_t grant_key[32]; /* of links to artifacts; this process's */
	bool has_grant_key;
	int64_t epoch;
	int64_t committed_event; /* the last that is in the ledger: what anybody may be told, and witness */
	struct lease lease;
	struct agenda agenda;
	struct op_queue waiting, reads; /* not applied yet: what may change something, and what only asks */
	size_t n_waiting;               /* in both */
	struct bundle *open, *flying;
	mono_t joins_next;              /* a commit for which only bases that join wait does not begin before */
	TAILQ_HEAD(, bundle) strays;    /* commits still in the ledger that we gave up */
	struct core_who who;            /* of the op being applied */
	struct base *hearing;           /* whose words are applied and set off events */
	const struct core_op *applying; /* whose `who` may become known only inside apply() */
	mono_t mono;
	wall_t wall; /* of this turn */
	struct plan_id_queue due_plans;
	struct task_queue ready; /* PENDING tasks that may be sent */
	struct slots slots;      /* and those that wait for a command slot */
	struct base_queue to_command;
	TAILQ_HEAD(, core_watch) watches;
	struct core_watch *watch_next;
	void (*on_state)(void *arg, const struct core_state *s);
	void *on_state_arg;
	int serial; /* commits still to be made one input at a time */
	struct culprit culprit, set_aside;
	char constraint[128]; /* of the last refused commit */
	int64_t aside[MAX_ASIDE];
	size_t n_aside; /* bases that are not heard */
	STAILQ_HEAD(, held_back) held_back;
	int n_held_back;
	struct linked *links;
	bool room;            /* some group is roomier */
	bool dropped_reports; /* more than could be held back: ask everybody again afterwards */
	bool older;           /* P13: nothing is written until a person accepted this ledger */
	bool turning, recovering, load_again;
	bool op_first; /* the next input is an operation, if one waits */
	bool missed;   /* effects fell away with the lease: every base is asked for a hello when it is good again */
	bool ended;    /* what the ledger still completes changes nothing */
	struct {
		char cell[37];
		int64_t epoch, event;
	} witness;              /* the newest that our data directory or any base has seen */
	int64_t accepted_epoch; /* witnesses of earlier epochs were accepted as lost by a person */
	void (*accepted)(void *arg, const struct err *err);
	void *accepted_arg;
	void (*stopped)(void *arg);
	void *stopped_arg;
	wall_t started;
	struct core_stats stats;
	struct plan_env plans;
	int64_t last_ask;
	int n_asking; /* questions without an answer */
	STAILQ_HEAD(, grave) graves;
};

static inline bool text_same(const char *a, const char *b) {
	return strcmp(a == NULL ? "" : a, b == NULL ? "" : b) == 0;
}

/* core.c */
void core_look_at_clock(struct core *c); /* at the start of a turn and of each input from outside one */
void core_wake(struct core *c);
void core_set_mode(struct core *c, enum core_mode m, const char *reason);
void core_fail_op(struct core *c, struct core_op *op, const struct err *err);
void core_enqueue(struct core *c, struct core_op *op, bool first); /* in front of those that wait, or behind them */
void core_refuse_waiting(struct core *c);
bool core_may_act(const struct core *c); /* we hold the lease, by our own clock, now */
void core_loaded(struct core *c);        /* the new fleet is in place: live state again */
/* Frees what nobody looks at any more, a piece per turn (rule 10): free_some is called with how many objects there is time for, takes those
 * that it freed off that number, and says when all is gone. Without a core, or behind its end, at once. NULL is fine. */
void core_bury(struct core *c, void *what, bool (*free_some)(void *what, size_t *objects));
void core_bury_fleet(struct core *c, struct fleet *f);
/* A dry run: nothing of it is written, and nobody is told. */
static inline bool core_rehearses(const struct core *c) {
	return c->env.ledger == NULL;
}
bool witness_newer(const struct core *c, const char *cell, int64_t epoch, int64_t event);
void witness_accepted(struct core *c);

/* commit.c */
struct bundle *bundle_new(void);
void bundle_free(struct bundle *b);
void commit_op(struct core *c, struct core_op *op, const struct err *err); /* op hangs on the open commit */
void commit_turn(struct core *c);                                          /* starts a commit or finishes an empty one */
bool commit_stuck(const struct core *c); /* for so long that callers are sent home and nobody new is let in */
void commit_send_home(struct core *c);   /* whoever waits for it: it may have happened */
void commit_drop(struct core *c, const struct err *err, bool keep_ops);
void core_load(struct core *c);
bool commit_idle(const struct core *c);
mono_t commit_deadline(const struct core *c); /* when the open one begins by itself */

/* effect.c */
struct effect *effect_add(struct core *c, enum effect_kind kind, struct driver_link *k);
struct effect *effect_latest(const struct core *c, const struct driver_link *k); /* of the open commit; NULL: nothing goes there yet */
void effects_move(struct bundle *from, struct bundle *to);                       /* to has none */
void effects_run(struct core *c, struct bundle *b);
void effects_make_up(struct core *c); /* hello again from every base: welcomes it, and commands again what has no outcome */
void effects_forget_link(struct core *c, const struct driver_link *k);

/* ask.c */
int64_t ask_add(struct core *c, const struct plan *p, const struct plan_ask *a);
void ask_send(struct core *c, const struct effect *x);
void asks_end(struct core *c);

/* hook.c */
struct outbound_answer;
bool hook_calls_url(const struct task *t); /* a hook that is no command of an agent */
void hook_fill(const struct core *c, const struct task *t, Berth__V1__CommandItem *x, struct arena *a); /* for one that is */
void hook_ask(struct core *c, struct task *t);
void hook_ask_again(struct core *c, struct task *t); /* SENT and not under way: after a load, or a 202 */
void hook_answered(struct core *c, int64_t task_id, int64_t number, const struct outbound_answer *a);

/* lease.c */
void lease_start(struct core *c);
void lease_tick(struct core *c);
mono_t lease_deadline(const struct core *c);
void lease_give_up(struct core *c); /* stepping down: the fleet is dropped */
void lease_hand_over(struct core *c, ledger_done done, void *arg);

/* conduct.c */
void conduct_init(struct core *c);
void plan_due(struct core *c, int64_t plan_id);
bool conduct_step(struct core *c); /* one due plan; false when none */
void room_freed(struct core *c, struct group *g);
void room_look(struct core *c); /* once per turn: those who wait for room look again */
void task_make_ready(struct core *c, struct task *t);

/* waits.c */
void waits_record(struct core *c, struct plan *p);

/* dispatch.c */
void dispatch(struct core *c, bool one); /* ready tasks, or the first that can go → SENT, commands into the open commit */
void dispatch_again(struct core *c, struct base *b, struct driver_link *k); /* after a hello: everything SENT, same generations */
bool prefetch_send(struct core *c, struct plan *p, struct base *b, struct version *v, int64_t slot);
void tasks_of_base_ready(struct core *c, struct base *b); /* those that waited may go now */
/* The instance whose turn is before this PENDING task's, on its base; NULL: it waits for no other. */
const struct instance *task_waits_for(const struct task *t, struct arena *a, struct requirement *ret);
void wanted_fill(struct core *c, const struct instance *i, Berth__V1__WantedModule *w, struct arena *a);
void task_outcome(struct core *c, struct task *t, const struct task_outcome *o);
void leftovers_due(struct core *c, struct base *b); /* nothing is at work there any more: repairs look at it; may remove instances */

/* series.c */
void series_begin(struct core *c, size_t ops);
bool series_waits(const struct core *c); /* for the answer to the input before */
void series_commit_done(struct core *c);
void series_idle(struct core *c); /* end of a turn: over when nothing is left */
bool series_hold(struct core *c, struct driver_link *k, int64_t base_id, const ProtobufCMessage *m, const char *peer); /* true: later */
bool series_step(struct core *c);                                /* one that was held back; false when none */
void series_forget(struct core *c, const struct driver_link *k); /* NULL = all */
void series_set_aside(struct core *c);                           /* after the load: what was refused, by its subject */
bool series_aside(const struct core *c, const struct base *b);

/* hello.c */
bool core_hears(struct core *c);                                     /* false: what bases tell is lost now */
struct base *link_base(struct core *c, const struct driver_link *k); /* NULL: nobody's, or it is reached on another one */
void base_welcome(struct core *c, struct base *b); /* once more: what is wanted of it changed as a whole; nothing where it has no link */
void hello_hear(struct core *c, struct driver_link *k, int64_t base_id, const Berth__V1__Hello *h, const char *peer);
void links_clear(struct core *c);
void link_drop(struct core *c, struct driver_link *k);

/* held.c */
struct instance *held_instance(struct base *b, const Berth__V1__HeldModule *h); /* NULL: it is not known to be there */
void held_apply(struct core *c, struct base *b, Berth__V1__HeldModule *const *held, size_t n, bool full); /* full: and nothing else */
void instance_held(struct core *c, struct instance *i, const Berth__V1__HeldModule *h);
void instance_gone(struct core *c, struct instance *i, const char *why); /* may remove it */
void standbys_due(struct core *c, struct base *b);                       /* wanted there, and not active */
void instances_lose_sight(struct core *c, struct base *b, enum instance_state s, const char *reason);
void instance_quarantine(struct core *c, struct instance *i, const char *cause);
void held_asked_for(struct core *c, const struct instance *i); /* no finding any more: what was found there is wanted */

/* report.c */
void report_take(struct core *c, struct driver_link *k, const Berth__V1__Report *r);

/* memory.c */
void memory_told(struct core *c, struct base *b, const Berth__V1__BaseMemory *m);

/* evict.c */
int eviction_call_off(struct core *c, const struct finding *x, const char *why, struct err *err); /* none: a success; E_STATE: too late */
struct plan *drain_of(struct core *c, const struct base *b);                                      /* the drain that empties it, or NULL */
const struct plan *eviction_of(const struct finding *x);                                          /* NULL: nobody evicts it now */
void evictions_due(struct core *c, const struct base *b); /* what is to go from there, looked at again */
void evicted(struct core *c, const struct task *t);       /* its removal succeeded: nothing is found there any more */

/* policy.c: what a group's unmanagedPolicy does by itself; nothing where that is "report" */
void policy_found(struct core *c, struct finding *x);         /* it is new, or is not let be any more */
void policy_changed(struct core *c, const struct group *g);   /* so did what holds it up there; and after a load */
void policy_due(struct core *c, struct finding *x);           /* AGENDA_FINDING */
void policy_plan_ended(struct core *c, const struct plan *p); /* of kind evict */
bool policy_may_act(const struct finding *x);                 /* now */

/* adopt.c */
struct version *version_of_finding(struct core *c, const char *actor, const struct finding *f); /* made without an artifact when unknown */
void not_restorable_look(struct core *c, const struct finding *x); /* AGENDA_FINDING: over when its instance went, or has its artifact */

/* fleetops.c */
void base_inherit(struct base *b); /* labels of its group that it does not have; its zone from the group's zone key, unless it has one */

/* liveness.c */
void base_heard(struct core *c, struct base *b);
void base_look(struct core *c, struct base *b, mono_t at); /* at the latest then */
void base_due(struct core *c, struct base *b);             /* AGENDA_BASE */

/* brake.c: when what is lost is not replaced */
bool brake_holds(const struct base *b);
bool brake_excused(const struct core *c, const struct base *b); /* its absence is planned and not over */
void brake_base_gone(struct core *c, struct base *b);           /* silent, unasked unless excused */
void brake_base_settled(struct core *c, struct base *b);        /* counts no more: stopped, replaced, excused */
void brake_base_back(struct core *c, struct base *b);
void brake_absence_check(struct core *c, struct base *b);
void brake_restore(struct core *c); /* after a load */

/* setaside.c */
struct install_end {
	struct base *base;
	const struct plan *plan; /* NULL: a repair */
	const struct deployment *deployment;
	const struct version *version;
	const char *cause;
	bool ok;
};
void install_ended(struct core *c, const struct install_end *x); /* for good: no try is left */
void set_aside_end(struct core *c, struct base *b);

/* words.c */
#define MAX_WORD 63    /* a state, a boot id */
#define MAX_CAUSE 2048 /* of what went wrong, in a few sentences */
#define MAX_OUTPUT 65536
char *said(struct core *c, const char *s, size_t max); /* cut when longer; in the open commit's arena then */
const char *hello_wrong(const Berth__V1__Hello *h);    /* what of it is not as it has to be; NULL = nothing */

/* budget.c */
#define BUDGET_HELD 64                            /* findings of one base: each is a row that stays while it holds what it should not */
bool budget_take(struct core *c);                 /* an event that c->hearing set off; false: it is not written */
void budget_look(struct core *c, struct base *b); /* whether it is quieter */
bool budget_held(struct core *c, struct base *b); /* whether one more thing that it holds becomes a finding */

/* repair.c */
void repair_base(struct core *c, struct base *b); /* everything on it */
void repair_instance(struct core *c, struct instance *i);
void repair_again(struct core *c, struct task *t);            /* after a load: a repair's task that was not sent */
void repair_into_traffic(struct core *c, struct instance *i); /* afterSwap, if its group has one and nothing else is at work on it */
void repair_outcome(struct core *c, struct task *t, const struct task_outcome *o);
void replace_lost(struct core *c, struct base *b);
void replacement_ready(struct core *c, struct instance *i);
void peer_join(struct core *c, struct base *b); /* deployments on all bases of its group */
void deployment_refresh(struct core *c, struct deployment *d);
struct finding *finding_raise(struct core *c, enum finding_kind kind, struct base *b, const char *module, const char *version,
    struct deployment *d, const char *command, const char *fmt, ...) __attribute__((format(printf, 8, 9)));
void finding_clear(struct core *c, enum finding_kind kind, struct base *b, const char *module, const char *version);
/* Of what is about no base: a group's zone, a plan. d may be NULL. */
struct finding *finding_raise_for(struct core *c, enum finding_kind kind, struct tenant *t, const char *module, const char *version,
    const struct deployment *d, const char *command, const char *fmt, ...) __attribute__((format(printf, 8, 9)));
void finding_clear_for(struct core *c, enum finding_kind kind, struct tenant *t, const char *module, const char *version);

#endif
