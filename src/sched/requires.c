/* Reading requirements, comparing versions, and the order on one base that follows: what is required comes first and goes last. */
#include "sched/requires.h"

#include "sched/rules.h"

#include "base/arena.h"
#include "base/name.h"
#include "proto/held.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>

/* A number at *s, and how many digits it had; leaves *s behind the dot that follows. */
static int64_t part_next(const char **s, int *ret_digits) {
	int64_t v = 0;
	*ret_digits = 0;
	for (; isdigit((unsigned char)**s); (*s)++, (*ret_digits)++)
		if (v < INT64_MAX / 10 - 9)
			v = v * 10 + (**s - '0');
	if (**s == '.' && *ret_digits > 0)
		(*s)++;
	return v;
}

int version_cmp(const char *a, const char *b) {
	for (;;) {
		int da, db;
		int64_t x = part_next(&a, &da), y = part_next(&b, &db);
		if (x != y)
			return x < y ? -1 : 1;
		if (da == 0 && db == 0)
			break;
	}
	size_t la = strcspn(a, "+"), lb = strcspn(b, "+");
	if (la == 0 || lb == 0)
		return (la == 0) - (lb == 0);
	int d = strncmp(a, b, la < lb ? la : lb);
	return d != 0 ? d : (la > lb) - (la < lb);
}

static bool same_parts(const char *version, const char *want, int parts) {
	for (int i = 0; i < parts; i++) {
		int dv, dw;
		if (part_next(&version, &dv) != part_next(&want, &dw))
			return false;
	}
	return true;
}

static int parts_of(const char *version) {
	int n = 0, digits;
	for (part_next(&version, &digits); digits > 0; part_next(&version, &digits))
		n++;
	return n;
}

/* ^0.2.1 stays in 0.2: before 1.0 the first number that is not 0 is the one that may break. */
static int caret_parts(const char *version) {
	int n = parts_of(version), digits;
	for (int i = 1; i <= n; i++)
		if (part_next(&version, &digits) != 0)
			return i;
	return n;
}

static bool term_holds(const char *version, const char *op, const char *want) {
	int d = version_cmp(version, want);
	if (strcmp(op, ">=") == 0)
		return d >= 0;
	if (strcmp(op, "<=") == 0)
		return d <= 0;
	if (strcmp(op, ">") == 0)
		return d > 0;
	if (strcmp(op, "<") == 0)
		return d < 0;
	if (strcmp(op, "~") == 0)
		return d >= 0 && same_parts(version, want, parts_of(want) > 1 ? 2 : 1);
	if (strcmp(op, "^") == 0)
		return d >= 0 && same_parts(version, want, caret_parts(want));
	return d == 0;
}

struct term {
	char op[4], want[65]; /* one more than what is valid, so that a cut one is seen */
};

/* The next term of a range; false when there is none. */
static bool term_next(const char **range, struct term *ret) {
	*ret = (struct term){ 0 };
	const char *p = *range + strspn(*range, " ,");
	size_t n = strspn(p, "=<>~^");
	memcpy(ret->op, p, n < sizeof ret->op - 1 ? n : sizeof ret->op - 1);
	p += n;
	p += strspn(p, " ");
	size_t k = strcspn(p, " ,");
	memcpy(ret->want, p, k < sizeof ret->want - 1 ? k : sizeof ret->want - 1);
	*range = p + k;
	return n + k > 0;
}

static bool term_valid(const struct term *t) {
	static const char *const ops[] = { "", "=", ">", ">=", "<", "<=", "~", "^" };
	for (size_t i = 0; i < sizeof ops / sizeof *ops; i++)
		if (strcmp(ops[i], t->op) == 0)
			return name_valid(NAME_VERSION, t->want);
	return false;
}

bool version_range_valid(const char *range) {
	struct term t;
	while (term_next(&range, &t))
		if (!term_valid(&t))
			return false;
	return true;
}

bool version_in_range(const char *version, const char *range) {
	struct term t;
	while (term_next(&range, &t))
		if (!term_valid(&t) || !term_holds(version, t.op, t.want))
			return false;
	return true;
}

/* ---- reading ------------------------------------------------------------------------------------------------------------------------ */
bool requires_any(const struct version *v) {
	const char *json = v == NULL ? NULL : v->row.requires;
	return json != NULL && *json != '\0' && strcmp(json, "[]") != 0;
}

static struct requirement requirement_read(char *text, struct arena *a) {
	const char *colon = strchr(text, ':');
	return (struct requirement){ .module = colon == NULL ? text : arena_strndup(a, text, (size_t)(colon - text)),
		.range = colon == NULL ? "" : colon + 1,
		.text = text };
}

size_t requires_of(const struct version *v, struct arena *a, struct requirement **ret) {
	char **list;
	size_t n;
	*ret = NULL;
	if (!requires_any(v) || strings_parse(v->row.requires, a, &list, &n, NULL) != 0)
		return 0;
	*ret = arena_alloc(a, (n + 1) * sizeof **ret);
	for (size_t k = 0; k < n; k++)
		(*ret)[k] = requirement_read(list[k], a);
	return n;
}

