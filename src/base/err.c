/* The error table and the functions that fill a struct err. */
#include "base/err.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/buf.h"

#define NEVER ERR_RETRY_NEVER
#define SAFE ERR_RETRY_SAFE
#define UNKNOWN ERR_RETRY_UNKNOWN

static const struct {
	int http, grpc;
	const char *name;
	enum err_retry retry;
} table[E_COUNT] = {
	[E_OK] = { 200, 0, "ok", NEVER },
#define ERR(sym, http, grpc, code, retry) [sym] = { http, grpc, code, retry },
#include "base/errors.def"
#undef ERR
};

__attribute__((format(printf, 6, 0))) static int fill(
    struct err *err, int code, const char *pointer, const char *file, int line, const char *fmt, va_list ap) {
	if (err == NULL)
		return code;
	err->code = code;
	err->sqlstate[0] = '\0';
	err->file = file;
	err->line = line;
	snprintf(err->pointer, sizeof err->pointer, "%s", pointer);
	vsnprintf(err->text, sizeof err->text, fmt, ap);
	utf8_clean(err->text);
	utf8_clean(err->pointer);
	return code;
}

int err_set_at(struct err *err, int code, const char *file, int line, const char *fmt, ...) {
	va_list ap;
	va_start(ap, fmt);
	fill(err, code, "", file, line, fmt, ap);
	va_end(ap);
	return code;
}

int err_field_at(struct err *err, int code, const char *pointer, const char *file, int line, const char *fmt, ...) {
	va_list ap;
	va_start(ap, fmt);
	fill(err, code, pointer, file, line, fmt, ap);
	va_end(ap);
	return code;
}

int err_errno_at(struct err *err, int errnum, const char *file, int line, const char *fmt, ...) {
	if (err == NULL)
		return E_IO;
	va_list ap;
	va_start(ap, fmt);
	fill(err, E_IO, "", file, line, fmt, ap);
	va_end(ap);
	size_t n = strlen(err->text);
	snprintf(err->text + n, sizeof err->text - n, ": %s", strerror(errnum));
	utf8_clean(err->text);
	return E_IO;
}

int err_context(struct err *err, const char *fmt, ...) {
	if (err == NULL)
		return E_INTERNAL;
	char old[sizeof err->text];
	memcpy(old, err->text, sizeof old);
	va_list ap;
	va_start(ap, fmt);
	vsnprintf(err->text, sizeof err->text, fmt, ap);
	va_end(ap);
	size_t n = strlen(err->text);
	snprintf(err->text + n, sizeof err->text - n, ": %s", old);
	utf8_clean(err->text);
	return err->code;
}

static bool known(int code) {
	return code >= 0 && code < E_COUNT && table[code].name != NULL;
}

int err_under(struct err *err, const char *part) {
	if (err == NULL)
		return E_INTERNAL;
	if (strncmp(err->pointer, "/meta/", 6) == 0)
		return err->code;
	char inner[sizeof err->pointer];
	memcpy(inner, err->pointer, sizeof inner);
	snprintf(err->pointer, sizeof err->pointer, "%s%s", part, inner);
	return err->code;
}

int err_http(int code) {
	return known(code) ? table[code].http : 500;
}

int err_grpc(int code) {
	return known(code) ? table[code].grpc : 13;
}

const char *err_name(int code) {
	return known(code) ? table[code].name : "internal";
}

enum err_retry err_retry(int code) {
	return known(code) ? table[code].retry : ERR_RETRY_UNKNOWN;
}

int err_from_name(const char *name) {
	for (int i = 0; i < E_COUNT; i++)
		if (table[i].name != NULL && strcmp(table[i].name, name) == 0)
			return i;
	return E_INTERNAL;
}
