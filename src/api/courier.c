/* The courier tells webhooks of committed events: in order, one at a time each, until the receiver says 2xx.
 *
 * A route is one webhook's way. How far it was told is a number in the webhook's row, written after each delivery, so another server goes
 * on where this one ended, and an event may come twice but is never left out. What there is to tell is read from the ledger; committed
 * events only say that there is something. Only the active server tells. Of a database that does not answer, or is older than what was
 * seen, no event can be written: those alarms are told from memory, by the server that sees them. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "api/call.h"
#include "api/webhook.h"
#include "base/buf.h"
#include "base/log.h"
#include "base/rng.h"
#include "base/secret.h"
#include "loop/fetch.h"

#define CONNECT_US (10 * US_PER_S)
#define TOTAL_US (30 * US_PER_S)
#define MAX_ANSWER ((size_t)64 << 10)
#define BACKOFF_US US_PER_S
#define BACKOFF_MAX_US (300 * US_PER_S)
#define GIVE_UP_US (INT64_C(3) * 86400 * US_PER_S)
#define FAILING 5               /* tries in a row, and an event says so */
#define PAGE 100                /* events read at a time */
#define LAG 10000               /* events that were none of its kinds, until the row says so */
#define AWAY_US (10 * US_PER_S) /* a database that comes back sooner is no alarm */

struct settings {
	struct arena *arena;
	int64_t etag, sent;
	const char *tenant, *url, *secret, *kinds, *template;
	char **patterns; /* kinds, one by one */
	size_t n_patterns;
};

enum step { IDLE, READING, SENDING, SAVING, WAITING };

struct route {
	struct core_op core; /* first: SAVING */
	struct courier *courier;
	int64_t id, tenant_id;
	struct settings *now, *next; /* next: taken up when the step at work is over */
	enum step step;
	bool gone;
	uint64_t alarm; /* what is being sent is this alarm; 0: it is an event */
	int64_t seen;   /* nothing of its kinds up to here but what is in the page */
	struct ledger_rows page;
	size_t at;
	struct fetch *fetch;
	struct timer again;
	int64_t backoff_us;
	uint64_t told; /* alarms */
	struct {
		int64_t from, to;
		bool failed;
		char error[160];
	} save;
	TAILQ_ENTRY(route) link;
};

struct courier {
	struct core_op core; /* first: reads which webhooks there are */
	struct api *api;
	struct fetcher *fetcher;
	struct rng rng;
	TAILQ_HEAD(, route) routes;
	struct route **found;
	size_t n_found, found_size;
	int64_t last_event; /* when they were found */
	bool active, syncing, again, freed;
	int pending; /* completions that will come */
	struct timer away;
	enum core_mode mode;
	struct {
		uint64_t number;
		bool stands;
		const char *kind;
		char text[320];
		wall_t at;
	} alarm;
};

static void route_go(struct route *r);

/* ---- routes ---------------------------------------------------------------------------------------------------------------------- */
static void settings_free(struct settings *s) {
	if (s != NULL)
		arena_free(s->arena);
}

/* Whatever it asked for, and tests. */
static void kinds_of(const struct webhook *w, struct settings *s) {
	char **asked;
	size_t n;
	view_strings(w->row.kinds != NULL ? w->row.kinds : webhook_default_kinds, s->arena, &asked, &n);
	s->patterns = arena_alloc(s->arena, (n + 1) * sizeof *s->patterns);
	for (size_t i = 0; i < n; i++)
		s->patterns[i] = asked[i];
	s->patterns[n] = (char *)(uintptr_t) "webhook.test";
	s->n_patterns = n + 1;
	s->kinds = strings_print(s->patterns, s->n_patterns, s->arena);
}

static struct settings *settings_of(const struct webhook *w) {
	struct arena *a = arena_new();
	struct settings *s = arena_alloc(a, sizeof *s);
	*s = (struct settings){ .arena = a,
		.etag = w->row.etag,
		.sent = w->row.sent_event,
		.tenant = arena_strdup(a, w->tenant->row.name),
		.url = arena_strdup(a, w->row.url),
		.secret = arena_strdup(a, w->row.secret),
		.template = arena_strdup(a, w->row.template) };
	kinds_of(w, s);
	return s;
}

