/* The link comes up when arklet has answered and the brain knows what the base holds, and ends when it does not answer any more; so silence
 * and loss mean the same as for an agent. Effects are taken on a turn of their own: nobody is called back from inside his own call. */
#include "drive/direct.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/arena.h"
#include "base/buf.h"
#include "base/err.h"
#include "base/log.h"
#include "base/secret.h"
#include "brain.h"
#include "core/core.h"
#include "core/grant.h"
#include "core/inbound.h"
#include "drive/answer.h"
#include "drive/link.h"
#include "drive/offer.h"
#include "drive/roster.h"
#include "loop/fetch.h"
#include "proto/json.h"

#define CONNECT_US (3 * US_PER_S)
#define PARALLEL 2               /* arklet installs on its network threads, two per core: most stay free for questions */
#define STALE_US (25 * US_PER_S) /* without an answer for so long, and nothing under way: no sign of life is passed on */
#define LINK_SLACK_US (60 * US_PER_S)
#define RELINK_US US_PER_S
#define RELINK_SLOW_US (30 * US_PER_S)

struct asked {
	struct answer answer;  /* first */
	struct direct *direct; /* NULL: nobody waits for it any more */
	struct fetch *fetch;   /* NULL once it came */
	int64_t id;
	bool changes;
	LIST_ENTRY(asked) entry;
};

struct direct {
	struct driver_link link; /* first */
	struct direct_base row;  /* its texts are in mem */
	struct arena *mem;
	struct brain *brain;
	struct deferred effects;
	struct timer timer, relink;
	LIST_HEAD(, asked) asked;
	unsigned changing; /* installs and the like under way */
	mono_t ticked, answered;
	int64_t lease_us;
	bool up, heard, waits, resting, dead, running;
	bool refused, final; /* by the core; acted on outside of its call */
	char boot[160];
	char *unreached; /* what the core was told of why; NULL: nothing */
};

static struct direct *of(struct driver_link *k) {
	return (struct direct *)(void *)k;
}

static mono_t now(void) {
	return clock_mono(&clock_real);
}

static void settle(struct direct *g) {
	if (!g->dead)
		deferred_schedule(&g->effects);
}

static void say(const struct direct *g, enum log_level level, const char *text) {
	log_at(level, text, log_s("base", g->row.name));
}

/* ---- who answers -----------------------------------------------------------------------------------------------------------------------
 */

/* True: this is the base we mean. Older runtimes tell no identity; what was never told is learnt once. */
static bool is_it(struct direct *g, const char *identity) {
	const char *known = g->boot + strlen(DIRECT_BOOT);
	if (identity == NULL || *identity == '\0')
		return true;
	if (*known == '\0')
		snprintf(g->boot, sizeof g->boot, DIRECT_BOOT "%s", identity);
	return strncmp(known, identity, sizeof g->boot - sizeof DIRECT_BOOT) == 0;
}

static void asked_free(struct asked *q) {
	answer_deinit(&q->answer);
	free(q);
}

/* The end of every question: the brain hears of it. */
static void told(struct asked *q, const struct brain_answer *x) {
	struct direct *g = q->direct;
	LIST_REMOVE(q, entry);
	g->changing -= q->changes;
	brain_answered(g->brain, q->id, x, now());
	asked_free(q);
	settle(g);
}

static void understood(struct asked *q) {
	struct direct *g = q->direct;
	const struct answer *x = &q->answer;
	char other[160];
	if (g == NULL) {
		asked_free(q);
	} else if (x->err.code != 0) {
		told(q, &(struct brain_answer){ .sent = true, .error = E_PROTOCOL, .error_text = x->err.text });
	} else if (!is_it(g, x->reply.base_identity)) {
		snprintf(other, sizeof other, "another base answers there: it says it is %.80s", x->reply.base_identity);
		told(q, &(struct brain_answer){ .sent = true, .error = E_PROTOCOL, .error_text = other });
	} else {
		g->answered = now();
		told(q, &(struct brain_answer){ .sent = true,
		            .reply = &x->reply,
		            .health = x->command == ARKLET_HEALTH ? &x->health : NULL,
		            .commands = x->commands,
		            .items = x->items,
		            .n_items = x->items != NULL ? x->n_urls : 0 });
	}
}

