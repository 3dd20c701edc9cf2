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
struct strategy { /* 0 / UNSET = not given: strategy_resolve() fills it */
	struct amount batches[STRATEGY_MAX_BATCHES];
	int n_batches;
	enum upgrade_policy upgrade_policy;
	enum placement placement;
	struct amount max_unavailable, max_surge, failure_threshold;
	int64_t max_in_flight, retries;                              /* retries: -1 = not given */
	int64_t min_ready_us, progress_us, soak_us, task_timeout_us; /* -1 = not given */
	enum on_failure on_failure;
	enum confirm confirm;
};
extern const struct strategy strategy_unset;

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
