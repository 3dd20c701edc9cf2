#include "world.h"

#include <event2/event.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/log.h"
#include "base/secret.h"

#define WAIT_US (30 * US_PER_S)

static PGconn *connect_to(const char *info) {
	PGconn *pg = PQconnectdb(info);
	ck_assert_msg(PQstatus(pg) == CONNECTION_OK, "%s", PQerrorMessage(pg));
	return pg;
}

const char *sql(struct world *w, PGconn *pg, const char *text) {
	PGresult *res = PQexec(pg, text);
	ExecStatusType s = PQresultStatus(res);
	ck_assert_msg(s == PGRES_TUPLES_OK || s == PGRES_COMMAND_OK, "%s\n%s", text, PQresultErrorMessage(res));
	const char *value = NULL;
	if (s == PGRES_TUPLES_OK && PQntuples(res) > 0 && !PQgetisnull(res, 0, 0))
		value = arena_strdup(w->arena, PQgetvalue(res, 0, 0));
	PQclear(res);
	return value;
}

void world_open(struct world *w) {
	struct err err;
	const char *server = getenv("BERTH_TEST_DATABASE");
	ck_assert_msg(server != NULL, "BERTH_TEST_DATABASE is not set; run: make test-ledger");
	memset(w, 0, sizeof *w);
	log_setup("ledger-tests", LOG_LEVEL_ERROR, LOG_FORMAT_LOGFMT, STDERR_FILENO);
	w->arena = arena_new();
	rng_init(&w->rng, 42);
	ck_assert_int_eq(loop_new(&w->loop, &err), 0);
	char uuid[37], name[64];
	uuid_make(uuid);
	snprintf(name, sizeof name, "t_%.8s_%d", uuid, (int)getpid());
	PGconn *pg = connect_to(server);
	sql(w, pg, arena_printf(w->arena, "create database %s", name));
	PQfinish(pg);
	snprintf(w->database, sizeof w->database, "%s dbname=%s", server, name);
	w->admin = connect_to(w->database);
}

void world_close(struct world *w) {
	PQfinish(w->admin);
	loop_free(w->loop);
	arena_free(w->arena);
}

PGconn *world_session(struct world *w) {
	return connect_to(w->database);
}

struct ledger_pg *world_ledger_with(struct world *w, const struct ledger_pg_config *cfg) {
	struct ledger_pg_config c = *cfg;
	struct ledger_pg *l;
	struct err err;
	c.url = w->database;
	ck_assert_msg(ledger_pg_new(w->loop, &clock_real, &c, &l, &err) == 0, "%s", err.text);
	return l;
}

struct ledger_pg *world_ledger(struct world *w) {
	struct ledger_pg_config c;
	struct call k = { 0 };
	ledger_pg_config_defaults(&c);
	struct ledger_pg *l = world_ledger_with(w, &c);
	ledger_pg_check(l, call_done, &k);
	wait_until(w, &k.done);
	ck_assert_msg(k.err.code == 0, "%s", k.err.text);
	return l;
}

static void on_late(void *arg) {
	*(bool *)arg = true;
}

bool wait_until_within(struct world *w, const bool *flag, int64_t us) {
	bool late = false;
	struct timer t;
	timer_init(&t, w->loop, on_late, &late);
	timer_set(&t, us);
	while (!*flag && !late)
		event_base_loop(loop_base(w->loop), EVLOOP_ONCE);
	timer_deinit(&t);
	return *flag;
}

void wait_until(struct world *w, const bool *flag) {
	ck_assert_msg(wait_until_within(w, flag, WAIT_US), "waited for 30 s");
}

void call_done(void *arg, const struct err *err) {
	struct call *k = arg;
	ck_assert_msg(!k->done, "a completion ran twice");
	k->done = true;
	k->err = err == NULL ? ERR_INIT : *err;
}

int do_commit(struct world *w, struct ledger_pg *l, const struct changeset *cs, struct err *err) {
	struct call k = { 0 };
	struct ledger *led = ledger_pg_ledger(l);
	led->ops->commit(led, cs, call_done, &k);
	ck_assert_msg(!k.done, "a completion ran inside the call");
	wait_until(w, &k.done);
	if (err != NULL)
		*err = k.err;
	return k.err.code;
}

static int on_row(void *arg, enum table t, void *row, struct err *err) {
	struct sink *s = arg;
	if (s->n[t] == s->size[t]) {
		s->size[t] = s->size[t] == 0 ? 64 : s->size[t] * 2;
		void **more = arena_alloc(s->w->arena, s->size[t] * sizeof *more);
		if (s->n[t] > 0)
			memcpy(more, s->rows[t], s->n[t] * sizeof *more);
		s->rows[t] = more;
	}
	s->rows[t][s->n[t]++] = row_copy(&table_defs[t], row, s->w->arena);
	return 0;
}

static void on_loaded(void *arg, const struct ledger_loaded *res, const struct err *err) {
	struct sink *s = arg;
	s->done = true;
	if (err != NULL)
		s->err = *err;
	else
		s->loaded = *res;
}

