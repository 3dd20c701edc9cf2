/* Deployments, revisions, plans and tasks as messages; the same functions serve live objects and rows of history. */
#include <inttypes.h>

#include "api/call.h"
#include "plan/memo.h"
#include "plan/plan.h"

#define MAX_TASKS 1000 /* shown with one plan; the rest is in the events */

long long deployment_target(const struct deployment *d) {
	bool number = d->current != NULL && d->current->row.replicas >= 0 && !d->row.offline;
	return number ? d->current->row.replicas : d->n_wanted;
}

static void deployment_waits(struct api_op *op, const struct deployment *x, struct arena *a, Berth__V1__Deployment *m) {
	struct waiting *w = NULL;
	size_t n = explain_deployment(op->api->core, x, a, &w);
	view_waiting(w, n, a, &m->waiting_for, &m->n_waiting_for);
}

static void deployment_wanted(const struct deployment *x, struct arena *a, Berth__V1__Deployment *m) {
	const struct revision *r = x->current;
	if (r == NULL)
		return;
	m->version = view_text(r->version->row.name, a);
	m->replicas = view_replicas(r->row.replicas, a);
	view_strings(r->row.args, a, &m->args, &m->n_args);
	view_pairs(r->row.env, a, &m->env, &m->n_env);
	m->strategy = view_strategy(&r->strategy, a);
}

#define MAX_BEHIND 1000

static void deployment_behind(const struct deployment *x, struct arena *a, Berth__V1__Deployment *m) {
	const struct instance *i;
	m->behind = arena_alloc(a, (MAX_BEHIND + 1) * sizeof *m->behind);
	TAILQ_FOREACH(i, &x->instances, deployment_link)
		if (i->row.wanted && (instance_behind(i, x->current) || i->row.state == INSTANCE_FAILED) && m->n_behind < MAX_BEHIND)
			m->behind[m->n_behind++] = arena_strdup(a, i->base->row.name);
}

Berth__V1__Deployment *view_deployment(struct api_op *op, const struct deployment *x, bool waits, struct arena *a) {
	Berth__V1__Deployment *m = PB_NEW(Berth__V1__Deployment, berth__v1__deployment, a);
	m->name = view_text(x->row.name, a);
	m->tenant = view_text(x->tenant->row.name, a);
	m->module = view_text(x->module->row.name, a);
	m->group = view_text(x->group->row.name, a);
	deployment_wanted(x, a, m);
	view_pairs(x->row.labels, a, &m->labels, &m->n_labels);
	PUT(m, state, (Berth__V1__DeploymentState)x->row.state);
	m->state_reason = view_text(x->row.state_reason, a);
	PUT(m, revision, (int32_t)x->row.revision);
	PUT(m, completed_revision, (int32_t)x->row.completed_revision);
	PUT(m, wanted, (int32_t)deployment_target(x));
	PUT(m, ready, x->n_ready);
	PUT(m, updated, x->n_updated);
	if (x->plan != NULL)
		PUT(m, plan, x->plan->row.id);
	if (waits)
		deployment_waits(op, x, a, m);
	if (waits && x->plan == NULL && x->current != NULL)
		deployment_behind(x, a, m);
	m->etag = arena_printf(a, "%" PRId64, x->row.etag);
	m->create_time = pb_time(x->row.created_at, a);
	m->update_time = pb_time(x->row.updated_at, a);
	m->state_time = pb_time(x->row.state_at, a);
	return m;
}

Berth__V1__Revision *view_revision(const char *deployment, const char *version, const struct row_revision *r, struct arena *a) {
	Berth__V1__Revision *m = PB_NEW(Berth__V1__Revision, berth__v1__revision, a);
	struct strategy s;
	m->deployment = view_text(deployment, a);
	PUT(m, revision, (int32_t)r->number);
	m->version = view_text(version, a);
	m->replicas = view_replicas(r->replicas, a);
	view_strings(r->args, a, &m->args, &m->n_args);
	view_pairs(r->env, a, &m->env, &m->n_env);
	if (strategy_parse(r->strategy, &s, NULL) == 0)
		m->strategy = view_strategy(&s, a);
	m->actor = view_text(r->actor, a);
	m->reason = view_text(r->reason, a);
	m->link = view_text(r->link, a);
	if (r->plan_id != 0)
		PUT(m, plan, r->plan_id);
	m->create_time = pb_time(r->created_at, a);
	return m;
}

