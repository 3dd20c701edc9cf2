/* The parts of rows that are stored as JSON, in C: strategy, amounts, string lists and maps. Pure parsing and printing (jansson). */
#ifndef BERTH_MODEL_SPEC_H
#define BERTH_MODEL_SPEC_H

#include "model/word.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct err;
struct arena;

enum amount_kind { AMOUNT_UNSET, AMOUNT_COUNT, AMOUNT_PERCENT, AMOUNT_ALL };
struct amount {
	enum amount_kind kind;
	int64_t n;
};
enum rounding { ROUND_DOWN, ROUND_UP };
/* Of total; COUNT is capped at total; UNSET gives 0. */
int64_t amount_of(struct amount a, int64_t total, enum rounding r);

#define STRATEGY_MAX_BATCHES 32
#define STRATEGY_NAME 64
#define STRATEGY_TEXT 256
enum choice { CHOICE_UNSET, CHOICE_NO, CHOICE_YES };
/* 0 / UNSET / "" = not given: strategy_resolve() fills it. Plain memory: it is copied and compared as a value.
 * batches, batch_count and batches_by are three ways to cut; of a merge the one said last is left. */
struct strategy {
	struct amount batches[STRATEGY_MAX_BATCHES]; /* cumulative */
	int n_batches;
	int64_t batch_count;             /* so many, equal */
	char batches_by[STRATEGY_NAME];  /* one per value of that label of the bases; "zone": of their zone */
	char batch_order[STRATEGY_TEXT]; /* those values first, in this order, separated by commas */
	char beta[STRATEGY_NAME];        /* the first batch is this base alone; "*": whichever comes first */
	enum upgrade_policy upgrade_policy;
	enum placement placement;
	struct amount max_unavailable, max_surge, failure_threshold, batch_failure_threshold;
	int64_t max_in_flight, retries;                                      /* retries: -1 = not given */
	int64_t min_ready_us, progress_us, soak_us, task_timeout_us;         /* -1 = not given */
	int64_t prefetch_us;                                                 /* -1 = not given; 0 = do not */
	int64_t install_timeout_us, uninstall_timeout_us, switch_timeout_us; /* -1 = task_timeout_us */
	enum on_failure on_failure;
	enum confirm confirm;
	enum choice retry_elsewhere;
	/* Gates between batches. */
	enum choice gate_state;                  /* what was installed is ready, active, on a base that is well */
	struct amount gate_failed;               /* so many of the plan's tasks may have failed */
	char gate_probe[STRATEGY_TEXT];          /* GET of that path through each base … */
	int64_t gate_probe_status, gate_retries; /* … answers so; after so many tries more it refuses. 0, -1 = not given */
	char gate_url[STRATEGY_TEXT];            /* POST of the plan's context: 200 go on, 409 no, 202 ask again */
	int64_t gate_every_us, gate_timeout_us;  /* between two tries; how long one may hold. -1 = not given */
};
extern const struct strategy strategy_unset;
/* How long a base may take for a task of that kind; what is not given has its default. */
int64_t strategy_timeout(const struct strategy *s, enum task_kind kind);
/* The n-th value of batch_order; false: there are fewer. */
bool strategy_order(const struct strategy *s, int n, char ret[STRATEGY_NAME]);

/* Canonical JSON (keys in fixed order, only what is given); "{}" for nothing. In the arena. */
char *strategy_print(const struct strategy *s, struct arena *a);
int strategy_parse(const char *json, struct strategy *ret, struct err *err); /* NULL and "" = unset */
/* Fields of over replace those of s. */
void strategy_merge(struct strategy *s, const struct strategy *over);
/* Fills what is not given with the defaults of the design's table for a fleet of `bases` bases and the group's policy. */
void strategy_resolve(struct strategy *s, int64_t bases, enum upgrade_policy group_policy, enum placement group_placement);

struct pair {
	char *key, *value;
};
char *strings_print(char *const *v, size_t n, struct arena *a); /* ["a","b"] */
int strings_parse(const char *json, struct arena *a, char ***ret, size_t *ret_n, struct err *err);
char *pairs_print(const struct pair *v, size_t n, struct arena *a); /* {"k":"v"}, keys sorted */
int pairs_parse(const char *json, struct arena *a, struct pair **ret, size_t *ret_n, struct err *err);

#endif