static void on_read(struct job *job) {
	understood((struct asked *)(void *)job);
}

static void on_answer(void *arg, const struct fetch_result *res, const struct err *failed) {
	struct asked *q = arg;
	q->fetch = NULL;
	if (q->direct == NULL)
		asked_free(q);
	else if (failed != NULL)
		told(q, &(struct brain_answer){ .sent = res->sent, .error = failed->code, .error_text = failed->text });
	else if (answer_take(&q->answer, q->direct->link.drive->reader, res->body, res->body_len))
		understood(q);
}

/* ---- what is asked ---------------------------------------------------------------------------------------------------------------------
 */

/* P5 for those who cannot refuse: nothing is changed on a base unless this server's lease was renewed lately. */
static bool may_change(const struct direct *g) {
	return g->link.epoch != 0 && link_in_core(&g->link) && mono_diff(now(), g->ticked) < g->lease_us / 10 * 7;
}

static const char *link_to(struct direct *g, const Berth__V1__WantedModule *m, int64_t timeout_us, struct arena *a) {
	const struct core_config *c = core_cfg(g->link.drive->core);
	BUF_AUTO url = BUF_INIT;
	if (m->url != NULL && *m->url != '\0')
		return m->url;
	buf_add_str(&url, c->plain_artifacts != NULL ? c->plain_artifacts : c->artifacts);
	core_grant_print(g->link.drive->core, g->row.tenant_id, m->sha256, timeout_us + LINK_SLACK_US, &url);
	return arena_strdup(a, buf_str(&url));
}

static struct arklet_install install_of(struct direct *g, const Berth__V1__WantedModule *m, int64_t timeout_us, struct arena *a) {
	const char **names = arena_alloc(a, (m->n_env + 1) * sizeof *names), **values = arena_alloc(a, (m->n_env + 1) * sizeof *values);
	for (size_t i = 0; i < m->n_env; i++) {
		names[i] = m->env[i]->key != NULL ? m->env[i]->key : "";
		values[i] = m->env[i]->value != NULL ? m->env[i]->value : "";
	}
	return (struct arklet_install){ .name = m->module,
		.version = m->version,
		.url = link_to(g, m, timeout_us, a),
		.sha256 = m->sha256,
		.args = (const char *const *)m->args,
		.n_args = m->n_args,
		.env_names = names,
		.env_values = values,
		.n_env = m->n_env };
}

static void print_batch(struct direct *g, const struct brain_effect *e, struct asked *q, struct arena *a, struct buf *body) {
	struct arklet_install *items = arena_alloc(a, (e->n_modules + 1) * sizeof *items);
	struct answer *x = &q->answer;
	x->urls = calloc(e->n_modules + 1, sizeof *x->urls);
	if (x->urls == NULL)
		abort();
	for (size_t i = 0; i < e->n_modules; i++) {
		items[i] = install_of(g, e->modules[i], e->timeout_us, a);
		x->urls[x->n_urls++] = strdup(items[i].url);
	}
	arklet_batch_print(items, e->n_modules, NULL, body);
}

static void print_body(struct direct *g, const struct brain_effect *e, struct asked *q, struct arena *a, struct buf *body) {
	struct arklet_install one;
	switch (e->command) {
	case ARKLET_INSTALL:
		one = install_of(g, e->module, e->timeout_us, a);
		arklet_install_print(&one, body);
		break;
	case ARKLET_BATCH_INSTALL:
		print_batch(g, e, q, a, body);
		break;
	case ARKLET_UNINSTALL:
	case ARKLET_SWITCH:
		arklet_named_print(e->module->module, e->module->version, body);
		break;
	default:
		buf_add_str(body, "{}");
	}
}

static void refuse_call(struct direct *g, const struct brain_effect *e, int code, const char *text) {
	struct brain_answer x = { .error = code, .error_text = text };
	brain_answered(g->brain, e->id, &x, now());
}

