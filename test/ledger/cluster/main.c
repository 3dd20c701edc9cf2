/* cluster COMMAND…: runs a command with a throw-away PostgreSQL, made by the ledger's own code for private clusters, and removes it.
 * The command finds it in BERTH_TEST_DATABASE (database postgres, superuser) and the folder in BERTH_TEST_DIR. */
#include <errno.h>
#include <ftw.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/clock.h"
#include "ledger/embedded.h"
#include "loop/loop.h"

struct run {
	struct loop *loop;
	struct err err;
	char info[512];
};

static void on_started(void *arg, const char *conninfo, const struct err *err) {
	struct run *r = arg;
	if (err != NULL)
		r->err = *err;
	else
		snprintf(r->info, sizeof r->info, "%s", conninfo);
	loop_stop(r->loop);
}

static void on_stopped(void *arg, const struct err *err) {
	struct run *r = arg;
	if (err != NULL)
		r->err = *err;
	loop_stop(r->loop);
}

static int run_command(char **argv) {
	pid_t pid;
	int status = 1;
	int e = posix_spawnp(&pid, argv[0], NULL, NULL, argv, environ);
	if (e != 0) {
		fprintf(stderr, "cannot start %s: %s\n", argv[0], strerror(e));
		return 1;
	}
	while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
		;
	return WIFEXITED(status) ? WEXITSTATUS(status) : 1;
}

static int remove_one(const char *path, const struct stat *st, int flag, struct FTW *ftw) {
	return remove(path);
}

int main(int argc, char **argv) {
	char dir[] = "/tmp/berth-test-XXXXXX";
	struct run r = { 0 };
	struct embedded *e;
	struct embedded_options o = { 0 };
	if (argc < 2 || mkdtemp(dir) == NULL || loop_new(&r.loop, &r.err) != 0) {
		fprintf(stderr, "usage: cluster COMMAND…\n");
		return 2;
	}
	if (embedded_start(r.loop, &clock_real, dir, &o, on_started, &r, &e, &r.err) != 0) {
		fprintf(stderr, "no PostgreSQL for the tests: %s\n", r.err.text);
		return 1;
	}
	loop_run(r.loop);
	int status = 1;
	if (r.err.code == 0) {
		setenv("BERTH_TEST_DATABASE", r.info, 1);
		setenv("BERTH_TEST_DIR", dir, 1);
		status = run_command(argv + 1);
	}
	embedded_stop(e, on_stopped, &r);
	loop_run(r.loop);
	if (r.err.code != 0)
		fprintf(stderr, "%s\n", r.err.text);
	embedded_free(e);
	loop_free(r.loop);
	nftw(dir, remove_one, 16, FTW_DEPTH | FTW_PHYS);
	return r.err.code != 0 ? 1 : status;
}
