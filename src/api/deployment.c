/* Deployments: deploy, change, offline, delete, roll back, read, explain. What a change means is decided in core/change.h; here it is asked
 * for and answered with its plan. */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "api/call.h"
#include "base/name.h"

static bool wants_dry_run(const struct api_op *op) {
	return op->meta->has_dry_run && op->meta->dry_run;
}

static const char *deployment_path(struct api_op *op, const char *name) {
	return arena_printf(op->arena, "/v1/deployments/%s", name);
}

static int deploy(struct api_op *op, const struct deploy_spec *spec, struct err *err) {
	if (wants_dry_run(op))
		return dry_run(op, spec, 1, err);
	struct deployment *d = NULL;
	struct plan *p = NULL;
	int rc = change_deploy(op->api->core, &op->core.who, spec, &d, &p, err);
	return rc != 0 ? rc : plan_reply(op, p, deployment_path(op, d->row.name), "everything is already so");
}

int op_deployment_create(struct api_op *op, struct err *err) {
	const Berth__V1__CreateDeploymentRequest *r = (const Berth__V1__CreateDeploymentRequest *)op->call->request;
	if (r->deployment == NULL)
		return err_field(err, E_INVALID, "/module", "a deployment needs at least a module");
	struct deploy_spec spec;
	int rc = deploy_read(op, r->deployment, &spec, err);
	spec.online = true;
	return rc != 0 ? rc : deploy(op, &spec, err);
}

int op_deployment_update(struct api_op *op, struct err *err) {
	const Berth__V1__UpdateDeploymentRequest *r = (const Berth__V1__UpdateDeploymentRequest *)op->call->request;
	static const Berth__V1__Deployment nothing = BERTH__V1__DEPLOYMENT__INIT;
	const Berth__V1__Deployment *want = r->deployment != NULL ? r->deployment : &nothing;
	struct deploy_spec spec;
	if (find_deployment(op, r->deployment_name, "", err) == NULL)
		return err->code;
	if (want->name != NULL && strcmp(want->name, r->deployment_name) != 0)
		return err_field(err, E_INVALID, "/name", "a deployment cannot be renamed");
	int rc = deploy_read(op, want, &spec, err);
	spec.name = r->deployment_name;
	spec.only_existing = true;
	spec.online = want->version != NULL || want->replicas != NULL;
	return rc != 0 ? rc : deploy(op, &spec, err);
}

/* Taking instances away needs no placement: what would go is what is there. */
static int dry_removal(struct api_op *op, const struct deployment *d, enum plan_kind kind) {
	struct dry_run *x = arena_alloc(op->arena, sizeof *x);
	struct dry_change *ch = arena_alloc(op->arena, sizeof *ch);
	const struct instance *i;
	*x = (struct dry_run){ .kind = kind, .changes = ch, .n_changes = 1 };
	*ch = (struct dry_change){
		.deployment = d->row.name, .module = d->module->row.name, .from_revision = d->row.revision, .to_revision = d->row.revision
	};
	if (d->current != NULL) {
		ch->from_version = ch->to_version = d->current->version->row.name;
		ch->from_replicas = d->current->row.replicas;
	}
	x->placed = arena_alloc(op->arena, ((size_t)d->n_instances + 1) * sizeof *x->placed);
	TAILQ_FOREACH(i, &d->instances, deployment_link)
		x->placed[x->n_placed++] = (struct dry_placed){ i->base->row.name, d->row.name, "uninstall", 1 };
	x->n_batches = x->n_placed > 0;
	x->batch_size[0] = (int64_t)x->n_placed;
	op->status = 200;
	op->reply = (ProtobufCMessage *)view_dry_run(op, x, op->arena);
	return 0;
}

static struct deployment *target(struct api_op *op, const char *name, struct err *err) {
	struct deployment *d = find_deployment(op, name, "", err);
	return d != NULL && check_etag(op, d->row.etag, "the deployment", err) == 0 ? d : NULL;
}

int op_deployment_offline(struct api_op *op, struct err *err) {
	const Berth__V1__OfflineDeploymentRequest *r = (const Berth__V1__OfflineDeploymentRequest *)op->call->request;
	struct deployment *d = target(op, r->deployment, err);
	if (d == NULL)
		return err->code;
	if (wants_dry_run(op))
		return dry_removal(op, d, PLAN_KIND_OFFLINE);
	struct plan *p = NULL;
	int rc = change_offline(op->api->core, &op->core.who, d, &p, err);
	return rc != 0 ? rc : plan_reply(op, p, deployment_path(op, r->deployment), "it is offline already");
}

