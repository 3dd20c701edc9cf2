/* The fleet by hand: units and ceilings, what collect gives and in which order, loads of ledgers that were edited, and that fleet_check
 * finds what is spoilt on purpose. */
#include "../../suite.h"

#include "base/arena.h"
#include "base/err.h"
#include "ledger_sim.h"
#include "model/fleet_internal.h"

#include <stdio.h>
#include <string.h>

struct world {
	struct fleet *f;
	struct tenant *t;
	struct group *g;
	struct base *b;
	struct module *m;
	struct version *v;
	struct deployment *d;
	struct ledger_sim *l;
};

static const wall_t now = { 1700000000000000 };

static char *mut(const char *s) {
	return (char *)(uintptr_t)s;
}

static void world_init(struct world *w) {
	memset(w, 0, sizeof *w);
	w->l = ledger_sim_new();
	w->f = fleet_new();
	w->t = fleet_tenant_add(w->f, "default", now);
	w->g = fleet_group_add(w->f, w->t, &(struct row_base_group){ .name = mut("demo"), .install_limit = 5 });
	w->b = fleet_base_add(w->f, w->g, &(struct row_base){ .name = mut("n1"), .state = BASE_READY, .zone = mut("a") });
	w->m = fleet_module_add(w->f, w->t, &(struct row_module){ .name = mut("hello") });
	struct artifact *a = fleet_artifact_add(w->f, w->t, &(struct row_artifact){ .sha256 = mut("00") });
	w->v = fleet_version_add(w->f, w->m, a, &(struct row_version){ .name = mut("1.0.0"), .units = 2, .runtime = RUNTIME_NATIVE });
	w->d = fleet_deployment_add(w->f, w->t, w->m, w->g, &(struct row_deployment){ .name = mut("hello") });
	fleet_revision_add(w->f, w->d, w->v, &(struct row_revision){ .replicas = 3 }, NULL);
}

static void world_deinit(struct world *w) {
	struct err err = ERR_INIT;
	ck_assert_msg(fleet_check(w->f, &err) == 0, "%s", err.text);
	fleet_free(w->f);
	ledger_sim_free(w->l);
}

static struct version *another(struct world *w, int64_t units) {
	return fleet_version_add(w->f, w->m, w->v->artifact, &(struct row_version){ .name = mut("x"), .units = units });
}

static struct instance *put(struct world *w, int64_t units, const char *reported) {
	struct instance *i = NULL;
	struct row_instance row = { .wanted = true, .units = units, .revision = 1, .reported = mut(reported) };
	fleet_instance_add(w->f, w->b, w->d, another(w, units), &row, &i, NULL);
	return i;
}

/* ---- units and ceilings (P4) ---- */

#define UNITS(used, ceiling)                                       \
	do {                                                       \
		ck_assert_int_eq(w.b->row.units_used, used);       \
		ck_assert_int_eq(w.b->row.units_ceiling, ceiling); \
	} while (0)

START_TEST(units_stay_under_the_limit) {
	struct world w;
	world_init(&w);
	UNITS(0, 5);
	struct instance *i = put(&w, 5, NULL);
	UNITS(5, 5);
	ck_assert_ptr_null(put(&w, 1, NULL));
	ck_assert_ptr_nonnull(put(&w, 0, NULL)); /* what costs nothing always fits */
	struct err err = ERR_INIT;
	struct instance *none = NULL;
	ck_assert_int_eq(fleet_instance_add(w.f, w.b, w.d, w.v, &(struct row_instance){ .units = 2 }, &none, &err), E_CONFLICT);
	ck_assert_str_eq(
	    err.text, "limit 5 of base n1 is used up (5 of 5 units; hello:1.0.0 needs 2); raise it with: berth base set n1 --limit 7");
	UNITS(5, 5);
	fleet_instance_remove(w.f, i);
	UNITS(0, 5);
	world_deinit(&w);
}
END_TEST

