/* From nothing to serving: limits, data folder, loop, signals, database, parts. Then the loop until stop.c ends it. */
#include "server/berthd.h"

#include <malloc.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <systemd/sd-daemon.h>
#include <unistd.h>

#include "base/err.h"
#include "base/file.h"
#include "base/log.h"
#include "base/secret.h"
#include "http/server.h"
#include "ledger/embedded.h"
#include "ledger/ledger.h"
#include "rpc/rpc.h"

/* ---- failing ------------------------------------------------------------------------------------------------------------------------ */

static void fail(struct berthd *s, const char *what, const struct err *err) {
	log_error(what, log_e(err));
	s->exit_status = EXIT_FAILURE;
	stop_begin(s);
}

/* ---- database ----------------------------------------------------------------------------------------------------------------------- */

static void on_checked(void *arg, const struct err *err) {
	struct berthd *s = arg;
	if (err == NULL || s->stopping)
		return;
	if (err->code == E_UNAVAILABLE)
		log_warn("the database cannot be reached yet; trying on", log_e(err));
	else
		fail(s, "this database cannot be used", err);
}

/* How `berth sql` and people with psql get in; it holds the password. */
static int write_conninfo(const struct berthd *s, const char *conninfo, struct err *err) {
	char path[600];
	snprintf(path, sizeof path, "%s/database.conninfo", s->opt.data_dir);
	return file_write(path, conninfo, strlen(conninfo), 0600, err);
}

static void start_parts(struct berthd *s, const char *conninfo) {
	struct err err;
	if (write_conninfo(s, conninfo, &err) != 0 || parts_make(s, conninfo, &err) != 0) {
		parts_free(s);
		fail(s, "cannot start", &err);
		return;
	}
	s->running = true;
	core_on_state(s->core, state_changed, s);
	ledger_pg_check(s->pg, on_checked, s);
	core_start(s->core);
	sd_notify(0, "READY=1");
}

static void on_embedded(void *arg, const char *conninfo, const struct err *err) {
	struct berthd *s = arg;
	if (err != NULL)
		fail(s, "the embedded PostgreSQL did not start", err);
	else
		start_parts(s, conninfo);
}

static void on_embedded_changed(void *arg, const struct err *err) {
	if (err != NULL)
		log_error("the embedded PostgreSQL died; starting it again", log_e(err));
	else
		log_info("the embedded PostgreSQL is back");
}

static void start_database(struct berthd *s) {
	struct err err;
	if (s->opt.database_url != NULL) {
		start_parts(s, s->opt.database_url);
		return;
	}
	struct embedded_options o = { .changed = on_embedded_changed, .arg = s };
	if (embedded_start(s->loop, &clock_real, s->opt.data_dir, &o, on_embedded, s, &s->embedded, &err) != 0)
		fail(s, "the embedded PostgreSQL did not start", &err);
}

/* What runs on a turn of its own: the beginning, and the end once all is drained. */
static void on_after(void *arg) {
	struct berthd *s = arg;
	if (s->stopping)
		stop_after_drain(s);
	else
		start_database(s);
}

/* ---- signals and systemd --------------------------------------------------------------------------------------------------------------
 */

static void on_stop_signal(int signo, void *arg) {
	log_info("signal", log_s("signal", strsignal(signo)));
	stop_begin(arg);
}

static void reload_log(struct berthd *s) {
	struct server_options fresh;
	struct opts *handle;
	struct err err;
	if (options_read(s->argc, s->argv, &fresh, &handle, &err) != 0) {
		log_error("the configuration has an error; the old one stays", log_e(&err));
		return;
	}
	log_setup("berthd", fresh.level, fresh.format, STDERR_FILENO);
	opts_free(handle);
}

static void on_hangup(int signo, void *arg) {
	struct berthd *s = arg;
	struct err err;
	reload_log(s);
	if (!s->running || s->stopping)
		return;
	int r = s->opt.tls_cert != NULL ? http_server_reload_tls(s->http, &err) : 0;
	if (r == 0)
		r = rpc_reload_tls(s->rpc, &err);
	if (r != 0)
		log_error("the certificate was not renewed; the old one stays", log_e(&err));
	else
		log_info("reloaded");
}

static void on_watchdog(void *arg) {
	struct berthd *s = arg;
	sd_notify(0, "WATCHDOG=1");
	timer_set(&s->watchdog, s->watchdog_us);
}

static void start_watchdog(struct berthd *s) {
	uint64_t us = 0;
	timer_init(&s->watchdog, s->loop, on_watchdog, s);
	if (sd_watchdog_enabled(0, &us) <= 0)
		return;
	s->watchdog_us = (int64_t)us / 2;
	timer_set(&s->watchdog, s->watchdog_us);
}

/* ---- the process ----------------------------------------------------------------------------------------------------------------------
 */

static void raise_limits(void) {
	struct rlimit l;
	if (getrlimit(RLIMIT_NOFILE, &l) == 0 && l.rlim_cur < l.rlim_max) {
		l.rlim_cur = l.rlim_max;
		setrlimit(RLIMIT_NOFILE, &l);
	}
}

static int open_loop(struct berthd *s, struct err *err) {
	int r = datadir_open(s->opt.data_dir, &s->data, err);
	if (r == 0)
		r = loop_new(&s->loop, err);
	if (r != 0)
		return r;
	uint64_t seed;
	random_bytes(&seed, sizeof seed);
	rng_init(&s->rng, seed);
	signal(SIGPIPE, SIG_IGN);
	loop_on_signal(s->loop, SIGTERM, on_stop_signal, s);
	loop_on_signal(s->loop, SIGINT, on_stop_signal, s);
	loop_on_signal(s->loop, SIGHUP, on_hangup, s);
	start_watchdog(s);
	deferred_init(&s->after, s->loop, on_after, s);
	return 0;
}

/* glibc keeps small pieces that were freed aside (fast bins) until some larger one is freed or asked for, and then joins all of them at
 * once: after a copy of 100,000 bases that alone is a turn of 20 ms. Without, each is joined when it is freed; what is freed and asked for
 * again at once stays in the thread's own cache. */
static void memory_joined_at_once(void) {
	(void)mallopt(M_MXFAST, 0);
}

int berthd_run(struct berthd *s) {
	struct err err;
	memory_joined_at_once();
	log_setup("berthd", s->opt.level, s->opt.format, STDERR_FILENO);
	log_info("starting", log_s("version", BERTH_VERSION), log_s("data", s->opt.data_dir));
	raise_limits();
	if (open_loop(s, &err) != 0) {
		log_error("cannot start", log_e(&err));
		datadir_close(&s->data);
		return EXIT_FAILURE;
	}
	deferred_schedule(&s->after);
	loop_run(s->loop);
	embedded_free(s->embedded);
	deferred_deinit(&s->after);
	timer_deinit(&s->watchdog);
	loop_free(s->loop);
	datadir_close(&s->data);
	log_info("stopped");
	return s->exit_status;
}
