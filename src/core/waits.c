/* What a plan waits for, in its row: dash.plan_waiting reads it. Written when the kind of wait changes, not with every task that ends. */
#include "base/buf.h"
#include "core/conductor.h"

#include <inttypes.h>

/* The kind of wait as one number; what only counts is left out. */
static uint64_t shape(const struct plan *p, const struct plan_wait *w) {
	const bool flags[] = { w->no_room, w->unavailable, w->in_flight, w->min_ready, w->soak, w->confirm, w->paused, w->queued, w->repair,
		w->surge, w->grace, w->required, w->away, w->crowded != 0, w->prefetch > 0, p->n_sent > 0, p->n_open > p->n_sent,
		!TAILQ_EMPTY(&p->parked), plan_frozen(p) != NULL };
	uint64_t bits = 1;
	for (size_t i = 0; i < sizeof flags / sizeof *flags; i++)
		bits = bits << 1 | flags[i];
	return bits << 32 | ((uint64_t)(w->room_id * 1000 + p->row.current_batch) & UINT32_MAX);
}

static void entry_add(struct buf *b, const struct waiting *w, wall_t since) {
	buf_add_str(b, b->len > 1 ? ",{\"rule\":" : "{\"rule\":");
	buf_add_json(b, w->rule);
	buf_add_str(b, ",\"text\":");
	buf_add_json(b, w->text);
	buf_add_str(b, ",\"command\":");
	buf_add_json(b, w->command == NULL ? "" : w->command);
	buf_printf(b, ",\"count\":%d,\"since_us\":%" PRId64 "}", w->count, since.us);
}

static void waiting_store(struct core *c, struct plan *p, const char *text) {
	if (text_set(&p->row.waiting, text))
		fleet_touch(c->fleet, &p->o);
}

void waits_record(struct core *c, struct plan *p) {
	struct plan_wait w;
	if (core_rehearses(c))
		return;
	plan_wait_now(p, &w);
	uint64_t now = word_terminal(WORD_PLAN, p->row.state) ? 0 : shape(p, &w);
	if (now == p->wait_shape)
		return;
	p->wait_shape = now;
	if (now == 0) {
		waiting_store(c, p, NULL);
		return;
	}
	ARENA_AUTO a = arena_new();
	BUF_AUTO b = BUF_INIT;
	struct waiting *v;
	size_t n = explain_plan(c, p, a, &v);
	buf_add_char(&b, '[');
	for (size_t i = 0; i < n; i++)
		entry_add(&b, &v[i], c->wall);
	buf_add_char(&b, ']');
	waiting_store(c, p, n == 0 ? NULL : buf_str(&b));
}
