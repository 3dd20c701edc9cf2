/* The simulation: the real core and the real agent brain on virtual time, with a fake ledger, fake links and fake bases, under seeded
 * faults. Same seed, same run. Nothing here sleeps, threads or opens a socket. */
#ifndef BERTH_TEST_SIM_H
#define BERTH_TEST_SIM_H

#include "base/arena.h"
#include "base/clock.h"
#include "base/rng.h"
#include "core/change.h"
#include "core/core.h"
#include "core/driver.h"
#include "core/inbound.h"
#include "core/ledger.h"

#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>

/* ---- virtual time ------------------------------------------------------------------------------------------------------------------- */
typedef void (*sim_fn)(void *arg);
struct sim_event {
	int64_t at;
	uint64_t seq;
	sim_fn fn;
	void *arg;
};

struct faults { /* chance in 1000 per occasion; all 0 once the storm is over */
	int commit_lost_before, commit_lost_after, commit_late, commit_retry_slow, refuse;
	int link_cut, node_kill, node_freeze, agent_kill, agent_disk_lost, base_kill, install_fail, report_late;
	int mute, leave, meddle, crash;
};

#define MAX_BASES 12
#define MAX_NODES 2

struct store;
struct node;
struct agent;
struct clients;

struct sim {
	uint64_t seed;
	struct rng rng;
	int64_t now_us; /* since the start of the run */
	struct clock clock;
	struct sim_event *heap;
	size_t n, cap;
	uint64_t seq;
	struct faults f;
	struct store *store;
	struct clients *clients;
	struct node *nodes[MAX_NODES];
	int n_nodes;
	struct agent *agents[MAX_BASES];
	int n_agents;
	uint64_t *transitions; /* per row of lifecycle.def, added up */
	bool calm;             /* the storm is over */
	bool over;             /* the run is over: events that are left only free what they carry */
	FILE *trace;           /* NULL: none */
	char failure[512];     /* first broken invariant */
	uint64_t steps, still; /* still: events since time last moved */
};

void sim_init(struct sim *s, uint64_t seed, FILE *trace);
void sim_deinit(struct sim *s);
void sim_after(struct sim *s, int64_t us, sim_fn fn, void *arg);
bool sim_step(struct sim *s);  /* one event; false when none is left */
void sim_drain(struct sim *s); /* all that are left, once agents and servers are dead */
bool sim_chance(struct sim *s, int per_mille);
int64_t sim_delay(struct sim *s, int64_t lo, int64_t hi);
void sim_trace(struct sim *s, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
void sim_fail(struct sim *s, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

/* ---- the ledger that all servers share ---------------------------------------------------------------------------------------------- */
struct store *store_new(struct sim *s);
void store_free(struct store *st);
struct ledger *store_connect(struct store *st, const int64_t *frozen_until); /* one server's connections; freed with the store */
void store_disconnect(struct ledger *l);                                     /* its process died: completions never come */
size_t store_rows(const struct store *st, enum table t);
const void *store_row(const struct store *st, enum table t, size_t i);
const void *store_find(const struct store *st, enum table t, const void *key_row);
int64_t store_epoch(const struct store *st);
void store_check(struct store *st); /* invariants of what is durable */

/* ---- a server ----------------------------------------------------------------------------------------------------------------------- */
struct node *node_new(struct sim *s, int index);
void node_free(struct node *n);
void node_kill(struct node *n); /* and starts again a while later */
void node_freeze(struct node *n, int64_t us);
struct core *node_core(struct node *n); /* NULL while dead */
bool node_active(struct node *n);
/* An agent dials: NULL when the server is dead or stands by. */
struct driver_link *node_accept(struct node *n, struct agent *a);
void link_up(struct driver_link *k, const Berth__V1__AgentMessage *m); /* agent → server, in order, delayed */
void link_cut(struct driver_link *k);                                  /* both sides learn of it */
/* What the agent says is held up so long; neither side knows. */
void link_mute(struct driver_link *k, int64_t us);

/* ---- a base with its agent ---------------------------------------------------------------------------------------------------------- */
struct agent *agent_new(struct sim *s, int index, const char *group);
void agent_free(struct agent *a);
void agent_kill(struct agent *a, bool disk_too);
void agent_base_kill(struct agent *a);
void agent_cut(struct agent *a); /* its link */
void agent_mute(struct agent *a, int64_t us);
void agent_leave(struct agent *a);  /* says goodbye, and is started again later */
void agent_meddle(struct agent *a); /* somebody uses arklet by hand: a module is deactivated, broken or gone */
void agent_deliver(struct agent *a, struct driver_link *k, const Berth__V1__ServerMessage *m);
void agent_link_down(struct agent *a, struct driver_link *k);
int agent_holds(const struct agent *a); /* modules on the base now */
bool agent_holds_version(const struct agent *a, const char *module, const char *version, bool *ret_active);
const char *agent_name(const struct agent *a);

/* ---- people and pipelines ----------------------------------------------------------------------------------------------------------- */
struct clients *clients_new(struct sim *s);
void clients_free(struct clients *c);
void clients_start(struct clients *c); /* modules, versions, a group, a join token; then wishes */
void clients_check(struct clients *c); /* what was acknowledged is there */
/* The ledger removes that deployment: somebody must have asked for it. */
void clients_deleted(struct clients *c, const char *deployment);

/* ---- one seed ----------------------------------------------------------------------------------------------------------------------- */
bool storm_run(
    uint64_t seed, FILE *trace, uint64_t *transitions, char *ret_why, size_t n); /* false: *ret_why tells the first broken invariant */
void settle_check(struct sim *s);                                                /* at the end */

#endif
