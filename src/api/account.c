/* Why bases and instances are as they are, as messages. */
#include <inttypes.h>

#include "api/call.h"

Berth__V1__Account *view_account(struct api_op *op, const struct instance *i) {
	struct arena *a = op->arena;
	Berth__V1__Account *m = PB_NEW(Berth__V1__Account, berth__v1__account, a);
	struct account x;
	account_instance(op->api->core, i, a, &x);
	m->instance = view_instance(i, a);
	m->text = view_text(x.text, a);
	m->next = view_text(x.next, a);
	m->wanted_since = pb_time(x.wanted_since, a);
	m->wanted_by = view_text(x.wanted_by, a);
	m->wanted_reason = view_text(x.wanted_reason, a);
	m->last_command = view_text(x.command, a);
	m->last_command_time = pb_time(x.command_at, a);
	m->last_report = view_text(x.report, a);
	m->cause = view_text(x.cause, a);
	m->next_try = pb_time(x.next_try, a);
	return m;
}

static const char *summary(const struct api_op *op, const struct base *b, size_t n) {
	return arena_printf(op->arena, "base %s of group %s is %s%s", b->row.name, b->group->row.name, word_text(WORD_BASE, b->row.state),
	    n == 0 ? "; nothing is wrong with it" : "");
}

int op_base_explain(struct api_op *op, struct err *err) {
	const Berth__V1__ExplainBaseRequest *r = (const Berth__V1__ExplainBaseRequest *)op->call->request;
	const struct base *b = find_base(op, r->base, "", err);
	if (b == NULL)
		return err->code;
	Berth__V1__ExplainBaseReply *m = PB_NEW(Berth__V1__ExplainBaseReply, berth__v1__explain_base_reply, op->arena);
	struct waiting *w = NULL;
	size_t n = explain_base(op->api->core, b, op->arena, &w);
	view_waiting(w, n, op->arena, &m->waiting_for, &m->n_waiting_for);
	m->base = view_base(b, op->arena);
	m->summary = view_text(summary(op, b, n), op->arena);
	m->missing = arena_alloc(op->arena, ((size_t)b->n_instances + 1) * sizeof *m->missing);
	const struct instance *i;
	TAILQ_FOREACH(i, &b->instances, base_link)
		if (i->row.state != INSTANCE_READY)
			m->missing[m->n_missing++] = view_account(op, i);
	op->reply = (ProtobufCMessage *)m;
	return 0;
}

int op_instance_explain(struct api_op *op, struct err *err) {
	const Berth__V1__ExplainInstanceRequest *r = (const Berth__V1__ExplainInstanceRequest *)op->call->request;
	const struct instance *i = r->has_instance ? fleet_instance(op->fleet, r->instance) : NULL;
	if (i == NULL || i->base->tenant != op->tenant)
		return err_set(err, E_NOT_FOUND, "there is no instance %" PRId64 "; berth instance list shows them", r->instance);
	op->reply = (ProtobufCMessage *)view_account(op, i);
	return 0;
}
