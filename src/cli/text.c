/* Text for people. What comes from servers, bases and modules passes text_add_clean() before it reaches a terminal. */
#include "cli/text.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/clock.h"

struct range {
	uint32_t from, to;
};

/* Marks that take no column of their own, and what East Asian Width calls wide; blocks, not single characters: a table stays straight. */
static const struct range marks[] = {
	{ 0x0300, 0x036f },
	{ 0x0483, 0x0489 },
	{ 0x0591, 0x05bd },
	{ 0x0610, 0x061a },
	{ 0x064b, 0x065f },
	{ 0x0e34, 0x0e3a },
	{ 0x1ab0, 0x1aff },
	{ 0x1dc0, 0x1dff },
	{ 0x200b, 0x200f },
	{ 0x202a, 0x202e },
	{ 0x2060, 0x2064 },
	{ 0x20d0, 0x20ff },
	{ 0xfe00, 0xfe0f },
	{ 0xfe20, 0xfe2f },
	{ 0xfeff, 0xfeff },
	{ 0xe0100, 0xe01ef },
};
static const struct range wide[] = {
	{ 0x1100, 0x115f },
	{ 0x231a, 0x231b },
	{ 0x23e9, 0x23ec },
	{ 0x2e80, 0x303e },
	{ 0x3041, 0x33ff },
	{ 0x3400, 0x4dbf },
	{ 0x4e00, 0x9fff },
	{ 0xa000, 0xa4cf },
	{ 0xa960, 0xa97f },
	{ 0xac00, 0xd7a3 },
	{ 0xf900, 0xfaff },
	{ 0xfe30, 0xfe4f },
	{ 0xff00, 0xff60 },
	{ 0xffe0, 0xffe6 },
	{ 0x1f300, 0x1f64f },
	{ 0x1f680, 0x1f6ff },
	{ 0x1f900, 0x1f9ff },
	{ 0x20000, 0x3fffd },
};

static bool in_ranges(const struct range *r, size_t n, uint32_t c) {
	for (size_t i = 0; i < n; i++)
		if (c >= r[i].from && c <= r[i].to)
			return true;
	return false;
}

/* Next character of s: its bytes in *ret_n, its columns as the result. What is no UTF-8 is one byte, shown as '?'. */
static size_t next(const char *s, size_t *ret_n, bool *ret_bad) {
	const unsigned char *p = (const unsigned char *)s;
	size_t n = utf8_length(s, strnlen(s, 4));
	*ret_n = n > 0 ? n : 1;
	*ret_bad = n == 0 || *p < 0x20 || *p == 0x7f;
	if (n <= 1)
		return 1;
	uint32_t c = p[0] & (0xffu >> (n + 1));
	for (size_t i = 1; i < n; i++)
		c = c << 6 | (p[i] & 0x3fu);
	*ret_bad = c < 0xa0; /* C1 controls: some terminals obey them */
	if (*ret_bad)
		return 1;
	/* Marks that turn the direction of a line could make a name look like another one. */
	*ret_bad = (c >= 0x202a && c <= 0x202e) || (c >= 0x2066 && c <= 0x2069);
	if (*ret_bad)
		return 1;
	if (in_ranges(marks, sizeof marks / sizeof *marks, c))
		return 0;
	return in_ranges(wide, sizeof wide / sizeof *wide, c) ? 2 : 1;
}

size_t text_width(const char *s) {
	size_t width = 0, n;
	bool bad;
	for (; *s != '\0'; s += n)
		width += next(s, &n, &bad);
	return width;
}

void text_add_clean(struct buf *out, const char *s, bool keep_lines) {
	size_t n;
	bool bad;
	for (; s != NULL && *s != '\0'; s += n) {
		next(s, &n, &bad);
		if (*s == '\n' || *s == '\t')
			buf_add_char(out, keep_lines ? *s : ' ');
		else if (bad)
			buf_add_char(out, '?');
		else
			buf_add(out, s, n);
	}
}

void text_add_cut(struct buf *out, const char *s, size_t columns, bool utf8) {
	if (text_width(s) <= columns) {
		text_add_clean(out, s, false);
		return;
	}
	size_t n, used = 0;
	bool bad;
	for (; *s != '\0'; s += n) {
		size_t w = next(s, &n, &bad);
		if (used + w + 1 > columns)
			break;
		used += w;
		if (bad)
			buf_add_char(out, '?');
		else
			buf_add(out, s, n);
	}
	if (columns > 0)
		buf_add_str(out, utf8 ? "…" : ">");
}

