/* Exchanges on a connection: queue, pipeline, results, time-outs, retries.
 *
 * Order that matters: results are read before a dead connection is declared lost (the answer to a commit may have arrived together with
 * the end), and a deadline that fires looks at the socket first (it may be us who was frozen, not the server). */
#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>

#include "base/rng.h"
#include "ledger/conn_impl.h"
#include "ledger/pgerr.h"

#define TURN_US (8 * US_PER_MS)
#define RETRY_US (10 * US_PER_MS)
#define RETRY_MAX_US (500 * US_PER_MS)

static mono_t now(const struct pgconn *c) {
	return clock_mono(c->spec.clock);
}

/* ---- sending ------------------------------------------------------------------------------------------------------------------ */

struct arena *pgconn_arena(struct pgconn *c) {
	return c->current->arena;
}

static int sent(struct pgconn *c, int ok, enum stmt s, bool prepare, struct err *err) {
	if (ok != 1)
		return pgerr_conn(c->pg, E_UNAVAILABLE, c->current->what, err);
	assert(c->n_steps < CONN_STEPS);
	c->steps[c->n_steps++] = (struct pgconn_step){ s, prepare };
	return 0;
}

static bool prepared_or_sent(const struct pgconn *c, enum stmt s) {
	if (c->prepared[s])
		return true;
	for (int i = 0; i < c->n_steps; i++)
		if (c->steps[i].prepare && c->steps[i].stmt == s)
			return true;
	return false;
}

int pgconn_exec(struct pgconn *c, enum stmt s, const struct params *p, struct err *err) {
	const struct stmt_def *def = &c->spec.stmts->def[s];
	int r = 0;
	if (!prepared_or_sent(c, s))
		r = sent(c, PQsendPrepare(c->pg, def->name, def->text, 0, NULL), s, true, err);
	if (r != 0)
		return r;
	int n = p == NULL ? 0 : p->n;
	int ok = PQsendQueryPrepared(c->pg, def->name, n, n ? p->values : NULL, n ? p->lengths : NULL, n ? p->formats : NULL, 1);
	return sent(c, ok, s, false, err);
}

int pgconn_exec_once(struct pgconn *c, enum stmt s, const struct params *p, struct err *err) {
	int n = p == NULL ? 0 : p->n;
	int ok = PQsendQueryParams(
	    c->pg, c->spec.stmts->def[s].text, n, NULL, n ? p->values : NULL, n ? p->lengths : NULL, n ? p->formats : NULL, 1);
	return sent(c, ok, s, false, err);
}

static int send_script(struct pgconn *c, struct err *err) {
	if (PQexitPipelineMode(c->pg) != 1 || PQsendQuery(c->pg, c->current->script) != 1)
		return pgerr_conn(c->pg, E_UNAVAILABLE, c->current->what, err);
	return 0;
}

static int send_pipeline(struct pgconn *c, struct err *err) {
	int r = c->current->send(c->current, c, err);
	if (r != 0)
		return r;
	if (PQpipelineSync(c->pg) != 1)
		return pgerr_conn(c->pg, E_UNAVAILABLE, c->current->what, err);
	return 0;
}

static void send_current(struct pgconn *c) {
	struct exchange *x = c->current;
	x->tries++;
	x->err = ERR_INIT;
	x->arena = arena_new();
	c->n_steps = c->step = c->n_execs = c->nulls = 0;
	c->synced = c->copying = false;
	struct err err = ERR_INIT;
	int r = x->script != NULL ? send_script(c, &err) : send_pipeline(c, &err);
	arena_free(x->arena);
	x->arena = NULL;
	c->retrying = false;
	if (r != 0) {
		/* Without the sync nothing of it can take effect. What libpq holds of it goes with the connection. */
		pgconn_end_current(c, &err);
		pgconn_lost(c, &err);
		return;
	}
	c->in_flight = true;
	timer_set(&c->timer, x->answer_us);
	pgconn_pump(c);
}

static struct exchange *next_exchange(struct pgconn *c) {
	struct exchange *x = TAILQ_FIRST(&c->first);
	if (x != NULL) {
		TAILQ_REMOVE(&c->first, x, link);
		return x;
	}
	if (c->state != CONN_OPEN || (x = TAILQ_FIRST(&c->queue)) == NULL)
		return NULL;
	TAILQ_REMOVE(&c->queue, x, link);
	c->queued--;
	return x;
}

