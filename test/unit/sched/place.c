/* Placement: each rule alone, its text and command, spread and pack, zones, the cursor, and choice against explanation on random fleets. */
#include "../../suite.h"

#include "base/arena.h"
#include "base/err.h"
#include "base/rng.h"
#include "sched/requires.h"
#include "sched/rules.h"

#include <stdio.h>
#include <string.h>

struct world {
	struct fleet *f;
	struct tenant *t;
	struct group *g;
	struct module *m;
	struct version *v;
	struct deployment *d;
	struct place_req r;
};

static char *mut(const char *s) {
	return (char *)(uintptr_t)s;
}

static struct version *version_make(struct world *w, const char *module, const char *name, int64_t units) {
	struct module *m = fleet_module(w->t, module);
	if (m == NULL)
		m = fleet_module_add(w->f, w->t, &(struct row_module){ .name = mut(module) });
	struct artifact *a = fleet_artifact(w->t, "00");
	if (a == NULL)
		a = fleet_artifact_add(w->f, w->t, &(struct row_artifact){ .sha256 = mut("00") });
	return fleet_version_add(w->f, m, a, &(struct row_version){ .name = mut(name), .units = units, .runtime = RUNTIME_NATIVE });
}

static void world_init(struct world *w, int64_t limit) {
	memset(w, 0, sizeof *w);
	w->f = fleet_new();
	w->t = fleet_tenant_add(w->f, "default", (wall_t){ 1 });
	w->g = fleet_group_add(w->f, w->t, &(struct row_base_group){ .name = mut("demo"), .install_limit = limit });
	w->v = version_make(w, "hello", "1.0.0", 1);
	w->m = w->v->module;
	w->d = fleet_deployment_add(w->f, w->t, w->m, w->g, &(struct row_deployment){ .name = mut("hello") });
	fleet_revision_add(w->f, w->d, w->v, &(struct row_revision){ .replicas = 3 }, NULL);
	w->r = (struct place_req){ .group = w->g, .deployment = w->d, .module = w->m, .version = w->v, .units = 1 };
}

static struct base *base_make(struct world *w, const char *name, const char *zone) {
	return fleet_base_add(w->f, w->g, &(struct row_base){ .name = mut(name), .zone = mut(zone), .state = BASE_READY });
}

static struct instance *put(struct world *w, struct base *b, struct deployment *d, struct version *v) {
	struct instance *i = NULL;
	struct err err = ERR_INIT;
	ck_assert_msg(fleet_instance_add(
	                  w->f, b, d, v, &(struct row_instance){ .units = v->row.units, .wanted = true, .revision = 1 }, &i, &err) == 0,
	    "%s", err.text);
	return i;
}

/* Fills a base with modules nobody asks about. */
static void fill(struct world *w, struct base *b, int64_t units) {
	char name[32];
	snprintf(name, sizeof name, "x%lld-%lld", (long long)b->row.id, (long long)b->row.units_used);
	put(w, b, NULL, version_make(w, name, "1", units));
}

static const char *chosen(struct world *w) {
	struct place_cursor c = { 0 };
	struct base *b = place_choose(w->f, &w->r, &c);
	return b == NULL ? "-" : b->row.name;
}

/* ---- one rule at a time ---- */

