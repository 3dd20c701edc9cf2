/* posix_spawn and not fork: gRPC's threads run already (glibc's posix_spawn calls no fork handlers). */
#include "child.h"

#include <fcntl.h>
#include <signal.h>
#include <spawn.h>

static void files_set(posix_spawn_file_actions_t *files, int in, int out) {
	posix_spawn_file_actions_init(files);
	if (in >= 0)
		posix_spawn_file_actions_adddup2(files, in, 0);
	else
		posix_spawn_file_actions_addopen(files, 0, "/dev/null", O_RDONLY, 0);
	posix_spawn_file_actions_adddup2(files, out, 1);
	posix_spawn_file_actions_adddup2(files, out, 2);
}

static void signals_set(posix_spawnattr_t *attr) {
	sigset_t none, all;
	sigemptyset(&none);
	sigfillset(&all);
	posix_spawnattr_init(attr);
	posix_spawnattr_setpgroup(attr, 0);
	posix_spawnattr_setsigmask(attr, &none);
	posix_spawnattr_setsigdefault(attr, &all);
	posix_spawnattr_setflags(attr, POSIX_SPAWN_SETPGROUP | POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF);
}

int child_start(char *const argv[], char *const env[], int in, int out, pid_t *ret_pid) {
	posix_spawn_file_actions_t files;
	posix_spawnattr_t attr;
	files_set(&files, in, out);
	signals_set(&attr);
	int e = posix_spawnp(ret_pid, argv[0], &files, &attr, argv, env);
	posix_spawnattr_destroy(&attr);
	posix_spawn_file_actions_destroy(&files);
	return e;
}
