/* The fleet in memory: every live object of a cell, its indexes, and the set of objects changed since the last collect.
 *
 * One thread. No I/O, no clock. Objects are created and removed only here, and only here are links kept; everything else changes plain
 * row fields through the setters below or directly, followed by fleet_touch(). Fields that links or sums depend on (ids, units, state,
 * wanted, limits) have setters: never write them directly.
 *
 * Removing an object that was committed puts its key into the next changeset's deletes; one never committed just vanishes. */
#ifndef BERTH_MODEL_FLEET_H
#define BERTH_MODEL_FLEET_H

#include "base/bucket.h"
#include "base/hash.h"
#include "model/row.h"
#include "model/spec.h"

#include <sys/queue.h>

struct err;
struct arena;
struct fleet;

struct object { /* head of every object below */
	enum table table;
	bool dirty, stored; /* in the dirty queue; has been collected at least once (so a removal needs a delete) */
	TAILQ_ENTRY(object) dirty_link;
};
TAILQ_HEAD(object_queue, object);

TAILQ_HEAD(task_queue, task);
TAILQ_HEAD(deployment_queue, deployment);
TAILQ_HEAD(plan_queue, plan);
struct tenant {
	struct object o;
	struct row_tenant row;
	struct module *modules;                                         /* by name; uthash keeps insertion order = id order */
	struct group *groups;                                           /* by name */
	struct base *bases;                                             /* by name */
	struct base *arklets;                                           /* by row.arklet_url, those that have one */
	struct deployment *deployments;                                 /* by name */
	struct token *tokens;                                           /* by name; revoked ones are removed */
	struct webhook *webhooks;                                       /* by name */
	struct artifact *artifacts;                                     /* by sha256 */
	int n_plans_running;                                            /* unfinished and not queued */
	struct task_queue sent;                                         /* tasks in state SENT, in the order in which they were sent */
	struct deployment_queue deployments_in[DEPLOYMENT_OFFLINE + 1]; /* by state, as they came to it; after a load by id */
	struct plan_queue plans_in[PLAN_SUPERSEDED + 1];
	int n_requiring; /* versions that require other modules */
	UT_hash_handle hh_name, hh_id;
};

struct token {
	struct object o;
	struct row_token row;
	struct tenant *tenant;
	UT_hash_handle hh_name, hh_hash, hh_id;
};

struct webhook {
	struct object o;
	struct row_webhook row;
	struct tenant *tenant;
	UT_hash_handle hh_name, hh_id;
};

struct artifact {
	struct object o;
	struct row_artifact row;
	struct tenant *tenant;
	int refs; /* versions */
	UT_hash_handle hh_name, hh_id;
};

/* What installs of a module took on bases of one group: means of the last eight. */
#define MODULE_COSTS 8
struct install_cost {
	int64_t group_id, installs, duration_us, measured, metaspace_bytes; /* measured: installs whose metaspace is known */
};

struct module {
	struct object o;
	struct row_module row;
	struct install_cost costs[MODULE_COSTS];
	int n_costs;
	struct tenant *tenant;
	TAILQ_HEAD(version_list, version) versions; /* in id order */
	int n_versions, n_deployments;
	UT_hash_handle hh_name, hh_id;
};

struct version {
	struct object o;
	struct row_version row;
	struct module *module;
	struct artifact *artifact;
	int n_instances, n_revisions; /* what holds it */
	TAILQ_ENTRY(version) link;
	UT_hash_handle hh_id;
};

/* What placement counts by: each of the first GROUP_ZONES-1 zones of a group has a slot, all others share the last one. Zone names come
 * from outside. */
#define GROUP_ZONES 32

TAILQ_HEAD(base_queue, base);
/* Bases of a slot that may take new instances (ready, not cordoned) and have as many units free; in the order in which they came to it. */
struct level {
	int64_t free;
	struct base_queue bases;
};
struct zone_slot {
	int n_bases;
	struct level **levels; /* by free units, fewest first; none is empty */
	size_t n_levels, cap_levels;
};
struct zone {
	char *name; /* "": of bases without one */
	int slot;   /* in group->slots */
	int n_bases;
	int n_here, n_gone; /* connected as far as we know (restoring, ready); gone unasked (base_set_gone) */
	bool brake;         /* P10: nothing that is lost here is replaced by itself; live, core keeps a finding of it */
	UT_hash_handle hh;
};
struct group {
	struct object o;
	struct row_base_group row;
	struct tenant *tenant;
	struct base_queue bases;              /* all, in id order */
	struct zone *zones;                   /* by name; those that have bases */
	struct zone_slot *slots[GROUP_ZONES]; /* NULL = not in use */
	int n_bases, n_instances, n_ready_instances, n_state[BASE_STOPPED + 1], n_cordoned, n_deployments;
	int64_t units_used, units_limit; /* sums over bases */
	bool roomier;                    /* live: room may have grown since somebody looked */
	uint64_t grown;                  /* live: how often room may have grown */
	uint64_t last_place;             /* live: the last base.place given out */
	UT_hash_handle hh_name, hh_id;
};

