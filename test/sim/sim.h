/* The simulation: the real core and the real agent brain on virtual time, with a fake ledger, fake links and fake bases, under seeded
 * faults. Same seed, same run. Nothing here sleeps, threads or opens a socket.
 *
 *   sim.c      virtual time          store.c   what is durable        ledger.c   the road to it, and what gets lost on it
 *   node.c     servers, links        direct.c  brains in the server   agent.c    brains on their own    machine.c  bases
 *   lie.c      what a strange agent says      clients.c  what people ask for      settle.c  how it has to end
 *   watch.c    what must hold at any time     storm.c    one seed                 run.c     many of them */
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
#include "proto/arklet.h"

#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>

/* ---- virtual time -------------------------------------------------------------------------------------------------------------------- */
typedef void (*sim_fn)(void *arg);
struct sim_event {
	int64_t at;
	uint64_t seq;
	sim_fn fn;
	void *arg;
};

/* Chance in 1000 per occasion; all 0 once the storm is over. */
struct faults {
	int commit_lost_before, commit_lost_after, commit_late, commit_slow, stall; /* the ledger */
	int refuse;                                                                 /* rows it does not take */
	bool older;                                                                 /* it comes back older, once */
	int node_kill, node_freeze, node_stop;                                      /* servers */
	int link_cut, mute, report_late, report_twice, replay, lie;                 /* links; one agent that lies */
	int agent_kill, agent_disk_lost, agent_hang, leave;                         /* agents */
	int base_kill, base_hang, install_fail, crash, meddle;                      /* bases */
	bool zone_away;                                                             /* half of a zone or more, for minutes, once */
	int lone;                                                                   /* bases without an agent */
};

#define STEADY_INSTALL_US (730 * US_PER_MS)
#define STEADY_UNINSTALL_US (310 * US_PER_MS)

#define MAX_ROWS 256   /* of lifecycle.def */
#define MAX_REACHES 32 /* of reaches.def */
struct tally {
	uint64_t transitions[MAX_ROWS]; /* per row of lifecycle.def, how often it happened */
	uint64_t reached[MAX_REACHES];  /* per row of reaches.def */
};

#define MAX_BASES 30
#define MAX_LONE 4
#define MAX_NODES 3

struct store;
struct node;
struct agent;
struct machine;
struct clients;
struct watch;
struct plan_watch;

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
	struct watch *watch;
	struct plan_watch *plan_watch;
	struct node *nodes[MAX_NODES];
	int n_nodes;
	struct agent *agents[MAX_BASES];
	int n_agents;
	struct machine *lone[MAX_LONE];
	int n_lone;
	struct tally *tally;   /* added up over seeds; NULL: nobody counts */
	int liar;              /* index of an agent; -1: none */
	int bad;               /* index of a base on which nothing starts; -1: none */
	bool calm;             /* the storm is over */
	bool steady;           /* everything takes its shortest time, work on a base these: what was foretold can be compared */
	bool over;             /* the run is over: events that are left only free what they carry */
	bool lost;             /* an older ledger came back: what was newer is lost with a person's consent */
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
struct machine *sim_lone(struct sim *s, const char *name); /* without an agent; NULL: nobody is there */

/* ---- what is durable ------------------------------------------------------------------------------------------------------------------
 */
struct store *store_new(struct sim *s);
void store_free(struct store *st);
size_t store_rows(const struct store *st, enum table t);
const void *store_row(const struct store *st, enum table t, size_t i);
const void *store_find(const struct store *st, enum table t, const void *key_row);
int64_t store_epoch(const struct store *st);
int64_t store_last_event(const struct store *st);
const char *store_holder(const struct store *st); /* of the lease; "" */
int64_t store_renewed_at(const struct store *st);
void store_tell(const struct store *st); /* a line of the trace per instance and open task */
void store_check(struct store *st);      /* invariants of what is durable */
void store_remember(struct store *st);   /* a backup is taken */
bool store_rewind(struct store *st);     /* and played back: every server must be dead; false when nothing was lost by it */

