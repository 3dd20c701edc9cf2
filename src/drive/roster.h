/* Which bases the server reaches by itself: those whose row has an arklet_url. Read from the fleet at each load and whenever an event says
 * that one was added, moved, stopped or forgotten; one brain is kept for each. */
#ifndef BERTH_DRIVE_ROSTER_H
#define BERTH_DRIVE_ROSTER_H

#include <stdint.h>

struct drive;
struct roster;

struct roster *roster_new(struct drive *d);
void roster_free(struct roster *r);
void roster_attach(struct roster *r);              /* the core is there */
void roster_due(struct drive *d);                  /* look at the fleet again, soon */
void roster_remove(struct drive *d, int64_t base); /* until it is looked at again */

#endif