START_TEST(ceiling_falls_as_units_free) {
	struct world w;
	world_init(&w);
	struct instance *a = put(&w, 2, NULL), *b = put(&w, 2, NULL);
	base_set_limit(w.f, w.b, 1);
	UNITS(4, 4);
	ck_assert_int_eq(base_free(w.b), 0);
	ck_assert_ptr_null(put(&w, 1, NULL));
	fleet_instance_remove(w.f, a);
	UNITS(2, 2);
	ck_assert_ptr_null(put(&w, 1, NULL)); /* room that is above the limit is not given again */
	fleet_instance_remove(w.f, b);
	UNITS(0, 1);
	ck_assert_ptr_nonnull(put(&w, 1, NULL));
	base_set_limit(w.f, w.b, 0);
	UNITS(1, 5);
	group_set_limit(w.f, w.g, 3);
	UNITS(1, 3);
	world_deinit(&w);
}
END_TEST

START_TEST(adopted_modules_count) {
	struct world w;
	world_init(&w);
	ck_assert_ptr_nonnull(put(&w, 4, NULL));
	struct instance *found = put(&w, 4, "activated");
	ck_assert_ptr_nonnull(found);
	UNITS(8, 8);
	ck_assert_ptr_null(put(&w, 1, NULL));
	fleet_instance_remove(w.f, found);
	UNITS(4, 5);
	world_deinit(&w);
}
END_TEST

START_TEST(a_successor_stands_on_the_old_ones_units) {
	struct world w;
	world_init(&w);
	struct instance *old = put(&w, 4, NULL);
	base_set_limit(w.f, w.b, 3);
	UNITS(4, 4);
	struct instance *next = put(&w, 0, NULL);
	instance_set_wanted(w.f, old, false);
	instance_move_units(w.f, old, next, 1);
	UNITS(4, 4);
	ck_assert(old->row.units == 3 && next->row.units == 1); /* what it does not need is free when the old one is gone */
	instance_move_units(w.f, old, next, 3);
	ck_assert(old->row.units == 0 && next->row.units == 4);
	ck_assert_int_eq(instance_set_units(w.f, next, 5, NULL), E_CONFLICT);
	ck_assert_int_eq(instance_set_units(w.f, next, 2, NULL), 0);
	UNITS(2, 3);
	ck_assert_int_eq(instance_set_units(w.f, next, 3, NULL), 0);
	fleet_instance_remove(w.f, old);
	UNITS(3, 3);
	world_deinit(&w);
}
END_TEST

/* Taken back before its base heard of it, while the old one's removal is under way. */
START_TEST(a_successor_gives_back_what_it_stands_on) {
	struct world w;
	world_init(&w);
	struct instance *old = put(&w, 2, NULL), *next = put(&w, 0, NULL);
	old->row.generation = 1;
	instance_set_wanted(w.f, old, false);
	instance_move_units(w.f, old, next, 2);
	ck_assert_int_eq(instance_set_units(w.f, next, 4, NULL), 0);
	UNITS(4, 5);
	fleet_instance_remove(w.f, next);
	UNITS(2, 5);
	ck_assert_int_eq(old->row.units, 2);
	fleet_instance_remove(w.f, old);
	UNITS(0, 5);
	world_deinit(&w);
}
END_TEST

/* It needed fewer than the old one, which kept the rest. */
START_TEST(what_a_smaller_successor_took_is_returned_to_the_rest) {
	struct world w;
	world_init(&w);
	struct instance *old = put(&w, 3, NULL), *next = put(&w, 0, NULL);
	old->version->row.units = 3;
	old->row.generation = 1;
	instance_set_wanted(w.f, old, false);
	instance_move_units(w.f, old, next, 1);
	fleet_instance_remove(w.f, next);
	UNITS(3, 5);
	ck_assert_int_eq(old->row.units, 3);
	world_deinit(&w);
}
END_TEST

