/* Changes of bases and groups. */
#include "core/conductor.h"
#include "model/spec.h"

#include <stdio.h>

static bool has_key(const struct pair *v, size_t n, const char *key) {
	for (size_t i = 0; i < n; i++)
		if (strcmp(v[i].key, key) == 0)
			return true;
	return false;
}

void base_inherit(struct base *b) {
	ARENA_AUTO a = arena_new();
	struct pair *own, *all, *given;
	size_t n, n_given;
	const char *key = b->group->row.zone_key;
	if (pairs_parse(b->row.labels, a, &own, &n, NULL) != 0 || pairs_parse(b->group->row.labels, a, &given, &n_given, NULL) != 0)
		return;
	all = arena_alloc(a, (n + n_given + 1) * sizeof *all);
	memcpy(all, own, n * sizeof *all);
	for (size_t i = 0; i < n_given; i++)
		if (!has_key(all, n, given[i].key))
			all[n++] = given[i];
	text_set(&b->row.labels, pairs_print(all, n, a));
	for (size_t i = 0; key != NULL && i < n; i++)
		if ((b->row.zone == NULL || *b->row.zone == '\0') && strcmp(all[i].key, key) == 0)
			text_set(&b->row.zone, all[i].value);
}

static void base_changed(struct core *c, struct base *b) {
	b->row.etag++;
	fleet_touch(c->fleet, &b->o);
}

/* What every base is to have, and this one could not be given. */
static void lacks_look(struct core *c, struct base *b) {
	if (b->row.state == BASE_READY)
		peer_join(c, b);
}

int change_base(struct core *c, const struct core_who *who, struct base *b, bool has_limit, int64_t limit, const char *labels,
    const char *taints, struct err *err) {
	struct event_facts f = { .kind = "base.changed", .base = b };
	(void)who;
	if (has_limit && (limit < 0 || limit > 1000000))
		return err_field(err, E_INVALID, "/installLimit", "the install limit is a number from 0 (= the group's) to 1000000 units");
	if (has_limit && limit != b->row.install_limit) {
		int64_t before = base_limit(b);
		base_set_limit(c->fleet, b, limit);
		core_event(
		    c, &f, "install limit of %s: %lld instead of %lld units", b->row.name, (long long)base_limit(b), (long long)before);
		room_freed(c, b->group);
	}
	if (labels != NULL && text_set(&b->row.labels, labels))
		core_event(c, &f, "labels of %s changed", b->row.name);
	if (taints != NULL && text_set(&b->row.taints, taints)) {
		core_event(c, &f, "taints of %s changed", b->row.name);
		room_freed(c, b->group);
	}
	base_changed(c, b);
	lacks_look(c, b);
	return 0;
}

int change_cordon(struct core *c, const struct core_who *who, struct base *b, bool cordon, struct err *err) {
	struct event_facts f = { .kind = cordon ? "base.cordoned" : "base.uncordoned", .base = b };
	(void)err;
	if (b->row.cordoned == cordon)
		return 0;
	base_set_cordoned(c->fleet, b, cordon, cordon ? who->reason : NULL, c->wall);
	if (!cordon)
		set_aside_end(c, b);
	core_event(c, &f, cordon ? "%s takes no new instances" : "%s takes new instances again", b->row.name);
	base_changed(c, b);
	if (cordon)
		return 0;
	lacks_look(c, b);
	room_freed(c, b->group);
	return 0;
}

