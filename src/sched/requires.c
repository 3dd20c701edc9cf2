/* Required modules on the same base: "module" or "module:range", where a range is one or more of = > >= < <= ~ ^ with a version. */
#include "sched/rules.h"

#include "base/arena.h"
#include "base/name.h"

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

/* Numbers first, missing ones are 0; then a version with a suffix ("-rc1") comes before the one without; build notes ("+b7") do not count.
 */
static int version_cmp(const char *a, const char *b) {
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

static bool base_has(const struct base *b, const char *module, const char *range) {
	const struct instance *i;
	TAILQ_FOREACH(i, &b->instances, base_link)
		if (i->row.wanted && strcmp(i->version->module->row.name, module) == 0 && version_in_range(i->version->row.name, range))
			return true;
	return false;
}

const char *requirement_of(const struct place_req *r, const struct base *b, struct arena *a) {
	char **list;
	size_t n;
	if (strings_parse(r->version->row.requires, a, &list, &n, NULL) != 0)
		return NULL;
	for (size_t i = 0; i < n; i++) {
		char *colon = strchr(list[i], ':');
		const char *module = colon == NULL ? list[i] : arena_strndup(a, list[i], (size_t)(colon - list[i]));
		if (!base_has(b, module, colon == NULL ? "" : colon + 1))
			return list[i];
	}
	return NULL;
}