static void page_drop(struct route *r) {
	arena_free(r->page.arena);
	r->page = (struct ledger_rows){ 0 };
	r->at = 0;
}

static void courier_release(struct courier *c) {
	if (!c->freed || c->pending > 0)
		return;
	free(c->found);
	free(c);
}

static void route_free(struct route *r) {
	if (r->now != NULL)
		TAILQ_REMOVE(&r->courier->routes, r, link);
	settings_free(r->now);
	settings_free(r->next);
	page_drop(r);
	timer_deinit(&r->again);
	free(r);
}

/* A step is over: the courier may be gone meanwhile, the webhook too. False: so is the route. */
static bool step_over(struct route *r) {
	struct courier *c = r->courier;
	c->pending--;
	r->step = IDLE;
	if (!c->freed)
		return true;
	route_free(r);
	courier_release(c);
	return false;
}

static void on_again(void *arg) {
	struct route *r = arg;
	r->step = IDLE;
	route_go(r);
}

static void wait_for_next_try(struct route *r) {
	int64_t us = r->backoff_us > 0 ? r->backoff_us * 2 : BACKOFF_US;
	r->backoff_us = us < BACKOFF_MAX_US ? us : BACKOFF_MAX_US;
	r->step = WAITING;
	timer_set(&r->again, rng_jitter(&r->courier->rng, r->backoff_us));
}

/* ---- saving how far it was told ---------------------------------------------------------------------------------------------------- */
static void save_failure(struct core *c, struct route *r, struct webhook *w) {
	struct event_facts facts = { .kind = "webhook.failing" };
	wall_t now = core_now(c);
	text_set(&w->row.last_error, r->save.error);
	if (w->row.failures++ == 0)
		w->row.failing_since = now;
	if (w->row.failures == FAILING)
		core_event(c, &facts, "webhook %s failed %d times in a row: %s", w->row.name, FAILING, r->save.error);
	if (now.us - w->row.failing_since.us < GIVE_UP_US)
		return;
	facts.kind = "webhook.gave_up";
	core_event(c, &facts,
	    "webhook %s was not told of event %" PRId64
	    " in three days of trying; once it answers: berth webhook replay %s --after %" PRId64,
	    w->row.name, r->save.to, w->row.name, r->save.to - 1);
	w->row.sent_event = r->save.to;
	w->row.failures = 0;
}

static int save_apply(struct core *c, struct core_op *op, struct err *err) {
	struct route *r = (struct route *)op;
	struct webhook *w = fleet_webhook_by_id(core_fleet(c), r->id);
	(void)err;
	if (w == NULL || w->row.sent_event != r->save.from) /* deleted, or replayed meanwhile */
		return 0;
	if (r->save.failed) {
		save_failure(c, r, w);
	} else {
		w->row.sent_event = r->save.to;
		w->row.failures = 0;
		w->row.failing_since = (wall_t){ 0 };
		text_set(&w->row.last_error, NULL);
	}
	r->now->sent = w->row.sent_event;
	fleet_touch(core_fleet(c), &w->o);
	return 0;
}

static void save_done(struct core_op *op, const struct err *err) {
	struct route *r = (struct route *)op;
	if (!step_over(r))
		return;
	if (err != NULL) { /* not the active server any more, or no database: what it told may be told again */
		page_drop(r);
		r->seen = r->now->sent = r->save.from;
		return;
	}
	if (r->page.n > r->at && r->now->sent >= ((struct row_event *)r->page.rows[r->at])->number)
		r->at++;
	if (r->save.failed)
		wait_for_next_try(r);
	else
		route_go(r);
}

static void save(struct route *r, int64_t to, const char *error) {
	r->save.from = r->now->sent;
	r->save.to = to;
	r->save.failed = error != NULL;
	snprintf(r->save.error, sizeof r->save.error, "%s", error != NULL ? error : "");
	r->core.apply = save_apply;
	r->core.done = save_done;
	r->core.who = (struct core_who){ .tenant_id = r->tenant_id, .actor = "berth" };
	r->step = SAVING;
	r->courier->pending++;
	core_submit(r->courier->api->core, &r->core);
}

