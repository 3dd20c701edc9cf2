/* Groups, bases, instances, findings, tokens, artifacts, modules and versions as messages. */
#include <inttypes.h>
#include <string.h>

#include "api/call.h"

static char *etag_text(int64_t etag, struct arena *a) {
	return arena_printf(a, "%" PRId64, etag);
}

Berth__V1__Artifact *view_artifact(const struct artifact *x, struct arena *a) {
	Berth__V1__Artifact *m = PB_NEW(Berth__V1__Artifact, berth__v1__artifact, a);
	m->sha256 = view_text(x->row.sha256, a);
	PUT(m, size, x->row.size_bytes);
	m->url = view_text(x->row.url, a);
	m->credentials = view_text(x->row.credentials, a);
	m->media_type = view_text(x->row.media_type, a);
	PUT(m, stored, x->row.stored);
	m->create_time = pb_time(x->row.created_at, a);
	return m;
}

static const struct group *group_by_id(const struct tenant *t, int64_t id) {
	const struct group *g = t->groups;
	while (g != NULL && g->row.id != id)
		g = g->hh_name.next;
	return g;
}

static void view_costs(const struct module *x, struct arena *a, Berth__V1__Module *m) {
	m->install_costs = arena_alloc(a, ((size_t)x->n_costs + 1) * sizeof *m->install_costs);
	for (int i = 0; i < x->n_costs; i++) {
		const struct group *g = group_by_id(x->tenant, x->costs[i].group_id);
		if (g == NULL)
			continue; /* deleted since */
		Berth__V1__InstallCost *k = PB_NEW(Berth__V1__InstallCost, berth__v1__install_cost, a);
		k->group = view_text(g->row.name, a);
		PUT(k, installs, x->costs[i].installs);
		k->duration = pb_duration(x->costs[i].duration_us, a);
		if (x->costs[i].measured > 0)
			PUT(k, metaspace_bytes, x->costs[i].metaspace_bytes);
		m->install_costs[m->n_install_costs++] = k;
	}
}

Berth__V1__Module *view_module(const struct module *x, struct arena *a) {
	Berth__V1__Module *m = PB_NEW(Berth__V1__Module, berth__v1__module, a);
	m->name = view_text(x->row.name, a);
	m->tenant = view_text(x->tenant->row.name, a);
	m->description = view_text(x->row.description, a);
	PUT(m, versions, x->n_versions);
	const struct version *last = TAILQ_LAST(&x->versions, version_list);
	m->latest_version = last != NULL ? view_text(last->row.name, a) : NULL;
	view_costs(x, a, m);
	m->create_time = pb_time(x->row.created_at, a);
	return m;
}

/* requires is stored as ["module:range", …]. */
static void view_requires(const char *json, struct arena *a, Berth__V1__Version *m) {
	char **list;
	size_t n;
	view_strings(json, a, &list, &n);
	m->requires = arena_alloc(a, (n + 1) * sizeof *m->requires);
	m->n_requires = n;
	for (size_t i = 0; i < n; i++) {
		Berth__V1__Requirement *r = m->requires[i] = PB_NEW(Berth__V1__Requirement, berth__v1__requirement, a);
		const char *colon = strchr(list[i], ':');
		r->module = colon != NULL ? arena_strndup(a, list[i], (size_t)(colon - list[i])) : list[i];
		r->range = colon != NULL ? view_text(colon + 1, a) : NULL;
	}
}

Berth__V1__Version *view_version(const struct version *x, struct arena *a) {
	Berth__V1__Version *m = PB_NEW(Berth__V1__Version, berth__v1__version, a);
	m->module = view_text(x->module->row.name, a);
	m->version = view_text(x->row.name, a);
	m->tenant = view_text(x->module->tenant->row.name, a);
	PUT(m, revision, (int32_t)x->row.revision);
	PUT(m, runtime, (Berth__V1__Runtime)x->row.runtime);
	PUT(m, units, (int32_t)x->row.units);
	m->artifact = view_text(x->artifact->row.sha256, a);
	PUT(m, size, x->artifact->row.size_bytes);
	view_requires(x->row.requires, a, m);
	m->context_path = view_text(x->row.context_path, a);
	if (x->row.priority != 0)
		PUT(m, priority, (int32_t)x->row.priority);
	m->create_actor = view_text(x->row.create_actor, a);
	m->create_time = pb_time(x->row.created_at, a);
	return m;
}

