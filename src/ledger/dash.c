/* The role of dashboards: made after a load where the rights allow, and watched over while this server has an epoch. On the read
 * connection, never in the way of a commit. What fails here is told once and tried again; the ledger works without it. */
#include "ledger/pg_impl.h"

#include <stdlib.h>

#include "base/log.h"

static struct ledger_pg *of(struct exchange *x) {
	return owner_of(x, struct ledger_pg, dash.x);
}

static void submit(struct ledger_pg *l, const char *what, int (*send)(struct exchange *, struct pgconn *, struct err *),
    int (*result)(struct exchange *, int, const PGresult *, struct err *), void (*done)(struct exchange *, const struct err *)) {
	l->dash.x = (struct exchange){ .what = what,
		.send = send,
		.result = result,
		.done = done,
		.wait_us = l->cfg.wait_us,
		.answer_us = l->cfg.read_us,
		.max_tries = 3 };
	l->dash.busy = true;
	pgconn_submit(l->read_conn, &l->dash.x);
}

static void over(struct ledger_pg *l) {
	l->dash.busy = false;
	if (!l->closing)
		timer_set(&l->dash.timer, l->cfg.dash_every_us);
}

/* ---- making it --------------------------------------------------------------------------------------------------------------------- */

static int make_send(struct exchange *x, struct pgconn *c, struct err *err) {
	int r = pgconn_exec_once(c, STMT_dash_role, NULL, err);
	if (r == 0)
		r = pgconn_exec_once(c, STMT_dash_grant, NULL, err);
	return r != 0 ? r : pgconn_exec_once(c, STMT_dash_state, NULL, err);
}

static int make_result(struct exchange *x, int step, const PGresult *res, struct err *err) {
	if (step == 2)
		of(x)->dash.there = result_flag(res, 0, 0);
	return 0;
}

static void make_done(struct exchange *x, const struct err *err) {
	struct ledger_pg *l = of(x);
	struct dash *d = &l->dash;
	d->made = err == NULL;
	bool tell = !d->told && !l->closing && (err == NULL || err->code == E_DB_REFUSED);
	if (tell && err != NULL)
		log_warn("the role berth_dash was not prepared", log_e(err));
	else if (tell && !d->there)
		log_info("no role berth_dash for dashboards, and this login may not make it; berthd init-dash prints the statements");
	d->told = d->told || tell;
	over(l);
}

/* ---- watching over it --------------------------------------------------------------------------------------------------------------- */

static int guard_send(struct exchange *x, struct pgconn *c, struct err *err) {
	struct params p;
	params_init(&p, pgconn_arena(c));
	params_i64(&p, of(x)->cfg.dash_limit_us);
	return pgconn_exec(c, STMT_dash_guard, &p, err);
}

static int guard_result(struct exchange *x, int step, const PGresult *res, struct err *err) {
	int64_t n = result_i64(res, 0, 0);
	if (n > 0)
		log_warn(
		    "ended what berth_dash ran for too long", log_i("sessions", n), log_i("limit_s", of(x)->cfg.dash_limit_us / US_PER_S));
	return 0;
}

static void guard_done(struct exchange *x, const struct err *err) {
	over(of(x));
}

static void on_timer(void *arg) {
	struct ledger_pg *l = arg;
	if (l->dash.made)
		submit(l, "looking after berth_dash", guard_send, guard_result, guard_done);
	else
		submit(l, "preparing berth_dash", make_send, make_result, make_done);
}

/* ---- life ------------------------------------------------------------------------------------------------------------------------------
 */

void dash_init(struct ledger_pg *l) {
	timer_init(&l->dash.timer, l->loop, on_timer, l);
}

/* Each load may have migrated views in, or be the first after somebody made the role. */
void dash_start(struct ledger_pg *l) {
	l->dash.made = false;
	if (!l->dash.busy)
		timer_set(&l->dash.timer, 0);
}

void dash_deinit(struct ledger_pg *l) {
	timer_deinit(&l->dash.timer);
}

int dash_statements(FILE *out, struct err *err) {
	struct stmts *s = malloc(sizeof *s);
	if (s == NULL)
		return err_set(err, E_NOMEM, "no memory for the statements");
	int r = stmts_init(s, err);
	if (r == 0)
		fprintf(out, "%s;\n%s;\n", s->def[STMT_dash_role].text, s->def[STMT_dash_grant].text);
	free(s);
	return r;
}
