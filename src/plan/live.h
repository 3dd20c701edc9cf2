/* The engine's working state of one unfinished plan. Private to src/plan; everything here can be rebuilt from rows (restore.c). */
#ifndef BERTH_PLAN_LIVE_H
#define BERTH_PLAN_LIVE_H

#include "base/mutant.h"
#include "plan/memo.h"
#include "plan/plan.h"
#include "sched/place.h"

enum chain_form {
	CHAIN_INSTALL,       /* a new slot */
	CHAIN_INSTALL_FIRST, /* new beside the old, then the old goes */
	CHAIN_IN_PLACE,      /* the old goes, then the new comes, in one command */
	CHAIN_REMOVE,        /* a slot goes */
	CHAIN_MOVE,          /* new on another base, then the old goes: chain of the new one's base, together with … */
	CHAIN_LEAVE,         /* … the old one's, which waits aside, becomes CHAIN_REMOVE, and is what the batch counts */
};

struct slot_key {
	int64_t deployment_id, base_id;
};

struct chain {
	struct slot_key key;
	enum chain_form form;
	struct change *change;
	struct base *base;
	int64_t batch;
	int64_t old_id, new_id; /* instances; 0 = none */
	int64_t from_base;      /* MOVE: where the old one is */
	int open;               /* tasks not terminal */
	bool failed;
	bool aside;     /* its batch does not wait for it */
	bool ignored;   /* aside because somebody lets this slot be: it counts as failed already */
	bool untouched; /* cancelled before the base heard of the old one's removal */
	bool out;       /* beforeSwap was called: whoever stays is taken into traffic again */
	bool after;     /* afterSwap was called, or is to be */
	mono_t hold;    /* its commands are sent then: drainWait */
	enum fault fault;
	UT_hash_handle hh;
};

struct failed_slot {
	struct slot_key key;
	int64_t batch;
	bool tolerated;
	UT_hash_handle hh;
};

struct todo {
	int64_t *ids;
	size_t n, next, cap;
};

/* Who is asked to fetch ahead, and what they said (prefetch.c). */
struct fetching {
	int64_t base_id, version_id;
	int state;
};
struct prefetch {
	struct fetching *v;
	size_t n, cap, next; /* v[next …] were not asked yet */
	size_t there, not ;  /* of v: hold it; cannot, did not, or are gone */
	int64_t asked;       /* without an answer */
	int64_t slowest_us;
	mono_t from, looked;
	bool begun, over;
};

/* A question over HTTP: the gate URL (instance 0), or a probe of one instance (gate.c). */
struct question {
	int64_t instance_id;
	int64_t ask; /* under way, 0 = not */
	int64_t tries;
	int status; /* of the last answer; 0 = none came */
	bool done;
	mono_t at, next; /* asked; not again before */
	char text[128];  /* what the gate URL said, its first words */
};
struct gates {
	struct question url, *probes;
	size_t n, cap;
	bool listed;
	mono_t from; /* since when memo.gate_us was not brought up to date */
};

struct plan_live {
	struct strategy s;          /* of the whole plan: batches, confirmation, soak, failures, how many at once */
	struct strategy *of;        /* per change, by its number: availability, surge, policy, placement; NULL = not asked for yet */
	struct chain *chains;       /* by key */
	int n_aside;                /* of them, those no batch waits for */
	struct failed_slot *failed; /* by key: not tried again by this plan unless a person says retry */
	struct plan_memo memo;      /* row.options */
	struct prefetch prefetch;
	struct gates gates;
	struct todo upgrades, removals;
	int64_t todo_batch;    /* the batch the lists were made for */
	mono_t watched_until;  /* min_ready of the running batch */
	mono_t soak_from;      /* soaking, or in the grace of an eviction: since when row.soaked_us was not brought up to date */
	mono_t progress;       /* last outcome */
	struct plan_wait wait; /* of the last step */
	bool stuck;            /* so was the one before it */
	struct {               /* bases that were refused are not looked at again before room grew */
		const struct deployment *deployment;
		const struct batch *batch;
		uint64_t grown; /* of the group, then */
		struct place_cursor at;
	} room;
};

static inline struct plan_live *live_of(struct plan *p) {
	return p->live;
}
struct plan_live *live_get(struct plan *p); /* makes it when there is none */
void live_todo_reset(struct plan_live *l);
void todo_add(struct todo *t, int64_t id);