/* Of a JVM, as it last said. -1: not told, or without a limit. */
struct base_memory {
	int64_t metaspace_used, metaspace_committed, metaspace_max, heap_used, heap_max, classes, threads, uptime_us;
	int64_t metaspace_own; /* what this JVM needs without its modules: found out, not told */
	char application[64], java[48];
};

TAILQ_HEAD(instance_queue, instance);
struct base {
	struct object o;
	struct row_base row;
	struct tenant *tenant;
	struct group *group;
	struct instance_queue instances; /* in install order */
	int n_instances, n_quarantined;
	TAILQ_ENTRY(base) group_link, free_link, seen_link, command_link;
	TAILQ_HEAD(, finding) findings;
	int n_findings;
	struct zone *zone;   /* follows row.zone at fleet_touch */
	struct level *level; /* where it stands there; NULL: it takes nothing new */
	uint64_t place;      /* in the list of its level: grows from head to tail */
	/* live only, not in the ledger */
	bool connected, seen_queued, command_queued, restoring, prefetches;
	bool gone;            /* counts in its zone's n_gone */
	mono_t absence_until; /* with row.absence_us > 0 */
	mono_t seen;          /* last sign of life */
	wall_t heard;         /* the same, for people; 0 = not since the load */
	mono_t lost_since;
	mono_t look_at; /* when the core looks at it next; 0 = not due */
	struct bucket told;
	bool flooding;  /* it told more than its budget; core/budget.c */
	int64_t untold; /* events of it that were not written since */
	int64_t memory_bytes;
	struct base_memory memory;
	bool memory_told;
	int64_t memory_life; /* incarnation that told it */
	mono_t memory_written;
	int inflight;             /* commands without outcome: tasks in state SENT */
	void *drive;              /* the driver's link */
	struct task_queue outbox; /* while command_queued: tasks of the command being made */
	UT_hash_handle hh_name, hh_arklet, hh_id;
};

struct revision {
	struct object o;
	struct row_revision row;
	struct deployment *deployment;
	struct version *version;
	struct strategy strategy; /* parsed row.strategy */
	int n_wanted, n_other;    /* wanted instances at it; of those, at another version than its own */
	TAILQ_ENTRY(revision) link;
};

struct deployment {
	struct object o;
	struct row_deployment row;
	struct tenant *tenant;
	struct module *module;
	struct group *group;
	TAILQ_HEAD(revision_list, revision) revisions; /* oldest first; at most options' kept number */
	struct revision *current, *completed;          /* row.revision, row.completed_revision (NULL = none) */
	struct instance_queue instances;
	int n_instances;                  /* all, wanted or not */
	int n_wanted, n_ready, n_updated; /* wanted; wanted and READY; wanted and at row.revision */
	int zone_wanted[GROUP_ZONES];     /* n_wanted on bases of its group, per zone slot */
	int zone_holders[GROUP_ZONES];    /* bases of its group that have an instance of it, wanted or not */
	int n_away;                       /* wanted, on bases that are lost or stopped */
	int n_serving;                    /* READY, wanted or on its way out: what answers now */
	struct plan *plan;                /* the unfinished one that runs (not queued), or NULL */
	int n_queued;
	TAILQ_ENTRY(deployment) state_link; /* in tenant's deployments_in */
	UT_hash_handle hh_name, hh_id;
};