void pgconn_run(struct pgconn *c) {
	if (c->pg == NULL || c->current != NULL || (c->state != CONN_SETTLING && c->state != CONN_OPEN))
		return;
	c->current = next_exchange(c);
	if (c->current != NULL)
		send_current(c);
}

/* ---- receiving ---------------------------------------------------------------------------------------------------------------- */

static void refused(struct pgconn *c, const PGresult *res) {
	struct exchange *x = c->current;
	if (x->err.code == 0)
		pgerr_result(res, x->what, &x->err);
}

static void accepted(struct pgconn *c, const PGresult *res) {
	struct exchange *x = c->current;
	if (c->step < c->n_steps && c->steps[c->step].prepare) {
		c->prepared[c->steps[c->step].stmt] = true;
		return;
	}
	if (x->result != NULL && x->err.code == 0) {
		struct err err = ERR_INIT;
		if (x->result(x, c->n_execs, res, &err) != 0)
			x->err = err;
	}
}

static void next_step(struct pgconn *c) {
	if (c->step < c->n_steps) {
		if (!c->steps[c->step].prepare)
			c->n_execs++;
		c->step++;
	}
	/* A script has no sync: its end is the first NULL. */
	if (c->current->script != NULL)
		c->synced = true;
}

static void take_result(struct pgconn *c, PGresult *res) {
	switch (PQresultStatus(res)) {
	case PGRES_PIPELINE_SYNC:
		c->synced = true;
		break;
	case PGRES_COPY_OUT:
		c->copying = true;
		break;
	case PGRES_TUPLES_OK:
	case PGRES_COMMAND_OK:
	case PGRES_EMPTY_QUERY:
		accepted(c, res);
		break;
	case PGRES_PIPELINE_ABORTED:
		break;
	default:
		refused(c, res);
	}
	PQclear(res);
}

/* What COPY sends. False: nothing more has come yet. After its end, good or bad, a result follows. */
static bool take_piece(struct pgconn *c) {
	struct exchange *x = c->current;
	char *p;
	int n = PQgetCopyData(c->pg, &p, 1);
	c->copying = n >= 0;
	c->failed |= n == -2; /* no memory */
	if (n <= 0)
		return n == -1;
	struct err err = ERR_INIT;
	if (x->piece != NULL && x->err.code == 0 && x->piece(x, p, (size_t)n, &err) != 0)
		x->err = err;
	PQfreemem(p);
	return true;
}

/* Takes what libpq has parsed. True: the turn is used up and more may be there. */
static bool take_results(struct pgconn *c) {
	mono_t begin = now(c);
	for (int n = 0; !c->synced && PQisBusy(c->pg) == 0; n++) {
		if (n % 64 == 63 && mono_diff(now(c), begin) > TURN_US)
			return true;
		if (c->copying) {
			if (!take_piece(c))
				return false;
			continue;
		}
		PGresult *res = PQgetResult(c->pg);
		if (res != NULL) {
			c->nulls = 0;
			take_result(c, res);
			continue;
		}
		next_step(c);
		if (++c->nulls > 1 || PQstatus(c->pg) == CONNECTION_BAD)
			return false;
	}
	return false;
}

static int64_t retry_after(struct pgconn *c) {
	int64_t us = RETRY_US;
	for (int i = 1; i < c->current->tries && us < RETRY_MAX_US; i++)
		us *= 2;
	return rng_jitter(c->spec.rng, us);
}

void pgconn_end_current(struct pgconn *c, const struct err *err) {
	struct exchange *x = c->current;
	c->current = NULL;
	c->in_flight = c->retrying = false;
	deferred_schedule(&c->kick);
	x->done(x, err);
}

/* The sync was answered: over, or once more. */
static void finish(struct pgconn *c) {
	struct exchange *x = c->current;
	timer_cancel(&c->timer);
	c->in_flight = false;
	if (x->script != NULL && PQenterPipelineMode(c->pg) != 1)
		c->failed = true;
	if (x->err.code == E_DB_RETRY && x->tries < x->max_tries) {
		c->retrying = true;
		timer_set(&c->timer, retry_after(c));
		return;
	}
	if (x->err.code == E_DB_RETRY)
		x->err.code = E_UNAVAILABLE;
	struct err err = x->err;
	bool gone = err.code == E_DB_LOST || strcmp(err.sqlstate, "25006") == 0;
	pgconn_end_current(c, err.code == 0 ? NULL : &err);
	/* A server that became a standby keeps its old connections: only a new one finds the primary. */
	if (gone && c->pg != NULL)
		pgconn_lost(c, &err);
}

