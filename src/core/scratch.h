/* A fleet of its own that holds what some changes are about: their groups with everything on them. It is made in slices, and the fleet goes
 * on meanwhile: each base is copied at one moment with all it holds, and versions and deployments when something refers to them. Where that
 * does not fit together (the model was loaded anew, a deployment got a new revision, where it stopped is gone) it starts over. Private to
 * src/core. */
#ifndef BERTH_CORE_SCRATCH_H
#define BERTH_CORE_SCRATCH_H

#include "core/resolve.h"

struct scratch;

struct scratch *scratch_new(const struct core *c, const struct resolved *r, size_t n);
/* Goes on for about so many objects. E_BUSY: the groups change faster than they can be copied. */
int scratch_step(struct scratch *s, struct core *c, size_t objects, bool *ret_over, struct err *err);
struct fleet *scratch_take(struct scratch *s);        /* the caller's from now on; NULL: taken already */
void scratch_free(struct scratch *s, struct core *c); /* NULL is fine */

#endif
