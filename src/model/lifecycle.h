/* Life cycles: which state may follow which, from lifecycle.def. The setters of fleet.h are the only ones that change a state, and each
 * change must be a row here: another one is our own bug and stops the server. `berthd --dump-states` prints the rows. */
#ifndef BERTH_MODEL_LIFECYCLE_H
#define BERTH_MODEL_LIFECYCLE_H

#include "model/word.h"

#include <stddef.h>
#include <stdio.h>

#define TRANSITION_ANY (-1)

struct transition {
	enum word_set set;
	int number;   /* counts from 1 within its object */
	int from, to; /* from 0: it is made; TRANSITION_ANY: whatever it was, where that is not final and has no row of its own */
	const char *event, *condition, *sentence;
};

size_t transition_count(void);
const struct transition *transition_at(size_t row);
size_t transition_row(enum word_set set, int from, int to); /* transition_count() when there is none */
const char *lifecycle_object(enum word_set set);            /* "base" … "task", of the sets that have rows */
void lifecycle_print(FILE *out);                            /* states and rows as markdown: docs/states.md */

#endif