static void on_writable(int fd, bool readable, bool writable, void *arg) {
	pgconn_pump(arg);
}

/* True when the connection is of no use any more. */
static bool flush(struct pgconn *c) {
	int r = PQflush(c->pg);
	if (r == 0) {
		watch_deinit(&c->writing);
		return false;
	}
	if (r == 1 && c->writing.ev == NULL)
		pgconn_watch(c, &c->writing, false, true, on_writable);
	return r < 0;
}

void pgconn_send_now(struct pgconn *c) {
	flush(c);
}

void pgconn_pump(struct pgconn *c) {
	if (c->pg == NULL || c->stalled || c->state < CONN_SETTLING)
		return;
	bool bad = PQconsumeInput(c->pg) != 1;
	bad |= flush(c);
	if (c->current != NULL && c->in_flight) {
		timer_set(&c->timer, c->current->answer_us);
		if (take_results(c)) {
			deferred_schedule(&c->kick);
			return;
		}
		if (c->synced) {
			finish(c);
			return; /* whatever else is wrong with the connection shows on the next turn */
		}
	}
	if (!bad && !c->failed && PQstatus(c->pg) == CONNECTION_OK)
		return;
	struct err err;
	if (c->current != NULL && c->in_flight && c->current->err.code == E_DB_LOST)
		err = c->current->err;
	else
		pgerr_conn(c->pg, E_DB_LOST, "database connection lost", &err);
	pgconn_lost(c, &err);
}

/* ---- queue and time ----------------------------------------------------------------------------------------------------------- */

static void arm_expiry(struct pgconn *c) {
	struct exchange *x, *soonest = NULL;
	TAILQ_FOREACH(x, &c->queue, link)
		if (soonest == NULL || x->submitted.us + x->wait_us < soonest->submitted.us + soonest->wait_us)
			soonest = x;
	if (soonest == NULL)
		timer_cancel(&c->expiry);
	else
		timer_set(&c->expiry, mono_diff(mono_add(soonest->submitted, soonest->wait_us), now(c)));
}

static void refuse_waiting(struct pgconn *c, struct exchange *x) {
	if (c->last.code != 0) {
		x->err = c->last;
		err_context(&x->err, "%s", x->what);
	} else if (c->state == CONN_OPEN) {
		err_set(&x->err, E_UNAVAILABLE, "%s: the database is busy with earlier work; try again", x->what);
	} else {
		err_set(&x->err, E_UNAVAILABLE, "%s: no connection to the database yet: %s", x->what, target_shown(c->spec.target));
	}
	x->err.code = E_UNAVAILABLE;
	TAILQ_INSERT_TAIL(&c->over, x, link);
	deferred_schedule(&c->kick);
}

static void on_expiry(void *arg) {
	struct pgconn *c = arg;
	mono_t t = now(c);
	struct exchange *x, *next;
	for (x = TAILQ_FIRST(&c->queue); x != NULL; x = next) {
		next = TAILQ_NEXT(x, link);
		if (mono_diff(t, x->submitted) < x->wait_us)
			continue;
		TAILQ_REMOVE(&c->queue, x, link);
		c->queued--;
		refuse_waiting(c, x);
	}
	arm_expiry(c);
}

static void no_answer(struct pgconn *c) {
	struct err err;
	int waiting = 0;
	/* Bytes that came while this process was not running count: pump sets the timer again. */
	if (!c->stalled && ioctl(PQsocket(c->pg), FIONREAD, &waiting) == 0 && waiting > 0) {
		pgconn_pump(c);
		return;
	}
	err_set(
	    &err, E_DB_LOST, "%s: no answer from the database within %.1f s", c->current->what, (double)c->current->answer_us / US_PER_S);
	pgconn_lost(c, &err);
}