static void observe(struct world *w, struct base *b) {
	w->g->row.mode = GROUP_MODE_OBSERVE;
}
static void without_artifact(struct world *w, struct base *b) {
	fleet_version_set_artifact(w->f, w->v, fleet_artifact_add(w->f, w->t, &(struct row_artifact){ .sha256 = mut(NO_SHA256) }));
}
/* Nothing leads back there: as if it had just been made. */
static void join(struct world *w, struct base *b) {
	b->group->n_state[b->row.state]--;
	b->row.state = BASE_JOINING;
	b->group->n_state[b->row.state]++;
	base_set_limit(w->f, b, base_limit(b) + 1); /* its level is found anew */
}
static void restore(struct world *w, struct base *b) {
	base_set_state(w->f, b, BASE_RESTORING, NULL, (wall_t){ 2 });
}
static void silence(struct world *w, struct base *b) {
	base_set_state(w->f, b, BASE_SILENT, NULL, (wall_t){ 2 });
}
static void lose(struct world *w, struct base *b) {
	base_set_state(w->f, b, BASE_SILENT, NULL, (wall_t){ 2 });
	base_set_state(w->f, b, BASE_LOST, NULL, (wall_t){ 2 });
}
static void stop(struct world *w, struct base *b) {
	base_set_state(w->f, b, BASE_STOPPED, NULL, (wall_t){ 2 });
}
static void cordon(struct world *w, struct base *b) {
	base_set_cordoned(w->f, b, true, "disk", (wall_t){ 2 });
}
static void ark(struct world *w, struct base *b) {
	b->row.runtime = RUNTIME_ARK;
}
static void taint(struct world *w, struct base *b) {
	text_set(&b->row.taints, "[\"gpu\"]");
}
static void need_config(struct world *w, struct base *b) {
	text_set(&w->v->row.requires, "[\"config:>=2.0\"]");
}
static bool refuse_all(const struct base *b, void *arg) {
	return true;
}
static void exclude(struct world *w, struct base *b) {
	w->r.excluded = refuse_all;
}
static void quarantine_finding(struct world *w, struct base *b) {
	fleet_finding_add(
	    w->f, w->t, b, &(struct row_finding){ .kind = FINDING_QUARANTINED, .module = mut("hello"), .version = mut("1.0.0") });
}
static void quarantine_instance(struct world *w, struct base *b) {
	instance_set_state(w->f, put(w, b, w->d, w->v), INSTANCE_QUARANTINED, "crashed", (wall_t){ 2 });
}
static void hold(struct world *w, struct base *b) {
	put(w, b, w->d, version_make(w, "hello", "0.9.0", 1));
}
static void hold_leaving(struct world *w, struct base *b) {
	instance_set_wanted(w->f, put(w, b, w->d, version_make(w, "hello", "0.9.0", 1)), false);
}
static void path_taken(struct world *w, struct base *b) {
	struct version *other = version_make(w, "other", "1", 1);
	text_set(&other->row.context_path, "/shop");
	text_set(&w->v->row.context_path, "/shop");
	put(w, b, NULL, other);
}
static void full(struct world *w, struct base *b) {
	fill(w, b, 5);
}
static void metaspace_short(struct world *w, struct base *b) {
	w->g->row.metaspace_limit = 70;
	module_cost_note(w->f, w->m, w->g, 1000, INT64_C(5) << 20);
	base_memory_learn(b, &(struct base_memory){ .metaspace_used = INT64_C(68) << 20, .metaspace_max = INT64_C(100) << 20 }, false);
}
static void too_big(struct world *w, struct base *b) {
	w->r.units = 6;
}

static const struct rule_case {
	void (*arrange)(struct world *w, struct base *b);
	const char *rule, *text, *command;
} cases[] = {
	{ observe, "observed", "group demo is only observed", "berth group set demo --mode manage" },
	{ without_artifact, "no_artifact", "Berth has no artifact of hello:1.0.0", "berth module push FILE" },
	{ join, "joining", "1 joining", "berth base show n1" },
	{ restore, "restoring", "1 restoring", "berth base show n1" },
	{ silence, "silent", "1 silent", "berth base show n1" },
	{ lose, "lost", "1 lost", "berth base show n1" },
	{ stop, "stopped", "1 stopped", "berth base show n1" },
	{ cordon, "cordoned", "1 cordoned", "berth base uncordon n1" },
	{ ark, "runtime", "1 without runtime native", "berth base list --group demo -o wide" },
	{ taint, "tainted", "1 tainted gpu, which no label of the deployment names", "berth base show n1" },
	{ need_config, "requires", "1 without config:>=2.0", "berth instance list --base n1" },
	{ exclude, "excluded", "1 where it failed before", "berth plan list --deployment hello --all" },
	{ quarantine_finding, "quarantined", "1 where hello:1.0.0 is quarantined", "berth finding list --base n1" },
	{ quarantine_instance, "quarantined", "1 where hello:1.0.0 is quarantined", "berth finding list --base n1" },
	{ hold, "holds", "1 base already holds hello: add a base, or lower its replicas", "berth scale hello 1" },
	{ hold_leaving, "holds", "1 base already holds hello: add a base, or lower its replicas", "berth scale hello 1" },
	{ path_taken, "context_path", "1 with /shop taken by another module", "berth instance list --base n1" },
	{ full, "full", "1 of 1 base full: 5 of 5 units", "berth base set n1 --limit 6" },
	{ metaspace_short, "metaspace",
	    "1 where it would pass the metaspace limit: 68.0 MiB needed now and 5.0 for it, of 70.0 at 70 % of 100.0 on n1",
	    "berth base show n1" },
	{ too_big, "full", "1 of 1 base full: 0 of 5 units, 6 needed", "berth base set n1 --limit 6" },
};

