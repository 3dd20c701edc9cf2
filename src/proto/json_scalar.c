/* Scalars and enums of the JSON form: one table row per kind of number, everything range-checked. */
#include <errno.h>
#include <inttypes.h>
#include <math.h>
#include <sodium.h>
#include <stdlib.h>
#include <string.h>

#include "base/arena.h"
#include "base/buf.h"
#include "base/err.h"
#include "base/opt.h"
#include "proto/json_int.h"

size_t json_size_of(ProtobufCType type) {
	switch (type) {
	case PROTOBUF_C_TYPE_INT64:
	case PROTOBUF_C_TYPE_SINT64:
	case PROTOBUF_C_TYPE_SFIXED64:
	case PROTOBUF_C_TYPE_UINT64:
	case PROTOBUF_C_TYPE_FIXED64:
	case PROTOBUF_C_TYPE_DOUBLE:
		return 8;
	case PROTOBUF_C_TYPE_BOOL:
		return sizeof(protobuf_c_boolean);
	case PROTOBUF_C_TYPE_BYTES:
		return sizeof(ProtobufCBinaryData);
	case PROTOBUF_C_TYPE_STRING:
	case PROTOBUF_C_TYPE_MESSAGE:
		return sizeof(void *);
	default:
		return 4;
	}
}

/* Kinds of whole numbers; false for what is none. */
static bool int_range(ProtobufCType type, int64_t *ret_min, int64_t *ret_max) {
	switch (type) {
	case PROTOBUF_C_TYPE_INT32:
	case PROTOBUF_C_TYPE_SINT32:
	case PROTOBUF_C_TYPE_SFIXED32:
		*ret_min = INT32_MIN;
		*ret_max = INT32_MAX;
		return true;
	case PROTOBUF_C_TYPE_UINT32:
	case PROTOBUF_C_TYPE_FIXED32:
		*ret_min = 0;
		*ret_max = UINT32_MAX;
		return true;
	case PROTOBUF_C_TYPE_INT64:
	case PROTOBUF_C_TYPE_SINT64:
	case PROTOBUF_C_TYPE_SFIXED64:
		*ret_min = INT64_MIN;
		*ret_max = INT64_MAX;
		return true;
	case PROTOBUF_C_TYPE_UINT64:
	case PROTOBUF_C_TYPE_FIXED64: /* the upper half does not exist in jansson; nothing of ours needs it */
		*ret_min = 0;
		*ret_max = INT64_MAX;
		return true;
	default:
		return false;
	}
}

static int int_store(const ProtobufCFieldDescriptor *f, void *dst, int64_t v, struct err *err) {
	int64_t min = 0, max = 0;
	int_range(f->type, &min, &max);
	if (v < min || v > max)
		return err_set(err, E_INVALID, "must be between %" PRId64 " and %" PRId64, min, max);
	if (json_size_of(f->type) == 8)
		memcpy(dst, &v, 8);
	else
		memcpy(dst, &(int32_t){ (int32_t)(uint32_t)v }, 4);
	return 0;
}

static int int_text(const ProtobufCFieldDescriptor *f, void *dst, const char *text, struct err *err) {
	char *end;
	errno = 0;
	const char *digits = *text == '-' ? text + 1 : text;
	if (*digits < '0' || *digits > '9')
		return err_set(err, E_INVALID, "must be a whole number");
	long long v = strtoll(text, &end, 10);
	if (*end != '\0')
		return err_set(err, E_INVALID, "must be a whole number");
	if (errno == ERANGE)
		return err_set(err, E_INVALID, "is too large a number");
	return int_store(f, dst, v, err);
}

static int double_store(const ProtobufCFieldDescriptor *f, void *dst, double v, struct err *err) {
	if (!isfinite(v))
		return err_set(err, E_INVALID, "must be a finite number");
	if (f->type == PROTOBUF_C_TYPE_FLOAT)
		memcpy(dst, &(float){ (float)v }, sizeof(float));
	else
		memcpy(dst, &v, sizeof v);
	return 0;
}

static int enum_text(const ProtobufCFieldDescriptor *f, void *dst, const char *text, struct arena *a, struct err *err) {
	const ProtobufCEnumDescriptor *d = f->descriptor;
	int v;
	if (!json_enum_value(d, text, &v))
		return err_set(err, E_INVALID, "must be %s", json_enum_words(d, a));
	memcpy(dst, &v, sizeof v);
	return 0;
}

static int bytes_text(void *dst, const char *text, struct arena *a, struct err *err) {
	size_t n = strlen(text), got = 0;
	ProtobufCBinaryData bytes = { .data = arena_alloc(a, n + 1) };
	const char *end = NULL;
	if (sodium_base642bin(bytes.data, n + 1, text, n, NULL, &got, &end, sodium_base64_VARIANT_ORIGINAL) != 0 || end != text + n)
		return err_set(err, E_INVALID, "must be base64");
	bytes.len = got;
	memcpy(dst, &bytes, sizeof bytes);
	return 0;
}

static int bool_text(void *dst, const char *text, struct err *err) {
	bool yes = *text == '\0' || strcmp(text, "true") == 0; /* "?dryRun" alone means true */
	if (!yes && strcmp(text, "false") != 0)
		return err_set(err, E_INVALID, "must be true or false");
	*(protobuf_c_boolean *)dst = yes;
	return 0;
}