/* chain.c */
struct chain *chain_find(const struct plan *p, const struct deployment *d, const struct base *b);
struct chain *chain_of_task(struct plan *p, const struct task *t);
bool chain_failed_before(const struct plan *p, const struct deployment *d, const struct base *b);
void chain_free(struct plan *p, struct chain *c);
void chain_set_aside(struct plan *p, struct chain *c, bool aside);
struct batch *plan_batch(struct plan *p, int64_t number);
int plan_batch_chains(const struct plan *p); /* at work in the running batch */
/* Begin a chain: makes instances and tasks. False when it cannot (no units, nothing to do any more). */
bool chain_install(struct plan_env *e, struct change *ch, struct base *b, int64_t batch);
bool chain_upgrade(struct plan_env *e, struct change *ch, struct instance *old, struct revision *to, bool install_first, int64_t batch);
bool chain_move(struct plan_env *e, struct change *ch, struct instance *old, struct revision *to, struct base *b, int64_t batch);
bool chain_remove(struct plan_env *e, struct change *ch, struct instance *old, int64_t batch);
struct chain *chain_adopt(struct plan_env *e, struct plan *p, struct change *ch, struct task *t); /* restore */
struct chain *chain_new(struct plan *p, struct change *ch, struct base *b, enum chain_form form, int64_t batch);
struct task *chain_task(struct plan_env *e, struct chain *c, struct instance *i, enum task_kind kind, int64_t partner);
void chain_commands(struct plan_env *e, struct chain *c); /* the tasks of its form */
struct instance *slot_instance(struct plan_env *e, struct change *ch, struct base *b, struct revision *to, int64_t replaces);
bool slot_can_succeed(const struct instance *old, const struct revision *to); /* in place, now */
/* Nothing of the new version is on the base: the old one is wanted again (in place it is put back, by repair). */
void chain_give_back(struct plan_env *e, struct chain *c);
/* The slot is what it was, as far as the base did not hear otherwise. */
void chain_take_back(struct plan_env *e, struct chain *c);
/* Its open tasks were cancelled: takes it back and frees it. */
void chain_cancelled(struct plan_env *e, struct plan *p, struct chain *c);
/* May a failed install of a new instance be tried on another base? */
bool may_go_elsewhere(struct plan_env *e, struct plan *p, const struct change *ch, struct revision *to, int64_t batch);
/* A chain came to its end: counts it in its batch. */
void chain_end(struct plan_env *e, struct plan *p, struct chain *c);

/* hook.c */
void chain_begin(struct plan_env *e, struct chain *c);   /* out of traffic first where its group says so, then chain_commands() */
void chain_drained(struct plan_env *e, struct chain *c); /* beforeSwap succeeded */
void chain_hold_again(struct plan_env *e, struct chain *c, struct task *t); /* after a load: what is left of drainWait */
bool chain_into_traffic(struct plan_env *e, struct chain *c);               /* afterSwap where it is due: the chain goes on with it */
void hook_retry(struct plan_env *e, struct plan *p, struct slot_key key, int64_t batch); /* the slot of which only afterSwap failed */
bool hook_interrupts(const struct group *g);

/* move.c */
struct chain *move_leave(struct plan *p, const struct chain *c);  /* the waiting half of a MOVE; NULL: its base is lost */
int move_count(const struct plan *p, const struct deployment *d); /* under way */
void move_adopt(struct plan_env *e, struct chain *c);
void move_end(struct plan_env *e, struct plan *p, struct chain *c); /* frees it */

/* slot.c */
struct failed_slot *slot_mark_failed(struct plan *p, struct slot_key key, int64_t batch, bool tolerated);
void slot_fail(struct plan_env *e, struct plan *p, struct slot_key key, int64_t batch); /* and counts it in its batch */
void slot_recover(struct plan_env *e, struct plan *p, struct slot_key key);             /* what was let be succeeded after all */
bool slot_ignored(const struct plan *p, const struct deployment *d, const struct base *b);
void plan_tolerate(struct plan_env *e, struct plan *p); /* a person saw what failed so far and goes on */
void plan_memo_store(struct plan_env *e, struct plan *p);

/* fill.c */
/* Starts chains until the batch is full or a window closes. Returns the slots for which there is no work left. */
int64_t batch_fill(struct plan_env *e, struct plan *p, struct batch *b);
bool base_reachable(const struct base *b);
int64_t slots_late(struct plan_env *e, struct plan *p); /* still to do although every batch was filled */
/* A base for one more instance, of those the batch is for (NULL: any), with so many units left beside it; NULL when there is none. */
struct base *room_for(struct plan_env *e, struct plan *p, const struct change *ch, const struct revision *to, const struct batch *batch,
    int64_t beside, struct place_cursor *cursor);