void load_begin(struct world *w, struct ledger_pg *l, struct sink *s) {
	struct ledger *led = ledger_pg_ledger(l);
	memset(s, 0, sizeof *s);
	s->w = w;
	led->ops->load(led, on_row, on_loaded, s);
}

void do_load(struct world *w, struct ledger_pg *l, struct sink *s) {
	load_begin(w, l, s);
	wait_until(w, &s->done);
	ck_assert_msg(s->err.code == 0, "%s", s->err.text);
}

int do_recover(struct world *w, struct ledger_pg *l, struct ledger_loaded *ret, struct err *err) {
	struct sink s = { .w = w };
	struct ledger *led = ledger_pg_ledger(l);
	led->ops->recover(led, on_loaded, &s);
	wait_until(w, &s.done);
	*ret = s.loaded;
	if (err != NULL)
		*err = s.err;
	return s.err.code;
}

/* ---- random rows ------------------------------------------------------------------------------------------------------------------- */

static char *text_random(struct world *w) {
	static const char *const some[] = { NULL, "", "plain", "O'Reilly \"quoted\" \\ back", "línea\nzwei\ttab", "模块 🚢",
		"{not, an array}", "NULL" };
	uint64_t i = rng_below(&w->rng, 10);
	if (i < 8)
		return arena_strdup(w->arena, some[i]);
	size_t n = (size_t)rng_below(&w->rng, 4000);
	char *s = arena_alloc(w->arena, n + 1);
	for (size_t k = 0; k < n; k++)
		s[k] = (char)('!' + rng_below(&w->rng, 90));
	return s;
}

static char *json_random(struct world *w) {
	static const char *const some[] = { NULL, "{}", "[]", "{\"a\":1,\"b\":[true,null,\"x\"]}", "{ \"z\" : 1.50,\n \"a\":\"\\u00e9\" }",
		"\"text\"", "-1e400" };
	return arena_strdup(w->arena, some[rng_below(&w->rng, 7)]);
}

static void field_random(struct world *w, const struct col *c, char *row) {
	int64_t i = (int64_t)(rng_u64(&w->rng) >> 1 >> rng_below(&w->rng, 62)); /* not negative: that is refused where it matters */
	char *s;
	switch (c->type) {
	case COL_i64:
	case COL_ref:
		memcpy(row + c->offset, &i, sizeof i);
		break;
	case COL_text:
		s = text_random(w);
		memcpy(row + c->offset, &s, sizeof s);
		break;
	case COL_json:
		s = json_random(w);
		memcpy(row + c->offset, &s, sizeof s);
		break;
	case COL_flag:
		row[c->offset] = (char)rng_below(&w->rng, 2);
		break;
	case COL_time: {
		wall_t t = {
			rng_below(&w->rng, 4) == 0 ? 0 : INT64_C(1500000000000000) + (int64_t)rng_below(&w->rng, INT64_C(900000000000000))
		};
		memcpy(row + c->offset, &t, sizeof t);
		break;
	}
	case COL_blob:
		for (size_t k = 0; k < c->size; k++)
			row[c->offset + k] = (char)rng_below(&w->rng, 256);
		break;
	case COL_word: {
		int v = 1 + (int)rng_below(&w->rng, (uint64_t)word_count(c->words));
		memcpy(row + c->offset, &v, sizeof v);
		break;
	}
	}
}

static int64_t up_to(struct world *w, int64_t k) {
	return 1 + (int64_t)rng_below(&w->rng, (uint64_t)k);
}

static char *named(struct world *w, const char *what, int64_t k) {
	return arena_printf(w->arena, "%s-%lld", what, (long long)k);
}

static void blob_number(uint8_t *to, size_t n, int64_t k) {
	memset(to, 0, n);
	memcpy(to, &k, sizeof k);
}

static void meet_plan_tables(struct world *w, enum table t, void *row, int64_t k) {
	if (t == TABLE_plan) {
		struct row_plan *r = row;
		r->tenant_id = up_to(w, k);
		r->state = 1 + (int)rng_below(&w->rng, PLAN_SOAKING);
		r->created_at.us = 1;
		r->current_batch = 1;
	} else if (t == TABLE_plan_change) {
		struct row_plan_change *r = row;
		r->plan_id = k;
		r->number = 1;
		r->deployment = named(w, "deployment", k);
	} else if (t == TABLE_batch) {
		struct row_batch *r = row;
		r->plan_id = k;
		r->number = 1;
	} else if (t == TABLE_task) {
		struct row_task *r = row;
		r->plan_id = k % 3 == 0 ? 0 : up_to(w, k);
		r->batch = 1;
		r->base = named(w, "base", k);
		r->created_at.us = 1;
		if (r->plan_id == 0 || word_terminal(WORD_TASK, r->state))
			r->state = TASK_SENT;
	}
}

