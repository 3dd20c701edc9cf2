/* Text for people: display width, harmless output, sizes, times and ages in words, colours. Pure. */
#ifndef BERTH_CLI_TEXT_H
#define BERTH_CLI_TEXT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"

/* Terminal columns that the text takes: wide characters two, combining marks none, controls one (they are shown as '?'). */
size_t text_width(const char *s);
/* Appends s without what could drive a terminal: controls and bytes that are no UTF-8 become '?'. Newlines are kept when keep_lines. */
void text_add_clean(struct buf *out, const char *s, bool keep_lines);
/* Appends at most `columns` columns of s (cleaned), with a closing mark when something was cut. */
void text_add_cut(struct buf *out, const char *s, size_t columns, bool utf8);

/* "812 ms", "3.2 s", "2m5s", "3h10m", "5d". buf holds 32 bytes. Returns buf. */
char *text_span(int64_t us, char buf[32]);
/* "41s", "5m", "3h", "5d": how long ago, for columns. */
char *text_age(int64_t us, char buf[32]);
/* "24 kB", "3.1 MB". */
char *text_bytes(int64_t bytes, char buf[32]);

enum style { STYLE_NONE, STYLE_BOLD, STYLE_DIM, STYLE_GOOD, STYLE_BUSY, STYLE_BAD };
/* How a state word looks: good, on its way, or bad. */
enum style text_state_style(const char *state);
const char *text_style_on(enum style s); /* "" for STYLE_NONE */
const char *text_style_off(enum style s);

#endif
