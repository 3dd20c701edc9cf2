/* From nothing to a checked connection, and back: resolve, PQconnectPoll, the session statement.
 *
 * libpq's own time-outs do not work without its blocking calls, and keepalives do not notice a frozen server: the deadline is ours. */
#include <assert.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/rng.h"
#include "ledger/conn_impl.h"
#include "ledger/pgerr.h"

#define BACKOFF_US (50 * US_PER_MS)
#define BACKOFF_MAX_US US_PER_S
#define OLDEST_SERVER 140000

static void poll_connect(struct pgconn *c);

static void unwatch(struct pgconn *c) {
	watch_deinit(&c->reading);
	watch_deinit(&c->writing);
	if (c->fd >= 0)
		close(c->fd);
	c->fd = -1;
}

void pgconn_watch(struct pgconn *c, struct watch *w, bool read, bool write, void (*fn)(int, bool, bool, void *)) {
	if (c->fd < 0)
		c->fd = fcntl(PQsocket(c->pg), F_DUPFD_CLOEXEC, 3);
	if (c->fd >= 0)
		watch_init(w, c->spec.loop, c->fd, read, write, fn, c);
	else
		c->failed = true; /* out of descriptors: the deadline ends this attempt, the next may do better */
}

void pgconn_close(struct pgconn *c) {
	unwatch(c);
	timer_cancel(&c->timer);
	if (c->pg != NULL)
		PQfinish(c->pg);
	c->pg = NULL;
	c->failed = false;
	memset(c->prepared, 0, sizeof c->prepared);
}

static void again_later(struct pgconn *c) {
	int64_t us = BACKOFF_US;
	for (int i = 0; i < c->attempts && us < BACKOFF_MAX_US; i++)
		us *= 2;
	c->attempts++;
	c->state = CONN_WAITING;
	timer_set(&c->timer, rng_jitter(c->spec.rng, us < BACKOFF_MAX_US ? us : BACKOFF_MAX_US));
}

void pgconn_lost(struct pgconn *c, const struct err *why) {
	struct err copy = *why;
	bool was_open = c->state == CONN_OPEN;
	pgconn_close(c);
	c->last = copy;
	if (was_open)
		c->attempts = 0;
	again_later(c);
	if (c->current != NULL && (c->in_flight || c->retrying)) {
		struct err e = copy;
		/* A try that was refused and waits to be sent again did not happen; what is in flight may have. */
		e.code = c->in_flight ? E_DB_LOST : E_UNAVAILABLE;
		pgconn_end_current(c, &e);
	}
	struct exchange *x;
	while ((x = TAILQ_FIRST(&c->first)) != NULL) {
		TAILQ_REMOVE(&c->first, x, link);
		x->err = copy;
		x->err.code = E_UNAVAILABLE;
		TAILQ_INSERT_TAIL(&c->over, x, link);
		deferred_schedule(&c->kick);
	}
	if (c->spec.down != NULL)
		c->spec.down(c->spec.arg, &copy);
}

/* ---- session ------------------------------------------------------------------------------------------------------------------ */

static int session_send(struct exchange *x, struct pgconn *c, struct err *err) {
	struct params p;
	params_init(&p, pgconn_arena(c));
	params_text(&p, c->lock_ms);
	params_text(&p, c->spec.generic_plans ? "force_generic_plan" : "auto");
	return pgconn_exec_once(c, STMT_session, &p, err);
}

static int setting_error(const char *name, const char *value, const char *wanted, struct err *err) {
	return err_set(err, E_UNSUPPORTED, "the database server has %s = %s; what Berth acknowledges must be durable: set %s = %s", name,
	    value, name, wanted);
}

static int session_result(struct exchange *x, int step, const PGresult *res, struct err *err) {
	struct pgconn *c = (struct pgconn *)((char *)x - offsetof(struct pgconn, session));
	int64_t version = result_i64(res, 0, 0);
	const char *fsync = result_text(res, 0, 1), *commit = result_text(res, 0, 2), *encoding = result_text(res, 0, 3);
	if (version < OLDEST_SERVER)
		return err_set(err, E_UNSUPPORTED, "the database server is PostgreSQL %d; Berth needs 14 or newer", (int)(version / 10000));
	if (c->spec.unchecked)
		return 0;
	if (strcmp(fsync, "on") != 0)
		return setting_error("fsync", fsync, "on", err);
	if (strcmp(commit, "on") != 0 && strcmp(commit, "remote_apply") != 0)
		return setting_error("synchronous_commit", commit, "on", err);
	if (strcmp(encoding, "UTF8") != 0)
		return err_set(err, E_UNSUPPORTED, "the database has encoding %s; make one with encoding UTF8", encoding);
	if (result_flag(res, 0, 4))
		return err_set(err, E_UNAVAILABLE,
		    "the database server is a standby; name the primary, or all hosts with target_session_attrs=read-write");
	return 0;
}

