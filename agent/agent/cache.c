/* One pull per artifact: examined on the worker's thread (is it there, does its digest hold, how much of it has come), then fetched
 * from where it stopped, then sealed (fsync, rename) on the worker's thread again. */
#include "cache.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/queue.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/err.h"
#include "base/faultpoint.h"
#include "base/file.h"
#include "base/log.h"
#include "base/secret.h"
#include "cache_int.h"
#include "loop/fetch.h"
#include "loop/loop.h"

#define RETRY_US (200 * US_PER_MS)
#define RETRY_MAX_US (5 * US_PER_S)
#define MAX_TRIES 4 /* in a row without a new byte */
#define CONNECT_US (5 * US_PER_S)
#define IDLE_US (30 * US_PER_S)
#define READ_BYTES (256 * 1024)

void cache_path(const struct cache *c, const char *sha, const char *suffix, char ret[PATH_MAX]) {
	snprintf(ret, PATH_MAX, "%s/%s%s", c->dir, sha, suffix);
}

static void pull_begin(struct cache_pull *p);
static void pull_end(struct cache_pull *p, bool ok, const char *code, bool retryable, const char *cause);

static void next_waiting(struct cache *c) {
	struct cache_pull *p;
	TAILQ_FOREACH(p, &c->pulls, link) {
		if (c->running >= c->parallel)
			return;
		if (!p->running)
			pull_begin(p);
	}
}

static void pull_free(struct cache_pull *p) {
	if (p->fd >= 0)
		close(p->fd);
	sha256_free(p->digest);
	timer_deinit(&p->retry);
	free(p->ids);
	free(p);
}

static void pull_end(struct cache_pull *p, bool ok, const char *code, bool retryable, const char *cause) {
	struct cache *c = p->cache;
	struct brain_fetched f = { .ok = ok, .code = code, .cause = cause, .retryable = retryable };
	f.elapsed_us = p->came ? mono_diff(clock_mono(&clock_real), p->since) : 0;
	if (ok)
		cache_verified_add(c, p->sha);
	TAILQ_REMOVE(&c->pulls, p, link);
	c->running--;
	for (size_t i = 0; i < p->n_ids; i++)
		c->done(c->arg, p->ids[i], &f);
	pull_free(p);
	if (ok)
		cache_trim(c);
	next_waiting(c);
}

/* ---- on the worker's thread ---- */

static int digest_file(const char *path, struct sha256 *d, int64_t *ret_n) {
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return -1;
	char *buf = malloc(READ_BYTES);
	if (buf == NULL)
		abort();
	ssize_t got;
	*ret_n = 0;
	while ((got = read(fd, buf, READ_BYTES)) > 0 || (got < 0 && errno == EINTR)) {
		if (got > 0) {
			sha256_add(d, buf, (size_t)got);
			*ret_n += got;
		}
	}
	free(buf);
	close(fd);
	return got < 0 ? -1 : 0;
}

static bool digest_is(struct sha256 *d, const char *sha) {
	uint8_t digest[SHA256_BYTES];
	char hex[SHA256_HEX];
	sha256_end(d, digest);
	hex_encode(digest, sizeof digest, hex);
	return strcasecmp(hex, sha) == 0;
}

static struct cache_pull *pull_of(struct job *job) {
	return (struct cache_pull *)(void *)((char *)job - offsetof(struct cache_pull, job));
}

static void run_examine(struct job *job) {
	struct cache_pull *p = pull_of(job);
	char path[PATH_MAX];
	struct sha256 *d = sha256_new();
	cache_path(p->cache, p->sha, "", path);
	p->found = digest_file(path, d, &p->have) == 0 && digest_is(d, p->sha);
	sha256_free(d);
	if (p->found)
		return;
	unlink(path); /* absent, or damaged on the disk */
	cache_path(p->cache, p->sha, ".part", path);
	sha256_free(p->digest);
	p->digest = sha256_new();
	p->have = 0;
	if (digest_file(path, p->digest, &p->have) != 0)
		p->have = 0;
}

