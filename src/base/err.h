/* Errors: one table of codes (errors.def), one value type that carries what happened.
 *
 * Convention for the whole code base: a function that can fail returns int, 0 = done, otherwise an E_… code, and takes
 * `struct err *err` (may be NULL) as its very last parameter. The error is filled once, where the failure is first known;
 * callers add context with err_context() and the room that handles it logs it once.
 * Never assert on input, network, database or agents. */
#ifndef BERTH_BASE_ERR_H
#define BERTH_BASE_ERR_H

#include <stdbool.h>
#include <stddef.h>

enum err_code {
	E_OK = 0,
#define ERR(sym, http, grpc, code, retry) sym,
#include "base/errors.def"
#undef ERR
	E_COUNT
};

enum err_retry { ERR_RETRY_NEVER, ERR_RETRY_SAFE, ERR_RETRY_UNKNOWN };

struct err {
	int code;         /* E_…; 0 = no error */
	char sqlstate[6]; /* when PostgreSQL said no, else "" */
	const char *file; /* where it was first known */
	int line;
	char pointer[96]; /* JSON pointer of the offending input ("/replicas"), "" when it is not one field */
	char text[640];   /* what, why, what to do next; UTF-8, no newline */
};

#define ERR_INIT ((struct err){ 0 })

/* Fill *err and return code. With err == NULL only returns code. */
#define err_set(err, code, ...) err_set_at((err), (code), __FILE__, __LINE__, __VA_ARGS__)
int err_set_at(struct err *err, int code, const char *file, int line, const char *fmt, ...) __attribute__((format(printf, 5, 6)));

/* As err_set, naming the field of the input that is wrong as a JSON pointer. */
#define err_field(err, code, ptr, ...) err_field_at((err), (code), (ptr), __FILE__, __LINE__, __VA_ARGS__)
int err_field_at(struct err *err, int code, const char *pointer, const char *file, int line, const char *fmt, ...)
    __attribute__((format(printf, 6, 7)));

/* Fill from errno: "<what>: <strerror>". */
#define err_errno(err, errnum, ...) err_errno_at((err), (errnum), __FILE__, __LINE__, __VA_ARGS__)
int err_errno_at(struct err *err, int errnum, const char *file, int line, const char *fmt, ...) __attribute__((format(printf, 5, 6)));

/* Prefix the text with "<context>: "; returns err->code. */
int err_context(struct err *err, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

/* The input was one part of a larger one: its pointer goes on behind the part's ("/changes/1"), but not one into "/meta", which all parts
 * share; returns err->code. */
int err_under(struct err *err, const char *part);

int err_http(int code);         /* HTTP status; 200 for 0, 500 for an unknown code */
int err_grpc(int code);         /* gRPC status number; 0 for 0 */
const char *err_name(int code); /* stable code, "ok" for 0 */
enum err_retry err_retry(int code);
int err_from_name(const char *name); /* E_INTERNAL when unknown */

#endif