static void session_done(struct exchange *x, const struct err *err) {
	struct pgconn *c = (struct pgconn *)((char *)x - offsetof(struct pgconn, session));
	if (err != NULL) {
		if (c->pg != NULL)
			pgconn_lost(c, err);
		return;
	}
	c->last = ERR_INIT;
	if (c->spec.up != NULL)
		c->spec.up(c->spec.arg, c);
	else
		pgconn_open_queue(c);
}

void pgconn_open_queue(struct pgconn *c) {
	if (c->pg == NULL || c->state == CONN_OPEN)
		return;
	c->state = CONN_OPEN;
	c->attempts = 0;
	deferred_schedule(&c->kick);
}

/* ---- connecting --------------------------------------------------------------------------------------------------------------- */

static void ignore_notice(void *arg, const char *message) {}

static void on_readable(int fd, bool readable, bool writable, void *arg) {
	pgconn_pump(arg);
}

static void on_connect_ready(int fd, bool readable, bool writable, void *arg) {
	poll_connect(arg);
}

static void connected(struct pgconn *c) {
	timer_cancel(&c->timer);
	PQsetNoticeProcessor(c->pg, ignore_notice, NULL);
	if (PQsetnonblocking(c->pg, 1) != 0 || PQenterPipelineMode(c->pg) != 1) {
		struct err err;
		pgerr_conn(c->pg, E_INTERNAL, "pipeline mode", &err);
		pgconn_lost(c, &err);
		return;
	}
	pgconn_watch(c, &c->reading, true, false, on_readable);
	c->state = CONN_SETTLING;
	snprintf(c->lock_ms, sizeof c->lock_ms, "%lld", (long long)(c->spec.lock_us / US_PER_MS));
	c->session = (struct exchange){ .what = "session settings",
		.send = session_send,
		.result = session_result,
		.done = session_done,
		.wait_us = c->spec.connect_us,
		.answer_us = c->spec.connect_us,
		.max_tries = 1 };
	pgconn_submit_first(c, &c->session);
}

/* libpq changes the socket from host to host: the watch is made anew for each step. */
static void poll_connect(struct pgconn *c) {
	unwatch(c);
	PostgresPollingStatusType s = PQconnectPoll(c->pg);
	if (s == PGRES_POLLING_OK) {
		connected(c);
		return;
	}
	if (s == PGRES_POLLING_FAILED) {
		struct err err;
		pgerr_conn(c->pg, E_UNAVAILABLE, "database", &err);
		pgconn_lost(c, &err);
		return;
	}
	bool reading = s == PGRES_POLLING_READING;
	pgconn_watch(c, &c->reading, reading, !reading, on_connect_ready);
}

static void connect_to(struct pgconn *c, const char *const *addresses) {
	struct target_args args;
	struct err err;
	if (target_args(c->spec.target, addresses, c->spec.name, &args, &err) != 0) {
		pgconn_lost(c, &err);
		return;
	}
	c->state = CONN_CONNECTING;
	c->pg = PQconnectStartParams(args.keywords, args.values, 0);
	target_args_clear(&args);
	if (c->pg == NULL)
		abort();
	if (PQstatus(c->pg) == CONNECTION_BAD) {
		pgerr_conn(c->pg, E_UNAVAILABLE, "database", &err);
		pgconn_lost(c, &err);
		return;
	}
	/* libpq's first step is always to wait for the socket to become writable. */
	pgconn_watch(c, &c->reading, false, true, on_connect_ready);
}

static void on_resolved(void *arg, const char *const *lists, size_t n) {
	struct pgconn *c = arg;
	if (c->state == CONN_RESOLVING)
		connect_to(c, lists);
}

static int resolve(struct pgconn *c, struct err *err) {
	const char *names[TARGET_HOSTS];
	size_t n = target_n_hosts(c->spec.target);
	for (size_t i = 0; i < n; i++)
		names[i] = target_lookup(c->spec.target, i);
	if (c->resolver == NULL && resolver_new(c->spec.loop, on_resolved, c, &c->resolver, err) != 0)
		return err->code;
	return resolver_start(c->resolver, names, n, err);
}

void pgconn_attempt(struct pgconn *c) {
	assert(c->pg == NULL);
	const char *none[TARGET_HOSTS] = { NULL };
	bool look_up = false;
	for (size_t i = 0; i < target_n_hosts(c->spec.target); i++)
		look_up |= target_lookup(c->spec.target, i) != NULL;
	timer_set(&c->timer, c->spec.connect_us);
	if (!look_up) {
		connect_to(c, none);
		return;
	}
	c->state = CONN_RESOLVING;
	struct err err;
	if (resolve(c, &err) != 0)
		pgconn_lost(c, &err);
}

void pgconn_connect_timeout(struct pgconn *c) {
	struct err err;
	err_set(&err, E_UNAVAILABLE, "no connection to the database within %.1f s: %s", (double)c->spec.connect_us / US_PER_S,
	    target_shown(c->spec.target));
	pgconn_lost(c, &err);
}