void room_forget(struct plan_live *l);
/* Would as many as wanted minus max_unavailable still serve without it? */
bool may_interrupt(struct plan *p, const struct change *ch, const struct instance *i);

/* verb.c: it is not wanted any more; its chain ends when nothing of it is at the base. */
void task_cancel(struct plan_env *e, struct plan *p, struct task *t);
/* Tasks not sent yet are not wanted any more; those at a base end there, and what they did is recorded. */
void tasks_cancel_unsent(struct plan_env *e, struct plan *p);

/* cut.c */
/* The value of a base's label, of the n first bytes of that name: "zone" and "base" are its own. It lies in the base's row, is not ended by
 * a 0, and of length 0 when there is none. */
struct label {
	const char *text;
	size_t len;
};
struct label base_label(const struct base *b, const char *key, size_t n);
bool label_is(struct label x, const char *value);
bool batch_takes(const struct batch *b, const struct base *base); /* the last one takes what is left, whatever its label */
bool batch_labelled(const struct batch *b);                       /* it is for some bases only */

/* prefetch.c */
bool prefetch_done(struct plan_env *e, struct plan *p); /* the first batch may begin */

/* evict.c */
void evict_step(struct plan_env *e, struct plan *p);
/* Soaking, or the grace of an eviction: true when so much of it passed while somebody looked; else the plan is woken in time. */
bool plan_soaked(struct plan_env *e, struct plan *p, int64_t whole_us);
void evict_let_go(struct plan_env *e, struct task *t); /* it ended without the module's end: nobody's instance goes. Others: nothing */
void evict_base_lost(struct plan_env *e, struct plan *p);

/* step.c */
bool plan_over_threshold(struct plan *p);
void plan_end(struct plan_env *e, struct plan *p, enum plan_state s, const char *reason);
void batch_close(struct plan_env *e, struct plan *p, struct batch *b);
struct batch *batch_now(struct plan *p); /* the first that is not done */
void plan_announce(struct plan_env *e, const char *kind, struct plan *p, const char *text);
void plan_halt(struct plan_env *e, struct plan *p, enum plan_halt why, const char *reason); /* → paused */
struct revision *change_goal(const struct change *ch);

/* unit.c */
/* What batches are cut from: bases in a plan of several changes (the one called `first` before the others, "" = none), slots else.
 * ret_slots: how many slots each holds, to be freed; NULL: one. */
int64_t plan_units(struct plan *p, const char *first, int64_t **ret_slots);

/* together.c */
/* `old` gives way in place, and with it those that require it there: they go before it and come back after. False: not yet (l->wait says
 * why), nothing was begun. */
bool together_begin(struct plan_env *e, struct plan *p, struct change *ch, struct instance *old, struct revision *to, int64_t batch);
/* It is not for this plan to begin before x went, or came: says so in l->wait. */
void order_waits(struct plan *p, const struct instance *x);
void order_waits_for_needs(struct plan *p, const struct base *b, const struct version *v); /* the same of what v requires there */
/* What the version requires on that base: is active there; is there and being changed, or on its way; nothing of it is there; failed there
 * in this plan, or is let be. The worst of all its requirements. */
enum need { NEED_MET, NEED_COMES, NEED_ELSEWHERE, NEED_FAILED };
enum need needs(struct plan *p, const struct base *b, const struct version *v);
/* What those that require this module, and are still to be placed by this plan, will cost on the same base. */
int64_t companions_units(struct plan *p, const struct change *ch);
/* What c was to bring failed: chains on that base that wait for it fail, too. */
void together_failed(struct plan_env *e, struct plan *p, const struct chain *c);

/* work.c */
int64_t plan_slots(struct plan *p, bool *ret_shrinks); /* all that it has to do; whether that only takes away (may be NULL) */
const struct strategy *strategy_of(struct plan *p, const struct change *ch); /* until live_strategy_reset */
void live_strategy_reset(struct plan *p);                                    /* what holds for the plan was decided anew */
struct revision *slot_goal(const struct plan *p, const struct change *ch, const struct instance *i);
bool slot_left(struct plan *p, const struct change *ch, const struct instance *i); /* the plan is about it, and it is not done */
/* Of a drain: something that others took away, or move, is still there; it comes back where that comes to nothing. */
bool plan_leaves_yet(struct plan *p);
/* Wanted ones that differ from that revision by its number only. */
int64_t renamed_count(const struct deployment *d, const struct revision *to);
void plan_work_left(struct plan *p, const struct change *ch, struct plan_work *ret);

#endif
