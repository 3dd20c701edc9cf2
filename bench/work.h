/* What one deploy, or one install, leaves in the ledger: the rows of the two commits that a floor makes for it. Read from a cell that did
 * it (plans of first releases, ended), so both sides write the same. */
#ifndef BENCH_WORK_H
#define BENCH_WORK_H

#include "db.h"

#define WORK_TABLES 10
struct work_part {
	struct rows rows;
	int each, shared; /* rows per unit of work; or units that have one row in common (a base's) */
};
struct work {
	struct work_part placed[WORK_TABLES], done[WORK_TABLES];
	int n_placed, n_done, units;
};
/* A unit is a deploy of one instance: deployment, revision, plan and what hangs on it. */
void work_load_deploys(struct work *w, PGconn *from);
/* A unit is one instance of a larger plan: instance, task, its base's row (one for all on it), events. */
void work_load_installs(struct work *w, PGconn *from);
void work_prepare(struct work *w, PGconn *to);
/* Sends the rows of units first … first + n - 1; the caller commits. */
void work_send_placed(const struct work *w, PGconn *to, int first, int n);
void work_send_done(const struct work *w, PGconn *to, int first, int n);
int work_rows(const struct work_part *parts, int n); /* per unit */

#endif
