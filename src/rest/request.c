/* A request as an operation's message: path, query and body over the descriptors; headers into the call. */
#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/buf.h"
#include "base/clock.h"
#include "base/opt.h"
#include "base/secret.h"
#include "proto/json.h"
#include "proto/unpack.h"
#include "rest/inside.h"

#define MAX_NAMES 96

static void *member(ProtobufCMessage *m, const ProtobufCFieldDescriptor *f) {
	return (char *)m + f->offset;
}

static int media_type_check(const struct http_req *r, size_t n, struct err *err) {
	const char *type = http_req_header(r, "Content-Type");
	if (n == 0 ||
	    (type != NULL && strncasecmp(type, "application/json", 16) == 0 && (type[16] == '\0' || type[16] == ';' || type[16] == ' ')))
		return 0;
	return err_set(err, E_MEDIA_TYPE, "the body must be JSON, sent with \"Content-Type: application/json\"");
}

static int body_read(struct exchange *x, ProtobufCMessage **ret, struct err *err) {
	const struct op_def *op = x->match.route.op;
	struct arena *a = http_req_arena(x->req);
	size_t n;
	const char *text = http_req_body(x->req, &n);
	if (op->body == NULL) {
		*ret = pb_new(op->request, a);
		return n > 0 ? err_set(err, E_INVALID, "%s takes no body", op->name) : 0;
	}
	int rc = media_type_check(x->req, n, err);
	if (rc != 0)
		return rc;
	*ret = pb_new(op->request, a);
	bool whole = strcmp(op->body, "*") == 0;
	const ProtobufCFieldDescriptor *f = whole ? NULL : protobuf_c_message_descriptor_get_field_by_name(op->request, op->body);
	ProtobufCMessage **body = whole ? ret : (ProtobufCMessage **)member(*ret, f);
	rc = json_parse(whole ? op->request : f->descriptor, text, n, a, body, err);
	return rc == 0 ? pb_check(*body, a, err) : rc;
}

static int path_read(struct exchange *x, ProtobufCMessage *m, struct err *err) {
	for (size_t i = 0; i < x->match.n; i++) {
		const ProtobufCFieldDescriptor *f = op_path_field(x->match.route.op, x->match.params[i].name, x->match.params[i].name_len);
		int rc = json_set_text(m, f, x->match.params[i].value, http_req_arena(x->req), err);
		if (rc != 0)
			return rc;
	}
	return 0;
}

/* A query name in the request itself, or in its page or meta. */
static const ProtobufCFieldDescriptor *query_field(ProtobufCMessage *m, const char *name, struct arena *a, ProtobufCMessage **ret_in) {
	static const char *const parts[] = { "page", "meta" };
	const ProtobufCFieldDescriptor *f = json_field(m->descriptor, name);
	*ret_in = m;
	for (size_t i = 0; i < 2 && f == NULL; i++) {
		const ProtobufCFieldDescriptor *part = json_field(m->descriptor, parts[i]);
		if (part == NULL || (f = json_field(part->descriptor, name)) == NULL)
			continue;
		ProtobufCMessage **sub = member(m, part);
		if (*sub == NULL)
			*sub = pb_new(part->descriptor, a);
		*ret_in = *sub;
	}
	return f;
}

static void names_of(const ProtobufCMessageDescriptor *d, struct arena *a, const char **names, size_t *n) {
	for (unsigned i = 0; i < d->n_fields && *n < MAX_NAMES; i++) {
		const ProtobufCFieldDescriptor *f = &d->fields[i];
		if (strcmp(f->name, "page") == 0 || strcmp(f->name, "meta") == 0)
			names_of(f->descriptor, a, names, n);
		else
			names[(*n)++] = json_name(f->name, a);
	}
}

static int unknown_query(const ProtobufCMessage *m, const char *name, struct arena *a, struct err *err) {
	const char *names[MAX_NAMES] = { 0 };
	size_t n = 0;
	names_of(m->descriptor, a, names, &n);
	const char *near = name_nearest(name, names, n);
	BUF_AUTO all = BUF_INIT;
	for (size_t i = 0; i < n; i++)
		buf_printf(&all, "%s%s", i > 0 ? ", " : "", names[i]);
	if (near != NULL)
		return err_field(err, E_INVALID, "", "unknown query parameter \"%s\"; did you mean \"%s\"?", name, near);
	return err_field(err, E_INVALID, "", "unknown query parameter; there is: %.480s", buf_str(&all));
}

