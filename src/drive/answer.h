/* What a base without an agent answered, understood. A base answers what it likes, and megabytes of JSON keep a parser busy for longer than
 * the loop may be held (rule 10): those are read on the drive's own thread, one after the other. */
#ifndef BERTH_DRIVE_ANSWER_H
#define BERTH_DRIVE_ANSWER_H

#include <stdbool.h>
#include <stddef.h>

#include "base/err.h"
#include "loop/worker.h"
#include "proto/arklet.h"

struct arena;

struct answer {
	struct job job; /* first; done is the owner's, when the answer is read on the thread */
	/* what was asked */
	enum arklet_command command;
	char **urls; /* of a batch: its items are answered by URL */
	size_t n_urls;
	/* what came; everything in mem */
	struct arena *mem;
	const char *text;
	size_t n;
	/* what it means */
	struct err err; /* code 0: it is arklet's */
	struct arklet_reply reply;
	struct arklet_health health;
	unsigned commands;          /* of ARKLET_HELP: bits */
	struct arklet_reply *items; /* of ARKLET_BATCH_INSTALL, as many as urls */
};

void answer_deinit(struct answer *x);
/* True: it was short, and is understood. False: it is copied, and job.done follows on a later turn. */
bool answer_take(struct answer *x, struct worker *w, const char *text, size_t n);

#endif