/* Its instances are not Berth's any more; what is wanted of their deployments goes elsewhere. */
int change_forget(struct core *c, const struct core_who *who, struct base *b, struct err *err) {
	struct event_facts f = { .kind = "base.forgotten", .base = b };
	struct instance *i;
	(void)who;
	TAILQ_FOREACH(i, &b->instances, base_link)
		if (i->task != NULL)
			return err_set(err, E_BUSY, "base %s has work under way (%s:%s); wait for it or stop its plan", b->row.name,
			    i->version->module->row.name, i->version->row.name);
	core_event(c, &f, "base %s is forgotten; %d modules stay on it unmanaged", b->row.name, b->n_instances);
	if (b->drive != NULL) {
		struct effect *x = effect_add(c, EFFECT_REFUSE, b->drive);
		x->code = "forgotten";
		x->detail = "this base was forgotten; start it with a join token to let it join again";
		x->final = true;
		link_drop(c, b->drive);
		b->drive = NULL;
	}
	struct group *g = b->group;
	const struct finding *x;
	TAILQ_FOREACH(x, &b->findings, base_link)
		(void)eviction_call_off(c, x, "its base was forgotten", NULL);
	replace_lost(c, b);
	while ((i = TAILQ_FIRST(&b->instances)) != NULL) {
		struct deployment *d = i->deployment;
		fleet_instance_remove(c->fleet, i);
		if (d != NULL)
			deployment_refresh(c, d);
	}
	fleet_base_remove(c->fleet, b);
	room_freed(c, g);
	return 0;
}

static bool frozen(const struct group *g) {
	return g->row.freeze_reason != NULL && *g->row.freeze_reason != '\0';
}

/* Plans that wait for it look again. */
static void thawed(struct core *c) {
	for (struct plan *p = fleet_plans(c->fleet); p != NULL; p = p->hh_id.next)
		if (p->row.state == PLAN_QUEUED)
			plan_due(c, p->row.id);
}

int change_freeze(struct core *c, const struct core_who *who, struct group *g, bool freeze, struct err *err) {
	struct event_facts f = { .kind = freeze ? "group.frozen" : "group.unfrozen" };
	if (freeze && (who->reason == NULL || *who->reason == '\0'))
		return err_field(err, E_INVALID, "/meta/reason",
		    "say why; everybody whose plan waits will read it: berth freeze %s --reason WHY", g->row.name);
	if (freeze == frozen(g) && (!freeze || text_same(g->row.freeze_reason, who->reason)))
		return 0;
	text_set(&g->row.freeze_reason, freeze ? who->reason : NULL);
	g->row.etag++;
	g->row.updated_at = c->wall;
	fleet_touch(c->fleet, &g->o);
	core_event(
	    c, &f, freeze ? "group %s is frozen: no plan starts there; what runs goes on" : "group %s is not frozen any more", g->row.name);
	if (!freeze) {
		thawed(c);
		policy_changed(c, g);
	}
	return 0;
}

/* ---- observe and manage ---------------------------------------------------------------------------------------------------------------
 */

static const struct instance *at_work(const struct group *g) {
	const struct base *b;
	const struct instance *i;
	TAILQ_FOREACH(b, &g->bases, group_link)
		TAILQ_FOREACH(i, &b->instances, base_link)
			if (i->task != NULL)
				return i;
	return NULL;
}

/* What was begun there would stand still half done. */
static int observe_check(struct core *c, const struct group *g, int mode, struct err *err) {
	const struct instance *i = mode == GROUP_MODE_OBSERVE && !group_observed(g) ? at_work(g) : NULL;
	for (struct deployment *d = mode == GROUP_MODE_OBSERVE ? fleet_deployments(c->fleet) : NULL; d != NULL; d = d->hh_id.next)
		if (d->group == g && d->plan != NULL)
			return err_field(err, E_BUSY, "/mode", "plan %lld is at work in group %s; wait for it, or: berth plan stop %lld",
			    (long long)d->plan->row.id, g->row.name, (long long)d->plan->row.id);
	return i == NULL ? 0
	                 : err_field(err, E_BUSY, "/mode", "%s:%s is being changed on base %s; try again when that is over",
	                       i->version->module->row.name, i->version->row.name, i->base->row.name);
}

