/* Reading JSON answers. */
#include "cli/field.h"

#include <inttypes.h>
#include <string.h>

const json_t *field_get(const json_t *o, const char *path) {
	while (o != NULL && *path != '\0') {
		size_t n = strcspn(path, ".");
		o = json_object_getn(o, path, n);
		path += n + (path[n] == '.');
	}
	return json_is_null(o) ? NULL : o;
}

const char *field_str(const json_t *o, const char *path) {
	const char *s = json_string_value(field_get(o, path));
	return s != NULL ? s : "";
}

int64_t field_int(const json_t *o, const char *path, int64_t otherwise) {
	const json_t *v = field_get(o, path);
	return json_is_integer(v) ? json_integer_value(v) : otherwise;
}

bool field_true(const json_t *o, const char *path) {
	return json_is_true(field_get(o, path));
}

bool field_time(const json_t *o, const char *path, wall_t *ret) {
	const char *s = field_str(o, path);
	return *s != '\0' && wall_parse(s, ret);
}

static void add_array(const json_t *v, struct buf *out) {
	for (size_t i = 0; i < json_array_size(v); i++) {
		if (i > 0)
			buf_add_str(out, ", ");
		field_add_text(json_array_get(v, i), out);
	}
}

static void add_object(const json_t *v, struct buf *out) {
	/* The iterator of jansson takes a mutable object; nothing is changed through it. */
	union {
		const json_t *in;
		json_t *out;
	} u = { .in = v };
	bool first = true;
	for (void *it = json_object_iter(u.out); it != NULL; it = json_object_iter_next(u.out, it)) {
		buf_printf(out, "%s%s=", first ? "" : ", ", json_object_iter_key(it));
		field_add_text(json_object_iter_value(it), out);
		first = false;
	}
}

void field_add_text(const json_t *v, struct buf *out) {
	if (json_is_string(v))
		buf_add_str(out, json_string_value(v));
	else if (json_is_integer(v))
		buf_printf(out, "%" JSON_INTEGER_FORMAT, json_integer_value(v));
	else if (json_is_real(v))
		buf_printf(out, "%g", json_real_value(v));
	else if (json_is_boolean(v))
		buf_add_str(out, json_is_true(v) ? "yes" : "no");
	else if (json_is_array(v))
		add_array(v, out);
	else if (json_is_object(v))
		add_object(v, out);
}
