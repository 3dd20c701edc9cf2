/* Artifacts on the agent's disk: <dir>/<sha256>, whole and verified, and <dir>/<sha256>.part while it comes. Nothing is handed out
 * whose digest was not computed by this process; what a restart finds is computed again when it is first needed.
 * Transfers resume, are bounded in number and size, and never fill the disk; what is not pinned goes, least recently used first. */
#ifndef BERTH_AGENT_CACHE_H
#define BERTH_AGENT_CACHE_H

#include <limits.h>
#include <stdbool.h>
#include <stdint.h>

#include "brain.h"

struct loop;
struct fetcher;
struct err;
struct cache;

struct cache_config {
	const char *dir;
	int64_t cache_bytes;                        /* unpinned ones are removed beyond */
	int64_t max_artifact;                       /* a larger one is not fetched */
	int64_t reserve_bytes;                      /* left free on the disk */
	unsigned parallel;                          /* transfers at a time */
	const char *ca_file, *cert_file, *key_file; /* or NULL */
	bool (*pinned)(void *arg, const char *sha256);
	void *arg;
};

typedef void (*cache_done_fn)(void *arg, int64_t id, const struct brain_fetched *f);

int cache_new(struct loop *l, struct fetcher *f, const struct cache_config *cfg, cache_done_fn done, struct cache **ret, struct err *err);
void cache_free(struct cache *c); /* after fetcher_free(): no transfer runs any more; done is not called */

/* Where artifacts come from, and what to show there; copied. NULL prefix: nowhere yet. */
void cache_source(struct cache *c, const char *prefix, const char *key);
/* done(id) runs once, on a later turn. The same artifact asked for twice is fetched once. size 0: unknown. */
void cache_get(struct cache *c, int64_t id, const char *sha256, int64_t size);
void cache_trim(struct cache *c); /* what is pinned changed */

/* Puts the artifact under a name of its own beside the cache, for the base to read: a hard link. E_NOT_FOUND when it is not there. */
int cache_stage(struct cache *c, const char *sha256, const char *name, char ret_path[PATH_MAX], struct err *err);
void cache_unstage(struct cache *c, const char *name);

#endif
