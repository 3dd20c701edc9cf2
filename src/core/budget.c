/* What one base may make us write: events, findings and repairs. Agents are strangers: whatever one tells, true or not, its state is
 * followed and the outcome of every command is recorded; but what it sets off by itself counts against a budget of its own. Beyond it a
 * base is flooding: one finding says so, its events are counted instead of written, and nothing is repaired there, until half of what it
 * took is paid. The budget is an average with ten minutes' worth at once, so an honest base, however bad its day, does not meet it. */
#include "core/conductor.h"

#define MINUTE_US (60 * US_PER_S)
#define BURST_US (10 * MINUTE_US)

static void begin(struct core *c, struct base *b) {
	b->flooding = true;
	b->untold = 0;
	finding_raise(c, FINDING_FLOODING, b, NULL, NULL, NULL, "berth events --base",
	    "base %s tells more than %lld changes a minute: its state is followed, but they are not written as events and nothing is "
	    "repaired "
	    "there until it is quieter",
	    b->row.name, (long long)c->cfg.base_events);
	base_look(c, b, mono_add(c->mono, BURST_US / 2));
}

bool budget_take(struct core *c) {
	struct base *b = c->hearing;
	if (b == NULL)
		return true;
	c->hearing = NULL; /* what is said about it is ours to say */
	if (!b->flooding && bucket_take(&b->told, c->mono, MINUTE_US / c->cfg.base_events, BURST_US) > 0)
		begin(c, b);
	b->untold += b->flooding;
	c->hearing = b;
	return !b->flooding;
}

void budget_look(struct core *c, struct base *b) {
	int64_t owed = bucket_owed(&b->told, c->mono);
	if (!b->flooding)
		return;
	if (owed > BURST_US / 2) {
		base_look(c, b, mono_add(c->mono, owed - BURST_US / 2));
		return;
	}
	b->flooding = false;
	struct event_facts f = { .kind = "base.quieter", .base = b };
	core_event(c, &f, "base %s is quieter: %lld changes were not written as events", b->row.name, (long long)b->untold);
	finding_clear(c, FINDING_FLOODING, b, NULL, NULL);
	repair_base(c, b);
}

bool budget_held(struct core *c, struct base *b) {
	if (b->n_findings < BUDGET_HELD)
		return !b->flooding;
	finding_raise(c, FINDING_UNMANAGED, b, NULL, NULL, NULL, "berth finding list --base",
	    "base %s holds more that nobody told Berth about; the first %d are listed", b->row.name, BUDGET_HELD);
	return false;
}
