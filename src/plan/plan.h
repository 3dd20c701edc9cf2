/* The plan engine: how a deployment gets from where it is to what is wanted, batch by batch, from the fleet of now.
 *
 * Pure: no I/O, no clock, no SQL. It reads and changes the fleet through fleet.h, and tells its conductor through plan_env what happened
 * and when to be called again. All state that must survive is in rows (plan, batch, task, instance); plan_live is rebuilt from them.
 *
 * Words: a slot is one base's share of a change; a chain is the tasks that bring one slot about (install; install then uninstall the old;
 * uninstall then install; uninstall). One chain at a time per deployment and base. */
#ifndef BERTH_PLAN_PLAN_H
#define BERTH_PLAN_PLAN_H

#include "model/fleet.h"

struct rng;
struct plan_env;
struct plan_memo;

struct plan_ask {
	const char *url, *body, *secret; /* read during the call; secret signs the body, or NULL */
};
struct plan_answer {
	int status;             /* 0: none came */
	int64_t retry_after_us; /* 0: it did not say */
	const char *text;       /* first words of the answer, or why there is none; may be NULL */
};

struct plan_env {
	struct fleet *fleet;
	wall_t wall;
	mono_t mono;
	struct rng *rng;
	int64_t in_flight_base; /* commands without outcome per base */
	void *arg;
	/* An event about the plan; the conductor adds actor and number. Fields may be NULL. */
	void (*event)(void *arg, const char *kind, struct plan *p, const struct deployment *d, const struct base *b,
	    const struct version *v, const struct task *t, const char *text);
	void (*wake)(void *arg, struct plan *p, mono_t at);     /* call plan_step no later than then */
	void (*task_ready)(void *arg, struct task *t);          /* PENDING: send it as soon as its base can take it */
	void (*task_due)(void *arg, struct task *t, mono_t at); /* BACKOFF, or PENDING and held: plan_task_due() then */
	void (*freed)(void *arg, struct group *g);              /* room may have grown */
	void (*ended)(void *arg, struct plan *p);               /* terminal: the next queued one may start */
	/* Ask the base to have that version's artifact; its answer goes to plan_prefetched() with the slot. False: it cannot be asked. */
	bool (*prefetch)(void *arg, struct plan *p, struct base *b, struct version *v, int64_t slot);
	/* A question over HTTP after the open commit: POST of `body` (JSON), or GET without one. Its number, which comes back with
	 * plan_answered() once; 0: nobody can ask. */
	int64_t (*ask)(void *arg, struct plan *p, const struct plan_ask *a);
	/* afterSwap for one that stays, or that no plan watches any more: by repair. */
	void (*into_traffic)(void *arg, struct instance *i);
	/* onFailure undo: another plan takes back what this one did, which ends UNDONE. False: it cannot be taken back. */
	bool (*undo)(void *arg, struct plan *p, const char *why);
};

#define PLAN_MAX_CHANGES 100 /* of a change of what is wanted; a drain is about whatever there is */

/* What a change would touch now; `to` is a revision of d, or NULL. Does not look at each instance. */
struct plan_work {
	int64_t behind, out, in, total;
	int64_t target;
};
void plan_work_count(const struct deployment *d, const struct revision *to, bool offline, struct plan_work *ret);
/* Does this instance differ from that revision in version, arguments or environment? */
bool instance_behind(const struct instance *i, const struct revision *to);
/* Makes the successor of `old` at revision `to` on the same base, on the old one's units; old is not wanted any more. NULL: needs more than
 * the base has free. */
struct instance *slot_succeed(struct plan_env *e, struct instance *old, struct revision *to);
/* The arithmetic of batches (cut.c): a list is cumulative and rounds up; equal ones differ by one at most, the larger first; a beta is one
 * alone before the others, and counts in a cumulative list. Sizes sum up to total, none is 0. Returns how many; 0 of nothing. */