START_TEST(each_rule_refuses_with_its_text) {
	const struct rule_case *c = &cases[_i];
	struct world w;
	world_init(&w, 5);
	struct base *b = base_make(&w, "n1", "a");
	ck_assert_str_eq(chosen(&w), "n1");
	c->arrange(&w, b);
	ARENA_AUTO a = arena_new();
	struct place_report rep;
	const char *rule = "";
	ck_assert_str_eq(chosen(&w), "-");
	ck_assert(!place_fits(w.f, &w.r, b, &rule));
	ck_assert_str_eq(rule, c->rule);
	place_explain(w.f, &w.r, NULL, a, &rep);
	ck_assert_uint_eq(rep.n, 1);
	ck_assert_uint_eq(rep.n_fit, 0);
	ck_assert_str_eq(rep.refusals[0].rule, c->rule);
	ck_assert_str_eq(rep.refusals[0].text, c->text);
	ck_assert_str_eq(rep.refusals[0].command, c->command);
	ck_assert_int_eq(rep.refusals[0].n_examples, 1);
	ck_assert_str_eq(rep.refusals[0].examples[0], "n1");
	ck_assert_str_eq(rep.summary, c->text);
	fleet_free(w.f);
}
END_TEST

START_TEST(every_rule_has_a_case) {
	for (int i = 0; i < n_rules; i++) {
		bool found = false;
		for (size_t k = 0; k < sizeof cases / sizeof *cases; k++)
			found = found || strcmp(cases[k].rule, rules[i].name) == 0;
		ck_assert_msg(found, "rule %s has no case", rules[i].name);
	}
}
END_TEST

START_TEST(what_lets_it_on) {
	struct world w;
	world_init(&w, 5);
	struct base *b = base_make(&w, "n1", "a");
	taint(&w, b);
	text_set(&w.d->row.labels, "{\"gpu\":\"yes\"}");
	ck_assert_str_eq(chosen(&w), "n1");
	need_config(&w, b);
	put(&w, b, NULL, version_make(&w, "config", "1.9", 1));
	ck_assert_str_eq(chosen(&w), "-");
	put(&w, b, NULL, version_make(&w, "config", "2.1", 1));
	ck_assert_str_eq(chosen(&w), "n1");
	struct instance *old = put(&w, b, w.d, version_make(&w, "hello", "0.9.0", 1));
	ck_assert_str_eq(chosen(&w), "-");
	w.r.old = old;
	ck_assert_str_eq(chosen(&w), "n1");
	b->row.runtime = RUNTIME_NONE; /* unknown runtimes are not refused: the base says no when it must */
	ck_assert_str_eq(chosen(&w), "n1");
	fleet_free(w.f);
}
END_TEST

/* ---- texts over several bases ---- */

