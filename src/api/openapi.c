/* The OpenAPI 3.1 document, made once from the operation table: paths, parameters, bodies, answers. Schemas are in schema.c. */
#include <stdlib.h>
#include <string.h>

#include "api/call.h"
#include "api/schema.h"
#include "base/buf.h"

static void add_parameter(struct buf *b, bool *first, const char *in, const char *name, bool required, const char *schema) {
	buf_printf(b, "%s{\"name\":\"%s\",\"in\":\"%s\",\"required\":%s,\"schema\":%s}", *first ? "" : ",", name, in,
	    required ? "true" : "false", schema);
	*first = false;
}

static void add_field(struct buf *b, bool *first, const char *in, const char *name, const ProtobufCFieldDescriptor *f) {
	BUF_AUTO schema = BUF_INIT;
	schema_field(&schema, f);
	add_parameter(b, first, in, name, strcmp(in, "path") == 0, buf_str(&schema));
}

/* Field names that the path fills: "group_name" for {group}. */
static bool in_path(const struct op_def *op, const ProtobufCFieldDescriptor *f) {
	for (const char *p = strchr(op->path, '{'); p != NULL; p = strchr(p + 1, '{'))
		if (op_path_field(op, p + 1, (size_t)(strchr(p, '}') - p - 1)) == f)
			return true;
	return false;
}

static void path_parameters(struct buf *b, bool *first, const struct op_def *op) {
	for (const char *p = strchr(op->path, '{'); p != NULL; p = strchr(p + 1, '{')) {
		char name[64] = "";
		size_t n = (size_t)(strchr(p, '}') - p - 1);
		memcpy(name, p + 1, n);
		add_field(b, first, "path", name, op_path_field(op, p + 1, n));
	}
}

static void query_parameters(struct buf *b, bool *first, const struct op_def *op) {
	bool whole = op->body != NULL && strcmp(op->body, "*") == 0;
	for (unsigned i = 0; i < op->request->n_fields; i++) {
		const ProtobufCFieldDescriptor *f = &op->request->fields[i];
		bool tenant = strcmp(f->name, "tenant") == 0;
		if (in_path(op, f) || (op->body != NULL && strcmp(op->body, f->name) == 0) || (whole && !tenant))
			continue;
		BUF_AUTO name = BUF_INIT;
		schema_name(&name, f->name);
		if (f->type == PROTOBUF_C_TYPE_MESSAGE && (strcmp(f->name, "page") == 0 || strcmp(f->name, "meta") == 0)) {
			const ProtobufCMessageDescriptor *d = f->descriptor;
			for (unsigned k = 0; k < d->n_fields; k++) {
				bool header =
				    strcmp(d->fields[k].name, "idempotency_key") == 0 || strcmp(d->fields[k].name, "if_match") == 0;
				buf_clear(&name);
				schema_name(&name, d->fields[k].name);
				if (!header)
					add_field(b, first, "query", buf_str(&name), &d->fields[k]);
			}
			continue;
		}
		add_field(b, first, "query", buf_str(&name), f);
	}
}

static void header_parameters(struct buf *b, bool *first, const struct op_def *op) {
	if (strcmp(op->http, "POST") == 0 && !(op->flags & OP_NO_IDEMPOTENCY))
		add_parameter(b, first, "header", "Idempotency-Key", false, "{\"type\":\"string\",\"maxLength\":255}");
	if (!(op->flags & OP_READ))
		add_parameter(b, first, "header", "If-Match", false, "{\"type\":\"string\",\"examples\":[\"\\\"7\\\"\"]}");
	if (strcmp(op->reply->short_name, "Plan") == 0)
		add_parameter(b, first, "header", "Prefer", false, "{\"type\":\"string\",\"examples\":[\"wait=30\"]}");
}

