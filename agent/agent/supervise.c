/* The kernel's start time makes a pid unmistakable; a pidfd opened in between two looks at it can only be of that process. */
#include "supervise.h"

#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/err.h"
#include "base/file.h"
#include "base/log.h"
#include "child.h"
#include "loop/loop.h"
#include "output.h"
#include "ports.h"
#include "loop/worker.h"

#ifndef P_PIDFD
#define P_PIDFD 3
#endif

extern char **environ;

#define TAIL_BYTES 2048
#define TAIL_LINES 12

struct supervise {
	struct loop *loop;
	struct output *output;
	struct worker *worker;
	struct job clean;
	char **command, base[64], dir[PATH_MAX - 16], work[PATH_MAX];
	bool java, child, starting;
	struct ports ports;
	int64_t want_arklet, want_http;
	int64_t pid;
	int pidfd;
	struct watch watch;
	supervise_started_fn started;
	supervise_exited_fn exited;
	void *arg;
};

static int64_t start_time(int64_t pid, bool dead_too) {
	char path[64], text[1024];
	snprintf(path, sizeof path, "/proc/%lld/stat", (long long)pid);
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return 0;
	ssize_t n = read(fd, text, sizeof text - 1);
	close(fd);
	if (n <= 0)
		return 0;
	text[n] = '\0';
	char *p = strrchr(text, ')'); /* the name before it may hold anything */
	if (p == NULL || p[1] != ' ' || (!dead_too && (p[2] == 'Z' || p[2] == 'X')))
		return 0;
	p += 2; /* field 3 */
	for (int field = 3; field < 22 && p != NULL; field++) {
		p = strchr(p, ' ');
		p = p == NULL ? NULL : p + 1;
	}
	return p == NULL ? 0 : strtoll(p, NULL, 10);
}

int64_t process_start_time(int64_t pid) {
	return start_time(pid, false);
}

char *placeholders_fill(const char *text, const char *const *names, const char *const *values) {
	size_t size = strlen(text) + 1;
	char *out = NULL;
	FILE *f = open_memstream(&out, &size);
	if (f == NULL)
		abort();
	while (*text != '\0') {
		size_t i = 0;
		for (; *text == '{' && names[i] != NULL; i++)
			if (strncmp(text + 1, names[i], strlen(names[i])) == 0 && text[1 + strlen(names[i])] == '}')
				break;
		if (*text == '{' && names[i] != NULL) {
			fputs(values[i], f);
			text += strlen(names[i]) + 2;
		} else {
			fputc(*text++, f);
		}
	}
	fclose(f);
	return out;
}

/* ---- the end of the process ---- */

static void forget(struct supervise *s) {
	watch_deinit(&s->watch);
	close(s->pidfd);
	s->pidfd = -1;
	s->pid = 0;
}

static const char *signal_text(int signo, char buf[64]) {
	const char *name = sigabbrev_np(signo);
	snprintf(buf, 64, "was killed by %s%s", name != NULL ? "SIG" : "signal", name != NULL ? name : "");
	return buf;
}

static void on_exit_of_base(int fd, bool readable, bool writable, void *arg) {
	struct supervise *s = arg;
	siginfo_t info = { 0 };
	char text[64] = "ended; how is not known, it was not our child", blamed[160];
	/* What it left in its group holds ports that the next one needs. As long as it is not reaped its id cannot mean anybody else. */
	if (s->child)
		kill(-(pid_t)s->pid, SIGKILL);
	bool known = s->child && waitid((idtype_t)P_PIDFD, (id_t)s->pidfd, &info, WEXITED) == 0;
	bool by_signal = info.si_code == CLD_KILLED || info.si_code == CLD_DUMPED;
	struct brain_exit x = { .known = known,
		.text = text,
		.signo = known && by_signal ? info.si_status : 0,
		.code = known && !by_signal ? info.si_status : 0 };
	if (known && by_signal)
		signal_text(x.signo, text);
	else if (known)
		snprintf(text, sizeof text, "ended with exit code %d", x.code);
	char *tail = output_tail(s->output, TAIL_BYTES, TAIL_LINES);
	output_blamed(s->output, blamed);
	x.output = tail;
	x.blamed = blamed[0] != '\0' ? blamed : NULL;
	forget(s);
	s->exited(s->arg, &x);
	free(tail);
}

static bool watch_process(struct supervise *s, int64_t pid, bool child) {
	s->pidfd = (int)syscall(SYS_pidfd_open, (pid_t)pid, 0);
	if (s->pidfd < 0)
		return false;
	s->pid = pid;
	s->child = child;
	watch_init(&s->watch, s->loop, s->pidfd, true, false, on_exit_of_base, s);
	return true;
}

