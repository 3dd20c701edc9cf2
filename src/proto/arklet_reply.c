/* What arklet's answers carry: module lists, health figures, the command list, operation records, batch results. */
#include <string.h>

#include "base/arena.h"
#include "base/err.h"
#include "proto/arklet_int.h"

#define MIB (1024.0 * 1024.0)
#define MAX_CAUSE_DEPTH 32

/* The newest record says why a module is in its state. Some runtimes write empty objects here. */
static void record_fill(struct arena *a, const json_t *records, struct arklet_biz *b) {
	size_t n = json_is_array(records) ? json_array_size(records) : 0;
	if (n == 0)
		return;
	const json_t *last = json_array_get(records, n - 1);
	b->reason = arklet_text(a, last, "reason");
	b->message = arklet_text(a, last, "message");
}

static bool biz_read(struct arena *a, const json_t *j, struct arklet_biz *ret) {
	const char *name = arklet_text(a, j, "bizName"), *version = arklet_text(a, j, "bizVersion");
	const char *state = arklet_text(a, j, "bizState");
	if (name == NULL || *name == '\0' || version == NULL || *version == '\0')
		return false; /* a back reference, or nothing that can be named */
	*ret = (struct arklet_biz){
		.name = name,
		.version = version,
		.state = arklet_state_parse(state),
		.state_text = state != NULL ? state : "",
		.context_path = arklet_text(a, j, "webContextPath"),
		.main_class = arklet_text(a, j, "mainClass"),
	};
	record_fill(a, json_object_get(j, "bizStateRecords"), ret);
	return true;
}

void arklet_biz_fill(struct arena *a, const json_t *list, struct arklet_reply *r) {
	size_t n = json_is_array(list) ? json_array_size(list) : 0;
	if (n == 0 || n > ARKLET_MAX_BIZ)
		return;
	r->biz = arena_alloc(a, n * sizeof *r->biz);
	for (size_t i = 0; i < n; i++)
		if (biz_read(a, json_array_get(list, i), &r->biz[r->n_biz]))
			r->n_biz++;
}

int arklet_list_parse(struct arena *a, const char *text, size_t n, struct arklet_reply *ret, struct err *err) {
	json_t *root;
	int rc = arklet_load(text, n, &root, err);
	if (rc != 0)
		return rc;
	arklet_result_fill(a, root, ret);
	const json_t *data = json_object_get(root, "data");
	if (ret->verdict == ARKLET_OK && !json_is_array(data))
		rc = err_set(err, E_MALFORMED, "queryAllBiz answered without a list");
	else if (json_array_size(data) > ARKLET_MAX_BIZ)
		rc = err_set(err, E_TOO_LARGE,
		    "queryAllBiz lists %zu modules and at most %d on one base are looked after; uninstall what is not needed there, or "
		    "spread "
		    "it over more bases",
		    json_array_size(data), ARKLET_MAX_BIZ);
	else
		arklet_biz_fill(a, data, ret);
	json_decref(root);
	return rc;
}

const struct arklet_biz *arklet_biz_find(const struct arklet_reply *r, const char *name, const char *version) {
	for (size_t i = 0; i < r->n_biz; i++)
		if (strcmp(r->biz[i].name, name) == 0 && strcmp(r->biz[i].version, version) == 0)
			return &r->biz[i];
	return NULL;
}

/* Sizes in MiB, as numbers with a fraction; an unlimited maximum prints as about -9.5E-7. */
static int64_t mib(const json_t *object, const char *key) {
	double v;
	return arklet_number(object, key, &v) && v >= 0 && v < 1e9 ? (int64_t)(v * MIB + 0.5) : -1;
}

static int64_t whole(const json_t *object, const char *key) {
	double v;
	return arklet_number(object, key, &v) && v >= 0 && v < 9e15 ? (int64_t)v : -1;
}

static void health_fill(struct arena *a, const json_t *data, struct arklet_health *h) {
	const json_t *all = json_object_get(data, "healthData");
	const json_t *base = json_object_get(all, "masterBizInfo"), *jvm = json_object_get(all, "jvm");
	h->base_name = arklet_text(a, base, "bizName");
	h->base_version = arklet_text(a, base, "bizVersion");
	h->base_state = arklet_state_parse(arklet_text(a, base, "bizState"));
	h->java_version = arklet_text(a, jvm, "java version");
	if (!arklet_number(jvm, "run time(s)", &h->run_time_s) || !(h->run_time_s >= 0))
		h->run_time_s = -1;
	h->heap_used = mib(jvm, "used heap memory(M)");
	h->heap_max = mib(jvm, "max heap memory(M)");
	h->nonheap_used = mib(jvm, "used non heap memory(M)");
	h->metaspace_used = whole(jvm, "java used metaspace");
	h->metaspace_committed = whole(jvm, "java committed metaspace");
	h->metaspace_max = whole(jvm, "java max metaspace");
	h->classes = whole(jvm, "loaded class count");
}

