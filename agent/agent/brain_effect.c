/* Two queues. What is ordered waits behind each change of the state until that is durable; what is urgent (notes, fetches, heartbeats)
 * promises nothing that a crash could break and goes at once. */
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/arena.h"
#include "brain_int.h"
#include "proto/json.h"

#define PERSIST_AGAIN_US (2 * US_PER_S)

struct node {
	TAILQ_ENTRY(node) link;
	struct arena *arena; /* of the node itself and all it points to */
	struct brain_effect e;
	int64_t serial; /* BRAIN_PERSIST: durable once this state is */
};

static struct node *node_new(enum brain_effect_kind kind) {
	struct arena *a = arena_new();
	struct node *n = arena_alloc(a, sizeof *n);
	n->arena = a;
	n->e.kind = kind;
	return n;
}

static void node_free(struct node *n) {
	if (n != NULL)
		arena_free(n->arena);
}

void effects_init(struct brain *b) {
	TAILQ_INIT(&b->ordered);
	TAILQ_INIT(&b->urgent);
	b->persist_at = MONO_NEVER;
}

static void queue_clear(struct node_list *q) {
	struct node *n;
	while ((n = TAILQ_FIRST(q)) != NULL) {
		TAILQ_REMOVE(q, n, link);
		node_free(n);
	}
}

void effects_deinit(struct brain *b) {
	queue_clear(&b->ordered);
	queue_clear(&b->urgent);
	node_free(b->current);
	free(b->writing);
}

void effect_persist(struct brain *b) {
	struct node *n = node_new(BRAIN_PERSIST);
	n->serial = ++b->state_serial;
	TAILQ_INSERT_TAIL(&b->ordered, n, link);
}

void effect_send(struct brain *b, const Berth__V1__AgentMessage *m, bool urgent) {
	struct node *n = node_new(BRAIN_SEND);
	n->e.message = (const Berth__V1__AgentMessage *)pb_copy(&m->pb, n->arena);
	if (urgent)
		TAILQ_INSERT_TAIL(&b->urgent, n, link);
	else
		TAILQ_INSERT_TAIL(&b->ordered, n, link);
}

void effect_simple(struct brain *b, enum brain_effect_kind kind) {
	struct node *n = node_new(kind);
	/* To stop the base is not held up by a full disk, and a fetch right after the Welcome needs to know where from. */
	if (kind == BRAIN_BASE_TERM || kind == BRAIN_BASE_KILL || kind == BRAIN_JOINED)
		TAILQ_INSERT_TAIL(&b->urgent, n, link);
	else
		TAILQ_INSERT_TAIL(&b->ordered, n, link);
}

void effect_drop_link(struct brain *b, bool slow) {
	struct node *n = node_new(BRAIN_DROP_LINK);
	n->e.slow = slow;
	TAILQ_INSERT_TAIL(&b->urgent, n, link);
}

/* The end waits for nothing: an unwritable disk must not keep the process. */
void effect_exit(struct brain *b, int status) {
	struct node *n = node_new(BRAIN_EXIT);
	n->e.status = status;
	TAILQ_INSERT_TAIL(&b->urgent, n, link);
}

int64_t effect_call(struct brain *b, enum arklet_command c, const Berth__V1__WantedModule *m, int64_t timeout_us) {
	struct node *n = node_new(BRAIN_CALL);
	n->e.id = ++b->last_id;
	n->e.command = c;
	n->e.module = m == NULL ? NULL : (const Berth__V1__WantedModule *)pb_copy(&m->pb, n->arena);
	n->e.timeout_us = timeout_us;
	TAILQ_INSERT_TAIL(&b->ordered, n, link);
	return n->e.id;
}

int64_t effect_batch(struct brain *b, const Berth__V1__WantedModule *const *modules, size_t n, int64_t timeout_us) {
	struct node *x = node_new(BRAIN_CALL);
	const Berth__V1__WantedModule **copy = arena_alloc(x->arena, n * sizeof *copy);
	for (size_t i = 0; i < n; i++)
		copy[i] = (const Berth__V1__WantedModule *)pb_copy(&modules[i]->pb, x->arena);
	x->e.id = ++b->last_id;
	x->e.command = ARKLET_BATCH_INSTALL;
	x->e.modules = copy;
	x->e.n_modules = n;
	x->e.timeout_us = timeout_us;
	TAILQ_INSERT_TAIL(&b->ordered, x, link);
	return x->e.id;
}