START_TEST(summary_counts_per_rule) {
	struct world w;
	world_init(&w, 5);
	ARENA_AUTO a = arena_new();
	struct place_report rep;
	place_explain(w.f, &w.r, NULL, a, &rep);
	ck_assert_str_eq(rep.summary, "the group has no base yet");
	for (int i = 0; i < 3; i++)
		fill(&w, base_make(&w, (const char *[]){ "n1", "n2", "n3" }[i], "a"), 5);
	struct base *n4 = base_make(&w, "n4", "a");
	cordon(&w, n4);
	place_explain(w.f, &w.r, NULL, a, &rep);
	ck_assert_str_eq(rep.summary, "3 of 3 bases full: 5 of 5 units; 1 cordoned");
	ck_assert_int_eq(rep.n_bases, 4);
	base_set_limit(w.f, n4, 9);
	base_set_cordoned(w.f, n4, false, NULL, (wall_t){ 2 });
	fill(&w, n4, 9);
	place_explain(w.f, &w.r, NULL, a, &rep);
	ck_assert_str_eq(rep.summary, "4 of 4 bases full: 24 of 24 units in all");
	base_make(&w, "n5", "b");
	place_explain(w.f, &w.r, NULL, a, &rep);
	ck_assert_str_eq(rep.summary, "1 of 5 bases fits; 4 of 5 bases full: 24 of 24 units in all");
	/* one base: every rule that refuses it */
	cordon(&w, n4);
	place_explain(w.f, &w.r, n4, a, &rep);
	ck_assert_uint_eq(rep.n, 2);
	ck_assert_str_eq(rep.summary, "1 cordoned; 1 of 1 base full: 9 of 9 units");
	struct group *other = fleet_group_add(w.f, w.t, &(struct row_base_group){ .name = mut("other"), .install_limit = 1 });
	base_set_group(w.f, n4, other);
	place_explain(w.f, &w.r, n4, a, &rep);
	ck_assert_str_eq(rep.summary, "base n4 is in group other, not in group demo");
	fleet_free(w.f);
}
END_TEST

/* ---- preferences ---- */

static void place_many(struct world *w, int n, struct place_cursor *c, char *out, size_t size) {
	out[0] = '\0';
	for (int i = 0; i < n; i++) {
		struct place_cursor once = { 0 };
		struct base *b = place_choose(w->f, &w->r, c == NULL ? &once : c);
		size_t at = strlen(out);
		snprintf(out + at, size - at, "%s%s", i == 0 ? "" : " ", b == NULL ? "-" : b->row.name);
		if (b != NULL)
			put(w, b, w->d, w->v);
	}
}

static void six_bases(struct world *w) {
	static const char *const names[] = { "n1", "n2", "n3", "n4", "n5", "n6" };
	static const int used[] = { 0, 1, 2, 3, 4, 0 };
	world_init(w, 5);
	for (int i = 0; i < 6; i++) {
		struct base *b = base_make(w, names[i], i < 4 ? "a" : "b");
		if (used[i] > 0)
			fill(w, b, used[i]);
	}
}

START_TEST(spread_goes_round_the_zones) {
	for (int with_cursor = 0; with_cursor < 2; with_cursor++) {
		struct world w;
		char got[128];
		struct place_cursor c = { 0 };
		six_bases(&w);
		place_many(&w, 7, with_cursor ? &c : NULL, got, sizeof got);
		ck_assert_str_eq(got, "n1 n6 n2 n5 n3 n4 -");
		fleet_free(w.f);
	}
}
END_TEST

START_TEST(pack_takes_the_fullest_that_fits) {
	for (int with_cursor = 0; with_cursor < 2; with_cursor++) {
		struct world w;
		char got[128];
		struct place_cursor c = { 0 };
		six_bases(&w);
		w.r.policy = PLACEMENT_PACK;
		place_many(&w, 7, with_cursor ? &c : NULL, got, sizeof got);
		ck_assert_str_eq(got, "n5 n4 n3 n2 n6 n1 -");
		fleet_free(w.f);
	}
}
END_TEST

