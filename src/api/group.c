/* Base groups: make, read, change what is given, remove when empty. */
#include <stdio.h>
#include <string.h>

#include "api/call.h"
#include "base/clock.h"
#include "base/name.h"
#include "proto/stamp.h"

#define DEFAULT_LIMIT 10
#define MAX_LIMIT 100000
#define MAX_CLUSTERS 64
#define MAX_HOOK 500
#define MIN_SECRET 16
#define MAX_SECRET 200

static int limit_check(const Berth__V1__BaseGroup *want, struct err *err) {
	if (!want->has_install_limit || (want->install_limit >= 1 && want->install_limit <= MAX_LIMIT))
		return 0;
	return err_field(err, E_INVALID, "/installLimit", "installLimit must be between 1 and %d", MAX_LIMIT);
}

/* Whatever a base may say of itself. */
static int clusters_check(const Berth__V1__BaseGroup *want, struct err *err) {
	if (want->n_clusters > MAX_CLUSTERS)
		return err_field(err, E_INVALID, "/clusters", "at most %d clusters", MAX_CLUSTERS);
	for (size_t i = 0; i < want->n_clusters; i++)
		if (*want->clusters[i] == '\0' || strlen(want->clusters[i]) > 200)
			return err_field(err, E_INVALID, "/clusters", "a cluster's name has 1 to 200 bytes");
	return 0;
}

/* A URL, or the name that agents know a command by. */
static int hook_check(const char *v, const char *pointer, struct err *err) {
	if (v == NULL || *v == '\0')
		return 0;
	if (!name_is_url(v) && !name_valid(NAME_PLAIN, v))
		return err_field(err, E_INVALID, pointer,
		    "is an http or https URL, or the name of a command that the agents have: berth-agent --hook NAME=COMMAND");
	return called_url_check(v, MAX_HOOK, true, pointer, err);
}

/* It goes into files and environments of those who check signatures: one word. */
static int secret_check(const char *v, const char *pointer, struct err *err) {
	size_t n = v == NULL ? 0 : strlen(v), fine = 0;
	while (fine < n && v[fine] > ' ' && v[fine] <= '~')
		fine++;
	if (n == 0 || (n >= MIN_SECRET && n <= MAX_SECRET && fine == n))
		return 0;
	return err_field(err, E_INVALID, pointer,
	    "a secret has %d to %d printable characters and no blank; make one with: openssl rand -hex 32", MIN_SECRET, MAX_SECRET);
}

static int span_check(const Google__Protobuf__Duration *d, int64_t least_us, int64_t most_us, const char *pointer, struct err *err) {
	int64_t us = pb_duration_us(d);
	char least[48], most[48];
	if (d == NULL || us == 0 || (us >= least_us && us <= most_us))
		return 0;
	return err_field(err, E_INVALID, pointer, "is a time from %s to %s, or 0s for the default", duration_format(least_us, least),
	    duration_format(most_us, most));
}

static int swap_check(const Berth__V1__BaseGroup *want, struct err *err) {
	int rc = hook_check(want->before_swap, "/beforeSwap", err);
	if (rc == 0)
		rc = hook_check(want->after_swap, "/afterSwap", err);
	if (rc == 0)
		rc = secret_check(want->hook_secret, "/hookSecret", err);
	if (rc == 0)
		rc = span_check(want->hook_timeout, US_PER_S, 600 * US_PER_S, "/hookTimeout", err);
	if (rc == 0)
		rc = span_check(want->drain_wait, US_PER_MS, 3600 * US_PER_S, "/drainWait", err);
	return rc;
}

static int wish_check(const Berth__V1__BaseGroup *want, struct err *err) {
	int rc = limit_check(want, err);
	if (rc == 0 && want->has_metaspace_limit && (want->metaspace_limit < 0 || want->metaspace_limit > 100))
		rc = err_field(err, E_INVALID, "/metaspaceLimit", "metaspaceLimit is a percentage from 1 to 100, or 0 for no limit");
	if (rc == 0)
		rc = clusters_check(want, err);
	if (rc == 0)
		rc = swap_check(want, err);
	if (rc == 0 && want->zone_key != NULL)
		rc = name_check(NAME_LABEL_KEY, want->zone_key, "/zoneKey", "label name", err);
	if (rc == 0 && want->freeze_reason != NULL && strlen(want->freeze_reason) > MAX_REASON)
		rc = err_field(err, E_INVALID, "/freezeReason", "a reason has at most %d bytes", MAX_REASON);
	if (rc == 0 && !pairs_check(want->labels, want->n_labels, true, "/labels", err))
		rc = E_INVALID;
	return rc;
}

