/* What a finished plan took: per batch and base, what of it was Berth's, what was tried again, what failed and why. Sums over all its tasks
 * come from the ledger, however many these are; the failures are those among the tasks that are told. */
#include <string.h>

#include "api/call.h"

static int64_t between(const Google__Protobuf__Timestamp *from, const Google__Protobuf__Timestamp *to) {
	return from == NULL || to == NULL ? 0 : pb_time_wall(to).us - pb_time_wall(from).us;
}

static Berth__V1__BaseReport *base_report(const struct row_task_sum *r, struct arena *a) {
	Berth__V1__BaseReport *b = PB_NEW(Berth__V1__BaseReport, berth__v1__base_report, a);
	b->base = view_text(r->base, a);
	b->duration = pb_duration(r->sent_us, a);
	PUT(b, commands, (int32_t)r->tasks);
	PUT(b, retries, (int32_t)r->retries);
	if (r->failed > 0)
		PUT(b, failed, 1);
	return b;
}

static void sums_report(Berth__V1__Plan *p, const struct row_task_sum *all, Berth__V1__PlanReport *m, struct arena *a) {
	m->at_bases = pb_duration(all->at_base_us, a);
	m->in_berth = pb_duration(all->in_berth_us, a);
	PUT(m, retries, (int32_t)all->retries);
	PUT(m, bases_total, all->bases);
	PUT(m, failures_total, all->failed);
	PUT(p, tasks_total, all->tasks);
}

static void batches_report(const Berth__V1__Plan *p, Berth__V1__PlanReport *m, struct arena *a) {
	m->batches = arena_alloc(a, (p->n_batches + 1) * sizeof *m->batches);
	for (size_t i = 0; i < p->n_batches; i++) {
		Berth__V1__BatchReport *b = m->batches[m->n_batches++] = PB_NEW(Berth__V1__BatchReport, berth__v1__batch_report, a);
		PUT(b, number, p->batches[i]->number);
		PUT(b, bases, p->batches[i]->size);
		PUT(b, failed, p->batches[i]->failed);
		b->duration = pb_duration(between(p->batches[i]->start_time, p->batches[i]->end_time), a);
	}
}

static void failures_report(const Berth__V1__Plan *p, Berth__V1__PlanReport *m, struct arena *a) {
	m->failures = arena_alloc(a, (p->n_tasks + 1) * sizeof *m->failures);
	for (size_t i = 0; i < p->n_tasks; i++)
		if (p->tasks[i]->state == BERTH__V1__TASK_STATE__TASK_STATE_FAILED)
			m->failures[m->n_failures++] = p->tasks[i];
}

void plan_report(Berth__V1__Plan *p, const struct ledger_rows *sums, struct arena *a) {
	if (p->end_time == NULL || p->start_time == NULL || sums->n == 0)
		return;
	Berth__V1__PlanReport *m = p->report = PB_NEW(Berth__V1__PlanReport, berth__v1__plan_report, a);
	m->duration = pb_duration(between(p->start_time, p->end_time), a);
	m->waited = pb_duration(between(p->create_time, p->start_time), a);
	sums_report(p, sums->rows[0], m, a);
	batches_report(p, m, a);
	failures_report(p, m, a);
	m->bases = arena_alloc(a, sums->n * sizeof *m->bases);
	for (size_t i = 1; i < sums->n; i++)
		m->bases[m->n_bases++] = base_report(sums->rows[i], a);
}
