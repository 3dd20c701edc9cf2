/* The explanation: the same rules asked of the bases, counted per rule, and the bases that fit in the order they would be taken. Asks
 * thousands of bases: for people and dry runs, never for the choice itself. */
#include "sched/rules.h"

#include "base/arena.h"
#include "base/buf.h"

#include <inttypes.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#define MAX_FIT 1000
#define MAX_EXAMPLES 5
#define MAX_PASSED 20000 /* bases passed over on the way to those that are asked */

struct tally {
	int refused, asked, n_examples;
	const struct base *examples[MAX_EXAMPLES];
	int64_t used, limit, least_used, most_used, least_limit, most_limit;
};

struct explanation {
	const struct fleet *f;
	const struct place_req *r;
	struct arena *a;
	struct tally *tallies;
	struct base **fit;
	size_t n_fit;
	int n_bases, n_group;
};

/* ---- counting ---- */

static void tally_refuse(struct tally *t, const struct base *b) {
	int64_t used = b->row.units_used, limit = base_limit(b);
	bool first = t->refused++ == 0;
	if (t->n_examples < MAX_EXAMPLES)
		t->examples[t->n_examples++] = b;
	t->used += used;
	t->limit += limit;
	t->least_used = first || used < t->least_used ? used : t->least_used;
	t->most_used = first || used > t->most_used ? used : t->most_used;
	t->least_limit = first || limit < t->least_limit ? limit : t->least_limit;
	t->most_limit = first || limit > t->most_limit ? limit : t->most_limit;
}

static void base_ask(struct explanation *x, struct base *b, bool every_rule) {
	int rule = rule_first(x->f, x->r, b, 0);
	x->n_bases++;
	for (int i = 0; i < n_rules && i <= rule; i++)
		x->tallies[i].asked++;
	if (rule == n_rules) {
		x->fit[x->n_fit++] = b;
		return;
	}
	for (; rule < n_rules; rule = every_rule ? rule_first(x->f, x->r, b, rule + 1) : n_rules) {
		if (every_rule)
			x->tallies[rule].asked = 1;
		tally_refuse(&x->tallies[rule], b);
	}
}

/* ---- which ones ---- */

static void ask_all(struct explanation *x) {
	struct base *b;
	TAILQ_FOREACH(b, &x->r->group->bases, group_link)
		base_ask(x, b, false);
}

/* Those of a zone with enough units free, from the end from which a choice takes them. */
static void ask_roomy(struct explanation *x, const struct zone_slot *s, int most) {
	bool pack = place_policy(x->r) == PLACEMENT_PACK;
	size_t from = slot_level_at(s, x->r->units);
	for (size_t k = from; k < s->n_levels; k++) {
		const struct level *l = s->levels[pack ? k : s->n_levels - 1 - (k - from)];
		struct base *b;
		TAILQ_FOREACH(b, &l->bases, free_link) {
			if (most-- == 0)
				return;
			base_ask(x, b, false);
		}
	}
}

/* The others, as they come. */
static void ask_closed(struct explanation *x, int most) {
	struct base *b;
	int passed = 0;
	TAILQ_FOREACH(b, &x->r->group->bases, group_link) {
		bool roomy = b->level != NULL && b->level->free >= x->r->units;
		if (most == 0 || ++passed > MAX_PASSED)
			return;
		if (roomy)
			continue;
		base_ask(x, b, false);
		most--;
	}
}

static void ask_some(struct explanation *x) {
	const struct group *g = x->r->group;
	int zones = 0;
	for (int z = 0; z < GROUP_ZONES; z++)
		zones += g->slots[z] != NULL;
	for (int z = 0; z < GROUP_ZONES; z++)
		if (g->slots[z] != NULL)
			ask_roomy(x, g->slots[z], PLACE_MAX_ASKED / 2 / zones);
	ask_closed(x, PLACE_MAX_ASKED - x->n_bases);
}

static void ask(struct explanation *x, const struct base *only) {
	if (only != NULL && only->group == x->r->group)
		base_ask(x, (struct base *)(uintptr_t)only, true);
	else if (only == NULL && x->n_group <= PLACE_MAX_ASKED)
		ask_all(x);
	else if (only == NULL)
		ask_some(x);
}

