/* Formats one line into a capped buffer and writes it with a single write(2), so that lines of threads and of
 * processes that share the descriptor never mix. A line that cannot be written is lost: logging never stops the caller. */
#include "base/log.h"

#include <ctype.h>
#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/clock.h"
#include "base/err.h"

#define MAX_LINE_BYTES (32u * 1024u)

static struct {
	const char *program;
	enum log_level level;
	enum log_format format;
	int fd;
} conf = { "berth", LOG_LEVEL_INFO, LOG_FORMAT_LOGFMT, STDERR_FILENO };

static const char *const level_names[] = { "debug", "info", "warn", "error" };

void log_setup(const char *program, enum log_level level, enum log_format format, int fd) {
	conf.program = program;
	conf.level = level;
	conf.format = format;
	conf.fd = fd;
}

bool log_level_parse(const char *s, enum log_level *ret) {
	for (size_t i = 0; i < sizeof level_names / sizeof *level_names; i++) {
		if (strcmp(s, level_names[i]) == 0) {
			*ret = (enum log_level)i;
			return true;
		}
	}
	return false;
}

static bool needs_quotes(const char *s) {
	if (*s == '\0')
		return true;
	for (; *s != '\0'; s++)
		if (!isgraph((unsigned char)*s) || *s == '"' || *s == '=' || *s == '\\')
			return true;
	return false;
}

static void add_key(struct buf *b, const char *key) {
	if (conf.format == LOG_FORMAT_JSON)
		buf_printf(b, "%s\"%s\":", b->len > 1 ? "," : "", key);
	else
		buf_printf(b, "%s%s=", b->len > 0 ? " " : "", key);
}

static void add_str(struct buf *b, const char *key, const char *s) {
	add_key(b, key);
	if (s == NULL)
		s = "";
	if (conf.format == LOG_FORMAT_JSON || needs_quotes(s))
		buf_add_json(b, s);
	else
		buf_add_str(b, s);
}

static void add_err(struct buf *b, const struct err *e) {
	if (e == NULL)
		return;
	add_str(b, "error", e->text);
	add_str(b, "code", err_name(e->code));
	if (e->sqlstate[0] != '\0')
		add_str(b, "sqlstate", e->sqlstate);
	if (e->file != NULL) {
		add_key(b, "at");
		const char *quote = conf.format == LOG_FORMAT_JSON ? "\"" : "";
		buf_printf(b, "%s%s:%d%s", quote, e->file, e->line, quote);
	}
}

static void add_field(struct buf *b, const struct log_field *f) {
	switch (f->kind) {
	case LOG_KIND_STR:
		add_str(b, f->key, f->s);
		break;
	case LOG_KIND_INT:
		add_key(b, f->key);
		buf_printf(b, "%lld", (long long)f->i);
		break;
	case LOG_KIND_BOOL:
		add_key(b, f->key);
		buf_add_str(b, f->i ? "true" : "false");
		break;
	case LOG_KIND_ERR:
		add_err(b, f->err);
		break;
	case LOG_KIND_END:
		break;
	}
}

/* A cut line still has to be one line, and in JSON one document: what does not fit is replaced by a note. */
static void seal(struct buf *b, size_t head_len) {
	if (b->overflow) {
		b->overflow = false;
		b->len = head_len;
		buf_add_str(b, conf.format == LOG_FORMAT_JSON ? ",\"cut\":true" : " cut=true");
	}
	if (conf.format == LOG_FORMAT_JSON)
		buf_add_char(b, '}');
	buf_add_char(b, '\n');
}

static void write_line(const struct buf *b) {
	size_t done = 0;
	while (done < b->len) {
		ssize_t n = write(conf.fd, b->data + done, b->len - done);
		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return;
		done += (size_t)n;
	}
}

void log_write(enum log_level level, const char *msg, const struct log_field *fields) {
	if (level < conf.level)
		return;
	int saved = errno;
	char time[32];
	BUF_AUTO b;
	buf_init(&b, MAX_LINE_BYTES);
	if (conf.format == LOG_FORMAT_JSON)
		buf_add_char(&b, '{');
	add_str(&b, "time", wall_format(clock_wall(&clock_real), time));
	add_str(&b, "level", level_names[level]);
	add_str(&b, "program", conf.program);
	size_t msg_at = b.len;
	add_str(&b, "msg", msg);
	size_t head_len = b.len < MAX_LINE_BYTES - 64 ? b.len : msg_at;
	for (const struct log_field *f = fields; f->kind != LOG_KIND_END; f++)
		add_field(&b, f);
	if (b.len > MAX_LINE_BYTES - 2)
		b.overflow = true;
	seal(&b, head_len);
	write_line(&b);
	errno = saved;
}
