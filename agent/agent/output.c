/* The base holds the file open in append mode, so it is copied and cut rather than renamed; a line written between the two is lost,
 * which a log may. Positions of readers count from the start of base.log.1 when they still read there. */
#include "output.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/inotify.h>
#include <sys/queue.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/err.h"
#include "loop/loop.h"

#define TAIL_BYTES (64 * 1024)

struct reader {
	LIST_ENTRY(reader) link;
	struct output *output;
	int64_t at; /* in base.log; while in the old file: in that */
	int old;    /* base.log.1 as it was, or -1 */
	int64_t old_at;
	void (*more)(void *arg);
	void *arg;
};

struct output {
	char path[PATH_MAX], old_path[PATH_MAX];
	int fd, notify;
	struct watch watch;
	LIST_HEAD(, reader) readers;
};

static int64_t file_size(int fd) {
	struct stat st;
	return fstat(fd, &st) == 0 ? (int64_t)st.st_size : 0;
}

static ssize_t read_at(int fd, void *p, size_t n, int64_t at) {
	ssize_t got;
	while ((got = pread(fd, p, n, (off_t)at)) < 0 && errno == EINTR)
		;
	return got;
}

/* Readers that are behind go on in the copy, which they keep open. */
static void hand_over(struct output *o, int copy, int64_t copied_from) {
	struct reader *r;
	LIST_FOREACH(r, &o->readers, link) {
		if (r->old >= 0)
			close(r->old);
		r->old = fcntl(copy, F_DUPFD_CLOEXEC, 0);
		r->old_at = r->at > copied_from ? r->at - copied_from : 0;
		r->at = 0;
	}
}

static void rotate(struct output *o) {
	int64_t size = file_size(o->fd);
	if (size <= OUTPUT_CAP)
		return;
	char *buf = malloc((size_t)OUTPUT_CAP);
	char temp[PATH_MAX + 8];
	if (buf == NULL)
		abort();
	snprintf(temp, sizeof temp, "%s.new", o->old_path);
	int copy = open(temp, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0640);
	ssize_t got = copy < 0 ? -1 : read_at(o->fd, buf, (size_t)OUTPUT_CAP, size - OUTPUT_CAP);
	if (got > 0 && write(copy, buf, (size_t)got) == got && rename(temp, o->old_path) == 0)
		hand_over(o, copy, size - OUTPUT_CAP);
	if (ftruncate(o->fd, 0) != 0) { /* also when the copy failed: a full disk is the likelier reason to cut */
		                        /* it stays longer than wanted; the next line tries again */
	}
	if (copy >= 0)
		close(copy);
	free(buf);
}

static void on_notify(int fd, bool readable, bool writable, void *arg) {
	struct output *o = arg;
	char events[4096];
	while (read(fd, events, sizeof events) > 0)
		;
	rotate(o);
	struct reader *r, *next;
	for (r = LIST_FIRST(&o->readers); r != NULL; r = next) {
		next = LIST_NEXT(r, link);
		r->more(r->arg);
	}
}

int output_new(struct loop *l, const char *dir, struct output **ret, struct err *err) {
	struct output *o = calloc(1, sizeof *o);
	if (o == NULL)
		abort();
	snprintf(o->path, sizeof o->path, "%s/base.log", dir);
	snprintf(o->old_path, sizeof o->old_path, "%s/base.log.1", dir);
	o->fd = open(o->path, O_RDWR | O_CREAT | O_APPEND | O_CLOEXEC | O_NOFOLLOW, 0640);
	if (o->fd < 0) {
		int e = errno;
		free(o);
		return err_errno(err, e, "open %s/base.log", dir);
	}
	o->notify = inotify_init1(IN_NONBLOCK | IN_CLOEXEC);
	if (o->notify < 0 || inotify_add_watch(o->notify, o->path, IN_MODIFY) < 0) {
		int e = errno;
		close(o->fd);
		if (o->notify >= 0)
			close(o->notify);
		free(o);
		return err_errno(err, e, "watch the base's output (see fs.inotify.max_user_instances)");
	}
	watch_init(&o->watch, l, o->notify, true, false, on_notify, o);
	rotate(o);
	*ret = o;
	return 0;
}

