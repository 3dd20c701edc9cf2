/* The work folder: lock, incoming/, modules/. */
#include "workdir.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <unistd.h>

#include "base/err.h"
#include "base/file.h"

struct workdir {
	char *path, *incoming, *modules;
	bool temporary;
	int lock;
	atomic_uint_fast64_t serial;
};

static char *joined(const char *a, const char *b) {
	char *s = NULL;
	if (asprintf(&s, "%s/%s", a, b) < 0)
		abort();
	return s;
}

/* Only plain files in our two folders; never follows anything. */
static void folder_empty(const char *path) {
	DIR *d = opendir(path);
	struct dirent *e;
	while (d && (e = readdir(d)))
		if (e->d_name[0] != '.')
			unlinkat(dirfd(d), e->d_name, 0);
	if (d)
		closedir(d);
}

static int folder_choose(struct workdir *w, const char *path, struct err *err) {
	if (path) {
		int rc = dir_make(path, 0700, err);
		/* dlopen wants a path with a slash, and a module may not see us change folders. */
		w->path = rc ? NULL : realpath(path, NULL);
		return rc ? rc : w->path ? 0 : err_errno(err, errno, "cannot use the work folder %s", path);
	}
	const char *tmp = getenv("TMPDIR");
	w->path = joined(tmp && tmp[0] == '/' ? tmp : "/tmp", "berth-base-XXXXXX");
	if (!mkdtemp(w->path))
		return err_errno(err, errno, "cannot make a temporary work folder %s", w->path);
	w->temporary = true;
	return 0;
}

static int folder_lock(struct workdir *w, struct err *err) {
	char *name = joined(w->path, "lock");
	w->lock = open(name, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
	int rc = 0;
	if (w->lock < 0)
		rc = err_errno(err, errno, "cannot open %s", name);
	else if (flock(w->lock, LOCK_EX | LOCK_NB) != 0)
		rc = errno == EWOULDBLOCK
		         ? err_set(
		               err, E_BUSY, "another base uses the work folder %s; give each base one of its own with --work-dir", w->path)
		         : err_errno(err, errno, "cannot lock %s", name);
	free(name);
	return rc;
}

int workdir_open(const char *path, struct workdir **ret, struct err *err) {
	struct workdir *w = calloc(1, sizeof *w);
	if (!w)
		return err_set(err, E_NOMEM, "no memory for the work folder");
	w->lock = -1;
	int rc = folder_choose(w, path, err);
	if (!rc)
		rc = folder_lock(w, err);
	if (!rc) {
		w->incoming = joined(w->path, "incoming");
		w->modules = joined(w->path, "modules");
		rc = dir_make(w->incoming, 0700, err);
	}
	if (!rc)
		rc = dir_make(w->modules, 0700, err);
	if (rc) {
		workdir_close(w);
		return rc;
	}
	folder_empty(w->incoming);
	folder_empty(w->modules);
	*ret = w;
	return 0;
}

void workdir_close(struct workdir *w) {
	if (!w)
		return;
	if (w->temporary) {
		char *lock = joined(w->path, "lock");
		if (w->incoming) {
			folder_empty(w->incoming);
			rmdir(w->incoming);
		}
		if (w->modules) {
			folder_empty(w->modules);
			rmdir(w->modules);
		}
		unlink(lock);
		rmdir(w->path);
		free(lock);
	}
	if (w->lock >= 0)
		close(w->lock);
	free(w->incoming);
	free(w->modules);
	free(w->path);
	free(w);
}

char *workdir_incoming(struct workdir *w) {
	char *s = NULL;
	if (asprintf(&s, "%s/%llu.part", w->incoming, (unsigned long long)atomic_fetch_add(&w->serial, 1)) < 0)
		abort();
	return s;
}

char *workdir_module(struct workdir *w, const char *digest) {
	char *s = NULL;
	if (asprintf(&s, "%s/%s.%llu.so", w->modules, digest, (unsigned long long)atomic_fetch_add(&w->serial, 1)) < 0)
		abort();
	return s;
}
