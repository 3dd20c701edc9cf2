/* Status: counts, and what is not as wanted, grouped by reason, each with the command that mends it. */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "api/call.h"

#define MAX_ROWS 64
#define MAX_SUBJECTS 10

struct report {
	struct arena *arena;
	Berth__V1__Attention *rows[MAX_ROWS + 1];
	size_t n;
};

/* One more subject under a reason; text and command are those of the first. */
static Berth__V1__Attention *note(struct report *x, const char *reason, const char *subject) {
	Berth__V1__Attention *m = NULL;
	for (size_t i = 0; i < x->n && m == NULL; i++)
		if (strcmp(x->rows[i]->reason, reason) == 0)
			m = x->rows[i];
	if (m == NULL && x->n < MAX_ROWS) {
		m = x->rows[x->n++] = PB_NEW(Berth__V1__Attention, berth__v1__attention, x->arena);
		m->reason = arena_strdup(x->arena, reason);
		m->subjects = arena_alloc(x->arena, MAX_SUBJECTS * sizeof *m->subjects);
	}
	if (m == NULL)
		return NULL;
	PUT(m, count, m->count + 1);
	if (m->n_subjects < MAX_SUBJECTS && subject != NULL)
		m->subjects[m->n_subjects++] = arena_strdup(x->arena, subject);
	return m->count == 1 ? m : NULL;
}

static void note_base(struct report *x, const struct base *b) {
	Berth__V1__Attention *m;
	if (b->row.state == BASE_LOST && (m = note(x, "base_lost", b->row.name)) != NULL) {
		m->text = arena_strdup(x->arena, word_sentence(WORD_BASE, BASE_LOST));
		m->command = arena_printf(x->arena, "berth base forget %s", b->row.name);
	}
	if (b->row.state == BASE_SILENT && (m = note(x, "base_silent", b->row.name)) != NULL) {
		m->text = arena_strdup(x->arena, word_sentence(WORD_BASE, BASE_SILENT));
		m->command = arena_printf(x->arena, "berth base show %s", b->row.name);
	}
	if (b->row.cordoned && (m = note(x, "base_cordoned", b->row.name)) != NULL) {
		m->text = arena_strdup(x->arena, "takes no new instances");
		m->command = arena_printf(x->arena, "berth base uncordon %s", b->row.name);
	}
}

static void note_groups(struct report *x, const struct tenant *t) {
	for (const struct group *g = t->groups; g != NULL; g = g->hh_name.next) {
		Berth__V1__Attention *m;
		for (const struct zone *z = g->zones; z != NULL; z = z->hh.next)
			if (z->brake && (m = note(x, "group_braked", g->row.name)) != NULL) {
				m->text = arena_strdup(x->arena, "half of a zone fell silent at once; nothing is replaced there by itself");
				m->command = arena_printf(x->arena, "berth group release-brake %s", g->row.name);
			}
		if (g->n_state[BASE_LOST] + g->n_state[BASE_SILENT] + g->n_cordoned == 0)
			continue; /* nothing to look for among its bases */
		const struct base *b;
		TAILQ_FOREACH(b, &g->bases, group_link)
			note_base(x, b);
	}
}

/* A rolling deployment is as it should be unless what it waits for is no part of its own progress. */
static bool stuck(const char *rule) {
	return strcmp(rule, "no_room") == 0 || strcmp(rule, "base_away") == 0;
}

/* Its plan waits for a person, of which note_plans() tells, or for a soak to be over. */
static bool halted(const struct deployment *d) {
	return d->plan != NULL && d->plan->row.state != PLAN_RUNNING;
}

/* Of those that roll. With more of them who is stuck may be told of only when others are through: a turn is short (rule 10). */
#define MAX_EXPLAINED 500

static void note_deployment(struct report *x, struct api_op *op, const struct deployment *d, const char *reason) {
	struct waiting *w;
	Berth__V1__Attention *m = note(x, reason, d->row.name);
	if (m == NULL)
		return;
	size_t n = explain_deployment(op->api->core, d, x->arena, &w);
	m->text =
	    arena_printf(x->arena, "%d of %lld ready%s%s", d->n_ready, deployment_target(d), n > 0 ? ": " : "", n > 0 ? w[0].text : "");
	m->command =
	    n > 0 && w[0].command != NULL ? arena_strdup(x->arena, w[0].command) : arena_printf(x->arena, "berth why %s", d->row.name);
}

