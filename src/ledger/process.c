/* posix_spawn, not fork: the server has threads and an initialised gRPC. */
#include "ledger/process.h"

#include <errno.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/pidfd.h>
#include <sys/wait.h>
#include <unistd.h>

#define MAX_ARGS 48
#define MAX_ENV 64

static void on_end(int fd, bool readable, bool writable, void *arg) {
	struct process *p = arg;
	int status = 0;
	bool known = p->child && waitpid(p->pid, &status, WNOHANG) == p->pid;
	void (*died)(void *, bool, int) = p->died;
	process_forget(p);
	died(p->arg, known, status);
}

static int follow(struct process *p, struct loop *l, pid_t pid, bool child, void (*died)(void *, bool, int), void *arg, struct err *err) {
	int fd = pidfd_open(pid, 0);
	if (fd < 0 && errno == ESRCH)
		return err_set(err, E_NOT_FOUND, "process %d is gone", (int)pid);
	if (fd < 0)
		return err_errno(err, errno, "pidfd_open of process %d", (int)pid);
	*p = (struct process){ .pid = pid, .pidfd = fd, .child = child, .died = died, .arg = arg };
	watch_init(&p->watch, l, fd, true, false, on_end, p);
	return 0;
}

static int spawn(const char *const *argv, const char *const *more, int out, pid_t *ret, struct err *err) {
	const char *env[MAX_ENV] = { "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", "LC_ALL=C.UTF-8", "HOME=/" };
	for (int i = 0, n = 3; more != NULL && more[i] != NULL && n < MAX_ENV - 1; i++)
		env[n++] = more[i];
	posix_spawn_file_actions_t files;
	posix_spawnattr_t attr;
	sigset_t all, none;
	sigfillset(&all);
	sigemptyset(&none);
	posix_spawn_file_actions_init(&files);
	posix_spawn_file_actions_addopen(&files, 0, "/dev/null", O_RDONLY, 0);
	posix_spawn_file_actions_adddup2(&files, out, 1);
	posix_spawn_file_actions_adddup2(&files, out, 2);
	posix_spawn_file_actions_addclosefrom_np(&files, 3);
	posix_spawn_file_actions_addchdir_np(&files, "/");
	posix_spawnattr_init(&attr);
	posix_spawnattr_setsigdefault(&attr, &all);
	posix_spawnattr_setsigmask(&attr, &none);
	posix_spawnattr_setflags(&attr, POSIX_SPAWN_SETSIGDEF | POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSID);
	union {
		const char *const *in;
		char *const *out;
	} args = { argv }, environment = { env };
	int e = posix_spawnp(ret, argv[0], &files, &attr, args.out, environment.out);
	posix_spawn_file_actions_destroy(&files);
	posix_spawnattr_destroy(&attr);
	return e == 0 ? 0 : err_errno(err, e, "cannot start %s", argv[0]);
}

int process_start(
    struct process *p, struct loop *l, const struct process_spec *spec, void (*died)(void *, bool, int), void *arg, struct err *err) {
	const char *argv[MAX_ARGS];
	char reuid[80], regid[80];
	int n = 0;
	if (spec->user != NULL) {
		snprintf(reuid, sizeof reuid, "--reuid=%s", spec->user);
		snprintf(regid, sizeof regid, "--regid=%s", spec->user);
		argv[n++] = "setpriv";
		argv[n++] = reuid;
		argv[n++] = regid;
		argv[n++] = "--init-groups";
		argv[n++] = "--";
	}
	for (int i = 0; spec->argv[i] != NULL && n < MAX_ARGS - 1; i++)
		argv[n++] = spec->argv[i];
	argv[n] = NULL;
	pid_t pid;
	int r = spawn(argv, spec->env, spec->out, &pid, err);
	return r != 0 ? r : follow(p, l, pid, true, died, arg, err);
}

int process_adopt(struct process *p, struct loop *l, pid_t pid, void (*died)(void *, bool, int), void *arg, struct err *err) {
	return follow(p, l, pid, false, died, arg, err);
}

void process_signal(struct process *p, int signo) {
	if (p->pid != 0)
		pidfd_send_signal(p->pidfd, signo, NULL, 0);
}

void process_forget(struct process *p) {
	if (p->pid == 0)
		return;
	watch_deinit(&p->watch);
	close(p->pidfd);
	p->pid = 0;
}
