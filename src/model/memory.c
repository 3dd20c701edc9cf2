/* What JVMs say of their memory, and what modules were found to cost there.
 *
 * Metaspace of modules that were removed stays softly reachable until memory is short, so what is in use now says more than what is needed.
 * The leanest moment of a JVM's life, less what its modules of that moment cost, is what it needs by itself; with the cost of the modules
 * of now that gives what it would fall back to. */
#include "model/fleet_internal.h"

#include "base/arena.h"

#include <jansson.h>
#include <stdio.h>
#include <string.h>

#define MEAN_OVER 8 /* the mean follows the last so many installs */

/* ---- a base ----------------------------------------------------------------------------------------------------------------------------
 */

static const struct {
	const char *key;
	size_t offset;
} numbers[] = {
	{ "metaspaceUsed", offsetof(struct base_memory, metaspace_used) },
	{ "metaspaceCommitted", offsetof(struct base_memory, metaspace_committed) },
	{ "metaspaceMax", offsetof(struct base_memory, metaspace_max) },
	{ "heapUsed", offsetof(struct base_memory, heap_used) },
	{ "heapMax", offsetof(struct base_memory, heap_max) },
	{ "classes", offsetof(struct base_memory, classes) },
	{ "threads", offsetof(struct base_memory, threads) },
	{ "uptimeUs", offsetof(struct base_memory, uptime_us) },
	{ "metaspaceOwn", offsetof(struct base_memory, metaspace_own) },
};
#define N_NUMBERS (sizeof numbers / sizeof *numbers)

static int64_t *number_at(struct base_memory *m, size_t k) {
	return (int64_t *)(void *)((char *)m + numbers[k].offset);
}

static char *printed(json_t *j, struct arena *a) {
	char *text = json_dumps(j, JSON_COMPACT), *copy = arena_strdup(a, text != NULL ? text : "{}");
	json_decref(j);
	free(text);
	return copy;
}

char *base_memory_print(const struct base_memory *m, struct arena *a) {
	struct base_memory copy = *m;
	json_t *j = json_object();
	for (size_t k = 0; k < N_NUMBERS; k++)
		if (*number_at(&copy, k) >= 0)
			json_object_set_new(j, numbers[k].key, json_integer(*number_at(&copy, k)));
	if (m->application[0] != '\0')
		json_object_set_new(j, "application", json_string(m->application));
	if (m->java[0] != '\0')
		json_object_set_new(j, "java", json_string(m->java));
	return printed(j, a);
}

static void text_read(const json_t *j, const char *key, char *ret, size_t size) {
	const char *s = json_string_value(json_object_get(j, key));
	snprintf(ret, size, "%s", s != NULL ? s : "");
}

bool base_memory_parse(const char *text, struct base_memory *ret) {
	json_t *j = text == NULL ? NULL : json_loads(text, 0, NULL);
	*ret = (struct base_memory){ 0 };
	for (size_t k = 0; k < N_NUMBERS; k++) {
		const json_t *v = json_object_get(j, numbers[k].key);
		*number_at(ret, k) = json_is_integer(v) ? json_integer_value(v) : -1;
	}
	text_read(j, "application", ret->application, sizeof ret->application);
	text_read(j, "java", ret->java, sizeof ret->java);
	bool ok = json_is_object(j);
	json_decref(j);
	return ok;
}

/* ---- a module --------------------------------------------------------------------------------------------------------------------------
 */

const struct install_cost *module_cost(const struct module *m, const struct group *g) {
	for (int i = 0; i < m->n_costs; i++)
		if (m->costs[i].group_id == g->row.id)
			return &m->costs[i];
	return NULL;
}

void module_costs_read(struct module *m) {
	json_t *list = m->row.install_costs == NULL ? NULL : json_loads(m->row.install_costs, 0, NULL), *x;
	size_t k;
	m->n_costs = 0;
	json_array_foreach(list, k, x) {
		if (m->n_costs == MODULE_COSTS)
			break;
		m->costs[m->n_costs++] = (struct install_cost){ .group_id = json_integer_value(json_object_get(x, "group")),
			.installs = json_integer_value(json_object_get(x, "installs")),
			.duration_us = json_integer_value(json_object_get(x, "durationUs")),
			.measured = json_integer_value(json_object_get(x, "measured")),
			.metaspace_bytes = json_integer_value(json_object_get(x, "metaspaceBytes")) };
	}
	json_decref(list);
}