int op_deployment_delete(struct api_op *op, struct err *err) {
	const Berth__V1__DeleteDeploymentRequest *r = (const Berth__V1__DeleteDeploymentRequest *)op->call->request;
	struct deployment *d = target(op, r->deployment, err);
	if (d == NULL)
		return err->code;
	if (wants_dry_run(op))
		return dry_removal(op, d, PLAN_KIND_DELETE);
	struct plan *p = NULL;
	int rc = change_delete(op->api->core, &op->core.who, d, &p, err);
	return rc != 0 ? rc : plan_reply(op, p, NULL, "it had no instances and is gone");
}

static int dry_rollback(struct api_op *op, const struct deployment *d, int64_t to, struct err *err) {
	const struct revision *before = d->current != NULL ? TAILQ_PREV(d->current, revision_list, link) : NULL;
	const struct revision *r = to != 0 ? fleet_revision(d, to) : before;
	if (r == NULL)
		return err_field(err, E_NOT_FOUND, "/to",
		    "revision %" PRId64 " of %s is not kept; berth deployment revisions %s lists them", to, d->row.name, d->row.name);
	struct deploy_spec spec = { .name = d->row.name,
		.version = r->version->row.name,
		.has_replicas = true,
		.replicas = r->row.replicas,
		.has_args = true,
		.args = r->row.args,
		.has_env = true,
		.env = r->row.env,
		.strategy = &r->strategy,
		.only_existing = true,
		.online = true };
	return dry_run(op, &spec, 1, err);
}

int op_deployment_rollback(struct api_op *op, struct err *err) {
	const Berth__V1__RollbackDeploymentRequest *r = (const Berth__V1__RollbackDeploymentRequest *)op->call->request;
	struct deployment *d = target(op, r->deployment, err);
	if (d == NULL)
		return err->code;
	if (r->has_to && r->to < 1)
		return err_field(err, E_INVALID, "/to", "revisions are numbered from 1");
	int64_t to = r->has_to ? r->to : 0;
	if (wants_dry_run(op))
		return dry_rollback(op, d, to, err);
	struct plan *p = NULL;
	int rc = change_rollback(op->api->core, &op->core.who, d, to, r->has_now && r->now, &p, err);
	return rc != 0 ? rc : plan_reply(op, p, deployment_path(op, r->deployment), "it is at that revision already");
}

static int anew(struct api_op *op, bool restart, struct err *err) {
	const Berth__V1__RenewDeploymentRequest *r = (const Berth__V1__RenewDeploymentRequest *)op->call->request;
	struct deployment *d = target(op, r->deployment, err);
	const struct base *only = NULL;
	struct plan *p = NULL;
	if (d == NULL || (r->base != NULL && *r->base != '\0' && (only = find_base(op, r->base, "/base", err)) == NULL))
		return err->code;
	int rc = refuse_dry_run(op, err);
	if (rc == 0)
		rc = change_anew(op->api->core, &op->core.who, d, only, restart, &p, err);
	return rc != 0 ? rc : plan_reply(op, p, deployment_path(op, r->deployment), "it has no instance");
}

int op_deployment_replace(struct api_op *op, struct err *err) {
	return anew(op, false, err);
}

int op_deployment_restart(struct api_op *op, struct err *err) {
	return anew(op, true, err);
}

int op_deployment_retry(struct api_op *op, struct err *err) {
	const Berth__V1__RetryDeploymentRequest *r = (const Berth__V1__RetryDeploymentRequest *)op->call->request;
	struct deployment *d = target(op, r->deployment, err);
	struct plan *p = NULL;
	if (d == NULL)
		return err->code;
	int rc = refuse_dry_run(op, err);
	if (rc == 0)
		rc = change_retry(op->api->core, &op->core.who, d, &p, err);
	return rc != 0 ? rc : plan_reply(op, p, deployment_path(op, r->deployment), "it is as wanted: nothing to catch up");
}

int op_deployment_get(struct api_op *op, struct err *err) {
	const Berth__V1__GetDeploymentRequest *r = (const Berth__V1__GetDeploymentRequest *)op->call->request;
	const struct deployment *d = find_deployment(op, r->deployment, "", err);
	if (d == NULL)
		return err->code;
	op->reply = (ProtobufCMessage *)view_deployment(op, d, true, op->arena);
	return 0;
}

