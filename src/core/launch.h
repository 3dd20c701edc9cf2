/* Launching plans: the one way from "this is wanted now" to a plan that waits its turn. Private to src/core. */
#ifndef BERTH_CORE_LAUNCH_H
#define BERTH_CORE_LAUNCH_H

#include "core/conductor.h"

struct launch {
	enum plan_kind kind;
	int64_t undoes;       /* the plan it takes back */
	bool supersede;       /* plans at work give way too */
	bool now;             /* max_unavailable does not hold it up */
	bool forced;          /* takes away what others require */
	const int64_t *bases; /* drain: of several; else: of these first, where fewer are wanted */
	size_t n_bases;
	int64_t evicts, grace_us; /* evict: the finding, and how long it waits */
	int64_t base_id, before;  /* drain, replace, restart: what it is about (plan/memo.h) */
};

/* What a revision is about. Texts and strategy are copied. */
struct wanted {
	struct version *version;
	int64_t replicas;
	const char *args, *env;
	const struct strategy *strategy;
};
struct revision *revision_record(struct core *c, const struct core_who *who, struct deployment *d, const struct wanted *w);
/* A new revision that wants what `like` wanted; an offline deployment comes back. */
struct revision *revision_like(struct core *c, const struct core_who *who, struct deployment *d, const struct revision *like);

/* Does it change what is wanted of d? (One that only holds still for another's sake is not meant.) */
bool plan_touches(const struct plan *p, const struct deployment *d);

/* One deployment of a plan. to == from: at the revision it is at. */
struct launched {
	struct deployment *deployment;
	const struct revision *from; /* NULL: its first */
	struct revision *to;
};
/* One plan over all of them, at least one; it takes all its deployments at once, or waits. What is required comes first. Deployments that
 * require one of them, or are required and being changed, accompany it: nothing else changes them meanwhile. What a queued
 * plan that this one overtakes was about beyond that becomes a plan of its own. */
struct plan *launch(struct core *c, const struct core_who *who, const struct launched *v, size_t n, const struct launch *x);
/* Who accompanies it as of now; again whenever a queued plan looks whether it may start. */
void launch_company(struct core *c, struct plan *p);
/* A plan of kind evict: it has no change of what is wanted. Not announced yet. */
struct plan *launch_eviction(struct core *c, const struct core_who *who, struct tenant *t, const struct launch *x);
/* A plan that takes everything of one deployment away. */
struct plan *launch_away(struct core *c, const struct core_who *who, struct deployment *d, const struct launch *x);

/* undo.c */
int undo_check(struct core *c, const struct undo *u, struct err *err);
/* E_INVALID at /meta/reason when nobody says why. */
bool reason_missing(const struct core_who *who, struct err *err);
bool undo_by_itself(struct core *c, struct plan *p, const char *why);

#endif