static void call(struct direct *g, const struct brain_effect *e) {
	static const char *const headers[] = { "Content-Type: application/json", "Accept: application/json", "Connection: close", NULL };
	ARENA_AUTO a = arena_new();
	BUF_AUTO body = BUF_INIT;
	bool changes = e->command == ARKLET_INSTALL || e->command == ARKLET_UNINSTALL || e->command == ARKLET_SWITCH ||
	               e->command == ARKLET_BATCH_INSTALL;
	if (changes && !may_change(g)) {
		refuse_call(g, e, E_UNAVAILABLE, "this server's lease is not certain at the moment");
		return;
	}
	if (e->command == ARKLET_INSTALL && (e->module->sha256 == NULL || *e->module->sha256 == '\0')) {
		refuse_call(g, e, E_UNSUPPORTED, "no artifact is known of this version");
		return;
	}
	struct asked *q = calloc(1, sizeof *q);
	if (q == NULL)
		abort();
	*q = (struct asked){ .answer = { .job.done = on_read, .command = e->command }, .direct = g, .id = e->id, .changes = changes };
	print_body(g, e, q, a, &body);
	g->changing += changes;
	LIST_INSERT_HEAD(&g->asked, q, entry);
	struct fetch_spec f = { .method = "POST",
		.url = arena_printf(a, "%s/%s", g->row.url, arklet_command_name(e->command)),
		.headers = headers,
		.body = buf_str(&body),
		.body_len = body.len,
		.connect_us = CONNECT_US,
		.total_us = e->timeout_us,
		.answer_idle_us = ARKLET_ANSWER_IDLE_US,
		.max_body = ARKLET_MAX_REPLY,
		.fresh_connection = true,
		.no_redirect = true };
	q->fetch = fetch_start(g->link.drive->fetcher, &f, on_answer, q);
}

/* ---- the link --------------------------------------------------------------------------------------------------------------------------
 */

static void link_lost(struct direct *g, const char *why) {
	struct drive *d = g->link.drive;
	if (!g->up)
		return;
	g->up = false;
	if (g->link.epoch != 0)
		d->stats.welcomed--;
	g->link.epoch = 0;
	g->link.model = 0;
	brain_link_down(g->brain, now());
	if (g->heard && d->core != NULL)
		core_base_gone(d->core, &g->link, why);
	g->heard = false;
}

static void send_hello(struct direct *g, const Berth__V1__Hello *said) {
	struct drive *d = g->link.drive;
	Berth__V1__Hello h = *said;
	h.boot = g->boot;
	h.prefetches = false; /* it is given a link to fetch from when it installs */
	g->link.model = d->model;
	g->heard = true;
	core_base_hello_direct(d->core, &g->link, g->row.id, &h, g->row.url);
}

/* A base that does not answer any more must not look alive because its brain is; one that is busy with an install answers late. */
static bool sign_of_life(const struct direct *g) {
	return !g->resting && (g->changing > 0 || mono_diff(now(), g->answered) < STALE_US);
}

static void send(struct direct *g, const Berth__V1__AgentMessage *m) {
	struct drive *d = g->link.drive;
	if (m->kind_case == BERTH__V1__AGENT_MESSAGE__KIND_HELLO)
		send_hello(g, m->hello);
	else if (!link_in_core(&g->link))
		return; /* the next hello tells */
	else if (m->kind_case == BERTH__V1__AGENT_MESSAGE__KIND_REPORT)
		core_base_report(d->core, &g->link, m->report);
	else if (m->kind_case == BERTH__V1__AGENT_MESSAGE__KIND_HEARTBEAT && sign_of_life(g))
		core_base_heartbeat(d->core, &g->link, m->heartbeat);
}

static void drop_link(struct direct *g, bool slow) {
	link_lost(g, "its link was given up");
	g->waits = true;
	timer_set(&g->relink, slow ? RELINK_SLOW_US : RELINK_US);
}

static void on_relink(void *arg) {
	struct direct *g = arg;
	g->waits = false;
	settle(g);
}

