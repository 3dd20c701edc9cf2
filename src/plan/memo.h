/* What a plan must remember beyond its rows: who lets which failure be, what a retry took up again, why it stands still, what it is about.
 * Kept as JSON in plan.options, so that a takeover goes on with the same decisions. Read by plan and core; changed in src/plan only. */
#ifndef BERTH_PLAN_MEMO_H
#define BERTH_PLAN_MEMO_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct arena;
struct err;

enum plan_halt { HALT_NONE, HALT_PERSON, HALT_FAILURES, HALT_STALLED, HALT_GATE };

#define MEMO_SAID 256
#define MEMO_MAX_MARKS 1000 /* bases a person may let be in one plan: more of them is a plan to stop */

/* A slot somebody lets be (reason given), or one whose failed tasks up to `forgiven` were taken up again. */
struct memo_mark {
	int64_t deployment_id, base_id; /* deployment 0: all of the plan on that base */
	int64_t forgiven;
	bool ignored, counted; /* counted: its failure is in a batch's count already */
	char *base, *reason, *actor;
};

struct plan_memo {
	enum plan_halt halt;       /* of a PAUSED plan */
	int64_t tolerated;         /* failures that do not count against the threshold any more */
	int64_t accepted;          /* failed tasks up to this number are among them */
	int64_t forgiven;          /* failed tasks up to this number were taken up again */
	int64_t undoes;            /* the plan that this one takes back */
	int64_t base_id;           /* drain, replace, restart: only what is on this base; 0 = everywhere */
	int64_t now;               /* 1: going back at once, whatever max_unavailable says; the plan's reason says why */
	int64_t forced;            /* 1: it takes away what others require, and somebody said why */
	int64_t evicts, grace_us;  /* evict: the finding, and how long it may be called off */
	int64_t before;            /* replace, restart: instances up to this number; 0 = all */
	int64_t gate_batch;        /* stands before its gates; 0 = none */
	int64_t gate_passed;       /* bit set of those that let it through */
	int64_t gate_us;           /* how long it stood there while a server looked */
	int64_t gate_since;        /* wall time in microseconds, for people */
	char gate_said[MEMO_SAID]; /* the last answer of the one that holds */
	struct memo_mark *marks;
	size_t n_marks, cap;
	int64_t *bases; /* drain: of several; else those that are left first, where fewer are wanted */
	size_t n_bases;
};

/* NULL and "" are an empty memo; what cannot be read is E_MALFORMED and an empty memo. */
int memo_parse(const char *json, struct plan_memo *ret, struct err *err);
char *memo_print(const struct plan_memo *m, struct arena *a);
void memo_deinit(struct plan_memo *m);

struct memo_mark *memo_find(const struct plan_memo *m, int64_t deployment_id, int64_t base_id); /* that very key */
/* The mark of that key, made when there is none. NULL: there are MEMO_MAX_MARKS. */
struct memo_mark *memo_mark(struct plan_memo *m, int64_t deployment_id, int64_t base_id, const char *base);
void memo_base_add(struct plan_memo *m, int64_t base_id);
void memo_base_remove(struct plan_memo *m, int64_t base_id);
bool memo_names(const struct plan_memo *m, int64_t base_id);
bool memo_ignores(const struct plan_memo *m, int64_t deployment_id, int64_t base_id);
/* Was this failed task taken up again? */
bool memo_forgives(const struct plan_memo *m, int64_t deployment_id, int64_t base_id, int64_t task_id);

#endif