/* change.deployment: NULL once it is removed (a finished plan may outlive it). */
struct change {
	struct object o;
	struct row_plan_change row;
	struct plan *plan;
	struct deployment *deployment;
	TAILQ_ENTRY(change) link;
};
struct batch {
	struct object o;
	struct row_batch row;
	struct plan *plan;
	TAILQ_ENTRY(batch) link;
};
struct plan {
	struct object o;
	struct row_plan row;
	struct tenant *tenant;
	TAILQ_HEAD(change_list, change) changes;
	TAILQ_HEAD(batch_list, batch) batches; /* by number, from 1 */
	struct task_queue tasks;               /* unfinished ones, and finished ones of the running batch */
	int n_tasks, n_open, n_sent;           /* n_open: not terminal; n_sent: in state SENT */
	struct task_queue parked;              /* live: tasks that wait for a command slot */
	bool due;                              /* live: waits for its next step */
	uint64_t wait_shape;                   /* live: the kind of wait that row.waiting tells of */
	struct plan_live *live;                /* the engine's working state; owned and freed by room plan through fleet_on_plan_free */
	struct finding *evicts;                /* live: what it takes out; NULL: nothing, or it is settled */
	TAILQ_ENTRY(plan) state_link;          /* in tenant's plans_in */
	UT_hash_handle hh_id;
};

/* A time in which an instance was ready, as a row of base_history that is still to be written. In memory only until it is collected, which
 * happens together with its instance. */
struct stay {
	struct object o;
	struct row_base_history row;
	struct stay_list *list;
	TAILQ_ENTRY(stay) link;
};
TAILQ_HEAD(stay_list, stay);

struct instance {
	struct object o;
	struct row_instance row;
	struct base *base;
	struct deployment *deployment;
	struct version *version;
	TAILQ_ENTRY(instance) base_link; /* beside version: placement walks over what a base holds */
	TAILQ_ENTRY(instance) deployment_link;
	struct stay_list stays;  /* to be written, in order; no two with one beginning */
	struct task *task;       /* the open one, or NULL */
	struct task_queue tasks; /* of it in memory, open or not */
	mono_t ready_since;      /* live */
	mono_t retry_at;         /* live: of its repair */
	bool in_memory;          /* live: what it takes is in what its base told last */
	int activated;           /* live: how often repair made it active again, without it having stayed so */
	UT_hash_handle hh_id;
};

struct task { /* plan NULL: a repair. instance, base: NULL once they are removed (a finished task may outlive them) */
	struct object o;
	struct row_task row;
	struct plan *plan;
	struct instance *instance;
	struct base *base;
	mono_t due;                /* BACKOFF: when; PENDING: not before, unless 0; SENT: when a hook is asked again */
	mono_t sent;               /* live */
	mono_t held_from;          /* live: since when row.held_us was not brought up to date; 0 = it is not held */
	int64_t ask;               /* live: number of the hook's call under way; 0 = none */
	bool queued;               /* live: in one of core's queues */
	struct task_queue *parked; /* that queue, when it outlives a turn; NULL otherwise */
	TAILQ_ENTRY(task) plan_link, instance_link, queue_link, sent_link;
	UT_hash_handle hh_id;
};

struct finding {
	struct object o;
	struct row_finding row;
	struct tenant *tenant;
	struct base *base;
	struct plan *plan; /* live: the last one that evicts it; may have ended */
	mono_t look_at;    /* live: when its group's policy looks at it; 0 = not */
	char *key;
	TAILQ_ENTRY(finding) link, base_link;
	UT_hash_handle hh_id, hh_key;
};

struct idem {
	struct object o;
	struct row_idempotency row;
	UT_hash_handle hh;
	TAILQ_ENTRY(idem) link;
}; /* oldest first in the fleet's queue */

/* ---- life -------------------------------------------------------------------------------------------------------------------- */
struct fleet *fleet_new(void);
void fleet_free(struct fleet *f);
/* Frees so many objects of a fleet that nobody looks at any more, and takes them off the number. True: all of it is gone. */
bool fleet_free_some(struct fleet *f, size_t *objects);
/* Counts what happens, per row of lifecycle.def (transition_count() of them); the caller's memory. */
void fleet_count_transitions(struct fleet *f, uint64_t *counts);
/* Called when a plan object goes; in the same way as fleet_free_some(), until it says that all of it is gone. */
void fleet_on_plan_free(struct fleet *f, bool (*fn)(struct plan_live *live, size_t *objects));

/* Load: rows arrive table by table in tables.def order, each table by key. The row is copied (its texts too): it need only be valid during
 * the call. Of cell and event only the last numbers (and the last event's time) are kept. E_INTERNAL with a text when a row refers to
 * something absent (a ledger somebody edited). */
int fleet_load_row(struct fleet *f, enum table t, void *row, struct err *err);
int fleet_load_end(struct fleet *f, struct err *err); /* recomputes sums (a base whose units differ becomes dirty), runs fleet_check */

/* Everything that must hold at any time; the first violation as text. Walks the whole fleet: tests, simulation, after a load. */
int fleet_check(const struct fleet *f, struct err *err);

