/* What a module's file says of itself, when a version is registered. Bases go by that, an arklet without a word, so another name there is
 * refused before any base sees it, and what the caller left out is taken from there. The bytes are at hand right after an upload or a
 * fetch; when the cache lost them, or another server took them, they are brought from the ledger first. */
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "api/blob.h"
#include "proto/modfile.h"

/* ---- bringing the bytes ----------------------------------------------------------------------------------------------------------------
 */

struct bringing {
	struct api_op *op; /* NULL: its client left */
};

static const Berth__V1__Version *wish(const struct api_op *op) {
	return ((const Berth__V1__CreateVersionRequest *)op->call->request)->version;
}

bool manifest_missing(const struct api_op *op, const Berth__V1__Version *want) {
	const struct artifact *art = op->api->blobs == NULL || op->step > 0 ? NULL : fleet_artifact(op->tenant, want->artifact);
	bool ark = !want->has_runtime || want->runtime == 0 || (int)want->runtime == RUNTIME_ARK;
	if (art == NULL || !art->row.stored || !ark)
		return false;
	int fd = blob_cached(op->api->blobs, art->row.sha256, art->row.size_bytes);
	if (fd >= 0)
		close(fd);
	return fd < 0;
}

static void brought(void *arg, int fd, int64_t size, const struct err *err) {
	struct bringing *x = arg;
	struct api_op *op = x->op;
	free(x);
	(void)size;
	if (fd >= 0)
		close(fd);
	if (op == NULL)
		return;
	op->abort = NULL;
	op->state = NULL;
	op->step = 1;
	if (err != NULL)
		op_fail(op, err);
	else
		op_again(op);
}

static void bring_forget(struct api_op *op) {
	struct bringing *x = op->state;
	x->op = NULL;
}

void manifest_bring(struct api_op *op) {
	struct bringing *x = calloc(1, sizeof *x);
	if (x == NULL)
		abort();
	x->op = op;
	op->state = x;
	op->abort = bring_forget;
	api_artifact_open(op->api, &op->who, wish(op)->artifact, brought, x);
}

/* ---- reading it ------------------------------------------------------------------------------------------------------------------------
 */

static bool runtime_of_kind(enum modfile_kind kind, int runtime) {
	return runtime == (kind == MODFILE_ARK ? RUNTIME_ARK : kind == MODFILE_NODE ? RUNTIME_NODE : RUNTIME_NATIVE);
}

int manifest_apply(struct api_op *op, const char *module, const Berth__V1__Version *want, struct row_version *row, struct err *err) {
	const struct artifact *art = fleet_artifact(op->tenant, want->artifact);
	struct modfile m;
	char magic[2];
	int fd = art == NULL || op->api->blobs == NULL ? -1 : blob_cached(op->api->blobs, art->row.sha256, art->row.size_bytes);
	if (fd < 0)
		return 0;
	bool jar = pread(fd, magic, sizeof magic, 0) == sizeof magic && memcmp(magic, "PK", sizeof magic) == 0;
	close(fd);
	if (!jar)
		return 0;
	struct err why = ERR_INIT;
	if (modfile_read_path(op->arena, arena_printf(op->arena, "%s/%s", op->api->blobs->dir, art->row.sha256), &m, &why) != 0)
		return row->runtime == RUNTIME_ARK ? err_field(err, E_INVALID, "/artifact", "%s", why.text) : 0;
	if (strcmp(m.name, module) != 0 || strcmp(m.version, row->name) != 0)
		return err_field(err, E_INVALID, strcmp(m.name, module) != 0 ? "/module" : "/version",
		    "the jar's manifest says %s:%s, not %s:%s: a base would install what the manifest says", m.name, m.version, module,
		    row->name);
	if (want->has_runtime && want->runtime != 0 && !runtime_of_kind(m.kind, row->runtime))
		return err_field(err, E_INVALID, "/runtime", "the file is a module of runtime %s", modfile_kind_name(m.kind));
	row->runtime = RUNTIME_ARK;
	row->context_path = row->context_path != NULL ? row->context_path : arena_strdup(op->arena, m.context_path);
	row->priority = want->has_priority ? row->priority : m.priority;
	row->units = want->has_units ? row->units : m.units;
	return 0;
}
