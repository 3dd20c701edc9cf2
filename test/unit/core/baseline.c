/* What a base is told to hold: who is in its baseline, and who is not although it is wanted. */
#include "../../suite.h"

#include <stdio.h>
#include <string.h>

#include "base/arena.h"
#include "core/baseline.h"

#define MUT(s) ((char *)(uintptr_t)(s))

static const wall_t now = { US_PER_S };

/* One base; app requires lib, tool requires app. */
struct world {
	struct fleet *f;
	struct tenant *t;
	struct group *g;
	struct base *b;
	struct artifact *a;
};

static struct instance *put(struct world *w, const char *module, const char *version, const char *requires) {
	struct module *m = fleet_module(w->t, module);
	struct row_version vr = { .name = MUT(version), .units = 1, .requires = MUT(requires) };
	struct row_instance ir = { .wanted = true, .units = 1, .generation = 1, .state = INSTANCE_PENDING };
	struct instance *i;
	if (m == NULL)
		m = fleet_module_add(w->f, w->t, &(struct row_module){ .name = MUT(module) });
	ck_assert_int_eq(fleet_instance_add(w->f, w->b, NULL, fleet_version_add(w->f, m, w->a, &vr), &ir, &i, NULL), 0);
	instance_set_state(w->f, i, INSTANCE_READY, NULL, now);
	return i;
}

static void world_init(struct world *w, struct instance **lib, struct instance **app, struct instance **tool) {
	w->f = fleet_new();
	w->t = fleet_tenant_add(w->f, "default", now);
	w->g = fleet_group_add(w->f, w->t, &(struct row_base_group){ .name = MUT("demo"), .install_limit = 9 });
	w->b = fleet_base_add(w->f, w->g, &(struct row_base){ .name = MUT("n1"), .state = BASE_READY });
	w->a = fleet_artifact_add(w->f, w->t, &(struct row_artifact){ .sha256 = MUT("00") });
	*lib = put(w, "lib", "1.0.0", NULL);
	*app = put(w, "app", "1.0.0", "[\"lib:^1\"]");
	*tool = put(w, "tool", "1.0.0", "[\"app\"]");
}

static void task(struct world *w, struct instance *i, enum task_kind kind, bool sent) {
	fleet_task_add(w->f, NULL, i,
	    &(struct row_task){ .kind = kind, .state = sent ? TASK_SENT : TASK_PENDING, .sent_at = { sent ? US_PER_S : 0 } });
}

/* "lib:1.0.0 app:1.0.0" */
static const char *told(const struct world *w, struct arena *a) {
	const struct instance **v;
	size_t n = baseline_of(w->b, a, &v);
	const char *text = "";
	for (size_t k = 0; k < n; k++)
		text = arena_printf(a, "%s%s%s", text, k == 0 ? "" : " ", v[k]->version->module->row.name);
	return text;
}

struct baseline_case {
	const char *why;
	bool unwanted[3]; /* lib, app, tool */
	int of;           /* a task of that one; -1: none */
	enum task_kind kind;
	bool sent;
	const char *told;
};

static const struct baseline_case cases[] = {
	{ "all that is wanted", { 0 }, -1, TASK_KIND_INSTALL, false, "lib app tool" },
	{ "and what that requires", { true, true, false }, -1, TASK_KIND_INSTALL, false, "lib app tool" },
	{ "nobody needs what nobody wants", { true, true, true }, -1, TASK_KIND_INSTALL, false, "" },
	{ "nor what requires nothing of it", { false, false, true }, -1, TASK_KIND_INSTALL, false, "lib app" },
	{ "a hook changes nothing of it", { 0 }, 0, TASK_KIND_AFTER_SWAP, true, "lib app tool" },
	{ "nor does one before it goes", { true, false, false }, 0, TASK_KIND_BEFORE_SWAP, true, "lib app tool" },
	{ "a removal that waits for those that require it", { true, false, false }, 0, TASK_KIND_UNINSTALL, false, "lib app tool" },
	{ "one that was told", { true, false, false }, 0, TASK_KIND_UNINSTALL, true, "" },
	{ "what comes by a command, and what comes after it", { 0 }, 0, TASK_KIND_INSTALL, true, "" },
	{ "what is there before that", { 0 }, 1, TASK_KIND_INSTALL, true, "lib" },
	{ "also where that is told once more, and not wanted", { true, true, true }, 2, TASK_KIND_INSTALL, true, "lib app" },
	{ "what is to be the active one", { 0 }, 1, TASK_KIND_SWITCH, true, "lib app tool" },
};

START_TEST(who_is_in_the_baseline) {
	for (size_t k = 0; k < sizeof cases / sizeof *cases; k++) {
		const struct baseline_case *c = &cases[k];
		struct world w;
		struct instance *i[3];
		ARENA_AUTO a = arena_new();
		world_init(&w, &i[0], &i[1], &i[2]);
		for (int n = 0; n < 3; n++)
			instance_set_wanted(w.f, i[n], !c->unwanted[n]);
		if (c->of >= 0)
			task(&w, i[c->of], c->kind, c->sent);
		ck_assert_msg(strcmp(told(&w, a), c->told) == 0, "%s: \"%s\" instead of \"%s\"", c->why, told(&w, a), c->told);
		fleet_free(w.f);
	}
}
END_TEST

/* The new version does for those that required the old one. */
START_TEST(what_stands_beside_its_successor_is_not_put_back) {
	struct world w;
	struct instance *lib, *app, *tool;
	ARENA_AUTO a = arena_new();
	world_init(&w, &lib, &app, &tool);
	struct instance *next = put(&w, "lib", "1.1.0", NULL);
	instance_set_wanted(w.f, lib, false);
	ck_assert_str_eq(told(&w, a), "app tool lib");
	task(&w, next, TASK_KIND_INSTALL, true); /* until it is in, the old one is what they have */
	ck_assert_str_eq(told(&w, a), "lib app tool");
	fleet_free(w.f);
}
END_TEST

START_TEST(of_bases_that_are_only_observed_nothing_is_wanted) {
	struct world w;
	struct instance *lib, *app, *tool;
	ARENA_AUTO a = arena_new();
	world_init(&w, &lib, &app, &tool);
	instance_set_state(w.f, lib, INSTANCE_FAILED, NULL, now); /* nobody brings it: the others are what they were */
	ck_assert_str_eq(told(&w, a), "app tool");
	w.g->row.mode = GROUP_MODE_OBSERVE;
	ck_assert_str_eq(told(&w, a), "");
	fleet_free(w.f);
}
END_TEST

TEST_SUITE("core/baseline", who_is_in_the_baseline, what_stands_beside_its_successor_is_not_put_back,
    of_bases_that_are_only_observed_nothing_is_wanted)