int op_deployment_list(struct api_op *op, struct err *err) {
	const Berth__V1__ListDeploymentsRequest *r = (const Berth__V1__ListDeploymentsRequest *)op->call->request;
	const struct group *g = NULL;
	const struct module *m = NULL;
	if (r->group != NULL && *r->group != '\0' && (g = find_group(op, r->group, "/group", err)) == NULL)
		return err->code;
	if (r->module != NULL && *r->module != '\0' && (m = find_module(op, r->module, "/module", err)) == NULL)
		return err->code;
	int rc = page_open(op, r->page, err);
	if (rc != 0)
		return rc;
	const struct deployment *last = page_after(op) != 0 ? fleet_deployment_by_id(op->fleet, page_after(op)) : NULL;
	struct deployment *d = last != NULL && last->tenant == op->tenant ? last->hh_name.next : op->tenant->deployments;
	for (; d != NULL; d = d->hh_name.next) {
		bool wanted = (g == NULL || d->group == g) && (m == NULL || d->module == m) &&
		              (!r->has_state || r->state == 0 || d->row.state == (int)r->state);
		if (d->row.id <= page_after(op))
			continue;
		if (!page_add(op, d->row.id, wanted ? (ProtobufCMessage *)view_deployment(op, d, false, op->arena) : NULL))
			break;
	}
	page_close(op, op->call->op->reply);
	return 0;
}

/* ---- revisions: those in memory and older ones --------------------------------------------------------------------------------------- */
static int revisions_reply(struct api_op *op, struct err *err) {
	const Berth__V1__ListRevisionsRequest *r = (const Berth__V1__ListRevisionsRequest *)op->call->request;
	const struct ledger_rows *rows = op->state;
	if (find_deployment(op, r->deployment, "", err) == NULL)
		return err->code;
	Berth__V1__ListRevisionsReply *m = PB_NEW(Berth__V1__ListRevisionsReply, berth__v1__list_revisions_reply, op->arena);
	m->revisions = arena_alloc(op->arena, (rows->n + 1) * sizeof *m->revisions);
	for (size_t i = rows->n; i > 0; i--) {
		const struct row_revision *row = rows->rows[i - 1];
		const struct version *v = fleet_version_by_id(op->fleet, row->version_id);
		m->revisions[m->n_revisions++] = view_revision(r->deployment, v != NULL ? v->row.name : NULL, row, op->arena);
	}
	op->reply = (ProtobufCMessage *)m;
	return 0;
}

static int newer_last(const void *a, const void *b) {
	const struct row_revision *x = *(struct row_revision *const *)a, *y = *(struct row_revision *const *)b;
	return x->number < y->number ? -1 : x->number > y->number;
}

static void revisions_arrived(struct api_op *op, struct ledger_rows *rows, const struct err *err) {
	if (err != NULL) {
		op_fail(op, err);
		return;
	}
	struct ledger_rows *copy = arena_alloc(op->kept, sizeof *copy);
	copy->rows = arena_alloc(op->kept, (rows->n + 1) * sizeof *copy->rows);
	for (size_t i = 0; i < rows->n; i++)
		copy->rows[copy->n++] = row_copy(&table_defs[TABLE_revision], rows->rows[i], op->kept);
	arena_free(rows->arena);
	qsort(copy->rows, copy->n, sizeof *copy->rows, newer_last);
	op->state = copy;
	op->step = 1; /* once more through the core: names of versions */
	op_again(op);
}

static void revisions_read(struct api_op *op) {
	const int64_t *id = op->state;
	struct ledger_read spec = { .query = QUERY_REVISIONS, .after = *id, .limit = 1000 };
	history_read(op, &spec, revisions_arrived);
}

int op_deployment_revisions(struct api_op *op, struct err *err) {
	const Berth__V1__ListRevisionsRequest *r = (const Berth__V1__ListRevisionsRequest *)op->call->request;
	if (op->step == 1)
		return revisions_reply(op, err);
	const struct deployment *d = find_deployment(op, r->deployment, "", err);
	if (d == NULL)
		return err->code;
	op->state = arena_memdup(op->kept, &d->row.id, sizeof d->row.id);
	op->then = revisions_read;
	return 0;
}