static void run_seal(struct job *job) {
	struct cache_pull *p = pull_of(job);
	char part[PATH_MAX], path[PATH_MAX];
	cache_path(p->cache, p->sha, ".part", part);
	cache_path(p->cache, p->sha, "", path);
	p->result = faultpoint_pass(FAULTPOINT_AGENT_SEAL, &p->err);
	if (p->result != 0)
		return;
	if (fsync(p->fd) != 0 || fchmod(p->fd, 0644) != 0)
		p->result = err_errno(&p->err, errno, "sync %s", part);
	else if (rename(part, path) != 0)
		p->result = err_errno(&p->err, errno, "rename %s", part);
	else
		p->result = dir_sync(p->cache->dir, &p->err);
	if (p->result == 0)
		faultpoint_pass(FAULTPOINT_AGENT_SEALED, NULL);
}

/* ---- on the loop ---- */

static void seal_done(struct job *job) {
	struct cache_pull *p = pull_of(job);
	if (p->result != 0)
		pull_end(p, false, "disk", true, p->err.text);
	else
		pull_end(p, true, "SUCCESS", false, "");
}

static void start_over(struct cache_pull *p) {
	p->have = 0;
	sha256_free(p->digest);
	p->digest = sha256_new();
	if (ftruncate(p->fd, 0) != 0 || lseek(p->fd, 0, SEEK_SET) != 0)
		p->disk_failed = errno;
}

/* A body that is no part of the artifact is an error's text: its beginning goes to people. */
static int take_error(struct cache_pull *p, const void *bytes, size_t n) {
	size_t room = sizeof p->refusal - 1 - p->refusal_n;
	size_t take = n < room ? n : room;
	memcpy(p->refusal + p->refusal_n, bytes, take);
	p->refusal_n += take;
	return 0;
}

static int on_body(void *arg, int status, const void *bytes, size_t n) {
	struct cache_pull *p = arg;
	if (status != 200 && status != 206)
		return take_error(p, bytes, n);
	if (!p->body_seen && status == 200 && p->have > 0)
		start_over(p); /* the server does not do ranges */
	p->body_seen = true;
	int64_t limit = p->size > 0 ? p->size : p->cache->max_artifact;
	if (p->have + (int64_t)n > limit) {
		p->over = true;
		return -1;
	}
	if (faultpoint_pass(FAULTPOINT_AGENT_FETCH, NULL) != 0)
		p->disk_failed = EIO;
	for (size_t off = 0; off < n && p->disk_failed == 0;) {
		ssize_t w = write(p->fd, (const char *)bytes + off, n - off);
		if (w < 0 && errno != EINTR)
			p->disk_failed = errno;
		else if (w > 0)
			off += (size_t)w;
	}
	if (p->disk_failed != 0)
		return -1;
	sha256_add(p->digest, bytes, n);
	p->have += (int64_t)n;
	p->came = true;
	p->tries = 0;
	return 0;
}

static void transfer(void *arg);

static void again(struct cache_pull *p, const char *code, const char *cause) {
	int64_t wait = RETRY_US << p->tries;
	if (++p->tries >= MAX_TRIES) {
		pull_end(p, false, code, true, cause);
		return;
	}
	timer_set(&p->retry, wait < RETRY_MAX_US ? wait : RETRY_MAX_US);
}

static void discard(struct cache_pull *p) {
	char part[PATH_MAX];
	cache_path(p->cache, p->sha, ".part", part);
	unlink(part);
}

static void complete(struct cache_pull *p) {
	if (p->size > 0 && p->have < p->size) {
		again(p, "download", "the transfer ended before the artifact was whole");
		return;
	}
	bool good = digest_is(p->digest, p->sha);
	sha256_free(p->digest);
	p->digest = NULL;
	if (good) {
		p->job = (struct job){ .run = run_seal, .done = seal_done };
		worker_submit(p->cache->worker, &p->job);
	} else if (p->resumed) { /* perhaps only the first part of it was bad */
		p->resumed = false;
		start_over(p);
		again(p, "digest", "its bytes do not have the digest that was asked for");
	} else {
		discard(p);
		pull_end(p, false, "digest", false, "its bytes do not have the digest that was asked for");
	}
}