int json_scalar_text(const ProtobufCFieldDescriptor *f, void *dst, const char *text, struct arena *a, struct err *err) {
	if (!utf8_valid(text, strlen(text)))
		return err_set(err, E_INVALID, "is not UTF-8");
	int64_t min, max;
	if (int_range(f->type, &min, &max))
		return int_text(f, dst, text, err);
	switch (f->type) {
	case PROTOBUF_C_TYPE_STRING:
		*(char **)dst = arena_strdup(a, text);
		return 0;
	case PROTOBUF_C_TYPE_ENUM:
		return enum_text(f, dst, text, a, err);
	case PROTOBUF_C_TYPE_BOOL:
		return bool_text(dst, text, err);
	case PROTOBUF_C_TYPE_BYTES:
		return bytes_text(dst, text, a, err);
	case PROTOBUF_C_TYPE_DOUBLE:
	case PROTOBUF_C_TYPE_FLOAT: {
		char *end;
		double v = strtod(text, &end);
		if (*text == '\0' || *end != '\0')
			return err_set(err, E_INVALID, "must be a number");
		return double_store(f, dst, v, err);
	}
	default:
		return err_set(err, E_INVALID, "cannot be given as text");
	}
}

static int int_parse(const ProtobufCFieldDescriptor *f, void *dst, const json_t *v, struct err *err) {
	if (json_is_integer(v))
		return int_store(f, dst, json_integer_value(v), err);
	if (json_is_string(v) && json_size_of(f->type) == 8)
		return int_text(f, dst, json_string_value(v), err);
	return err_set(err, E_INVALID, "must be a whole number");
}

int json_scalar_parse(const ProtobufCFieldDescriptor *f, void *dst, const json_t *v, struct arena *a, struct err *err) {
	int64_t min, max;
	if (int_range(f->type, &min, &max))
		return int_parse(f, dst, v, err);
	switch (f->type) {
	case PROTOBUF_C_TYPE_BOOL:
		if (!json_is_boolean(v))
			return err_set(err, E_INVALID, "must be true or false");
		*(protobuf_c_boolean *)dst = json_is_true(v);
		return 0;
	case PROTOBUF_C_TYPE_DOUBLE:
	case PROTOBUF_C_TYPE_FLOAT:
		return json_is_number(v) ? double_store(f, dst, json_number_value(v), err) : err_set(err, E_INVALID, "must be a number");
	case PROTOBUF_C_TYPE_ENUM:
		return enum_text(f, dst, json_is_string(v) ? json_string_value(v) : "", a, err);
	case PROTOBUF_C_TYPE_STRING:
		if (!json_is_string(v))
			return err_set(err, E_INVALID, "must be a string");
		*(char **)dst = arena_strndup(a, json_string_value(v), json_string_length(v));
		return 0;
	case PROTOBUF_C_TYPE_BYTES:
		if (!json_is_string(v))
			return err_set(err, E_INVALID, "must be base64");
		return bytes_text(dst, json_string_value(v), a, err);
	default:
		return err_set(err, E_INTERNAL, "not a scalar");
	}
}

static void bytes_print(const ProtobufCBinaryData *b, struct buf *out) {
	size_t size = sodium_base64_encoded_len(b->len, sodium_base64_VARIANT_ORIGINAL);
	char *text = malloc(size);
	if (text == NULL)
		abort();
	sodium_bin2base64(text, size, b->data, b->len, sodium_base64_VARIANT_ORIGINAL);
	buf_add_char(out, '"');
	buf_add(out, text, size - 1);
	buf_add_char(out, '"');
	free(text);
}

static void number_print(const ProtobufCFieldDescriptor *f, const void *src, struct buf *out) {
	int64_t min = 0, max = 0, v = 0;
	int_range(f->type, &min, &max);
	if (json_size_of(f->type) == 8) {
		memcpy(&v, src, 8);
		if (min == 0)
			buf_printf(out, "%" PRIu64, (uint64_t)v);
		else
			buf_printf(out, "%" PRId64, v);
		return;
	}
	int32_t w;
	memcpy(&w, src, 4);
	buf_printf(out, "%" PRId64, min == 0 ? (int64_t)(uint32_t)w : (int64_t)w);
}

static void double_print(double v, struct buf *out) {
	if (isfinite(v))
		buf_printf(out, "%.17g", v);
	else
		buf_add_str(out, "0"); /* JSON has no word for it */
}

void json_scalar_print(const ProtobufCFieldDescriptor *f, const void *src, struct buf *out) {
	switch (f->type) {
	case PROTOBUF_C_TYPE_BOOL:
		buf_add_str(out, *(const protobuf_c_boolean *)src ? "true" : "false");
		return;
	case PROTOBUF_C_TYPE_STRING:
		buf_add_json(out, *(const char *const *)src);
		return;
	case PROTOBUF_C_TYPE_BYTES:
		bytes_print(src, out);
		return;
	case PROTOBUF_C_TYPE_ENUM: {
		int v;
		memcpy(&v, src, sizeof v);
		buf_add_char(out, '"');
		json_add_enum(out, f->descriptor, v);
		buf_add_char(out, '"');
		return;
	}
	case PROTOBUF_C_TYPE_DOUBLE:
		double_print(*(const double *)src, out);
		return;
	case PROTOBUF_C_TYPE_FLOAT:
		double_print((double)*(const float *)src, out);
		return;
	default:
		number_print(f, src, out);
	}
}
