/* Amounts and strategies: parsing, canonical printing, merging, defaults. One table of fields drives all four. */
#include "model/spec.h"

#include "base/arena.h"
#include "base/buf.h"
#include "base/clock.h"
#include "base/err.h"
#include "base/percent.h"

#include <assert.h>
#include <inttypes.h>
#include <jansson.h>
#include <stdio.h>
#include <string.h>

const struct strategy strategy_unset = { .retries = -1,
	.min_ready_us = -1,
	.progress_us = -1,
	.soak_us = -1,
	.task_timeout_us = -1,
	.prefetch_us = -1,
	.gate_retries = -1,
	.gate_every_us = -1,
	.gate_timeout_us = -1,
	.install_timeout_us = -1,
	.uninstall_timeout_us = -1,
	.switch_timeout_us = -1 };

int64_t amount_of(struct amount a, int64_t total, enum rounding r) {
	switch (a.kind) {
	case AMOUNT_COUNT:
		return a.n < total ? a.n : total;
	case AMOUNT_PERCENT:
		return r == ROUND_UP ? (total * a.n + 99) / 100 : total * a.n / 100;
	case AMOUNT_ALL:
		return total;
	case AMOUNT_UNSET:
		break;
	}
	return 0;
}

/* ---- fields ---- */

enum field_type { FIELD_AMOUNT, FIELD_COUNT, FIELD_TIME, FIELD_WORD, FIELD_CHOICE, FIELD_TEXT, FIELD_LIST };

/* Order is that of the canonical text. unset: the value that means "not given" of COUNT and TIME. max: the largest COUNT; the bytes of a
 * TEXT or LIST with its end. */