bool supervise_adopt(struct supervise *s, int64_t pid, int64_t pid_start) {
	if (pid <= 1 || pid_start == 0 || process_start_time(pid) != pid_start || !watch_process(s, pid, false))
		return false;
	if (process_start_time(pid) == pid_start && ports_load(&s->ports, s->dir))
		return true;
	forget(s);
	return false;
}

/* ---- starting ---- */

int supervise_prepare(struct supervise *s, struct err *err) {
	return ports_choose(&s->ports, s->dir, (int)s->want_arklet, (int)s->want_http, err);
}

static void env_add(char ***list, size_t *n, const char *name, const char *value) {
	char *entry;
	char **more = realloc(*list, (*n + 2) * sizeof *more);
	if (more == NULL || asprintf(&entry, "%s=%s", name, value) < 0)
		abort();
	more[(*n)++] = entry;
	more[*n] = NULL;
	*list = more;
}

static bool ours(const char *entry) {
	static const char *const names[] = { "BERTH_ARKLET_PORT=", "BERTH_HTTP_PORT=", "BERTH_WORK_DIR=", "BERTH_BASE=",
		"BERTH_BASE_LISTEN=", "BERTH_BASE_LISTEN_ARKLET=", "BERTH_BASE_WORK_DIR=", "BERTH_BASE_NAME=", "BERTH_AGENT_",
		"JAVA_TOOL_OPTIONS=" };
	for (size_t i = 0; i < sizeof names / sizeof *names; i++)
		if (strncmp(entry, names[i], strlen(names[i])) == 0)
			return true;
	return false;
}

/* A JVM takes these as if they stood before its own arguments, which win. */
static void env_java(struct supervise *s, char ***env, size_t *n) {
	const char *old = getenv("JAVA_TOOL_OPTIONS");
	char *options;
	if (asprintf(&options,
	        "-Dkoupleless.arklet.http.port=%d -Dsofa.ark.telnet.server.enable=false -Dcom.alipay.sofa.ark.biz.dir=%s%s%s",
	        s->ports.arklet, s->work, old != NULL ? " " : "", old != NULL ? old : "") < 0)
		abort();
	env_add(env, n, "JAVA_TOOL_OPTIONS", options);
	free(options);
}

/* The agent's own settings, its token among them, are none of the base's business. */
static char **env_make(struct supervise *s) {
	char **env = NULL, port[16], address[32];
	size_t n = 0;
	for (char **e = environ; *e != NULL; e++) {
		if (ours(*e))
			continue;
		char *eq = strchr(*e, '=');
		if (eq == NULL)
			continue;
		char *name = strndup(*e, (size_t)(eq - *e));
		env_add(&env, &n, name, eq + 1);
		free(name);
	}
	snprintf(port, sizeof port, "%d", s->ports.arklet);
	snprintf(address, sizeof address, "127.0.0.1:%d", s->ports.arklet);
	env_add(&env, &n, "BERTH_ARKLET_PORT", port);
	env_add(&env, &n, "BERTH_BASE_LISTEN_ARKLET", address);
	snprintf(port, sizeof port, "%d", s->ports.http);
	snprintf(address, sizeof address, "127.0.0.1:%d", s->ports.http);
	env_add(&env, &n, "BERTH_HTTP_PORT", port);
	env_add(&env, &n, "BERTH_BASE_LISTEN", address);
	env_add(&env, &n, "BERTH_WORK_DIR", s->work);
	env_add(&env, &n, "BERTH_BASE_WORK_DIR", s->work);
	env_add(&env, &n, "BERTH_BASE", s->base);
	env_add(&env, &n, "BERTH_BASE_NAME", s->base);
	if (s->java)
		env_java(s, &env, &n);
	return env;
}

static char **argv_make(struct supervise *s) {
	static const char *const names[] = { "arklet_port", "http_port", "work_dir", "data", "base", NULL };
	char arklet[16], http[16];
	const char *values[] = { arklet, http, s->work, s->dir, s->base };
	size_t n = 0;
	snprintf(arklet, sizeof arklet, "%d", s->ports.arklet);
	snprintf(http, sizeof http, "%d", s->ports.http);
	while (s->command[n] != NULL)
		n++;
	char **argv = calloc(n + 1, sizeof *argv);
	if (argv == NULL)
		abort();
	for (size_t i = 0; i < n; i++)
		argv[i] = placeholders_fill(s->command[i], names, values);
	return argv;
}

static void list_free(char **list) {
	for (size_t i = 0; list != NULL && list[i] != NULL; i++)
		free(list[i]);
	free(list);
}

static int spawn(struct supervise *s, pid_t *ret_pid) {
	char **argv = argv_make(s), **env = env_make(s);
	int e = child_start(argv, env, -1, output_fd(s->output), ret_pid);
	list_free(argv);
	list_free(env);
	return e;
}

