/* The plan's memo as JSON (jansson), and finding what it says about one slot. Few marks: a list is enough. */
#include "plan/memo.h"

#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/arena.h"
#include "base/err.h"

static const char *const halts[] = {
	[HALT_NONE] = "", [HALT_PERSON] = "person", [HALT_FAILURES] = "failures", [HALT_STALLED] = "stalled", [HALT_GATE] = "gate"
};

static const struct {
	const char *name;
	size_t offset;
} numbers[] = {
	{ "tolerated", offsetof(struct plan_memo, tolerated) },
	{ "accepted", offsetof(struct plan_memo, accepted) },
	{ "forgiven", offsetof(struct plan_memo, forgiven) },
	{ "undoes", offsetof(struct plan_memo, undoes) },
	{ "baseId", offsetof(struct plan_memo, base_id) },
	{ "before", offsetof(struct plan_memo, before) },
	{ "evicts", offsetof(struct plan_memo, evicts) },
	{ "graceUs", offsetof(struct plan_memo, grace_us) },
	{ "now", offsetof(struct plan_memo, now) },
	{ "forced", offsetof(struct plan_memo, forced) },
	{ "gateBatch", offsetof(struct plan_memo, gate_batch) },
	{ "gatePassed", offsetof(struct plan_memo, gate_passed) },
	{ "gateUs", offsetof(struct plan_memo, gate_us) },
	{ "gateSince", offsetof(struct plan_memo, gate_since) },
};
#define N_NUMBERS (sizeof numbers / sizeof *numbers)

static int64_t *number_of(struct plan_memo *m, size_t k) {
	return (int64_t *)(void *)((char *)m + numbers[k].offset);
}

static char *text_own(const char *s) {
	char *copy = s == NULL ? NULL : strdup(s);
	if (s != NULL && copy == NULL)
		abort();
	return copy;
}

/* ---- reading ----------------------------------------------------------------------------------------------------------------------- */
static bool mark_parse(const json_t *j, struct plan_memo *m) {
	int64_t base_id = json_integer_value(json_object_get(j, "baseId"));
	struct memo_mark *x = base_id <= 0 ? NULL
	                                   : memo_mark(m, json_integer_value(json_object_get(j, "deploymentId")), base_id,
	                                         json_string_value(json_object_get(j, "base")));
	if (x == NULL)
		return false;
	x->forgiven = json_integer_value(json_object_get(j, "forgiven"));
	x->ignored = json_is_true(json_object_get(j, "ignored"));
	x->counted = json_is_true(json_object_get(j, "counted"));
	x->reason = text_own(json_string_value(json_object_get(j, "reason")));
	x->actor = text_own(json_string_value(json_object_get(j, "actor")));
	return true;
}

static bool object_parse(const json_t *doc, struct plan_memo *m) {
	const char *halt = json_string_value(json_object_get(doc, "halt"));
	const json_t *marks = json_object_get(doc, "marks"), *bases = json_object_get(doc, "bases");
	for (size_t k = 0; k < N_NUMBERS; k++)
		*number_of(m, k) = json_integer_value(json_object_get(doc, numbers[k].name));
	const char *said = json_string_value(json_object_get(doc, "gateSaid"));
	snprintf(m->gate_said, sizeof m->gate_said, "%s", said == NULL ? "" : said);
	for (size_t k = 0; halt != NULL && k < sizeof halts / sizeof *halts; k++)
		if (strcmp(halts[k], halt) == 0)
			m->halt = (enum plan_halt)k;
	for (size_t k = 0; k < json_array_size(marks); k++)
		if (!mark_parse(json_array_get(marks, k), m))
			return false;
	for (size_t k = 0; k < json_array_size(bases); k++)
		memo_base_add(m, json_integer_value(json_array_get(bases, k)));
	return true;
}

int memo_parse(const char *json, struct plan_memo *ret, struct err *err) {
	struct plan_memo m = { 0 };
	*ret = m;
	if (json == NULL || *json == '\0')
		return 0;
	json_t *doc = json_loads(json, 0, NULL);
	bool good = json_is_object(doc) && object_parse(doc, &m);
	json_decref(doc);
	if (good) {
		*ret = m;
		return 0;
	}
	memo_deinit(&m);
	return err_set(err, E_MALFORMED, "a plan's options are a JSON object of what it must remember");
}

/* ---- writing ----------------------------------------------------------------------------------------------------------------------- */
static void put_number(json_t *doc, const char *name, int64_t n) {
	if (n != 0)
		json_object_set_new(doc, name, json_integer(n));
}

static void put_text(json_t *doc, const char *name, const char *text) {
	if (text != NULL && *text != '\0')
		json_object_set_new(doc, name, json_string(text));
}

