/* The private cluster: made, found again, adopted, killed, moved, refused. */
#include "ledger/embedded.h"

#include "world.h"

#include <fcntl.h>
#include <ftw.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <event2/event.h>

#include "base/file.h"
#include "base/log.h"

struct cluster_test {
	struct loop *loop;
	char top[64], dir[512];
	struct embedded *e;
	bool done, stopped;
	struct err err;
	char info[512];
	int downs, ups;
	bool back;
};

static void on_started(void *arg, const char *conninfo, const struct err *err) {
	struct cluster_test *c = arg;
	c->done = true;
	if (err != NULL)
		c->err = *err;
	else
		snprintf(c->info, sizeof c->info, "%s", conninfo);
}

static void on_stopped(void *arg, const struct err *err) {
	struct cluster_test *c = arg;
	ck_assert_msg(err == NULL, "%s", err->text);
	c->stopped = true;
}

static void on_changed(void *arg, const struct err *err) {
	struct cluster_test *c = arg;
	if (err != NULL)
		c->downs++;
	else
		c->ups++;
	c->back = err == NULL;
}

static void spin(struct cluster_test *c, const bool *flag) {
	mono_t begin = clock_mono(&clock_real);
	while (!*flag) {
		struct timeval tv = { .tv_usec = 100000 };
		event_base_loopexit(loop_base(c->loop), &tv);
		event_base_loop(loop_base(c->loop), EVLOOP_ONCE);
		ck_assert_msg(mono_diff(clock_mono(&clock_real), begin) < 40 * US_PER_S, "waited for 40 s");
	}
}

static void prepare(struct cluster_test *c) {
	struct err err;
	memset(c, 0, sizeof *c);
	log_setup("ledger-tests", LOG_LEVEL_ERROR, LOG_FORMAT_LOGFMT, STDERR_FILENO);
	snprintf(c->top, sizeof c->top, "/tmp/berth-embedded-XXXXXX");
	ck_assert_ptr_nonnull(mkdtemp(c->top));
	ck_assert_int_eq(chmod(c->top, 0755), 0);
	/* Deeper than a socket path may be long. */
	snprintf(c->dir, sizeof c->dir, "%s/%0100d/data", c->top, 0);
	ck_assert_int_eq(loop_new(&c->loop, &err), 0);
}

static int start(struct cluster_test *c) {
	struct embedded_options o = { .changed = on_changed, .arg = c };
	c->done = c->stopped = false;
	c->err = ERR_INIT;
	c->e = NULL;
	if (embedded_start(c->loop, &clock_real, c->dir, &o, on_started, c, &c->e, &c->err) != 0)
		return c->err.code;
	ck_assert(!c->done);
	spin(c, &c->done);
	return c->err.code;
}

static void start_well(struct cluster_test *c) {
	int r = start(c);
	ck_assert_msg(r == 0, "%s", c->err.text);
}

static void stop(struct cluster_test *c) {
	embedded_stop(c->e, on_stopped, c);
	spin(c, &c->stopped);
	embedded_free(c->e);
	c->e = NULL;
}

static int remove_one(const char *path, const struct stat *st, int flag, struct FTW *ftw) {
	return remove(path);
}

static void clean(struct cluster_test *c) {
	embedded_free(c->e);
	loop_free(c->loop);
	nftw(c->top, remove_one, 16, FTW_DEPTH | FTW_PHYS);
}

static void query(const char *info, const char *text, const char *want) {
	PGconn *pg = PQconnectdb(info);
	ck_assert_msg(PQstatus(pg) == CONNECTION_OK, "%s", PQerrorMessage(pg));
	PGresult *res = PQexec(pg, text);
	ck_assert_msg(PQresultStatus(res) == PGRES_TUPLES_OK || PQresultStatus(res) == PGRES_COMMAND_OK, "%s", PQresultErrorMessage(res));
	if (want != NULL)
		ck_assert_str_eq(PQgetvalue(res, 0, 0), want);
	PQclear(res);
	PQfinish(pg);
}

static void path_of(const struct cluster_test *c, const char *name, char path[1024]) {
	snprintf(path, 1024, "%s/%s", c->dir, name);
}