static void tell_unreached(struct direct *g, const char *why) {
	if (*why == '\0' || g->link.drive->core == NULL || (g->unreached != NULL && strcmp(g->unreached, why) == 0))
		return;
	free(g->unreached);
	g->unreached = core_base_unreached(g->link.drive->core, g->row.id, why) ? strdup(why) : NULL;
}

/* Up when it was heard and listed, down when nothing answers. */
static void follow_phase(struct direct *g) {
	struct brain_view v;
	brain_view(g->brain, &v);
	bool there = strcmp(v.phase, "up") == 0 || strcmp(v.phase, "restoring") == 0, away = strcmp(v.phase, "unreachable") == 0;
	if (away) {
		g->resting = false; /* what comes next is another life */
		link_lost(g, v.note);
		tell_unreached(g, v.note);
	} else if (there && !g->up && !g->waits && !g->resting) {
		g->up = true;
		free(g->unreached);
		g->unreached = NULL;
		brain_link_up(g->brain, now());
		settle(g);
	}
}

/* ---- effects ---------------------------------------------------------------------------------------------------------------------------
 */

static void on_offer(void *arg, int64_t id, const char *why) {
	struct direct *g = arg;
	struct brain_fetched f = { .ok = why == NULL, .code = "download", .cause = why, .retryable = true };
	brain_fetched(g->brain, id, &f, now());
	settle(g);
}

/* The base fetches by itself: what is found out here is that it could. */
static void check_artifact(struct direct *g, const struct brain_effect *e) {
	ARENA_AUTO a = arena_new();
	const Berth__V1__WantedModule *m = e->module;
	const char *url = link_to(g, m, 0, a);
	offer_check(g->link.drive->offers, m->url != NULL && *m->url != '\0' ? url : m->sha256, url, on_offer, g, e->id);
}

static const struct brain_hook no_hooks = { .cause =
	                                        "this base has no agent, so nobody can run a command there; give its group a URL as hook" };

static void perform(struct direct *g, const struct brain_effect *e) {
	switch (e->kind) {
	case BRAIN_PERSIST:
		brain_persisted(g->brain, true, now()); /* the ledger is this agent's disk: see seed() */
		break;
	case BRAIN_SEND:
		if (g->up)
			send(g, e->message);
		break;
	case BRAIN_DROP_LINK:
		drop_link(g, e->slow);
		break;
	case BRAIN_FETCH:
		check_artifact(g, e);
		break;
	case BRAIN_CALL:
		call(g, e);
		break;
	case BRAIN_HOOK:
		brain_hook_ended(g->brain, e->id, &no_hooks, now());
		break;
	case BRAIN_SAY:
		say(g, e->level, e->text);
		break;
	default: /* nothing here starts, stops or pins anything */
		break;
	}
}

static void destroy(struct direct *g) {
	timer_deinit(&g->timer);
	timer_deinit(&g->relink);
	deferred_deinit(&g->effects);
	brain_free(g->brain);
	free(g->unreached);
	arena_free(g->mem);
	free(g);
}

static void run_effects(void *arg) {
	struct direct *g = arg;
	const struct brain_effect *e;
	g->running = true;
	if (g->refused) {
		g->refused = false;
		drop_link(g, g->final);
	}
	while (!g->dead && (e = brain_next(g->brain)) != NULL)
		perform(g, e);
	if (!g->dead)
		follow_phase(g);
	g->running = false;
	if (g->dead) {
		destroy(g);
		return;
	}
	mono_t at = brain_deadline(g->brain);
	if (at.us == INT64_MAX)
		timer_cancel(&g->timer);
	else
		timer_set(&g->timer, mono_diff(at, now()) > 0 ? mono_diff(at, now()) : 0);
}

static void on_timer(void *arg) {
	struct direct *g = arg;
	brain_tick(g->brain, now());
	settle(g);
}

/* ---- link_ops --------------------------------------------------------------------------------------------------------------------------
 */

static void down(struct direct *g, const Berth__V1__ServerMessage *m) {
	if (g->up)
		brain_message(g->brain, m, now());
	settle(g);
}