static void on_timer(void *arg) {
	struct pgconn *c = arg;
	switch (c->state) {
	case CONN_WAITING:
		pgconn_attempt(c);
		break;
	case CONN_RESOLVING:
	case CONN_CONNECTING:
		pgconn_connect_timeout(c);
		break;
	case CONN_SETTLING:
	case CONN_OPEN:
		if (c->retrying)
			send_current(c);
		else if (c->in_flight)
			no_answer(c);
		break;
	case CONN_IDLE:
		break;
	}
}

static void on_kick(void *arg) {
	struct pgconn *c = arg;
	struct exchange *x;
	while ((x = TAILQ_FIRST(&c->over)) != NULL) {
		TAILQ_REMOVE(&c->over, x, link);
		struct err err = x->err;
		x->done(x, &err);
	}
	if (c->in_flight)
		pgconn_pump(c);
	else
		pgconn_run(c);
	arm_expiry(c);
}

void pgconn_submit(struct pgconn *c, struct exchange *x) {
	x->tries = 0;
	x->err = ERR_INIT;
	x->submitted = now(c);
	if (c->queued >= c->spec.max_queue) {
		err_set(&x->err, E_UNAVAILABLE, "%s: %zu requests wait for the database already; try again", x->what, c->queued);
		TAILQ_INSERT_TAIL(&c->over, x, link);
	} else {
		TAILQ_INSERT_TAIL(&c->queue, x, link);
		c->queued++;
	}
	deferred_schedule(&c->kick);
}

void pgconn_submit_first(struct pgconn *c, struct exchange *x) {
	x->tries = 0;
	x->err = ERR_INIT;
	x->submitted = now(c);
	TAILQ_INSERT_TAIL(&c->first, x, link);
	deferred_schedule(&c->kick);
}

/* ---- life --------------------------------------------------------------------------------------------------------------------- */

int pgconn_new(const struct pgconn_spec *spec, struct pgconn **ret, struct err *err) {
	struct pgconn *c = calloc(1, sizeof *c);
	if (c == NULL)
		return err_set(err, E_NOMEM, "no memory for a database connection");
	c->spec = *spec;
	c->fd = -1;
	TAILQ_INIT(&c->queue);
	TAILQ_INIT(&c->first);
	TAILQ_INIT(&c->over);
	timer_init(&c->timer, spec->loop, on_timer, c);
	timer_init(&c->expiry, spec->loop, on_expiry, c);
	deferred_init(&c->kick, spec->loop, on_kick, c);
	*ret = c;
	return 0;
}

void pgconn_start(struct pgconn *c) {
	if (c->state != CONN_IDLE)
		return;
	c->state = CONN_WAITING;
	timer_set(&c->timer, 0);
}

static void cancel_all(struct exchange_queue *q) {
	struct err err;
	struct exchange *x;
	err_set(&err, E_CANCELLED, "the ledger is closing");
	while ((x = TAILQ_FIRST(q)) != NULL) {
		TAILQ_REMOVE(q, x, link);
		x->done(x, &err);
	}
}

void pgconn_free(struct pgconn *c) {
	if (c == NULL)
		return;
	pgconn_close(c);
	c->state = CONN_IDLE;
	if (c->current != NULL) {
		struct err err;
		err_set(&err, E_CANCELLED, "the ledger is closing");
		pgconn_end_current(c, &err);
	}
	cancel_all(&c->first);
	cancel_all(&c->over);
	cancel_all(&c->queue);
	resolver_free(c->resolver);
	timer_deinit(&c->timer);
	timer_deinit(&c->expiry);
	deferred_deinit(&c->kick);
	free(c);
}

void pgconn_drop(struct pgconn *c, const struct err *why) {
	if (c->pg != NULL)
		pgconn_lost(c, why);
}

void pgconn_stall(struct pgconn *c, bool stalled) {
	c->stalled = stalled;
	if (!stalled)
		deferred_schedule(&c->kick);
}

bool pgconn_ready(const struct pgconn *c) {
	return c->state == CONN_OPEN;
}

const struct err *pgconn_last_error(const struct pgconn *c) {
	return &c->last;
}

int pgconn_failures(const struct pgconn *c) {
	return c->attempts;
}

int pgconn_pid(const struct pgconn *c) {
	return c->pg == NULL ? 0 : PQbackendPID(c->pg);
}

int pgconn_fd(const struct pgconn *c) {
	return c->pg == NULL ? -1 : PQsocket(c->pg);
}
