/* What store.c and ledger.c share: the rows, and what a commit does to them. */
#ifndef BERTH_TEST_STORE_H
#define BERTH_TEST_STORE_H

#include "base/mutant.h"
#include "sim.h"

struct rows {
	void **v;
	size_t n, cap;
};

struct session;

/* Everything that a backup has. */
struct image {
	struct rows tables[TABLE_COUNT];
	int64_t epoch, last_event, last_event_at;
	struct lease_view lease;
};

struct store {
	struct sim *sim;
	struct session *sessions; /* all there ever were: calls under way still point at them */
	struct image now, backup;
	bool has_backup;
	uint64_t life;                     /* grows when an older one comes back: what was on its way to the newer one never lands */
	bool gap;                          /* an older one was accepted: event numbers leap once */
	int64_t stalled_until, renewed_at; /* the lease, last */
};

/* One transaction: everything of it, or an error and nothing. */
int store_apply(struct store *st, const struct changeset *cs, struct err *err);
bool store_loads(const struct store *st, enum table t, const void *row); /* is it among what a load gives? */

/* ledger.c */
void ledger_close_all(struct store *st);

#endif
