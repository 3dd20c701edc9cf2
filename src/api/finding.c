/* Lists of findings. */
#include "api/call.h"

int op_finding_list(struct api_op *op, struct err *err) {
	const Berth__V1__ListFindingsRequest *r = (const Berth__V1__ListFindingsRequest *)op->call->request;
	const struct base *b = NULL;
	if (r->base != NULL && *r->base != '\0' && (b = find_base(op, r->base, "/base", err)) == NULL)
		return err->code;
	int rc = page_open(op, r->page, err);
	if (rc != 0)
		return rc;
	for (struct finding *x = fleet_findings_first(op->fleet); x != NULL; x = TAILQ_NEXT(x, link)) {
		bool wanted =
		    x->tenant == op->tenant && (b == NULL || x->base == b) && (!r->has_kind || r->kind == 0 || x->row.kind == (int)r->kind);
		if (x->row.id <= page_after(op))
			continue;
		if (!page_add(op, x->row.id, wanted ? (ProtobufCMessage *)view_finding(op->fleet, x, op->arena) : NULL))
			break;
	}
	page_close(op, op->call->op->reply);
	return 0;
}
