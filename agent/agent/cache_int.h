/* Inside the cache: cache.c moves artifacts, cache_room.c knows what is on the disk. */
#ifndef BERTH_AGENT_CACHE_INT_H
#define BERTH_AGENT_CACHE_INT_H

#include <limits.h>
#include <sys/queue.h>

#include "base/clock.h"
#include "base/err.h"
#include "base/secret.h"
#include "cache.h"
#include "loop/loop.h"
#include "loop/worker.h"

struct fetch;

struct cache_pull {
	TAILQ_ENTRY(cache_pull) link;
	struct cache *cache;
	struct job job;
	struct timer retry;
	char sha[SHA256_HEX];
	int64_t size, have;
	int64_t *ids;
	size_t n_ids;
	bool running, found, came, resumed, body_seen, over;
	int fd, disk_failed, result;
	unsigned tries;
	struct sha256 *digest; /* of what has come so far */
	struct fetch *fetch;
	mono_t since;
	char refusal[256];
	size_t refusal_n;
	struct err err;
};

struct cache {
	struct loop *loop;
	struct fetcher *fetcher;
	struct worker *worker;
	char dir[PATH_MAX - 128], staging[PATH_MAX - 128];
	char *prefix, *key;
	const char *ca_file, *cert_file, *key_file;
	int64_t cache_bytes, max_artifact, reserve_bytes;
	unsigned parallel, running;
	bool closing;
	bool (*pinned)(void *arg, const char *sha256);
	cache_done_fn done;
	void *arg;
	TAILQ_HEAD(, cache_pull) pulls;
	char (*verified)[SHA256_HEX]; /* by this process */
	size_t n_verified;
};

void cache_path(const struct cache *c, const char *sha, const char *suffix, char ret[PATH_MAX]);
bool cache_verified(const struct cache *c, const char *sha); /* and still there */
void cache_verified_add(struct cache *c, const char *sha);
void cache_verified_clear(struct cache *c);
int64_t cache_free_bytes(const struct cache *c);  /* of the disk */
void cache_evict(struct cache *c, int64_t bytes); /* at least so many, if that is possible without what is pinned */

#endif
