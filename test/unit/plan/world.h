/* A fleet and the plan engine on it, without a core: tasks are sent when a test says so, and end as it says. */
#ifndef BERTH_TEST_PLAN_WORLD_H
#define BERTH_TEST_PLAN_WORLD_H

#include "base/err.h"
#include "base/rng.h"
#include "plan/live.h"

#define WORLD_BASES 16

struct world {
	struct fleet *f;
	struct tenant *t;
	struct group *g;
	struct module *m;
	struct deployment *d;
	struct base *bases[WORLD_BASES];
	struct plan_env e;
	struct rng rng;
	int n_into_traffic;
	int n_undone; /* times the engine asked for an undo */
	bool undo_possible;
	bool prefetching;          /* bases can be asked to fetch ahead */
	mono_t woken;              /* the earliest time it asked to be called again at; 0 = not since this was cleared */
	char url[512], body[1024]; /* of the last question; its number is n_asked */
	int64_t n_asked;
	int n_prefetches;
	int64_t last_slot;
	char last[64], said[256]; /* kind and text of the last event */
};

void world_init(struct world *w, int bases, int64_t limit);
void world_deinit(struct world *w);
struct version *world_version(struct world *w, const char *name);
/* A new revision of the deployment. */
struct revision *world_revision(struct world *w, const char *version, int64_t replicas, const struct strategy *s);
struct plan *world_plan(struct world *w, enum plan_kind kind, int64_t from, int64_t to);
/* Sends what may be sent. */
void world_send(struct world *w, struct plan *p);
/* Ends every task that was sent; those on the base called `bad` fail. Returns how many ended. */
int world_answer(struct world *w, struct plan *p, const char *bad);
/* Sends and answers, letting time pass, until nothing moves. */
void world_run(struct world *w, struct plan *p, const char *bad);
void world_pass(struct world *w, int64_t us);
/* What a takeover does: the working state is dropped and made again from the rows. */
void world_reload(struct world *w, struct plan *p);
int world_at(const struct world *w, const char *version); /* ready and wanted instances of it */

#endif
