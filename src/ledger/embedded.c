/* The private cluster's life as a step machine: initdb if there is no data, adopt or start the postmaster, wait until it answers, make the
 * database, then watch over it. */
#include "ledger/embedded.h"

#include <assert.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/log.h"
#include "base/rng.h"
#include "ledger/conn.h"
#include "ledger/embedded_dir.h"
#include "ledger/process.h"
#include "ledger/target.h"

#define START_WITHIN_US (15 * US_PER_S) /* after kill -9 of a postmaster the next may fail for 2 s */
#define AGAIN_US (200 * US_PER_MS)
#define AGAIN_MAX_US (5 * US_PER_S)
#define CONNECT_US (5 * US_PER_S)
#define STOP_FAST_US (30 * US_PER_S)
#define STOP_HARD_US (10 * US_PER_S)

enum embedded_step { STEP_BEGIN, STEP_INITDB, STEP_STARTING, STEP_UP, STEP_AGAIN, STEP_STOP_FAST, STEP_STOP_HARD, STEP_STOPPED };

struct embedded {
	struct loop *loop;
	const struct clock *clock;
	struct rng rng;
	struct cluster cluster;
	enum embedded_step step;
	struct process process; /* initdb, then the postmaster */
	struct timer timer;
	mono_t began; /* of the first start */
	int deaths;   /* in a row */
	bool was_up;
	struct stmts stmts;
	struct target *target;
	struct pgconn *probe;
	struct exchange ask;
	bool exists;
	char dash_secret[SECRET_CHARS + 1];
	struct deferred drop_probe; /* a connection cannot be freed from a callback of its own */
	embedded_done done;
	void *arg;
	void (*changed)(void *arg, const struct err *err);
	void *changed_arg;
	void (*stopped)(void *arg, const struct err *err);
	void *stopped_arg;
};

static void start_postmaster(struct embedded *e);

static void conninfo(const struct embedded *e, const char *database, char *to, size_t size) {
	char host[2 * sizeof e->cluster.socket_dir];
	size_t n = 0;
	for (const char *s = e->cluster.socket_dir; *s != '\0'; s++) {
		if (*s == '\'' || *s == '\\')
			host[n++] = '\\';
		host[n++] = *s;
	}
	host[n] = '\0';
	snprintf(to, size, "host='%s' port=5432 dbname=%s user=berth password=%s", host, database, e->cluster.secret);
}

static void on_drop_probe(void *arg) {
	struct embedded *e = arg;
	pgconn_free(e->probe);
	e->probe = NULL;
	target_free(e->target);
	e->target = NULL;
}

/* done is called once; afterwards the same news goes to changed. */
static void fail(struct embedded *e, const struct err *err) {
	struct err copy = *err;
	deferred_schedule(&e->drop_probe);
	timer_cancel(&e->timer);
	e->step = STEP_STOPPED;
	if (e->done != NULL) {
		embedded_done done = e->done;
		e->done = NULL;
		done(e->arg, NULL, &copy);
	} else if (e->changed != NULL) {
		e->changed(e->changed_arg, &copy);
	}
}

static void with_log(const struct embedded *e, struct err *err) {
	char tail[400];
	cluster_log_tail(&e->cluster, tail, sizeof tail);
	size_t n = strlen(err->text);
	snprintf(err->text + n, sizeof err->text - n, "; end of %s: …%s", e->cluster.log, tail);
}

/* ---- up: the postmaster answers, the database is there ------------------------------------------------------------------------------- */

static void up(struct embedded *e) {
	char info[512];
	bool first = !e->was_up;
	e->step = STEP_UP;
	e->was_up = true;
	e->deaths = 0;
	deferred_schedule(&e->drop_probe);
	log_info("the private PostgreSQL is up", log_i("pid", e->process.pid), log_s("socket", e->cluster.socket_dir));
	if (!first) {
		if (e->changed != NULL)
			e->changed(e->changed_arg, NULL);
		return;
	}
	struct err err;
	conninfo(e, "berth", info, sizeof info);
	if (cluster_conninfo_write(&e->cluster, info, &err) != 0)
		log_warn("cannot write down how to reach the private PostgreSQL", log_e(&err));
	embedded_done done = e->done;
	e->done = NULL;
	done(e->arg, info, NULL);
}

static struct embedded *asking(struct exchange *x) {
	return (struct embedded *)((char *)x - offsetof(struct embedded, ask));
}

