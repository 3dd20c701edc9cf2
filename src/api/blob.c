/* The disk cache of artifact bytes: one file per digest, made under another name and renamed when whole and checked. It is a cache only:
 * the ledger holds the truth, so nothing here is fsynced and anything may be deleted at any time. Oldest use goes first when it is full. */
#include "api/blob.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/file.h"
#include "base/log.h"

#define TEMP_PREFIX "part-"

struct entry {
	char name[SHA256_HEX];
	int64_t used, size;
};

/* Every finished file; leftovers of an earlier life are removed when `clean`. */
static struct entry *scan(struct blobs *b, bool clean, size_t *ret_n) {
	struct entry *list = NULL;
	size_t n = 0, room = 0;
	int fd = dup(b->dir_fd);
	DIR *d = fd < 0 ? NULL : fdopendir(fd);
	*ret_n = 0;
	if (d == NULL) {
		if (fd >= 0)
			close(fd);
		return NULL;
	}
	rewinddir(d);
	for (struct dirent *e = readdir(d); e != NULL; e = readdir(d)) {
		struct stat st;
		if (clean && strncmp(e->d_name, TEMP_PREFIX, strlen(TEMP_PREFIX)) == 0)
			unlinkat(b->dir_fd, e->d_name, 0);
		if (strlen(e->d_name) != SHA256_HEX - 1 || fstatat(b->dir_fd, e->d_name, &st, AT_SYMLINK_NOFOLLOW) != 0 ||
		    !S_ISREG(st.st_mode))
			continue;
		if (n == room) {
			room = room == 0 ? 64 : room * 2;
			list = realloc(list, room * sizeof *list);
			if (list == NULL)
				abort();
		}
		memcpy(list[n].name, e->d_name, SHA256_HEX);
		list[n].used = (int64_t)st.st_mtim.tv_sec;
		list[n++].size = (int64_t)st.st_size;
	}
	closedir(d);
	*ret_n = n;
	return list;
}

static int older_first(const void *a, const void *b) {
	const struct entry *x = a, *y = b;
	return x->used < y->used ? -1 : x->used > y->used;
}

/* Oldest first, down to so many bytes. */
static void evict(struct blobs *b, const char *keep, int64_t limit) {
	size_t n;
	struct entry *list = scan(b, false, &n);
	int64_t total = 0;
	for (size_t i = 0; i < n; i++)
		total += list[i].size;
	if (n > 1)
		qsort(list, n, sizeof *list, older_first);
	for (size_t i = 0; i < n && total > limit; i++) {
		if (strcmp(list[i].name, keep) != 0 && unlinkat(b->dir_fd, list[i].name, 0) == 0)
			total -= list[i].size;
	}
	b->cached_bytes = total;
	free(list);
}

int blobs_new(struct api *a, struct blobs **ret, struct err *err) {
	struct blobs *b = calloc(1, sizeof *b);
	if (b == NULL)
		abort();
	b->api = a;
	b->dir = arena_strdup(a->arena, a->config.cache_dir);
	b->dir_fd = -1;
	LIST_INIT(&b->fills);
	int rc = dir_make(b->dir, 0700, err);
	if (rc == 0 && (b->dir_fd = open(b->dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC)) < 0)
		rc = err_errno(err, errno, "cannot open the artifact cache %s", b->dir);
	if (rc == 0)
		rc = fetcher_new(a->loop, &b->fetcher, err);
	if (rc != 0) {
		blobs_free(b);
		return rc;
	}
	size_t n;
	struct entry *list = scan(b, true, &n);
	for (size_t i = 0; i < n; i++)
		b->cached_bytes += list[i].size;
	free(list);
	*ret = b;
	return 0;
}

void blobs_free(struct blobs *b) {
	if (b == NULL)
		return;
	if (b->fetcher != NULL)
		fetcher_free(b->fetcher);
	fills_cancel(b);
	if (b->dir_fd >= 0)
		close(b->dir_fd);
	free(b);
}