int query_only(struct exchange *x, const char *const *names, size_t n, struct err *err) {
	const char *name, *value;
	size_t cursor = 0;
	while (http_req_query_next(x->req, &cursor, &name, &value)) {
		bool known = false;
		for (size_t i = 0; i < n && !known; i++)
			known = strcmp(name, names[i]) == 0;
		if (!known)
			return err_field(err, E_INVALID, "", "unknown query parameter \"%.64s\"; there is: %s", name, names[0]);
	}
	return 0;
}

static int query_read(struct exchange *x, ProtobufCMessage *m, struct err *err) {
	struct arena *a = http_req_arena(x->req);
	const char *name, *value;
	size_t cursor = 0;
	while (http_req_query_next(x->req, &cursor, &name, &value)) {
		ProtobufCMessage *in;
		const ProtobufCFieldDescriptor *f = query_field(m, name, a, &in);
		if (f == NULL)
			return unknown_query(m, name, a, err);
		int rc = json_set_text(in, f, value != NULL ? value : "", a, err);
		if (rc != 0)
			return rc;
	}
	return 0;
}

/* A browser's EventSource says where it was by header; it wins over the query it was opened with. */
static int resume_read(struct exchange *x, ProtobufCMessage *m, struct err *err) {
	const char *last = http_req_header(x->req, "Last-Event-ID");
	if (!(x->match.route.op->flags & OP_STREAM) || last == NULL || *last == '\0')
		return 0;
	char *end;
	long long n = strtoll(last, &end, 10);
	if (*end != '\0' || n < 0)
		return err_set(err, E_INVALID, "Last-Event-ID must be an event number");
	x->skip = n;
	const ProtobufCFieldDescriptor *f = json_field(m->descriptor, "after");
	return f != NULL ? json_set_text(m, f, last, http_req_arena(x->req), err) : 0;
}

int request_read(struct exchange *x, ProtobufCMessage **ret, struct err *err) {
	ProtobufCMessage *m = NULL;
	int rc = body_read(x, &m, err);
	if (rc == 0)
		rc = query_read(x, m, err);
	if (rc == 0)
		rc = path_read(x, m, err); /* last: what the path says cannot be changed from elsewhere */
	if (rc == 0)
		rc = resume_read(x, m, err);
	if (rc == 0)
		*ret = m;
	return rc;
}

const char *bearer_of(const struct http_req *r, struct arena *a) {
	const char *h = http_req_header(r, "Authorization");
	if (h == NULL || strncasecmp(h, "Bearer ", 7) != 0)
		return NULL;
	h += 7;
	h += strspn(h, " ");
	size_t n = strcspn(h, " ");
	return n > 0 && n <= 256 ? arena_strndup(a, h, n) : NULL;
}

const char *request_id_of(struct http_req *r) {
	const char *h = http_req_header(r, "X-Request-Id");
	size_t n = h != NULL ? strlen(h) : 0;
	for (size_t i = 0; i < n; i++)
		if (!isgraph((unsigned char)h[i]))
			n = 0;
	if (n > 0 && n <= 128)
		return h;
	char uuid[37];
	return arena_strdup(http_req_arena(r), uuid_make(uuid));
}

/* Prefer: respond-async, wait=30 (RFC 7240). */
static void prefer_read(struct exchange *x) {
	const char *h = http_req_header(x->req, "Prefer");
	const char *at = h != NULL ? strcasestr(h, "wait=") : NULL;
	if (at == NULL || (at != h && at[-1] != ' ' && at[-1] != ','))
		return;
	long s = strtol(at + 5, NULL, 10);
	x->call.has_wait = true;
	x->call.wait_us = s < 0 ? 0 : s > 86400 ? 86400 * US_PER_S : s * US_PER_S;
}

void request_headers(struct exchange *x) {
	struct api_call *c = &x->call;
	c->bearer = x->bearer;
	c->address = http_req_peer(x->req);
	c->request_id = x->request_id;
	c->trace = http_req_header(x->req, "traceparent");
	c->idempotency_key = http_req_header(x->req, "Idempotency-Key");
	c->if_match = http_req_header(x->req, "If-Match");
	c->reason = http_req_header(x->req, "Berth-Reason");
	c->link = http_req_header(x->req, "Berth-Link");
	prefer_read(x);
}
