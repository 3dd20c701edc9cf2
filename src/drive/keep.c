/* Facts come in order: held at the Hello, then per report outcomes, what changed, what went; a full report starts anew. The last fact about
 * (module, version) holds. A command that activates one version takes the route from the module's others, which no report says. */
#include "drive/keep.h"

#include <stdlib.h>
#include <string.h>

#include "base/arena.h"
#include "proto/json.h"

#define FOLD_AT (16 * 1024)
#define ACTIVATED "activated"
#define DEACTIVATED "deactivated"

struct fact {
	const char *module, *version;
	Berth__V1__HeldModule *held; /* NULL: it is gone */
	bool commanded;              /* by a command's outcome */
	size_t order;
};

struct facts {
	struct fact *v;
	size_t n, size;
	struct arena *arena;
};

static void fact_add(struct facts *fs, const char *module, const char *version, Berth__V1__HeldModule *held, bool commanded) {
	if (module == NULL || version == NULL)
		return;
	if (fs->n == fs->size) {
		size_t size = fs->size != 0 ? 2 * fs->size : 64;
		struct fact *v = arena_alloc(fs->arena, size * sizeof *v);
		if (fs->n > 0)
			memcpy(v, fs->v, fs->n * sizeof *v);
		fs->v = v;
		fs->size = size;
	}
	fs->v[fs->n] = (struct fact){ module, version, held, commanded, fs->n };
	fs->n++;
}

static void outcome_add(struct facts *fs, const Berth__V1__Outcome *o) {
	if (o->kind == BERTH__V1__TASK_KIND__TASK_KIND_UNINSTALL && o->ok) {
		fact_add(fs, o->module, o->version, NULL, true);
		return;
	}
	if (o->state == NULL || o->state[0] == '\0')
		return;
	Berth__V1__HeldModule *h = PB_NEW(Berth__V1__HeldModule, berth__v1__held_module, fs->arena);
	h->module = o->module;
	h->version = o->version;
	h->state = o->state;
	h->has_instance = o->has_instance;
	h->instance = o->instance;
	h->has_generation = o->has_generation;
	h->generation = o->generation;
	h->cause = o->ok ? NULL : o->cause;
	fact_add(fs, o->module, o->version, h, true);
}

static void held_add(struct facts *fs, Berth__V1__HeldModule *const *held, size_t n) {
	for (size_t i = 0; i < n; i++)
		fact_add(fs, held[i]->module, held[i]->version, held[i], false);
}

static void report_add(struct facts *fs, const Berth__V1__Report *r) {
	for (size_t i = 0; i < r->n_outcomes; i++)
		outcome_add(fs, r->outcomes[i]);
	if (r->full)
		fs->n = 0;
	held_add(fs, r->changed, r->n_changed);
	for (size_t i = 0; i < r->n_gone; i++)
		fact_add(fs, r->gone[i]->module, r->gone[i]->version, NULL, false);
}

/* Facts about the base itself. */
static void hello_follow(Berth__V1__Hello *h, const Berth__V1__Report *r) {
	if (r->has_seq && r->seq > h->report_seq) {
		h->has_report_seq = true;
		h->report_seq = r->seq;
	}
	for (size_t i = 0; i < r->n_outcomes; i++)
		if (r->outcomes[i]->generation > h->high_generation) {
			h->has_high_generation = true;
			h->high_generation = r->outcomes[i]->generation;
		}
	if (r->has_base_running) {
		h->has_base_running = true;
		h->base_running = r->base_running;
	}
	if (r->has_base_start) {
		h->has_base_start = true;
		h->base_start = r->base_start;
	}
	if (r->has_restarts) {
		h->has_restarts = true;
		h->restarts = r->restarts;
	}
}

/* ---- the last fact holds ----------------------------------------------------------------------------------------------------------- */

static int by_subject(const void *a, const void *b) {
	const struct fact *x = a, *y = b;
	int r = strcmp(x->module, y->module);
	if (r == 0)
		r = strcmp(x->version, y->version);
	return r != 0 ? r : x->order < y->order ? -1 : x->order > y->order;
}

static bool is_active(const struct fact *f) {
	return f->held->state != NULL && strcmp(f->held->state, ACTIVATED) == 0;
}

/* One module's versions: where a command activated one, those active before it are not any more. */
static void settle_route(struct facts *fs, struct fact *v, size_t n) {
	const struct fact *routed = NULL;
	for (size_t i = 0; i < n; i++)
		if (is_active(&v[i]) && v[i].commanded && (routed == NULL || v[i].order > routed->order))
			routed = &v[i];
	for (size_t i = 0; i < n && routed != NULL; i++)
		if (is_active(&v[i]) && v[i].order < routed->order)
			v[i].held->state = arena_strdup(fs->arena, DEACTIVATED);
}