START_TEST(wanted_versions_exclude_each_other) {
	struct world w;
	world_init(&w);
	struct instance *i = put(&w, 1, NULL), *again = NULL;
	struct err err = ERR_INIT;
	struct row_instance row = { .wanted = true, .units = 1 };
	ck_assert_int_eq(fleet_instance_add(w.f, w.b, w.d, i->version, &row, &again, &err), E_CONFLICT);
	ck_assert_msg(strstr(err.text, "already has an instance of hello:x") != NULL, "%s", err.text);
	ck_assert_ptr_null(again);
	instance_set_wanted(w.f, i, false); /* with other arguments it may be followed by one of the same version */
	ck_assert_int_eq(fleet_instance_add(w.f, w.b, w.d, i->version, &row, &again, &err), 0);
	ck_assert_ptr_eq(base_instance_of(w.b, i->version), again);
	world_deinit(&w);
}
END_TEST

/* ---- counters of a deployment ---- */

START_TEST(deployment_counts) {
	struct world w;
	world_init(&w);
	struct instance *a = put(&w, 1, NULL), *b = put(&w, 1, NULL);
	instance_set_state(w.f, a, INSTANCE_READY, NULL, now);
	instance_set_state(w.f, b, INSTANCE_READY, NULL, now);
	ck_assert(w.d->n_wanted == 2 && w.d->n_ready == 2 && w.d->n_updated == 2 && w.d->n_serving == 2);
	instance_set_wanted(w.f, a, false);
	ck_assert(w.d->n_instances == 2 && w.d->n_wanted == 1 && w.d->n_ready == 1 && w.d->n_updated == 1 && w.d->n_serving == 2);
	struct revision *r = fleet_revision_add(w.f, w.d, w.v, &(struct row_revision){ .replicas = 1 }, NULL);
	ck_assert_int_eq(r->row.number, 2);
	ck_assert_ptr_eq(w.d->current, r);
	ck_assert_int_eq(w.d->n_updated, 0);
	instance_set_revision(w.f, b, 2);
	ck_assert_int_eq(w.d->n_updated, 1);
	instance_set_deployment(w.f, b, NULL);
	ck_assert(w.d->n_instances == 1 && w.d->n_wanted == 0 && w.d->n_updated == 0 && w.d->n_serving == 1);
	struct fleet_counts c;
	fleet_counts(w.f, w.t, &c);
	ck_assert(c.bases == 1 && c.ready_bases == 1 && c.modules == 1 && c.deployments == 1 && c.instances == 2 && c.ready_instances == 2);
	ck_assert(c.units_used == 2 && c.units_limit == 5 && c.plans_running == 0);
	world_deinit(&w);
}
END_TEST

START_TEST(plans_and_tasks_count) {
	struct world w;
	world_init(&w);
	struct plan *p = fleet_plan_add(w.f, w.t, &(struct row_plan){ .kind = PLAN_KIND_RELEASE });
	fleet_change_add(w.f, p, w.d, &(struct row_plan_change){ .to_revision = 1 });
	ck_assert(w.d->n_queued == 1 && w.d->plan == NULL);
	plan_set_state(w.f, p, PLAN_RUNNING, NULL, now);
	ck_assert(w.d->n_queued == 0 && w.d->plan == p && w.t->n_plans_running == 1);
	struct instance *i = put(&w, 1, NULL);
	struct task *t = fleet_task_add(w.f, p, i, &(struct row_task){ .kind = TASK_KIND_INSTALL });
	ck_assert_str_eq(t->row.base, "n1");
	ck_assert_str_eq(t->row.module, "hello");
	ck_assert(p->n_open == 1 && i->task == t && w.b->inflight == 0);
	task_set_state(w.f, t, TASK_SENT, now);
	ck_assert(w.b->inflight == 1 && t->row.sent_at.us == now.us);
	task_set_state(w.f, t, TASK_SUCCEEDED, now);
	ck_assert(p->n_open == 0 && p->n_tasks == 1 && i->task == NULL && w.b->inflight == 0 && t->row.ended_at.us == now.us);
	fleet_instance_remove(w.f, i);
	ck_assert_ptr_null(t->instance);
	plan_set_state(w.f, p, PLAN_SUCCEEDED, NULL, now);
	ck_assert(w.d->plan == NULL && w.t->n_plans_running == 0 && p->row.ended_at.us == now.us);
	fleet_deployment_remove(w.f, w.d);
	ck_assert_ptr_null(TAILQ_FIRST(&p->changes)->deployment);
	ledger_sim_drain(w.l, w.f, 1000);
	plan_set_state(w.f, p, PLAN_SUCCEEDED, "at last", now);
	fleet_plan_forget(w.f, p);
	ledger_sim_drain(w.l, w.f, 1000);
	ck_assert_uint_eq(ledger_sim_count(w.l, TABLE_plan), 1); /* forgotten here, kept there, with its last state */
	ck_assert_str_eq(((const struct row_plan *)ledger_sim_row(w.l, TABLE_plan, 0))->state_reason, "at last");
	ck_assert_uint_eq(ledger_sim_count(w.l, TABLE_task), 1);
	world_deinit(&w);
}
END_TEST

