/* Paths and query strings. Everything outside RFC 3986's unreserved characters is encoded, so no name can leave its place. */
#include "cli/query.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/arena.h"
#include "cli/cli.h"

static void add_encoded(struct buf *out, const char *s) {
	static const char hex[] = "0123456789ABCDEF";
	for (; *s != '\0'; s++) {
		unsigned char ch = (unsigned char)*s;
		bool plain = (ch >= 'a' && ch <= 'z') || (ch >= 'A' && ch <= 'Z') || (ch >= '0' && ch <= '9') || strchr("-._~", ch) != NULL;
		if (plain) {
			buf_add_char(out, (char)ch);
		} else {
			char code[3] = { '%', hex[ch >> 4], hex[ch & 15] };
			buf_add(out, code, 3);
		}
	}
}

const char *query_path(struct arena *a, const char *format, ...) {
	BUF_AUTO out = BUF_INIT;
	va_list ap;
	va_start(ap, format);
	for (const char *p = format; *p != '\0'; p++) {
		if (p[0] == '%' && p[1] == 's') {
			add_encoded(&out, va_arg(ap, const char *));
			p++;
		} else {
			buf_add_char(&out, *p);
		}
	}
	va_end(ap);
	return arena_strndup(a, buf_str(&out), out.len);
}

void query_add(struct buf *q, const char *key, const char *value) {
	if (value == NULL || *value == '\0')
		return;
	if (q->len > 0)
		buf_add_char(q, '&');
	buf_add_str(q, key);
	buf_add_char(q, '=');
	add_encoded(q, value);
}

void query_add_int(struct buf *q, const char *key, int64_t value) {
	char text[24];
	snprintf(text, sizeof text, "%" PRId64, value);
	if (value != 0)
		query_add(q, key, text);
}

void query_add_meta(struct buf *q, const struct cli *c) {
	query_add(q, "reason", c->opt.reason);
	query_add(q, "link", c->opt.link);
	query_add(q, "ifBusy", c->opt.if_busy);
	if (c->opt.dry_run)
		query_add(q, "dryRun", "true");
	if (c->opt.force)
		query_add(q, "force", "true");
}