static const struct field {
	const char *name;
	enum field_type type;
	size_t offset;
	enum word_set words;
	int64_t unset, max;
} fields[] = {
#define F(n, t, member, ...) \
	{ .name = n, .type = FIELD_##t, .offset = offsetof(struct strategy, member), __VA_ARGS__ }
	F("batchCount", COUNT, batch_count, .unset = 0, .max = STRATEGY_MAX_BATCHES),
	F("batchesBy", TEXT, batches_by, .max = STRATEGY_NAME),
	F("batchOrder", LIST, batch_order, .max = STRATEGY_TEXT),
	F("beta", TEXT, beta, .max = STRATEGY_NAME),
	F("upgradePolicy", WORD, upgrade_policy, .words = WORD_UPGRADE_POLICY),
	F("placement", WORD, placement, .words = WORD_PLACEMENT),
	F("maxUnavailable", AMOUNT, max_unavailable),
	F("maxSurge", AMOUNT, max_surge),
	F("maxInFlight", COUNT, max_in_flight, .unset = 0, .max = 1000000),
	F("minReady", TIME, min_ready_us, .unset = -1),
	F("progressDeadline", TIME, progress_us, .unset = -1),
	F("retries", COUNT, retries, .unset = -1, .max = 1000),
	F("retryElsewhere", CHOICE, retry_elsewhere),
	F("failureThreshold", AMOUNT, failure_threshold),
	F("batchFailureThreshold", AMOUNT, batch_failure_threshold),
	F("onFailure", WORD, on_failure, .words = WORD_ON_FAILURE),
	F("confirm", WORD, confirm, .words = WORD_CONFIRM),
	F("soak", TIME, soak_us, .unset = -1),
	F("gateState", CHOICE, gate_state),
	F("gateFailed", AMOUNT, gate_failed),
	F("gateProbe", TEXT, gate_probe, .max = STRATEGY_TEXT),
	F("gateProbeStatus", COUNT, gate_probe_status, .unset = 0, .max = 599),
	F("gateRetries", COUNT, gate_retries, .unset = -1, .max = 1000),
	F("gateUrl", TEXT, gate_url, .max = STRATEGY_TEXT),
	F("gateEvery", TIME, gate_every_us, .unset = -1),
	F("gateTimeout", TIME, gate_timeout_us, .unset = -1),
	F("taskTimeout", TIME, task_timeout_us, .unset = -1),
	F("prefetch", TIME, prefetch_us, .unset = -1),
	F("installTimeout", TIME, install_timeout_us, .unset = -1),
	F("uninstallTimeout", TIME, uninstall_timeout_us, .unset = -1),
	F("switchTimeout", TIME, switch_timeout_us, .unset = -1),
#undef F
};
#define N_FIELDS (sizeof fields / sizeof *fields)
static_assert(sizeof(enum upgrade_policy) == sizeof(int) && sizeof(enum confirm) == sizeof(int), "words are read as int");
static_assert(sizeof(enum choice) == sizeof(int), "choices are read as int");

union value {
	struct amount amount;
	int64_t number;
	int word;
	char text[STRATEGY_TEXT];
};

static size_t field_size(const struct field *f) {
	static const size_t sizes[] = { [FIELD_AMOUNT] = sizeof(struct amount),
		[FIELD_COUNT] = sizeof(int64_t),
		[FIELD_TIME] = sizeof(int64_t),
		[FIELD_WORD] = sizeof(int),
		[FIELD_CHOICE] = sizeof(int) };
	return f->type == FIELD_TEXT || f->type == FIELD_LIST ? (size_t)f->max : sizes[f->type];
}

static union value field_get(const struct strategy *s, const struct field *f) {
	union value v = { 0 };
	memcpy(&v, (const char *)s + f->offset, field_size(f));
	return v;
}

static void field_set(struct strategy *s, const struct field *f, union value v) {
	memcpy((char *)s + f->offset, &v, field_size(f));
}

static bool field_given(const struct field *f, union value v) {
	switch (f->type) {
	case FIELD_AMOUNT:
		return v.amount.kind != AMOUNT_UNSET;
	case FIELD_WORD:
	case FIELD_CHOICE:
		return v.word != 0;
	case FIELD_TEXT:
	case FIELD_LIST:
		return v.text[0] != '\0';
	default:
		return v.number != f->unset;
	}
}

/* ---- print ---- */

static void amount_print(struct amount a, struct buf *b) {
	if (a.kind == AMOUNT_ALL)
		buf_add_str(b, "\"all\"");
	else if (a.kind == AMOUNT_PERCENT)
		buf_printf(b, "\"%" PRId64 "%%\"", a.n);
	else
		buf_printf(b, "%" PRId64, a.n);
}

/* Texts hold no quotes, backslashes or controls (field_parse), so that they need no escapes. */
static void list_print(const char *list, struct buf *b) {
	buf_add_char(b, '[');
	for (const char *p = list; *p != '\0';) {
		size_t n = strcspn(p, ",");
		buf_printf(b, "%s\"%.*s\"", p == list ? "" : ",", (int)n, p);
		p += n + (p[n] == ',');
	}
	buf_add_char(b, ']');
}

static void field_print(const struct field *f, union value v, struct buf *b) {
	char text[48];
	buf_printf(b, "%s\"%s\":", b->len > 1 ? "," : "", f->name);
	switch (f->type) {
	case FIELD_AMOUNT:
		amount_print(v.amount, b);
		break;
	case FIELD_COUNT:
		buf_printf(b, "%" PRId64, v.number);
		break;
	case FIELD_TIME:
		buf_printf(b, "\"%s\"", duration_format(v.number, text));
		break;
	case FIELD_WORD:
		buf_printf(b, "\"%s\"", word_text(f->words, v.word));
		break;
	case FIELD_CHOICE:
		buf_add_str(b, v.word == CHOICE_YES ? "true" : "false");
		break;
	case FIELD_TEXT:
		buf_printf(b, "\"%s\"", v.text);
		break;
	case FIELD_LIST:
		list_print(v.text, b);
		break;
	}
}

char *strategy_print(const struct strategy *s, struct arena *a) {
	BUF_AUTO b = BUF_INIT;
	buf_add_char(&b, '{');
	if (s->n_batches > 0)
		buf_add_str(&b, "\"batches\":");
	for (int i = 0; i < s->n_batches; i++) {
		buf_add_char(&b, i == 0 ? '[' : ',');
		amount_print(s->batches[i], &b);
	}
	if (s->n_batches > 0)
		buf_add_char(&b, ']');
	for (size_t i = 0; i < N_FIELDS; i++) {
		union value v = field_get(s, &fields[i]);
		if (field_given(&fields[i], v))
			field_print(&fields[i], v, &b);
	}
	buf_add_char(&b, '}');
	return arena_strndup(a, buf_str(&b), b.len);
}

/* ---- parse ---- */

static int amount_parse(const json_t *j, const char *name, struct amount *ret, struct err *err) {
	struct percent p;
	if (json_is_integer(j) && json_integer_value(j) >= 0) {
		*ret = (struct amount){ AMOUNT_COUNT, json_integer_value(j) };
		return 0;
	}
	const char *s = json_string_value(j);
	if (s != NULL && strcmp(s, "all") == 0) {
		*ret = (struct amount){ AMOUNT_ALL, 0 };
		return 0;
	}
	if (s != NULL && percent_parse(s, &p)) {
		*ret = (struct amount){ p.relative ? AMOUNT_PERCENT : AMOUNT_COUNT, p.value };
		return 0;
	}
	return err_set(err, E_INVALID, "%s: a number from 0 on, a percentage (\"25%%\") or \"all\" is needed", name);
}

/* Printable, without what JSON would have to escape, and without commas where those separate. */
static bool text_plain(const char *s, bool list) {
	for (const char *p = s; *p != '\0'; p++)
		if ((unsigned char)*p < 0x20 || *p == 0x7f || *p == '"' || *p == '\\' || (list && *p == ','))
			return false;
	return true;
}

static int text_parse(const struct field *f, const json_t *j, union value *ret, struct err *err) {
	const char *s = json_string_value(j);
	if (s == NULL || !text_plain(s, false) || strlen(s) >= (size_t)f->max)
		return err_set(err, E_INVALID, "%s: a text of at most %d plain characters is needed", f->name, (int)f->max - 1);
	snprintf(ret->text, sizeof ret->text, "%s", s);
	return 0;
}

static int list_parse(const struct field *f, const json_t *j, union value *ret, struct err *err) {
	size_t at = 0;
	for (size_t k = 0; k < json_array_size(j); k++) {
		const char *s = json_string_value(json_array_get(j, k));
		if (s == NULL || *s == '\0' || !text_plain(s, true) || at + strlen(s) + 2 > (size_t)f->max)
			return err_set(
			    err, E_INVALID, "%s: names without commas, %d characters in all, are needed", f->name, (int)f->max - 1);
		at += (size_t)snprintf(ret->text + at, sizeof ret->text - at, "%s%s", at == 0 ? "" : ",", s);
	}
	return json_is_array(j) ? 0 : err_set(err, E_INVALID, "%s: a list of names is needed", f->name);
}

static int field_parse(const struct field *f, const json_t *j, union value *ret, struct err *err) {
	const char *s = json_string_value(j);
	switch (f->type) {
	case FIELD_AMOUNT:
		return amount_parse(j, f->name, &ret->amount, err);
	case FIELD_COUNT:
		ret->number = json_integer_value(j);
		if (json_is_integer(j) && ret->number >= 0 && ret->number <= f->max)
			return 0;
		return err_set(err, E_INVALID, "%s: a number from 0 to %" PRId64 " is needed", f->name, f->max);
	case FIELD_TIME:
		if (s != NULL && duration_parse(s, &ret->number))
			return 0;
		return err_set(err, E_INVALID, "%s: a duration like \"30s\" is needed", f->name);
	case FIELD_WORD:
		if (s != NULL && *s != '\0' && word_value(f->words, s, &ret->word))
			return 0;
		return err_set(err, E_INVALID, "%s: \"%s\" is not one of its words", f->name, s == NULL ? "" : s);
	case FIELD_CHOICE:
		ret->word = json_is_true(j) ? CHOICE_YES : CHOICE_NO;
		return json_is_boolean(j) ? 0 : err_set(err, E_INVALID, "%s: true or false is needed", f->name);
	case FIELD_TEXT:
		return text_parse(f, j, ret, err);
	case FIELD_LIST:
		return list_parse(f, j, ret, err);
	}
	return 0;
}

static int batches_parse(const json_t *list, struct strategy *s, struct err *err) {
	if (!json_is_array(list) || json_array_size(list) > STRATEGY_MAX_BATCHES)
		return err_set(err, E_INVALID, "batches: a list of at most %d amounts is needed", STRATEGY_MAX_BATCHES);
	s->n_batches = (int)json_array_size(list);
	for (int i = 0; i < s->n_batches; i++) {
		int r = amount_parse(json_array_get(list, (size_t)i), "batches", &s->batches[i], err);
		if (r != 0)
			return r;
	}
	return 0;
}

static const struct field *field_find(const char *name) {
	for (size_t i = 0; i < N_FIELDS; i++)
		if (strcmp(fields[i].name, name) == 0)
			return &fields[i];
	return NULL;
}

static int object_parse(json_t *doc, struct strategy *ret, struct err *err) {
	struct strategy s = strategy_unset;
	const char *key;
	json_t *j;
	json_object_foreach(doc, key, j) {
		const struct field *f = field_find(key);
		union value v = { 0 };
		int r;
		if (strcmp(key, "batches") == 0)
			r = batches_parse(j, &s, err);
		else if (f == NULL)
			r = err_set(err, E_INVALID, "a strategy has no field \"%s\"", key);
		else if ((r = field_parse(f, j, &v, err)) == 0)
			field_set(&s, f, v);
		if (r != 0)
			return r;
	}
	*ret = s;
	return 0;
}

int strategy_parse(const char *json, struct strategy *ret, struct err *err) {
	if (json == NULL || *json == '\0') {
		*ret = strategy_unset;
		return 0;
	}
	json_error_t je;
	json_t *doc = json_loads(json, JSON_REJECT_DUPLICATES, &je);
	if (!json_is_object(doc)) {
		json_decref(doc);
		return err_set(err, E_MALFORMED, "a strategy is a JSON object: %s", doc == NULL ? je.text : "this is none");
	}
	int r = object_parse(doc, ret, err);
	json_decref(doc);
	return r;
}

/* ---- merge and defaults ---- */

/* Whoever says how to cut means that, not that together with what was said before. */
static void forget_cut(struct strategy *s) {
	s->n_batches = 0;
	s->batch_count = 0;
	s->batches_by[0] = s->batch_order[0] = '\0';
	memset(s->batches, 0, sizeof s->batches);
}

void strategy_merge(struct strategy *s, const struct strategy *over) {
	if (over->n_batches > 0 || over->batch_count > 0 || over->batches_by[0] != '\0')
		forget_cut(s);
	if (over->n_batches > 0) {
		memcpy(s->batches, over->batches, sizeof s->batches);
		s->n_batches = over->n_batches;
	}
	for (size_t i = 0; i < N_FIELDS; i++) {
		union value v = field_get(over, &fields[i]);
		if (field_given(&fields[i], v))
			field_set(s, &fields[i], v);
	}
}

static const struct strategy defaults = {
	.upgrade_policy = UPGRADE_POLICY_AUTO,
	.placement = PLACEMENT_SPREAD,
	.max_unavailable = { AMOUNT_PERCENT, 25 },
	.max_surge = { AMOUNT_COUNT, 0 },
	.failure_threshold = { AMOUNT_COUNT, 1 },
	.retry_elsewhere = CHOICE_NO,
	.prefetch_us = 60 * US_PER_S,
	.gate_state = CHOICE_NO,
	.gate_probe_status = 200,
	.gate_retries = 3,
	.gate_every_us = 10 * US_PER_S,
	.gate_timeout_us = 3600 * US_PER_S,
	.install_timeout_us = -1,
	.uninstall_timeout_us = -1,
	.switch_timeout_us = -1,
	.max_in_flight = 64,
	.retries = 2,
	.min_ready_us = 5 * US_PER_S,
	.progress_us = 600 * US_PER_S,
	.soak_us = 0,
	.task_timeout_us = 120 * US_PER_S,
	.on_failure = ON_FAILURE_PAUSE,
	.confirm = CONFIRM_NONE,
};
static const struct amount canary[] = { { AMOUNT_COUNT, 1 }, { AMOUNT_PERCENT, 25 }, { AMOUNT_PERCENT, 100 } };
#define CANARY_FROM 4 /* bases */

void strategy_resolve(struct strategy *s, int64_t bases, enum upgrade_policy group_policy, enum placement group_placement) {
	struct strategy full = defaults;
	if (bases >= CANARY_FROM) {
		memcpy(full.batches, canary, sizeof canary);
		full.n_batches = sizeof canary / sizeof *canary;
	} else {
		full.batches[0] = (struct amount){ AMOUNT_PERCENT, 100 };
		full.n_batches = 1;
	}
	if (group_policy != UPGRADE_POLICY_NONE)
		full.upgrade_policy = group_policy;
	if (group_placement != PLACEMENT_NONE)
		full.placement = group_placement;
	if (s->beta[0] != '\0') /* whoever names a first one wants to look at it */
		full.confirm = CONFIRM_BETA;
	strategy_merge(&full, s);
	*s = full;
}

int64_t strategy_timeout(const struct strategy *s, enum task_kind kind) {
	int64_t own = kind == TASK_KIND_INSTALL     ? s->install_timeout_us
	              : kind == TASK_KIND_UNINSTALL ? s->uninstall_timeout_us
	                                            : s->switch_timeout_us;
	if (own > 0)
		return own;
	return s->task_timeout_us > 0 ? s->task_timeout_us : defaults.task_timeout_us;
}

bool strategy_order(const struct strategy *s, int n, char ret[STRATEGY_NAME]) {
	const char *p = s->batch_order;
	for (; n > 0 && *p != '\0'; n--) {
		p += strcspn(p, ",");
		p += *p == ',';
	}
	if (*p == '\0')
		return false;
	snprintf(ret, STRATEGY_NAME, "%.*s", (int)strcspn(p, ","), p);
	return true;
}