/* The role for dashboards. Without it the server works as well. */
static void dressed(struct exchange *x, const struct err *err) {
	struct embedded *e = asking(x);
	explicit_bzero(e->dash_secret, sizeof e->dash_secret);
	if (e->step != STEP_STARTING)
		return;
	if (err != NULL && err->code != E_DB_REFUSED)
		return; /* the connection comes back and asks again */
	if (err != NULL)
		log_warn("the role berth_dash was not prepared", log_e(err));
	up(e);
}

static int dress_send(struct exchange *x, struct pgconn *c, struct err *err) {
	struct params p;
	params_init(&p, pgconn_arena(c));
	params_text(&p, asking(x)->dash_secret);
	int r = pgconn_exec_once(c, STMT_dash_role, NULL, err);
	if (r == 0)
		r = pgconn_exec_once(c, STMT_embedded_secret, &p, err);
	return r != 0 ? r : pgconn_exec_once(c, STMT_embedded_dash, NULL, err);
}

static void dress(struct embedded *e) {
	struct err err;
	if (cluster_dash_secret(&e->cluster, e->dash_secret, &err) != 0) {
		log_warn("the role berth_dash has no password", log_e(&err));
		up(e);
		return;
	}
	e->ask = (struct exchange){ .what = "preparing berth_dash",
		.send = dress_send,
		.done = dressed,
		.wait_us = CONNECT_US,
		.answer_us = CONNECT_US,
		.max_tries = 3 };
	pgconn_submit_first(e->probe, &e->ask);
}

static void made(struct exchange *x, const struct err *err) {
	struct embedded *e = asking(x);
	if (e->step != STEP_STARTING)
		return;
	/* 42P04: it is there after all, from a start that was interrupted. */
	if (err == NULL || strcmp(err->sqlstate, "42P04") == 0)
		dress(e);
	else if (err->code == E_DB_REFUSED)
		fail(e, err);
	/* else the connection comes back and asks again */
}

static int make_send(struct exchange *x, struct pgconn *c, struct err *err) {
	return pgconn_exec_once(c, STMT_embedded_create, NULL, err);
}

static int exists_send(struct exchange *x, struct pgconn *c, struct err *err) {
	return pgconn_exec_once(c, STMT_embedded_exists, NULL, err);
}

static int exists_result(struct exchange *x, int step, const PGresult *res, struct err *err) {
	asking(x)->exists = result_flag(res, 0, 0);
	return 0;
}

static void looked(struct exchange *x, const struct err *err) {
	struct embedded *e = asking(x);
	if (e->step != STEP_STARTING || err != NULL)
		return;
	if (e->exists) {
		dress(e);
		return;
	}
	e->ask = (struct exchange){ .what = "making the database",
		.send = make_send,
		.done = made,
		.wait_us = CONNECT_US,
		.answer_us = 4 * CONNECT_US,
		.max_tries = 1 };
	pgconn_submit_first(e->probe, &e->ask);
}

static void on_probe_up(void *arg, struct pgconn *c) {
	struct embedded *e = arg;
	e->ask = (struct exchange){ .what = "looking for the database",
		.send = exists_send,
		.result = exists_result,
		.done = looked,
		.wait_us = CONNECT_US,
		.answer_us = CONNECT_US,
		.max_tries = 1 };
	pgconn_submit_first(c, &e->ask);
}

/* While it recovers it refuses; a wrong password will stay wrong. */
static void on_probe_down(void *arg, const struct err *err) {
	struct embedded *e = arg;
	if (e->step == STEP_STARTING && strstr(err->text, "password authentication failed") != NULL) {
		struct err refused;
		err_set(&refused, E_FORBIDDEN, "the private cluster refuses the password in %s; put the right file back",
		    e->cluster.secret_file);
		fail(e, &refused);
	}
}

static void probe(struct embedded *e) {
	char info[512];
	struct err err;
	if (e->probe != NULL)
		return;
	conninfo(e, "postgres", info, sizeof info);
	struct pgconn_spec spec = { .loop = e->loop,
		.clock = e->clock,
		.rng = &e->rng,
		.stmts = &e->stmts,
		.name = "berthd start",
		.connect_us = CONNECT_US,
		.max_queue = 1,
		.unchecked = true,
		.up = on_probe_up,
		.down = on_probe_down,
		.arg = e };
	if (target_new(info, &e->target, &err) != 0) {
		fail(e, &err);
		return;
	}
	spec.target = e->target;
	if (pgconn_new(&spec, &e->probe, &err) != 0)
		fail(e, &err);
	else
		pgconn_start(e->probe);
}

