/* What the files of the fleet share. Private to src/model.
 *
 * Each noun's file keeps its links and sums in a pair x_count()/x_uncount(): uncount, change the fact, count. */
#ifndef BERTH_MODEL_FLEET_INTERNAL_H
#define BERTH_MODEL_FLEET_INTERNAL_H

#include "model/changeset.h"
#include "model/fleet.h"

struct counter {
	struct object o;
	struct row_counter row;
	UT_hash_handle hh;
};

/* A row that still has to reach the ledger although its object is gone: a key to delete, or the last state of something forgotten. */
struct leftover {
	STAILQ_ENTRY(leftover) link;
	struct stay_list stays;
	max_align_t row[];
};
STAILQ_HEAD(leftover_queue, leftover);

struct fleet {
	struct object_queue dirty[TABLE_COUNT];
	struct leftover_queue gone[TABLE_COUNT], parting[TABLE_COUNT];
	size_t n_dirty, n_gone, n_parting;

	int64_t inflight;
	int64_t commit_no, last_event, collected_event;
	wall_t last_event_at;
	struct arena *event_arena;
	struct row_event **events; /* assigned, not collected yet: numbers collected_event+1 … last_event */
	size_t n_events, events_size;

	struct counter *counters;
	struct tenant *tenants_by_name, *tenants;
	struct token *tokens, *tokens_by_hash;
	struct webhook *webhooks;
	struct artifact *artifacts;
	struct module *modules;
	struct version *versions;
	struct group *groups;
	struct base *bases;
	struct deployment *deployments;
	struct plan *plans;
	struct instance *instances;
	struct task *tasks;
	struct finding *findings, *findings_by_key;
	TAILQ_HEAD(, finding) finding_queue;
	struct idem *idems;
	TAILQ_HEAD(, idem) idem_queue;
	bool (*plan_free)(struct plan_live *live, size_t *objects);
	uint64_t *reached; /* per row of lifecycle.def; NULL: nobody counts */
};

/* Every object starts with struct object and its row. */
#define OBJECT_ROW(obj) ((void *)((char *)(obj) + sizeof(struct object)))

/* fleet.c */
void *object_new(enum table t, size_t size, const void *row); /* zeroed; the row copied with its texts; linked nowhere */
void object_created(struct fleet *f, struct object *o);       /* goes into the dirty queue */
void object_free(struct object *o);                           /* for fleet_free: no trace */
/* Frees it; when it was stored its key goes into the deletes, and is returned. */
struct leftover *object_delete(struct fleet *f, struct object *o);
/* A change of state: a row of lifecycle.def, or our own bug. */
void state_made(struct fleet *f, enum word_set set, int to);
void state_moved(struct fleet *f, enum word_set set, int from, int to);
void object_clean(struct fleet *f, struct object *o); /* leaves the dirty queue */
void object_part(struct fleet *f, struct object *o);  /* frees it; when dirty, its last row is still written */
char *text_dup(const char *s);
void event_loaded(struct fleet *f, int64_t number, wall_t at);
int absent(struct err *err, const char *what, int64_t id, const char *refers, int64_t to);

/* Links and sums, per noun. x_link puts a new object into every index and sum; used by x_add and by the load. */
void token_link(struct fleet *f, struct token *t, struct tenant *tenant);
void base_link(struct fleet *f, struct base *b, struct group *g);
void base_add_units(struct fleet *f, struct base *b, int64_t units);
void base_refresh(struct fleet *f, struct base *b); /* ceiling and level from limit, units, state */
void base_rezone(struct fleet *f, struct base *b);
void level_enter(struct base *b); /* the level of what it has free now, which may be none */
void level_leave(struct base *b);
void levels_free(struct zone_slot *s);
void zone_free(struct group *g, struct zone *z);
void instance_count(struct instance *i);
void instance_uncount(struct instance *i);
void holders_count(struct base *b, int sign); /* the base as a whole enters or leaves its zone */
/* stay.c: the row of base_history of an instance that becomes ready, before it leaves that state, and after it was removed. */
void stay_begin(struct fleet *f, struct instance *i);
void stay_end(struct fleet *f, struct instance *i, const char *as, const char *reason, wall_t now);
void stays_move(struct stay_list *from, struct stay_list *to); /* to NULL: they are written by themselves */
void stays_collect(struct fleet *f, struct changeset *cs, struct stay_list *list);
void stays_collect_rest(struct fleet *f, struct changeset *cs); /* those in no list */
bool stays_free(struct fleet *f, size_t *objects);              /* true: none is left */
void revision_link(struct deployment *d, struct version *v, struct revision *r);
void plan_count(struct plan *p);
void plan_uncount(struct plan *p);
bool plan_live_state(enum plan_state s); /* unfinished and not queued */
void idem_sort(struct fleet *f);

void module_costs_read(struct module *m); /* from its row */

/* Loaders: one row each. */
int tenant_load(struct fleet *f, const void *row, struct err *err);
int token_load(struct fleet *f, const void *row, struct err *err);
int webhook_load(struct fleet *f, const void *row, struct err *err);
int artifact_load(struct fleet *f, const void *row, struct err *err);
int module_load(struct fleet *f, const void *row, struct err *err);
int version_load(struct fleet *f, const void *row, struct err *err);
int base_group_load(struct fleet *f, const void *row, struct err *err);
int base_load(struct fleet *f, const void *row, struct err *err);
int deployment_load(struct fleet *f, const void *row, struct err *err);
int revision_load(struct fleet *f, const void *row, struct err *err);
int plan_load(struct fleet *f, const void *row, struct err *err);
int plan_change_load(struct fleet *f, const void *row, struct err *err);
int batch_load(struct fleet *f, const void *row, struct err *err);
int instance_load(struct fleet *f, const void *row, struct err *err);
int task_load(struct fleet *f, const void *row, struct err *err);
int finding_load(struct fleet *f, const void *row, struct err *err);
int idempotency_load(struct fleet *f, const void *row, struct err *err);
int base_history_load(struct fleet *f, const void *row, struct err *err);

/* free of everything, per noun; children first is fleet_free's business */
#define FIND_ID(head, id_, ret) HASH_FIND_BYHASHVALUE(hh_id, (head), &(id_), sizeof(int64_t), hash_of_id(id_), (ret))
#define ADD_ID(head, x) HASH_ADD_KEYPTR_BYHASHVALUE(hh_id, (head), &(x)->row.id, sizeof(int64_t), hash_of_id((x)->row.id), (x))
#define FIND_TEXT(head, text, ret) HASH_FIND(hh_name, (head), (text), strlen(text), (ret))
#define ADD_TEXT(head, x, field) HASH_ADD_KEYPTR(hh_name, (head), (x)->row.field, strlen((x)->row.field), (x))

#endif
