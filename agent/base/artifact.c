/* Artifacts: transfer on the loop, copying, digesting and reading on a worker. The steps in order:
 *
 *   get → (http: transfer to incoming/ | file: opened by the worker) → worker: copy or take, digest, compare, read → done */
#include "artifact.h"

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base.h"
#include "base/arena.h"
#include "base/err.h"
#include "base/secret.h"
#include "loop/fetch.h"
#include "loop/loop.h"
#include "pool.h"
#include "workdir.h"

struct getting {
	struct job job;
	struct base *base;
	struct artifact *a;
	char *sha256; /* wanted, or NULL */
	char *source; /* worker: file to copy, not ours; NULL: what was transferred to incoming */
	char *incoming;
	int fd; /* of incoming, during a transfer */
	int64_t bytes;
	struct deferred failed; /* the error is known already at the start */
	struct err err;
	artifact_done_fn done;
	void *arg;
};

void artifact_free(struct artifact *a) {
	if (!a)
		return;
	if (a->path)
		unlink(a->path);
	free(a->path);
	arena_free(a->arena);
	free(a);
}

static void getting_end(struct getting *g) {
	bool failed = g->err.code != 0;
	if (g->fd >= 0)
		close(g->fd);
	if (g->incoming)
		unlink(g->incoming);
	if (failed)
		artifact_free(g->a);
	g->done(g->arg, failed ? NULL : g->a, failed ? &g->err : NULL);
	deferred_deinit(&g->failed);
	free(g->incoming);
	free(g->source);
	free(g->sha256);
	free(g);
}

static void getting_failed(void *arg) {
	getting_end(arg);
}

/* ---- on a worker ---- */

static int copy_bytes(struct getting *g, int in, int out, struct err *err) {
	static const size_t chunk = 128 * 1024;
	char *buf = malloc(chunk);
	ssize_t n = 0;
	int rc = buf ? 0 : err_set(err, E_NOMEM, "no memory to copy a module");
	while (!rc && (n = read(in, buf, chunk)) > 0) {
		g->bytes += n;
		if (g->bytes > g->base->opt.max_artifact)
			rc = err_set(
			    err, E_TOO_LARGE, "the file is larger than %lld bytes (--max-artifact)", (long long)g->base->opt.max_artifact);
		for (ssize_t done = 0, w; !rc && done < n; done += w)
			if ((w = write(out, buf + done, (size_t)(n - done))) < 0)
				rc = err_errno(err, errno, "cannot write to the work folder");
	}
	if (!rc && n < 0)
		rc = err_errno(err, errno, "cannot read %s", g->source);
	free(buf);
	return rc;
}

static int source_copy(struct getting *g, struct err *err) {
	int in = open(g->source, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY), out = -1, rc = 0;
	struct stat st;
	if (in < 0 || fstat(in, &st) != 0)
		rc = errno == ENOENT ? err_set(err, E_NOT_FOUND, "there is no file %s", g->source)
		                     : err_errno(err, errno, "cannot open %s", g->source);
	else if (!S_ISREG(st.st_mode))
		rc = err_set(err, E_INVALID, "%s is not a regular file", g->source);
	else if ((out = open(g->incoming, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600)) < 0)
		rc = err_errno(err, errno, "cannot write to the work folder");
	if (!rc)
		rc = copy_bytes(g, in, out, err);
	if (in >= 0)
		close(in);
	if (out >= 0 && close(out) != 0 && !rc)
		rc = err_errno(err, errno, "cannot write to the work folder");
	return rc;
}

static int digest_file(const char *path, char ret_hex[SHA256_HEX], struct err *err) {
	unsigned char buf[64 * 1024], digest[SHA256_BYTES];
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return err_errno(err, errno, "cannot read the private copy");
	struct sha256 *d = sha256_new();
	ssize_t n;
	while ((n = read(fd, buf, sizeof buf)) > 0)
		sha256_add(d, buf, (size_t)n);
	int rc = n < 0 ? err_errno(err, errno, "cannot read the private copy") : 0;
	sha256_end(d, digest);
	sha256_free(d);
	close(fd);
	hex_encode(digest, sizeof digest, ret_hex);
	return rc;
}

static int artifact_check(struct getting *g, struct err *err) {
	struct artifact *a = g->a;
	if (g->sha256 && strcasecmp(g->sha256, a->digest) != 0)
		return err_set(err, E_DIGEST, "the file's sha256 is %s, %s was asked for", a->digest, g->sha256);
	int rc = modfile_read_path(a->arena, g->incoming, &a->info, err);
	if (rc)
		return rc;
	if (a->info.kind != MODFILE_NATIVE)
		return err_set(err, E_UNSUPPORTED, "module %s:%s is for %s bases; this is a native one", a->info.name, a->info.version,
		    modfile_kind_name(a->info.kind));
	if (strcmp(a->info.arch, modfile_host_arch()) != 0)
		return err_set(err, E_UNSUPPORTED, "module %s:%s is built for %s; this base runs on %s", a->info.name, a->info.version,
		    a->info.arch, modfile_host_arch());
	return 0;
}

static void getting_run(struct job *job) {
	struct getting *g = (struct getting *)((char *)job - offsetof(struct getting, job));
	int rc = g->source ? source_copy(g, &g->err) : 0;
	if (!rc)
		rc = digest_file(g->incoming, g->a->digest, &g->err);
	if (!rc)
		rc = artifact_check(g, &g->err);
	if (rc)
		return;
	char *path = workdir_module(g->base->workdir, g->a->digest);
	if (rename(g->incoming, path) == 0) {
		g->a->path = path;
	} else {
		err_errno(&g->err, errno, "cannot keep the private copy");
		free(path);
	}
}

