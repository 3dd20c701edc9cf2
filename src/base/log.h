/* Logging: one line per fact, logfmt or JSON, with typed fields. Secrets never: pass names of tokens, not tokens.
 *
 *   log_info("plan started", log_i("plan", id), log_s("deployment", name));
 *
 * Thread safe (one write(2) per line to stderr). Keys are plain lower-case words; values are quoted as needed. */
#ifndef BERTH_BASE_LOG_H
#define BERTH_BASE_LOG_H

#include <stdbool.h>
#include <stdint.h>

struct err;

enum log_level { LOG_LEVEL_DEBUG, LOG_LEVEL_INFO, LOG_LEVEL_WARN, LOG_LEVEL_ERROR };
enum log_format { LOG_FORMAT_LOGFMT, LOG_FORMAT_JSON };
enum log_kind { LOG_KIND_END, LOG_KIND_STR, LOG_KIND_INT, LOG_KIND_BOOL, LOG_KIND_ERR };

struct log_field {
	enum log_kind kind;
	const char *key;
	union {
		const char *s;
		int64_t i;
		const struct err *err;
	};
};

#define log_s(k, v) \
	{ .kind = LOG_KIND_STR, .key = (k), .s = (v) } /* NULL prints as "" */
#define log_i(k, v) \
	{ .kind = LOG_KIND_INT, .key = (k), .i = (int64_t)(v) }
#define log_b(k, v) \
	{ .kind = LOG_KIND_BOOL, .key = (k), .i = (v) }
#define log_e(v) \
	{ .kind = LOG_KIND_ERR, .key = "error", .err = (v) } /* code, text, where, sqlstate */

#define log_at(level, msg, ...) log_write((level), (msg), (const struct log_field[]){ __VA_ARGS__ __VA_OPT__(, ){ .kind = LOG_KIND_END } })
#define log_debug(...) log_at(LOG_LEVEL_DEBUG, __VA_ARGS__)
#define log_info(...) log_at(LOG_LEVEL_INFO, __VA_ARGS__)
#define log_warn(...) log_at(LOG_LEVEL_WARN, __VA_ARGS__)
#define log_error(...) log_at(LOG_LEVEL_ERROR, __VA_ARGS__)

/* Process-wide settings, made once at start. program appears in every line. */
void log_setup(const char *program, enum log_level level, enum log_format format, int fd);
bool log_level_parse(const char *s, enum log_level *ret);
void log_write(enum log_level level, const char *msg, const struct log_field *fields);

#endif
