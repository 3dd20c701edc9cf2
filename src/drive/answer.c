/* Reading touches nothing but the answer itself, so it does not matter which thread does it. */
#include "drive/answer.h"

#include <stdlib.h>

#include "base/arena.h"

#define SHORT_BYTES (16u << 10) /* whatever is in it: read within 2 ms */

static int parse(struct answer *x) {
	switch (x->command) {
	case ARKLET_QUERY_ALL:
		return arklet_list_parse(x->mem, x->text, x->n, &x->reply, &x->err);
	case ARKLET_HEALTH:
		return arklet_health_parse(x->mem, x->text, x->n, &x->reply, &x->health, &x->err);
	case ARKLET_BATCH_INSTALL:
		x->items = arena_alloc(x->mem, (x->n_urls + 1) * sizeof *x->items);
		return arklet_batch_parse(x->mem, x->text, x->n, (const char *const *)x->urls, x->n_urls, &x->reply, x->items, &x->err);
	default:
		return arklet_reply_parse(x->mem, x->text, x->n, &x->reply, &x->err);
	}
}

static void read_answer(struct answer *x) {
	if (parse(x) == 0 && x->command == ARKLET_HELP)
		(void)arklet_help_parse(x->mem, x->text, x->n, &x->commands, NULL);
}

static void run(struct job *job) {
	read_answer((struct answer *)(void *)job);
}

bool answer_take(struct answer *x, struct worker *w, const char *text, size_t n) {
	x->mem = arena_new();
	x->n = n;
	if (n <= SHORT_BYTES) {
		x->text = text;
		read_answer(x);
		return true;
	}
	x->text = arena_memdup(x->mem, text, n);
	x->job.run = run;
	worker_submit(w, &x->job);
	return false;
}

void answer_deinit(struct answer *x) {
	for (size_t i = 0; i < x->n_urls; i++)
		free(x->urls[i]);
	free(x->urls);
	arena_free(x->mem);
}
