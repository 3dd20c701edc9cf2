/* The predicates of rules.def. They read the fleet and nothing else; choose and explain ask the same ones. */
#include "sched/rules.h"

#include "base/arena.h"
#include "base/mutant.h"

#include <string.h>

static bool given(const char *s) {
	return s != NULL && *s != '\0';
}

static const char *text(const char *s) {
	return s == NULL ? "" : s;
}

/* ---- the group, the base ---- */

static bool rule_observed(const struct fleet *f, const struct place_req *r, const struct base *b) {
	return group_observed(b->group);
}

static bool rule_no_artifact(const struct fleet *f, const struct place_req *r, const struct base *b) {
	return r->version != NULL && !version_restorable(r->version);
}

#define STATE_RULE(name, STATE)                                                                           \
	static bool rule_##name(const struct fleet *f, const struct place_req *r, const struct base *b) { \
		return b->row.state == BASE_##STATE;                                                      \
	}
STATE_RULE(joining, JOINING)
STATE_RULE(restoring, RESTORING)
STATE_RULE(silent, SILENT)
STATE_RULE(lost, LOST)
STATE_RULE(stopped, STOPPED)

static bool rule_cordoned(const struct fleet *f, const struct place_req *r, const struct base *b) {
	return b->row.cordoned && !MUTANT(open_closed);
}

static bool rule_runtime(const struct fleet *f, const struct place_req *r, const struct base *b) {
	int needed = r->version == NULL ? RUNTIME_NONE : r->version->row.runtime;
	int has = b->row.runtime != RUNTIME_NONE ? b->row.runtime : b->group->row.runtime;
	return needed != RUNTIME_NONE && has != RUNTIME_NONE && needed != has;
}

/* A taint keeps away every deployment that has no label of that key. */
const char *taint_of(const struct place_req *r, const struct base *b, struct arena *a) {
	char **taints;
	struct pair *labels = NULL;
	size_t n, n_labels = 0;
	if (strings_parse(b->row.taints, a, &taints, &n, NULL) != 0)
		return NULL;
	if (r->deployment != NULL && pairs_parse(r->deployment->row.labels, a, &labels, &n_labels, NULL) != 0)
		n_labels = 0;
	for (size_t i = 0; i < n; i++) {
		bool named = false;
		for (size_t k = 0; k < n_labels && !named; k++)
			named = strcmp(labels[k].key, taints[i]) == 0;
		if (!named)
			return taints[i];
	}
	return NULL;
}

static bool list_filled(const char *json) {
	return given(json) && strcmp(json, "[]") != 0;
}

static bool rule_tainted(const struct fleet *f, const struct place_req *r, const struct base *b) {
	if (!list_filled(b->row.taints))
		return false;
	ARENA_AUTO a = arena_new();
	return taint_of(r, b, a) != NULL;
}

/* ---- the module on the base ---- */

static bool rule_requires(const struct fleet *f, const struct place_req *r, const struct base *b) {
	if (r->version == NULL || !list_filled(r->version->row.requires))
		return false;
	ARENA_AUTO a = arena_new();
	return requirement_of(r, b, a) != NULL;
}

static bool rule_excluded(const struct fleet *f, const struct place_req *r, const struct base *b) {
	return r->excluded != NULL && r->excluded(b, r->arg);
}

static bool rule_quarantined(const struct fleet *f, const struct place_req *r, const struct base *b) {
	if (r->version == NULL)
		return false;
	const struct instance *i = b->n_quarantined == 0 ? NULL : base_instance_of(b, r->version);
	if (i != NULL && i->row.state == INSTANCE_QUARANTINED)
		return true;
	return fleet_finding_find(f, b->tenant, FINDING_QUARANTINED, b, r->version->module->row.name, r->version->row.name) != NULL;
}

static bool rule_holds(const struct fleet *f, const struct place_req *r, const struct base *b) {
	const struct module *m = r->version != NULL ? r->version->module : r->module;
	const struct instance *i;
	TAILQ_FOREACH_REVERSE(i, &b->instances, instance_queue, base_link) /* a plan asks again where it just put one */
	if (m != NULL && i->version->module == m && (i != r->old || i->version == r->version))
		return true;
	return false;
}

static bool rule_context_path(const struct fleet *f, const struct place_req *r, const struct base *b) {
	if (r->version == NULL || !given(r->version->row.context_path))
		return false;
	const struct instance *i;
	TAILQ_FOREACH(i, &b->instances, base_link)
		if (i->version->module != r->version->module &&
		    strcmp(text(i->version->row.context_path), r->version->row.context_path) == 0)
			return true;
	return false;
}

bool versions_side_by_side(const struct version *old, const struct version *to) {
	const char *op = old->row.context_path, *np = to->row.context_path;
	bool one_path = to->row.runtime == RUNTIME_ARK && op != NULL && np != NULL && strcmp(op, np) == 0;
	return old != to && strcmp(old->row.name, to->row.name) != 0 && !one_path;
}

/* ---- room ---- */

static bool rule_full(const struct fleet *f, const struct place_req *r, const struct base *b) {
	return r->units > base_free(b);
}

/* By what the module was found to cost on such bases; not known, or a JVM without a maximum: no limit can be held. */
static bool metaspace_of(const struct place_req *r, const struct base *b, struct metaspace *ret) {
	const struct module *m = r->version != NULL ? r->version->module : r->module;
	const struct install_cost *x = m == NULL ? NULL : module_cost(m, b->group);
	*ret = (struct metaspace){ .needed = base_metaspace_needed(b),
		.cost = x == NULL ? 0 : x->metaspace_bytes,
		.max = b->memory.metaspace_max,
		.percent = b->group->row.metaspace_limit };
	return ret->percent > 0 && ret->needed >= 0 && ret->max > 0 && ret->cost > 0;
}

static bool rule_metaspace(const struct fleet *f, const struct place_req *r, const struct base *b) {
	struct metaspace m;
	return b->group->row.metaspace_limit > 0 && metaspace_of(r, b, &m) && m.needed + m.cost > m.max / 100 * m.percent;
}

bool place_has_room(const struct fleet *f, const struct place_req *r, const struct base *b) {
	return !rule_full(f, r, b) && !rule_metaspace(f, r, b);
}

#define MIB(bytes) ((double)(bytes) / (1024 * 1024))

const char *metaspace_text(const struct place_req *r, const struct base *b, struct arena *a) {
	struct metaspace m;
	if (!metaspace_of(r, b, &m))
		return "";
	return arena_printf(a, "%.1f MiB needed now and %.1f for it, of %.1f at %lld %% of %.1f on %s", MIB(m.needed), MIB(m.cost),
	    MIB(m.max / 100 * m.percent), (long long)m.percent, MIB(m.max), b->row.name);
}

const struct rule rules[] = {
#define R(n, predicate, says, mends) { .name = n, .refuses = rule_##predicate, .sentence = says, .command = mends },
#include "sched/rules.def"
#undef R
};
const int n_rules = sizeof rules / sizeof *rules;

int rule_first(const struct fleet *f, const struct place_req *r, const struct base *b, int from) {
	int i = from;
	while (i < n_rules && !rules[i].refuses(f, r, b))
		i++;
	return i;
}
