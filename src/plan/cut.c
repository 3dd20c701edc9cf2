/* How a plan is cut into batches: by a list, into equal ones, or one per value of a label; a first one alone. Sizes sum up to what there is
 * to do, and none is empty. */
#include "plan/live.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "sched/place.h"

/* ---- labels of bases ----------------------------------------------------------------------------------------------------------------- */
/* Labels are kept as JSON whose names and values need no escapes (base/name.h): the text is searched, because a fleet is walked. */
static const char *label_find(const char *json, const char *key, size_t n) {
	for (const char *p = json; p != NULL && (p = strchr(p, '"')) != NULL;) {
		bool same = strncmp(++p, key, n) == 0 && p[n] == '"';
		p = strchr(p, '"');
		if (p == NULL)
			break;
		p += 1 + strspn(p + 1, " ");
		if (!same || *p != ':')
			continue; /* another one, or a value of that name */
		p += 1 + strspn(p + 1, " ");
		return *p == '"' ? p + 1 : NULL;
	}
	return NULL;
}

static bool key_is(const char *key, size_t n, const char *name) {
	return strlen(name) == n && memcmp(key, name, n) == 0;
}

struct label base_label(const struct base *b, const char *key, size_t n) {
	bool zone = key_is(key, n, "zone"), own = zone || key_is(key, n, "base");
	const char *text = zone ? b->row.zone : own ? b->row.name : label_find(b->row.labels, key, n);
	if (text == NULL)
		return (struct label){ "", 0 };
	size_t len = own ? strlen(text) : strcspn(text, "\"");
	return (struct label){ text, len < STRATEGY_NAME ? len : STRATEGY_NAME - 1 };
}

bool label_is(struct label x, const char *value) {
	return strlen(value) == x.len && memcmp(value, x.text, x.len) == 0;
}

bool batch_takes(const struct batch *b, const struct base *base) {
	const char *label = b->row.label, *eq = label == NULL ? NULL : strchr(label, '=');
	return eq == NULL || TAILQ_NEXT(b, link) == NULL || label_is(base_label(base, label, (size_t)(eq - label)), eq + 1);
}

bool batch_labelled(const struct batch *b) {
	return b->row.label != NULL && *b->row.label != '\0' && TAILQ_NEXT(b, link) != NULL;
}

/* ---- sizes --------------------------------------------------------------------------------------------------------------------------- */
static int cut_equal(int64_t rest, int64_t count, int n, int64_t ret_sizes[STRATEGY_MAX_BATCHES]) {
	int64_t pieces = count < rest ? count : rest;
	if (pieces > STRATEGY_MAX_BATCHES - n)
		pieces = STRATEGY_MAX_BATCHES - n;
	for (int64_t k = 0; k < pieces; k++)
		ret_sizes[n++] = rest / pieces + (k < rest % pieces);
	return n;
}

static int cut_list(const struct strategy *s, int64_t total, int64_t given, int n, int64_t ret_sizes[STRATEGY_MAX_BATCHES]) {
	for (int i = 0; i < s->n_batches && given < total && n < STRATEGY_MAX_BATCHES - 1; i++) {
		int64_t upto = amount_of(s->batches[i], total, MUTANT(round_down) ? ROUND_DOWN : ROUND_UP);
		if (upto <= given)
			continue;
		ret_sizes[n++] = upto - given;
		given = upto;
	}
	if (given < total)
		ret_sizes[n++] = total - given;
	return n;
}

int plan_batches_cut(const struct strategy *s, int64_t total, int64_t ret_sizes[STRATEGY_MAX_BATCHES]) {
	int n = 0;
	if (total > 0 && s->beta[0] != '\0')
		ret_sizes[n++] = 1;
	return s->batch_count > 0 ? cut_equal(total - n, s->batch_count, n, ret_sizes) : cut_list(s, total, n, n, ret_sizes);
}

/* ---- by label ------------------------------------------------------------------------------------------------------------------------ */
struct value {
	char name[STRATEGY_NAME];
	int rank;                /* in the order that was given */
	int64_t work, has, room; /* to change; have one after this plan; could take one */
};
struct values {
	struct value v[STRATEGY_MAX_BATCHES];
	int n;
	bool overflow; /* more values than batches: those share the last */
};

static int rank_of(const struct strategy *s, const char *name) {
	char at[STRATEGY_NAME];
	int k = 0;
	while (strategy_order(s, k, at) && strcmp(at, name) != 0)
		k++;
	return *name == '\0' ? k + 1 : k; /* bases without the label come last */
}

static struct value *value_of(struct values *x, const struct strategy *s, const struct base *b) {
	struct label label = base_label(b, s->batches_by, strlen(s->batches_by));
	for (int k = 0; k < x->n; k++)
		if (label_is(label, x->v[k].name))
			return &x->v[k];
	if (x->n == STRATEGY_MAX_BATCHES - 2) { /* one is left for a beta, one for all the others */
		x->overflow = true;
		return NULL;
	}
	struct value *v = &x->v[x->n++];
	*v = (struct value){ 0 };
	memcpy(v->name, label.text, label.len);
	v->rank = rank_of(s, v->name);
	return v;
}