static void refused(struct cache_pull *p, int status) {
	char text[320];
	bool gone = status == 404 || status == 410 || status == 403 || status == 401;
	p->refusal[p->refusal_n] = '\0';
	snprintf(text, sizeof text, "the server answered %d: %.200s", status, p->refusal);
	if (status == 416) { /* what we have is longer than what there is */
		p->resumed = false;
		start_over(p);
	}
	if (gone)
		pull_end(p, false, "download", status == 401 || status == 403, text);
	else
		again(p, "download", text);
}

static void on_done(void *arg, const struct fetch_result *res, const struct err *err) {
	struct cache_pull *p = arg;
	p->fetch = NULL;
	if (p->cache->closing)
		return;
	if (p->over) {
		discard(p);
		pull_end(p, false, "too_large", false, "more bytes came than the artifact has");
	} else if (p->disk_failed == ENOSPC) {
		discard(p);
		pull_end(p, false, "no_space", true, "the disk is full");
	} else if (p->disk_failed != 0) {
		pull_end(p, false, "disk", true, strerror(p->disk_failed));
	} else if (err != NULL) {
		again(p, "download", err->text);
	} else if (res->status == 200 || res->status == 206) {
		complete(p);
	} else {
		refused(p, res->status);
	}
}

static bool room_for(struct cache_pull *p) {
	struct cache *c = p->cache;
	int64_t need = (p->size > 0 ? p->size - p->have : 0) + c->reserve_bytes;
	if (cache_free_bytes(c) < need)
		cache_evict(c, need - cache_free_bytes(c));
	return cache_free_bytes(c) >= need;
}

static void transfer(void *arg) {
	struct cache_pull *p = arg;
	struct cache *c = p->cache;
	if (c->prefix == NULL) {
		pull_end(p, false, "download", true, "no server has said yet where artifacts are");
		return;
	}
	if (p->size > 0 && p->have == p->size) {
		complete(p);
		return;
	}
	char url[2048], auth[512];
	snprintf(url, sizeof url, "%s/v1/artifacts/%s/content", c->prefix, p->sha);
	snprintf(auth, sizeof auth, "Authorization: Bearer %s", c->key != NULL ? c->key : "");
	const char *headers[] = { c->key != NULL ? auth : NULL, NULL };
	struct fetch_spec spec = { .method = "GET",
		.url = url,
		.headers = headers,
		.connect_us = CONNECT_US,
		.idle_us = IDLE_US,
		.ca_file = c->ca_file,
		.cert_file = c->cert_file,
		.key_file = c->key_file,
		.resume_from = (uint64_t)p->have,
		.on_body = on_body };
	p->body_seen = false;
	p->refusal_n = 0;
	p->resumed = p->have > 0;
	if (lseek(p->fd, p->have, SEEK_SET) < 0)
		p->disk_failed = errno;
	p->fetch = fetch_start(c->fetcher, &spec, on_done, p);
}