static void request_body(struct buf *b, const struct op_def *op) {
	if (op->body == NULL)
		return;
	const ProtobufCMessageDescriptor *d = op->request;
	if (strcmp(op->body, "*") != 0)
		d = protobuf_c_message_descriptor_get_field_by_name(op->request, op->body)->descriptor;
	buf_printf(b,
	    ",\"requestBody\":{\"required\":%s,\"content\":{\"application/json\":{\"schema\":{\"$ref\":\"#/components/schemas/%s\"}}}}",
	    strcmp(op->body, "*") == 0 ? "false" : "true", d->short_name);
}

/* Which refusals an operation has; those of all come first. Every answer that is given is named: there is no "default". */
static bool always(const struct op_def *op) {
	return op != NULL;
}

static bool changes(const struct op_def *op) {
	return !(op->flags & OP_READ);
}

static bool has_body(const struct op_def *op) {
	return op->body != NULL;
}

static bool sends(const struct op_def *op) {
	return strcmp(op->http, "GET") != 0 && strcmp(op->http, "DELETE") != 0;
}

static bool has_key(const struct op_def *op) {
	return strcmp(op->http, "POST") == 0 && !(op->flags & OP_NO_IDEMPOTENCY);
}

static bool tells_events(const struct op_def *op) {
	return strcmp(op->service, "Events") == 0 || (op->flags & OP_STREAM) != 0;
}

static bool has_output(const struct op_def *op) {
	return strcmp(op->name, "LogsBase") == 0;
}

static bool fetches(const struct op_def *op) {
	return strcmp(op->name, "CreateArtifact") == 0;
}

static const struct {
	int status;
	bool (*applies)(const struct op_def *op);
} refusals[] = {
	{ 400, always }, /* malformed, invalid_argument */
	{ 401, always },
	{ 403, always },
	{ 404, always }, /* what it names, or its tenant */
	{ 405, always },
	{ 408, always },
	{ 409, changes },
	{ 410, tells_events },
	{ 411, sends },
	{ 412, changes },
	{ 413, always },
	{ 414, always },
	{ 415, has_body },
	{ 422, has_key },
	{ 429, always },
	{ 431, always },
	{ 500, always },
	{ 501, has_output },
	{ 502, fetches },
	{ 503, always },
};

static void problems(struct buf *b, const struct op_def *op) {
	bool first = true;
	for (size_t i = 0; i < sizeof refusals / sizeof *refusals; i++) {
		if (!refusals[i].applies(op))
			continue;
		buf_printf(b, "%s\"%d\":{\"$ref\":\"#/components/responses/Problem\"}", first ? "" : ",", refusals[i].status);
		first = false;
	}
	buf_add_char(b, '}');
}

static void responses(struct buf *b, const struct op_def *op) {
	const char *type = op->flags & OP_STREAM ? "text/event-stream" : "application/json";
	const int codes[] = { 200, op->flags & OP_CREATE ? 201 : op->flags & OP_PLAN ? 202 : 0 };
	buf_add_str(b, ",\"responses\":{");
	for (size_t i = 0; i < 2; i++) {
		if (codes[i] == 0)
			continue;
		buf_printf(b, "\"%d\":{\"description\":\"%s\"", codes[i],
		    codes[i] == 200   ? "done, or already so"
		    : codes[i] == 201 ? "made"
		                      : "a plan began");
		if (codes[i] != 200)
			buf_add_str(b, ",\"headers\":{\"Location\":{\"schema\":{\"type\":\"string\"}}}");
		buf_printf(b, ",\"content\":{\"%s\":{\"schema\":{\"$ref\":\"#/components/schemas/%s\"}}}},", type, op->reply->short_name);
	}
	problems(b, op);
}

static void operation(struct buf *b, const struct op_def *op) {
	bool first = true;
	for (const char *p = op->http; *p != '\0'; p++)
		buf_add_char(b, (char)(*p | 0x20));
	buf_printf(b, "\":{\"operationId\":\"%s\",\"tags\":[\"%s\"],\"summary\":", op->name, op->service);
	buf_add_json(b, op->summary);
	buf_printf(b, ",\"description\":\"Needs role %s.\",\"parameters\":[", word_text(WORD_ROLE, op->role));
	path_parameters(b, &first, op);
	query_parameters(b, &first, op);
	header_parameters(b, &first, op);
	buf_add_char(b, ']');
	request_body(b, op);
	responses(b, op);
	buf_add_char(b, '}');
}

