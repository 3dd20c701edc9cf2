/* What a finished plan took: per batch and base, what of it was Berth's, what was tried again, what failed and why. From the messages of
 * its batches and tasks, which are the same whether they come from the fleet or from the ledger. */
#include <stdlib.h>
#include <string.h>

#include "api/call.h"

#define MAX_BASES 100

static int64_t between(const Google__Protobuf__Timestamp *from, const Google__Protobuf__Timestamp *to) {
	return from == NULL || to == NULL ? 0 : pb_time_wall(to).us - pb_time_wall(from).us;
}

static Berth__V1__BaseReport *base_report(Berth__V1__PlanReport *m, const char *name, struct arena *a) {
	for (size_t i = 0; i < m->n_bases; i++)
		if (strcmp(m->bases[i]->base, name) == 0)
			return m->bases[i];
	Berth__V1__BaseReport *b = m->bases[m->n_bases++] = PB_NEW(Berth__V1__BaseReport, berth__v1__base_report, a);
	b->base = arena_strdup(a, name);
	return b;
}

static Google__Protobuf__Duration *longer(const Google__Protobuf__Duration *d, int64_t us, struct arena *a) {
	return pb_duration(pb_duration_us(d) + us, a);
}

static void task_report(Berth__V1__PlanReport *m, const Berth__V1__Task *t, struct arena *a) {
	int64_t told = between(t->send_time, t->end_time), there = pb_duration_us(t->duration);
	int retries = t->attempt > 1 ? t->attempt - 1 : 0;
	Berth__V1__BaseReport *b = base_report(m, t->base == NULL ? "" : t->base, a);
	b->duration = longer(b->duration, told, a);
	PUT(b, commands, b->commands + 1);
	PUT(b, retries, b->retries + retries);
	PUT(m, retries, m->retries + retries);
	m->at_bases = longer(m->at_bases, there, a);
	if (t->state == BERTH__V1__TASK_STATE__TASK_STATE_SUCCEEDED) /* of the others it is not known how long the base worked */
		m->in_berth = longer(m->in_berth, told > there ? told - there : 0, a);
	if (t->state != BERTH__V1__TASK_STATE__TASK_STATE_FAILED)
		return;
	PUT(b, failed, 1);
	m->failures[m->n_failures++] = (Berth__V1__Task *)(uintptr_t)t;
}

static int slowest_first(const void *pa, const void *pb) {
	const Berth__V1__BaseReport *a = *(Berth__V1__BaseReport *const *)pa, *b = *(Berth__V1__BaseReport *const *)pb;
	int64_t x = pb_duration_us(a->duration), y = pb_duration_us(b->duration);
	return (x < y) - (x > y);
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

void plan_report(Berth__V1__Plan *p, struct arena *a) {
	if (p->end_time == NULL || p->start_time == NULL)
		return;
	Berth__V1__PlanReport *m = p->report = PB_NEW(Berth__V1__PlanReport, berth__v1__plan_report, a);
	m->duration = pb_duration(between(p->start_time, p->end_time), a);
	m->waited = pb_duration(between(p->create_time, p->start_time), a);
	m->bases = arena_alloc(a, (p->n_tasks + 1) * sizeof *m->bases);
	m->failures = arena_alloc(a, (p->n_tasks + 1) * sizeof *m->failures);
	PUT(m, retries, 0);
	batches_report(p, m, a);
	for (size_t i = 0; i < p->n_tasks; i++)
		task_report(m, p->tasks[i], a);
	qsort(m->bases, m->n_bases, sizeof *m->bases, slowest_first);
	if (m->n_bases > MAX_BASES)
		m->n_bases = MAX_BASES;
}