static void direct_welcome(struct driver_link *k, const Berth__V1__Welcome *w) {
	struct direct *g = of(k);
	Berth__V1__ServerMessage m = BERTH__V1__SERVER_MESSAGE__INIT;
	if (k->epoch == 0)
		k->drive->stats.welcomed++;
	k->epoch = w->epoch;
	g->ticked = now();
	g->lease_us = w->lease != NULL ? w->lease->seconds * US_PER_S + w->lease->nanos / 1000 : 10 * US_PER_S;
	m.kind_case = BERTH__V1__SERVER_MESSAGE__KIND_WELCOME;
	m.welcome = (Berth__V1__Welcome *)(uintptr_t)w;
	down(g, &m);
}

static void direct_refuse(struct driver_link *k, const char *code, const char *detail, bool final) {
	struct direct *g = of(k);
	log_info("a base without an agent was refused", log_s("base", g->row.name), log_s("code", code), log_s("detail", detail));
	g->refused = true;
	g->final = final;
	roster_due(k->drive); /* it may have been forgotten */
	settle(g);
}

static void direct_command(struct driver_link *k, const Berth__V1__Command *c) {
	Berth__V1__ServerMessage m = BERTH__V1__SERVER_MESSAGE__INIT;
	m.kind_case = BERTH__V1__SERVER_MESSAGE__KIND_COMMAND;
	m.command = (Berth__V1__Command *)(uintptr_t)c;
	down(of(k), &m);
}

static void direct_ack(struct driver_link *k, int64_t committed_seq) {
	Berth__V1__ServerMessage m = BERTH__V1__SERVER_MESSAGE__INIT;
	Berth__V1__Ack a = BERTH__V1__ACK__INIT;
	a.has_committed_seq = true;
	a.committed_seq = committed_seq;
	m.kind_case = BERTH__V1__SERVER_MESSAGE__KIND_ACK;
	m.ack = &a;
	down(of(k), &m);
}

/* Links are made when they are needed: there is nothing to fetch ahead. */
static void direct_prefetch(struct driver_link *k, const Berth__V1__Prefetch *p) {
	(void)k;
	(void)p;
}

static void direct_tick(struct driver_link *k, int64_t epoch, int64_t last_event) {
	struct direct *g = of(k);
	Berth__V1__ServerMessage m = BERTH__V1__SERVER_MESSAGE__INIT;
	Berth__V1__Tick t = BERTH__V1__TICK__INIT;
	g->ticked = now();
	t.has_epoch = t.has_last_event = true;
	t.epoch = epoch;
	t.last_event = last_event;
	m.kind_case = BERTH__V1__SERVER_MESSAGE__KIND_TICK;
	m.tick = &t;
	down(g, &m);
}

static void direct_hello(struct driver_link *k) {
	struct direct *g = of(k);
	if (!g->up)
		return;
	brain_link_down(g->brain, now());
	brain_link_up(g->brain, now());
	settle(g);
}

/* Another server is active now, or this one stops: it is that one's to reach the base. */
static void direct_leave(struct driver_link *k, const char *why) {
	(void)why;
	roster_remove(k->drive, of(k)->row.id);
}

static void *direct_logs(struct driver_link *k, int64_t bytes, bool follow, driver_logs_fn fn, void *arg) {
	(void)k;
	(void)bytes;
	(void)follow;
	(void)fn;
	(void)arg;
	return NULL; /* arklet gives no output */
}

static const struct link_ops direct_ops = {
	.welcome = direct_welcome,
	.refuse = direct_refuse,
	.command = direct_command,
	.ack = direct_ack,
	.prefetch = direct_prefetch,
	.tick = direct_tick,
	.hello = direct_hello,
	.leave = direct_leave,
	.logs = direct_logs,
};

/* ---- life ------------------------------------------------------------------------------------------------------------------------------
 */

