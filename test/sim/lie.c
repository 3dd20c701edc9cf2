/* A strange agent: what it says is of the right shape and wrong. It may harm its own base, and nothing else. */
#include "sim.h"

static int64_t odd_number(struct sim *s, int64_t n) {
	static const int64_t odd[] = { 0, -1, 1, INT64_MAX, INT64_MIN, INT32_MAX };
	uint64_t k = rng_below(&s->rng, 10);
	return k < sizeof odd / sizeof *odd ? odd[k] : n + sim_delay(s, -20, 20);
}

static void lie_outcome(struct sim *s, Berth__V1__Outcome *o) {
	switch (rng_below(&s->rng, 5)) {
	case 0:
		o->ok = !o->ok;
		return;
	case 1:
		o->generation = odd_number(s, o->generation);
		return;
	case 2:
		o->instance = odd_number(s, o->instance);
		return;
	case 3:
		o->task = odd_number(s, o->task);
		return;
	default:
		o->state = (char *)(uintptr_t) "confused";
		return;
	}
}

static void lie_held(struct sim *s, Berth__V1__HeldModule *h) {
	switch (rng_below(&s->rng, 4)) {
	case 0:
		h->module = (char *)(uintptr_t) "ghost";
		return;
	case 1:
		h->version = (char *)(uintptr_t) "9.9.9";
		return;
	case 2:
		h->has_quarantined = h->quarantined = true;
		return;
	default:
		h->state = (char *)(uintptr_t)(sim_delay(s, 0, 1) == 0 ? "broken" : "deactivated");
		return;
	}
}

static void lie_report(struct sim *s, Berth__V1__Report *r) {
	for (size_t i = 0; i < r->n_outcomes; i++)
		lie_outcome(s, r->outcomes[i]);
	for (size_t i = 0; i < r->n_changed; i++)
		lie_held(s, r->changed[i]);
	switch (rng_below(&s->rng, 4)) {
	case 0:
		r->full = !r->full;
		return;
	case 1:
		r->seq = odd_number(s, r->seq);
		return;
	case 2:
		r->has_crash_loop = r->crash_loop = true;
		return;
	default:
		r->has_base_ready = true;
		r->base_ready = !r->base_ready;
		return;
	}
}

static void lie_hello(struct sim *s, Berth__V1__Hello *h) {
	for (size_t i = 0; i < h->n_held; i++)
		lie_held(s, h->held[i]);
	if (rng_below(&s->rng, 2) == 0)
		h->report_seq = odd_number(s, h->report_seq);
	else
		h->high_generation = odd_number(s, h->high_generation);
}

void lie(struct sim *s, Berth__V1__AgentMessage *m) {
	sim_trace(s, "n%d lies", s->liar);
	if (m->kind_case == BERTH__V1__AGENT_MESSAGE__KIND_REPORT)
		lie_report(s, m->report);
	else if (m->kind_case == BERTH__V1__AGENT_MESSAGE__KIND_HELLO)
		lie_hello(s, m->hello);
	else if (m->kind_case == BERTH__V1__AGENT_MESSAGE__KIND_HEARTBEAT)
		m->heartbeat->report_seq = odd_number(s, m->heartbeat->report_seq);
}
