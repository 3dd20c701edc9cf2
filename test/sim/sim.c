/* Virtual time: a heap of events, ordered by time and then by the order in which they were made. */
#include "sim.h"

#include <stdlib.h>
#include <string.h>

#define STILL_MAX 20000

static mono_t sim_mono(void *arg) {
	const struct sim *s = arg;
	return (mono_t){ s->now_us + 1000 * US_PER_S };
}

static wall_t sim_wall(void *arg) {
	const struct sim *s = arg;
	return (wall_t){ s->now_us + INT64_C(1790000000) * US_PER_S };
}

void sim_init(struct sim *s, uint64_t seed, FILE *trace) {
	*s = (struct sim){ .seed = seed, .trace = trace, .liar = -1 };
	rng_init(&s->rng, seed);
	s->clock = (struct clock){ sim_mono, sim_wall, s };
}

void sim_deinit(struct sim *s) {
	free(s->heap);
}

static bool earlier(const struct sim_event *a, const struct sim_event *b) {
	return a->at != b->at ? a->at < b->at : a->seq < b->seq;
}

void sim_after(struct sim *s, int64_t us, sim_fn fn, void *arg) {
	if (s->n == s->cap) {
		s->cap = s->cap == 0 ? 1024 : s->cap * 2;
		s->heap = realloc(s->heap, s->cap * sizeof *s->heap);
		if (s->heap == NULL)
			abort();
	}
	struct sim_event x = { s->now_us + (us < 0 ? 0 : us), s->seq++, fn, arg };
	size_t i = s->n++;
	for (size_t up; i > 0 && earlier(&x, &s->heap[up = (i - 1) / 2]); i = up)
		s->heap[i] = s->heap[up];
	s->heap[i] = x;
}

bool sim_step(struct sim *s) {
	if (s->n == 0)
		return false;
	struct sim_event top = s->heap[0], x = s->heap[--s->n];
	size_t i = 0;
	for (size_t kid; (kid = 2 * i + 1) < s->n; i = kid) {
		if (kid + 1 < s->n && earlier(&s->heap[kid + 1], &s->heap[kid]))
			kid++;
		if (!earlier(&s->heap[kid], &x))
			break;
		s->heap[i] = s->heap[kid];
	}
	s->heap[i] = x;
	s->still = top.at == s->now_us ? s->still + 1 : 0;
	if (s->still > STILL_MAX)
		sim_fail(s, "time stands still: somebody asks to be called again and again, now");
	s->now_us = top.at;
	s->steps++;
	top.fn(top.arg);
	return true;
}

void sim_drain(struct sim *s) {
	s->calm = s->over = true;
	s->trace = NULL;
	while (sim_step(s))
		continue;
}

bool sim_chance(struct sim *s, int per_mille) {
	return per_mille > 0 && !s->calm && (int)rng_below(&s->rng, 1000) < per_mille;
}

int64_t sim_delay(struct sim *s, int64_t lo, int64_t hi) {
	if (s->steady) /* what is only on its way arrives at once: of two that end together neither is first */
		return lo < 10 * US_PER_MS ? 0 : lo;
	return lo + (int64_t)rng_below(&s->rng, (uint64_t)(hi - lo + 1));
}

void sim_trace(struct sim *s, const char *fmt, ...) {
	if (s->trace == NULL)
		return;
	va_list ap;
	va_start(ap, fmt);
	fprintf(s->trace, "%10.4f ", (double)s->now_us / US_PER_S);
	vfprintf(s->trace, fmt, ap);
	fputc('\n', s->trace);
	va_end(ap);
}

void sim_fail(struct sim *s, const char *fmt, ...) {
	if (s->failure[0] != '\0')
		return;
	va_list ap;
	va_start(ap, fmt);
	vsnprintf(s->failure, sizeof s->failure, fmt, ap);
	va_end(ap);
	sim_trace(s, "BROKEN %s", s->failure);
	if (s->trace != NULL)
		store_tell(s->store);
}

struct machine *sim_lone(struct sim *s, const char *name) {
	for (int i = 0; i < s->n_lone; i++)
		if (strcmp(machine_name(s->lone[i]), name) == 0)
			return s->lone[i];
	return NULL;
}