/* ---- texts ---- */

static const char *name_of(const char *s, const char *otherwise) {
	return s == NULL || *s == '\0' ? otherwise : s;
}

static const char *what(const struct explanation *x, const struct tally *t, const char *rule) {
	const struct base *b = t->examples[0];
	const char *s = NULL;
	if (strcmp(rule, "runtime") == 0)
		s = word_text(WORD_RUNTIME, x->r->version->row.runtime);
	else if (strcmp(rule, "tainted") == 0)
		s = taint_of(x->r, b, x->a);
	else if (strcmp(rule, "requires") == 0)
		s = requirement_of(x->r, b, x->a);
	else if (strcmp(rule, "context_path") == 0)
		s = x->r->version->row.context_path;
	else if (strcmp(rule, "metaspace") == 0)
		s = metaspace_text(x->r, b, x->a);
	return name_of(s, "");
}

/* "5 of 5 units" where all are alike, "27 of 30 units in all" otherwise. */
static const char *units(const struct explanation *x, const struct tally *t) {
	bool alike = t->least_used == t->most_used && t->least_limit == t->most_limit;
	if (alike)
		return arena_printf(x->a, "%" PRId64 " of %" PRId64 " unit%s", t->most_used, t->most_limit, t->most_limit == 1 ? "" : "s");
	return arena_printf(x->a, "%" PRId64 " of %" PRId64 " units in all", t->used, t->limit);
}

static const char *module_of(const struct place_req *r) {
	return r->version != NULL ? r->version->module->row.name : r->module != NULL ? r->module->row.name : "MODULE";
}

static const char *place_value(const struct explanation *x, const struct tally *t, const struct rule *rule, const char *key) {
	const struct place_req *r = x->r;
	const struct base *b = t->examples[0];
	if (strcmp(key, "n") == 0)
		return arena_printf(x->a, "%d", t->refused);
	if (strcmp(key, "of") == 0)
		return arena_printf(x->a, "%d", t->asked);
	if (strcmp(key, "bases") == 0)
		return t->asked == 1 ? "base" : "bases";
	if (strcmp(key, "hold") == 0)
		return t->refused == 1 ? "base already holds" : "bases already hold";
	if (strcmp(key, "group") == 0)
		return r->group->row.name;
	if (strcmp(key, "deployment") == 0)
		return r->deployment == NULL ? module_of(r) : r->deployment->row.name;
	if (strcmp(key, "module") == 0)
		return module_of(r);
	if (strcmp(key, "version") == 0)
		return r->version == NULL ? "" : r->version->row.name;
	if (strcmp(key, "base") == 0)
		return b->row.name;
	if (strcmp(key, "units") == 0)
		return units(x, t);
	if (strcmp(key, "need") == 0)
		return r->units > 1 ? arena_printf(x->a, ", %" PRId64 " needed", r->units) : "";
	if (strcmp(key, "limit") == 0)
		return arena_printf(x->a, "%" PRId64, b->row.units_used + r->units);
	return what(x, t, rule->name);
}

static char *filled(const struct explanation *x, const struct tally *t, const struct rule *rule, const char *template) {
	BUF_AUTO out = BUF_INIT;
	const char *open;
	while ((open = strchr(template, '{')) != NULL) {
		const char *close = strchr(open, '}');
		buf_add(&out, template, (size_t)(open - template));
		buf_add_str(&out, place_value(x, t, rule, arena_strndup(x->a, open + 1, (size_t)(close - open - 1))));
		template = close + 1;
	}
	buf_add_str(&out, template);
	return arena_strdup(x->a, buf_str(&out));
}