/* ---- the postmaster --------------------------------------------------------------------------------------------------------------------
 */

static void again_later(struct embedded *e) {
	int64_t us = AGAIN_US;
	for (int i = 1; i < e->deaths && us < AGAIN_MAX_US && e->was_up; i++)
		us *= 2;
	e->step = STEP_AGAIN;
	timer_set(&e->timer, us < AGAIN_MAX_US ? us : AGAIN_MAX_US);
}

static void on_postmaster_death(void *arg, bool known, int status) {
	struct embedded *e = arg;
	struct err err;
	bool was_up = e->step == STEP_UP;
	if (e->step == STEP_STOP_FAST || e->step == STEP_STOP_HARD) {
		timer_cancel(&e->timer);
		e->step = STEP_STOPPED;
		rmdir(e->cluster.socket_dir); /* made again at the next start; not empty when somebody else put something there */
		e->stopped(e->stopped_arg, NULL);
		return;
	}
	e->deaths++;
	if (known && WIFSIGNALED(status))
		err_set(&err, E_UNAVAILABLE, "the private PostgreSQL was ended by signal %d", WTERMSIG(status));
	else
		err_set(&err, E_UNAVAILABLE, "the private PostgreSQL ended (status %d)", known ? WEXITSTATUS(status) : -1);
	with_log(e, &err);
	if (!e->was_up && mono_diff(clock_mono(e->clock), e->began) > START_WITHIN_US) {
		fail(e, &err);
		return;
	}
	again_later(e);
	if (was_up && e->changed != NULL)
		e->changed(e->changed_arg, &err);
}

static int spawn_postmaster(struct embedded *e, struct err *err) {
	struct cluster *k = &e->cluster;
	char program[PATH_MAX + 16];
	snprintf(program, sizeof program, "%s/postgres", k->bindir);
	const char *argv[] = { program, "-D", k->data, "-k", k->socket_dir, "-p", "5432", "-c", "listen_addresses=", "-c",
		"unix_socket_permissions=0700", "-c", "fsync=on", "-c", "full_page_writes=on", "-c", "synchronous_commit=on", "-c",
		"logging_collector=off", "-c", "log_destination=stderr", "-c", "cluster_name=berth", NULL };
	int out = cluster_log_open(k, err);
	if (out < 0)
		return err->code;
	struct process_spec spec = { .argv = argv, .user = *k->user == '\0' ? NULL : k->user, .out = out };
	int r = process_start(&e->process, e->loop, &spec, on_postmaster_death, e, err);
	close(out);
	return r;
}

static void start_postmaster(struct embedded *e) {
	struct err err;
	pid_t pid = cluster_living(&e->cluster);
	int r;
	e->step = STEP_STARTING;
	if (*e->cluster.secret == '\0') {
		err_set(&err, E_FORBIDDEN, "%s is missing or unreadable; without it nobody can log in to the private cluster: put it back",
		    e->cluster.secret_file);
		fail(e, &err);
		return;
	}
	if (pid != 0) {
		r = process_adopt(&e->process, e->loop, pid, on_postmaster_death, e, &err);
		if (r == 0)
			log_info("adopted a living private PostgreSQL", log_i("pid", pid));
		if (r == E_NOT_FOUND) {
			again_later(e);
			return;
		}
	} else {
		cluster_stale_remove(&e->cluster);
		r = spawn_postmaster(e, &err);
	}
	if (r != 0)
		fail(e, &err);
	else
		probe(e);
}

/* ---- initdb
 * ------------------------------------------------------------------------------------------------------------------------------ */

static void on_initdb_end(void *arg, bool known, int status) {
	struct embedded *e = arg;
	char password[PATH_MAX];
	struct err err;
	if (e->step == STEP_STOP_FAST || e->step == STEP_STOP_HARD) {
		on_postmaster_death(e, known, status);
		return;
	}
	if (snprintf(password, sizeof password, "%s/password", e->cluster.socket_dir) < (int)sizeof password)
		unlink(password);
	if (!known || status != 0) {
		err_set(&err, E_UNAVAILABLE, "initdb failed (status %d)", known ? WEXITSTATUS(status) : -1);
		with_log(e, &err);
		fail(e, &err);
	} else if (cluster_fresh_done(&e->cluster, &err) != 0) {
		fail(e, &err);
	} else {
		e->began = clock_mono(e->clock);
		start_postmaster(e);
	}
}

