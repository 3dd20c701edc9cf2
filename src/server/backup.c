/* berthd backup and berthd restore, each a step machine on a loop of its own: the private database is started when no server runs, dumped
 * or filled, and stopped again.
 *
 * A restore makes its cluster in DATA/restore and hands it to the data folder when it is whole: a folder without pg/ is fresh, whatever
 * happened before. What the restored database lacks of what agents have seen is the server's to notice (P13). */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "base/err.h"
#include "base/file.h"
#include "ledger/dump.h"
#include "ledger/embedded.h"
#include "ledger/embedded_dir.h"
#include "loop/loop.h"
#include "server/command.h"
#include "server/datadir.h"

struct job {
	const char *data; /* the folder with the cluster */
	const char *file;
	bool reads; /* a restore */
	char conninfo[1024];
	struct loop *loop;
	struct deferred next; /* a step is never taken within the callback of what it frees */
	struct embedded *embedded;
	struct dump *dump;
	bool dumping, done;
	struct err err; /* the first one */
};

static void note(struct job *j, const struct err *err) {
	if (err != NULL && j->err.code == 0)
		j->err = *err;
	deferred_schedule(&j->next);
}

static void on_stopped(void *arg, const struct err *err) {
	struct job *j = arg;
	if (err != NULL && j->err.code == 0)
		j->err = *err;
	loop_stop(j->loop);
}

static void on_dumped(void *arg, const struct err *err) {
	struct job *j = arg;
	j->dumping = false;
	j->done = true;
	note(j, err);
}

static void on_started(void *arg, const char *conninfo, const struct err *err) {
	struct job *j = arg;
	if (err == NULL)
		snprintf(j->conninfo, sizeof j->conninfo, "%s", conninfo);
	note(j, err);
}

static void start_dump(struct job *j) {
	struct err err;
	int r = j->reads ? dump_read(j->loop, j->conninfo, j->data, j->file, on_dumped, j, &j->dump, &err)
	                 : dump_write(j->loop, j->conninfo, j->data, j->file, on_dumped, j, &j->dump, &err);
	j->dumping = r == 0;
	if (r != 0)
		note(j, &err);
}

static void start_database(struct job *j) {
	struct err err;
	struct embedded_options o = { 0 };
	if (embedded_start(j->loop, &clock_real, j->data, &o, on_started, j, &j->embedded, &err) != 0)
		note(j, &err);
}

/* Without an address the private database comes first; at the end, or after an error, it goes. */
static void on_next(void *arg) {
	struct job *j = arg;
	if (j->dumping)
		return;
	if (j->err.code == 0 && !j->done && *j->conninfo == '\0')
		start_database(j);
	else if (j->err.code == 0 && !j->done)
		start_dump(j);
	else if (j->embedded != NULL)
		embedded_stop(j->embedded, on_stopped, j);
	else
		loop_stop(j->loop);
}

static void on_signal(int signo, void *arg) {
	struct job *j = arg;
	struct err err;
	err_set(&err, E_CANCELLED, "interrupted; nothing was left behind");
	if (j->err.code != 0 || j->done)
		return;
	if (j->dumping)
		dump_cancel(j->dump);
	note(j, &err);
}

static int job_run(struct job *j, struct err *err) {
	int r = loop_new(&j->loop, err);
	if (r != 0)
		return r;
	signal(SIGPIPE, SIG_IGN);
	loop_on_signal(j->loop, SIGINT, on_signal, j);
	loop_on_signal(j->loop, SIGTERM, on_signal, j);
	deferred_init(&j->next, j->loop, on_next, j);
	deferred_schedule(&j->next);
	loop_run(j->loop);
	dump_free(j->dump);
	embedded_free(j->embedded);
	deferred_deinit(&j->next);
	loop_free(j->loop);
	if (j->err.code != 0)
		*err = j->err;
	return j->err.code;
}

static bool has_cluster(const char *data) {
	char path[600];
	snprintf(path, sizeof path, "%s/pg", data);
	return access(path, F_OK) == 0;
}

/* The programs that read and write it work in another folder. */
static int absolute(const char *path, char *to, size_t size, struct err *err) {
	char cwd[2048] = "";
	if (*path != '/' && getcwd(cwd, sizeof cwd) == NULL)
		return err_errno(err, errno, "the working folder");
	int n = snprintf(to, size, "%s%s%s", cwd, *path == '/' ? "" : "/", path);
	return n > 0 && (size_t)n < size ? 0 : err_set(err, E_INVALID, "the path of the backup is too long");
}