/* Puts what is given over a row; texts point into the request or the arena (core copies them). */
static void wish_apply(const struct api_op *op, const Berth__V1__BaseGroup *want, struct row_base_group *row) {
	if (want->has_runtime)
		row->runtime = (int)want->runtime;
	if (want->has_install_limit)
		row->install_limit = want->install_limit;
	if (GIVEN(want->labels))
		row->labels = entries_json(want->labels, want->n_labels, op->arena);
	if (want->zone_key != NULL)
		row->zone_key = want->zone_key;
	if (want->has_mutable_versions)
		row->mutable_versions = want->mutable_versions;
	if (want->has_unmanaged_policy && want->unmanaged_policy != 0)
		row->unmanaged_policy = (int)want->unmanaged_policy;
	if (want->has_placement && want->placement != 0)
		row->placement = (int)want->placement;
	if (want->has_upgrade_policy && want->upgrade_policy != 0)
		row->upgrade_policy = (int)want->upgrade_policy;
	if (want->has_mode && want->mode != 0)
		row->mode = (int)want->mode;
	if (GIVEN(want->clusters))
		row->clusters = strings_print(want->clusters, want->n_clusters, op->arena);
	if (want->has_metaspace_limit)
		row->metaspace_limit = want->metaspace_limit;
	if (want->before_swap != NULL)
		row->before_swap = *want->before_swap != '\0' ? want->before_swap : NULL;
	if (want->after_swap != NULL)
		row->after_swap = *want->after_swap != '\0' ? want->after_swap : NULL;
	if (want->hook_secret != NULL)
		row->hook_secret = *want->hook_secret != '\0' ? want->hook_secret : NULL;
	if (want->hook_timeout != NULL)
		row->hook_timeout_us = pb_duration_us(want->hook_timeout);
	if (want->drain_wait != NULL)
		row->drain_wait_us = pb_duration_us(want->drain_wait);
	if (want->has_open_join)
		row->open_join = want->open_join;
	if (want->has_origin_artifacts)
		row->origin_artifacts = want->origin_artifacts;
	if (want->freeze_reason != NULL)
		row->freeze_reason = *want->freeze_reason != '\0' ? want->freeze_reason : NULL;
}

static struct row_base_group fresh_row(struct api_op *op, const char *name) {
	wall_t now = core_now(op->api->core);
	return (struct row_base_group){ .tenant_id = op->tenant->row.id,
		.name = arena_strdup(op->arena, name),
		.install_limit = DEFAULT_LIMIT,
		.labels = arena_strdup(op->arena, "{}"),
		.zone_key = arena_strdup(op->arena, "zone"),
		.unmanaged_policy = UNMANAGED_REPORT,
		.placement = PLACEMENT_SPREAD,
		.upgrade_policy = UPGRADE_POLICY_AUTO,
		.mode = GROUP_MODE_MANAGE,
		.etag = 1,
		.created_at = now,
		.updated_at = now };
}

static int answer(struct api_op *op, const struct group *g) {
	op->location = arena_printf(op->arena, "/v1/groups/%s", g->row.name);
	op->reply = (ProtobufCMessage *)view_group(g, op->arena);
	return 0;
}

static int update(struct api_op *op, struct group *g, const Berth__V1__BaseGroup *want, struct err *err) {
	struct row_base_group row = g->row;
	wish_apply(op, want, &row);
	int rc = change_group(op->api->core, &op->core.who, g, &row, err);
	return rc != 0 ? rc : answer(op, g);
}

int op_group_create(struct api_op *op, struct err *err) {
	const Berth__V1__CreateGroupRequest *r = (const Berth__V1__CreateGroupRequest *)op->call->request;
	const Berth__V1__BaseGroup *want = r->group;
	if (want == NULL)
		return err_field(err, E_INVALID, "/name", "a base group needs a name");
	int rc = name_check(NAME_PLAIN, want->name, "/name", "base group name", err);
	if (rc == 0)
		rc = wish_check(want, err);
	if (rc == 0)
		rc = refuse_dry_run(op, err);
	if (rc != 0)
		return rc;
	struct group *g = fleet_group(op->tenant, want->name);
	if (g != NULL) { /* declarative: the same again is a success, and what differs is changed */
		op->status = 200;
		return update(op, g, want, err);
	}
	struct row_base_group row = fresh_row(op, want->name);
	wish_apply(op, want, &row);
	if (change_group_check(op->tenant, NULL, &row, err) != 0)
		return err->code;
	g = fleet_group_add(op->fleet, op->tenant, &row);
	struct event_facts facts = { .kind = "group.created" };
	core_event(op->api->core, &facts, "base group %s was made with install limit %lld", want->name, (long long)row.install_limit);
	return answer(op, g);
}

