/* Heartbeats of Koupleless bases, in both shapes they are sent in: with `baseMetadata` (runtime 1.3.3, 2.1.8 and later) and the earlier one
 * with `baseID`. Pure. What is odd or missing is left out; unknown members mean nothing. */
#ifndef BERTH_PROTO_BEAT_H
#define BERTH_PROTO_BEAT_H

#include <stdbool.h>
#include <stddef.h>

struct arena;
struct err;

struct beat {
	const char *identity;       /* who it says it is; never NULL, not the "unknown-…" that changes with each beat */
	const char *name, *cluster; /* or NULL; placeholders are left out */
	const char *ip, *host;      /* as it sees itself; or NULL */
	int port;                   /* of its arklet; 0 in a question for the baseline */
	bool activated;
};

/* E_MALFORMED: no JSON object; E_INVALID: it does not say who or where it is. */
int beat_parse(struct arena *a, const char *text, size_t n, struct beat *ret, struct err *err);
/* The same members at the top: POST /queryBaseline. */
int beat_question_parse(struct arena *a, const char *text, size_t n, struct beat *ret, struct err *err);
/* A name for (identity, port), always the same: what cannot stand in a name becomes '-', and then a digest tells two apart. */
const char *beat_base_name(struct arena *a, const char *identity, int port);

#endif
