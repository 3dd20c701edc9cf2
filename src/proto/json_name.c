/* Names of the JSON form: lowerCamelCase fields and lower-case enum words, derived from descriptors (protobuf-c keeps no JSON names). */
#include <ctype.h>
#include <string.h>

#include "base/arena.h"
#include "base/buf.h"
#include "proto/json_int.h"

#define MAX_NAME 64

void json_add_name(struct buf *out, const char *proto_name) {
	char name[MAX_NAME];
	size_t n = 0;
	for (const char *p = proto_name; *p != '\0' && n < sizeof name; p++) {
		if (*p == '_' && p[1] != '\0')
			name[n++] = (char)toupper((unsigned char)*++p);
		else
			name[n++] = *p;
	}
	buf_add(out, name, n);
}

const char *json_name(const char *proto_name, struct arena *a) {
	BUF_AUTO b = BUF_INIT;
	json_add_name(&b, proto_name);
	return arena_strndup(a, buf_str(&b), b.len);
}

const ProtobufCFieldDescriptor *json_field(const ProtobufCMessageDescriptor *d, const char *name) {
	char snake[MAX_NAME];
	size_t n = 0;
	for (const char *p = name; *p != '\0'; p++) {
		if (n + 3 > sizeof snake)
			return NULL;
		if (isupper((unsigned char)*p)) {
			snake[n++] = '_';
			snake[n++] = (char)tolower((unsigned char)*p);
		} else {
			snake[n++] = *p;
		}
	}
	snake[n] = '\0';
	return protobuf_c_message_descriptor_get_field_by_name(d, snake);
}

/* Length of "UPGRADE_POLICY_" for an enum called UpgradePolicy: what each of its values starts with. */
static size_t prefix_length(const ProtobufCEnumDescriptor *d) {
	size_t n = 0;
	for (const char *p = d->short_name; *p != '\0'; p++)
		n += isupper((unsigned char)*p) && p != d->short_name ? 2 : 1;
	return n + 1;
}

static const char *bare(const ProtobufCEnumDescriptor *d, const ProtobufCEnumValue *v) {
	size_t n = prefix_length(d);
	return strlen(v->name) > n ? v->name + n : v->name;
}

void json_add_enum(struct buf *out, const ProtobufCEnumDescriptor *d, int value) {
	const ProtobufCEnumValue *v = protobuf_c_enum_descriptor_get_value(d, value);
	if (v == NULL) { /* a newer peer's word: the number is all there is */
		buf_printf(out, "%d", value);
		return;
	}
	for (const char *p = bare(d, v); *p != '\0'; p++)
		buf_add_char(out, (char)tolower((unsigned char)*p));
}

const char *json_enum_text(const ProtobufCEnumDescriptor *d, int value, struct arena *a) {
	BUF_AUTO b = BUF_INIT;
	json_add_enum(&b, d, value);
	return arena_strndup(a, buf_str(&b), b.len);
}

static bool same_word(const char *upper, const char *text) {
	for (; *upper != '\0' && *text != '\0'; upper++, text++)
		if (tolower((unsigned char)*upper) != *text)
			return false;
	return *upper == *text;
}

bool json_enum_value(const ProtobufCEnumDescriptor *d, const char *text, int *ret) {
	for (unsigned i = 0; i < d->n_values; i++) {
		if (same_word(bare(d, &d->values[i]), text)) {
			*ret = d->values[i].value;
			return true;
		}
	}
	return false;
}

const char *json_enum_words(const ProtobufCEnumDescriptor *d, struct arena *a) {
	BUF_AUTO b = BUF_INIT;
	buf_add_str(&b, "one of ");
	bool first = true;
	for (unsigned i = 0; i < d->n_values; i++) {
		if (d->values[i].value == 0)
			continue; /* "not given" is said by leaving the field out */
		buf_add_str(&b, first ? "" : ", ");
		json_add_enum(&b, d, d->values[i].value);
		first = false;
	}
	return arena_strndup(a, buf_str(&b), b.len);
}

static void pointer_add(const struct json_place *at, struct buf *b) {
	if (at == NULL)
		return;
	pointer_add(at->up, b);
	if (at->key == NULL) {
		buf_printf(b, "/%zu", at->index);
		return;
	}
	buf_add_char(b, '/');
	for (const char *p = at->key; *p != '\0'; p++) {
		if (*p == '~' || *p == '/')
			buf_add_str(b, *p == '~' ? "~0" : "~1");
		else
			buf_add_char(b, *p);
	}
}

void json_pointer(const struct json_place *at, char *buf, size_t size) {
	BUF_AUTO b = BUF_INIT;
	pointer_add(at, &b);
	const char *s = buf_str(&b);
	if (b.len >= size) {
		s += b.len - size + 1;
		while (((unsigned char)*s & 0xc0) == 0x80) /* not in the middle of a character */
			s++;
	}
	memcpy(buf, s, strlen(s) + 1);
}