/* ---- sending --------------------------------------------------------------------------------------------------------------------- */
static void on_sent(void *arg, const struct fetch_result *res, const struct err *err) {
	struct route *r = arg;
	char text[160] = "";
	r->fetch = NULL;
	if (!step_over(r))
		return;
	if (err != NULL)
		snprintf(text, sizeof text, "%.150s", err->text);
	else if (res->status < 200 || res->status > 299)
		snprintf(text, sizeof text, "the receiver answered %d", res->status);
	if (*text == '\0') {
		r->backoff_us = 0;
		r->told = r->alarm != 0 ? r->alarm : r->told;
	}
	if (r->alarm == 0)
		save(r, ((const struct row_event *)r->page.rows[r->at])->number, *text != '\0' ? text : NULL);
	else if (*text != '\0')
		wait_for_next_try(r);
	else
		route_go(r);
}

static void post(struct route *r, const Berth__V1__Event *e) {
	char signature[SIGNATURE_SIZE], line[4][160];
	BUF_AUTO body = BUF_INIT;
	webhook_body(e, r->now->template, &body);
	signature_make(r->now->secret, clock_wall(&clock_real).us / US_PER_S, buf_str(&body), body.len, signature);
	snprintf(line[0], sizeof line[0], "Berth-Signature: %s", signature);
	snprintf(line[1], sizeof line[1], "Berth-Event: %" PRId64, e->number);
	snprintf(line[2], sizeof line[2], "Berth-Kind: %s", e->kind);
	snprintf(line[3], sizeof line[3], "User-Agent: berth/%s", BERTH_VERSION);
	const char *const headers[] = { "Content-Type: application/json", line[0], line[1], line[2], line[3], NULL };
	struct fetch_spec spec = { .method = "POST",
		.url = r->now->url,
		.headers = headers,
		.body = buf_str(&body),
		.body_len = body.len,
		.connect_us = CONNECT_US,
		.total_us = TOTAL_US,
		.max_body = MAX_ANSWER,
		.no_redirect = true,
		.ca_file = r->courier->api->config.fetch_ca_file };
	r->step = SENDING;
	r->courier->pending++;
	r->fetch = fetch_start(r->courier->fetcher, &spec, on_sent, r);
}

static void send_event(struct route *r) {
	struct arena *a = arena_new();
	r->alarm = 0;
	post(r, view_event(r->now->tenant, r->page.rows[r->at], a));
	arena_free(a);
}

static void send_alarm(struct route *r) {
	struct courier *c = r->courier;
	struct row_event row = { .kind = (char *)(uintptr_t)c->alarm.kind, .at = c->alarm.at, .message = c->alarm.text };
	struct arena *a = arena_new();
	r->alarm = c->alarm.number;
	post(r, view_event(r->now->tenant, &row, a));
	arena_free(a);
}

/* ---- reading --------------------------------------------------------------------------------------------------------------------- */
static void on_read(void *arg, struct ledger_rows *rows, const struct err *err) {
	struct route *r = arg;
	if (!step_over(r)) {
		if (rows != NULL)
			arena_free(rows->arena);
		return;
	}
	if (err != NULL) {
		wait_for_next_try(r);
		return;
	}
	page_drop(r);
	r->page = *rows;
	r->seen = rows->n == PAGE ? ((const struct row_event *)rows->rows[PAGE - 1])->number : r->save.to;
	route_go(r);
}

static void read_page(struct route *r) {
	struct ledger *l = core_ledger(r->courier->api->core);
	r->save.to = r->courier->api->committed;
	struct ledger_read spec = { .query = QUERY_EVENTS,
		.tenant_id = r->tenant_id,
		.after = r->seen,
		.before = r->save.to,
		.kinds = r->now->kinds,
		.limit = PAGE };
	r->step = READING;
	r->courier->pending++;
	l->ops->read(l, &spec, on_read, r);
}

/* ---- going on -------------------------------------------------------------------------------------------------------------------- */
static void take_up(struct route *r) {
	if (r->next == NULL)
		return;
	bool from_elsewhere = r->next->sent != r->now->sent || strcmp(r->next->kinds, r->now->kinds) != 0;
	settings_free(r->now);
	r->now = r->next;
	r->next = NULL;
	if (!from_elsewhere)
		return;
	page_drop(r);
	r->seen = r->now->sent;
	r->backoff_us = 0;
}