#define PROBLEM(status) "\"" status "\":{\"$ref\":\"#/components/responses/Problem\"}"
#define BYTE_PROBLEMS                                                                                                                                   \
	PROBLEM("400")                                                                                                                                  \
	"," PROBLEM("401") "," PROBLEM("403") "," PROBLEM("404") "," PROBLEM("405") "," PROBLEM("408") "," PROBLEM("411") "," PROBLEM("41"              \
	                                                                                                                              "3") "," PROBLEM( \
	    "414") "," PROBLEM("422") "," PROBLEM("429") "," PROBLEM("431") "," PROBLEM("500") "," PROBLEM("501") "," PROBLEM("503")
/* Byte paths and the server's own, which are no operations. */
static const char put_artifact[] =
    ",\"put\":{\"operationId\":\"UploadArtifactByDigest\",\"tags\":[\"Artifacts\"],\"summary\":\"Upload the bytes with this "
    "sha256\",\"parameters\":["
    "{\"name\":\"sha256\",\"in\":\"path\",\"required\":true,\"schema\":{\"type\":\"string\",\"pattern\":\"^[0-9a-f]{64}$\"}},"
    "{\"name\":\"tenant\",\"in\":\"query\",\"schema\":{\"type\":\"string\"}}],\"requestBody\":{\"required\":true,\"content\":{"
    "\"application/octet-stream\":{}}},"
    "\"responses\":{\"200\":{\"description\":\"it was "
    "there\",\"content\":{\"application/json\":{\"schema\":{\"$ref\":\"#/components/schemas/Artifact\"}}}},"
    "\"201\":{\"description\":\"stored\",\"content\":{\"application/json\":{\"schema\":{\"$ref\":\"#/components/schemas/"
    "Artifact\"}}}}," BYTE_PROBLEMS "}}";
static const char extra_paths[] =
    ",\"/v1/artifacts:upload\":{\"post\":{\"operationId\":\"UploadArtifact\",\"tags\":[\"Artifacts\"],\"summary\":\"Upload bytes; the "
    "answer has their sha256\","
    "\"parameters\":[{\"name\":\"tenant\",\"in\":\"query\",\"schema\":{\"type\":\"string\"}}],\"requestBody\":{\"required\":true,"
    "\"content\":{\"application/octet-stream\":{}}},"
    "\"responses\":{\"200\":{\"description\":\"it was "
    "there\",\"content\":{\"application/json\":{\"schema\":{\"$ref\":\"#/components/schemas/Artifact\"}}}},"
    "\"201\":{\"description\":\"stored\",\"content\":{\"application/json\":{\"schema\":{\"$ref\":\"#/components/schemas/"
    "Artifact\"}}}}," BYTE_PROBLEMS "}}}"
    ",\"/v1/artifacts/{sha256}/content\":{\"get\":{\"operationId\":\"DownloadArtifact\",\"tags\":[\"Artifacts\"],\"summary\":\"The bytes; "
    "ranges are served\","
    "\"parameters\":[{\"name\":\"sha256\",\"in\":\"path\",\"required\":true,\"schema\":{\"type\":\"string\",\"pattern\":\"^[0-9a-f]{64}$\"}"
    "},"
    "{\"name\":\"tenant\",\"in\":\"query\",\"schema\":{\"type\":\"string\"}},{\"name\":\"Range\",\"in\":\"header\",\"schema\":{\"type\":"
    "\"string\"}}],"
    "\"responses\":{\"200\":{\"description\":\"all bytes\",\"content\":{\"application/octet-stream\":{}}},\"206\":{\"description\":\"a "
    "range\",\"content\":{\"application/octet-stream\":{}}},"
    "\"304\":{\"description\":\"it is the one that If-None-Match names\"}," PROBLEM(
        "416") "," BYTE_PROBLEMS "}}}"
               ",\"/livez\":{\"get\":{\"operationId\":\"Live\",\"security\":[],\"summary\":\"200 while the process "
               "works\",\"responses\":{\"200\":{\"description\":\"alive\",\"content\":{\"text/plain\":{}}}," PROBLEM(
                   "405") "}}}"
                          ",\"/readyz\":{\"get\":{\"operationId\":\"Ready\",\"security\":[],\"summary\":\"200 while writes are answered "
                          "here or by a "
                          "peer\",\"responses\":{\"200\":{\"description\":\"ready\",\"content\":{\"text/plain\":{}}},"
                          "\"503\":{\"description\":\"not ready, with the reason\",\"content\":{\"text/plain\":{}}}," PROBLEM(
                              "405") "}}}"
                                     ",\"/metrics\":{\"get\":{\"operationId\":\"Metrics\",\"security\":[],\"summary\":\"Prometheus "
                                     "text\",\"responses\":{\"200\":{\"description\":\"metrics\",\"content\":{\"text/plain\":{}}}," PROBLEM(
                                         "405") "}}}";

