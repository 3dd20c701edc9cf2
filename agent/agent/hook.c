/* One child per call, in a process group of its own, watched by pidfd; its output is a pipe of which the end is kept. The context is in a
 * memfd: a command that does not read it holds up nobody. */
#include "hook.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/queue.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/err.h"
#include "base/log.h"
#include "base/name.h"
#include "child.h"
#include "loop/loop.h"

#ifndef P_PIDFD
#define P_PIDFD 3
#endif

extern char **environ;

#define KEPT_BYTES 2048 /* of its output */

struct run {
	struct hooks *hooks;
	LIST_ENTRY(run) link;
	int64_t id;
	hook_done done;
	void *arg;
	pid_t pid;
	int pidfd, out;
	struct watch ended, said;
	struct timer timer; /* its time-out; or, without a child, its answer on a later turn */
	bool late, unknown;
	char cause[400], output[2 * KEPT_BYTES + 1];
	size_t n;
};

struct hooks {
	struct loop *loop;
	const char *base;
	char *const *list;
	LIST_HEAD(, run) runs;
};

static const char *command_of(const struct hooks *h, const char *name) {
	size_t n = strlen(name);
	for (char *const *p = h->list; p != NULL && *p != NULL && n > 0; p++)
		if (strncmp(*p, name, n) == 0 && (*p)[n] == '=')
			return *p + n + 1;
	return NULL;
}

int hooks_new(struct loop *l, const char *base, char *const *list, struct hooks **ret, struct err *err) {
	for (char *const *p = list; p != NULL && *p != NULL; p++) {
		const char *eq = strchr(*p, '=');
		char name[NAME_MAX + 1];
		if (eq == NULL || eq[1] == '\0' || (size_t)(eq - *p) >= sizeof name)
			return err_set(err, E_INVALID, "--hook %s: give NAME=COMMAND", *p);
		snprintf(name, sizeof name, "%.*s", (int)(eq - *p), *p);
		int rc = name_check(NAME_PLAIN, name, "", "hook", err);
		if (rc != 0)
			return rc;
	}
	struct hooks *h = calloc(1, sizeof *h);
	if (h == NULL)
		abort();
	*h = (struct hooks){ .loop = l, .base = base, .list = list };
	*ret = h;
	return 0;
}

/* ---- the end of a call ---- */

static void run_free(struct run *r) {
	timer_deinit(&r->timer);
	if (r->pidfd >= 0) {
		watch_deinit(&r->ended);
		close(r->pidfd);
	}
	if (r->out >= 0) {
		watch_deinit(&r->said);
		close(r->out);
	}
	LIST_REMOVE(r, link);
	free(r);
}

static void run_end(struct run *r, bool ok) {
	struct brain_hook x = { .ok = ok, .known = !r->unknown, .cause = ok ? NULL : r->cause, .output = r->n > 0 ? r->output : NULL };
	r->done(r->arg, r->id, &x); /* starts others at most: this one's memory is its own */
	run_free(r);
}

/* False: there is no more, now or ever. */
static bool read_some(struct run *r) {
	char piece[KEPT_BYTES];
	errno = 0;
	ssize_t n = read(r->out, piece, sizeof piece);
	if (n <= 0)
		return false;
	if (r->n + (size_t)n > 2 * KEPT_BYTES) { /* the end is what tells */
		memmove(r->output, r->output + r->n - KEPT_BYTES, KEPT_BYTES);
		r->n = KEPT_BYTES;
	}
	memcpy(r->output + r->n, piece, (size_t)n);
	r->n += (size_t)n;
	r->output[r->n] = '\0';
	return true;
}

static void on_said(int fd, bool readable, bool writable, void *arg) {
	struct run *r = arg;
	if (read_some(r) || errno == EAGAIN)
		return;
	watch_deinit(&r->said);
	close(r->out);
	r->out = -1;
}

/* "exit code 3: its last line" */
static void tell_cause(struct run *r, const siginfo_t *info) {
	char how[64];
	size_t end = r->n;
	if (r->late)
		snprintf(how, sizeof how, "it was not done within hookTimeout, and was killed");
	else if (info->si_code == CLD_EXITED)
		snprintf(how, sizeof how, "exit code %d", info->si_status);
	else
		snprintf(how, sizeof how, "killed by signal %d", info->si_status);
	while (end > 0 && r->output[end - 1] == '\n')
		end--;
	size_t from = end;
	while (from > 0 && r->output[from - 1] != '\n')
		from--;
	snprintf(r->cause, sizeof r->cause, "%s%s%.*s", how, end > from ? ": " : "", (int)(end - from), r->output + from);
}