/* ---- collect ---- */

START_TEST(collect_gives_everything_once) {
	struct world w;
	world_init(&w);
	struct changeset *cs = changeset_new();
	size_t n = fleet_collect(w.f, cs, SIZE_MAX);
	ck_assert_uint_eq(cs->rows, n + 1);
	ck_assert_uint_eq(cs->tables[TABLE_base].n_upserts, 1);
	ck_assert_str_eq(((const struct row_base *)cs->tables[TABLE_base].upserts[0])->name, "n1");
	ck_assert_ptr_ne(((const struct row_base *)cs->tables[TABLE_base].upserts[0])->name, w.b->row.name);
	ck_assert(!fleet_is_dirty(w.f));
	ck_assert_int_eq(cs->commit_no, 1);
	ck_assert_uint_eq(fleet_collect(w.f, cs, SIZE_MAX), 0);
	ck_assert_int_eq(fleet_commit_no(w.f), 1);
	changeset_free(cs);
	cs = changeset_new();
	fleet_touch(w.f, &w.b->o);
	fleet_touch(w.f, &w.b->o);
	ck_assert_uint_eq(fleet_collect(w.f, cs, SIZE_MAX), 1);
	changeset_free(cs);
	world_deinit(&w);
}
END_TEST

START_TEST(what_was_never_stored_vanishes) {
	struct world w;
	world_init(&w);
	ledger_sim_drain(w.l, w.f, 1000);
	struct instance *i = put(&w, 1, NULL);
	struct version *v = i->version;
	fleet_instance_remove(w.f, i);
	fleet_version_remove(w.f, v);
	struct changeset *cs = changeset_new();
	fleet_collect(w.f, cs, SIZE_MAX); /* counters and the base, whose units came and went */
	ck_assert_uint_eq(cs->tables[TABLE_instance].n_upserts + cs->tables[TABLE_instance].n_deletes, 0);
	ck_assert_uint_eq(cs->tables[TABLE_version].n_upserts + cs->tables[TABLE_version].n_deletes, 0);
	changeset_free(cs);
	world_deinit(&w);
}
END_TEST

START_TEST(vacated_slots_come_first) {
	struct world w;
	world_init(&w);
	struct instance *old = put(&w, 1, NULL);
	ledger_sim_drain(w.l, w.f, 1000);
	put(&w, 1, NULL);
	instance_set_wanted(w.f, old, false);
	struct changeset *cs = changeset_new();
	fleet_collect(w.f, cs, SIZE_MAX);
	ck_assert_uint_eq(cs->tables[TABLE_instance].n_upserts, 2);
	ck_assert_int_eq(((const struct row_instance *)cs->tables[TABLE_instance].upserts[0])->id, old->row.id);
	changeset_free(cs);
	world_deinit(&w);
}
END_TEST