/* ---- backup -------------------------------------------------------------------------------------------------------------------------- */

/* In a folder it gets a name by its time, in UTC. */
static int name_file(const char *given, char *to, size_t size, struct err *err) {
	char path[3000];
	struct stat st;
	struct tm tm;
	char stamp[32] = "";
	time_t now = time(NULL);
	int r = absolute(given, path, sizeof path, err);
	if (r != 0)
		return r;
	bool folder = stat(path, &st) == 0 && S_ISDIR(st.st_mode);
	if (folder && gmtime_r(&now, &tm) != NULL)
		strftime(stamp, sizeof stamp, "/berth-%Y%m%dT%H%M%SZ.backup", &tm);
	int n = snprintf(to, size, "%s%s", path, stamp);
	return n > 0 && (size_t)n < size - 32 ? 0 : err_set(err, E_INVALID, "the path of the backup is too long");
}

/* A server that runs says where its database is; without one the folder is locked, so that none starts in between. */
static int find_database(const struct server_options *o, struct job *j, struct datadir *lock, struct err *err) {
	char path[600], *text;
	if (o->database_url != NULL) {
		snprintf(j->conninfo, sizeof j->conninfo, "%s", o->database_url);
		return 0;
	}
	if (!has_cluster(o->data_dir))
		return err_set(err, E_NOT_FOUND, "%s holds no database; say which with --data or --database-url", o->data_dir);
	int r = datadir_open(o->data_dir, lock, err);
	if (r != E_EXISTS)
		return r;
	snprintf(path, sizeof path, "%s/pg.conninfo", o->data_dir);
	r = file_read(path, sizeof j->conninfo - 1, &text, NULL, err);
	if (r != 0)
		return r;
	snprintf(j->conninfo, sizeof j->conninfo, "%s", text);
	free(text);
	return 0;
}

int backup_run(const struct server_options *o, const char *path, struct err *err) {
	char file[4096];
	struct stat st;
	struct datadir lock = { 0 };
	struct job j = { .data = o->data_dir, .file = file };
	int r = name_file(path, file, sizeof file, err);
	if (r == 0)
		r = find_database(o, &j, &lock, err);
	if (r == 0)
		r = job_run(&j, err);
	datadir_close(&lock);
	if (r == 0 && stat(file, &st) != 0)
		r = err_errno(err, errno, "%s", file);
	if (r == 0)
		printf("%s: %lld bytes\n", file, (long long)st.st_size);
	return r;
}

/* ---- restore ------------------------------------------------------------------------------------------------------------------------- */

static int check_file(const char *file, struct err *err) {
	char magic[5];
	int fd = open(file, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return err_errno(err, errno, "%s", file);
	ssize_t n = read(fd, magic, sizeof magic);
	close(fd);
	if (n != (ssize_t)sizeof magic || memcmp(magic, "PGDMP", sizeof magic) != 0)
		return err_set(err, E_MALFORMED, "%s is not a backup made by berthd backup", file);
	return 0;
}

static int restore_locked(const struct server_options *o, const char *file, struct err *err) {
	char stage[600];
	struct job j = { .data = stage, .file = file, .reads = true };
	struct err ignored;
	snprintf(stage, sizeof stage, "%s/restore", o->data_dir);
	int r = cluster_stage_clear(stage, err);
	if (r == 0)
		r = job_run(&j, err);
	if (r == 0)
		r = cluster_stage_take(stage, o->data_dir, err);
	cluster_stage_clear(stage, &ignored);
	return r;
}

int restore_run(const struct server_options *o, const char *path, struct err *err) {
	char file[3000];
	struct datadir lock = { 0 };
	if (o->database_url != NULL)
		return err_set(err, E_INVALID,
		    "restore makes a private database; into one of your own the file goes with: pg_restore --no-owner --single-transaction "
		    "-d CONNINFO %.200s",
		    path);
	int r = absolute(path, file, sizeof file, err);
	if (r == 0)
		r = check_file(file, err);
	if (r == 0)
		r = datadir_open(o->data_dir, &lock, err);
	if (r != 0)
		return r;
	if (has_cluster(o->data_dir))
		r = err_set(
		    err, E_EXISTS, "%s holds a database already; choose a fresh folder with --data, or move its pg/ away", o->data_dir);
	else
		r = restore_locked(o, file, err);
	datadir_close(&lock);
	if (r == 0)
		printf("restored into %s; start it with: berthd --data %s\n"
		       "If agents or the witness file have seen newer state, it stays read-only until it is started once with "
		       "--accept-older.\n",
		    o->data_dir, o->data_dir);
	return r;
}
