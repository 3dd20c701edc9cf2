/* What this data directory has seen of its cell (P13): cell, epoch and last committed event, on disk within a second. A database that
 * comes back older is noticed by it, also after a restart. Written by a thread of its own: an fsync must not hold the loop. */
#ifndef BERTH_SERVER_WITNESS_H
#define BERTH_SERVER_WITNESS_H

#include <stdint.h>

struct core;
struct err;
struct loop;
struct witness;

struct witness_seen {
	char cell[37];
	int64_t epoch, event;
}; /* cell "" = nothing yet */

/* E_MALFORMED for a file that is none of ours. */
int witness_read(const char *path, struct witness_seen *ret, struct err *err);
/* Follows the core's commits from now on. */
int witness_new(struct loop *l, struct core *c, const char *path, struct witness **ret, struct err *err);
void witness_learn(struct witness *w); /* a base has seen more than the database knows: that must outlive this process; NULL is fine */
void witness_free(struct witness *w); /* writes what is not written yet; before core_free(); NULL is fine */

#endif