Berth__V1__BaseGroup *view_group(const struct group *x, struct arena *a) {
	Berth__V1__BaseGroup *m = PB_NEW(Berth__V1__BaseGroup, berth__v1__base_group, a);
	m->name = view_text(x->row.name, a);
	m->tenant = view_text(x->tenant->row.name, a);
	if (x->row.runtime != RUNTIME_NONE)
		PUT(m, runtime, (Berth__V1__Runtime)x->row.runtime);
	PUT(m, install_limit, (int32_t)x->row.install_limit);
	view_pairs(x->row.labels, a, &m->labels, &m->n_labels);
	m->zone_key = view_text(x->row.zone_key, a);
	PUT(m, mutable_versions, x->row.mutable_versions);
	PUT(m, unmanaged_policy, (Berth__V1__UnmanagedPolicy)x->row.unmanaged_policy);
	PUT(m, placement, (Berth__V1__Placement)x->row.placement);
	PUT(m, upgrade_policy, (Berth__V1__UpgradePolicy)x->row.upgrade_policy);
	m->freeze_reason = view_text(x->row.freeze_reason, a);
	PUT(m, bases, x->n_bases);
	PUT(m, ready_bases, x->n_state[BASE_READY]);
	PUT(m, units_used, x->units_used);
	PUT(m, units_limit, x->units_limit);
	m->etag = etag_text(x->row.etag, a);
	m->create_time = pb_time(x->row.created_at, a);
	m->update_time = pb_time(x->row.updated_at, a);
	PUT(m, mode, group_observed(x) ? BERTH__V1__GROUP_MODE__GROUP_MODE_OBSERVE : BERTH__V1__GROUP_MODE__GROUP_MODE_MANAGE);
	view_strings(x->row.clusters, a, &m->clusters, &m->n_clusters);
	PUT(m, open_join, x->row.open_join);
	PUT(m, origin_artifacts, x->row.origin_artifacts);
	m->braked_zones = arena_alloc(a, (HASH_COUNT(x->zones) + 1) * sizeof *m->braked_zones);
	for (const struct zone *z = x->zones; z != NULL; z = z->hh.next)
		if (z->brake)
			m->braked_zones[m->n_braked_zones++] = arena_strdup(a, z->name);
	PUT(m, metaspace_limit, (int32_t)x->row.metaspace_limit);
	m->before_swap = view_text(x->row.before_swap, a);
	m->after_swap = view_text(x->row.after_swap, a);
	if (x->row.hook_timeout_us > 0)
		m->hook_timeout = pb_duration(x->row.hook_timeout_us, a);
	if (x->row.drain_wait_us > 0)
		m->drain_wait = pb_duration(x->row.drain_wait_us, a);
	return m;
}

static void base_place(const struct base *x, struct arena *a, Berth__V1__Base *m) {
	view_pairs(x->row.labels, a, &m->labels, &m->n_labels);
	view_strings(x->row.taints, a, &m->taints, &m->n_taints);
	m->zone = view_text(x->row.zone, a);
	if (x->row.runtime != RUNTIME_NONE)
		PUT(m, runtime, (Berth__V1__Runtime)x->row.runtime);
	PUT(m, install_limit, (int32_t)base_limit(x));
	PUT(m, limit_overridden, x->row.install_limit != 0);
	PUT(m, units_used, (int32_t)x->row.units_used);
	PUT(m, units_ceiling, (int32_t)x->row.units_ceiling);
	PUT(m, cordoned, x->row.cordoned);
	m->cordon_reason = view_text(x->row.cordon_reason, a);
	if (x->row.cordoned_at.us != 0)
		m->cordon_time = pb_time(x->row.cordoned_at, a);
}

#define PUT_TOLD(m, field, value)             \
	do {                                  \
		if ((value) >= 0)             \
			PUT(m, field, value); \
	} while (0)

static Berth__V1__BaseMemory *view_memory(const struct base *b, struct arena *a) {
	const struct base_memory *x = &b->memory;
	Berth__V1__BaseMemory *m = PB_NEW(Berth__V1__BaseMemory, berth__v1__base_memory, a);
	PUT_TOLD(m, metaspace_used, x->metaspace_used);
	PUT_TOLD(m, metaspace_committed, x->metaspace_committed);
	PUT_TOLD(m, metaspace_max, x->metaspace_max);
	PUT_TOLD(m, heap_used, x->heap_used);
	PUT_TOLD(m, heap_max, x->heap_max);
	PUT_TOLD(m, classes, x->classes);
	PUT_TOLD(m, threads, x->threads);
	PUT_TOLD(m, metaspace_needed, base_metaspace_needed(b));
	if (x->uptime_us >= 0)
		m->uptime = pb_duration(x->uptime_us, a);
	m->application = view_text(x->application, a);
	m->java_version = view_text(x->java, a);
	return m;
}

/* The name its heartbeat brought is its label "application"; stock bases send a placeholder there, and their health has the real one. */
static char *display_name(const struct base *b, struct arena *a) {
	struct pair *labels;
	size_t n;
	if (pairs_parse(b->row.labels, a, &labels, &n, NULL) != 0)
		n = 0;
	for (size_t i = 0; i < n; i++)
		if (strcmp(labels[i].key, "application") == 0)
			return view_text(labels[i].value, a);
	return b->memory_told ? view_text(b->memory.application, a) : NULL;
}