START_TEST(events_are_numbered_and_never_go_back) {
	struct world w;
	world_init(&w);
	char text[] = "one";
	struct row_event *e = fleet_event(w.f, now, &(struct row_event){ .kind = mut("base.joined"), .message = text });
	text[0] = 'X';
	ck_assert_str_eq(e->message, "one");
	ck_assert_int_eq(e->number, 1);
	e = fleet_event(w.f, (wall_t){ now.us - 5 }, &(struct row_event){ .kind = mut("base.lost") });
	ck_assert(e->number == 2 && e->at.us == now.us);
	ledger_sim_drain(w.l, w.f, 1);
	struct fleet *again = ledger_sim_load(w.l, w.f);
	ck_assert_int_eq(fleet_last_event(again), 2);
	e = fleet_event(again, (wall_t){ now.us - 5 }, &(struct row_event){ .kind = mut("x") });
	ck_assert(e->number == 3 && e->at.us == now.us);
	fleet_free(again);
	world_deinit(&w);
}
END_TEST

START_TEST(counters_go_on_after_a_load) {
	struct world w;
	world_init(&w);
	ck_assert_int_eq(fleet_next_id(w.f, "report"), 1);
	ck_assert_int_eq(fleet_next_id(w.f, "report"), 2);
	ledger_sim_drain(w.l, w.f, 1000);
	struct fleet *again = ledger_sim_load(w.l, w.f);
	ck_assert_int_eq(fleet_next_id(again, "report"), 3);
	fleet_free(again);
	world_deinit(&w);
}
END_TEST

/* ---- loads of edited ledgers ---- */

START_TEST(dangling_rows_are_named) {
	static const struct {
		enum table t;
		union {
			struct row_token token;
			struct row_base base;
			struct row_instance instance;
			struct row_task task;
		} row;
		const char *says;
	} c[] = {
		{ TABLE_token, { .token = { .id = 3, .tenant_id = 9 } }, "token 3 refers to tenant 9, which is not there" },
		{ TABLE_base, { .base = { .id = 4, .group_id = 8 } }, "base 4 refers to base group 8, which is not there" },
		{ TABLE_instance, { .instance = { .id = 5, .base_id = 7 } }, "instance 5 refers to base 7, which is not there" },
		{ TABLE_task, { .task = { .id = 6, .plan_id = 2 } }, "task 6 refers to plan 2, which is not there" },
		{ TABLE_task, { .task = { .id = 6, .state = TASK_SENT, .instance_id = 3 } },
		    "task 6 refers to instance 3, which is not there" },
	};
	for (size_t i = 0; i < sizeof c / sizeof *c; i++) {
		struct fleet *f = fleet_new();
		struct err err = ERR_INIT;
		max_align_t copy[64];
		memcpy(copy, &c[i].row, sizeof c[i].row);
		ck_assert_int_eq(fleet_load_row(f, c[i].t, copy, &err), E_INTERNAL);
		ck_assert_msg(strstr(err.text, c[i].says) != NULL, "%s", err.text);
		fleet_free(f);
	}
}
END_TEST

START_TEST(a_load_corrects_units) {
	struct world w;
	world_init(&w);
	put(&w, 2, NULL);
	ledger_sim_drain(w.l, w.f, 1000);
	((struct row_base *)(uintptr_t)ledger_sim_row(w.l, TABLE_base, 0))->units_used = 4; /* as if an instance was deleted by hand */
	struct fleet *again = ledger_sim_load(w.l, w.f);
	ck_assert_uint_eq(fleet_dirty_count(again), 1);
	ck_assert_int_eq(fleet_bases(again)->row.units_used, 2);
	fleet_free(again);
	world_deinit(&w);
}
END_TEST

/* ---- fleet_check finds what is spoilt ---- */

