/* A base whose installs fail again and again, of versions that run elsewhere, takes nothing new until a person looked. A version that fails
 * on several bases is the plan's business, not theirs. */
#include "core/conductor.h"

#include <stdio.h>

static bool runs_elsewhere(const struct deployment *d, const struct version *v, const struct base *b) {
	const struct instance *i;
	if (d == NULL || d->n_ready == 0)
		return false;
	TAILQ_FOREACH(i, &d->instances, deployment_link)
		if (i->version == v && i->base != b && i->row.state == INSTANCE_READY)
			return true;
	return false;
}

static void set_aside(struct core *c, struct base *b, const struct version *v, const char *cause) {
	struct event_facts f = { .kind = "base.set_aside", .base = b, .version = v };
	char reason[256], command[96];
	snprintf(reason, sizeof reason,
	    "set aside: its last %lld installs failed, of versions that run elsewhere; the last was %s:%s: %.100s",
	    (long long)b->row.install_failures, v->module->row.name, v->row.name, cause == NULL ? "no cause was told" : cause);
	snprintf(command, sizeof command, "berth base uncordon %s", b->row.name);
	base_set_cordoned(c->fleet, b, true, reason, c->wall);
	core_event(c, &f, "base %s takes nothing new: %s", b->row.name, reason);
	finding_raise(c, FINDING_INSTALLS_FAIL, b, NULL, NULL, NULL, command, "base %s is %s", b->row.name, reason);
}

void install_ended(struct core *c, const struct install_end *x) {
	struct base *b = x->base;
	if (x->ok) {
		base_set_install_failures(c->fleet, b, 0);
		return;
	}
	bool of_the_version = x->plan != NULL && plan_failures(x->plan) > 1;
	if (of_the_version || !runs_elsewhere(x->deployment, x->version, b))
		return;
	base_set_install_failures(c->fleet, b, b->row.install_failures + 1);
	if (c->cfg.set_aside > 0 && b->row.install_failures >= c->cfg.set_aside && !b->row.cordoned)
		set_aside(c, b, x->version, x->cause);
}

void set_aside_end(struct core *c, struct base *b) {
	base_set_install_failures(c->fleet, b, 0);
	finding_clear(c, FINDING_INSTALLS_FAIL, b, NULL, NULL);
}