static void meet_fleet_tables(struct world *w, enum table t, void *row, int64_t k) {
	if (t == TABLE_base) {
		struct row_base *r = row;
		r->tenant_id = up_to(w, k);
		r->group_id = up_to(w, k);
		r->name = named(w, "base", k);
		r->units_used %= 1000;
		r->units_ceiling = r->units_used + 5;
	} else if (t == TABLE_deployment) {
		struct row_deployment *r = row;
		r->tenant_id = up_to(w, k);
		r->module_id = up_to(w, k);
		r->group_id = up_to(w, k);
		r->name = named(w, "deployment", k);
		r->revision = 3;
	} else if (t == TABLE_revision) {
		struct row_revision *r = row;
		r->deployment_id = k;
		r->number = 3;
		r->version_id = up_to(w, k);
	} else if (t == TABLE_instance) {
		struct row_instance *r = row;
		r->base_id = k;
		r->deployment_id = k % 3 == 0 ? 0 : up_to(w, k);
		r->version_id = up_to(w, k);
	} else if (t == TABLE_base_history) {
		struct row_base_history *r = row;
		r->since.us = INT64_C(1700000000000000) + k;
		r->tenant_id = up_to(w, k);
		r->base = named(w, "base", k);
		r->module = named(w, "module", k);
	} else if (t == TABLE_finding) {
		struct row_finding *r = row;
		r->tenant_id = up_to(w, k);
		r->base_id = k % 2 == 0 ? 0 : up_to(w, k);
	}
}

static void meet_name_tables(struct world *w, enum table t, void *row, int64_t k) {
	if (t == TABLE_counter) {
		((struct row_counter *)row)->name = named(w, "counter", k);
	} else if (t == TABLE_tenant) {
		((struct row_tenant *)row)->name = named(w, "tenant", k);
	} else if (t == TABLE_token) {
		struct row_token *r = row;
		r->tenant_id = up_to(w, k);
		r->name = named(w, "token", k);
		r->revoked_at.us = 0;
		blob_number(r->hash, sizeof r->hash, k);
	} else if (t == TABLE_webhook) {
		struct row_webhook *r = row;
		r->tenant_id = up_to(w, k);
		r->name = named(w, "webhook", k);
		r->url = named(w, "http://hook", k);
		r->secret = named(w, "secret", k);
	} else if (t == TABLE_artifact) {
		struct row_artifact *r = row;
		r->tenant_id = up_to(w, k);
		r->sha256 = named(w, "sha", k);
	} else if (t == TABLE_module) {
		struct row_module *r = row;
		r->tenant_id = up_to(w, k);
		r->name = named(w, "module", k);
	} else if (t == TABLE_version) {
		struct row_version *r = row;
		r->module_id = up_to(w, k);
		r->artifact_id = up_to(w, k);
		r->name = named(w, "version", k);
	} else if (t == TABLE_base_group) {
		struct row_base_group *r = row;
		r->tenant_id = up_to(w, k);
		r->name = named(w, "group", k);
	}
}

void *row_random(struct world *w, enum table t, int64_t k) {
	const struct table_def *d = &table_defs[t];
	char *row = arena_alloc(w->arena, d->row_size);
	for (int i = 0; i < d->n_cols; i++)
		field_random(w, &d->cols[i], row);
	if (d->cols[0].type == COL_i64)
		memcpy(row + d->cols[0].offset, &k, sizeof k);
	meet_name_tables(w, t, row, k);
	meet_fleet_tables(w, t, row, k);
	meet_plan_tables(w, t, row, k);
	if (t == TABLE_idempotency) {
		struct row_idempotency *r = (struct row_idempotency *)(void *)row;
		blob_number(r->hash, sizeof r->hash, k);
		r->created_at = clock_wall(&clock_real);
	} else if (t == TABLE_event) {
		struct row_event *r = (struct row_event *)(void *)row;
		r->at.us = INT64_C(1700000000000000) + k;
		r->actor = named(w, "actor", k % 7);
		r->base = named(w, "base", k % 11);
		r->module = k % 5 == 0 ? NULL : named(w, "module", k % 5);
		r->deployment = named(w, "deployment", k % 3);
	}
	return row;
}

struct changeset *changeset_of(int64_t epoch, int64_t commit_no, int64_t last_event) {
	struct changeset *cs = changeset_new();
	cs->epoch = epoch;
	cs->commit_no = commit_no;
	cs->last_event = last_event;
	return cs;
}

struct changeset *changeset_random(struct world *w, int64_t epoch, int64_t commit_no, int n, int64_t first_event) {
	struct changeset *cs = changeset_of(epoch, commit_no, first_event + n - 1);
	for (int t = 0; t < TABLE_COUNT; t++) {
		if (t == TABLE_cell)
			continue;
		for (int k = 1; k <= n; k++)
			changeset_upsert(cs, (enum table)t, row_random(w, (enum table)t, t == TABLE_event ? first_event + k - 1 : k));
	}
	return cs;
}