START_TEST(group_says_the_policy_when_nobody_else_does) {
	struct world w;
	six_bases(&w);
	w.g->row.placement = PLACEMENT_PACK;
	ck_assert_str_eq(chosen(&w), "n5");
	w.r.policy = PLACEMENT_SPREAD;
	ck_assert_str_eq(chosen(&w), "n1");
	fleet_free(w.f);
}
END_TEST

START_TEST(large_limits_are_told_apart) {
	struct world w;
	world_init(&w, 200);
	fill(&w, base_make(&w, "n1", "a"), 100);
	fill(&w, base_make(&w, "n2", "a"), 50);
	fill(&w, base_make(&w, "n3", "a"), 120);
	ck_assert_str_eq(chosen(&w), "n2");
	w.r.policy = PLACEMENT_PACK;
	ck_assert_str_eq(chosen(&w), "n3");
	w.r.units = 90;
	ck_assert_str_eq(chosen(&w), "n1");
	w.r.units = 151;
	ck_assert_str_eq(chosen(&w), "-");
	fleet_free(w.f);
}
END_TEST

/* The base that was refused last goes to another level: those behind its old place are still asked. */
START_TEST(a_cursor_survives_the_move_of_its_base) {
	struct world w;
	struct place_cursor c = { 0 };
	world_init(&w, 200);
	for (int i = 1; i <= 3; i++) {
		char name[16];
		snprintf(name, sizeof name, "n%d", i);
		put(&w, base_make(&w, name, "a"), w.d, w.v);
	}
	struct base *last = fleet_base(w.t, "n3"), *free_one = base_make(&w, "n4", "a");
	fill(&w, free_one, 1);
	free_one->row.cordoned = true; /* in the level, and refused: the cursor passes n1 to n4 */
	ck_assert_ptr_null(place_choose(w.f, &w.r, &c));
	free_one->row.cordoned = false;
	c = (struct place_cursor){ 0 };
	ck_assert_str_eq(place_choose(w.f, &w.r, &c)->row.name, "n4");
	fill(&w, last, 150);
	ck_assert_str_eq(place_choose(w.f, &w.r, &c)->row.name, "n4");
	fleet_free(w.f);
}
END_TEST

START_TEST(old_versions_base_wins_the_tie) {
	struct world w;
	world_init(&w, 5);
	struct version *old = version_make(&w, "hello", "0.9.0", 0);
	base_make(&w, "n1", "a");
	w.r.old = put(&w, base_make(&w, "n2", "a"), NULL, old);
	ck_assert_str_eq(chosen(&w), "n2");
	fleet_free(w.f);
}
END_TEST

/* ---- choice against explanation ---- */

static void random_fleet(struct world *w, struct rng *rng) {
	world_init(w, 1 + (int64_t)rng_below(rng, 8));
	for (int i = 0; i < 25; i++) {
		char name[16], zone[16];
		snprintf(name, sizeof name, "n%d", i);
		snprintf(zone, sizeof zone, "z%d", (int)rng_below(rng, 4));
		struct base *b = base_make(w, name, zone);
		int64_t units = (int64_t)rng_below(rng, 9);
		if (units > 0 && units <= base_free(b))
			fill(w, b, units);
		if (rng_below(rng, 6) == 0)
			cordon(w, b);
		if (rng_below(rng, 6) == 0)
			base_set_state(w->f, b, rng_below(rng, 2) == 0 ? BASE_SILENT : BASE_STOPPED, NULL, (wall_t){ 2 });
		if (rng_below(rng, 6) == 0)
			taint(w, b);
		if (rng_below(rng, 4) == 0 && base_free(b) > 0)
			hold(w, b);
	}
}

/* The list is cut, the count is not: nobody is told that there is no room where there is. */
START_TEST(more_fit_than_are_listed) {
	struct world w;
	struct place_report rep;
	ARENA_AUTO a = arena_new();
	world_init(&w, 5);
	for (int i = 0; i < 1100; i++) {
		char name[16];
		snprintf(name, sizeof name, "n%d", i);
		base_make(&w, name, "a");
	}
	place_explain(w.f, &w.r, NULL, a, &rep);
	ck_assert_uint_eq(rep.n_fit, 1000);
	ck_assert_uint_eq(rep.fits, 1100);
	fleet_free(w.f);
}
END_TEST