static struct supervise *of_job(struct job *job) {
	return (struct supervise *)(void *)((char *)job - offsetof(struct supervise, clean));
}

static int remove_one(const char *path, const struct stat *st, int type, struct FTW *ftw) {
	if (ftw->level > 0)
		remove(path);
	return 0;
}

/* arklet leaves unpacked modules of earlier lives behind; nobody uses them while the base is down. */
static void run_clean(struct job *job) {
	nftw(of_job(job)->work, remove_one, 16, FTW_DEPTH | FTW_PHYS | FTW_MOUNT);
}

static void cleaned(struct job *job) {
	struct supervise *s = of_job(job);
	struct err err = ERR_INIT;
	pid_t pid;
	s->starting = false;
	int rc = ports_choose(&s->ports, s->dir, (int)s->want_arklet, (int)s->want_http, &err);
	int e = rc == 0 ? spawn(s, &pid) : 0;
	if (rc == 0 && e != 0)
		rc = err_errno(&err, e, "%s", s->command[0]);
	if (rc == 0 && !watch_process(s, pid, true)) {
		rc = err_errno(&err, errno, "watch process %d", (int)pid);
		kill(-pid, SIGKILL);
	}
	if (rc != 0)
		s->started(s->arg, 0, 0, &err);
	else
		s->started(s->arg, pid, start_time(pid, true), NULL); /* it may be over already */
}

void supervise_start(struct supervise *s) {
	if (s->pid != 0 || s->starting)
		return;
	s->starting = true;
	s->clean = (struct job){ .run = run_clean, .done = cleaned };
	worker_submit(s->worker, &s->clean);
}

void supervise_signal(struct supervise *s, int signo) {
	if (s->pid != 0 && kill(-(pid_t)s->pid, signo) != 0)
		log_warn("cannot signal the base", log_i("pid", s->pid), log_s("error", strerror(errno)));
}

int64_t supervise_pid(const struct supervise *s) {
	return s->pid;
}

int supervise_arklet_port(const struct supervise *s) {
	return s->ports.arklet;
}

int supervise_http_port(const struct supervise *s) {
	return s->ports.http;
}

/* A file of the base's under /proc; false when there is none. */
static bool proc_read(const struct supervise *s, const char *name, char *text, size_t size) {
	char path[64];
	snprintf(path, sizeof path, "/proc/%lld/%s", (long long)s->pid, name);
	int fd = s->pid == 0 ? -1 : open(path, O_RDONLY | O_CLOEXEC);
	ssize_t n = fd < 0 ? -1 : read(fd, text, size - 1);
	if (fd >= 0)
		close(fd);
	if (n <= 0)
		return false;
	text[n] = '\0';
	return true;
}

int64_t supervise_memory(const struct supervise *s) {
	char text[128];
	long long pages = 0, resident = 0;
	if (!proc_read(s, "statm", text, sizeof text) || sscanf(text, "%lld %lld", &pages, &resident) != 2)
		return 0;
	return resident * sysconf(_SC_PAGESIZE);
}

int64_t supervise_threads(const struct supervise *s) {
	static const char mark[] = "\nThreads:";
	char text[4096];
	const char *found = proc_read(s, "status", text, sizeof text) ? strstr(text, mark) : NULL;
	return found == NULL ? 0 : strtoll(found + sizeof mark - 1, NULL, 10);
}

int supervise_new(struct loop *l, struct output *o, const struct supervise_config *cfg, supervise_started_fn started,
    supervise_exited_fn exited, void *arg, struct supervise **ret, struct err *err) {
	struct supervise *s = calloc(1, sizeof *s);
	if (s == NULL)
		abort();
	s->loop = l;
	s->output = o;
	s->command = cfg->command;
	s->java = cfg->java;
	s->want_arklet = cfg->arklet_port;
	s->want_http = cfg->http_port;
	s->pidfd = -1;
	s->started = started;
	s->exited = exited;
	s->arg = arg;
	snprintf(s->base, sizeof s->base, "%s", cfg->base);
	char *real = realpath(cfg->dir, NULL); /* the base may change its folder */
	snprintf(s->dir, sizeof s->dir, "%s", real != NULL ? real : cfg->dir);
	snprintf(s->work, sizeof s->work, "%s/work", s->dir);
	free(real);
	int rc = dir_make(s->work, 0755, err);
	if (rc == 0)
		rc = worker_new(l, &s->worker, err);
	if (rc != 0) {
		free(s);
		return rc;
	}
	*ret = s;
	return 0;
}

void supervise_free(struct supervise *s) {
	if (s == NULL)
		return;
	worker_free(s->worker);
	if (s->pid != 0)
		forget(s);
	free(s);
}