static json_t *mark_json(const struct memo_mark *x) {
	json_t *j = json_object();
	put_number(j, "deploymentId", x->deployment_id);
	put_number(j, "baseId", x->base_id);
	put_text(j, "base", x->base);
	put_number(j, "forgiven", x->forgiven);
	if (x->ignored)
		json_object_set_new(j, "ignored", json_true());
	if (x->counted)
		json_object_set_new(j, "counted", json_true());
	put_text(j, "reason", x->reason);
	put_text(j, "actor", x->actor);
	return j;
}

char *memo_print(const struct plan_memo *m, struct arena *a) {
	json_t *doc = json_object(), *marks = json_array(), *bases = json_array();
	struct plan_memo copy = *m;
	put_text(doc, "halt", halts[m->halt]);
	for (size_t k = 0; k < N_NUMBERS; k++)
		put_number(doc, numbers[k].name, *number_of(&copy, k));
	put_text(doc, "gateSaid", m->gate_said);
	for (size_t k = 0; k < m->n_marks; k++)
		json_array_append_new(marks, mark_json(&m->marks[k]));
	if (m->n_marks > 0)
		json_object_set(doc, "marks", marks);
	for (size_t k = 0; k < m->n_bases; k++)
		json_array_append_new(bases, json_integer(m->bases[k]));
	if (m->n_bases > 0)
		json_object_set(doc, "bases", bases);
	char *text = json_dumps(doc, JSON_COMPACT), *kept = arena_strdup(a, text == NULL ? "{}" : text);
	free(text);
	json_decref(marks);
	json_decref(bases);
	json_decref(doc);
	return kept;
}

void memo_deinit(struct plan_memo *m) {
	for (size_t k = 0; k < m->n_marks; k++) {
		free(m->marks[k].base);
		free(m->marks[k].reason);
		free(m->marks[k].actor);
	}
	free(m->marks);
	free(m->bases);
	*m = (struct plan_memo){ 0 };
}

/* ---- one slot ------------------------------------------------------------------------------------------------------------------------ */
struct memo_mark *memo_find(const struct plan_memo *m, int64_t deployment_id, int64_t base_id) {
	for (size_t k = 0; k < m->n_marks; k++)
		if (m->marks[k].base_id == base_id && m->marks[k].deployment_id == deployment_id)
			return &m->marks[k];
	return NULL;
}

struct memo_mark *memo_mark(struct plan_memo *m, int64_t deployment_id, int64_t base_id, const char *base) {
	struct memo_mark *x = memo_find(m, deployment_id, base_id);
	if (x != NULL || m->n_marks == MEMO_MAX_MARKS)
		return x;
	if (m->n_marks == m->cap) {
		m->cap = m->cap == 0 ? 8 : m->cap * 2;
		m->marks = realloc(m->marks, m->cap * sizeof *m->marks);
		if (m->marks == NULL)
			abort();
	}
	x = &m->marks[m->n_marks++];
	*x = (struct memo_mark){ .deployment_id = deployment_id, .base_id = base_id, .base = text_own(base) };
	return x;
}

void memo_base_add(struct plan_memo *m, int64_t base_id) {
	m->bases = realloc(m->bases, (m->n_bases + 1) * sizeof *m->bases);
	if (m->bases == NULL)
		abort();
	m->bases[m->n_bases++] = base_id;
}

void memo_base_remove(struct plan_memo *m, int64_t base_id) {
	size_t kept = 0;
	for (size_t k = 0; k < m->n_bases; k++)
		if (m->bases[k] != base_id)
			m->bases[kept++] = m->bases[k];
	m->n_bases = kept;
}

bool memo_names(const struct plan_memo *m, int64_t base_id) {
	for (size_t k = 0; k < m->n_bases; k++)
		if (m->bases[k] == base_id)
			return true;
	return false;
}

bool memo_ignores(const struct plan_memo *m, int64_t deployment_id, int64_t base_id) {
	for (size_t k = 0; k < m->n_marks; k++) {
		const struct memo_mark *x = &m->marks[k];
		if (x->ignored && x->base_id == base_id && (x->deployment_id == 0 || x->deployment_id == deployment_id))
			return true;
	}
	return false;
}

bool memo_forgives(const struct plan_memo *m, int64_t deployment_id, int64_t base_id, int64_t task_id) {
	if (task_id <= m->forgiven)
		return true;
	for (size_t k = 0; k < m->n_marks; k++) {
		const struct memo_mark *x = &m->marks[k];
		if (x->base_id == base_id && (x->deployment_id == 0 || x->deployment_id == deployment_id) && task_id <= x->forgiven)
			return true;
	}
	return false;
}