/* ---- changes since the last collect -------------------------------------------------------------------------------------------- */
void fleet_touch(struct fleet *f, struct object *o);
bool fleet_is_dirty(const struct fleet *f);
size_t fleet_dirty_count(const struct fleet *f);
struct changeset;
/* Moves dirty rows (copies in the changeset's arena) and deletes into cs: at most max_rows (at least one). Deletes first, children
 * before parents, then upserts in foreign-key order, then deletes of what upserts may have left (deployments, modules, groups), then
 * events: what is left dirty always comes later in that order, so references precede. Rows of base_history go along with their instance,
 * beyond max_rows. With anything moved, row cell (commit_no + 1, last event moved so far) is part of it. Returns rows moved, 0 = nothing
 * was dirty. */
size_t fleet_collect(struct fleet *f, struct changeset *cs, size_t max_rows);

/* ---- numbers ------------------------------------------------------------------------------------------------------------------- */
int64_t fleet_next_id(struct fleet *f, const char *counter); /* gapless per counter ("plan", "instance", …); persisted in table counter */
int64_t fleet_inflight(const struct fleet *f);               /* tasks in state SENT */
int64_t fleet_commit_no(const struct fleet *f);
int64_t fleet_last_event(const struct fleet *f);
/* Adds an event; number, at (never before the previous one's) and cell row are filled. Texts are copied. */
struct row_event *fleet_event(struct fleet *f, wall_t now, const struct row_event *e);

/* ---- lookup (NULL when absent) --------------------------------------------------------------------------------------------------- */
struct tenant *fleet_tenant(const struct fleet *f, const char *name);
struct tenant *fleet_tenant_by_id(const struct fleet *f, int64_t id);
struct tenant *fleet_tenants(const struct fleet *f); /* uthash head by name (hh_name) */
struct token *fleet_token_by_hash(const struct fleet *f, const uint8_t hash[32]);
struct token *fleet_token(const struct tenant *t, const char *name);
struct webhook *fleet_webhook(const struct tenant *t, const char *name);
struct webhook *fleet_webhook_by_id(const struct fleet *f, int64_t id);
struct artifact *fleet_artifact(const struct tenant *t, const char *sha256);
struct module *fleet_module(const struct tenant *t, const char *name);
struct version *fleet_version(const struct module *m, const char *name); /* newest revision of that version name */
/* Adopted versions may have no bytes: they share the tenant's artifact without a digest. They run where they are, and cannot be installed.
 */
#define NO_SHA256 ""
static inline bool version_restorable(const struct version *v) {
	return *v->artifact->row.sha256 != '\0';
}
struct version *fleet_version_by_id(const struct fleet *f, int64_t id);
struct group *fleet_group(const struct tenant *t, const char *name);
struct base *fleet_base(const struct tenant *t, const char *name);
struct base *fleet_base_by_id(const struct fleet *f, int64_t id);
struct base *fleet_base_by_arklet(const struct tenant *t, const char *url);
struct base *fleet_bases(const struct fleet *f); /* uthash head by id (hh_id), id order */
struct deployment *fleet_deployment(const struct tenant *t, const char *name);
struct deployment *fleet_deployment_by_id(const struct fleet *f, int64_t id);
struct deployment *fleet_deployments(const struct fleet *f); /* hh_id */
struct revision *fleet_revision(const struct deployment *d, int64_t number);
struct plan *fleet_plan(const struct fleet *f, int64_t id); /* unfinished, and finished ones until fleet_plan_forget */
struct plan *fleet_plans(const struct fleet *f);            /* hh_id */
struct task *fleet_task(const struct fleet *f, int64_t id);
struct task *fleet_tasks(const struct fleet *f); /* hh_id */
struct instance *fleet_instance(const struct fleet *f, int64_t id);
struct instance *fleet_instances(const struct fleet *f);                                /* hh_id */
struct instance *base_instance_of(const struct base *b, const struct version *v);       /* that very version */
struct instance *base_instance_of_module(const struct base *b, const struct module *m); /* any version, wanted ones first */
struct finding *fleet_finding_find(const struct fleet *f, const struct tenant *t, enum finding_kind kind, const struct base *b,
    const char *module, const char *version);                /* b NULL: of those that are about no base */
struct finding *fleet_findings_first(const struct fleet *f); /* walk with TAILQ_NEXT(x, link) */
struct finding *fleet_finding(const struct fleet *f, int64_t id);
void finding_set_plan(struct finding *x, struct plan *p); /* x may be NULL */
struct idem *fleet_idem(const struct fleet *f, const uint8_t hash[16]);