static const char *text_copy(struct node *n, const char *s) {
	return arena_strdup(n->arena, s == NULL ? "" : s);
}

int64_t effect_hook(struct brain *b, const struct op *op, const char *kind, int64_t timeout_us) {
	struct node *n = node_new(BRAIN_HOOK);
	n->e.id = ++b->last_id;
	n->e.hook = text_copy(n, op->hook);
	n->e.hook_context = text_copy(n, op->hook_context);
	n->e.hook_key = text_copy(n, op->hook_key);
	n->e.hook_kind = text_copy(n, kind);
	n->e.timeout_us = timeout_us;
	TAILQ_INSERT_TAIL(&b->ordered, n, link);
	return n->e.id;
}

int64_t effect_fetch(struct brain *b, const Berth__V1__WantedModule *m) {
	struct node *n = node_new(BRAIN_FETCH);
	n->e.id = ++b->last_id;
	n->e.module = (const Berth__V1__WantedModule *)pb_copy(&m->pb, n->arena);
	TAILQ_INSERT_TAIL(&b->urgent, n, link);
	return n->e.id;
}

void say(struct brain *b, enum log_level level, const char *fmt, ...) {
	struct node *n = node_new(BRAIN_SAY);
	va_list ap;
	va_start(ap, fmt);
	n->e.text = arena_vprintf(n->arena, fmt, ap);
	va_end(ap);
	n->e.level = level;
	TAILQ_INSERT_TAIL(&b->urgent, n, link);
}

static const struct brain_effect *hand_out(struct brain *b, struct node_list *q, struct node *n) {
	TAILQ_REMOVE(q, n, link);
	b->current = n;
	return &n->e;
}

/* One write holds every change made so far, so those queued behind it find themselves durable already. */
static const struct brain_effect *write_state(struct brain *b, struct node *n) {
	size_t len;
	free(b->writing);
	b->writing = state_pack(b->state, &len);
	b->writing_serial = b->state_serial;
	b->persisting = true;
	n->e.state = b->writing;
	n->e.state_len = len;
	return hand_out(b, &b->ordered, n);
}

/* Nobody waits for this call any more: the base died before it could be made. */
static bool forsaken(const struct brain *b, const struct node *n) {
	const struct op *op;
	if ((n->e.kind != BRAIN_CALL && n->e.kind != BRAIN_HOOK) || n->e.id == b->base_call || n->e.id == b->help_call)
		return false;
	TAILQ_FOREACH(op, &b->ops, link)
		if (op->call == n->e.id)
			return false;
	return true;
}

const struct brain_effect *brain_next(struct brain *b) {
	struct node *n;
	node_free(b->current);
	b->current = NULL;
	if ((n = TAILQ_FIRST(&b->urgent)) != NULL)
		return hand_out(b, &b->urgent, n);
	while (!b->persisting && (n = TAILQ_FIRST(&b->ordered)) != NULL) {
		bool written = n->e.kind == BRAIN_PERSIST && n->serial <= b->durable_serial;
		if (!written && !forsaken(b, n))
			return n->e.kind == BRAIN_PERSIST ? write_state(b, n) : hand_out(b, &b->ordered, n);
		TAILQ_REMOVE(&b->ordered, n, link);
		node_free(n);
	}
	return NULL;
}

/* After a failed write the same barrier stands again at the front of the queue; persist_at brings it back. */
void brain_persisted(struct brain *b, bool ok, mono_t now) {
	b->now = now;
	if (ok) {
		b->durable_serial = b->writing_serial;
		b->persisting = false;
		b->persist_failed = false;
		return;
	}
	struct node *n = node_new(BRAIN_PERSIST);
	n->serial = b->writing_serial;
	TAILQ_INSERT_HEAD(&b->ordered, n, link);
	b->persist_failed = true; /* persisting stays set: nothing ordered leaves meanwhile */
	b->persist_at = mono_add(now, PERSIST_AGAIN_US);
}
