/* What the cache takes of the disk: who was verified, what goes first, the names under which a base reads. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include "base/log.h"
#include "cache_int.h"

#define MAX_VERIFIED 65536

static size_t verified_at(const struct cache *c, const char *sha) {
	for (size_t i = 0; i < c->n_verified; i++)
		if (strcasecmp(c->verified[i], sha) == 0)
			return i;
	return SIZE_MAX;
}

bool cache_verified(const struct cache *c, const char *sha) {
	char path[PATH_MAX];
	cache_path(c, sha, "", path);
	return verified_at(c, sha) != SIZE_MAX && access(path, R_OK) == 0;
}

void cache_verified_add(struct cache *c, const char *sha) {
	char path[PATH_MAX];
	cache_path(c, sha, "", path);
	utimensat(AT_FDCWD, path, NULL, 0); /* used now */
	if (verified_at(c, sha) != SIZE_MAX || c->n_verified >= MAX_VERIFIED)
		return;
	char(*list)[SHA256_HEX] = realloc(c->verified, (c->n_verified + 1) * sizeof *list);
	if (list == NULL)
		abort();
	c->verified = list;
	snprintf(list[c->n_verified++], SHA256_HEX, "%s", sha);
}

static void verified_drop(struct cache *c, const char *sha) {
	size_t i = verified_at(c, sha);
	if (i == SIZE_MAX)
		return;
	c->n_verified--;
	memmove(c->verified[i], c->verified[c->n_verified], SHA256_HEX);
}

void cache_verified_clear(struct cache *c) {
	free(c->verified);
	c->verified = NULL;
	c->n_verified = 0;
}

int64_t cache_free_bytes(const struct cache *c) {
	struct statvfs v;
	if (statvfs(c->dir, &v) != 0)
		return INT64_MAX; /* the write will tell */
	return (int64_t)v.f_bavail * (int64_t)v.f_frsize;
}

struct entry {
	char name[80];
	int64_t size, used;
	bool pinned;
};

static bool pulling(const struct cache *c, const char *name) {
	const struct cache_pull *p;
	TAILQ_FOREACH(p, &c->pulls, link)
		if (strncmp(name, p->sha, 64) == 0)
			return true;
	return false;
}

static bool entry_read(const struct cache *c, int fd, const char *name, struct entry *ret) {
	struct stat st;
	char sha[65];
	size_t hex = strspn(name, "0123456789abcdef");
	if (hex != 64 || (name[64] != '\0' && strcmp(name + 64, ".part") != 0) || fstatat(fd, name, &st, AT_SYMLINK_NOFOLLOW) != 0 ||
	    !S_ISREG(st.st_mode))
		return false;
	memcpy(sha, name, 64);
	sha[64] = '\0';
	memcpy(ret->name, name, strlen(name) + 1); /* 64 digits, perhaps ".part" */
	ret->size = (int64_t)st.st_blocks * 512;
	ret->used = (int64_t)st.st_mtim.tv_sec * US_PER_S + st.st_mtim.tv_nsec / 1000;
	ret->pinned = pulling(c, name) || c->pinned(c->arg, sha);
	return true;
}

static int by_use(const void *x, const void *y) {
	const struct entry *a = x, *b = y;
	return a->used < b->used ? -1 : a->used > b->used;
}

static size_t entries(const struct cache *c, struct entry **ret) {
	DIR *d = opendir(c->dir);
	struct entry *list = NULL, e;
	size_t n = 0, size = 0;
	for (struct dirent *de; d != NULL && (de = readdir(d)) != NULL;) {
		if (!entry_read(c, dirfd(d), de->d_name, &e))
			continue;
		if (n == size) {
			size = size == 0 ? 64 : size * 2;
			struct entry *more = realloc(list, size * sizeof *more);
			if (more == NULL)
				abort();
			list = more;
		}
		list[n++] = e;
	}
	if (d != NULL)
		closedir(d);
	if (n > 0)
		qsort(list, n, sizeof *list, by_use);
	*ret = list;
	return n;
}

static int64_t remove_oldest(struct cache *c, const struct entry *list, size_t n, int64_t bytes) {
	int64_t freed = 0;
	char path[PATH_MAX];
	for (size_t i = 0; i < n && freed < bytes; i++) {
		if (list[i].pinned)
			continue;
		cache_path(c, list[i].name, "", path);
		if (unlink(path) != 0)
			continue;
		freed += list[i].size;
		verified_drop(c, list[i].name);
		log_debug("artifact removed from the cache", log_s("sha256", list[i].name), log_i("bytes", list[i].size));
	}
	return freed;
}

void cache_evict(struct cache *c, int64_t bytes) {
	struct entry *list;
	size_t n = entries(c, &list);
	remove_oldest(c, list, n, bytes);
	free(list);
}

void cache_trim(struct cache *c) {
	struct entry *list;
	int64_t total = 0;
	size_t n = entries(c, &list);
	for (size_t i = 0; i < n; i++)
		total += list[i].size;
	if (total > c->cache_bytes)
		remove_oldest(c, list, n, total - c->cache_bytes);
	free(list);
}

int cache_stage(struct cache *c, const char *sha256, const char *name, char ret_path[PATH_MAX], struct err *err) {
	char from[PATH_MAX];
	cache_path(c, sha256, "", from);
	if (!cache_verified(c, sha256))
		return err_set(err, E_NOT_FOUND, "the artifact is not in the cache any more");
	snprintf(ret_path, PATH_MAX, "%s/%s", c->staging, name);
	unlink(ret_path);
	if (link(from, ret_path) != 0)
		return errno == ENOENT ? err_set(err, E_NOT_FOUND, "the artifact is not in the cache any more")
		                       : err_errno(err, errno, "link %s", ret_path);
	return 0;
}

void cache_unstage(struct cache *c, const char *name) {
	char path[PATH_MAX];
	snprintf(path, sizeof path, "%s/%s", c->staging, name);
	unlink(path);
}