/* What an agent reads from its disk, from the ledger: commands without outcome are in doubt, and asked about before they are done again. */
static uint8_t *seed(const struct direct_base *b, struct arena *a, size_t *ret_n) {
	Berth__V1__AgentState s = BERTH__V1__AGENT_STATE__INIT;
	s.base = (char *)(uintptr_t)b->name;
	s.base_key = (char *)(uintptr_t) "direct"; /* it is known: a refusal is no reason to leave */
	s.has_report_seq = s.has_high_generation = s.has_restarts = true;
	s.report_seq = b->report_seq;
	s.high_generation = b->generation;
	s.restarts = b->starts > 0 ? (int32_t)(b->starts - 1) : 0;
	s.outcomes = arena_alloc(a, (b->n_sent + 1) * sizeof *s.outcomes);
	for (size_t i = 0; i < b->n_sent; i++) {
		Berth__V1__Outcome *o = PB_NEW(Berth__V1__Outcome, berth__v1__outcome, a);
		o->has_generation = o->has_task = true;
		o->generation = b->sent[2 * i];
		o->task = b->sent[2 * i + 1];
		s.outcomes[s.n_outcomes++] = o;
	}
	*ret_n = berth__v1__agent_state__get_packed_size(&s);
	uint8_t *p = arena_alloc(a, *ret_n + 1);
	berth__v1__agent_state__pack(&s, p);
	return p;
}

static void make_brain(struct direct *g, const struct direct_base *b) {
	ARENA_AUTO a = arena_new();
	struct err err;
	size_t n;
	uint8_t *state = seed(b, a, &n);
	Berth__V1__Hello h = BERTH__V1__HELLO__INIT;
	h.base = (char *)(uintptr_t)b->name;
	h.tenant = (char *)(uintptr_t)b->tenant;
	h.boot = g->boot;
	h.has_runtime = true;
	h.runtime = BERTH__V1__RUNTIME__RUNTIME_ARK;
	struct brain_config c = { .hello = &h, .parallel = PARALLEL, .batch = true };
	random_bytes(&c.seed, sizeof c.seed);
	if (brain_new(&c, state, n, now(), &g->brain, &err) != 0)
		abort(); /* what was packed here is readable */
}

struct direct *direct_new(struct drive *d, const struct direct_base *b) {
	struct direct *g = calloc(1, sizeof *g);
	if (g == NULL)
		abort();
	g->mem = arena_new();
	g->row = *b;
	g->row.tenant = arena_strdup(g->mem, b->tenant);
	g->row.name = arena_strdup(g->mem, b->name);
	g->row.url = arena_strdup(g->mem, b->url);
	g->row.boot = NULL;
	g->row.sent = NULL;
	bool known = b->boot != NULL && strncmp(b->boot, DIRECT_BOOT, strlen(DIRECT_BOOT)) == 0;
	snprintf(g->boot, sizeof g->boot, "%s", known ? b->boot : DIRECT_BOOT);
	LIST_INIT(&g->asked);
	timer_init(&g->timer, d->loop, on_timer, g);
	timer_init(&g->relink, d->loop, on_relink, g);
	deferred_init(&g->effects, d->loop, run_effects, g);
	make_brain(g, b);
	link_add(d, &g->link, &direct_ops);
	brain_start(g->brain, false, now());
	settle(g);
	return g;
}

void direct_free(struct direct *g) {
	struct asked *q;
	if (g == NULL || g->dead)
		return;
	link_lost(g, "the server does not look after it any more");
	offers_forget(g->link.drive->offers, g);
	while ((q = LIST_FIRST(&g->asked)) != NULL) {
		LIST_REMOVE(q, entry);
		q->direct = NULL;
		if (q->fetch != NULL)
			fetch_cancel(q->fetch);
	}
	link_remove(&g->link);
	g->dead = true;
	if (!g->running)
		destroy(g);
}

bool direct_is(const struct direct *g, int64_t tenant_id, const char *name) {
	return g->row.tenant_id == tenant_id && strcmp(g->row.name, name) == 0;
}

const char *direct_url(const struct direct *g) {
	return g->row.url;
}

void direct_rest(struct direct *g) {
	g->resting = true;
}