Berth__V1__Base *view_base(const struct base *x, struct arena *a) {
	Berth__V1__Base *m = PB_NEW(Berth__V1__Base, berth__v1__base, a);
	m->id = view_text(x->row.name, a);
	m->display_name = display_name(x, a);
	m->tenant = view_text(x->tenant->row.name, a);
	m->group = view_text(x->group->row.name, a);
	PUT(m, state, (Berth__V1__BaseState)x->row.state);
	m->state_reason = view_text(x->row.state_reason, a);
	PUT(m, ready, x->row.state == BASE_READY);
	base_place(x, a, m);
	PUT(m, incarnation, x->row.incarnation);
	m->address = view_text(x->row.address, a);
	m->arklet = view_text(x->row.arklet_url, a);
	m->agent_version = view_text(x->row.agent_version, a);
	PUT(m, connected, x->connected);
	PUT(m, instances, x->n_instances);
	m->etag = etag_text(x->row.etag, a);
	m->join_time = pb_time(x->row.joined_at, a);
	m->seen_time = pb_time(x->heard.us != 0 ? x->heard : x->row.seen_at, a);
	m->state_time = pb_time(x->row.state_at, a);
	m->absence = x->row.absence_us > 0 ? pb_duration(x->row.absence_us, a) : NULL;
	if (x->memory_bytes > 0)
		PUT(m, memory_bytes, x->memory_bytes);
	if (x->memory_told)
		m->memory = view_memory(x, a);
	return m;
}

Berth__V1__Instance *view_instance(const struct instance *x, struct arena *a) {
	Berth__V1__Instance *m = PB_NEW(Berth__V1__Instance, berth__v1__instance, a);
	PUT(m, id, x->row.id);
	m->tenant = view_text(x->base->tenant->row.name, a);
	m->deployment = x->deployment != NULL ? view_text(x->deployment->row.name, a) : NULL;
	m->module = view_text(x->version->module->row.name, a);
	m->version = view_text(x->version->row.name, a);
	m->base = view_text(x->base->row.name, a);
	m->group = view_text(x->base->group->row.name, a);
	PUT(m, state, (Berth__V1__InstanceState)x->row.state);
	m->state_reason = view_text(x->row.state_reason, a);
	PUT(m, wanted, x->row.wanted);
	PUT(m, revision, (int32_t)x->row.revision);
	PUT(m, generation, x->row.generation);
	m->reported_state = view_text(x->row.reported, a);
	PUT(m, units, (int32_t)x->row.units);
	PUT(m, ready, x->row.state == INSTANCE_READY);
	m->create_time = pb_time(x->row.created_at, a);
	m->state_time = pb_time(x->row.state_at, a);
	if (x->row.failures > 0)
		PUT(m, failures, (int32_t)x->row.failures);
	return m;
}

Berth__V1__Finding *view_finding(struct fleet *f, const struct finding *x, struct arena *a) {
	Berth__V1__Finding *m = PB_NEW(Berth__V1__Finding, berth__v1__finding, a);
	const struct deployment *d = x->row.deployment_id != 0 ? fleet_deployment_by_id(f, x->row.deployment_id) : NULL;
	PUT(m, id, x->row.id);
	m->tenant = view_text(x->tenant->row.name, a);
	PUT(m, kind, (Berth__V1__FindingKind)x->row.kind);
	m->base = x->base != NULL ? view_text(x->base->row.name, a) : NULL;
	m->module = view_text(x->row.module, a);
	m->version = view_text(x->row.version, a);
	m->deployment = d != NULL ? view_text(d->row.name, a) : NULL;
	m->text = view_text(x->row.detail, a);
	m->command = view_text(x->row.command, a);
	m->since = pb_time(x->row.since, a);
	m->reported_state = view_text(x->row.reported, a);
	m->context_path = view_text(x->row.context_path, a);
	if (x->row.ignored_at.us != 0)
		PUT(m, ignored, 1);
	if (x->plan != NULL && !word_terminal(WORD_PLAN, x->plan->row.state)) {
		PUT(m, plan, x->plan->row.id);
		m->text = arena_printf(a, "%s; plan %" PRId64 " takes it out", x->row.detail, x->plan->row.id);
		m->command = arena_printf(a, "berth plan show %" PRId64, x->plan->row.id);
	}
	m->ignore_reason = view_text(x->row.ignore_reason, a);
	m->ignore_time = pb_time(x->row.ignored_at, a);
	return m;
}

Berth__V1__Token *view_token(const struct token *x, struct arena *a) {
	Berth__V1__Token *m = PB_NEW(Berth__V1__Token, berth__v1__token, a);
	m->name = view_text(x->row.name, a);
	m->tenant = view_text(x->tenant->row.name, a);
	PUT(m, role, (Berth__V1__Role)x->row.role);
	m->group = view_text(x->row.group_name, a);
	m->create_actor = view_text(x->row.create_actor, a);
	m->create_time = pb_time(x->row.created_at, a);
	m->expire_time = pb_time(x->row.expires_at, a);
	return m;
}