static size_t last_facts(struct facts *fs) {
	size_t n = 0;
	qsort(fs->v, fs->n, sizeof *fs->v, by_subject);
	for (size_t i = 0; i < fs->n; i++) {
		const struct fact *f = &fs->v[i], *next = i + 1 < fs->n ? f + 1 : NULL;
		bool last = next == NULL || strcmp(f->module, next->module) != 0 || strcmp(f->version, next->version) != 0;
		if (last && f->held != NULL)
			fs->v[n++] = *f;
	}
	for (size_t i = 0, m; i < n; i += m) {
		for (m = 1; i + m < n && strcmp(fs->v[i].module, fs->v[i + m].module) == 0;)
			m++;
		settle_route(fs, &fs->v[i], m);
	}
	return n;
}

static void held_set(Berth__V1__Hello *h, struct facts *fs) {
	h->n_held = fs->n > 0 ? last_facts(fs) : 0;
	h->held = arena_alloc(fs->arena, (h->n_held + 1) * sizeof *h->held);
	for (size_t i = 0; i < h->n_held; i++)
		h->held[i] = fs->v[i].held;
}

/* ---- packed ------------------------------------------------------------------------------------------------------------------------ */

static void *unpack_own(const ProtobufCMessageDescriptor *d, const void *p, size_t n, struct arena *a) {
	ProtobufCAllocator alloc = arena_pb(a);
	void *m = protobuf_c_message_unpack(d, &alloc, n, p);
	if (m == NULL)
		abort(); /* what was packed here is readable */
	return m;
}

static void fold_reports(struct keep *k, Berth__V1__Hello *h, struct arena *a) {
	struct facts fs = { .arena = a };
	held_add(&fs, h->held, h->n_held);
	for (size_t at = 0; at < k->reports.len;) {
		uint32_t n;
		memcpy(&n, k->reports.data + at, sizeof n);
		at += sizeof n;
		Berth__V1__Report *r = unpack_own(&berth__v1__report__descriptor, k->reports.data + at, n, a);
		at += n;
		report_add(&fs, r);
		hello_follow(h, r);
	}
	held_set(h, &fs);
}

Berth__V1__Hello *keep_hello(struct keep *k, struct arena *a) {
	Berth__V1__Hello *h = unpack_own(&berth__v1__hello__descriptor, k->hello, k->n, a);
	if (k->reports.len > 0)
		fold_reports(k, h, a);
	if (k->base != NULL)
		h->base = arena_strdup(a, k->base);
	if (k->base_key != NULL)
		h->base_key = arena_strdup(a, k->base_key);
	return h;
}

static void pack(struct keep *k, const Berth__V1__Hello *h) {
	free(k->hello);
	k->n = berth__v1__hello__get_packed_size(h);
	k->hello = malloc(k->n + 1);
	if (k->hello == NULL)
		abort();
	berth__v1__hello__pack(h, k->hello);
}

void keep_init(struct keep *k, const Berth__V1__Hello *h) {
	*k = (struct keep){ 0 };
	pack(k, h);
}

void keep_deinit(struct keep *k) {
	free(k->hello);
	free(k->base);
	free(k->base_key);
	buf_deinit(&k->reports);
	*k = (struct keep){ 0 };
}

size_t keep_bytes(const struct keep *k) {
	return k->n + k->reports.len;
}

void keep_report(struct keep *k, const Berth__V1__Report *r) {
	uint32_t n = (uint32_t)berth__v1__report__get_packed_size(r);
	uint8_t *bytes = malloc(n + 1);
	if (bytes == NULL)
		abort();
	berth__v1__report__pack(r, bytes);
	buf_add(&k->reports, &n, sizeof n);
	buf_add(&k->reports, bytes, n);
	free(bytes);
	if (k->reports.len < FOLD_AT || k->reports.len < k->n)
		return;
	ARENA_AUTO a = arena_new();
	pack(k, keep_hello(k, a));
	buf_deinit(&k->reports);
	buf_init(&k->reports, 0);
}

static void replace(char **at, const char *s) {
	if (s == NULL || s[0] == '\0')
		return;
	free(*at);
	*at = strdup(s);
	if (*at == NULL)
		abort();
}

void keep_welcome(struct keep *k, const char *base, const char *base_key) {
	replace(&k->base, base);
	replace(&k->base_key, base_key);
}