int plan_batches_cut(const struct strategy *s, int64_t total, int64_t ret_sizes[STRATEGY_MAX_BATCHES]);
/* The same on the fleet of now, where a label or a named beta says which bases a batch is for. */
struct piece {
	int64_t size;
	char label[2 * STRATEGY_NAME]; /* "zone=a", "base=n3"; "" = any */
};
int plan_cut(const struct fleet *f, struct plan *p, const struct strategy *s, int64_t total, struct piece ret[STRATEGY_MAX_BATCHES]);

/* The strategy in force for a plan: the revision's, filled with defaults. Of several changes, what concerns the whole plan (batches,
 * confirmation, soak, failures, tasks at once) is what the first of them says. */
void plan_strategy(struct plan *p, struct strategy *ret);
/* What concerns one deployment of it: availability, surge, policy, placement. */
void change_strategy(const struct change *ch, struct strategy *ret);

/* It moves or restarts what is there, at the revision it is at: drain, replace, restart. */
bool plan_keeps_revision(const struct plan *p);
/* Its goal is that nothing is left of that deployment: offline, delete, undo of a first release. */
bool change_shrinks(const struct change *ch);
struct change *change_of(const struct plan *p, const struct deployment *d); /* NULL: the plan is not about it */
/* A group it touches that is frozen: it does not start before that is lifted; what runs goes on, repairs too. */
const struct group *plan_frozen(const struct plan *p);
/* Starts a QUEUED plan if its deployments are free: makes batches, sets deployments rolling. True when it runs now. */
bool plan_start(struct plan_env *e, struct plan *p);
/* Goes as far as it can now. Idempotent. */
void plan_step(struct plan_env *e, struct plan *p);
/* After a load: rebuilds plan_live from rows. */
void plan_restore(struct plan_env *e, struct plan *p);
bool plan_live_free(struct plan_live *l, size_t *objects); /* for fleet_on_plan_free() */

/* A task of a plan got its outcome. ok, or failed with a fault; retryable decides about BACKOFF. */
struct task_outcome {
	bool ok, retryable, gone;
	enum fault fault;
	const char *cause, *output, *state;
	int64_t duration_us;
};
void plan_task_outcome(struct plan_env *e, struct task *t, const struct task_outcome *o);
void plan_task_due(struct plan_env *e, struct task *t); /* its backoff, or drainWait, is over */
/* drainWait: the task, PENDING, is not sent before so much time passed, what passed before a takeover (row.held_us) included. It is looked
 * at by task_still_held() each time that task_due() asked for. */
void task_hold(struct plan_env *e, struct task *t, int64_t wait_us);
bool task_still_held(struct plan_env *e, struct task *t); /* brings row.held_us up to date */
/* Around a swap: a group's hooks are tasks of kind before_swap and after_swap (hook.c). */
const char *hook_of(const struct group *g, enum task_kind kind); /* a URL, or the name of a command of its agents; NULL: none */
int64_t hook_timeout(const struct group *g);
bool task_is_hook(const struct task *t);
bool task_held(const struct task *t, mono_t now); /* PENDING, and not to be sent before t->due: drainWait */
/* One that was taken as READY while it was on its way out or in: as its base last said. */
void instance_seen_again(struct plan_env *e, struct instance *i);
/* A base died for good: open chains there are given up; slots go elsewhere where they can. */
void plan_base_lost(struct plan_env *e, struct plan *p, struct base *b);
/* An instance that a batch counted as done failed (crash, quarantine) while the batch was still watched. */
void plan_instance_failed(struct plan_env *e, struct instance *i, enum fault fault, const char *cause);

/* The state of a deployment that no plan is changing: running, degraded (with the reason) or offline. */
void deployment_rest(struct fleet *f, struct deployment *d, wall_t now);

/* What a base said to prefetch. True: look at the plan again (plan_step). */
bool plan_prefetched(struct plan *p, const struct base *b, int64_t slot, bool ok, int64_t us);