static int cmp_values(const void *pa, const void *pb) {
	const struct value *a = pa, *b = pb;
	return a->rank != b->rank ? (a->rank > b->rank) - (a->rank < b->rank) : strcmp(a->name, b->name);
}

/* New ones go where fewest are, as far as there is room. */
static void spread(struct values *x, int64_t out) {
	for (; out > 0; out--) {
		struct value *least = NULL;
		for (int k = 0; k < x->n; k++)
			if (x->v[k].room > 0 && (least == NULL || x->v[k].has < least->has))
				least = &x->v[k];
		if (least == NULL)
			return;
		least->room--;
		least->has++;
		least->work++;
	}
}

static void value_change(const struct fleet *f, struct plan *p, struct change *ch, const struct strategy *s, struct values *x) {
	struct deployment *d = ch->deployment;
	struct plan_work w;
	const struct instance *i;
	const struct base *b;
	plan_work_left(p, ch, &w);
	TAILQ_FOREACH(i, &d->instances, deployment_link) {
		struct value *v = i->row.wanted ? value_of(x, s, i->base) : NULL;
		if (v == NULL)
			continue;
		v->has++;
		v->work += slot_left(p, ch, i);
	}
	if (w.out == 0)
		return;
	const struct revision *to = change_goal(ch);
	struct place_req r = {
		.group = d->group, .deployment = d, .module = d->module, .version = to->version, .units = to->version->row.units
	};
	TAILQ_FOREACH(b, &d->group->bases, group_link) {
		struct value *v = place_fits(f, &r, b, NULL) ? value_of(x, s, b) : NULL;
		if (v != NULL)
			v->room++;
	}
	spread(x, w.out);
}

/* The base of a beta when it has something to do. */
static bool beta_has_work(struct plan *p, const char *name) {
	struct change *ch;
	TAILQ_FOREACH(ch, &p->changes, link) {
		struct plan_work w;
		const struct instance *i;
		const struct base *b = fleet_base(ch->deployment->tenant, name);
		bool holds = false;
		plan_work_left(p, ch, &w);
		TAILQ_FOREACH(i, &ch->deployment->instances, deployment_link)
			if (i->base == b && i->row.wanted) {
				holds = true;
				if (slot_left(p, ch, i))
					return true;
			}
		if (b != NULL && !holds && w.out > 0 && b->group == ch->deployment->group && base_open(b))
			return true;
	}
	return false;
}

static int piece(struct piece *ret, int n, int64_t size, const char *key, const char *value) {
	ret[n].size = size;
	ret[n].label[0] = '\0';
	if (key != NULL)
		snprintf(ret[n].label, sizeof ret[n].label, "%s=%s", key, value);
	return n + 1;
}

/* What is beyond the values known (removals, no room, too many values) belongs to the last, which takes any base. */
static int cut_values(const struct fleet *f, struct plan *p, const struct strategy *s, int64_t total, const char *beta,
    struct piece ret[STRATEGY_MAX_BATCHES]) {
	struct values x = { 0 };
	struct change *ch;
	int n = 0;
	TAILQ_FOREACH(ch, &p->changes, link)
		value_change(f, p, ch, s, &x);
	qsort(x.v, (size_t)x.n, sizeof *x.v, cmp_values);
	int64_t left = total;
	if (beta != NULL && left > 0) {
		n = piece(ret, n, 1, *beta == '*' ? NULL : "base", beta);
		left--;
	}
	const struct base *first = beta == NULL || *beta == '*' ? NULL : fleet_base(p->tenant, beta);
	struct label of = { "", 0 };
	if (first != NULL)
		of = base_label(first, s->batches_by, strlen(s->batches_by));
	for (int k = 0; k < x.n && left > 0; k++) {
		int64_t own = x.v[k].work - (first != NULL && label_is(of, x.v[k].name));
		int64_t size = own < left ? own : left;
		if (size > 0)
			n = piece(ret, n, size, s->batches_by, x.v[k].name);
		left -= size > 0 ? size : 0;
	}
	if (left > 0 && (x.overflow || n == 0 || (beta != NULL && n == 1)))
		n = piece(ret, n, left, NULL, NULL);
	else
		ret[n - 1].size += left;
	return n;
}

int plan_cut(const struct fleet *f, struct plan *p, const struct strategy *s, int64_t total, struct piece ret[STRATEGY_MAX_BATCHES]) {
	int64_t sizes[STRATEGY_MAX_BATCHES];
	struct strategy own = *s;
	bool any = strcmp(s->beta, "*") == 0, beta = s->beta[0] != '\0' && (any || beta_has_work(p, s->beta));
	if (!beta)
		own.beta[0] = '\0';
	if (total <= 0)
		return 0;
	if (s->batches_by[0] != '\0')
		return cut_values(f, p, &own, total, beta ? own.beta : NULL, ret);
	int n = plan_batches_cut(&own, total, sizes);
	for (int k = 0; k < n; k++)
		piece(ret, k, sizes[k], k == 0 && beta && !any ? "base" : NULL, own.beta);
	return n;
}
