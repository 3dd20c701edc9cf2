/* What the gates of a plan keep while a batch stands before them (gate.c). Private to src/plan. */
#ifndef BERTH_PLAN_GATE_H
#define BERTH_PLAN_GATE_H

#include "plan/live.h"

/* Every gate lets this batch through. False: one holds (plan_wait says which) or refused (the plan stands still, or ended). */
bool gates_passed(struct plan_env *e, struct plan *p, struct batch *b);
void gates_reset(struct plan *p); /* they are asked from the beginning */
int64_t gate_waited(const struct plan_env *e, const struct plan *p);

#endif