/* An answer to a question. True: it was still waited for; look at the plan again. */
bool plan_answered(struct plan_env *e, struct plan *p, int64_t ask, const struct plan_answer *a);
bool plan_gated(const struct plan *p); /* a gate holds or refused its batch: confirm goes past it, resume of a paused one asks again */

/* Verbs. Each returns false when it does not fit the state (nothing changed). */
bool plan_pause(struct plan_env *e, struct plan *p, const char *reason);
bool plan_resume(struct plan_env *e, struct plan *p);
bool plan_confirm(struct plan_env *e, struct plan *p, int64_t batch);
/* What a verb is about: a base, one task's slot, a batch; all zero: whatever failed. */
struct plan_scope {
	const struct base *base;
	int64_t task, batch;
};
int plan_failed_count(const struct plan *p, const struct plan_scope *s);
bool plan_retry(struct plan_env *e, struct plan *p, const struct plan_scope *s); /* failed slots again */
/* Lets a base, or one task's slot, be: nothing waits for it, its failure does not count, it stays as it is. Goes on when that was all that
 * held the plan. False: it ended, or lets too many be already. */
bool plan_ignore(struct plan_env *e, struct plan *p, const struct plan_scope *s, const char *reason, const char *actor);
const struct plan_memo *plan_memo(struct plan *p);
/* A drain of several is not about that base any more; what was begun there ends. Without a base left it is stopped. */
void plan_leave_base(struct plan_env *e, struct plan *p, int64_t base_id, const char *reason);
/* It may take away what others require, from here on. Harmless twice. */
bool plan_force(struct plan_env *e, struct plan *p, const char *reason);
/* Another plan takes back what this one did. */
bool plan_undone(struct plan_env *e, struct plan *p, int64_t by);
/* Going back cannot wait: from here on max_unavailable does not hold it up. Harmless twice. */
bool plan_hurry(struct plan_env *e, struct plan *p, const char *reason);
bool plan_stop(struct plan_env *e, struct plan *p, const char *reason);
bool plan_supersede(struct plan_env *e, struct plan *p, int64_t by);

int64_t plan_failures(const struct plan *p); /* bases, over all batches */

/* Is a chain at work for this deployment on this base? Repairs keep away then. */
bool plan_busy_on(const struct plan *p, const struct base *b);

/* A plan of kind evict: which finding it is about, after a load or when it is new. What is left of its grace counts from here. */
void plan_evict_restore(struct plan_env *e, struct plan *p);
bool plan_evicts_now(const struct plan *p, const struct base *b); /* its removal is under way there */
/* Who is wanted on the finding's base and would miss its module: one for whom nothing else of that module is wanted there. NULL: nobody. */
const struct instance *plan_evict_misser(const struct finding *x);

/* What it waits for now, as flags with counts; the conductor makes sentences of them. */
/* no_room: of deployment room_id; lacking: an instance that cannot follow where it is, because what the new version requires is not there;
 * crowded: one whose base has no room for both versions, and install_first was asked for, or not even for the new one alone; order: for
 * what is required, or for those that require it, on the same base. */
struct plan_wait {
	int64_t room_id, lacking, crowded;
	int64_t order_id; /* order: the instance that has to go, or to come, first */
	bool no_room, unavailable, in_flight, others, min_ready, soak, confirm, paused, queued, backoff, away, repair, surge, order, grace,
	    required;   /* an eviction: by one that would miss it */
	bool elsewhere; /* order: another plan has that one */
	bool stuck;     /* order, and nothing else: only somebody's change ends that, or the progress deadline, at `until` */
	int64_t unplaced;
	mono_t until;
	const char *gate; /* that holds: "state", "failed", "probe", "url"; its words are in the memo. NULL: none */
	int prefetch;     /* bases that still fetch ahead */
	int n_pending, n_sent, n_backoff;
};
void plan_waiting(const struct plan *p, struct plan_wait *ret);
void plan_wait_now(const struct plan *p, struct plan_wait *ret); /* the same without what needs a look at every task */

#endif