static bool alarm_due(struct route *r) {
	const struct courier *c = r->courier;
	if (r->told == c->alarm.number)
		return false;
	if (webhook_takes(r->now->patterns, r->now->n_patterns, c->alarm.kind))
		return true;
	r->told = c->alarm.number;
	return false;
}

static void route_go(struct route *r) {
	struct courier *c = r->courier;
	if (r->step != IDLE)
		return;
	take_up(r);
	if (r->gone)
		route_free(r);
	else if (alarm_due(r))
		send_alarm(r);
	else if (!c->active)
		return;
	else if (r->at < r->page.n)
		send_event(r);
	else if (r->seen < c->api->committed)
		read_page(r);
	else if (r->seen - r->now->sent > LAG)
		save(r, r->seen, NULL);
}

static void all_go(struct courier *c) {
	struct route *r, *next;
	for (r = TAILQ_FIRST(&c->routes); r != NULL; r = next) {
		next = TAILQ_NEXT(r, link);
		route_go(r);
	}
}

/* ---- which webhooks there are ------------------------------------------------------------------------------------------------------ */
static struct route *route_find(const struct courier *c, int64_t id) {
	struct route *r;
	TAILQ_FOREACH(r, &c->routes, link)
		if (r->id == id)
			return r;
	return NULL;
}

static void found_clear(struct courier *c) {
	for (size_t i = 0; i < c->n_found; i++) {
		settings_free(c->found[i]->next);
		free(c->found[i]);
	}
	c->n_found = 0;
}

static void found_add(struct courier *c, const struct webhook *w) {
	if (c->n_found == c->found_size) {
		c->found_size = c->found_size * 2 + 8;
		c->found = realloc(c->found, c->found_size * sizeof *c->found);
		if (c->found == NULL)
			abort();
	}
	struct route *r = calloc(1, sizeof *r);
	if (r == NULL)
		abort();
	*r = (struct route){ .courier = c, .id = w->row.id, .tenant_id = w->row.tenant_id, .next = settings_of(w) };
	c->found[c->n_found++] = r;
}

static int sync_apply(struct core *core, struct core_op *op, struct err *err) {
	struct courier *c = (struct courier *)op;
	(void)err;
	found_clear(c);
	c->last_event = fleet_last_event(core_fleet(core));
	for (const struct tenant *t = fleet_tenants(core_fleet(core)); t != NULL; t = t->hh_name.next)
		for (const struct webhook *w = t->webhooks; w != NULL; w = w->hh_name.next)
			found_add(c, w);
	return 0;
}

static void adopt(struct courier *c, struct route *fresh) {
	struct route *r = route_find(c, fresh->id);
	if (r != NULL) {
		settings_free(r->next);
		r->next = fresh->next;
		r->gone = false;
		free(fresh);
		return;
	}
	fresh->now = fresh->next;
	fresh->next = NULL;
	fresh->seen = fresh->now->sent;
	fresh->told = c->alarm.stands ? 0 : c->alarm.number;
	timer_init(&fresh->again, c->api->loop, on_again, fresh);
	TAILQ_INSERT_TAIL(&c->routes, fresh, link);
}

static void sync(struct courier *c);

static void sync_done(struct core_op *op, const struct err *err) {
	struct courier *c = (struct courier *)op;
	struct route *r;
	c->pending--;
	c->syncing = false;
	if (c->freed || err != NULL) {
		found_clear(c);
		courier_release(c);
		return;
	}
	if (c->last_event > c->api->committed) /* nothing was committed yet since this server took over */
		c->api->committed = c->last_event;
	TAILQ_FOREACH(r, &c->routes, link)
		r->gone = true;
	for (size_t i = 0; i < c->n_found; i++)
		adopt(c, c->found[i]);
	c->n_found = 0;
	TAILQ_FOREACH(r, &c->routes, link)
		if (r->step == WAITING && (r->gone || r->next->etag != r->now->etag)) { /* whatever it waited for, try at once */
			timer_cancel(&r->again);
			r->step = IDLE;
		}
	all_go(c);
	if (c->again)
		sync(c);
}