Berth__V1__PlanChange *view_change(const struct row_plan_change *r, struct arena *a) {
	Berth__V1__PlanChange *m = PB_NEW(Berth__V1__PlanChange, berth__v1__plan_change, a);
	m->deployment = view_text(r->deployment, a);
	m->module = view_text(r->module, a);
	if (r->from_revision != 0)
		PUT(m, from_revision, (int32_t)r->from_revision);
	PUT(m, to_revision, (int32_t)r->to_revision);
	m->from_version = view_text(r->from_version, a);
	m->to_version = view_text(r->to_version, a);
	m->from_replicas = r->from_revision != 0 ? view_replicas(r->from_replicas, a) : NULL;
	m->to_replicas = view_replicas(r->to_replicas, a);
	if (r->accompanies)
		PUT(m, accompanies, 1);
	return m;
}

Berth__V1__Batch *view_batch(const struct row_batch *r, struct arena *a) {
	Berth__V1__Batch *m = PB_NEW(Berth__V1__Batch, berth__v1__batch, a);
	PUT(m, number, (int32_t)r->number);
	PUT(m, state, (Berth__V1__BatchState)r->state);
	PUT(m, size, (int32_t)r->size);
	PUT(m, done, (int32_t)r->done);
	PUT(m, failed, (int32_t)r->failed);
	m->start_time = pb_time(r->started_at, a);
	m->end_time = pb_time(r->ended_at, a);
	m->label = view_text(r->label, a);
	return m;
}

Berth__V1__Task *view_task(const struct row_task *r, struct arena *a) {
	Berth__V1__Task *m = PB_NEW(Berth__V1__Task, berth__v1__task, a);
	PUT(m, id, r->id);
	if (r->plan_id != 0)
		PUT(m, plan, r->plan_id);
	PUT(m, batch, (int32_t)r->batch);
	PUT(m, kind, (Berth__V1__TaskKind)r->kind);
	PUT(m, state, (Berth__V1__TaskState)r->state);
	m->base = view_text(r->base, a);
	m->deployment = view_text(r->deployment, a);
	m->module = view_text(r->module, a);
	m->version = view_text(r->version, a);
	PUT(m, instance, r->instance_id);
	PUT(m, generation, r->generation);
	PUT(m, attempt, (int32_t)r->attempt);
	if (r->fault != FAULT_NONE) {
		PUT(m, fault, (Berth__V1__Fault)r->fault);
		PUT(m, retryable, r->retryable);
	}
	m->cause = view_text(r->cause, a);
	m->output = view_text(r->output, a);
	m->create_time = pb_time(r->created_at, a);
	m->send_time = pb_time(r->sent_at, a);
	m->end_time = pb_time(r->ended_at, a);
	if (r->duration_us > 0)
		m->duration = pb_duration(r->duration_us, a);
	return m;
}

static void note_room(Berth__V1__Plan *m, size_t more, struct arena *a) {
	char **notes = arena_alloc(a, (m->n_notes + more + 1) * sizeof *notes);
	for (size_t i = 0; i < m->n_notes; i++)
		notes[i] = m->notes[i];
	m->notes = notes;
}

/* What somebody decided about it and about single bases, with the reason they gave. It is in the row, so history says it as well. */
static void decided_notes(const struct row_plan *r, struct arena *a, Berth__V1__Plan *m) {
	struct plan_memo memo;
	if (memo_parse(r->options, &memo, NULL) != 0)
		return;
	note_room(m, memo.n_marks + 2, a);
	if (memo.now != 0)
		m->notes[m->n_notes++] = arena_strdup(a, "goes back at once, whatever maxUnavailable says");
	if (memo.undoes != 0)
		m->notes[m->n_notes++] = arena_printf(a, "takes back what plan %" PRId64 " did", memo.undoes);
	for (size_t i = 0; i < memo.n_marks; i++) {
		const struct memo_mark *k = &memo.marks[i];
		if (k->ignored)
			m->notes[m->n_notes++] = arena_printf(a, "base %s is let be: %s (%s)", k->base != NULL ? k->base : "?",
			    k->reason != NULL ? k->reason : "", k->actor != NULL ? k->actor : "");
	}
	memo_deinit(&memo);
}