int op_group_get(struct api_op *op, struct err *err) {
	const Berth__V1__GetGroupRequest *r = (const Berth__V1__GetGroupRequest *)op->call->request;
	const struct group *g = find_group(op, r->group, "", err);
	if (g == NULL)
		return err->code;
	op->reply = (ProtobufCMessage *)view_group(g, op->arena);
	return 0;
}

int op_group_list(struct api_op *op, struct err *err) {
	const Berth__V1__ListGroupsRequest *r = (const Berth__V1__ListGroupsRequest *)op->call->request;
	int rc = page_open(op, r->page, err);
	if (rc != 0)
		return rc;
	for (struct group *g = op->tenant->groups; g != NULL; g = g->hh_name.next)
		if (g->row.id > page_after(op) && !page_add(op, g->row.id, (ProtobufCMessage *)view_group(g, op->arena)))
			break;
	page_close(op, op->call->op->reply);
	return 0;
}

int op_group_update(struct api_op *op, struct err *err) {
	const Berth__V1__UpdateGroupRequest *r = (const Berth__V1__UpdateGroupRequest *)op->call->request;
	static const Berth__V1__BaseGroup nothing = BERTH__V1__BASE_GROUP__INIT;
	const Berth__V1__BaseGroup *want = r->group != NULL ? r->group : &nothing;
	struct group *g = find_group(op, r->group_name, "", err);
	if (g == NULL)
		return err->code;
	if (want->name != NULL && strcmp(want->name, r->group_name) != 0)
		return err_field(err, E_INVALID, "/name", "a base group cannot be renamed");
	int rc = wish_check(want, err);
	if (rc == 0)
		rc = check_etag(op, g->row.etag, "the group", err);
	if (rc == 0)
		rc = refuse_dry_run(op, err);
	return rc != 0 ? rc : update(op, g, want, err);
}

int op_group_delete(struct api_op *op, struct err *err) {
	const Berth__V1__DeleteGroupRequest *r = (const Berth__V1__DeleteGroupRequest *)op->call->request;
	struct group *g = find_group(op, r->group, "", err);
	int rc = g == NULL ? err->code : check_etag(op, g->row.etag, "the group", err);
	if (rc == 0)
		rc = refuse_dry_run(op, err);
	if (rc != 0)
		return rc;
	if (g->n_bases > 0)
		return err_set(err, E_STATE, "group %s has %d base(s), %s among them; forget them first: berth base forget %s", r->group,
		    g->n_bases, TAILQ_FIRST(&g->bases)->row.name, TAILQ_FIRST(&g->bases)->row.name);
	const struct deployment *d = op->tenant->deployments;
	while (d != NULL && d->group != g)
		d = d->hh_name.next;
	if (g->n_deployments > 0)
		return err_set(err, E_STATE, "group %s has %d deployment(s), %s among them; delete them first", r->group, g->n_deployments,
		    d != NULL ? d->row.name : "?");
	struct event_facts facts = { .kind = "group.deleted" };
	core_event(op->api->core, &facts, "base group %s was deleted", r->group);
	fleet_group_remove(op->fleet, g);
	op->reply = pb_new(&berth__v1__empty__descriptor, op->arena);
	return 0;
}

static int freeze(struct api_op *op, bool on, struct err *err) {
	const Berth__V1__FreezeGroupRequest *r = (const Berth__V1__FreezeGroupRequest *)op->call->request;
	struct group *g = find_group(op, r->group, "", err);
	int rc = g == NULL ? err->code : check_etag(op, g->row.etag, "the group", err);
	if (rc == 0)
		rc = refuse_dry_run(op, err);
	if (rc == 0)
		rc = change_freeze(op->api->core, &op->core.who, g, on, err);
	if (rc == 0)
		op->reply = (ProtobufCMessage *)view_group(g, op->arena);
	return rc;
}

int op_group_freeze(struct api_op *op, struct err *err) {
	return freeze(op, true, err);
}

int op_group_unfreeze(struct api_op *op, struct err *err) {
	return freeze(op, false, err);
}

int op_group_release_brake(struct api_op *op, struct err *err) {
	const Berth__V1__ReleaseBrakeRequest *r = (const Berth__V1__ReleaseBrakeRequest *)op->call->request;
	struct group *g = find_group(op, r->group, "", err);
	int rc = g == NULL ? err->code : refuse_dry_run(op, err);
	if (rc == 0)
		rc = change_release_brake(op->api->core, &op->core.who, g, r->zone, err);
	if (rc == 0)
		op->reply = (ProtobufCMessage *)view_group(g, op->arena);
	return rc;
}
