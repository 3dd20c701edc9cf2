/* History of bases: a row per time of readiness, in the changeset of its instance, whatever happens within one commit. */
#include "../../suite.h"

#include "base/arena.h"
#include "base/err.h"
#include "ledger_sim.h"
#include "model/fleet_internal.h"

#include <string.h>

struct world {
	struct fleet *f;
	struct deployment *d;
	struct instance *i;
};

static char *mut(const char *s) {
	return (char *)(uintptr_t)s;
}

static wall_t at(int64_t s) {
	return (wall_t){ INT64_C(1700000000000000) + s * US_PER_S };
}

static void world_init(struct world *w) {
	struct err err = ERR_INIT;
	w->f = fleet_new();
	struct tenant *t = fleet_tenant_add(w->f, "default", at(0));
	struct group *g = fleet_group_add(w->f, t, &(struct row_base_group){ .name = mut("demo"), .install_limit = 5 });
	struct base *b = fleet_base_add(w->f, g, &(struct row_base){ .name = mut("n1"), .state = BASE_READY, .zone = mut("a") });
	struct module *m = fleet_module_add(w->f, t, &(struct row_module){ .name = mut("orders") });
	struct artifact *a = fleet_artifact_add(w->f, t, &(struct row_artifact){ .sha256 = mut("00") });
	struct version *v = fleet_version_add(w->f, m, a, &(struct row_version){ .name = mut("3.1.0"), .units = 1 });
	w->d = fleet_deployment_add(w->f, t, m, g, &(struct row_deployment){ .name = mut("shop") });
	fleet_revision_add(w->f, w->d, v, &(struct row_revision){ .replicas = 1, .actor = mut("ci"), .plan_id = 9 }, NULL);
	struct row_instance row = { .wanted = true, .units = 1, .revision = 1 };
	ck_assert_int_eq(fleet_instance_add(w->f, b, w->d, v, &row, &w->i, &err), 0);
}

static void world_deinit(struct world *w) {
	struct err err = ERR_INIT;
	ck_assert_msg(fleet_check(w->f, &err) == 0, "%s", err.text);
	fleet_free(w->f);
}

static void set(struct world *w, enum instance_state s, int64_t when) {
	instance_set_state(w->f, w->i, s, "why", at(when));
}

/* The only history row of the next changeset. */
static struct row_base_history *written(struct world *w, struct changeset **ret) {
	*ret = changeset_new();
	ck_assert_uint_gt(fleet_collect(w->f, *ret, SIZE_MAX), 0);
	ck_assert_uint_eq((*ret)->tables[TABLE_base_history].n_upserts, 1);
	ck_assert(!fleet_is_dirty(w->f));
	return (*ret)->tables[TABLE_base_history].upserts[0];
}

static void nothing_written(struct world *w) {
	struct changeset *cs = changeset_new();
	fleet_collect(w->f, cs, SIZE_MAX);
	ck_assert_uint_eq(cs->tables[TABLE_base_history].n_upserts, 0);
	changeset_free(cs);
}

START_TEST(a_ready_instance_opens_a_row_and_leaving_ends_it) {
	struct world w;
	struct changeset *cs;
	world_init(&w);
	set(&w, INSTANCE_INSTALLING, 1);
	nothing_written(&w);
	set(&w, INSTANCE_READY, 2);
	struct row_base_history *h = written(&w, &cs);
	ck_assert_int_eq(h->instance_id, w.i->row.id);
	ck_assert_int_eq(h->since.us, at(2).us);
	ck_assert_int_eq(h->ended_at.us, 0);
	ck_assert_str_eq(h->base, "n1");
	ck_assert_str_eq(h->base_group, "demo");
	ck_assert_str_eq(h->zone, "a");
	ck_assert_str_eq(h->module, "orders");
	ck_assert_str_eq(h->version, "3.1.0");
	ck_assert_str_eq(h->deployment, "shop");
	ck_assert_str_eq(h->actor, "ci");
	ck_assert_int_eq(h->plan_id, 9);
	changeset_free(cs);
	set(&w, INSTANCE_READY, 3);
	nothing_written(&w);
	set(&w, INSTANCE_UNKNOWN, 4);
	h = written(&w, &cs);
	ck_assert_int_eq(h->since.us, at(2).us);
	ck_assert_int_eq(h->ended_at.us, at(4).us);
	ck_assert_str_eq(h->ended_as, "unknown");
	ck_assert_str_eq(h->ended_reason, "why");
	changeset_free(cs);
	world_deinit(&w);
}
END_TEST