Berth__V1__Plan *view_plan_row(const char *tenant, const struct row_plan *r, struct arena *a) {
	Berth__V1__Plan *m = PB_NEW(Berth__V1__Plan, berth__v1__plan, a);
	PUT(m, id, r->id);
	m->tenant = view_text(tenant, a);
	PUT(m, kind, (Berth__V1__PlanKind)r->kind);
	PUT(m, state, (Berth__V1__PlanState)r->state);
	m->state_reason = view_text(r->state_reason, a);
	PUT(m, current_batch, (int32_t)r->current_batch);
	PUT(m, tasks_done, (int32_t)r->tasks_done);
	PUT(m, tasks_failed, (int32_t)r->tasks_failed);
	m->actor = view_text(r->actor, a);
	m->reason = view_text(r->reason, a);
	m->link = view_text(r->link, a);
	m->create_time = pb_time(r->created_at, a);
	m->start_time = pb_time(r->started_at, a);
	m->end_time = pb_time(r->ended_at, a);
	m->state_time = pb_time(r->state_at, a);
	decided_notes(r, a, m);
	return m;
}

void view_plan_sums(Berth__V1__Plan *m) {
	int32_t total = 0, done = 0, failed = 0;
	for (size_t i = 0; i < m->n_batches; i++) {
		total += m->batches[i]->size;
		done += m->batches[i]->done;
		failed += m->batches[i]->failed;
	}
	PUT(m, bases_total, total);
	PUT(m, bases_done, done);
	PUT(m, bases_failed, failed);
}

static void plan_parts(const struct plan *x, struct arena *a, Berth__V1__Plan *m) {
	const struct change *c;
	const struct batch *b;
	size_t changes = 0, batches = 0;
	TAILQ_FOREACH(c, &x->changes, link)
		changes++;
	TAILQ_FOREACH(b, &x->batches, link)
		batches++;
	m->changes = arena_alloc(a, (changes + 1) * sizeof *m->changes);
	m->batches = arena_alloc(a, (batches + 1) * sizeof *m->batches);
	TAILQ_FOREACH(c, &x->changes, link)
		m->changes[m->n_changes++] = view_change(&c->row, a);
	TAILQ_FOREACH(b, &x->batches, link)
		m->batches[m->n_batches++] = view_batch(&b->row, a);
	view_plan_sums(m);
}

/* Failed ones first, then what is open, then what is done. */
static void plan_tasks(const struct plan *x, struct arena *a, Berth__V1__Plan *m) {
	size_t n = x->n_tasks < MAX_TASKS ? (size_t)x->n_tasks : MAX_TASKS;
	m->tasks = arena_alloc(a, (n + 1) * sizeof *m->tasks);
	for (int pass = 0; pass < 3; pass++) {
		const struct task *t;
		TAILQ_FOREACH(t, &x->tasks, plan_link) {
			int rank = t->row.state == TASK_FAILED ? 0 : word_terminal(WORD_TASK, t->row.state) ? 2 : 1;
			if (rank == pass && m->n_tasks < n)
				m->tasks[m->n_tasks++] = view_task(&t->row, a);
		}
	}
}

/* Those that ended before the last load are in the ledger only. */
static int64_t tasks_total(const struct plan *x) {
	int64_t known = x->row.tasks_done + x->row.tasks_failed + x->n_open;
	return known > x->n_tasks ? known : x->n_tasks;
}

static void plan_verbs(struct api_op *op, const struct plan *x, struct arena *a, Berth__V1__Plan *m) {
	unsigned allowed = plan_verbs_allowed(op->api->core, x);
	m->verbs = arena_alloc(a, VERB_COUNT * sizeof *m->verbs);
	for (int v = 0; v < VERB_COUNT; v++)
		if (allowed & (1u << v))
			m->verbs[m->n_verbs++] = arena_strdup(a, plan_verb_name((enum plan_verb)v));
}

/* What is to be known of how one version comes in the place of another; NULL: nothing. */
static const char *change_note(const struct change *ch, struct arena *a) {
	const struct module *of = ch->deployment == NULL ? NULL : ch->deployment->module;
	const struct version *old = of == NULL || ch->row.from_version == NULL ? NULL : fleet_version(of, ch->row.from_version);
	const struct version *to = of == NULL || ch->row.to_version == NULL ? NULL : fleet_version(of, ch->row.to_version);
	struct strategy s;
	if (old == NULL || to == NULL || ch->row.accompanies)
		return NULL;
	change_strategy(ch, &s);
	return s.upgrade_policy == UPGRADE_POLICY_IN_PLACE ? NULL : explain_labels(old, to, a);
}

static void plan_notes(const struct plan *x, struct arena *a, Berth__V1__Plan *m) {
	const struct change *ch;
	note_room(m, m->n_changes, a);
	TAILQ_FOREACH(ch, &x->changes, link) {
		const char *text = change_note(ch, a);
		if (text != NULL)
			m->notes[m->n_notes++] = arena_strdup(a, text);
	}
}