struct fleet_counts {
	int bases, ready_bases, modules, deployments, instances, ready_instances, plans_running;
	int64_t units_used, units_limit;
	wall_t oldest_sent; /* of the task that waits longest for its outcome; 0: none is with its base */
};
void fleet_counts(const struct fleet *f, const struct tenant *t, struct fleet_counts *ret); /* t NULL = all; O(groups + deployments) */

/* ---- memory (memory.c) ----------------------------------------------------------------------------------------------------------- */
char *base_memory_print(const struct base_memory *m, struct arena *a); /* as row.memory has it */
bool base_memory_parse(const char *json, struct base_memory *ret);
/* outdated: measured before or while modules came or went. It is shown, and says nothing of what the modules of now need. */
void base_memory_learn(struct base *b, const struct base_memory *m, bool outdated);
void base_memory_counts(struct base *b); /* what is there now is in what it told */
/* Metaspace it holds on to with the modules of now, and with those that are on their way there: not what the next collection could give
 * back. -1: not known. */
int64_t base_metaspace_needed(const struct base *b);
const struct install_cost *module_cost(const struct module *m, const struct group *g); /* NULL: never installed there */
void module_cost_note(
    struct fleet *f, struct module *m, const struct group *g, int64_t duration_us, int64_t metaspace_bytes /* < 0: unknown */);

/* ---- creation: ids are assigned here; row texts are copied; the object is dirty -------------------------------------------------- */
struct tenant *fleet_tenant_add(struct fleet *f, const char *name, wall_t now);
struct token *fleet_token_add(struct fleet *f, struct tenant *t, const struct row_token *row);
struct webhook *fleet_webhook_add(struct fleet *f, struct tenant *t, const struct row_webhook *row);
struct artifact *fleet_artifact_add(struct fleet *f, struct tenant *t, const struct row_artifact *row);
struct module *fleet_module_add(struct fleet *f, struct tenant *t, const struct row_module *row);
struct version *fleet_version_add(struct fleet *f, struct module *m, struct artifact *a, const struct row_version *row);
struct group *fleet_group_add(struct fleet *f, struct tenant *t, const struct row_base_group *row);
struct base *fleet_base_add(struct fleet *f, struct group *g, const struct row_base *row);
struct deployment *fleet_deployment_add(
    struct fleet *f, struct tenant *t, struct module *m, struct group *g, const struct row_deployment *row);
struct revision *fleet_revision_add(struct fleet *f, struct deployment *d, struct version *v, const struct row_revision *row,
    const struct strategy *s); /* becomes current */
struct plan *fleet_plan_add(struct fleet *f, struct tenant *t, const struct row_plan *row);
struct change *fleet_change_add(struct fleet *f, struct plan *p, struct deployment *d, const struct row_plan_change *row);
struct batch *fleet_batch_add(struct fleet *f, struct plan *p, const struct row_batch *row);
/* Adds row.units to the base. E_CONFLICT (nothing changed) when they do not fit under the ceiling, unless row.reported says it is already
 * there (adoption: ceiling grows), and when the base has an instance of that version, wanted or on its way out. d may be NULL (nobody's).
 */
int fleet_instance_add(struct fleet *f, struct base *b, struct deployment *d, struct version *v, const struct row_instance *row,
    struct instance **ret, struct err *err);
void instance_to_tail(struct instance *i); /* of those of its deployment, if it has one: for a copy that is made base by base */
struct task *fleet_task_add(struct fleet *f, struct plan *p, struct instance *i, const struct row_task *row);
struct finding *fleet_finding_add(struct fleet *f, struct tenant *t, struct base *b, const struct row_finding *row);
struct idem *fleet_idem_add(struct fleet *f, const struct row_idempotency *row);

/* ---- removal -------------------------------------------------------------------------------------------------------------------- */
void fleet_token_remove(struct fleet *f, struct token *t);
void fleet_webhook_remove(struct fleet *f, struct webhook *w);
void fleet_artifact_remove(struct fleet *f, struct artifact *a);                         /* refs == 0 */
void fleet_module_remove(struct fleet *f, struct module *m);                             /* no versions, no deployments */
void fleet_version_set_artifact(struct fleet *f, struct version *v, struct artifact *a); /* its bytes became known */
void fleet_version_remove(struct fleet *f, struct version *v);                           /* nothing holds it */
void fleet_group_remove(struct fleet *f, struct group *g);                               /* no bases, no deployments */
void fleet_base_remove(struct fleet *f, struct base *b);                                 /* no instances */
void fleet_deployment_remove(struct fleet *f, struct deployment *d);                     /* no instances, no plan; its revisions go too */
void fleet_revision_remove(struct fleet *f, struct revision *r);
/* Gives its units back: to the one that it was to follow in place, where that is still there, else to the base. Its open task must be
 * closed. */
