/* Memory of bases as it is stored, what modules cost, and what a JVM needs without what its next collection could give back. */
#include "../../suite.h"

#include "base/arena.h"
#include "model/fleet.h"

#include <string.h>

#define MIB(n) (INT64_C(n) << 20)

static char *mut(const char *s) {
	return (char *)(uintptr_t)s;
}

struct world {
	struct fleet *f;
	struct group *g;
	struct base *b;
	struct module *m;
	struct version *v;
};

static void world_init(struct world *w) {
	w->f = fleet_new();
	struct tenant *t = fleet_tenant_add(w->f, "default", (wall_t){ 1 });
	w->g = fleet_group_add(w->f, t, &(struct row_base_group){ .name = mut("shop"), .install_limit = 5 });
	w->b = fleet_base_add(w->f, w->g, &(struct row_base){ .name = mut("b1"), .state = BASE_READY });
	w->m = fleet_module_add(w->f, t, &(struct row_module){ .name = mut("m") });
	struct artifact *a = fleet_artifact_add(w->f, t, &(struct row_artifact){ .sha256 = mut("00") });
	w->v = fleet_version_add(w->f, w->m, a, &(struct row_version){ .name = mut("1"), .units = 1 });
}

static void says(struct world *w, int64_t used) {
	struct base_memory m = { .metaspace_used = used, .metaspace_max = MIB(100), .uptime_us = 1 };
	base_memory_learn(w->b, &m, false);
}

START_TEST(memory_goes_there_and_back) {
	struct base_memory m = { .metaspace_used = MIB(60),
		.metaspace_committed = MIB(61),
		.metaspace_max = -1,
		.heap_used = 3,
		.heap_max = 4,
		.classes = 12000,
		.threads = -1,
		.uptime_us = 77,
		.metaspace_own = MIB(50),
		.application = "shop",
		.java = "17" },
	                   back;
	ARENA_AUTO a = arena_new();
	const char *text = base_memory_print(&m, a);
	ck_assert(strstr(text, "metaspaceMax") == NULL && strstr(text, "threads") == NULL);
	ck_assert(base_memory_parse(text, &back));
	ck_assert_int_eq(memcmp(&m, &back, sizeof m), 0);
	ck_assert(!base_memory_parse(NULL, &back) && back.metaspace_used == -1);
	ck_assert(!base_memory_parse("[]", &back) && !base_memory_parse("{", &back));
}
END_TEST

START_TEST(costs_are_means_and_survive_a_load) {
	struct world w;
	world_init(&w);
	ck_assert_ptr_null(module_cost(w.m, w.g));
	module_cost_note(w.f, w.m, w.g, 100, MIB(4));
	module_cost_note(w.f, w.m, w.g, 300, -1);
	module_cost_note(w.f, w.m, w.g, 200, MIB(6));
	const struct install_cost *x = module_cost(w.m, w.g);
	ck_assert_int_eq(x->installs, 3);
	ck_assert_int_eq(x->duration_us, 200);
	ck_assert_int_eq(x->measured, 2);
	ck_assert_int_eq(x->metaspace_bytes, MIB(5));
	ck_assert_ptr_nonnull(strstr(w.m->row.install_costs, "\"metaspaceBytes\":5242880"));
	struct fleet *again = fleet_new();
	struct row_tenant t = { .id = w.m->row.tenant_id, .name = mut("default") };
	ck_assert_int_eq(fleet_load_row(again, TABLE_tenant, &t, NULL), 0);
	ck_assert_int_eq(fleet_load_row(again, TABLE_module, &w.m->row, NULL), 0);
	const struct install_cost *y = module_cost(fleet_module(fleet_tenant(again, "default"), "m"), w.g);
	ck_assert_ptr_nonnull(y);
	ck_assert_int_eq(memcmp(x, y, sizeof *x), 0);
	fleet_free(again);
	fleet_free(w.f);
}
END_TEST

