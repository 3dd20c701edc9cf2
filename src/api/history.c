/* Reads of what the memory no longer holds, through the ledger's read connection. Used by handlers' continuations. An answer that comes
 * after its op ended is dropped here, so continuations never meet a dead op. */
#include <stdlib.h>

#include "api/call.h"

struct reading {
	struct api_op *op; /* NULL: the op is gone */
	void (*fn)(struct api_op *op, struct ledger_rows *rows, const struct err *err);
};

static void forget(struct api_op *op) {
	op->reading->op = NULL;
}

static void arrived(void *arg, struct ledger_rows *rows, const struct err *err) {
	struct reading *r = arg;
	struct api_op *op = r->op;
	void (*fn)(struct api_op *, struct ledger_rows *, const struct err *) = r->fn;
	free(r);
	if (op == NULL) {
		if (rows != NULL)
			arena_free(rows->arena);
		return;
	}
	op->abort = NULL;
	op->reading = NULL;
	if (op->cancelled) { /* its end is already scheduled */
		if (rows != NULL)
			arena_free(rows->arena);
		return;
	}
	fn(op, rows, err);
}

void history_read(
    struct api_op *op, const struct ledger_read *spec, void (*fn)(struct api_op *op, struct ledger_rows *rows, const struct err *err)) {
	struct reading *r = calloc(1, sizeof *r);
	if (r == NULL)
		abort();
	*r = (struct reading){ op, fn };
	op->reading = r;
	op->abort = forget;
	struct ledger *l = core_ledger(op->api->core);
	l->ops->read(l, spec, arrived, r);
}