static void refusals_make(const struct explanation *x, struct place_report *ret) {
	ret->refusals = arena_alloc(x->a, (size_t)n_rules * sizeof *ret->refusals);
	for (int i = 0; i < n_rules; i++) {
		const struct tally *t = &x->tallies[i];
		if (t->refused == 0)
			continue;
		struct place_refusal made = { .rule = rules[i].name, .bases = t->refused, .n_examples = t->n_examples };
		made.text = filled(x, t, &rules[i], rules[i].sentence);
		made.command = filled(x, t, &rules[i], rules[i].command);
		for (int k = 0; k < t->n_examples; k++)
			made.examples[k] = arena_strdup(x->a, t->examples[k]->row.name);
		size_t at = ret->n++; /* most bases first, rules that refuse as many stay in their order */
		for (; at > 0 && ret->refusals[at - 1].bases < made.bases; at--)
			ret->refusals[at] = ret->refusals[at - 1];
		ret->refusals[at] = made;
	}
}

static char *summary_make(const struct explanation *x, const struct place_report *rep, const struct base *only) {
	if (only != NULL && x->n_bases == 0)
		return arena_printf(
		    x->a, "base %s is in group %s, not in group %s", only->row.name, only->group->row.name, x->r->group->row.name);
	if (x->n_bases == 0)
		return arena_strdup(x->a, "the group has no base yet");
	BUF_AUTO out = BUF_INIT;
	bool some = only == NULL && x->n_bases < x->n_group;
	if (some)
		buf_printf(&out, "of %d of %d bases that were looked at: ", x->n_bases, x->n_group);
	size_t begun = out.len;
	if (x->n_fit > 0)
		buf_printf(&out, "%zu of %d %s", x->n_fit, x->n_bases,
		    x->n_bases == 1 ? "base fits"
		    : x->n_fit == 1 ? "bases fits"
		                    : "bases fit");
	for (size_t i = 0; i < rep->n; i++)
		buf_printf(&out, "%s%s", out.len > begun ? "; " : "", rep->refusals[i].text);
	return arena_strdup(x->a, buf_str(&out));
}

/* ---- the order in which those that fit would be taken ---- */

static int rank(const void *a, const void *b, void *arg) {
	return place_rank(arg, *(struct base *const *)a, 0, *(struct base *const *)b, 0);
}

/* Each choice makes one more zone heavier: of the best base left in every zone, the best with the loads as they then are. */
static void order(const struct explanation *x, struct base **out, size_t n_out) {
	size_t next[GROUP_ZONES] = { 0 };
	int load[GROUP_ZONES];
	for (int z = 0; z < GROUP_ZONES; z++)
		load[z] = place_zone_load(x->r, z);
	for (size_t k = 0; k < n_out; k++) {
		struct base *best = NULL;
		for (int z = 0; z < GROUP_ZONES; z++) {
			while (next[z] < x->n_fit && x->fit[next[z]]->zone->slot != z)
				next[z]++;
			struct base *b = next[z] < x->n_fit ? x->fit[next[z]] : NULL;
			if (b != NULL && (best == NULL || place_rank(x->r, b, load[z], best, load[best->zone->slot]) < 0))
				best = b;
		}
		out[k] = best;
		load[best->zone->slot]++;
		next[best->zone->slot]++;
	}
}

static void fit_make(const struct explanation *x, struct place_report *ret) {
	struct place_req r = *x->r;
	ret->fits = x->n_fit;
	ret->n_fit = x->n_fit < MAX_FIT ? x->n_fit : MAX_FIT;
	ret->fit = arena_alloc(x->a, (ret->n_fit + 1) * sizeof *ret->fit);
	qsort_r(x->fit, x->n_fit, sizeof *x->fit, rank, &r);
	order(x, ret->fit, ret->n_fit);
}

void place_explain(const struct fleet *f, const struct place_req *r, const struct base *only, struct arena *a, struct place_report *ret) {
	struct explanation x = { .f = f, .r = r, .a = a, .n_group = r->group->n_bases };
	x.tallies = arena_alloc(a, (size_t)n_rules * sizeof *x.tallies);
	x.fit = arena_alloc(a, (PLACE_MAX_ASKED + 1) * sizeof *x.fit);
	ask(&x, only);
	*ret = (struct place_report){ .n_bases = x.n_bases, .n_group = x.n_group };
	refusals_make(&x, ret);
	fit_make(&x, ret);
	ret->summary = summary_make(&x, ret, only);
}
