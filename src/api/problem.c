/* An error as the message that REST sends as problem+json (RFC 9457) and rpc turns into a google.rpc.Status. */
#include <ctype.h>

#include "api/call.h"

static char *title_of(const char *code, struct arena *a) {
	char *title = arena_strdup(a, code);
	title[0] = (char)toupper((unsigned char)title[0]);
	for (char *p = title; *p != '\0'; p++)
		if (*p == '_')
			*p = ' ';
	return title;
}

ProtobufCMessage *api_problem(const struct err *err, const char *request_id, struct arena *a) {
	Berth__V1__Problem *m = PB_NEW(Berth__V1__Problem, berth__v1__problem, a);
	const char *code = err_name(err->code);
	m->type = arena_printf(a, "urn:berth:problem:%s", code);
	m->title = title_of(code, a);
	PUT(m, status, err_http(err->code));
	m->code = arena_strdup(a, code);
	m->detail = arena_strdup(a, err->text);
	m->request_id = arena_strdup(a, request_id);
	if (err->pointer[0] == '\0' || err->code == E_DB_REFUSED) /* there the pointer is a constraint's name */
		return (ProtobufCMessage *)m;
	Berth__V1__FieldError *e = PB_NEW(Berth__V1__FieldError, berth__v1__field_error, a);
	e->pointer = arena_strdup(a, err->pointer);
	e->detail = arena_strdup(a, err->text);
	e->code = arena_strdup(a, code);
	m->errors = arena_alloc(a, sizeof *m->errors);
	m->errors[m->n_errors++] = e;
	return (ProtobufCMessage *)m;
}