static bool count_asked(const struct base *b, void *arg) {
	++*(int *)arg;
	return false;
}

static void thousands(struct world *w, int bases) {
	for (int i = 0; i < bases; i++) {
		char name[16];
		snprintf(name, sizeof name, "n%d", i);
		base_make(w, name, i % 2 == 0 ? "a" : "b");
	}
}

/* Rule 10: of very many bases only some are asked, and the sentence says how many. Those that would be taken are among them. */
START_TEST(of_very_many_bases_some_are_asked) {
	struct world w;
	struct place_report rep;
	ARENA_AUTO a = arena_new();
	struct base *b;
	int asked = 0, n = 0;
	world_init(&w, 5);
	thousands(&w, 3 * PLACE_MAX_ASKED);
	w.r.excluded = count_asked;
	w.r.arg = &asked;
	TAILQ_FOREACH(b, &w.g->bases, group_link)
		if (++n < 3 * PLACE_MAX_ASKED) /* all but the last are full */
			fill(&w, b, 5);
	place_explain(w.f, &w.r, NULL, a, &rep);
	ck_assert_int_le(asked, PLACE_MAX_ASKED);
	ck_assert_uint_eq(rep.n_fit, 1);
	ck_assert_ptr_eq(rep.fit[0], TAILQ_LAST(&w.g->bases, base_queue));
	fill(&w, rep.fit[0], 5);
	place_explain(w.f, &w.r, NULL, a, &rep);
	ck_assert_str_eq(rep.summary, "of 4000 of 12000 bases that were looked at: 4000 of 4000 bases full: 5 of 5 units");
	asked = 0;
	place_explain(w.f, &w.r, TAILQ_FIRST(&w.g->bases), a, &rep);
	ck_assert_int_eq(asked, 1);
	ck_assert_str_eq(rep.summary, "1 of 1 base full: 5 of 5 units");
	fleet_free(w.f);
}
END_TEST

START_TEST(choices_follow_the_explanation) {
	for (uint64_t seed = 1; seed <= 200; seed++) {
		struct rng rng;
		struct world w;
		struct place_report rep;
		struct place_cursor c = { 0 };
		ARENA_AUTO a = arena_new();
		rng_init(&rng, seed);
		random_fleet(&w, &rng);
		w.r.policy = seed % 2 == 0 ? PLACEMENT_SPREAD : PLACEMENT_PACK;
		w.r.units = 1 + (int64_t)rng_below(&rng, 3);
		w.v->row.units = w.r.units;
		place_explain(w.f, &w.r, NULL, a, &rep);
		size_t refused = 0;
		for (size_t i = 0; i < rep.n; i++)
			refused += (size_t)rep.refusals[i].bases;
		ck_assert_uint_eq(refused + rep.n_fit, (size_t)rep.n_bases);
		for (size_t i = 0; i <= rep.n_fit; i++) {
			struct place_cursor once = { 0 };
			struct base *b = place_choose(w.f, &w.r, seed % 3 == 0 ? &once : &c);
			ck_assert_msg(b == (i < rep.n_fit ? rep.fit[i] : NULL), "seed %llu choice %zu: %s, explained %s",
			    (unsigned long long)seed, i, b == NULL ? "-" : b->row.name, i < rep.n_fit ? rep.fit[i]->row.name : "-");
			if (b != NULL)
				put(&w, b, w.d, w.v);
		}
		fleet_free(w.f);
	}
}
END_TEST

/* ---- the choice against a look at every base ---- */

static struct base *best_of_all(struct world *w) {
	struct base *best = NULL, *b;
	TAILQ_FOREACH(b, &w->g->bases, group_link)
		if (place_fits(w->f, &w->r, b, NULL) && (best == NULL || place_rank(&w->r, b, place_zone_load(&w->r, b->zone->slot), best,
		                                                             place_zone_load(&w->r, best->zone->slot)) < 0))
			best = b;
	return best;
}

