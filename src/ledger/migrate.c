/* Brings the schema up to what this release knows: compare what was applied, then apply what is missing, each in one transaction.
 *
 * Runs as the first step of a load, so only in the hands of the lease holder (rule 15). Refuses a schema that is newer than this release
 * and a migration that was edited after it was applied. */
#include "ledger/pg_impl.h"

#include <string.h>

#include "base/log.h"

static void begin_next(struct ledger_pg *l);

static struct ledger_pg *of(struct exchange *x) {
	return owner_of(x, struct ledger_pg, migrate.x);
}

static void over(struct ledger_pg *l, const struct err *err) {
	migrate_fn done = l->migrate.done;
	l->migrate.done = NULL;
	if (err != NULL && !l->closing)
		pgconn_drop(l->commit_conn, err); /* whatever transaction is open ends with the connection */
	done(l->migrate.arg, err);
}

static void submit(struct ledger_pg *l, const char *what, int (*send)(struct exchange *, struct pgconn *, struct err *),
    int (*result)(struct exchange *, int, const PGresult *, struct err *), void (*done)(struct exchange *, const struct err *)) {
	l->migrate.x = (struct exchange){ .what = what,
		.send = send,
		.result = result,
		.done = done,
		.wait_us = l->cfg.wait_us,
		.answer_us = l->cfg.load_us,
		.max_tries = 1 };
	pgconn_submit(l->commit_conn, &l->migrate.x);
}

/* ---- what was applied ----------------------------------------------------------------------------------------------------------- */

static int list_send(struct exchange *x, struct pgconn *c, struct err *err) {
	return pgconn_exec_once(c, STMT_migration_list, NULL, err);
}

static int compare_one(struct ledger_pg *l, int64_t number, const char *name, const char *sha256, struct err *err) {
	int64_t newest = (int64_t)l->n_migrations - 1;
	if (number > newest)
		return err_set(err, E_UNSUPPORTED, "the database has schema %lld (%s), this release knows %lld; start the newer release",
		    (long long)number, name, (long long)newest);
	if (number < 1 || strcmp(l->migrations[number].sha256, sha256) != 0)
		return err_set(err, E_UNSUPPORTED,
		    "migration %s was applied to this database with another content (sha256 %.16s…); it must never be edited", name,
		    sha256);
	if (number != l->migrate.newest + 1)
		return err_set(err, E_UNSUPPORTED, "migration %lld is missing in this database, but %s was applied",
		    (long long)l->migrate.newest + 1, name);
	l->migrate.newest = number;
	return 0;
}

static int list_result(struct exchange *x, int step, const PGresult *res, struct err *err) {
	struct ledger_pg *l = of(x);
	l->migrate.newest = 0;
	for (int i = 0; i < PQntuples(res); i++) {
		int r = compare_one(l, result_i64(res, i, 0), result_text(res, i, 1), result_text(res, i, 2), err);
		if (r != 0)
			return r;
	}
	return 0;
}

/* ---- one migration: begin and lock, script, note and commit ---------------------------------------------------------------------- */

static int note_send(struct exchange *x, struct pgconn *c, struct err *err) {
	struct ledger_pg *l = of(x);
	const struct migration *m = &l->migrations[l->migrate.newest + 1];
	struct params p;
	params_init(&p, pgconn_arena(c));
	params_i64(&p, m->number);
	params_text(&p, m->name);
	params_text(&p, m->sha256);
	int r = pgconn_exec_once(c, STMT_migration_note, &p, err);
	return r != 0 ? r : pgconn_exec_once(c, STMT_end, NULL, err);
}

static void note_done(struct exchange *x, const struct err *err) {
	struct ledger_pg *l = of(x);
	if (err != NULL) {
		over(l, err);
		return;
	}
	l->migrate.newest++;
	log_info("migrated", log_s("migration", l->migrations[l->migrate.newest].name));
	begin_next(l);
}

static void script_done(struct exchange *x, const struct err *err) {
	struct ledger_pg *l = of(x);
	if (err != NULL) {
		struct err e = *err;
		err_context(&e, "migration %s", l->migrations[l->migrate.newest + 1].name);
		over(l, &e);
		return;
	}
	submit(l, "recording a migration", note_send, NULL, note_done);
}

static int lock_send(struct exchange *x, struct pgconn *c, struct err *err) {
	int r = pgconn_exec_once(c, STMT_begin, NULL, err);
	if (r == 0)
		r = pgconn_exec_once(c, STMT_migration_lock, NULL, err);
	return r != 0 ? r : pgconn_exec_once(c, STMT_migration_list, NULL, err);
}

/* Looked at again under the lock: another server may have been faster. */
static int lock_result(struct exchange *x, int step, const PGresult *res, struct err *err) {
	return step == 2 ? list_result(x, step, res, err) : 0;
}

static int end_send(struct exchange *x, struct pgconn *c, struct err *err) {
	return pgconn_exec_once(c, STMT_end, NULL, err);
}

static void end_done(struct exchange *x, const struct err *err) {
	over(of(x), err);
}

static void locked(struct exchange *x, const struct err *err) {
	struct ledger_pg *l = of(x);
	if (err != NULL) {
		over(l, err);
	} else if ((size_t)l->migrate.newest + 1 >= l->n_migrations) {
		submit(l, "ending the migration", end_send, NULL, end_done);
	} else {
		submit(l, "migration", NULL, NULL, script_done);
		l->migrate.x.script = l->migrations[l->migrate.newest + 1].text;
	}
}

static void begin_next(struct ledger_pg *l) {
	if ((size_t)l->migrate.newest + 1 >= l->n_migrations)
		over(l, NULL);
	else
		submit(l, "locking the list of migrations", lock_send, lock_result, locked);
}

static void listed(struct exchange *x, const struct err *err) {
	struct ledger_pg *l = of(x);
	if (err != NULL)
		over(l, err);
	else
		begin_next(l);
}

/* ---- the very first: lease row and list of migrations ---------------------------------------------------------------------------- */

static void bootstrapped(struct exchange *x, const struct err *err) {
	struct ledger_pg *l = of(x);
	/* Two servers at once on a new database: "create table if not exists" may still fail on the catalog; then it is there. */
	if (err != NULL && err->code != E_DB_REFUSED)
		over(l, err);
	else
		submit(l, "reading the list of migrations", list_send, list_result, listed);
}

static int ready_send(struct exchange *x, struct pgconn *c, struct err *err) {
	return pgconn_exec_once(c, STMT_migration_ready, NULL, err);
}

static int ready_result(struct exchange *x, int step, const PGresult *res, struct err *err) {
	of(x)->lease_exists = result_flag(res, 0, 0);
	return 0;
}

static void ready_done(struct exchange *x, const struct err *err) {
	struct ledger_pg *l = of(x);
	if (err != NULL) {
		over(l, err);
	} else if (l->lease_exists) {
		submit(l, "reading the list of migrations", list_send, list_result, listed);
	} else {
		submit(l, "preparing a new database", NULL, NULL, bootstrapped);
		l->migrate.x.script = l->migrations[0].text;
	}
}

void migrate_start(struct ledger_pg *l, migrate_fn done, void *arg) {
	l->migrate.done = done;
	l->migrate.arg = arg;
	l->migrate.newest = 0;
	submit(l, "looking for the schema", ready_send, ready_result, ready_done);
}