bool requires_module(const struct version *v, const struct module *m, struct arena *a, struct requirement *ret) {
	struct requirement *list;
	size_t n = requires_of(v, a, &list);
	for (size_t k = 0; k < n; k++) {
		if (strcmp(list[k].module, m->row.name) != 0)
			continue;
		*ret = list[k];
		return true;
	}
	return false;
}

bool requirement_meets(const struct requirement *r, const struct version *v) {
	return strcmp(v->module->row.name, r->module) == 0 && version_in_range(v->row.name, r->range);
}

static bool required_behind(const struct instance *const *v, size_t at, size_t n, size_t k) {
	ARENA_AUTO a = arena_new();
	struct requirement r;
	for (size_t i = at; i < n && requires_any(v[k]->version); i++)
		if (i != k && requires_module(v[k]->version, v[i]->version->module, a, &r))
			return true;
	return false;
}

void requires_sort(const struct instance **v, size_t n) {
	for (size_t at = 0; at < n; at++) {
		size_t k = at;
		while (k < n && required_behind(v, at, n, k))
			k++;
		if (k == n)
			return; /* a circle */
		const struct instance *first = v[k];
		memmove(v + at + 1, v + at, (k - at) * sizeof *v);
		v[at] = first;
	}
}

/* ---- on one base ----------------------------------------------------------------------------------------------------------------------
 */
static bool broken(const struct instance *i) {
	return i->row.state == INSTANCE_FAILED || i->row.state == INSTANCE_QUARANTINED;
}

const char *requirement_of(const struct place_req *r, const struct base *b, struct arena *a) {
	struct requirement *list;
	size_t n = requires_of(r->version, a, &list);
	for (size_t k = 0; k < n; k++) {
		const struct instance *i;
		bool met = false;
		TAILQ_FOREACH(i, &b->instances, base_link)
			met |= i->row.wanted && !broken(i) && requirement_meets(&list[k], i->version);
		if (!met && (r->brings == NULL || !r->brings(b, &list[k], r->arg)))
			return list[k].text;
	}
	return NULL;
}

/* Its base is being filled again: with what its agent was told last. That may not be wanted any more, and its removal not sent; and what
 * was broken there is started anew. */
static bool comes_back(const struct instance *i) {
	bool gone = i->row.state == INSTANCE_MISSING || i->row.state == INSTANCE_FAILED;
	return gone && i->row.generation != 0 && i->base->row.state != BASE_READY;
}

/* Its base came back with it while a task of it waited for its turn, and what becomes of it is told by that one's outcome only. */
static bool came_back(const struct instance *i) {
	enum held_meaning told = i->row.reported == NULL ? HELD_ON_ITS_WAY : held_meaning(i->row.reported);
	return i->row.state == INSTANCE_MISSING && (told == HELD_ACTIVE || told == HELD_BESIDE);
}

/* It is there, or may be: a removal under way has not ended, an install has begun. */
static bool active(const struct instance *i) {
	return comes_back(i) || came_back(i) || i->row.state == INSTANCE_READY || i->row.state == INSTANCE_STANDBY ||
	       i->row.state == INSTANCE_INSTALLING || i->row.state == INSTANCE_UNINSTALLING || i->row.state == INSTANCE_UNKNOWN ||
	       i->row.state == INSTANCE_DRAINING;
}

static bool met_without(const struct instance *i, const struct requirement *r) {
	const struct instance *x;
	TAILQ_FOREACH(x, &i->base->instances, base_link)
		if (x != i && x->row.wanted && x->row.state == INSTANCE_READY && requirement_meets(r, x->version))
			return true;
	return false;
}

bool requires_instance(const struct instance *x, const struct instance *i) {
	if (x == i || x->base != i->base || !active(x) || x->version->module == i->version->module || !requires_any(x->version))
		return false;
	ARENA_AUTO a = arena_new();
	struct requirement r;
	return requires_module(x->version, i->version->module, a, &r);
}

const struct instance *requirer_of(const struct instance *i, const struct instance *after) {
	const struct instance *x = after == NULL ? TAILQ_FIRST(&i->base->instances) : TAILQ_NEXT(after, base_link);
	for (; x != NULL; x = TAILQ_NEXT(x, base_link)) {
		if (!requires_instance(x, i))
			continue;
		ARENA_AUTO a = arena_new();
		struct requirement r;
		if (requires_module(x->version, i->version->module, a, &r) && requirement_meets(&r, i->version) && !met_without(i, &r))
			return x;
	}
	return NULL;
}

const struct instance *requirer_coming(const struct instance *i) {
	const struct instance *x;
	TAILQ_FOREACH(x, &i->base->instances, base_link) {
		bool comes = x->row.wanted && (x->row.state == INSTANCE_PENDING || x->row.state == INSTANCE_MISSING);
		if (!comes || !requires_any(x->version))
			continue;
		ARENA_AUTO a = arena_new();
		struct requirement r;
		if (requires_module(x->version, i->version->module, a, &r) && requirement_meets(&r, i->version) && !met_without(i, &r))
			return x;
	}
	return NULL;
}

