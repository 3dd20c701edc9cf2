/* The base's arklet on loopback: one HTTP request per call, its answer read to EOF and taken apart for the brain. */
#ifndef BERTH_AGENT_ARKLET_H
#define BERTH_AGENT_ARKLET_H

#include "brain.h"

struct fetcher;
struct arklet;

struct arklet_call_spec {
	int64_t id;
	enum arklet_command command;
	const Berth__V1__WantedModule *module; /* or NULL */
	const char *file;                      /* of an install: absolute path */
	int64_t timeout_us;
};
/* The strings in *a live during the call. */
typedef void (*arklet_done_fn)(void *arg, const struct arklet_call_spec *spec, struct brain_answer *a);

struct arklet *arklet_new(struct fetcher *f, arklet_done_fn done, void *arg);
void arklet_free(struct arklet *k);                                      /* after fetcher_free() */
void arklet_url(struct arklet *k, const char *url);                      /* "http://127.0.0.1:1238", without a slash at the end */
void arklet_call(struct arklet *k, const struct arklet_call_spec *spec); /* copied; done on a later turn, exactly once */

#endif
