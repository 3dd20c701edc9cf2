/* Parts that several messages share: amounts, strategies, maps, lists, waits. Model to message, nothing else. */
#include <string.h>

#include "api/call.h"

char *view_text(const char *s, struct arena *a) {
	return s == NULL || *s == '\0' ? NULL : arena_strdup(a, s);
}

Berth__V1__Amount *view_amount(struct amount v, struct arena *a) {
	if (v.kind == AMOUNT_UNSET)
		return NULL;
	Berth__V1__Amount *m = PB_NEW(Berth__V1__Amount, berth__v1__amount, a);
	if (v.kind == AMOUNT_COUNT)
		PUT(m, count, v.n);
	else if (v.kind == AMOUNT_PERCENT)
		PUT(m, percent, (int32_t)v.n);
	else
		PUT(m, all, 1);
	return m;
}

Berth__V1__Amount *view_replicas(int64_t n, struct arena *a) {
	return view_amount((struct amount){ n < 0 ? AMOUNT_ALL : AMOUNT_COUNT, n }, a);
}

static Google__Protobuf__Duration *given_duration(int64_t us, struct arena *a) {
	return us < 0 ? NULL : pb_duration(us, a);
}

static void view_cut(const struct strategy *s, struct arena *a, Berth__V1__Strategy *m) {
	char value[STRATEGY_NAME];
	m->n_batches = (size_t)s->n_batches;
	m->batches = arena_alloc(a, ((size_t)s->n_batches + 1) * sizeof *m->batches);
	for (int i = 0; i < s->n_batches; i++)
		m->batches[i] = view_amount(s->batches[i], a);
	if (s->batch_count > 0)
		PUT(m, batch_count, (int32_t)s->batch_count);
	m->batches_by = view_text(s->batches_by, a);
	m->beta = view_text(s->beta, a);
	m->batch_order = arena_alloc(a, STRATEGY_TEXT / 2 * sizeof *m->batch_order);
	while (strategy_order(s, (int)m->n_batch_order, value))
		m->batch_order[m->n_batch_order++] = arena_strdup(a, value);
}

static void view_gates(const struct strategy *s, struct arena *a, Berth__V1__Strategy *m) {
	if (s->gate_state != CHOICE_UNSET)
		PUT(m, gate_state, s->gate_state == CHOICE_YES);
	m->gate_failed = view_amount(s->gate_failed, a);
	m->gate_probe = view_text(s->gate_probe, a);
	m->gate_url = view_text(s->gate_url, a);
	if (s->gate_probe_status > 0)
		PUT(m, gate_probe_status, (int32_t)s->gate_probe_status);
	if (s->gate_retries >= 0)
		PUT(m, gate_retries, (int32_t)s->gate_retries);
	m->gate_every = given_duration(s->gate_every_us, a);
	m->gate_timeout = given_duration(s->gate_timeout_us, a);
}

Berth__V1__Strategy *view_strategy(const struct strategy *s, struct arena *a) {
	if (s == NULL || strcmp(strategy_print(s, a), "{}") == 0)
		return NULL;
	Berth__V1__Strategy *m = PB_NEW(Berth__V1__Strategy, berth__v1__strategy, a);
	view_cut(s, a, m);
	view_gates(s, a, m);
	if (s->upgrade_policy != UPGRADE_POLICY_NONE)
		PUT(m, upgrade_policy, (Berth__V1__UpgradePolicy)s->upgrade_policy);
	if (s->placement != PLACEMENT_NONE)
		PUT(m, placement, (Berth__V1__Placement)s->placement);
	m->max_unavailable = view_amount(s->max_unavailable, a);
	m->max_surge = view_amount(s->max_surge, a);
	m->failure_threshold = view_amount(s->failure_threshold, a);
	m->batch_failure_threshold = view_amount(s->batch_failure_threshold, a);
	if (s->retry_elsewhere != CHOICE_UNSET)
		PUT(m, retry_elsewhere, s->retry_elsewhere == CHOICE_YES);
	if (s->max_in_flight > 0)
		PUT(m, max_in_flight, (int32_t)s->max_in_flight);
	if (s->retries >= 0)
		PUT(m, retries, (int32_t)s->retries);
	m->min_ready = given_duration(s->min_ready_us, a);
	m->progress_deadline = given_duration(s->progress_us, a);
	m->soak = given_duration(s->soak_us, a);
	m->task_timeout = given_duration(s->task_timeout_us, a);
	m->prefetch = given_duration(s->prefetch_us, a);
	m->install_timeout = given_duration(s->install_timeout_us, a);
	m->uninstall_timeout = given_duration(s->uninstall_timeout_us, a);
	m->switch_timeout = given_duration(s->switch_timeout_us, a);
	if (s->on_failure != ON_FAILURE_NONE)
		PUT(m, on_failure, (Berth__V1__OnFailure)s->on_failure);
	if (s->confirm != CONFIRM_UNSET)
		PUT(m, confirm, (Berth__V1__Confirm)s->confirm);
	return m;
}

void view_pairs(const char *json, struct arena *a, Berth__V1__Entry ***ret, size_t *ret_n) {
	struct pair *pairs = NULL;
	size_t n = 0;
	if (json == NULL || pairs_parse(json, a, &pairs, &n, NULL) != 0) /* a ledger somebody edited: shown as empty */
		n = 0;
	*ret = arena_alloc(a, (n + 1) * sizeof **ret);
	for (size_t i = 0; i < n; i++) {
		(*ret)[i] = PB_NEW(Berth__V1__Entry, berth__v1__entry, a);
		(*ret)[i]->key = pairs[i].key;
		(*ret)[i]->value = pairs[i].value;
	}
	*ret_n = n;
}

void view_strings(const char *json, struct arena *a, char ***ret, size_t *ret_n) {
	if (json != NULL && strings_parse(json, a, ret, ret_n, NULL) == 0)
		return;
	*ret = NULL;
	*ret_n = 0;
}

void view_waiting(const struct waiting *w, size_t n, struct arena *a, Berth__V1__Waiting ***ret, size_t *ret_n) {
	*ret = arena_alloc(a, (n + 1) * sizeof **ret);
	*ret_n = n;
	for (size_t i = 0; i < n; i++) {
		Berth__V1__Waiting *m = (*ret)[i] = PB_NEW(Berth__V1__Waiting, berth__v1__waiting, a);
		m->rule = view_text(w[i].rule, a);
		m->text = view_text(w[i].text, a);
		m->command = view_text(w[i].command, a);
		m->since = pb_time(w[i].since, a);
		if (w[i].count > 0)
			PUT(m, count, w[i].count);
	}
}

Berth__V1__Event *view_event(const char *tenant, const struct row_event *r, struct arena *a) {
	Berth__V1__Event *m = PB_NEW(Berth__V1__Event, berth__v1__event, a);
	PUT(m, number, r->number);
	m->time = pb_time(r->at, a);
	m->tenant = view_text(tenant, a);
	m->kind = view_text(r->kind, a);
	m->actor = view_text(r->actor, a);
	m->address = view_text(r->address, a);
	m->reason = view_text(r->reason, a);
	m->link = view_text(r->link, a);
	m->base = view_text(r->base, a);
	m->module = view_text(r->module, a);
	m->version = view_text(r->version, a);
	m->deployment = view_text(r->deployment, a);
	if (r->plan_id != 0)
		PUT(m, plan, r->plan_id);
	if (r->task_id != 0)
		PUT(m, task, r->task_id);
	if (r->instance_id != 0)
		PUT(m, instance, r->instance_id);
	m->text = view_text(r->message, a);
	return m;
}