static void on_ended(int fd, bool readable, bool writable, void *arg) {
	struct run *r = arg;
	siginfo_t info = { 0 };
	kill(-r->pid, SIGKILL); /* what it left behind; not reaped yet, its number means nobody else */
	bool known = waitid((idtype_t)P_PIDFD, (id_t)r->pidfd, &info, WEXITED) == 0;
	while (r->out >= 0 && read_some(r))
		continue;
	tell_cause(r, &info);
	run_end(r, known && !r->late && info.si_code == CLD_EXITED && info.si_status == 0);
}

static void on_time(void *arg) {
	struct run *r = arg;
	if (r->pidfd < 0) {
		run_end(r, false);
		return;
	}
	r->late = true;
	kill(-r->pid, SIGKILL);
}

/* ---- a call ---- */

static int context_fd(const char *text) {
	int fd = memfd_create("hook", MFD_CLOEXEC);
	size_t n = strlen(text);
	if (fd >= 0 && (write(fd, text, n) != (ssize_t)n || lseek(fd, 0, SEEK_SET) != 0)) {
		close(fd);
		return -1;
	}
	return fd;
}

/* Ours, and what it is called for. To be freed, the list and its last three. */
static char **environment(const struct hooks *h, const struct brain_effect *e) {
	size_t n = 0, kept = 0;
	while (environ[n] != NULL)
		n++;
	char **list = calloc(n + 4, sizeof *list);
	if (list == NULL)
		abort();
	for (size_t i = 0; i < n; i++) /* the join token is nobody else's business */
		if (strncmp(environ[i], "BERTH_AGENT_", strlen("BERTH_AGENT_")) != 0)
			list[kept++] = environ[i];
	if (asprintf(&list[kept], "BERTH_HOOK=%s", e->hook_kind) < 0 || asprintf(&list[kept + 1], "BERTH_HOOK_KEY=%s", e->hook_key) < 0 ||
	    asprintf(&list[kept + 2], "BERTH_BASE=%s", h->base) < 0)
		abort();
	return list;
}

static void environment_free(char **list) {
	size_t n = 0;
	while (list[n] != NULL)
		n++;
	for (size_t i = n - 3; i < n; i++)
		free(list[i]);
	free(list);
}

static int spawn(struct run *r, const struct brain_effect *e, const char *command, int in, int out) {
	char sh[] = "/bin/sh", c[] = "-c";
	char *argv[] = { sh, c, (char *)(uintptr_t)command, NULL };
	char **env = environment(r->hooks, e);
	int rc = child_start(argv, env, in, out, &r->pid);
	environment_free(env);
	return rc;
}

static void begin(struct run *r, const struct brain_effect *e, const char *command) {
	int in = context_fd(e->hook_context), pipes[2] = { -1, -1 };
	bool made = in >= 0 && pipe2(pipes, O_CLOEXEC) == 0 && fcntl(pipes[0], F_SETFL, O_NONBLOCK) == 0; /* our end only */
	int rc = made ? spawn(r, e, command, in, pipes[1]) : errno;
	if (in >= 0)
		close(in);
	if (pipes[1] >= 0)
		close(pipes[1]);
	r->out = pipes[0];
	if (r->out >= 0)
		watch_init(&r->said, r->hooks->loop, r->out, true, false, on_said, r);
	if (rc == 0)
		r->pidfd = (int)syscall(SYS_pidfd_open, r->pid, 0);
	if (rc == 0 && r->pidfd < 0)
		kill(-r->pid, SIGKILL);
	if (r->pidfd >= 0)
		watch_init(&r->ended, r->hooks->loop, r->pidfd, true, false, on_ended, r);
	else
		snprintf(r->cause, sizeof r->cause, "it could not be started: %s", strerror(rc != 0 ? rc : errno));
}

void hook_run(struct hooks *h, const struct brain_effect *e, hook_done done, void *arg) {
	const char *command = command_of(h, e->hook);
	struct run *r = calloc(1, sizeof *r);
	if (r == NULL)
		abort();
	*r = (struct run){ .hooks = h, .id = e->id, .done = done, .arg = arg, .pidfd = -1, .out = -1, .unknown = command == NULL };
	LIST_INSERT_HEAD(&h->runs, r, link);
	timer_init(&r->timer, h->loop, on_time, r);
	if (command == NULL)
		snprintf(r->cause, sizeof r->cause, "the agent of %s has no hook %.100s; start it with --hook %.100s=COMMAND", h->base,
		    e->hook, e->hook);
	else
		begin(r, e, command);
	timer_set(&r->timer, r->pidfd < 0 ? 0 : e->timeout_us);
}

void hooks_free(struct hooks *h) {
	struct run *r, *next;
	if (h == NULL)
		return;
	for (r = LIST_FIRST(&h->runs); r != NULL; r = next) {
		next = LIST_NEXT(r, link);
		if (r->pidfd >= 0)
			kill(-r->pid, SIGKILL);
		run_free(r);
	}
	free(h);
}
