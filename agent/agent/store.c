/* agent.state = "BERTHAG1", length (8 bytes, little endian), sha256 of the payload, payload. Written on a thread of its own. */
#include "store.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <unistd.h>

#include "base/err.h"
#include "base/faultpoint.h"
#include "base/file.h"
#include "base/name.h"
#include "base/secret.h"
#include "loop/worker.h"

#define MAGIC "BERTHAG1"
#define HEAD (8 + 8 + SHA256_BYTES)

struct store {
	char dir[PATH_MAX - 64], path[PATH_MAX];
	int lock;
	struct worker *worker;
	struct job job;
	uint8_t *data;
	size_t n;
	int result;
	struct err err;
	void (*done)(void *arg, const struct err *err);
	void *arg;
};

uint8_t *frame_pack(const void *p, size_t n, size_t *ret_n) {
	uint8_t *f = malloc(HEAD + n);
	if (f == NULL)
		abort();
	memcpy(f, MAGIC, 8);
	for (int i = 0; i < 8; i++)
		f[8 + i] = (uint8_t)((uint64_t)n >> (8 * i));
	sha256_of(p, n, f + 16);
	if (n > 0)
		memcpy(f + HEAD, p, n);
	*ret_n = HEAD + n;
	return f;
}

int frame_unpack(const uint8_t *p, size_t n, const uint8_t **ret, size_t *ret_n, struct err *err) {
	uint64_t len = 0;
	uint8_t digest[SHA256_BYTES];
	if (n < HEAD || memcmp(p, MAGIC, 8) != 0)
		return err_set(err, E_MALFORMED, "no agent state (%zu bytes)", n);
	for (int i = 7; i >= 0; i--)
		len = len << 8 | p[8 + i];
	if (len != n - HEAD)
		return err_set(err, E_MALFORMED, "cut short: %zu of %llu bytes", n - HEAD, (unsigned long long)len);
	sha256_of(p + HEAD, n - HEAD, digest);
	if (memcmp(digest, p + 16, sizeof digest) != 0)
		return err_set(err, E_MALFORMED, "its digest does not match");
	*ret = p + HEAD;
	*ret_n = n - HEAD;
	return 0;
}

static int lock_dir(struct store *s, struct err *err) {
	char path[PATH_MAX];
	snprintf(path, sizeof path, "%s/lock", s->dir);
	s->lock = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
	if (s->lock < 0)
		return err_errno(err, errno, "open %s", path);
	if (flock(s->lock, LOCK_EX | LOCK_NB) == 0)
		return 0;
	int e = errno;
	close(s->lock);
	s->lock = -1;
	if (e == EWOULDBLOCK)
		return err_set(err, E_BUSY, "another berth-agent works in %s; give each its own --data", s->dir);
	return err_errno(err, e, "lock %s", path);
}

int store_open(struct loop *l, const char *dir, struct store **ret, struct err *err) {
	struct store *s = calloc(1, sizeof *s);
	if (s == NULL)
		abort();
	s->lock = -1;
	int rc = 0;
	if (strlen(dir) >= sizeof s->dir - 64)
		rc = err_set(err, E_INVALID, "the path of the data folder is too long");
	if (rc == 0) {
		snprintf(s->dir, sizeof s->dir, "%s", dir);
		snprintf(s->path, sizeof s->path, "%s/agent.state", dir);
		rc = dir_make(dir, 0755, err);
	}
	if (rc == 0)
		rc = lock_dir(s, err);
	if (rc == 0)
		rc = worker_new(l, &s->worker, err);
	if (rc != 0) {
		if (s->lock >= 0)
			close(s->lock);
		free(s);
		return rc;
	}
	*ret = s;
	return 0;
}

void store_close(struct store *s) {
	if (s == NULL)
		return;
	worker_free(s->worker);
	close(s->lock);
	free(s);
}

static int set_aside(struct store *s, struct err *err) {
	char to[PATH_MAX];
	snprintf(to, sizeof to, "%s/agent.state.damaged", s->dir);
	if (rename(s->path, to) != 0)
		return err_errno(err, errno, "rename %s", s->path);
	return dir_sync(s->dir, err);
}

int store_load(struct store *s, uint8_t **ret, size_t *ret_n, bool *ret_damaged, struct err *err) {
	char *text;
	size_t n, payload_n;
	const uint8_t *payload;
	*ret = NULL;
	*ret_n = 0;
	*ret_damaged = false;
	int rc = file_read(s->path, STORE_MAX_STATE, &text, &n, err);
	if (rc == E_NOT_FOUND)
		return 0;
	if (rc != 0)
		return rc;
	rc = frame_unpack((const uint8_t *)text, n, &payload, &payload_n, err);
	if (rc != 0) {
		free(text);
		*ret_damaged = true;
		return set_aside(s, err);
	}
	memmove(text, payload, payload_n);
	*ret = (uint8_t *)text;
	*ret_n = payload_n;
	return 0;
}

static void run_write(struct job *job) {
	struct store *s = (struct store *)(void *)((char *)job - offsetof(struct store, job));
	s->result = faultpoint_pass(FAULTPOINT_AGENT_STORE, &s->err);
	if (s->result == 0)
		s->result = file_write(s->path, s->data, s->n, 0600, &s->err);
	if (s->result == 0)
		faultpoint_pass(FAULTPOINT_AGENT_STORED, NULL);
}

static void write_done(struct job *job) {
	struct store *s = (struct store *)(void *)((char *)job - offsetof(struct store, job));
	free(s->data);
	s->data = NULL;
	s->done(s->arg, s->result == 0 ? NULL : &s->err);
}

void store_write(struct store *s, const void *p, size_t n, void (*done)(void *, const struct err *), void *arg) {
	s->data = frame_pack(p, n, &s->n);
	s->done = done;
	s->arg = arg;
	s->job = (struct job){ .run = run_write, .done = write_done };
	worker_submit(s->worker, &s->job);
}

int store_id(struct store *s, void (*make)(char buf[64]), char ret[64], struct err *err) {
	char path[PATH_MAX], *text;
	snprintf(path, sizeof path, "%s/base.id", s->dir);
	int rc = file_read(path, 256, &text, NULL, err);
	if (rc == E_NOT_FOUND) {
		make(ret);
		return file_write(path, ret, strlen(ret), 0644, err);
	}
	if (rc != 0)
		return rc;
	text[strcspn(text, "\r\n")] = '\0';
	rc = name_check(NAME_PLAIN, text, "", "base id", err);
	if (rc == 0)
		snprintf(ret, 64, "%s", text);
	else
		err_context(err, "%s", path);
	free(text);
	return rc;
}