/* Room that grows and shrinks, bases that come, close and change zone, on limits from one unit to a hundred thousand. */
static void happen(struct world *w, struct rng *rng) {
	static const int64_t limits[] = { 1, 5, 62, 63, 64, 65, 200, 5000, 100000 };
	struct base *b = fleet_base_by_id(w->f, 1 + (int64_t)rng_below(rng, 25));
	char zone[16];
	switch (rng_below(rng, 5)) {
	case 0:
		base_set_limit(w->f, b, limits[rng_below(rng, sizeof limits / sizeof *limits)]);
		break;
	case 1:
		base_set_cordoned(w->f, b, !b->row.cordoned, "looked at", (wall_t){ 2 });
		break;
	case 2:
		snprintf(zone, sizeof zone, "z%d", (int)rng_below(rng, 4));
		text_set(&b->row.zone, zone);
		fleet_touch(w->f, &b->o);
		break;
	case 3:
		if (b->n_instances > 0)
			fleet_instance_remove(w->f, TAILQ_FIRST(&b->instances));
		break;
	default:
		if (base_free(b) > 0)
			fill(w, b, 1 + (int64_t)rng_below(rng, (uint64_t)base_free(b)));
	}
}

START_TEST(every_choice_is_the_best_of_all) {
	for (uint64_t seed = 1; seed <= 100; seed++) {
		struct rng rng;
		struct world w;
		struct err err = ERR_INIT;
		rng_init(&rng, seed);
		random_fleet(&w, &rng);
		w.r.policy = seed % 2 == 0 ? PLACEMENT_SPREAD : PLACEMENT_PACK;
		for (int i = 0; i < 60; i++) {
			struct place_cursor once = { 0 };
			happen(&w, &rng);
			struct base *b = place_choose(w.f, &w.r, &once), *best = best_of_all(&w);
			ck_assert_msg(b == best, "seed %llu, choice %d: %s, the best is %s", (unsigned long long)seed, i,
			    b == NULL ? "-" : b->row.name, best == NULL ? "-" : best->row.name);
			if (b != NULL && rng_below(&rng, 2) == 0)
				put(&w, b, w.d, w.v);
		}
		ck_assert_msg(fleet_check(w.f, &err) == 0, "seed %llu: %s", (unsigned long long)seed, err.text);
		fleet_free(w.f);
	}
}
END_TEST

/* As many bases are asked on wide bases as on narrow ones: one module after the other goes round, and none is refused by those before. */
START_TEST(wide_bases_are_no_dearer) {
	static const int64_t limits[] = { 40, 100, 100000 };
	for (size_t k = 0; k < sizeof limits / sizeof *limits; k++) {
		struct world w;
		int asked = 0;
		world_init(&w, limits[k]);
		w.r.excluded = count_asked;
		w.r.arg = &asked;
		for (int i = 0; i < 100; i++) {
			char name[16];
			snprintf(name, sizeof name, "n%d", i);
			base_make(&w, name, "a");
		}
		for (int i = 0; i < 2000; i++) {
			char name[16];
			struct place_cursor once = { 0 };
			snprintf(name, sizeof name, "m%d", i % 21); /* comes to each base once */
			struct module *m = fleet_module(w.t, name);
			struct version *v = m == NULL ? version_make(&w, name, "1", 1) : fleet_version(m, "1");
			w.r.deployment = NULL;
			w.r.module = v->module;
			w.r.version = v;
			struct base *b = place_choose(w.f, &w.r, &once);
			ck_assert_ptr_nonnull(b);
			put(&w, b, NULL, v);
			ck_assert_int_le(b->n_instances, i / 100 + 1);
		}
		ck_assert_msg(asked <= 2000 * 2, "limit %lld: %d bases asked", (long long)limits[k], asked);
		fleet_free(w.f);
	}
}
END_TEST