static bool seen_before(size_t i) {
	for (size_t k = 0; k < i; k++)
		if (strcmp(op_defs[k].path, op_defs[i].path) == 0)
			return true;
	return false;
}

static void paths(struct buf *b) {
	buf_add_str(b, "\"paths\":{");
	for (size_t i = 0; i < n_op_defs; i++) {
		if (seen_before(i))
			continue;
		buf_printf(b, "%s\"%s\":{", i > 0 ? "," : "", op_defs[i].path);
		for (size_t k = i, n = 0; k < n_op_defs; k++) {
			if (strcmp(op_defs[k].path, op_defs[i].path) != 0)
				continue;
			buf_add_str(b, n++ > 0 ? ",\"" : "\"");
			operation(b, &op_defs[k]);
		}
		if (strcmp(op_defs[i].path, "/v1/artifacts/{sha256}") == 0)
			buf_add_str(b, put_artifact);
		buf_add_char(b, '}');
	}
	buf_add_str(b, extra_paths);
	buf_add_char(b, '}');
}

const char *api_openapi(struct api *a, size_t *ret_n) {
	if (a->openapi == NULL) {
		BUF_AUTO b = BUF_INIT;
		openapi_print(&b, a->config.version);
		a->openapi = buf_take(&b, &a->openapi_len);
	}
	*ret_n = a->openapi_len;
	return a->openapi;
}

void openapi_print(struct buf *b, const char *version) {
	buf_add_str(b, "{\"openapi\":\"3.1.0\",\"info\":{\"title\":\"Berth\",\"version\":");
	buf_add_json(b, version);
	buf_add_str(b, ",\"description\":\"Deploys modules onto running bases. Long work is a plan: 202 and Location. Errors are "
	               "application/problem+json.\"},"
	               "\"servers\":[{\"url\":\"/\"}],\"security\":[{\"token\":[]}],");
	paths(b);
	buf_add_str(b,
	    ",\"components\":{\"securitySchemes\":{\"token\":{\"type\":\"http\",\"scheme\":\"bearer\"}},"
	    "\"responses\":{\"Problem\":{\"description\":\"an "
	    "error\",\"content\":{\"application/problem+json\":{\"schema\":{\"$ref\":\"#/components/schemas/Problem\"},"
	    "\"example\":{\"type\":\"urn:berth:problem:not_found\",\"title\":\"Not found\",\"status\":404,\"code\":\"not_found\","
	    "\"detail\":\"there is no deployment \\\"ordesr\\\"; did you mean \\\"orders\\\"?\",\"requestId\":\"5b0c\"}}}}},");
	schemas_print(b);
	buf_add_str(b, "}}");
}