static void spoil_units(struct world *w) {
	w->b->row.units_used++;
}
static void spoil_ceiling(struct world *w) {
	w->b->row.units_ceiling++;
}
static void spoil_state(struct world *w) {
	w->b->row.state = BASE_LOST;
}
static void spoil_zone(struct world *w) {
	text_set(&w->b->row.zone, "b");
}
static void spoil_limit(struct world *w) {
	w->g->row.install_limit = 9;
}
static void spoil_wanted(struct world *w) {
	TAILQ_FIRST(&w->d->instances)->row.wanted = false;
}
static void spoil_ready(struct world *w) {
	TAILQ_FIRST(&w->b->instances)->row.state = INSTANCE_READY;
}
static void spoil_revision(struct world *w) {
	w->d->row.revision = 7;
}
static void spoil_dirty(struct world *w) {
	w->b->o.dirty = false;
}
static void spoil_stored(struct world *w) {
	w->f->last_event++;
}
static void spoil_task(struct world *w) {
	TAILQ_FIRST(&w->b->instances)->task = NULL;
}
static void spoil_open(struct world *w) {
	w->f->plans->n_open = 0;
}
static void spoil_inflight(struct world *w) {
	w->b->inflight = 5;
}
static void spoil_queued(struct world *w) {
	w->d->n_queued = 1;
}
static void spoil_holders(struct world *w) {
	w->d->zone_holders[w->b->zone->slot] = 0;
}
static void spoil_version(struct world *w) {
	w->v->n_revisions++;
}
static void spoil_level(struct world *w) {
	w->b->level = NULL;
}
static void spoil_instance_version(struct world *w) {
	TAILQ_FIRST(&w->b->instances)->row.version_id = 1;
}

START_TEST(check_finds_what_is_spoilt) {
	static const struct {
		void (*spoil)(struct world *w);
		const char *says;
	} c[] = {
		{ spoil_units, "units_used of base n1 (sum of its instances): it is 3, should be 2" },
		{ spoil_ceiling, "units_ceiling of base n1 (limit 5, used 2): it is 6, should be 5" },
		{ spoil_state, "level of base n1: it is 3, should be -1" },
		{ spoil_zone, "base n1 counts in zone \"a\", its row says \"b\": fleet_touch was forgotten" },
		{ spoil_limit, "units_ceiling of base n1 (limit 9, used 2): it is 5, should be 9" },
		{ spoil_wanted, "n_wanted of deployment hello: it is 1, should be 0" },
		{ spoil_ready, "n_ready_instances of group demo: it is 0, should be 1" },
		{ spoil_revision, "deployment hello: its current revision 7 is not the one linked" },
		{ spoil_dirty, "dirty queue of base holds an object of base (flag 0)" },
		{ spoil_stored, "last event of the fleet: it is 1, should be 0" },
		{ spoil_task, "its task is 0, the open one is 1" },
		{ spoil_open, "n_open of plan 1: it is 0, should be 1" },
		{ spoil_inflight, "commands in flight over all bases: it is 5, should be 0" },
		{ spoil_queued, "n_queued over all deployments: it is 1, should be 0" },
		{ spoil_holders, "bases that hold deployment hello in zone slot 0: it is 0, should be 1" },
		{ spoil_version, "n_revisions over all versions: it is 2, should be 1" },
		{ spoil_level, "level of base n1: it is -1, should be 3" },
		{ spoil_instance_version, "instance 1 is linked to another version than its row says" },
	};
	for (size_t i = 0; i < sizeof c / sizeof *c; i++) {
		struct world w;
		struct err err = ERR_INIT;
		world_init(&w);
		struct instance *x = put(&w, 2, NULL);
		struct plan *p = fleet_plan_add(w.f, w.t, &(struct row_plan){ .state = PLAN_RUNNING });
		fleet_change_add(w.f, p, w.d, &(struct row_plan_change){ .to_revision = 1 });
		fleet_task_add(w.f, p, x, &(struct row_task){ .kind = TASK_KIND_INSTALL });
		ck_assert_int_eq(fleet_check(w.f, &err), 0);
		c[i].spoil(&w);
		ck_assert_msg(fleet_check(w.f, &err) == E_INTERNAL, "case %zu is not found", i);
		ck_assert_msg(strstr(err.text, c[i].says) != NULL, "case %zu: %s", i, err.text);
		fleet_free(w.f);
		ledger_sim_free(w.l);
	}
}
END_TEST

