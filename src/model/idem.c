/* Idempotency keys: 16-byte hashes and what was answered, oldest first. */
#include "model/fleet_internal.h"

#include "base/err.h"

#include <stdlib.h>
#include <string.h>

static struct idem *idem_new(struct fleet *f, const struct row_idempotency *row) {
	struct idem *x = object_new(TABLE_idempotency, sizeof *x, row);
	HASH_ADD(hh, f->idems, row.hash, sizeof x->row.hash, x);
	TAILQ_INSERT_TAIL(&f->idem_queue, x, link);
	return x;
}

struct idem *fleet_idem_add(struct fleet *f, const struct row_idempotency *row) {
	struct idem *x = idem_new(f, row);
	object_created(f, &x->o);
	return x;
}

int idempotency_load(struct fleet *f, const void *row, struct err *err) {
	idem_new(f, row)->o.stored = true;
	return 0;
}

static int idem_cmp(const void *a, const void *b) {
	const struct idem *x = *(struct idem *const *)a, *y = *(struct idem *const *)b;
	if (x->row.created_at.us != y->row.created_at.us)
		return x->row.created_at.us < y->row.created_at.us ? -1 : 1;
	return memcmp(x->row.hash, y->row.hash, sizeof x->row.hash);
}

/* They are loaded by key; the queue is by age. */
void idem_sort(struct fleet *f) {
	size_t n = HASH_COUNT(f->idems), k = 0;
	if (n < 2)
		return;
	struct idem **all = calloc(n, sizeof *all), *x;
	if (all == NULL)
		abort();
	TAILQ_FOREACH(x, &f->idem_queue, link)
		all[k++] = x;
	qsort(all, n, sizeof *all, idem_cmp);
	TAILQ_INIT(&f->idem_queue);
	for (k = 0; k < n; k++)
		TAILQ_INSERT_TAIL(&f->idem_queue, all[k], link);
	free(all);
}

struct idem *fleet_idem(const struct fleet *f, const uint8_t hash[16]) {
	struct idem *x;
	HASH_FIND(hh, f->idems, hash, sizeof x->row.hash, x);
	return x;
}

struct idem *fleet_idem_oldest(const struct fleet *f) {
	return TAILQ_FIRST(&f->idem_queue);
}

void fleet_idem_remove(struct fleet *f, struct idem *x) {
	HASH_DEL(f->idems, x);
	TAILQ_REMOVE(&f->idem_queue, x, link);
	object_delete(f, &x->o);
}
