/* What bases without an agent tell by themselves: that they are there, that they go, and the question what they should hold. */
#ifndef BERTH_API_HEARTBEAT_H
#define BERTH_API_HEARTBEAT_H

#include <stddef.h>

struct api;
struct arena;
struct err;

struct api_beat {
	const char *token; /* of the path; NULL: none */
	const char *peer;  /* address it came from */
	const char *body;
	size_t n;
	struct arena *arena; /* lives until done */
};
/* done on a later turn. answer: a text for /heartbeat, a JSON array for /queryBaseline. */
typedef void (*api_beat_fn)(void *arg, const char *answer, const struct err *err);
void api_heartbeat(struct api *a, const struct api_beat *b, api_beat_fn done, void *arg);
void api_baseline(struct api *a, const struct api_beat *b, api_beat_fn done, void *arg);

#endif
