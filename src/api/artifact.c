/* Artifacts as resources. Their bytes are in upload.c, download.c and remote.c. */
#include <string.h>

#include "api/call.h"
#include "base/name.h"

struct artifact *artifact_put(
    struct core *c, struct tenant *t, const char *sha256, int64_t size, const char *url, const char *credentials, const char *media_type) {
	struct fleet *f = core_fleet(c);
	struct artifact *x = fleet_artifact(t, sha256);
	if (x != NULL) {
		if (!x->row.stored) {
			x->row.stored = true;
			fleet_touch(f, &x->o);
		}
		return x;
	}
	struct row_artifact row = { .tenant_id = t->row.id, .size_bytes = size, .stored = true, .created_at = core_now(c) };
	text_set(&row.sha256, sha256); /* the fleet copies: these are ours to free */
	text_set(&row.url, url);
	text_set(&row.credentials, credentials);
	text_set(&row.media_type, media_type);
	x = fleet_artifact_add(f, t, &row);
	row_clear(&table_defs[TABLE_artifact], &row);
	struct event_facts facts = { .kind = "artifact.created" };
	core_event(c, &facts, "artifact %s of %lld bytes was stored", sha256, (long long)size);
	return x;
}

int op_artifact_get(struct api_op *op, struct err *err) {
	const Berth__V1__GetArtifactRequest *r = (const Berth__V1__GetArtifactRequest *)op->call->request;
	int rc = check_sha256(r->sha256, "", err);
	if (rc != 0)
		return rc;
	const struct artifact *x = fleet_artifact(op->tenant, r->sha256);
	if (x == NULL)
		return err_set(
		    err, E_NOT_FOUND, "there is no artifact with sha256 %s; upload it: PUT /v1/artifacts/%s", r->sha256, r->sha256);
	op->reply = (ProtobufCMessage *)view_artifact(x, op->arena);
	return 0;
}

int op_artifact_list(struct api_op *op, struct err *err) {
	const Berth__V1__ListArtifactsRequest *r = (const Berth__V1__ListArtifactsRequest *)op->call->request;
	int rc = page_open(op, r->page, err);
	if (rc != 0)
		return rc;
	for (struct artifact *x = op->tenant->artifacts; x != NULL; x = x->hh_name.next)
		if (x->row.id > page_after(op) && x->row.stored &&
		    !page_add(op, x->row.id, (ProtobufCMessage *)view_artifact(x, op->arena)))
			break;
	page_close(op, op->call->op->reply);
	return 0;
}

/* ---- from a URL ---------------------------------------------------------------------------------------------------------------------- */
struct fetched {
	char *sha256;
	int64_t size;
};

static const Berth__V1__Artifact *wish(const struct api_op *op) {
	return ((const Berth__V1__CreateArtifactRequest *)op->call->request)->artifact;
}

static void arrived(struct api_op *op, const char *sha256, int64_t size, const struct err *err) {
	if (err != NULL) {
		op_fail(op, err);
		return;
	}
	struct fetched *f = arena_alloc(op->kept, sizeof *f);
	f->sha256 = arena_strdup(op->kept, sha256);
	f->size = size;
	op->state = f;
	op->step = 1;
	op_again(op);
}

static void fetch_url(struct api_op *op) {
	const Berth__V1__Artifact *want = wish(op);
	remote_fetch(op, want->url, want->credentials, want->sha256, arrived);
}

static int answer(struct api_op *op, const struct artifact *x) {
	op->location = arena_printf(op->arena, "/v1/artifacts/%s", x->row.sha256);
	op->reply = (ProtobufCMessage *)view_artifact(x, op->arena);
	return 0;
}

int op_artifact_create(struct api_op *op, struct err *err) {
	const Berth__V1__Artifact *want = wish(op);
	const struct fetched *f = op->state;
	if (op->step == 1)
		return answer(
		    op, artifact_put(op->api->core, op->tenant, f->sha256, f->size, want->url, want->credentials, want->media_type));
	if (want == NULL || want->url == NULL)
		return err_field(err, E_INVALID, "/url",
		    "an external artifact needs a url; to upload bytes: PUT /v1/artifacts/{sha256} or POST /v1/artifacts:upload");
	if (!name_is_url(want->url) || strlen(want->url) > 2048)
		return err_field(err, E_INVALID, "/url", "url must be an http or https URL of at most 2048 bytes");
	int rc = want->sha256 != NULL ? check_sha256(want->sha256, "/sha256", err) : 0;
	if (rc == 0)
		rc = check_media_type(want->media_type, "/mediaType", err);
	const struct credential *secret;
	if (rc == 0)
		rc = credential_for(&op->api->credentials, want->credentials, want->url, &secret, err);
	if (rc == 0)
		rc = refuse_dry_run(op, err);
	if (rc != 0)
		return rc;
	const struct artifact *x = want->sha256 != NULL ? fleet_artifact(op->tenant, want->sha256) : NULL;
	if (x != NULL && x->row.stored) {
		op->status = 200;
		return answer(op, x);
	}
	op->then = fetch_url;
	return 0;
}