static void costs_write(struct fleet *f, struct module *m) {
	ARENA_AUTO a = arena_new();
	json_t *list = json_array();
	for (int i = 0; i < m->n_costs; i++) {
		const struct install_cost *x = &m->costs[i];
		json_array_append_new(list, json_pack("{s:I, s:I, s:I, s:I, s:I}", "group", (json_int_t)x->group_id, "installs",
		                                (json_int_t)x->installs, "durationUs", (json_int_t)x->duration_us, "measured",
		                                (json_int_t)x->measured, "metaspaceBytes", (json_int_t)x->metaspace_bytes));
	}
	text_set(&m->row.install_costs, printed(list, a));
	fleet_touch(f, &m->o);
}

/* More kinds of bases than are kept: the one with the fewest installs gives way. */
static struct install_cost *cost_of(struct module *m, const struct group *g) {
	struct install_cost *least = &m->costs[0];
	for (int i = 0; i < m->n_costs; i++) {
		if (m->costs[i].group_id == g->row.id)
			return &m->costs[i];
		if (m->costs[i].installs < least->installs)
			least = &m->costs[i];
	}
	if (m->n_costs < MODULE_COSTS)
		least = &m->costs[m->n_costs++];
	*least = (struct install_cost){ .group_id = g->row.id };
	return least;
}

static int64_t mean(int64_t before, int64_t n, int64_t fresh) {
	return before + (fresh - before) / (n < MEAN_OVER ? n : MEAN_OVER);
}

void module_cost_note(struct fleet *f, struct module *m, const struct group *g, int64_t duration_us, int64_t metaspace_bytes) {
	struct install_cost *x = cost_of(m, g);
	x->duration_us = mean(x->duration_us, ++x->installs, duration_us);
	if (metaspace_bytes >= 0)
		x->metaspace_bytes = mean(x->metaspace_bytes, ++x->measured, metaspace_bytes);
	costs_write(f, m);
}

/* ---- both ------------------------------------------------------------------------------------------------------------------------------
 */

static bool is_there(const struct instance *i) {
	return i->row.state != INSTANCE_PENDING && i->row.state != INSTANCE_MISSING && i->row.state != INSTANCE_FAILED &&
	       i->row.state != INSTANCE_INSTALLING;
}

static bool is_counted(const struct instance *i) {
	return is_there(i) && i->in_memory;
}

/* On its way there, or decided to be; or there, and the base did not say since what it uses now. In place the one that comes stands for
 * the one that goes as long as that is there. */
static bool is_on_top(const struct instance *i) {
	const struct instance *x;
	if (i->row.state == INSTANCE_INSTALLING || is_there(i))
		return !is_counted(i);
	if (!i->row.wanted || i->row.state != INSTANCE_PENDING)
		return false;
	TAILQ_FOREACH(x, &i->base->instances, base_link)
		if (x != i && x->version->module == i->version->module && is_there(x))
			return false;
	return true;
}

static int64_t modules_cost(const struct base *b, bool (*counts)(const struct instance *)) {
	const struct instance *i;
	int64_t sum = 0;
	TAILQ_FOREACH(i, &b->instances, base_link) {
		const struct install_cost *x = module_cost(i->version->module, b->group);
		sum += x != NULL && counts(i) ? x->metaspace_bytes : 0;
	}
	return sum;
}

/* A module that was commanded and not told of yet may or may not have been in what was measured. */
static bool on_its_way(const struct base *b) {
	const struct instance *i;
	TAILQ_FOREACH(i, &b->instances, base_link)
		if (i->row.state == INSTANCE_INSTALLING || i->row.state == INSTANCE_UNINSTALLING)
			return true;
	return false;
}

void base_memory_learn(struct base *b, const struct base_memory *m, bool outdated) {
	int64_t own = m->metaspace_used - modules_cost(b, is_there), was = b->memory.metaspace_own;
	bool first = !b->memory_told || b->memory_life != b->row.incarnation || was < 0;
	b->memory = *m;
	b->memory_told = true;
	b->memory_life = b->row.incarnation;
	if (m->metaspace_used < 0)
		b->memory.metaspace_own = -1;
	else if (outdated || on_its_way(b))
		b->memory.metaspace_own = first ? -1 : was;
	else
		b->memory.metaspace_own = !first && was < own ? was : own < 0 ? 0 : own;
	if (!outdated)
		base_memory_counts(b);
}

void base_memory_counts(struct base *b) {
	struct instance *i;
	TAILQ_FOREACH(i, &b->instances, base_link)
		i->in_memory = is_there(i);
}

int64_t base_metaspace_needed(const struct base *b) {
	const struct base_memory *m = &b->memory;
	if (!b->memory_told || m->metaspace_used < 0)
		return -1;
	int64_t needed = m->metaspace_own < 0 ? m->metaspace_used : m->metaspace_own + modules_cost(b, is_counted);
	return (needed < m->metaspace_used ? needed : m->metaspace_used) + modules_cost(b, is_on_top);
}
