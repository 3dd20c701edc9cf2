/* A ledger of rows in memory for the tests of the fleet: takes changesets, refuses what PostgreSQL would refuse, gives rows back in load
 * order. */
#ifndef BERTH_TEST_MODEL_LEDGER_SIM_H
#define BERTH_TEST_MODEL_LEDGER_SIM_H

#include "model/changeset.h"
#include "model/fleet.h"

struct ledger_sim;

struct ledger_sim *ledger_sim_new(void);
void ledger_sim_free(struct ledger_sim *l);
/* Fails the test when a reference would dangle, a deleted row is absent, or a number is not the next one. */
void ledger_sim_commit(struct ledger_sim *l, const struct changeset *cs);
/* Collects f until it is clean, at most max_rows at a time. */
void ledger_sim_drain(struct ledger_sim *l, struct fleet *f, size_t max_rows);
/* A fresh fleet from the rows; of plans and tasks only those that `like` still holds in memory. */
struct fleet *ledger_sim_load(const struct ledger_sim *l, const struct fleet *like);
size_t ledger_sim_count(const struct ledger_sim *l, enum table t);
const void *ledger_sim_row(const struct ledger_sim *l, enum table t, size_t i); /* by key */

#endif
