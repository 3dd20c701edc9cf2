/* Runs pg_dump or pg_restore with the database's address in its environment, and looks after the file. Decides nothing else. */
#include "ledger/dump.h"

#include <errno.h>
#include <libpq-fe.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/arena.h"
#include "base/file.h"
#include "ledger/embedded_dir.h"
#include "ledger/process.h"

#define MAX_ENV 48

struct dump {
	struct process process;
	struct arena *arena;
	const char *program, *file, *part; /* part: what is written, until it is whole; NULL when reading */
	const char *env[MAX_ENV + 1];
	dump_done done;
	void *arg;
};

/* Every option that has a variable: the command line can be read by everybody on the machine. */
static int fill_env(struct dump *d, const char *conninfo, struct err *err) {
	char *text = NULL;
	int n = 0;
	PQconninfoOption *all = PQconninfoParse(conninfo, &text);
	if (all == NULL) {
		err_set(err, E_INVALID, "the database's address cannot be read: %s", text == NULL ? "no memory" : text);
		PQfreemem(text);
		return E_INVALID;
	}
	for (const PQconninfoOption *o = all; o->keyword != NULL && n < MAX_ENV; o++)
		if (o->envvar != NULL && o->val != NULL && *o->val != '\0')
			d->env[n++] = arena_printf(d->arena, "%s=%s", o->envvar, o->val);
	PQconninfoFree(all);
	return 0;
}

static const char *database_of(const struct dump *d) {
	for (int i = 0; d->env[i] != NULL; i++)
		if (strncmp(d->env[i], "PGDATABASE=", 11) == 0)
			return d->env[i] + 11;
	return "berth";
}

/* ---- the end ------------------------------------------------------------------------------------------------------------------------- */

static int finish(struct dump *d, bool known, int status, struct err *err) {
	if (known && WIFSIGNALED(status))
		return err_set(err, E_CANCELLED, "%s was ended by signal %d", d->program, WTERMSIG(status));
	if (!known || status != 0)
		return err_set(
		    err, E_UNAVAILABLE, "%s failed (status %d); what it said stands above", d->program, known ? WEXITSTATUS(status) : -1);
	if (d->part == NULL)
		return 0;
	if (rename(d->part, d->file) != 0)
		return err_errno(err, errno, "%s", d->file);
	return dir_sync_parent(d->file, err);
}

static void on_end(void *arg, bool known, int status) {
	struct dump *d = arg;
	struct err err;
	int r = finish(d, known, status, &err);
	if (r != 0 && d->part != NULL)
		unlink(d->part);
	d->done(d->arg, r == 0 ? NULL : &err);
}

/* ---- the beginning ------------------------------------------------------------------------------------------------------------------- */

static int make(const char *conninfo, const char *file, dump_done done, void *arg, struct dump **ret, struct err *err) {
	struct dump *d = calloc(1, sizeof *d);
	if (d == NULL)
		return err_set(err, E_NOMEM, "no memory for a backup");
	d->arena = arena_new();
	d->file = arena_strdup(d->arena, file);
	d->done = done;
	d->arg = arg;
	int r = fill_env(d, conninfo, err);
	if (r != 0)
		dump_free(d);
	else
		*ret = d;
	return r;
}

static int start(struct dump *d, struct loop *l, const char *dir, const char *program, const char **argv, struct err *err) {
	char bindir[PATH_MAX];
	int r = cluster_programs(dir, bindir, err);
	if (r != 0)
		return r;
	d->program = program;
	argv[0] = arena_printf(d->arena, "%s/%s", bindir, program);
	struct process_spec spec = { .argv = argv, .env = d->env, .out = STDERR_FILENO };
	return process_start(&d->process, l, &spec, on_end, d, err);
}

/* Made here, so that it is nobody's but ours to read from its first byte on. */
static int make_part(struct dump *d, struct err *err) {
	if (access(d->file, F_OK) == 0)
		return err_set(err, E_EXISTS, "%s is there already; a backup replaces nothing, choose another name", d->file);
	d->part = arena_printf(d->arena, "%s.%d.part", d->file, (int)getpid());
	return file_write(d->part, "", 0, 0600, err);
}

int dump_write(struct loop *l, const char *conninfo, const char *dir, const char *file, dump_done done, void *arg, struct dump **ret,
    struct err *err) {
	struct dump *d;
	int r = make(conninfo, file, done, arg, &d, err);
	if (r != 0)
		return r;
	r = make_part(d, err);
	if (r == 0) {
		const char *argv[] = { NULL, "--format=custom", "--compress=1", "--no-owner", "--no-privileges", "--no-password",
			"--lock-wait-timeout=60s", arena_printf(d->arena, "--file=%s", d->part), NULL };
		r = start(d, l, dir, "pg_dump", argv, err);
	}
	if (r != 0)
		dump_free(d);
	else
		*ret = d;
	return r;
}

int dump_read(struct loop *l, const char *conninfo, const char *dir, const char *file, dump_done done, void *arg, struct dump **ret,
    struct err *err) {
	struct dump *d;
	int r = make(conninfo, file, done, arg, &d, err);
	if (r != 0)
		return r;
	const char *argv[] = { NULL, "--exit-on-error", "--single-transaction", "--no-owner", "--no-privileges", "--no-password",
		arena_printf(d->arena, "--dbname=%s", database_of(d)), d->file, NULL };
	r = start(d, l, dir, "pg_restore", argv, err);
	if (r != 0)
		dump_free(d);
	else
		*ret = d;
	return r;
}

void dump_cancel(struct dump *d) {
	process_signal(&d->process, SIGTERM);
}

void dump_free(struct dump *d) {
	if (d == NULL)
		return;
	process_forget(&d->process);
	arena_free(d->arena);
	free(d);
}