int arklet_health_parse(
    struct arena *a, const char *text, size_t n, struct arklet_reply *ret_reply, struct arklet_health *ret, struct err *err) {
	json_t *root;
	int rc = arklet_load(text, n, &root, err);
	if (rc != 0)
		return rc;
	arklet_result_fill(a, root, ret_reply);
	*ret = (struct arklet_health){ 0 };
	health_fill(a, json_object_get(root, "data"), ret);
	json_decref(root);
	return 0;
}

int arklet_help_parse(struct arena *a, const char *text, size_t n, unsigned *ret_commands, struct err *err) {
	json_t *root;
	int rc = arklet_load(text, n, &root, err);
	if (rc != 0)
		return rc;
	const json_t *list = json_object_get(root, "data");
	if (!json_is_array(list)) {
		rc = err_set(err, E_MALFORMED, "help answered without a list of commands");
	} else {
		unsigned found = 0;
		for (size_t i = 0; i < json_array_size(list); i++) {
			const char *id = arklet_text(a, json_array_get(list, i), "id");
			for (unsigned c = 0; id != NULL && c < ARKLET_COMMANDS; c++)
				if (strcmp(id, arklet_command_name((enum arklet_command)c)) == 0)
					found |= 1u << c;
		}
		*ret_commands = found;
	}
	json_decref(root);
	return rc;
}

/* A throwable nests its causes; the deepest message is the one that helps. */
static const char *throwable_cause(struct arena *a, const json_t *throwable) {
	const char *deepest = NULL;
	for (int i = 0; i < MAX_CAUSE_DEPTH && json_is_object(throwable); i++) {
		const char *message = arklet_text(a, throwable, "message");
		if (message != NULL && *message != '\0')
			deepest = message;
		throwable = json_object_get(throwable, "cause");
	}
	return deepest;
}

static void operation_fill(struct arena *a, const json_t *data, struct arklet_operation *op) {
	const char *id = arklet_text(a, data, "requestId"), *status = arklet_text(a, data, "status");
	double end = 0;
	op->request_id = id != NULL ? id : "";
	op->status = status != NULL ? status : "";
	op->succeeded = strcmp(op->status, "SUCCEEDED") == 0;
	op->finished = op->succeeded || strcmp(op->status, "FAILED") == 0 || (arklet_number(data, "endTimestamp", &end) && end > 0);
	op->cause = "";
	if (op->finished && !op->succeeded) {
		const char *deep = throwable_cause(a, json_object_get(data, "throwable"));
		const char *message = arklet_text(a, data, "message");
		op->cause = deep != NULL ? deep : message != NULL ? message : op->status;
	}
}

int arklet_operation_parse(
    struct arena *a, const char *text, size_t n, struct arklet_reply *ret_reply, struct arklet_operation *ret, struct err *err) {
	json_t *root;
	int rc = arklet_load(text, n, &root, err);
	if (rc != 0)
		return rc;
	arklet_result_fill(a, root, ret_reply);
	const json_t *data = json_object_get(root, "data");
	*ret = (struct arklet_operation){ .request_id = "", .status = "", .cause = "" };
	if (json_is_object(data))
		operation_fill(a, data, ret);
	else if (ret_reply->verdict == ARKLET_OK)
		rc = err_set(err, E_MALFORMED, "the answer has no operation record");
	json_decref(root);
	return rc;
}

/* An item is an inner result: dressed as an answer it is read by the same rules. */
static void item_fill(struct arena *a, json_t *item, struct arklet_reply *ret) {
	const char *code = json_string_value(json_object_get(item, "code"));
	*ret = (struct arklet_reply){ .verdict = ARKLET_EXCEPTION, .code = "", .message = "", .cause = "" };
	if (code == NULL)
		return;
	json_t *dressed = json_pack("{s:s, s:O}", "code", strcmp(code, "SUCCESS") == 0 ? "SUCCESS" : "FAILED", "data", item);
	arklet_result_fill(a, dressed, ret);
	arklet_biz_fill(a, json_object_get(item, "bizInfos"), ret);
	json_decref(dressed);
}

int arklet_batch_parse(struct arena *a, const char *text, size_t n, const char *const *urls, size_t n_urls, struct arklet_reply *ret,
    struct arklet_reply *ret_items, struct err *err) {
	json_t *root;
	int rc = arklet_load(text, n, &root, err);
	if (rc != 0)
		return rc;
	arklet_result_fill(a, root, ret);
	const json_t *items = json_object_get(json_object_get(root, "data"), "bizUrlToResponse");
	for (size_t i = 0; i < n_urls; i++)
		item_fill(a, json_object_get(items, urls[i]), &ret_items[i]);
	json_decref(root);
	return 0;
}