START_TEST(it_is_made_stopped_and_found_again) {
	struct cluster_test c;
	char path[1024];
	struct stat st;
	prepare(&c);
	start_well(&c);
	query(c.info, "create table kept as select 1 as x", NULL);
	query(c.info, "show data_checksums", "on");
	query(c.info, "show listen_addresses", "");
	query(c.info, "show server_encoding", "UTF8");
	query(c.info, "select setting from pg_settings where name = 'password_encryption'", "scram-sha-256");
	path_of(&c, "pg.secret", path);
	ck_assert_int_eq(stat(path, &st), 0);
	ck_assert_int_eq(st.st_mode & 0777, 0600);
	stop(&c);
	path_of(&c, "pg.new", path);
	ck_assert_int_eq(mkdir(path, 0700), 0); /* as if a first start had been interrupted */
	start_well(&c);
	query(c.info, "select x from kept", "1");
	stop(&c);
	clean(&c);
}
END_TEST

START_TEST(a_living_one_is_adopted) {
	struct cluster_test c;
	prepare(&c);
	start_well(&c);
	int pid = embedded_pid(c.e);
	embedded_free(c.e); /* as after kill -9 of the server */
	start_well(&c);
	ck_assert_int_eq(embedded_pid(c.e), pid);
	query(c.info, "select 1", "1");
	stop(&c);
	ck_assert(kill(pid, 0) != 0 || waitpid(pid, NULL, WNOHANG) == pid); /* gone, or a child of this very process nobody waited for */
	clean(&c);
}
END_TEST

START_TEST(a_killed_one_is_started_again) {
	struct cluster_test c;
	prepare(&c);
	start_well(&c);
	query(c.info, "create table kept as select 1 as x", NULL);
	for (int i = 1; i <= 2; i++) {
		c.back = false;
		kill(embedded_pid(c.e), SIGKILL);
		spin(&c, &c.back);
		ck_assert_int_eq(c.downs, i);
		ck_assert_int_eq(c.ups, i);
		query(c.info, "select x from kept", "1");
	}
	stop(&c);
	clean(&c);
}
END_TEST

START_TEST(stale_files_do_not_stop_it) {
	struct cluster_test c;
	char path[1024], text[600];
	prepare(&c);
	start_well(&c);
	int pid = embedded_pid(c.e);
	kill(pid, SIGKILL);
	embedded_free(c.e);
	while (waitpid(pid, NULL, 0) < 0)
		;
	start_well(&c); /* pid file, socket and lock of a dead one */
	stop(&c);
	/* A pid file whose number somebody else got: this test. */
	path_of(&c, "pg/postmaster.pid", path);
	int n = snprintf(text, sizeof text, "%d\n%s/pg\n1\n5432\n/tmp\n\n", (int)getpid(), c.dir);
	struct err err;
	ck_assert_int_eq(file_write(path, text, (size_t)n, 0600, &err), 0);
	start_well(&c);
	query(c.info, "select 1", "1");
	stop(&c);
	clean(&c);
}
END_TEST

START_TEST(what_cannot_work_is_said) {
	struct cluster_test c;
	struct err err;
	char path[1024], saved[1024];
	prepare(&c);
	start_well(&c);
	stop(&c);
	path_of(&c, "pg.secret", path);
	snprintf(saved, sizeof saved, "%s/secret", c.top);
	ck_assert_int_eq(rename(path, saved), 0);
	ck_assert_int_eq(start(&c), E_FORBIDDEN);
	embedded_free(c.e);
	ck_assert_int_eq(file_write(path, "wrong", 5, 0600, &err), 0);
	ck_assert_int_eq(start(&c), E_FORBIDDEN);
	ck_assert_msg(strstr(c.err.text, "pg.secret") != NULL, "%s", c.err.text);
	stop(&c);
	ck_assert_int_eq(rename(saved, path), 0);
	path_of(&c, "pg/PG_VERSION", path);
	ck_assert_int_eq(file_write(path, "13\n", 3, 0644, &err), 0);
	ck_assert_int_eq(start(&c), E_UNSUPPORTED);
	ck_assert_msg(strstr(c.err.text, "pg_upgrade") != NULL && strstr(c.err.text, "pg_dumpall") != NULL, "%s", c.err.text);
	clean(&c);
}
END_TEST

START_TEST(a_folder_that_its_user_cannot_reach_is_refused) {
	struct cluster_test c;
	if (geteuid() != 0) {
		fprintf(stderr, "skipped: only root runs the cluster as another user\n");
		return;
	}
	prepare(&c);
	ck_assert_int_eq(chmod(c.top, 0700), 0);
	ck_assert_int_eq(start(&c), E_FORBIDDEN);
	ck_assert_msg(strstr(c.err.text, c.top) != NULL, "%s", c.err.text);
	clean(&c);
}
END_TEST

TEST_SUITE("ledger/embedded", it_is_made_stopped_and_found_again, a_living_one_is_adopted, a_killed_one_is_started_again,
    stale_files_do_not_stop_it, what_cannot_work_is_said, a_folder_that_its_user_cannot_reach_is_refused)