void output_free(struct output *o) {
	struct reader *r;
	if (o == NULL)
		return;
	while ((r = LIST_FIRST(&o->readers)) != NULL)
		reader_free(r);
	watch_deinit(&o->watch);
	close(o->notify);
	close(o->fd);
	free(o);
}

int output_fd(struct output *o) {
	return o->fd;
}

/* The end of base.log, and before it that of base.log.1 when the first is short. */
static char *last_bytes(struct output *o, size_t max, size_t *ret_n) {
	int64_t size = file_size(o->fd);
	size_t here = size < (int64_t)max ? (size_t)size : max, there = 0;
	char *buf = malloc(max + 1);
	if (buf == NULL)
		abort();
	int old = here < max ? open(o->old_path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW) : -1;
	if (old >= 0) {
		int64_t old_size = file_size(old);
		size_t want = max - here < (size_t)old_size ? max - here : (size_t)old_size;
		ssize_t got = read_at(old, buf, want, old_size - (int64_t)want);
		there = got > 0 ? (size_t)got : 0;
		close(old);
	}
	ssize_t got = read_at(o->fd, buf + there, here, size - (int64_t)here);
	*ret_n = there + (got > 0 ? (size_t)got : 0);
	buf[*ret_n] = '\0';
	return buf;
}

char *output_tail(struct output *o, size_t max, unsigned lines) {
	size_t n;
	char *buf = last_bytes(o, max, &n);
	while (n > 0 && buf[n - 1] == '\n')
		n--;
	size_t from = n;
	for (unsigned found = 0; from > 0; from--)
		if (buf[from - 1] == '\n' && ++found == lines)
			break;
	for (size_t i = from; i < n; i++)
		if (buf[i] == '\0')
			buf[i] = ' ';
	memmove(buf, buf + from, n - from);
	buf[n - from] = '\0';
	return buf;
}

/* "berth-base: crashed in module crash:1.0.0 GET /x (SIGSEGV)", "berth-base: exit() called by module crash:1.0.0 …" */
void output_blamed(struct output *o, char ret[160]) {
	static const char *const marks[] = { "berth-base: crashed in module ", "berth-base: exit() called by module " };
	char *tail = output_tail(o, TAIL_BYTES, 20);
	ret[0] = '\0';
	for (size_t i = 0; i < sizeof marks / sizeof *marks; i++) {
		for (char *p = tail; (p = strstr(p, marks[i])) != NULL;) {
			p += strlen(marks[i]);
			snprintf(ret, 160, "%.*s", (int)strcspn(p, " \n"), p);
		}
	}
	free(tail);
}

/* ---- readers ---- */

struct reader *reader_new(struct output *o, int64_t bytes, void (*more)(void *), void *arg) {
	struct reader *r = calloc(1, sizeof *r);
	if (r == NULL)
		abort();
	int64_t size = file_size(o->fd);
	r->output = o;
	r->more = more;
	r->arg = arg;
	r->old = -1;
	r->at = size > bytes ? size - bytes : 0;
	if (bytes > size && (r->old = open(o->old_path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW)) >= 0) {
		int64_t old_size = file_size(r->old);
		r->old_at = old_size > bytes - size ? old_size - (bytes - size) : 0;
	}
	LIST_INSERT_HEAD(&o->readers, r, link);
	return r;
}

void reader_free(struct reader *r) {
	if (r == NULL)
		return;
	if (r->old >= 0)
		close(r->old);
	LIST_REMOVE(r, link);
	free(r);
}

size_t reader_read(struct reader *r, void *p, size_t n) {
	if (r->old >= 0) {
		ssize_t got = read_at(r->old, p, n, r->old_at);
		if (got > 0) {
			r->old_at += got;
			return (size_t)got;
		}
		close(r->old);
		r->old = -1;
	}
	ssize_t got = read_at(r->output->fd, p, n, r->at);
	if (got <= 0)
		return 0;
	r->at += got;
	return (size_t)got;
}