static void sync(struct courier *c) {
	c->again = c->syncing;
	if (c->syncing)
		return;
	c->syncing = true;
	c->pending++;
	core_submit(c->api->core, &c->core);
}

/* ---- what happens ------------------------------------------------------------------------------------------------------------------ */
static bool concerns(const struct route *r, const struct row_event *const *events, size_t n) {
	for (size_t i = 0; i < n; i++)
		if (events[i]->tenant_id == r->tenant_id && webhook_takes(r->now->patterns, r->now->n_patterns, events[i]->kind))
			return true;
	return false;
}

void courier_events(struct courier *c, const struct row_event *const *events, size_t n) {
	bool changed = false;
	for (size_t i = 0; i < n; i++)
		changed |= strncmp(events[i]->kind, "webhook.", 8) == 0;
	struct route *r, *next;
	for (r = TAILQ_FIRST(&c->routes); r != NULL && n > 0; r = next) {
		next = TAILQ_NEXT(r, link);
		if (r->step == IDLE && r->at == r->page.n && r->seen + 1 == events[0]->number && !concerns(r, events, n))
			r->seen = events[n - 1]->number;
		route_go(r);
	}
	if (changed)
		sync(c);
}

static void alarm_raise(struct courier *c, const char *kind, bool stands, const char *text, const char *reason) {
	c->alarm.number++;
	c->alarm.stands = stands;
	c->alarm.kind = kind;
	c->alarm.at = clock_wall(&clock_real);
	snprintf(c->alarm.text, sizeof c->alarm.text, "%s%s%s", text, *reason != '\0' ? ": " : "", reason);
	all_go(c);
}

static void on_away(void *arg) {
	struct courier *c = arg;
	struct core_state s;
	core_state(c->api->core, &s);
	/* STARTING: a commit was under way, so that this server gave up its part, and it could not yet find out whose it is now. */
	if (s.mode == CORE_AWAY || s.mode == CORE_STARTING)
		alarm_raise(c, "database.away", true, "the database does not answer, and writes are refused until it does", s.reason);
}

void courier_state(struct courier *c, const struct core_state *s) {
	bool was_active = c->active;
	c->active = s->mode == CORE_ACTIVE && s->ready;
	if (s->mode != c->mode && s->mode == CORE_AWAY)
		timer_set(&c->away, AWAY_US);
	if (s->mode != c->mode && s->mode == CORE_READ_ONLY) {
		alarm_raise(
		    c, "database.older", true, "read-only: the database is older than what was seen, until a person accepts it", s->reason);
		sync(c);
	}
	c->mode = s->mode;
	if (!c->active || was_active)
		return;
	timer_cancel(&c->away);
	if (c->alarm.stands)
		alarm_raise(c, "database.back", false, "the database answers, and writes are taken again", "");
	sync(c);
}

/* ---- life ------------------------------------------------------------------------------------------------------------------------ */
int courier_new(struct api *a, struct courier **ret, struct err *err) {
	struct courier *c = calloc(1, sizeof *c);
	uint64_t seed;
	if (c == NULL)
		abort();
	int rc = fetcher_new(a->loop, &c->fetcher, err);
	if (rc != 0) {
		free(c);
		return rc;
	}
	c->api = a;
	c->core.apply = sync_apply;
	c->core.done = sync_done;
	c->core.read = true;
	c->core.who.actor = "berth";
	TAILQ_INIT(&c->routes);
	random_bytes(&seed, sizeof seed);
	rng_init(&c->rng, seed);
	timer_init(&c->away, a->loop, on_away, c);
	*ret = c;
	return 0;
}

void courier_free(struct courier *c) {
	if (c == NULL)
		return;
	c->freed = true;
	timer_deinit(&c->away);
	c->pending++;
	struct route *r, *next;
	for (r = TAILQ_FIRST(&c->routes); r != NULL; r = next) {
		next = TAILQ_NEXT(r, link);
		if (r->step == IDLE || r->step == WAITING)
			route_free(r);
	}
	fetcher_free(c->fetcher); /* ends what is being sent, and with it its route */
	c->pending--;
	courier_release(c);
}