static void note_deployments(struct report *x, struct api_op *op) {
	const struct deployment_queue *in = op->tenant->deployments_in;
	const struct deployment *d;
	int looked = 0;
	TAILQ_FOREACH(d, &in[DEPLOYMENT_WAITING], state_link)
		note_deployment(x, op, d, "deployment_waiting");
	for (d = TAILQ_FIRST(&in[DEPLOYMENT_ROLLING]); d != NULL && looked < MAX_EXPLAINED; d = TAILQ_NEXT(d, state_link)) {
		if (halted(d))
			continue;
		looked++;
		if (stuck(explain_rule(op->api->core, d, x->arena)))
			note_deployment(x, op, d, "deployment_waiting");
	}
	TAILQ_FOREACH(d, &in[DEPLOYMENT_DEGRADED], state_link)
		note_deployment(x, op, d, "deployment_degraded");
}

/* `command` is followed by the plan's number. */
static void note_plans(struct report *x, const struct api_op *op, enum plan_state state, const char *reason, const char *command) {
	const struct plan *p;
	TAILQ_FOREACH(p, &op->tenant->plans_in[state], state_link) {
		char id[32];
		snprintf(id, sizeof id, "%" PRId64, p->row.id);
		Berth__V1__Attention *m = note(x, reason, id);
		if (m == NULL)
			continue;
		const char *why = p->row.state_reason;
		m->text = arena_strdup(x->arena, why != NULL && *why != '\0' ? why : word_sentence(WORD_PLAN, (int)state));
		m->command = arena_printf(x->arena, "%s %s", command, id);
	}
}

static void note_findings(struct report *x, const struct api_op *op) {
	for (struct finding *f = fleet_findings_first(op->fleet); f != NULL; f = TAILQ_NEXT(f, link)) {
		char subject[160];
		if (f->tenant != op->tenant || f->row.ignored_at.us != 0)
			continue;
		const char *base = f->base != NULL ? f->base->row.name : "", *module = f->row.module != NULL ? f->row.module : "";
		snprintf(subject, sizeof subject, "%s%s%s", module, *base != '\0' && *module != '\0' ? "@" : "", base);
		Berth__V1__Attention *m = note(x, word_text(WORD_FINDING, f->row.kind), subject);
		if (m == NULL)
			continue;
		m->text = view_text(f->row.detail, x->arena);
		m->command = view_text(f->row.command, x->arena);
	}
}

static void counts(const struct api_op *op, Berth__V1__StatusReply *m) {
	struct fleet_counts n;
	fleet_counts(op->fleet, op->tenant, &n);
	PUT(m, bases, n.bases);
	PUT(m, ready_bases, n.ready_bases);
	PUT(m, units_used, n.units_used);
	PUT(m, units_limit, n.units_limit);
	PUT(m, deployments, n.deployments);
	PUT(m, instances, n.instances);
	PUT(m, ready_instances, n.ready_instances);
	PUT(m, plans_running, n.plans_running);
	PUT(m, modules, n.modules);
	int64_t age_us = core_now(op->api->core).us - n.oldest_sent.us;
	if (n.oldest_sent.us != 0)
		m->oldest_sent = pb_duration(age_us > 0 ? age_us : 0, op->arena);
}

static void lag(const struct api_op *op, Berth__V1__StatusReply *m) {
	struct loop_lag l;
	loop_lag(op->api->loop, &l);
	m->loop_lag_max = pb_duration(l.max_us, op->arena);
}

int op_status_get(struct api_op *op, struct err *err) {
	(void)err;
	struct core_state s;
	struct report x = { .arena = op->arena };
	core_state(op->api->core, &s);
	Berth__V1__StatusReply *m = PB_NEW(Berth__V1__StatusReply, berth__v1__status_reply, op->arena);
	m->version = arena_strdup(op->arena, op->api->config.version);
	m->cell = arena_strdup(op->arena, s.cell);
	PUT(m, epoch, s.epoch);
	PUT(m, last_event, fleet_last_event(op->fleet));
	PUT(m, active, s.mode == CORE_ACTIVE);
	if (s.mode == CORE_READ_ONLY) {
		PUT(m, read_only, 1);
		m->read_only_reason = view_text(s.reason, op->arena);
	}
	m->address = view_text(core_cfg(op->api->core)->rest, op->arena);
	m->start_time = pb_time(s.started, op->arena);
	counts(op, m);
	lag(op, m);
	note_groups(&x, op->tenant);
	note_deployments(&x, op);
	note_plans(&x, op, PLAN_PAUSED, "plan_paused", "berth plan resume");
	note_plans(&x, op, PLAN_CONFIRMING, "plan_confirming", "berth plan confirm");
	note_findings(&x, op);
	m->attention = arena_memdup(op->arena, x.rows, (x.n + 1) * sizeof *x.rows);
	m->n_attention = x.n;
	op->reply = (ProtobufCMessage *)m;
	return 0;
}