/* ---- the road to it -------------------------------------------------------------------------------------------------------------------
 */
/* One server's connections; freed with the store. frozen_until: until then the server learns of nothing. */
struct ledger *ledger_connect(struct store *st, const int64_t *frozen_until);
void ledger_disconnect(struct ledger *l);        /* its process died: completions never come */
bool ledger_busy(const struct ledger *l);        /* a commit or a load of this server is under way */
void ledger_stall(struct store *st, int64_t us); /* nothing gets an answer for so long */

/* ---- a server -------------------------------------------------------------------------------------------------------------------------
 */
struct node *node_new(struct sim *s, int index);
void node_free(struct node *n);
void node_kill(struct node *n); /* and starts again a while later */
void node_stop(struct node *n); /* politely */
void node_freeze(struct node *n, int64_t us);
struct core *node_core(struct node *n); /* NULL while dead */
struct sim *node_sim(const struct node *n);
const char *node_name(const struct node *n);
int64_t node_frozen_for(const struct node *n); /* ≤ 0: it is awake */
bool node_active(struct node *n);
struct node *sim_active(struct sim *s); /* the one that takes writes now, or NULL */
struct direct **node_directs(struct node *n);
/* An agent dials: NULL when the server is dead or stands by. */
struct driver_link *node_accept(struct node *n, struct agent *a);
void link_up(struct driver_link *k, const Berth__V1__AgentMessage *m); /* agent → server, in order, delayed */
void link_cut(struct driver_link *k);                                  /* both sides learn of it */
/* What the agent says is held up so long; neither side knows. */
void link_mute(struct driver_link *k, int64_t us);

/* ---- a base ---------------------------------------------------------------------------------------------------------------------------
 */
struct brain_answer;
typedef void (*machine_done)(void *arg, const struct brain_answer *x); /* exactly once, never inside the call */
struct machine *machine_new(struct sim *s, int index, const char *name);
void machine_free(struct machine *m);
void machine_start(struct machine *m);
void machine_die(struct machine *m);
void machine_bounce(void *machine); /* dies and is started again by somebody else */
void machine_on_crash(struct machine *m, sim_fn fn, void *arg);
void machine_meddle(struct machine *m); /* somebody uses arklet by hand: a module is deactivated, broken or gone */
void machine_hang(struct machine *m, int64_t us);
bool machine_up(const struct machine *m);
const char *machine_name(const struct machine *m);
uint64_t machine_life(const struct machine *m);
bool machine_holds(const struct machine *m, const char *module, const char *version, bool *ret_active);
/* Walks the active ones; NULL at the end. */
const char *machine_active_at(const struct machine *m, int k, const char **ret_version);
/* Somebody put a hand on that module ("alpha" or "alpha:>=2") there, or it would not start or stop, or took the base down: until it was
 * installed anew. */
bool machine_spoilt(const struct machine *m, const char *module);
bool machine_by_hand(const struct machine *m, const char *module, const char *version); /* what somebody brought past the server */
void machine_call(
    struct machine *m, enum arklet_command command, const Berth__V1__WantedModule *w, int64_t timeout_us, machine_done done, void *arg);

/* ---- its agent ------------------------------------------------------------------------------------------------------------------------
 */
struct agent *agent_new(struct sim *s, int index, const char *group, const char *zone);
void agent_free(struct agent *a);
void agent_kill(struct agent *a, bool disk_too);
void agent_hang(struct agent *a, int64_t us);
void agent_base_kill(struct agent *a);
void agent_cut(struct agent *a); /* its link */
void agent_mute(struct agent *a, int64_t us);
void agent_leave(struct agent *a); /* says goodbye, and is started again later */
void agent_deliver(struct agent *a, struct driver_link *k, const Berth__V1__ServerMessage *m);
void agent_hear(struct agent *a, const Berth__V1__ServerMessage *m); /* a command, once more */
void agent_link_down(struct agent *a, struct driver_link *k);
int64_t agent_hung_for(const struct agent *a); /* ≤ 0: it is awake */
const char *agent_name(const struct agent *a);
int agent_index(const struct agent *a);
struct machine *agent_machine(const struct agent *a);
bool agent_sets_aside(const struct agent *a, const char *module); /* "alpha" or "alpha:>=2" */
void lie(struct sim *s, Berth__V1__AgentMessage *m);              /* changes it */

