/* How it has to end: when the storm is over, everything is as wanted, or somebody is told why not. */
#include "sim.h"

#include <string.h>

#include "model/fleet.h"
#include "plan/plan.h"
#include "sched/requires.h"

static const struct machine *machine_called(struct sim *s, const char *name) {
	for (int i = 0; i < s->n_agents; i++)
		if (strcmp(agent_name(s->agents[i]), name) == 0)
			return agent_machine(s->agents[i]);
	return sim_lone(s, name);
}

/* It was set aside, is not there, or is the liar's: what is there is between that base and a person. */
static bool needs_person(const struct sim *s, const struct fleet *f, const struct base *b) {
	if (strcmp(b->row.name, "stock") == 0)
		return true; /* nobody ever reaches it */
	bool liar = s->liar >= 0 && strcmp(agent_name(s->agents[s->liar]), b->row.name) == 0;
	return liar || fleet_finding_find(f, b->tenant, FINDING_SET_ASIDE, b, NULL, NULL) != NULL;
}

static bool slot_at_work(const struct instance *i) {
	const struct instance *x;
	TAILQ_FOREACH(x, &i->base->instances, base_link)
		if (x->deployment == i->deployment && x->task != NULL)
			return true;
	return false;
}

static void check_instance(struct sim *s, const struct fleet *f, const struct instance *i) {
	if (needs_person(s, f, i->base))
		return;
	const struct machine *a = machine_called(s, i->base->row.name);
	const char *m = i->version->module->row.name, *v = i->version->row.name;
	bool active = false, there = machine_holds(a, m, v, &active);
	bool needed = requirer_of(i, NULL) != NULL; /* it stays as long as another one there requires it */
	if (i->row.state == INSTANCE_READY && (!there || !active) && !(needed && i->task != NULL))
		sim_fail(s, "%s:%s is ready on %s, says the server; the base %s", m, v, machine_name(a),
		    there ? "has it deactivated" : "does not hold it");
	bool turn =
	    version_restorable(i->version) && i->task == NULL && !slot_at_work(i) && i->deployment != NULL && i->deployment->plan == NULL;
	if (i->row.wanted && i->row.state == INSTANCE_MISSING && turn)
		sim_fail(s, "%s:%s is missing on %s, and nobody brings it back", m, v, machine_name(a));
	const struct finding *told = fleet_finding_find(f, i->base->tenant, FINDING_SURPLUS, i->base, m, v);
	if (!i->row.wanted && told == NULL && !needed && !slot_at_work(i) &&
	    (i->deployment->plan == NULL || i->deployment->plan->row.state != PLAN_PAUSED))
		sim_fail(
		    s, "%s:%s on %s is not wanted and still there (%s)", m, v, machine_name(a), word_text(WORD_INSTANCE, i->row.state));
}

/* What a reader of a failed run wants to know of it. */
static const char *described(const struct deployment *d, struct arena *a) {
	const struct instance *i;
	const char *text = arena_printf(a, "%s is %s (%s), %lld replicas, %d wanted, %d ready, %d updated, plan %lld %s;", d->row.name,
	    word_text(WORD_DEPLOYMENT, d->row.state), d->row.state_reason == NULL ? "" : d->row.state_reason,
	    (long long)d->current->row.replicas, d->n_wanted, d->n_ready, d->n_updated, d->plan == NULL ? 0LL : (long long)d->plan->row.id,
	    d->plan == NULL ? "" : word_text(WORD_PLAN, d->plan->row.state));
	TAILQ_FOREACH(i, &d->instances, deployment_link)
		text = arena_printf(a, "%s %s on %s %s%s%s", text, i->version->row.name, i->base->row.name,
		    word_text(WORD_INSTANCE, i->row.state), i->row.wanted ? "" : ", not wanted", i->task == NULL ? "" : ", task");
	return text;
}

static void check_deployment(struct sim *s, struct core *c, struct deployment *d) {
	ARENA_AUTO a = arena_new();
	struct waiting *w;
	bool well = d->row.state == DEPLOYMENT_RUNNING || d->row.state == DEPLOYMENT_OFFLINE;
	if (!well && explain_deployment(c, d, a, &w) == 0)
		sim_fail(s, "nobody says why: %s", described(d, a));
	if (d->plan != NULL && d->plan->row.state == PLAN_RUNNING) {
		struct plan_wait pw;
		plan_waiting(d->plan, &pw);
		bool strange = s->liar >= 0 && (pw.others || pw.repair); /* until its progress deadline */
		bool order = pw.order && (pw.elsewhere || pw.stuck);     /* which ends, with that plan or at its progress deadline */
		if (!pw.no_room && !pw.unavailable && !pw.repair && !order && pw.lacking == 0 && pw.crowded == 0 && !strange)
			sim_fail(s, "its plan still runs and waits for nothing: %s", described(d, a));
	}
}

void settle_check(struct sim *s) {
	struct node *n = sim_active(s);
	if (n == NULL) {
		sim_fail(s, "no server is active");
		return;
	}
	struct fleet *f = core_fleet(node_core(n));
	for (struct base *b = fleet_bases(f); b != NULL; b = b->hh_id.next)
		if (b->row.state != BASE_READY && !needs_person(s, f, b))
			sim_fail(s, "base %s is %s at the end (%s)", b->row.name, word_text(WORD_BASE, b->row.state),
			    b->row.state_reason == NULL ? "" : b->row.state_reason);
	for (struct instance *i = fleet_instances(f); i != NULL; i = i->hh_id.next)
		check_instance(s, f, i);
	for (struct deployment *d = fleet_deployments(f); d != NULL; d = d->hh_id.next)
		check_deployment(s, node_core(n), d);
}