int blobs_admit(struct blobs *b, struct err *err) {
	if (b == NULL)
		return err_set(err, E_UNSUPPORTED, "this server has no folder for artifacts; set cache-dir");
	if (b->busy >= b->api->config.max_uploads)
		return err_set(err, E_TOO_MANY,
		    "%u artifact transfers are under way, which is the most this server does at a time; try again", b->busy);
	b->busy++;
	return 0;
}

int blob_file_open(struct blobs *b, struct blob_file *ret, struct err *err) {
	char uuid[37];
	*ret = (struct blob_file){ .blobs = b, .fd = -1 };
	snprintf(ret->name, sizeof ret->name, TEMP_PREFIX "%s", uuid_make(uuid));
	ret->fd = openat(b->dir_fd, ret->name, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
	if (ret->fd < 0)
		return err_errno(err, errno, "cannot write into the artifact cache %s", b->dir);
	ret->digest = sha256_new();
	return 0;
}

/* The disk is full: half of what is only cached goes. False when nothing is left to go. */
static bool make_room(struct blobs *b) {
	int64_t before = b->cached_bytes;
	if (before > 0)
		evict(b, "", before / 2);
	return b->cached_bytes < before;
}

int blob_file_add(struct blob_file *f, const void *p, size_t n, struct err *err) {
	const char *at = p;
	sha256_add(f->digest, p, n);
	f->size += (int64_t)n;
	while (n > 0 && f->fd >= 0) {
		ssize_t k = write(f->fd, at, n);
		if (k < 0 && (errno == EINTR || (errno == ENOSPC && make_room(f->blobs))))
			continue;
		if (k < 0 && errno == ENOSPC)
			return err_set(err, E_UNAVAILABLE, "the disk of the artifact cache %s is full: free some of it", f->blobs->dir);
		if (k < 0)
			return err_errno(err, errno, "cannot write into the artifact cache %s", f->blobs->dir);
		at += k;
		n -= (size_t)k;
	}
	return 0;
}

void blob_file_forgo(struct blob_file *f) {
	if (f->fd < 0)
		return;
	unlinkat(f->blobs->dir_fd, f->name, 0);
	close(f->fd);
	f->fd = -1;
}

void blob_file_digest(struct blob_file *f, char ret_hex[SHA256_HEX]) {
	uint8_t digest[SHA256_BYTES];
	sha256_end(f->digest, digest);
	hex_encode(digest, sizeof digest, ret_hex);
}

static void file_close(struct blob_file *f) {
	if (f->fd >= 0)
		close(f->fd);
	sha256_free(f->digest);
	*f = (struct blob_file){ .fd = -1 };
}

int blob_file_keep(struct blobs *b, struct blob_file *f, const char *sha256, struct err *err) {
	int rc = 0;
	if (f->fd < 0) {
		file_close(f);
		return 0;
	}
	b->cached_bytes += f->size;
	if (renameat(b->dir_fd, f->name, b->dir_fd, sha256) != 0)
		rc = err_errno(err, errno, "cannot keep %s in the artifact cache", sha256);
	file_close(f);
	if (rc == 0 && b->cached_bytes > b->api->config.max_cache_bytes)
		evict(b, sha256, b->api->config.max_cache_bytes / 10 * 9); /* so that a full cache is not scanned for every file */
	return rc;
}

void blob_file_drop(struct blobs *b, struct blob_file *f) {
	if (f->fd >= 0)
		unlinkat(b->dir_fd, f->name, 0);
	file_close(f);
}

int blob_cached(struct blobs *b, const char *sha256, int64_t size) {
	struct stat st;
	int fd = openat(b->dir_fd, sha256, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
	if (fd < 0)
		return -1;
	if (fstat(fd, &st) == 0 && st.st_size == size) {
		futimens(fd, NULL); /* use order of the cache; a file that cannot be touched is only evicted earlier */
		return fd;
	}
	log_warn("cached artifact has a wrong size and is fetched again", log_s("sha256", sha256));
	unlinkat(b->dir_fd, sha256, 0);
	close(fd);
	return -1;
}