static void getting_done(struct job *job) {
	getting_end((struct getting *)((char *)job - offsetof(struct getting, job)));
}

static int getting_submit(struct getting *g) {
	g->job.run = getting_run;
	g->job.done = getting_done;
	if (pool_submit(g->base->operations, &g->job) != 0)
		return err_set(&g->err, E_TOO_MANY, "too many operations are waiting on this base; try again later");
	return 0;
}

/* ---- on the loop ---- */

static int transfer_piece(void *arg, int status, const void *p, size_t n) {
	struct getting *g = arg;
	if (status != 200)
		return 0; /* the text of an error page */
	g->bytes += (int64_t)n;
	if (g->bytes > g->base->opt.max_artifact)
		return err_set(
		    &g->err, E_TOO_LARGE, "the file is larger than %lld bytes (--max-artifact)", (long long)g->base->opt.max_artifact);
	for (const char *s = p; n;) {
		ssize_t w = write(g->fd, s, n); /* a regular file: the page cache takes it */
		if (w < 0)
			return err_errno(&g->err, errno, "cannot write to the work folder");
		s += w;
		n -= (size_t)w;
	}
	return 0;
}

static void transfer_done(void *arg, const struct fetch_result *res, const struct err *err) {
	struct getting *g = arg;
	if (g->err.code)
		; /* our own reason is better than "cancelled" */
	else if (err)
		g->err = *err;
	else if (res->status == 404)
		err_set(&g->err, E_NOT_FOUND, "there is no file at %s (HTTP 404)", g->a->shown);
	else if (res->status != 200)
		err_set(&g->err, E_PROTOCOL, "%s answered HTTP %d", g->a->shown, res->status);
	if (!g->err.code && close(g->fd) != 0)
		err_errno(&g->err, errno, "cannot write to the work folder");
	else if (!g->err.code)
		g->fd = -1;
	if (g->err.code || getting_submit(g) != 0)
		getting_end(g);
}

static int transfer_start(struct getting *g) {
	struct fetch_spec spec = {
		.method = "GET",
		.url = g->a->url,
		.connect_us = 10 * US_PER_S,
		.idle_us = 30 * US_PER_S,
		.total_us = 3600 * US_PER_S,
		.max_body = SIZE_MAX,
		.on_body = transfer_piece,
	};
	g->fd = open(g->incoming, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
	if (g->fd < 0)
		return err_errno(&g->err, errno, "cannot write to the work folder");
	fetch_start(g->base->fetcher, &spec, transfer_done, g);
	return 0;
}

static int hex_digit(char c) {
	return c >= '0' && c <= '9' ? c - '0' : (c | 32) >= 'a' && (c | 32) <= 'f' ? (c | 32) - 'a' + 10 : -1;
}

/* "file:///a%20b", "file:/a", "file://localhost/a" → "/a b" */
static int file_url_path(const char *url, char **ret, struct err *err) {
	const char *s = url + strlen("file:");
	if (strncmp(s, "//localhost/", 12) == 0)
		s += 11;
	else if (strncmp(s, "///", 3) == 0)
		s += 2;
	if (s[0] != '/' || s[1] == '/')
		return err_set(err, E_INVALID, "bizUrl %s has no absolute path on this machine; write file:///path", url);
	char *out = malloc(strlen(s) + 1), *w = out;
	for (; *s; s++) {
		int hi = *s == '%' ? hex_digit(s[1]) : -1, lo = hi >= 0 ? hex_digit(s[2]) : -1;
		if (*s == '%' && (lo < 0 || (hi == 0 && lo == 0))) {
			free(out);
			return err_set(err, E_INVALID, "bizUrl %s has a malformed escape", url);
		}
		*w++ = *s == '%' ? (char)(hi * 16 + lo) : *s;
		s += *s == '%' ? 2 : 0;
	}
	*w = '\0';
	*ret = out;
	return 0;
}

static int getting_start(struct getting *g) {
	const char *url = g->a->url;
	if (strncmp(url, "http://", 7) == 0 || strncmp(url, "https://", 8) == 0)
		return transfer_start(g);
	if (strncmp(url, "file:", 5) != 0)
		return err_set(&g->err, E_INVALID, "bizUrl %s has an unknown protocol; file, http and https are possible", g->a->shown);
	int rc = file_url_path(url, &g->source, &g->err);
	return rc ? rc : getting_submit(g);
}

/* Messages go to logs and other people; credentials in a URL do not. */
static const char *url_shown(struct arena *a, const char *url) {
	const char *host = strstr(url, "://");
	if (!host || strncmp(url, "file:", 5) == 0)
		return arena_strndup(a, url, strcspn(url, "?#"));
	host += 3;
	size_t authority = strcspn(host, "/?#"), rest = strcspn(host, "?#");
	const char *at = memrchr(host, '@', authority);
	const char *from = at ? at + 1 : host;
	return arena_printf(a, "%.*s%.*s", (int)(host - url), url, (int)(host + rest - from), from);
}

void artifact_get(struct base *base, const char *url, const char *sha256, artifact_done_fn done, void *arg) {
	struct getting *g = calloc(1, sizeof *g);
	if (!g || !(g->a = calloc(1, sizeof *g->a)))
		abort();
	g->base = base;
	g->a->arena = arena_new();
	g->a->url = arena_strdup(g->a->arena, url);
	g->a->shown = url_shown(g->a->arena, url);
	g->sha256 = sha256 ? strdup(sha256) : NULL;
	g->incoming = workdir_incoming(base->workdir);
	g->fd = -1;
	g->done = done;
	g->arg = arg;
	deferred_init(&g->failed, base->loop, getting_failed, g);
	if (getting_start(g) != 0)
		deferred_schedule(&g->failed);
}
