/* Why a base or an instance is not as wanted: what is known of it, told in the order in which a person asks. The engine's own facts;
 * nothing is guessed. Plans and deployments: explain.c. */
#include "core/conductor.h"

#include <stdio.h>

static const char *or_empty(const char *s) {
	return s == NULL ? "" : s;
}

static wall_t wall_of(const struct core *c, mono_t at) {
	return (wall_t){ c->wall.us + mono_diff(at, c->mono) };
}

/* ---- an instance
 * ------------------------------------------------------------------------------------------------------------------------- */
static const struct task *last_task(const struct instance *i) {
	return i->task != NULL ? i->task : TAILQ_LAST(&i->tasks, task_queue);
}

static void command_told(const struct task *t, struct arena *a, struct account *ret) {
	if (t == NULL)
		return;
	ret->command = arena_printf(a, "%s, try %lld: %s%s%s", word_text(WORD_TASK_KIND, t->row.kind),
	    (long long)(t->row.attempt > 0 ? t->row.attempt : 1), word_text(WORD_TASK, t->row.state), t->row.cause == NULL ? "" : ": ",
	    or_empty(t->row.cause));
	ret->command_at = t->row.ended_at.us != 0 ? t->row.ended_at : t->row.sent_at.us != 0 ? t->row.sent_at : t->row.created_at;
}

static wall_t next_try(const struct core *c, const struct instance *i) {
	if (i->task != NULL && i->task->row.state == TASK_BACKOFF)
		return wall_of(c, i->task->due);
	return i->task == NULL && mono_before(c->mono, i->retry_at) ? wall_of(c, i->retry_at) : (wall_t){ 0 };
}

/* What it needs, in one sentence, and the command for it. */
static void need_told(const struct core *c, const struct instance *i, struct arena *a, struct account *ret) {
	const struct base *b = i->base;
	const struct plan *p = i->deployment == NULL ? NULL : i->deployment->plan;
	bool works = i->task != NULL && i->task->row.state == TASK_SENT;
	if (b->row.state != BASE_READY) {
		ret->text = arena_printf(a, "its base %s is %s", b->row.name, word_text(WORD_BASE, b->row.state));
		ret->next = arena_printf(a, "berth why %s", b->row.name);
	} else if (works) {
		ret->text = "its base is at work on it";
	} else if (ret->next_try.us != 0) {
		ret->text = "it is tried again by itself";
	} else if (i->row.state == INSTANCE_QUARANTINED) {
		ret->text = "it made its base crash and is not installed there again by itself";
		ret->next = arena_printf(a, "berth deploy %s:OTHER-VERSION", i->version->module->row.name);
	} else if (p != NULL) {
		ret->text = arena_printf(a, "plan %lld is %s", (long long)p->row.id, word_text(WORD_PLAN, p->row.state));
		ret->next = arena_printf(a, "berth why %lld", (long long)p->row.id);
	} else if (i->row.state == INSTANCE_STANDBY) {
		ret->text = "another version of it gets the requests on its base; which one is to stay is for a person to say";
		ret->next = arena_printf(a, "berth finding list --base %s", b->row.name);
	} else if (i->row.state == INSTANCE_FAILED) {
		ret->text = "it is on its base and does not serve; nothing is done about it by itself";
		ret->next =
		    arena_printf(a, "berth restart %s --base %s", i->deployment == NULL ? "" : i->deployment->row.name, b->row.name);
	} else {
		ret->text = word_sentence(WORD_INSTANCE, i->row.state);
	}
}

void account_instance(struct core *c, const struct instance *i, struct arena *a, struct account *ret) {
	const struct revision *r = i->deployment == NULL ? NULL : fleet_revision(i->deployment, i->row.revision);
	*ret = (struct account){ .instance = i, .wanted_since = i->row.created_at, .text = "", .next = "" };
	ret->wanted_by = r == NULL ? NULL : r->row.actor;
	ret->wanted_reason = r == NULL ? NULL : r->row.reason;
	command_told(last_task(i), a, ret);
	ret->report = i->row.reported;
	ret->cause = i->row.state_reason;
	ret->next_try = next_try(c, i);
	if (i->row.state == INSTANCE_READY)
		ret->text = "as wanted";
	else
		need_told(c, i, a, ret);
}

/* ---- a base
 * ------------------------------------------------------------------------------------------------------------------------------ */
struct reasons {
	struct arena *a;
	struct waiting *v;
	size_t n;
};

#define MAX_REASONS 8

static void reason(struct reasons *x, wall_t since, const char *rule, const char *text, const char *command) {
	if (x->n < MAX_REASONS)
		x->v[x->n++] = (struct waiting){ .rule = rule, .text = text, .command = command, .since = since, .count = 1 };
}