START_TEST(softly_reachable_classes_are_not_needed) {
	struct world w;
	struct instance *i;
	world_init(&w);
	ck_assert_int_eq(base_metaspace_needed(w.b), -1);
	says(&w, MIB(60));
	ck_assert_int_eq(base_metaspace_needed(w.b), MIB(60));
	module_cost_note(w.f, w.m, w.g, 1, MIB(5));
	ck_assert_int_eq(fleet_instance_add(w.f, w.b, NULL, w.v, &(struct row_instance){ .wanted = true, .units = 1 }, &i, NULL), 0);
	instance_set_state(w.f, i, INSTANCE_READY, NULL, (wall_t){ 2 });
	says(&w, MIB(65));
	ck_assert_int_eq(base_metaspace_needed(w.b), MIB(65));
	says(&w, MIB(90)); /* upgraded again and again */
	ck_assert_int_eq(base_metaspace_needed(w.b), MIB(65));
	says(&w, MIB(58)); /* memory was short: classes were unloaded */
	ck_assert_int_eq(base_metaspace_needed(w.b), MIB(58));
	w.b->row.incarnation++; /* another JVM: what the old one needed says nothing */
	says(&w, MIB(80));
	ck_assert_int_eq(base_metaspace_needed(w.b), MIB(80));
	fleet_free(w.f);
}
END_TEST

/* A sample of before an install, told after it, once made the base look as if it needed less than it does. */
START_TEST(what_was_measured_before_a_change_is_shown_only) {
	struct world w;
	struct instance *i;
	struct base_memory late = { .metaspace_used = MIB(60), .metaspace_max = MIB(100), .uptime_us = 1 };
	world_init(&w);
	says(&w, MIB(60));
	module_cost_note(w.f, w.m, w.g, 1, MIB(5));
	ck_assert_int_eq(fleet_instance_add(w.f, w.b, NULL, w.v, &(struct row_instance){ .wanted = true, .units = 1 }, &i, NULL), 0);
	instance_set_state(w.f, i, INSTANCE_INSTALLING, NULL, (wall_t){ 2 });
	base_memory_learn(w.b, &late, false); /* the command is on its way */
	instance_set_state(w.f, i, INSTANCE_READY, NULL, (wall_t){ 3 });
	base_memory_learn(w.b, &late, true);
	ck_assert_int_eq(w.b->memory.metaspace_used, MIB(60));
	says(&w, MIB(80));
	ck_assert_int_eq(base_metaspace_needed(w.b), MIB(65));
	w.b->row.incarnation++;
	base_memory_learn(w.b, &late, true);
	ck_assert_int_eq(base_metaspace_needed(w.b), MIB(60));
	fleet_free(w.f);
}
END_TEST

START_TEST(what_is_on_its_way_counts_once) {
	struct world w;
	struct instance *old, *fresh;
	world_init(&w);
	module_cost_note(w.f, w.m, w.g, 1, MIB(5));
	says(&w, MIB(60));
	ck_assert_int_eq(fleet_instance_add(w.f, w.b, NULL, w.v, &(struct row_instance){ .wanted = true, .units = 1 }, &old, NULL), 0);
	ck_assert_int_eq(base_metaspace_needed(w.b), MIB(65)); /* decided */
	instance_set_state(w.f, old, INSTANCE_INSTALLING, NULL, (wall_t){ 2 });
	ck_assert_int_eq(base_metaspace_needed(w.b), MIB(65)); /* and told to */
	says(&w, MIB(62));                                     /* half of its classes are there */
	ck_assert_int_eq(base_metaspace_needed(w.b), MIB(65));
	instance_set_state(w.f, old, INSTANCE_READY, NULL, (wall_t){ 3 });
	base_memory_learn(w.b, &(struct base_memory){ .metaspace_used = MIB(62), .metaspace_max = MIB(100), .uptime_us = 1 }, true);
	ck_assert_int_eq(base_metaspace_needed(w.b), MIB(65));
	says(&w, MIB(65));
	ck_assert_int_eq(base_metaspace_needed(w.b), MIB(65));
	struct version *next = fleet_version_add(w.f, w.m, w.v->artifact, &(struct row_version){ .name = mut("2"), .units = 1 });
	ck_assert_int_eq(fleet_instance_add(w.f, w.b, NULL, next, &(struct row_instance){ .wanted = true, .units = 1 }, &fresh, NULL), 0);
	instance_set_wanted(w.f, old, false);
	instance_set_state(w.f, old, INSTANCE_UNINSTALLING, NULL, (wall_t){ 4 });
	ck_assert_int_eq(base_metaspace_needed(w.b), MIB(65)); /* in place: what goes makes room for what comes */
	fleet_instance_remove(w.f, old);
	instance_set_state(w.f, fresh, INSTANCE_INSTALLING, NULL, (wall_t){ 5 });
	ck_assert_int_eq(base_metaspace_needed(w.b), MIB(65));
	fleet_free(w.f);
}
END_TEST

TEST_SUITE("model/memory", memory_goes_there_and_back, costs_are_means_and_survive_a_load, softly_reachable_classes_are_not_needed,
    what_was_measured_before_a_change_is_shown_only, what_is_on_its_way_counts_once)