static void mode_set(struct core *c, struct group *g, int mode) {
	struct event_facts f = { .kind = mode == GROUP_MODE_OBSERVE ? "group.observed" : "group.managed" };
	bool was = group_observed(g);
	struct base *b;
	g->row.mode = mode;
	if (was == group_observed(g))
		return;
	core_event(c, &f,
	    was ? "group %s is managed: its bases are told what is wanted" : "group %s is only observed: its bases are never commanded",
	    g->row.name);
	TAILQ_FOREACH(b, &g->bases, group_link) {
		base_welcome(c, b);
		if (was && b->row.state == BASE_READY) {
			peer_join(c, b);
			repair_base(c, b);
			evictions_due(c, b);
		}
	}
	if (was)
		thawed(c);
}

/* A cluster belongs to one group. */
int change_group_check(const struct tenant *t, const struct group *self, const struct row_base_group *row, struct err *err) {
	ARENA_AUTO a = arena_new();
	char **mine, **theirs;
	size_t n, m;
	if (strings_parse(row->clusters, a, &mine, &n, NULL) != 0)
		return err_field(err, E_INVALID, "/clusters", "clusters is a list of names");
	for (const struct group *x = t->groups; n > 0 && x != NULL; x = x->hh_name.next) {
		if (x == self || strings_parse(x->row.clusters, a, &theirs, &m, NULL) != 0)
			continue;
		for (size_t i = 0; i < n * m; i++)
			if (strcmp(mine[i / m], theirs[i % m]) == 0)
				return err_field(err, E_CONFLICT, "/clusters", "cluster %s belongs to group %s; take it from there first",
				    theirs[i % m], x->row.name);
	}
	return 0;
}

int change_group(struct core *c, const struct core_who *who, struct group *g, const struct row_base_group *row, struct err *err) {
	struct event_facts f = { .kind = "group.changed" };
	bool roomier = row->install_limit > g->row.install_limit || row->metaspace_limit != g->row.metaspace_limit;
	struct base *b;
	(void)who;
	if (observe_check(c, g, row->mode, err) != 0 || change_group_check(g->tenant, g, row, err) != 0)
		return err->code;
	if (row->install_limit < 0 || row->install_limit > 1000000)
		return err_field(err, E_INVALID, "/installLimit", "the install limit is a number from 0 to 1000000 units per base");
	if (row->runtime != g->row.runtime && g->n_deployments > 0)
		return err_field(err, E_CONFLICT, "/runtime", "group %s has %d deployments; its runtime stays %s", g->row.name,
		    g->n_deployments, word_text(WORD_RUNTIME, g->row.runtime));
	if (row->install_limit != g->row.install_limit)
		group_set_limit(c->fleet, g, row->install_limit);
	g->row.runtime = row->runtime;
	g->row.mutable_versions = row->mutable_versions;
	g->row.unmanaged_policy = row->unmanaged_policy;
	g->row.placement = row->placement;
	g->row.upgrade_policy = row->upgrade_policy;
	g->row.open_join = row->open_join;
	g->row.metaspace_limit = row->metaspace_limit;
	g->row.origin_artifacts = row->origin_artifacts;
	g->row.hook_timeout_us = row->hook_timeout_us;
	g->row.drain_wait_us = row->drain_wait_us;
	text_set(&g->row.before_swap, row->before_swap);
	text_set(&g->row.after_swap, row->after_swap);
	text_set(&g->row.hook_secret, row->hook_secret);
	text_set(&g->row.clusters, row->clusters);
	text_set(&g->row.labels, row->labels);
	text_set(&g->row.zone_key, row->zone_key);
	bool thaws = frozen(g) && (row->freeze_reason == NULL || *row->freeze_reason == '\0');
	text_set(&g->row.freeze_reason, row->freeze_reason);
	g->row.etag++;
	g->row.updated_at = c->wall;
	fleet_touch(c->fleet, &g->o);
	core_event(c, &f, "group %s changed", g->row.name);
	mode_set(c, g, row->mode);
	policy_changed(c, g);
	if (thaws)
		thawed(c);
	if (roomier)
		TAILQ_FOREACH(b, &g->bases, group_link)
			lacks_look(c, b);
	room_freed(c, g);
	return 0;
}
