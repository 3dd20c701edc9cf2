/* From the text of one option to the field of the target: conversion, bounds, ownership. Called by opt.c and opt_file.c. */
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/err.h"
#include "base/opt_impl.h"

bool size_parse(const char *s, int64_t *ret_bytes) {
	static const char units[] = "KMGT";
	int64_t v = 0;
	const char *p = s;
	for (; *p >= '0' && *p <= '9'; p++) {
		if (v > (INT64_MAX - 9) / 10)
			return false;
		v = v * 10 + (*p - '0');
	}
	if (p == s)
		return false;
	if (*p != '\0') {
		const char *u = strchr(units, *p >= 'a' && *p <= 'z' ? *p - 'a' + 'A' : *p);
		if (u == NULL || p[1] != '\0')
			return false;
		int shift = 10 * (int)(u - units + 1);
		if (v > INT64_MAX >> shift)
			return false;
		v <<= shift;
	}
	*ret_bytes = v;
	return true;
}

static bool int_parse(const char *s, int64_t *ret) {
	char *end;
	errno = 0;
	long long v = strtoll(s, &end, 10);
	bool starts = (*s >= '0' && *s <= '9') || *s == '-'; /* strtoll would skip blanks and take a plus */
	if (!starts || end == s || *end != '\0' || errno == ERANGE)
		return false;
	*ret = v;
	return true;
}

static bool bool_parse(const char *s, bool *ret) {
	static const char *const yes[] = { "true", "yes", "on", "1" }, *const no[] = { "false", "no", "off", "0" };
	for (size_t i = 0; i < 4; i++) {
		if (strcmp(s, yes[i]) == 0 || strcmp(s, no[i]) == 0) {
			*ret = strcmp(s, yes[i]) == 0;
			return true;
		}
	}
	return false;
}

static const struct {
	bool (*parse)(const char *, int64_t *);
	const char *expects;
} numbers[] = {
	[OPT_INT] = { int_parse, "a whole number" },
	[OPT_DURATION] = { duration_parse, "a duration such as 250ms, 30s, 10m or 24h" },
	[OPT_SIZE] = { size_parse, "a size such as 1024, 64K, 10M or 2G" },
};

static void bound_format(enum opt_kind kind, int64_t v, char buf[48]) {
	if (kind == OPT_DURATION)
		duration_format(v, buf);
	else
		snprintf(buf, 48, "%" PRId64, v);
}

static int number_apply(const struct opt_def *def, const char *where, const char *text, void *field, struct err *err) {
	int64_t v;
	if (!numbers[def->kind].parse(text, &v))
		return err_set(err, E_INVALID, "%s: '%.80s' is not %s", where, text, numbers[def->kind].expects);
	if ((def->min != 0 || def->max != 0) && (v < def->min || v > def->max)) {
		char low[48], high[48];
		bound_format(def->kind, def->min, low);
		bound_format(def->kind, def->max, high);
		return err_set(err, E_INVALID, "%s: %.80s is out of bounds; give %s to %s", where, text, low, high);
	}
	memcpy(field, &v, sizeof v);
	return 0;
}

static char *keep(const char *text) {
	char *s = strdup(text);
	if (s == NULL)
		abort();
	return s;
}

static void list_append(struct opt_slot *slot, const char *text) {
	char **items = realloc(slot->items, (slot->n_items + 2) * sizeof *items);
	if (items == NULL)
		abort();
	slot->items = items;
	items[slot->n_items++] = keep(text);
	items[slot->n_items] = NULL;
}

static void list_clear(struct opt_slot *slot) {
	for (size_t i = 0; i < slot->n_items; i++)
		free(slot->items[i]);
	free(slot->items);
	slot->items = NULL;
	slot->n_items = 0;
}

static int scalar_apply(
    struct opt_slot *slot, const struct opt_def *def, const char *where, const char *text, void *field, struct err *err) {
	if (def->kind == OPT_BOOL) {
		bool v;
		if (!bool_parse(text, &v))
			return err_set(err, E_INVALID, "%s: '%.80s' is neither true nor false", where, text);
		memcpy(field, &v, sizeof v);
	} else if (def->kind != OPT_STRING) {
		int r = number_apply(def, where, text, field, err);
		if (r != 0)
			return r;
	}
	char *copy = keep(text);
	free(slot->text);
	slot->text = copy;
	if (def->kind == OPT_STRING)
		memcpy(field, &slot->text, sizeof slot->text);
	return 0;
}

int opt_apply(
    struct opts *o, const struct opt_def *def, enum opt_origin origin, bool again, const char *where, const char *text, struct err *err) {
	struct opt_slot *slot = &o->slots[def - o->defs];
	void *field = (char *)o->target + def->offset;
	bool second = slot->set && slot->origin == origin;
	if (def->kind == OPT_LIST) {
		if (!second)
			list_clear(slot);
		list_append(slot, text);
		memcpy(field, &slot->items, sizeof slot->items);
	} else {
		if (second && !again)
			return err_set(err, E_INVALID, "%s is given twice", where);
		int r = scalar_apply(slot, def, where, text, field, err);
		if (r != 0)
			return r;
	}
	slot->set = true;
	slot->origin = origin;
	return 0;
}

void opts_free(struct opts *o) {
	if (o == NULL)
		return;
	for (size_t i = 0; i < o->n; i++) {
		free(o->slots[i].text);
		list_clear(&o->slots[i]);
	}
	free(o->slots);
	free(o);
}
