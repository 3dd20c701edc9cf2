/* Verbs on plans. */
#include "core/conductor.h"

#include <stdio.h>

static const char *const names[VERB_COUNT] = { "pause", "resume", "confirm", "retry", "stop" };

const char *plan_verb_name(enum plan_verb v) {
	return names[v];
}

unsigned plan_verbs_allowed(const struct plan *p) {
	static const unsigned by_state[] = {
		[PLAN_QUEUED] = 1u << VERB_STOP,
		[PLAN_RUNNING] = 1u << VERB_PAUSE | 1u << VERB_STOP,
		[PLAN_SOAKING] = 1u << VERB_PAUSE | 1u << VERB_STOP,
		[PLAN_PAUSED] = 1u << VERB_RESUME | 1u << VERB_STOP,
		[PLAN_CONFIRMING] = 1u << VERB_CONFIRM | 1u << VERB_PAUSE | 1u << VERB_STOP,
		[PLAN_SUPERSEDED] = 0,
	};
	unsigned set = by_state[p->row.state];
	const struct batch *b;
	TAILQ_FOREACH(b, &p->batches, link)
		if (set != 0 && b->row.failed > 0)
			set |= 1u << VERB_RETRY;
	return set;
}

static int not_now(const struct plan *p, enum plan_verb v, struct err *err) {
	char list[96] = "";
	unsigned allowed = plan_verbs_allowed(p);
	for (int k = 0; k < VERB_COUNT; k++) {
		size_t at = strlen(list);
		if (allowed & 1u << k)
			snprintf(list + at, sizeof list - at, "%s%s", at == 0 ? "" : ", ", names[k]);
	}
	return err_set(err, E_STATE, "plan %lld is %s and cannot %s%s%s", (long long)p->row.id, word_text(WORD_PLAN, p->row.state), names[v],
	    *list ? "; it can: " : "; it has ended", list);
}

static int confirm(struct core *c, struct plan *p, int64_t batch, struct err *err) {
	const struct batch *b;
	if (plan_confirm(&c->plans, p, batch))
		return 0;
	TAILQ_FOREACH(b, &p->batches, link)
		if (b->row.state == BATCH_CONFIRMING)
			return err_field(err, E_STATE, "/batch", "batch %lld waits to be confirmed: berth plan confirm %lld %lld", (long long)b->row.number,
			    (long long)p->row.id, (long long)b->row.number);
	return not_now(p, VERB_CONFIRM, err);
}

int change_plan_verb(struct core *c, const struct core_who *who, struct plan *p, enum plan_verb v, int64_t batch, struct err *err) {
	const char *why = who->reason != NULL && *who->reason ? who->reason : "a person asked for it";
	bool ok = false;
	switch (v) {
	case VERB_PAUSE:
		ok = plan_pause(&c->plans, p, why);
		break;
	case VERB_RESUME:
		ok = plan_resume(&c->plans, p);
		break;
	case VERB_CONFIRM:
		return confirm(c, p, batch, err);
	case VERB_RETRY:
		ok = plan_retry(&c->plans, p);
		break;
	case VERB_STOP:
		ok = plan_stop(&c->plans, p, why);
		break;
	case VERB_COUNT:
		break;
	}
	return ok ? 0 : not_now(p, v, err);
}