static void examine_done(struct job *job) {
	struct cache_pull *p = pull_of(job);
	struct cache *c = p->cache;
	char part[PATH_MAX], text[160];
	if (c->closing)
		return;
	if (p->found) {
		pull_end(p, true, "SUCCESS", false, "");
		return;
	}
	if (p->size > c->max_artifact) {
		snprintf(text, sizeof text, "the artifact has %lld bytes, more than --max-artifact allows", (long long)p->size);
		pull_end(p, false, "too_large", false, text);
		return;
	}
	if (!room_for(p)) {
		snprintf(text, sizeof text, "not enough room on the disk for %lld bytes", (long long)p->size);
		pull_end(p, false, "no_space", true, text);
		return;
	}
	cache_path(c, p->sha, ".part", part);
	p->fd = open(part, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
	if (p->fd < 0) {
		pull_end(p, false, "disk", true, strerror(errno));
		return;
	}
	if (p->size > 0 && p->have > p->size)
		start_over(p);
	transfer(p);
}

static void verified_done(struct job *job) {
	struct cache_pull *p = pull_of(job);
	if (!p->cache->closing)
		pull_end(p, true, "SUCCESS", false, "");
}

static void run_nothing(struct job *job) {}

static void pull_begin(struct cache_pull *p) {
	p->running = true;
	p->cache->running++;
	p->since = clock_mono(&clock_real);
	bool verified = cache_verified(p->cache, p->sha);
	p->job =
	    verified ? (struct job){ .run = run_nothing, .done = verified_done } : (struct job){ .run = run_examine, .done = examine_done };
	worker_submit(p->cache->worker, &p->job);
}

static void add_id(struct cache_pull *p, int64_t id) {
	int64_t *ids = realloc(p->ids, (p->n_ids + 1) * sizeof *ids);
	if (ids == NULL)
		abort();
	ids[p->n_ids++] = id;
	p->ids = ids;
}

void cache_get(struct cache *c, int64_t id, const char *sha256, int64_t size) {
	struct cache_pull *p;
	TAILQ_FOREACH(p, &c->pulls, link) {
		if (strcasecmp(p->sha, sha256) == 0) {
			add_id(p, id);
			return;
		}
	}
	p = calloc(1, sizeof *p);
	if (p == NULL)
		abort();
	p->cache = c;
	p->fd = -1;
	p->size = size;
	for (size_t i = 0; i < sizeof p->sha - 1 && sha256[i] != '\0'; i++)
		p->sha[i] = sha256[i] >= 'A' && sha256[i] <= 'F' ? (char)(sha256[i] + 32) : sha256[i];
	timer_init(&p->retry, c->loop, transfer, p);
	add_id(p, id);
	TAILQ_INSERT_TAIL(&c->pulls, p, link);
	next_waiting(c);
}

void cache_source(struct cache *c, const char *prefix, const char *key) {
	free(c->prefix);
	free(c->key);
	c->prefix = prefix != NULL ? strdup(prefix) : NULL;
	c->key = key != NULL ? strdup(key) : NULL;
}

int cache_new(struct loop *l, struct fetcher *f, const struct cache_config *cfg, cache_done_fn done, struct cache **ret, struct err *err) {
	struct cache *c = calloc(1, sizeof *c);
	if (c == NULL)
		abort();
	c->loop = l;
	c->fetcher = f;
	c->cache_bytes = cfg->cache_bytes;
	c->max_artifact = cfg->max_artifact;
	c->reserve_bytes = cfg->reserve_bytes;
	c->parallel = cfg->parallel;
	c->ca_file = cfg->ca_file;
	c->cert_file = cfg->cert_file;
	c->key_file = cfg->key_file;
	c->pinned = cfg->pinned;
	c->done = done;
	c->arg = cfg->arg;
	TAILQ_INIT(&c->pulls);
	snprintf(c->dir, sizeof c->dir, "%s/artifacts", cfg->dir);
	snprintf(c->staging, sizeof c->staging, "%s/staging", cfg->dir);
	int rc = dir_make(c->dir, 0755, err);
	if (rc == 0)
		rc = dir_make(c->staging, 0755, err);
	if (rc == 0)
		rc = worker_new(l, &c->worker, err);
	if (rc != 0) {
		free(c);
		return rc;
	}
	*ret = c;
	return 0;
}

void cache_free(struct cache *c) {
	struct cache_pull *p;
	if (c == NULL)
		return;
	c->closing = true;
	worker_free(c->worker); /* jobs end; their done sees closing */
	while ((p = TAILQ_FIRST(&c->pulls)) != NULL) {
		TAILQ_REMOVE(&c->pulls, p, link);
		pull_free(p);
	}
	cache_verified_clear(c);
	free(c->prefix);
	free(c->key);
	free(c);
}