START_TEST(one_row_per_beginning_within_a_commit) {
	struct world w;
	struct changeset *cs;
	world_init(&w);
	set(&w, INSTANCE_READY, 2);
	set(&w, INSTANCE_FAILED, 2);
	set(&w, INSTANCE_READY, 2); /* in one instant: it never left */
	struct row_base_history *h = written(&w, &cs);
	ck_assert_int_eq(h->ended_at.us, 0);
	ck_assert_ptr_null(h->ended_as);
	changeset_free(cs);
	set(&w, INSTANCE_FAILED, 3);
	set(&w, INSTANCE_READY, 4);
	set(&w, INSTANCE_FAILED, 1); /* the clock stepped back */
	cs = changeset_new();
	fleet_collect(w.f, cs, SIZE_MAX);
	struct change_rows *rows = &cs->tables[TABLE_base_history];
	ck_assert_uint_eq(rows->n_upserts, 2);
	ck_assert_int_eq(((struct row_base_history *)rows->upserts[0])->ended_at.us, at(3).us);
	ck_assert_int_eq(((struct row_base_history *)rows->upserts[1])->ended_at.us, at(4).us);
	changeset_free(cs);
	world_deinit(&w);
}
END_TEST

START_TEST(a_removed_instance_ends_its_row_with_its_delete) {
	struct world w;
	struct changeset *cs;
	world_init(&w);
	set(&w, INSTANCE_READY, 2);
	changeset_free((written(&w, &cs), cs));
	fleet_event(w.f, at(5), &(struct row_event){ .tenant_id = 1 });
	fleet_instance_remove(w.f, w.i);
	cs = changeset_new();
	fleet_collect(w.f, cs, 1); /* even in the smallest changeset they are together */
	ck_assert_uint_eq(cs->tables[TABLE_instance].n_deletes, 1);
	ck_assert_uint_eq(cs->tables[TABLE_base_history].n_upserts, 1);
	struct row_base_history *h = cs->tables[TABLE_base_history].upserts[0];
	ck_assert_int_eq(h->ended_at.us, at(5).us);
	ck_assert_str_eq(h->ended_as, "removed");
	changeset_free(cs);
	world_deinit(&w);
}
END_TEST

START_TEST(a_row_waits_for_its_instance) {
	struct world w;
	world_init(&w);
	set(&w, INSTANCE_READY, 2);
	for (bool done = false; !done;) {
		struct changeset *cs = changeset_new();
		ck_assert_uint_gt(fleet_collect(w.f, cs, 1), 0);
		ck_assert_uint_eq(cs->tables[TABLE_base_history].n_upserts, cs->tables[TABLE_instance].n_upserts);
		done = cs->tables[TABLE_instance].n_upserts == 1;
		changeset_free(cs);
	}
	world_deinit(&w);
}
END_TEST

START_TEST(what_was_never_stored_leaves_its_history) {
	struct world w;
	struct changeset *cs;
	world_init(&w);
	set(&w, INSTANCE_READY, 2);
	fleet_instance_remove(w.f, w.i);
	struct row_base_history *h = written(&w, &cs);
	ck_assert_str_eq(h->ended_as, "removed");
	changeset_free(cs);
	world_deinit(&w);
}
END_TEST

START_TEST(a_fleet_goes_with_rows_unwritten) {
	struct world w;
	world_init(&w);
	set(&w, INSTANCE_READY, 2);
	world_deinit(&w);
}
END_TEST

TEST_SUITE("model/stay", a_ready_instance_opens_a_row_and_leaving_ends_it, one_row_per_beginning_within_a_commit,
    a_removed_instance_ends_its_row_with_its_delete, a_row_waits_for_its_instance, what_was_never_stored_leaves_its_history,
    a_fleet_goes_with_rows_unwritten)