START_TEST(zones_beyond_the_slots_share_the_last) {
	struct world w;
	world_init(&w);
	for (int i = 0; i < 2 * GROUP_ZONES; i++) {
		char name[16];
		snprintf(name, sizeof name, "z%d", i);
		fleet_base_add(w.f, w.g, &(struct row_base){ .name = name, .zone = name, .state = BASE_READY });
	}
	struct err err = ERR_INIT;
	ck_assert_msg(fleet_check(w.f, &err) == 0, "%s", err.text);
	ck_assert_int_eq(w.g->slots[GROUP_ZONES - 1]->n_bases, 2 * GROUP_ZONES + 1 - (GROUP_ZONES - 1));
	const struct zone *last = group_zone(w.g, "z63");
	ck_assert_int_eq(last->slot, GROUP_ZONES - 1);
	ck_assert_int_eq(last->n_bases, 1); /* of its own, for the brake */
	ck_assert_int_eq(last->n_here, 1);
	for (struct base *b = fleet_bases(w.f), *next; b != NULL; b = next) {
		next = b->hh_id.next;
		fleet_base_remove(w.f, b);
	}
	ck_assert_ptr_null(w.g->zones);
	for (int z = 0; z < GROUP_ZONES; z++)
		ck_assert_ptr_null(w.g->slots[z]);
	world_deinit(&w);
}
END_TEST

/* What is about no base is told apart by its tenant: both may have a group of one name, with a zone of one name. */
START_TEST(a_finding_is_of_its_tenant) {
	struct world w;
	world_init(&w);
	struct tenant *other = fleet_tenant_add(w.f, "other", (wall_t){ 1 });
	struct row_finding row = { .kind = FINDING_ZONE_ALARM, .module = (char[]){ "demo" }, .version = (char[]){ "a" } };
	struct finding *x = fleet_finding_add(w.f, w.t, NULL, &row), *y = fleet_finding_add(w.f, other, NULL, &row);
	ck_assert_ptr_eq(fleet_finding_find(w.f, w.t, FINDING_ZONE_ALARM, NULL, "demo", "a"), x);
	ck_assert_ptr_eq(fleet_finding_find(w.f, other, FINDING_ZONE_ALARM, NULL, "demo", "a"), y);
	fleet_finding_remove(w.f, x);
	ck_assert_ptr_null(fleet_finding_find(w.f, w.t, FINDING_ZONE_ALARM, NULL, "demo", "a"));
	ck_assert_ptr_eq(fleet_finding_find(w.f, other, FINDING_ZONE_ALARM, NULL, "demo", "a"), y);
	world_deinit(&w);
}
END_TEST

/* Rule 10: what nobody looks at any more goes a few objects at a time, whatever they are. */
static struct base *at(const struct world *w, const char *url) {
	return fleet_base_by_arklet(w->t, url);
}

static int64_t oldest_sent(const struct fleet *f) {
	struct fleet_counts n;
	fleet_counts(f, NULL, &n);
	return n.oldest_sent.us;
}

START_TEST(the_oldest_sent_task_is_known) {
	struct world w;
	world_init(&w);
	wall_t later = { now.us + 5 };
	struct task *t[2];
	for (size_t k = 0; k < 2; k++)
		t[k] = fleet_task_add(w.f, NULL, put(&w, 1, NULL), &(struct row_task){ .kind = TASK_KIND_INSTALL });
	ck_assert_int_eq(oldest_sent(w.f), 0);
	task_set_state(w.f, t[1], TASK_SENT, now); /* not in the order in which they were made */
	task_set_state(w.f, t[0], TASK_SENT, later);
	ck_assert_int_eq(oldest_sent(w.f), now.us);
	ledger_sim_drain(w.l, w.f, 1000);
	struct fleet *again = ledger_sim_load(w.l, w.f);
	ck_assert_int_eq(oldest_sent(again), now.us);
	fleet_free(again);
	task_set_state(w.f, t[1], TASK_SUCCEEDED, later);
	ck_assert_int_eq(oldest_sent(w.f), later.us);
	task_set_state(w.f, t[0], TASK_BACKOFF, later);
	ck_assert_int_eq(oldest_sent(w.f), 0);
	world_deinit(&w);
}
END_TEST