/* ---- explain ------------------------------------------------------------------------------------------------------------------------- */
/* To scale to as many as hold it is no advice where no more are wanted, or where one base was asked. */
static bool is_advice(const struct refusal *x, const struct deployment *d, const struct base *only) {
	return strcmp(x->rule, "holds") != 0 || (only == NULL && deployment_target(d) > d->n_wanted);
}

static void explain_refusals(const struct refusal *x, size_t n, const struct deployment *d, const struct base *only, struct arena *a,
    Berth__V1__ExplainDeploymentReply *m) {
	m->refusals = arena_alloc(a, (n + 1) * sizeof *m->refusals);
	for (size_t i = 0; i < n; i++) {
		Berth__V1__Refusal *f = m->refusals[m->n_refusals++] = PB_NEW(Berth__V1__Refusal, berth__v1__refusal, a);
		f->rule = view_text(x[i].rule, a);
		f->text = view_text(x[i].text, a);
		f->command = is_advice(&x[i], d, only) ? view_text(x[i].command, a) : NULL;
		PUT(f, bases, x[i].bases);
		f->examples = arena_alloc(a, 5 * sizeof *f->examples);
		for (int k = 0; k < x[i].n_examples && k < 5; k++)
			f->examples[f->n_examples++] = arena_strdup(a, x[i].examples[k]);
	}
}

#define MAX_CANDIDATES 20
#define MAX_MISSING 20

static void explain_instances(
    struct api_op *op, const struct deployment *d, const struct base *only, Berth__V1__ExplainDeploymentReply *m) {
	struct arena *a = op->arena;
	const struct instance *i;
	m->instances = arena_alloc(a, ((size_t)d->n_instances + 1) * sizeof *m->instances);
	m->missing = arena_alloc(a, (MAX_MISSING + 1) * sizeof *m->missing);
	TAILQ_FOREACH(i, &d->instances, deployment_link) { /* only what is not as wanted, or on the base that was asked for */
		if (only != NULL ? i->base == only : i->row.state != INSTANCE_READY)
			m->instances[m->n_instances++] = view_instance(i, a);
		if (i->row.state != INSTANCE_READY && (only == NULL || i->base == only) && m->n_missing < MAX_MISSING)
			m->missing[m->n_missing++] = view_account(op, i);
	}
}

static char *explain_summary(const struct api_op *op, const struct deployment *d, const Berth__V1__ExplainDeploymentReply *m) {
	if (m->n_waiting_for > 0)
		return arena_printf(op->arena, "%s is %s (%d of %lld ready): %s", d->row.name, word_text(WORD_DEPLOYMENT, d->row.state),
		    d->n_ready, deployment_target(d), m->waiting_for[0]->text != NULL ? m->waiting_for[0]->text : "");
	return arena_printf(op->arena, "%s is %s (%d of %lld ready): %s", d->row.name, word_text(WORD_DEPLOYMENT, d->row.state), d->n_ready,
	    deployment_target(d), word_sentence(WORD_DEPLOYMENT, d->row.state));
}

int op_deployment_explain(struct api_op *op, struct err *err) {
	const Berth__V1__ExplainDeploymentRequest *r = (const Berth__V1__ExplainDeploymentRequest *)op->call->request;
	const struct deployment *d = find_deployment(op, r->deployment, "", err);
	const struct base *only = NULL;
	if (d == NULL || (r->base != NULL && *r->base != '\0' && (only = find_base(op, r->base, "/base", err)) == NULL))
		return err->code;
	Berth__V1__ExplainDeploymentReply *m = PB_NEW(Berth__V1__ExplainDeploymentReply, berth__v1__explain_deployment_reply, op->arena);
	struct waiting *w = NULL;
	struct refusal *refusals = NULL;
	struct base **fit = NULL;
	size_t n_fit = 0, n = explain_deployment(op->api->core, d, op->arena, &w);
	view_waiting(w, n, op->arena, &m->waiting_for, &m->n_waiting_for);
	n = explain_placement(op->api->core, d, only, op->arena, &refusals, &fit, &n_fit);
	explain_refusals(refusals, n, d, only, op->arena, m);
	m->candidates = arena_alloc(op->arena, (MAX_CANDIDATES + 1) * sizeof *m->candidates);
	for (size_t i = 0; i < n_fit && i < MAX_CANDIDATES; i++)
		m->candidates[m->n_candidates++] = view_base(fit[i], op->arena);
	explain_instances(op, d, only, m);
	m->summary = explain_summary(op, d, m);
	op->reply = (ProtobufCMessage *)m;
	return 0;
}