void fleet_instance_remove(struct fleet *f, struct instance *i);
void fleet_finding_remove(struct fleet *f, struct finding *x);
void fleet_idem_remove(struct fleet *f, struct idem *x);
struct idem *fleet_idem_oldest(const struct fleet *f);
/* Finished plans and tasks leave the memory, not the ledger. */
void fleet_plan_forget(struct fleet *f, struct plan *p);
void fleet_task_forget(struct fleet *f, struct task *t);

/* ---- setters (etag and updated_at are the caller's): one per fact that links or sums depend on. A state changes only by a row of
 * lifecycle.def (lifecycle.h); to the state it has already: only the reason is new --- */
void base_set_state(struct fleet *f, struct base *b, enum base_state s, const char *reason, wall_t now);
void base_set_cordoned(struct fleet *f, struct base *b, bool cordoned, const char *reason, wall_t now);
void base_set_arklet(struct fleet *f, struct base *b, const char *url); /* NULL: it is reached through its agent */
void base_set_limit(struct fleet *f, struct base *b, int64_t install_limit /* 0 = the group's */);
void base_set_group(struct fleet *f, struct base *b, struct group *g);
void group_set_limit(struct fleet *f, struct group *g, int64_t install_limit);
void base_set_gone(struct base *b, bool gone);
struct zone *group_zone(const struct group *g, const char *name); /* NULL: no base is there; a name that is NULL is "" */
/* Position of its first level with at least so many units free; n_levels: none has. */
size_t slot_level_at(const struct zone_slot *s, int64_t free_units);
void base_set_absence(struct fleet *f, struct base *b, int64_t us);
void base_set_install_failures(struct fleet *f, struct base *b, int64_t n);
int64_t base_limit(const struct base *b);            /* in force */
int64_t base_free(const struct base *b);             /* max(0, limit - used) */
static inline bool base_gone(const struct base *b) { /* lost or stopped */
	return b->row.state == BASE_LOST || b->row.state == BASE_STOPPED;
}
bool base_open(const struct base *b);                      /* may take new instances: ready, not cordoned */
static inline bool group_observed(const struct group *g) { /* its bases are looked at, never commanded */
	return g->row.mode == GROUP_MODE_OBSERVE;
}
static inline int deployment_holders(const struct deployment *d) { /* bases of its group that have an instance of it */
	int n = 0;
	for (int z = 0; z < GROUP_ZONES; z++)
		n += d->zone_holders[z];
	return n;
}
static inline bool instance_reported(const struct instance *i) { /* its base says that it has it, whatever it is worth: it counts there */
	return i->row.reported != NULL && *i->row.reported != '\0';
}
void instance_set_state(struct fleet *f, struct instance *i, enum instance_state s, const char *reason, wall_t now);
void instance_set_wanted(struct fleet *f, struct instance *i, bool wanted);
/* What it costs of its base, now. E_CONFLICT (nothing changed) when more do not fit. */
int instance_set_units(struct fleet *f, struct instance *i, int64_t units, struct err *err);
/* An upgrade in place: the successor on the same base stands on the old one's units, so that the base's sum does not move. What it does not
 * need stays with the old one until that is gone. `units` are not more than `from` has. */
void instance_move_units(struct fleet *f, struct instance *from, struct instance *to, int64_t units);
void instance_set_revision(struct fleet *f, struct instance *i, int64_t revision); /* the slot's revision */
void instance_set_deployment(struct fleet *f, struct instance *i, struct deployment *d);
void deployment_set_state(struct fleet *f, struct deployment *d, enum deployment_state s, const char *reason, wall_t now);
void deployment_set_completed(struct fleet *f, struct deployment *d, int64_t revision);
void deployment_set_plan(struct fleet *f, struct deployment *d, struct plan *p);
void plan_set_state(struct fleet *f, struct plan *p, enum plan_state s, const char *reason, wall_t now);
void batch_set_state(struct fleet *f, struct batch *b, enum batch_state s, wall_t now);
void task_set_state(struct fleet *f, struct task *t, enum task_state s, wall_t now); /* keeps instance->task and plan->n_open */

#endif