char *text_span(int64_t us, char buf[32]) {
	int64_t s = us / US_PER_S;
	if (us < 0)
		snprintf(buf, 32, "0 ms");
	else if (us < US_PER_S)
		snprintf(buf, 32, "%" PRId64 " ms", us / US_PER_MS);
	else if (s < 60)
		snprintf(buf, 32, "%" PRId64 ".%" PRId64 " s", s, us / 100000 % 10);
	else if (s < 3600)
		snprintf(buf, 32, "%" PRId64 "m%" PRId64 "s", s / 60, s % 60);
	else if (s < 86400)
		snprintf(buf, 32, "%" PRId64 "h%" PRId64 "m", s / 3600, s / 60 % 60);
	else
		snprintf(buf, 32, "%" PRId64 "d", s / 86400);
	return buf;
}

char *text_age(int64_t us, char buf[32]) {
	static const struct {
		int64_t from, unit;
		char letter;
	} steps[] = { { 2 * 86400, 86400, 'd' }, { 2 * 3600, 3600, 'h' }, { 2 * 60, 60, 'm' }, { 0, 1, 's' } };
	int64_t s = us > 0 ? us / US_PER_S : 0;
	size_t i = 0;
	while (s < steps[i].from)
		i++;
	snprintf(buf, 32, "%" PRId64 "%c", s / steps[i].unit, steps[i].letter);
	return buf;
}

char *text_bytes(int64_t bytes, char buf[32]) {
	static const char *const units[] = { "kB", "MB", "GB", "TB" };
	double v = (double)bytes;
	size_t i = 0;
	if (bytes < 1000) {
		snprintf(buf, 32, "%" PRId64 " B", bytes);
		return buf;
	}
	for (v /= 1000; v >= 999.5 && i < 3; i++)
		v /= 1000;
	snprintf(buf, 32, v < 9.95 ? "%.1f %s" : "%.0f %s", v, units[i]);
	return buf;
}

static const struct {
	const char *state;
	enum style style;
} states[] = {
	{ "ready", STYLE_GOOD },
	{ "running", STYLE_GOOD },
	{ "succeeded", STYLE_GOOD },
	{ "done", STYLE_GOOD },
	{ "ok", STYLE_GOOD },
	{ "waiting", STYLE_BUSY },
	{ "rolling", STYLE_BUSY },
	{ "joining", STYLE_BUSY },
	{ "restoring", STYLE_BUSY },
	{ "silent", STYLE_BUSY },
	{ "pending", STYLE_BUSY },
	{ "installing", STYLE_BUSY },
	{ "uninstalling", STYLE_BUSY },
	{ "queued", STYLE_BUSY },
	{ "paused", STYLE_BUSY },
	{ "confirming", STYLE_BUSY },
	{ "soaking", STYLE_BUSY },
	{ "backoff", STYLE_BUSY },
	{ "sent", STYLE_BUSY },
	{ "warn", STYLE_BUSY },
	{ "unknown", STYLE_BUSY },
	{ "missing", STYLE_BAD },
	{ "failed", STYLE_BAD },
	{ "lost", STYLE_BAD },
	{ "degraded", STYLE_BAD },
	{ "quarantined", STYLE_BAD },
	{ "crash_loop", STYLE_BAD },
	{ "succeeded_with_failures", STYLE_BAD },
	{ "fail", STYLE_BAD },
	{ "offline", STYLE_DIM },
	{ "stopped", STYLE_DIM },
	{ "superseded", STYLE_DIM },
	{ "undone", STYLE_DIM },
	{ "standby", STYLE_DIM },
	{ "cancelled", STYLE_DIM },
};

enum style text_state_style(const char *state) {
	for (size_t i = 0; state != NULL && i < sizeof states / sizeof *states; i++)
		if (strcmp(states[i].state, state) == 0)
			return states[i].style;
	return STYLE_NONE;
}

const char *text_style_on(enum style s) {
	static const char *const on[] = { "", "\033[1m", "\033[2m", "\033[32m", "\033[33m", "\033[31m" };
	return on[s];
}

const char *text_style_off(enum style s) {
	return s == STYLE_NONE ? "" : "\033[0m";
}