bool requirers_break(const struct instance *old, const struct version *to) {
	const struct instance *x = NULL;
	struct requirement r;
	while ((x = requirer_of(old, x)) != NULL) {
		ARENA_AUTO a = arena_new();
		if (requires_module(x->version, to->module, a, &r) && !requirement_meets(&r, to))
			return true;
	}
	return false;
}

/* It was left behind while its deployment moved on to what does without: whoever took away what it requires was asked about that only. */
static bool moves_on(const struct instance *x, const struct module *required) {
	const struct revision *to = x->deployment == NULL ? NULL : x->deployment->current;
	ARENA_AUTO a = arena_new();
	struct requirement r;
	return to != NULL && x->row.revision < to->row.number && !requires_module(to->version, required, a, &r);
}

/* Somebody said that this one goes although another stays that requires it: of a plan its word, of a repair that it is offline. */
static bool let_go(const struct instance *i, const struct instance *x, bool forced) {
	bool of_plan = i->task != NULL && i->task->plan != NULL;
	bool offline = i->deployment != NULL && i->deployment->row.offline && !of_plan && !moves_on(x, i->version->module);
	bool goes = i->deployment == NULL || offline || forced;
	bool stays = x->row.wanted && x->task == NULL && (x->deployment == NULL || !x->deployment->row.offline);
	return goes && stays;
}

/* Its removal failed, or its base holds it broken: that one's agent may be starting it again by itself. */
static bool lies_there(const struct instance *i) {
	return i->row.state == INSTANCE_FAILED && (i->row.commanded == TASK_KIND_UNINSTALL || instance_reported(i));
}

static const struct instance *removal_awaits(const struct instance *i, bool forced) {
	const struct instance *x = NULL;
	if (!active(i) && !lies_there(i)) /* it is not there: nobody can lose it */
		return NULL;
	while ((x = requirer_of(i, x)) != NULL)
		if (!let_go(i, x, forced))
			return x;
	return NULL;
}

/* What of that module is wanted there, if none of it is there as required. */
static const struct instance *absent(const struct base *b, const struct requirement *r) {
	const struct instance *x, *found = NULL;
	TAILQ_FOREACH(x, &b->instances, base_link) {
		if (!x->row.wanted || strcmp(x->version->module->row.name, r->module) != 0)
			continue;
		if (x->row.state == INSTANCE_READY && requirement_meets(r, x->version))
			return NULL;
		found = x;
	}
	return found;
}

static bool any_wanted(const struct base *b, const char *module) {
	const struct instance *x;
	TAILQ_FOREACH(x, &b->instances, base_link)
		if (x->row.wanted && strcmp(x->version->module->row.name, module) == 0)
			return true;
	return false;
}

const char *requirement_missed(const struct base *b, const struct version *v, struct arena *a) {
	struct requirement *list;
	size_t n = requires_of(v, a, &list);
	for (size_t k = 0; k < n; k++)
		if (!any_wanted(b, list[k].module))
			return list[k].text;
	return NULL;
}

static const struct instance *install_awaits(const struct instance *i, struct arena *a, struct requirement *ret) {
	struct requirement *list;
	size_t n = requires_of(i->version, a, &list);
	for (size_t k = 0; k < n; k++) {
		const struct instance *x = absent(i->base, &list[k]);
		if (x == NULL)
			continue;
		if (ret != NULL)
			*ret = list[k];
		return x;
	}
	return NULL;
}

/* In place the new one comes after the old one went, also when that waits. */
static const struct instance *predecessor(const struct task *t) {
	const struct instance *x;
	TAILQ_FOREACH(x, &t->base->instances, base_link) {
		const struct task *other = x->task;
		bool waits = other != NULL && (other->row.state == TASK_PENDING || other->row.state == TASK_BACKOFF);
		if (waits && other->row.kind == TASK_KIND_UNINSTALL && x->row.id == t->row.partner_id &&
		    other->row.partner_id == t->row.instance_id)
			return x;
	}
	return NULL;
}

const struct instance *task_awaits(const struct task *t, bool forced, struct arena *a, struct requirement *ret) {
	if (t->instance == NULL || t->row.kind == TASK_KIND_BEFORE_SWAP || t->row.kind == TASK_KIND_AFTER_SWAP)
		return NULL;
	if (t->row.kind == TASK_KIND_UNINSTALL)
		return removal_awaits(t->instance, forced);
	const struct instance *old = t->row.partner_id == 0 ? NULL : predecessor(t);
	if (old != NULL && removal_awaits(old, forced) != NULL)
		return removal_awaits(old, forced);
	return requires_any(t->instance->version) ? install_awaits(t->instance, a, ret) : NULL;
}
