/* The rules of rules.def as code. Private to src/sched. */
#ifndef BERTH_SCHED_RULES_H
#define BERTH_SCHED_RULES_H

#include "sched/place.h"

struct rule {
	const char *name;
	bool (*refuses)(const struct fleet *f, const struct place_req *r, const struct base *b);
	const char *sentence, *command;
};
extern const struct rule rules[];
extern const int n_rules;

/* The first rule from `from` on that refuses the base; n_rules = none. */
int rule_first(const struct fleet *f, const struct place_req *r, const struct base *b, int from);

/* place.c: what ranks the bases that fit; load: instances of the deployment in that base's zone. place_rank < 0: a before b. */
enum placement place_policy(const struct place_req *r);
int place_zone_load(const struct place_req *r, int zone);
int place_rank(const struct place_req *r, const struct base *a, int load_a, const struct base *b, int load_b);

/* What stands against that base, for {what}; "" where the sentence has no such place. In the arena. */
const char *taint_of(const struct place_req *r, const struct base *b, struct arena *a);       /* NULL = none */
const char *requirement_of(const struct place_req *r, const struct base *b, struct arena *a); /* NULL = all are met */
struct metaspace {
	int64_t needed, cost, max, percent; /* bytes; the group's limit */
};
const char *metaspace_text(const struct place_req *r, const struct base *b, struct arena *a);

#endif
