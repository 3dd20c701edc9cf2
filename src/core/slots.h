/* The command slots of a cell: how many commands may be without an outcome at a time (option in-flight), and who gets the next one that
 * becomes free: repairs first, then the plan that has the fewest commands under way, of those the oldest.
 *
 * While nobody waits nobody is sorted: tasks are sent as they come. Holds tasks, never owns them; one that leaves the fleet leaves it. */
#ifndef BERTH_CORE_SLOTS_H
#define BERTH_CORE_SLOTS_H

#include "model/fleet.h"

struct slots {
	int64_t limit; /* 0: none */
	struct task_queue repairs;
	int64_t *plans; /* ids of those with parked tasks */
	size_t n_plans, cap;
};

void slots_init(struct slots *s, int64_t limit);
void slots_deinit(struct slots *s);
/* After a load: what waited is gone with the fleet it was of. */
void slots_clear(struct slots *s);
/* May one more be sent at once? Not while others wait. */
bool slots_free(const struct slots *s, const struct fleet *f);
void slots_park(struct slots *s, struct task *t);
struct task *slots_next(struct slots *s, struct fleet *f); /* taken out; NULL: nobody waits, or no slot is free */

#endif