static int run_initdb(struct embedded *e, struct err *err) {
	struct cluster *k = &e->cluster;
	char program[PATH_MAX + 16], password[PATH_MAX], pwfile[PATH_MAX + 16];
	int r = cluster_fresh_make(k, err);
	if (r == 0)
		r = cluster_password_file(k, password, err);
	if (r != 0)
		return r;
	snprintf(program, sizeof program, "%s/initdb", k->bindir);
	snprintf(pwfile, sizeof pwfile, "--pwfile=%s", password);
	const char *argv[] = { program, "-D", k->fresh, "--username=berth", pwfile, "--auth=scram-sha-256", "--encoding=UTF8",
		"--locale=C.UTF-8", "--data-checksums", "--no-instructions", NULL };
	int out = cluster_log_open(k, err);
	if (out < 0)
		return err->code;
	struct process_spec spec = { .argv = argv, .user = *k->user == '\0' ? NULL : k->user, .out = out };
	r = process_start(&e->process, e->loop, &spec, on_initdb_end, e, err);
	close(out);
	return r;
}

/* ---- life
 * -------------------------------------------------------------------------------------------------------------------------------- */

static void begin(struct embedded *e) {
	struct err err;
	e->began = clock_mono(e->clock);
	if (cluster_version_check(&e->cluster, &err) != 0) {
		fail(e, &err);
	} else if (cluster_exists(&e->cluster)) {
		start_postmaster(e);
	} else {
		e->step = STEP_INITDB;
		if (run_initdb(e, &err) != 0)
			fail(e, &err);
	}
}

static void stop_hard(struct embedded *e) {
	log_warn("the private PostgreSQL does not stop; ending it at once", log_i("pid", e->process.pid));
	e->step = STEP_STOP_HARD;
	process_signal(&e->process, SIGQUIT);
	timer_set(&e->timer, STOP_HARD_US);
}

static void on_timer(void *arg) {
	struct embedded *e = arg;
	struct err err;
	switch (e->step) {
	case STEP_BEGIN:
		begin(e);
		break;
	case STEP_AGAIN:
		start_postmaster(e);
		break;
	case STEP_STOP_FAST:
		if (e->process.pid != 0) {
			stop_hard(e);
			break;
		}
		e->step = STEP_STOPPED;
		rmdir(e->cluster.socket_dir);
		e->stopped(e->stopped_arg, NULL);
		break;
	case STEP_STOP_HARD:
		e->step = STEP_STOPPED;
		err_set(&err, E_TIMEOUT, "the private PostgreSQL (pid %d) did not stop", (int)e->process.pid);
		e->stopped(e->stopped_arg, &err);
		break;
	default:
		break;
	}
}

int embedded_start(struct loop *l, const struct clock *clock, const char *dir, const struct embedded_options *o, embedded_done done,
    void *arg, struct embedded **ret, struct err *err) {
	struct embedded *e = calloc(1, sizeof *e);
	if (e == NULL)
		return err_set(err, E_NOMEM, "no memory for the private cluster");
	int r = stmts_init(&e->stmts, err);
	if (r == 0)
		r = cluster_open(&e->cluster, dir, o->bindir, o->user, err);
	if (r != 0) {
		free(e);
		return r;
	}
	e->loop = l;
	e->clock = clock;
	e->done = done;
	e->arg = arg;
	e->changed = o->changed;
	e->changed_arg = o->arg;
	rng_init(&e->rng, (uint64_t)getpid());
	timer_init(&e->timer, l, on_timer, e);
	deferred_init(&e->drop_probe, l, on_drop_probe, e);
	timer_set(&e->timer, 0);
	*ret = e;
	return 0;
}

void embedded_stop(struct embedded *e, void (*done)(void *arg, const struct err *err), void *arg) {
	assert(e->step != STEP_STOP_FAST && e->step != STEP_STOP_HARD);
	e->done = NULL;
	e->stopped = done;
	e->stopped_arg = arg;
	deferred_schedule(&e->drop_probe);
	bool running = e->process.pid != 0;
	e->step = STEP_STOP_FAST;
	if (running)
		process_signal(&e->process, SIGINT);
	timer_set(&e->timer, running ? STOP_FAST_US : 0);
}

void embedded_free(struct embedded *e) {
	if (e == NULL)
		return;
	e->step = STEP_STOPPED;
	on_drop_probe(e);
	process_forget(&e->process);
	timer_deinit(&e->timer);
	deferred_deinit(&e->drop_probe);
	free(e);
}

int embedded_pid(const struct embedded *e) {
	return e->step == STEP_INITDB ? 0 : (int)e->process.pid;
}