Berth__V1__Plan *view_plan(struct api_op *op, const struct plan *x, bool whole, struct arena *a) {
	Berth__V1__Plan *m = view_plan_row(x->tenant->row.name, &x->row, a);
	plan_parts(x, a, m);
	plan_verbs(op, x, a, m);
	plan_notes(x, a, m);
	if (whole) {
		struct waiting *w = NULL;
		size_t n = explain_plan(op->api->core, x, a, &w);
		view_waiting(w, n, a, &m->waiting_for, &m->n_waiting_for);
		plan_tasks(x, a, m);
		PUT(m, tasks_total, tasks_total(x));
		PUT(m, last_event, fleet_last_event(op->fleet));
	}
	return m;
}

static void dry_parts(const struct dry_run *d, struct arena *a, Berth__V1__Plan *m) {
	m->batches = arena_alloc(a, ((size_t)d->n_batches + 1) * sizeof *m->batches);
	for (int i = 0; i < d->n_batches; i++) {
		struct row_batch row = {
			.number = i + 1, .state = BATCH_PENDING, .size = d->batch_size[i], .label = arena_strdup(a, d->batch_label[i])
		};
		m->batches[m->n_batches++] = view_batch(&row, a);
	}
	m->placements = arena_alloc(a, (d->n_placed + 1) * sizeof *m->placements);
	for (size_t i = 0; i < d->n_placed; i++) {
		Berth__V1__Placed *p = m->placements[m->n_placements++] = PB_NEW(Berth__V1__Placed, berth__v1__placed, a);
		p->base = view_text(d->placed[i].base, a);
		p->deployment = view_text(d->placed[i].deployment, a);
		p->action = view_text(d->placed[i].action, a);
		PUT(p, batch, d->placed[i].batch);
	}
	m->notes = arena_alloc(a, (d->n_notes + 1) * sizeof *m->notes);
	for (size_t i = 0; i < d->n_notes; i++)
		m->notes[m->n_notes++] = arena_strdup(a, d->notes[i]);
}

static Berth__V1__Forecast *dry_forecast(const struct dry_run *d, struct arena *a) {
	Berth__V1__Forecast *m = PB_NEW(Berth__V1__Forecast, berth__v1__forecast, a);
	PUT(m, ready, (int32_t)d->ready);
	PUT(m, lowest_ready, (int32_t)d->lowest);
	PUT(m, samples, d->samples);
	PUT(m, confirmations, d->confirmations);
	m->duration = pb_duration(d->duration_us, a);
	m->peaks = arena_alloc(a, (d->n_peaks + 1) * sizeof *m->peaks);
	for (size_t i = 0; i < d->n_peaks; i++) {
		Berth__V1__BasePeak *p = m->peaks[m->n_peaks++] = PB_NEW(Berth__V1__BasePeak, berth__v1__base_peak, a);
		p->base = view_text(d->peaks[i].base, a);
		PUT(p, units, (int32_t)d->peaks[i].units);
		PUT(p, limit, (int32_t)d->peaks[i].limit);
		PUT(p, interrupted, d->peaks[i].interrupted);
	}
	return m;
}

static Berth__V1__PlanChange *dry_change(const struct dry_change *d, struct arena *a) {
	struct row_plan_change change = { .deployment = arena_strdup(a, d->deployment),
		.module = arena_strdup(a, d->module),
		.from_revision = d->from_revision,
		.to_revision = d->to_revision,
		.from_version = arena_strdup(a, d->from_version),
		.to_version = arena_strdup(a, d->to_version),
		.from_replicas = d->from_replicas,
		.to_replicas = d->to_replicas };
	return view_change(&change, a);
}

Berth__V1__Plan *view_dry_run(const struct api_op *op, const struct dry_run *d, struct arena *a) {
	Berth__V1__Plan *m = PB_NEW(Berth__V1__Plan, berth__v1__plan, a);
	m->tenant = view_text(op->who.tenant, a);
	PUT(m, dry_run, 1);
	if (d->kind != PLAN_KIND_NONE)
		PUT(m, kind, (Berth__V1__PlanKind)d->kind);
	m->actor = view_text(op->who.actor, a);
	m->changes = arena_alloc(a, (d->n_changes + 1) * sizeof *m->changes);
	for (size_t i = 0; i < d->n_changes; i++)
		m->changes[m->n_changes++] = dry_change(&d->changes[i], a);
	dry_parts(d, a, m);
	m->forecast = dry_forecast(d, a);
	view_waiting(d->waiting, d->n_waiting, a, &m->waiting_for, &m->n_waiting_for);
	return m;
}