/* ---- people and pipelines -------------------------------------------------------------------------------------------------------------
 */
struct clients *clients_new(struct sim *s);
void clients_free(struct clients *c);
void clients_start(struct clients *c);                                    /* modules, versions, a group, a join token; then wishes */
void clients_check(struct clients *c);                                    /* what was acknowledged is there */
const char *clients_requirement(const char *module, const char *version); /* "alpha:>=2"; NULL: it requires nothing */
void clients_any_version(struct sim *s, char ret_module[32], char ret_version[32]); /* they deploy it; requires nothing */
int64_t clients_drain_wait(const struct sim *s);                                    /* of the group that they deploy to */
void clients_forget(struct clients *c);                                             /* an older ledger came back */
void clients_refused(struct clients *c, const char *key); /* the ledger does not take that request: it must not be tried for ever */
/* The ledger removes that deployment: somebody must have asked for it. */
void clients_deleted(struct clients *c, const char *deployment);

/* ---- what must hold, told as things happen --------------------------------------------------------------------------------------------
 */
struct watch *watch_new(void);
void watch_free(struct watch *w);
/* epochs: no command of an old one is obeyed */
void watch_told(struct sim *s, int agent, const Berth__V1__ServerMessage *m);
void watch_calls(struct sim *s, int agent, const char *what, int64_t generation);
void watch_reported(struct sim *s, int agent, const Berth__V1__AgentMessage *m);
void watch_removes(struct sim *s, int agent, int64_t generation);
void watch_disk_lost(struct sim *s, int agent);
void watch_agent_reborn(struct sim *s, int agent);
/* effects on bases; machines without agent count from MAX_BASES on */
void watch_base_reborn(struct sim *s, int machine);
void watch_effect(struct sim *s, int machine, bool install, const char *module, const char *version, int64_t generation);
void watch_units(struct sim *s, const char *base, int64_t units);
bool watch_lies(const struct sim *s, const char *base); /* what is known of it is what its agent makes up */
/* effects of servers: only the lease's holder has any, and only of what is committed */
void watch_holder(struct sim *s, const char *node, const char *what);
void watch_command(struct sim *s, const Berth__V1__Command *c);
void watch_ack(struct sim *s, const char *base, int64_t seq);
/* commits: before and after */
void watch_commit(struct sim *s, const struct changeset *cs);
void watch_committed(struct sim *s, const struct changeset *cs);
struct plan_watch *plan_watch_new(void); /* free() it */
void watch_plans_before(struct sim *s, const struct changeset *cs);
void watch_plans_after(struct sim *s, const struct changeset *cs);
void watch_bases_before(struct sim *s, const struct changeset *cs);
void watch_bases_after(struct sim *s, const struct changeset *cs);
void watch_sent(struct sim *s, const struct row_task *t); /* with the commit that is in force now */
void watch_order(struct sim *s, const struct machine *m, bool install, const char *module, const char *version); /* about to happen */
void watch_model(struct sim *s, struct fleet *f); /* equal to the ledger; the fleet is not dirty and nothing is under way */

/* In the calm: a change is looked at first and made then, and what was foretold is what happens. */
void foresee(struct sim *s);

/* ---- one seed -------------------------------------------------------------------------------------------------------------------------
 */
/* False: *ret_why tells the first broken invariant. */
bool storm_run(uint64_t seed, FILE *trace, struct tally *tally, char *ret_why, size_t n);
void settle_check(struct sim *s); /* at the end */

#endif
