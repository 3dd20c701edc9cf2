/* Launching plans: the one way from "this is wanted now" to a plan that waits its turn. Private to src/core. */
#ifndef BERTH_CORE_LAUNCH_H
#define BERTH_CORE_LAUNCH_H

#include "core/conductor.h"

struct launch {
	enum plan_kind kind;
	int64_t undoes;          /* the plan it takes back */
	bool supersede;          /* plans at work give way too */
	bool now;                /* max_unavailable does not hold it up */
	int64_t base_id, before; /* drain, replace, restart: what it is about (plan/memo.h) */
};

/* What a revision is about. Texts and strategy are copied. */
struct wanted {
	struct version *version;
	int64_t replicas;
	const char *args, *env;
	const struct strategy *strategy;
};
struct revision *revision_record(struct core *c, const struct core_who *who, struct deployment *d, const struct wanted *w);

bool plan_touches(const struct plan *p, const struct deployment *d);

struct plan *plan_launch(struct core *c, const struct core_who *who, struct deployment *d, const struct revision *from, struct revision *to,
    const struct launch *x);
/* A plan to a new revision that wants what `like` wanted; an offline deployment comes back. */
struct plan *launch_revision(
    struct core *c, const struct core_who *who, struct deployment *d, const struct revision *like, const struct launch *x);
/* A plan that takes everything away. */
struct plan *launch_away(struct core *c, const struct core_who *who, struct deployment *d, const struct launch *x);

/* One plan over several deployments, at the revisions they are at; it takes all of them at once, or waits. At least one. */
struct plan *launch_over(struct core *c, const struct core_who *who, struct deployment *const *d, size_t n, const struct launch *x);

/* undo.c */
int undo_check(struct core *c, const struct undo *u, struct deployment **ret, struct err *err);
/* E_INVALID at /meta/reason when nobody says why. */
bool reason_missing(const struct core_who *who, struct err *err);
bool undo_by_itself(struct core *c, struct plan *p, const char *why);

#endif