START_TEST(a_base_is_found_by_its_arklet) {
	struct world w;
	struct err err = ERR_INIT;
	world_init(&w);
	struct base *b = fleet_base_add(w.f, w.g, &(struct row_base){ .name = mut("j1"), .arklet_url = mut("http://10.0.0.1:1238") });
	ck_assert_ptr_eq(at(&w, "http://10.0.0.1:1238"), b);
	ck_assert_ptr_null(at(&w, "http://10.0.0.1:123"));
	base_set_arklet(w.f, w.b, "http://10.0.0.2:1238");
	base_set_arklet(w.f, b, "http://10.0.0.3:1238"); /* it moved */
	ck_assert_ptr_eq(at(&w, "http://10.0.0.2:1238"), w.b);
	ck_assert_ptr_eq(at(&w, "http://10.0.0.3:1238"), b);
	ck_assert_ptr_null(at(&w, "http://10.0.0.1:1238"));
	base_set_arklet(w.f, w.b, NULL); /* it has an agent now */
	ck_assert_ptr_null(at(&w, "http://10.0.0.2:1238"));
	ledger_sim_drain(w.l, w.f, 1000);
	struct fleet *again = ledger_sim_load(w.l, w.f);
	ck_assert_msg(fleet_check(again, &err) == 0, "%s", err.text);
	ck_assert_str_eq(fleet_base_by_arklet(fleet_tenant(again, "default"), "http://10.0.0.3:1238")->row.name, "j1");
	fleet_free(again);
	fleet_base_remove(w.f, b);
	ck_assert_ptr_null(at(&w, "http://10.0.0.3:1238"));
	world_deinit(&w);
}
END_TEST

START_TEST(a_fleet_is_freed_in_pieces) {
	struct world w;
	world_init(&w);
	struct group *g = fleet_group_add(w.f, w.t, &(struct row_base_group){ .name = mut("many"), .install_limit = 5 });
	for (int i = 0; i < 50; i++) {
		char name[16];
		snprintf(name, sizeof name, "m%d", i);
		struct base *b = fleet_base_add(w.f, g, &(struct row_base){ .name = name, .state = BASE_READY });
		struct deployment *d = fleet_deployment_add(w.f, w.t, w.d->module, g, &(struct row_deployment){ .name = name });
		fleet_revision_add(w.f, d, w.v, &(struct row_revision){ .replicas = 1 }, NULL);
		struct instance *x;
		ck_assert_int_eq(
		    fleet_instance_add(w.f, b, d, w.v, &(struct row_instance){ .units = 1, .revision = 1, .wanted = true }, &x, NULL), 0);
		struct plan *p = fleet_plan_add(w.f, w.t, &(struct row_plan){ .state = PLAN_RUNNING });
		fleet_change_add(w.f, p, d, &(struct row_plan_change){ .to_revision = 1 });
		fleet_task_add(w.f, p, x, &(struct row_task){ .kind = TASK_KIND_INSTALL });
	}
	int pieces = 1;
	for (size_t objects = 20; !fleet_free_some(w.f, &objects); objects = 20, pieces++)
		ck_assert_uint_eq(objects, 0);
	ck_assert_int_ge(pieces, 5 * 50 / 20); /* bases, revisions, instances, changes, tasks */
	ledger_sim_free(w.l);
}
END_TEST

TEST_SUITE("model/fleet", a_fleet_is_freed_in_pieces, a_base_is_found_by_its_arklet, the_oldest_sent_task_is_known,
    units_stay_under_the_limit, ceiling_falls_as_units_free, adopted_modules_count, a_successor_stands_on_the_old_ones_units,
    a_successor_gives_back_what_it_stands_on, what_a_smaller_successor_took_is_returned_to_the_rest, wanted_versions_exclude_each_other,
    deployment_counts, plans_and_tasks_count, collect_gives_everything_once, what_was_never_stored_vanishes, vacated_slots_come_first,
    events_are_numbered_and_never_go_back, counters_go_on_after_a_load, dangling_rows_are_named, a_load_corrects_units,
    check_finds_what_is_spoilt, zones_beyond_the_slots_share_the_last, a_finding_is_of_its_tenant)
