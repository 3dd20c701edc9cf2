/* Hooks around a swap that are URLs: a task of kind before_swap or after_swap is a POST after the commit that says it was sent. Its answer
 * is the task's outcome. The same call carries the same Idempotency-Key, also after a takeover; another try carries another one. Hooks that
 * are commands go to the base's agent like every other task (dispatch.c). */
#include "core/conductor.h"
#include "base/name.h"
#include "core/outbound.h"

#include <jansson.h>
#include <stdio.h>

#define AGAIN_US (2 * US_PER_S) /* after a 202 that does not say when */
#define LEAST_US (100 * US_PER_MS)

static json_t *text(const char *s) {
	json_t *j = json_string(s == NULL ? "" : s);
	return j != NULL ? j : json_string("");
}

/* Others of that base that are being swapped: who takes whole bases out of traffic waits for the last one. */
static int others_at_work(const struct task *t) {
	const struct instance *i;
	int n = 0;
	TAILQ_FOREACH(i, &t->base->instances, base_link)
		n += i->deployment != t->instance->deployment && (i->task != NULL || i->row.state == INSTANCE_DRAINING);
	return n;
}

static void put_plan(json_t *j, const struct task *t) {
	const struct change *ch = t->plan == NULL || t->instance->deployment == NULL ? NULL : change_of(t->plan, t->instance->deployment);
	if (t->plan == NULL)
		return;
	json_object_set_new(j, "plan", json_integer(t->plan->row.id));
	json_object_set_new(j, "planKind", text(word_text(WORD_PLAN_KIND, t->plan->row.kind)));
	json_object_set_new(j, "batch", json_integer(t->row.batch));
	if (ch == NULL)
		return;
	json_object_set_new(j, "fromVersion", text(ch->row.from_version));
	json_object_set_new(j, "toVersion", text(ch->row.to_version));
}

static char *context(const struct task *t, struct arena *a) {
	const struct base *b = t->base;
	json_t *j = json_object();
	json_object_set_new(j, "hook", text(t->row.kind == TASK_KIND_BEFORE_SWAP ? "beforeSwap" : "afterSwap"));
	json_object_set_new(j, "task", json_integer(t->row.id));
	json_object_set_new(j, "attempt", json_integer(t->row.attempt));
	put_plan(j, t);
	json_object_set_new(j, "tenant", text(b->tenant->row.name));
	json_object_set_new(j, "group", text(b->group->row.name));
	json_object_set_new(j, "base", text(b->row.name));
	json_object_set_new(j, "zone", text(b->row.zone));
	json_object_set_new(j, "address", text(b->row.address));
	json_object_set_new(j, "deployment", text(t->row.deployment));
	json_object_set_new(j, "module", text(t->row.module));
	json_object_set_new(j, "version", text(t->row.version));
	json_object_set_new(j, "othersAtWork", json_integer(others_at_work(t)));
	char *printed = json_dumps(j, JSON_COMPACT), *kept = arena_strdup(a, printed == NULL ? "{}" : printed);
	free(printed);
	json_decref(j);
	return kept;
}

bool hook_calls_url(const struct task *t) {
	const char *hook = hook_of(t->base->group, (enum task_kind)t->row.kind);
	return task_is_hook(t) && (hook == NULL || name_is_url(hook)); /* one taken away meanwhile is answered here, too */
}

static char *key(const struct core *c, const struct task *t, struct arena *a) {
	return arena_printf(a, "%s-%lld-%lld", c->cell, (long long)t->row.id, (long long)t->row.attempt);
}

void hook_fill(const struct core *c, const struct task *t, Berth__V1__CommandItem *x, struct arena *a) {
	x->hook = arena_strdup(a, hook_of(t->base->group, (enum task_kind)t->row.kind));
	x->hook_context = context(t, a);
	x->hook_key = key(c, t, a);
}

static int64_t time_left(const struct core *c, const struct task *t) {
	int64_t left = hook_timeout(t->base->group) - mono_diff(c->mono, t->sent);
	return left < LEAST_US ? LEAST_US : left;
}

/* Somebody took the hook away meanwhile: there is nothing to call, which is done at once. */
static void nothing_to_call(struct core *c, struct task *t) {
	t->ask = 0;
	t->due = c->mono;
	agenda_add(&c->agenda, c->mono, AGENDA_TASK, t->row.id);
}

void hook_ask(struct core *c, struct task *t) {
	const char *hook = hook_of(t->base->group, (enum task_kind)t->row.kind);
	struct arena *a = c->open->arena;
	if (hook == NULL) {
		nothing_to_call(c, t);
		return;
	}
	if (t->sent.us == 0) /* by a server before this one: its time begins anew */
		t->sent = c->mono;
	struct effect *x = effect_add(c, EFFECT_ASK, NULL);
	struct outbound_request *r = arena_alloc(a, sizeof *r);
	*r = (struct outbound_request){ .method = "POST",
		.url = arena_strdup(a, hook),
		.body = context(t, a),
		.key = key(c, t, a),
		.secret = arena_strdup(a, t->base->group->row.hook_secret),
		.timeout_us = time_left(c, t) };
	x->message = r;
	x->seq = t->ask = ++c->last_ask;
	x->task_id = t->row.id;
}

void hook_ask_again(struct core *c, struct task *t) {
	struct task_outcome done = { .ok = true };
	if (t->row.state != TASK_SENT || t->ask != 0 || !hook_calls_url(t))
		return;
	if (hook_of(t->base->group, (enum task_kind)t->row.kind) == NULL)
		task_outcome(c, t, &done);
	else
		hook_ask(c, t);
}

static void failed(struct core *c, struct task *t, const struct outbound_answer *a) {
	const char *hook = hook_of(t->base->group, (enum task_kind)t->row.kind), *text = a->text == NULL ? "" : a->text;
	char cause[1024], what[48];
	if (a->status == 0)
		snprintf(what, sizeof what, "gave no answer");
	else if (a->status == 202)
		snprintf(what, sizeof what, "was not done within hookTimeout");
	else
		snprintf(what, sizeof what, "answered %d", a->status);
	snprintf(cause, sizeof cause, "%s %s %s%s%s", word_text(WORD_TASK_KIND, t->row.kind), hook == NULL ? "" : hook, what,
	    *text == '\0' ? "" : ": ", text);
	struct task_outcome o = {
		.retryable = a->status != 409, .fault = FAULT_HOOK, .cause = cause, .duration_us = mono_diff(c->mono, t->sent)
	};
	task_outcome(c, t, &o);
}

void hook_answered(struct core *c, int64_t task_id, int64_t number, const struct outbound_answer *a) {
	struct task *t = fleet_task(c->fleet, task_id);
	if (t == NULL || t->row.state != TASK_SENT || t->ask != number)
		return;
	struct deployment *d = t->instance->deployment;
	int64_t wait = a->retry_after_us > 0 ? a->retry_after_us : AGAIN_US;
	struct task_outcome done = { .ok = true, .duration_us = mono_diff(c->mono, t->sent) };
	t->ask = 0;
	if (a->status == 202 && wait < time_left(c, t)) {
		t->due = mono_add(c->mono, wait);
		agenda_add(&c->agenda, t->due, AGENDA_TASK, t->row.id);
	} else if (a->status >= 200 && a->status < 300 && a->status != 202) {
		task_outcome(c, t, &done);
	} else {
		failed(c, t, a);
	}
	if (d != NULL)
		deployment_refresh(c, d);
	core_wake(c);
}