static void state_told(const struct core *c, const struct base *b, struct reasons *x) {
	const char *why = or_empty(b->row.state_reason);
	char d[48];
	int64_t left = c->cfg.lost_us + c->cfg.replace_us - mono_diff(c->mono, b->seen);
	if (b->row.state == BASE_READY)
		return;
	reason(x, b->row.state_at, word_text(WORD_BASE, b->row.state),
	    arena_printf(x->a, "%s%s%s", word_sentence(WORD_BASE, b->row.state), *why == '\0' ? "" : "; ", why),
	    b->row.arklet_url != NULL ? arena_printf(x->a, "curl %s", b->row.arklet_url) : "journalctl -u berth-agent    # on its host");
	if (brake_excused(c, b))
		reason(x, b->row.state_at, "restart_expected", "its restart is expected: nothing of it is placed elsewhere meanwhile", "");
	else if (b->gone && brake_holds(b))
		reason(x, b->row.state_at, "brake", "half of its zone fell silent at once: nothing is replaced there by itself",
		    arena_printf(x->a, "berth group release-brake %s", b->group->row.name));
	else if ((b->row.state == BASE_SILENT || b->row.state == BASE_LOST) && b->n_instances > 0 && left > 0)
		reason(x, b->row.state_at, "replace",
		    arena_printf(x->a, "what it has is placed elsewhere in %s", duration_format((left / US_PER_S + 1) * US_PER_S, d)),
		    arena_printf(x->a, "berth base expect-restart %s --for 10m", b->row.name));
}

static void modules_told(const struct base *b, struct reasons *x) {
	const struct instance *i;
	wall_t since = { INT64_MAX };
	int missing = 0;
	TAILQ_FOREACH(i, &b->instances, base_link) {
		if (!i->row.wanted || i->row.state == INSTANCE_READY)
			continue;
		missing++;
		if (i->row.state_at.us < since.us)
			since = i->row.state_at;
	}
	if (missing > 0)
		reason(x, since, "missing",
		    arena_printf(x->a, "%d of its %d modules %s not ready", missing, b->n_instances, missing == 1 ? "is" : "are"),
		    arena_printf(x->a, "berth instance list --base %s", b->row.name));
}

static void evictions_told(const struct base *b, struct reasons *x) {
	const struct finding *f;
	TAILQ_FOREACH(f, &b->findings, base_link) {
		const struct plan *p = eviction_of(f);
		if (p != NULL)
			reason(x, p->row.created_at, "evict",
			    arena_printf(x->a, "plan %lld takes %s:%s out of it%s", (long long)p->row.id, f->row.module, f->row.version,
			        p->row.state == PLAN_QUEUED ? " once nothing holds it" : ""),
			    arena_printf(x->a, "berth why %lld", (long long)p->row.id));
	}
}

/* To uncordon a base does not end the drain that empties it. */
static void cordon_told(struct core *c, const struct base *b, struct reasons *x) {
	const char *why = or_empty(b->row.cordon_reason);
	const struct plan *p = drain_of(c, b);
	if (b->row.cordoned)
		reason(x, b->row.cordoned_at.us != 0 ? b->row.cordoned_at : b->row.state_at, "cordoned",
		    arena_printf(x->a, "it takes nothing new%s%s", *why == '\0' ? "" : ": ", why),
		    arena_printf(x->a, "berth base %s %s", p != NULL ? "undrain" : "uncordon", b->row.name));
	if (p != NULL)
		reason(x, p->row.created_at, "drain", arena_printf(x->a, "plan %lld moves everything off it", (long long)p->row.id),
		    arena_printf(x->a, "berth why %lld", (long long)p->row.id));
}

static void room_told(const struct base *b, struct reasons *x) {
	const struct instance *last = TAILQ_LAST(&b->instances, instance_queue);
	if (base_free(b) == 0)
		reason(x, last == NULL ? b->row.state_at : last->row.created_at, "full",
		    arena_printf(x->a, "it is full: %lld of %lld units", (long long)b->row.units_used, (long long)base_limit(b)),
		    arena_printf(x->a, "berth base set %s --limit %lld", b->row.name, (long long)base_limit(b) + 1));
}

size_t explain_base(struct core *c, const struct base *b, struct arena *a, struct waiting **ret) {
	struct reasons x = { .a = a, .v = arena_alloc(a, MAX_REASONS * sizeof *x.v) };
	state_told(c, b, &x);
	cordon_told(c, b, &x);
	room_told(b, &x);
	evictions_told(b, &x);
	modules_told(b, &x);
	*ret = x.v;
	return x.n;
}
