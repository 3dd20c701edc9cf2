/* What the base holds, as arklet said last, with what the server was not told of yet. */
#include <stdlib.h>
#include <string.h>

#include "base/arena.h"
#include "base/name.h"
#include "brain_int.h"
#include "proto/held.h"
#include "proto/json.h"

#define MAX_GONE ARKLET_MAX_BIZ
#define MAX_CAUSE 1024
#define MAX_PATH_TEXT 128

struct held *held_find(const struct brain *b, const char *module, const char *version) {
	struct held *h;
	TAILQ_FOREACH(h, &b->held, link)
		if (module_is(h->module, h->version, module, version))
			return h;
	return NULL;
}

struct held *held_active(const struct brain *b, const char *module) {
	struct held *h;
	TAILQ_FOREACH(h, &b->held, link)
		if (!h->absent && h->state == ARKLET_ACTIVATED && strcmp(h->module, module) == 0)
			return h;
	return NULL;
}

struct held *held_set(struct brain *b, const char *module, const char *version, enum arklet_state state, const char *cause) {
	struct held *h = held_find(b, module, version);
	if (h == NULL) {
		h = calloc(1, sizeof *h);
		if (h == NULL)
			abort();
		keep_text(&h->module, module);
		keep_text(&h->version, version);
		h->state = ARKLET_UNRESOLVED;
		TAILQ_INSERT_TAIL(&b->held, h, link);
	}
	bool same_cause =
	    (h->cause == NULL || *h->cause == '\0') ? (cause == NULL || *cause == '\0') : cause != NULL && strcmp(h->cause, cause) == 0;
	if (h->state != state || !same_cause || h->absent)
		h->dirty = true;
	h->state = state;
	h->absent = false;
	if (!same_cause)
		keep_text(&h->cause, cause);
	return h;
}

static void gone_add(struct brain *b, const char *module, const char *version) {
	struct gone *g;
	size_t n = 0;
	TAILQ_FOREACH(g, &b->gone, link) {
		if (module_is(g->module, g->version, module, version))
			return;
		n++;
	}
	if (n >= MAX_GONE || (g = calloc(1, sizeof *g)) == NULL)
		return; /* the digest will show the difference */
	keep_text(&g->module, module);
	keep_text(&g->version, version);
	TAILQ_INSERT_TAIL(&b->gone, g, link);
}

void held_drop(struct brain *b, struct held *h, bool tell) {
	if (tell && !h->absent)
		gone_add(b, h->module, h->version);
	TAILQ_REMOVE(&b->held, h, link);
	free(h->module);
	free(h->version);
	free(h->cause);
	free(h->context_path);
	free(h);
}

void held_clear(struct brain *b, bool keep_absent) {
	struct held *h, *next;
	for (h = TAILQ_FIRST(&b->held); h != NULL; h = next) {
		next = TAILQ_NEXT(h, link);
		if (!keep_absent || !h->absent)
			held_drop(b, h, false);
	}
}

/* A base that keeps broken modules keeps the trace of their start: its last cause goes in front, where people look. */
static const char *broken_cause(struct arena *a, const char *message) {
	const char *cause = arklet_cause(a, message);
	return message == NULL || strchr(message, '\n') == NULL ? message : arena_printf(a, "%s\n%s", cause, message);
}

/* A module that is starting by our own hand is no news: its outcome will tell. */
static void held_take_one(struct brain *b, const struct arklet_biz *biz) {
	ARENA_AUTO a = arena_new();
	const char *cause = biz->state == ARKLET_BROKEN ? broken_cause(a, biz->message) : NULL;
	struct held *h = held_find(b, biz->name, biz->version);
	bool was_dirty = h != NULL && h->dirty;
	h = held_set(b, biz->name, biz->version, biz->state, cause);
	keep_text(&h->context_path, biz->context_path);
	if (biz->state == ARKLET_RESOLVED)
		h->dirty = was_dirty;
	h->seen = true;
}

void held_take(struct brain *b, const struct arklet_reply *list) {
	struct held *h, *next;
	TAILQ_FOREACH(h, &b->held, link)
		h->seen = false;
	for (size_t i = 0; i < list->n_biz; i++)
		if (name_valid(NAME_PLAIN, list->biz[i].name) && name_valid(NAME_VERSION, list->biz[i].version))
			held_take_one(b, &list->biz[i]); /* the others have no name in Berth */
	for (h = TAILQ_FIRST(&b->held); h != NULL; h = next) {
		next = TAILQ_NEXT(h, link);
		if (!h->seen && !h->absent)
			held_drop(b, h, true);
	}
}

/* switchBiz and an install that activates demote the version that was active. */
void held_switched(struct brain *b, const char *module, const char *version) {
	struct held *h;
	TAILQ_FOREACH(h, &b->held, link) {
		if (h->absent || strcmp(h->module, module) != 0)
			continue;
		bool this_one = strcmp(h->version, version) == 0;
		if (this_one || h->state == ARKLET_ACTIVATED)
			held_set(b, h->module, h->version, this_one ? ARKLET_ACTIVATED : ARKLET_DEACTIVATED, NULL);
	}
}

uint64_t held_sum(const struct brain *b) {
	uint64_t sum = 0;
	const struct held *h;
	TAILQ_FOREACH(h, &b->held, link)
		if (!h->absent)
			sum += held_digest(h->module, h->version, arklet_state_name(h->state));
	return sum;
}

Berth__V1__HeldModule *held_message(struct brain *b, const struct held *h, struct arena *a) {
	Berth__V1__HeldModule *m = PB_NEW(Berth__V1__HeldModule, berth__v1__held_module, a);
	const Berth__V1__WantedModule *w = state_wanted(b->state, h->module, h->version);
	m->module = arena_strdup(a, h->module);
	m->version = arena_strdup(a, h->version);
	m->state = arena_strdup(a, arklet_state_name(h->state));
	m->context_path = w != NULL || h->context_path == NULL ? NULL : clean_text(a, h->context_path, MAX_PATH_TEXT);
	m->cause = h->cause == NULL || *h->cause == '\0' ? NULL : clean_text(a, h->cause, MAX_CAUSE);
	const Berth__V1__HeldModule *q = state_quarantine(b->state, h->module, h->version);
	keep_int(m, instance, q != NULL ? q->instance : w != NULL ? w->instance : 0);
	keep_int(m, generation, q != NULL ? q->generation : w != NULL ? w->generation : 0);
	keep_int(m, failures, h->failures);
	if (q != NULL)
		keep_int(m, quarantined, 1);
	return m;
}
