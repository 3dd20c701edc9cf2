/* The fleet is read inside an operation of the core, so that only what is committed is acted on. */
#include "drive/roster.h"

#include <stdlib.h>
#include <string.h>

#include "base/arena.h"
#include "base/err.h"
#include "core/core.h"
#include "drive/direct.h"
#include "drive/link.h"

struct entry {
	int64_t base_id;
	struct direct *direct;
	uint64_t seen; /* the look that found it last */
	UT_hash_handle hh;
};

struct roster {
	struct core_op op; /* first */
	struct drive *drive;
	struct core_watch watch;
	struct deferred turn;
	struct entry *entries;
	struct arena *found_in;
	struct direct_base *found;
	size_t n_found;
	uint64_t look;
	bool asked, busy, looked; /* somebody wants a look; it is under way; its result waits */
};

static void entry_free(struct roster *r, struct entry *e) {
	HASH_DEL(r->entries, e);
	direct_free(e->direct);
	free(e);
}

/* ---- reading the fleet ------------------------------------------------------------------------------------------------------------------
 */

static void note_sent(const struct base *b, struct direct_base *f, struct arena *a) {
	const struct instance *i;
	int64_t *sent = arena_alloc(a, ((size_t)b->n_instances + 1) * 2 * sizeof *sent);
	TAILQ_FOREACH(i, &b->instances, base_link) {
		if (i->task == NULL || i->task->row.state != TASK_SENT)
			continue;
		sent[2 * f->n_sent] = i->task->row.generation;
		sent[2 * f->n_sent++ + 1] = i->task->row.id;
	}
	f->sent = sent;
}

static void note(struct roster *r, const struct base *b) {
	struct arena *a = r->found_in;
	struct direct_base *f = &r->found[r->n_found++];
	*f = (struct direct_base){ .id = b->row.id,
		.tenant_id = b->tenant->row.id,
		.tenant = arena_strdup(a, b->tenant->row.name),
		.name = arena_strdup(a, b->row.name),
		.url = arena_strdup(a, b->row.arklet_url),
		.boot = arena_strdup(a, b->row.boot),
		.starts = b->row.process_start,
		.report_seq = b->row.report_seq,
		.generation = b->row.generation };
	note_sent(b, f, a);
}

static int look_apply(struct core *c, struct core_op *op, struct err *err) {
	struct roster *r = (struct roster *)(void *)op;
	size_t n = 0;
	(void)err;
	arena_free(r->found_in);
	r->found_in = arena_new();
	r->n_found = 0;
	for (const struct base *b = fleet_bases(core_fleet(c)); b != NULL; b = b->hh_id.next)
		n += b->row.arklet_url != NULL;
	r->found = arena_alloc(r->found_in, (n + 1) * sizeof *r->found);
	for (const struct base *b = fleet_bases(core_fleet(c)); b != NULL; b = b->hh_id.next)
		if (b->row.arklet_url != NULL)
			note(r, b);
	return 0;
}

/* ---- acting on it
 * ------------------------------------------------------------------------------------------------------------------------ */

static struct entry *entry_find(struct roster *r, int64_t base_id) {
	struct entry *e;
	HASH_FIND(hh, r->entries, &base_id, sizeof base_id, e);
	return e;
}

static void keep_one(struct roster *r, const struct direct_base *f) {
	struct entry *e = entry_find(r, f->id);
	if (e != NULL && strcmp(direct_url(e->direct), f->url) != 0) {
		entry_free(r, e);
		e = NULL;
	}
	if (e == NULL) {
		e = calloc(1, sizeof *e);
		if (e == NULL)
			abort();
		e->base_id = f->id;
		e->direct = direct_new(r->drive, f);
		HASH_ADD(hh, r->entries, base_id, sizeof e->base_id, e);
	}
	e->seen = r->look;
}

/* On a turn of its own: what goes tells the core so, which must not happen inside its call. */
static void look_done(struct core_op *op, const struct err *err) {
	struct roster *r = (struct roster *)(void *)op;
	r->busy = false;
	r->looked = err == NULL;
	deferred_schedule(&r->turn);
}

static void act(struct roster *r) {
	struct entry *e, *next;
	r->looked = false;
	r->look++;
	for (size_t i = 0; i < r->n_found; i++)
		keep_one(r, &r->found[i]);
	HASH_ITER(hh, r->entries, e, next)
		if (e->seen != r->look)
			entry_free(r, e);
	arena_free(r->found_in);
	r->found_in = NULL;
	r->n_found = 0;
}

static void on_turn(void *arg) {
	struct roster *r = arg;
	if (r->drive->core == NULL || r->drive->why[0] != '\0')
		return;
	if (r->looked)
		act(r);
	if (!r->asked || r->busy)
		return;
	r->asked = false;
	r->busy = true;
	r->op = (struct core_op){ .apply = look_apply, .done = look_done, .read = true, .who = { .actor = "berth" } };
	core_submit(r->drive->core, &r->op);
}

void roster_due(struct drive *d) {
	d->roster->asked = true;
	deferred_schedule(&d->roster->turn);
}

void roster_remove(struct drive *d, int64_t base) {
	struct entry *e = entry_find(d->roster, base);
	if (e != NULL)
		entry_free(d->roster, e);
}

static void rest(struct roster *r, int64_t tenant_id, const char *name) {
	for (struct entry *e = r->entries; e != NULL; e = e->hh.next)
		if (direct_is(e->direct, tenant_id, name))
			direct_rest(e->direct);
}

static void on_events(void *arg, const struct row_event *const *events, size_t n) {
	struct roster *r = arg;
	for (size_t i = 0; i < n; i++) {
		const char *k = events[i]->kind;
		if (strcmp(k, "base.added") == 0 || strcmp(k, "base.moved") == 0 || strcmp(k, "base.forgotten") == 0)
			roster_due(r->drive);
		if (strcmp(k, "base.stopped") == 0)
			rest(r, events[i]->tenant_id, events[i]->base);
	}
}

/* ---- life
 * -------------------------------------------------------------------------------------------------------------------------------- */

struct roster *roster_new(struct drive *d) {
	struct roster *r = calloc(1, sizeof *r);
	if (r == NULL)
		abort();
	r->drive = d;
	r->watch = (struct core_watch){ .fn = on_events, .arg = r };
	deferred_init(&r->turn, d->loop, on_turn, r);
	return r;
}

void roster_attach(struct roster *r) {
	core_watch_add(r->drive->core, &r->watch);
}

void roster_free(struct roster *r) {
	struct entry *e, *next;
	HASH_ITER(hh, r->entries, e, next)
		entry_free(r, e);
	deferred_deinit(&r->turn);
	arena_free(r->found_in);
	free(r);
}