START_TEST(zones_without_a_free_holder_are_left_out) {
	struct world w;
	world_init(&w, 5);
	for (int i = 0; i < 4; i++)
		base_make(&w, (const char *[]){ "n1", "n2", "n3", "n4" }[i], i < 2 ? "a" : "b");
	char got[64];
	place_many(&w, 5, NULL, got, sizeof got);
	ck_assert_str_eq(got, "n1 n3 n2 n4 -");
	struct instance *i = base_instance_of(fleet_base(w.t, "n2"), w.v);
	instance_set_wanted(w.f, i, false); /* still there */
	ck_assert_str_eq(chosen(&w), "-");
	fleet_instance_remove(w.f, i);
	ck_assert_str_eq(chosen(&w), "n2");
	fleet_free(w.f);
}
END_TEST

/* ---- ranges of required modules ---- */

START_TEST(ranges) {
	static const struct {
		const char *version, *range;
		bool in;
	} t[] = {
		{ "1.2.3", "", true },
		{ "1.2.3", "1.2.3", true },
		{ "1.2.3", "=1.2.3", true },
		{ "1.2.3", "1.2.4", false },
		{ "1.2", "1.2.0", true },
		{ "2.0.0", ">=2.0", true },
		{ "1.9.9", ">=2.0", false },
		{ "2.0.0", "> 2.0", false },
		{ "2.0.1", ">2.0", true },
		{ "10.0", ">9", true },
		{ "1.5", ">=1 <2", true },
		{ "2.0", ">=1,<2", false },
		{ "1.2.9", "~1.2.3", true },
		{ "1.3.0", "~1.2.3", false },
		{ "1.9", "~1", true },
		{ "1.9.0", "^1.2", true },
		{ "2.0.0", "^1.2", false },
		{ "0.2.9", "^0.2.1", true },
		{ "0.3.0", "^0.2.1", false },
		{ "1.0.0-rc1", ">=1.0.0", false },
		{ "1.0.0-rc2", ">1.0.0-rc1", true },
		{ "1.0.0+b7", "1.0.0", true },
		{ "1.0.0", ">=", false },
		{ "99999999999999999999.1", ">=1", true },
		{ "", ">=0", true },
	};
	for (size_t i = 0; i < sizeof t / sizeof *t; i++)
		ck_assert_msg(version_in_range(t[i].version, t[i].range) == t[i].in, "%s in \"%s\"", t[i].version, t[i].range);
}
END_TEST

START_TEST(what_is_a_range) {
	static const char *const fine[] = { "", "1.2.3", ">=1 <2", ">=1,<2", "~1.2.3 , ^1", "=1.0.0-rc1+b7" };
	static const char *const bad[] = { ">=", "newest!", ">>1", "=>1", ">=1 <", "1.0/2", ">=1 \n2" };
	for (size_t i = 0; i < sizeof fine / sizeof *fine; i++)
		ck_assert_msg(version_range_valid(fine[i]), "%s", fine[i]);
	for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
		ck_assert_msg(!version_range_valid(bad[i]) && !version_in_range("1.0", bad[i]), "%s", bad[i]);
}
END_TEST

static void suite_of_loops(void) __attribute__((constructor));
static void suite_of_loops(void) {
	Suite *s = suite_create("sched/rules");
	TCase *tc = tcase_create("rules");
	tcase_add_loop_test(tc, each_rule_refuses_with_its_text, 0, sizeof cases / sizeof *cases);
	suite_add_tcase(s, tc);
	suite_register(s);
}

TEST_SUITE("sched/place", every_rule_has_a_case, what_lets_it_on, summary_counts_per_rule, spread_goes_round_the_zones,
    pack_takes_the_fullest_that_fits, group_says_the_policy_when_nobody_else_does, large_limits_are_told_apart,
    a_cursor_survives_the_move_of_its_base, old_versions_base_wins_the_tie, more_fit_than_are_listed, of_very_many_bases_some_are_asked,
    choices_follow_the_explanation, every_choice_is_the_best_of_all, wide_bases_are_no_dearer, zones_without_a_free_holder_are_left_out,
    ranges, what_is_a_range)
