/* The live view of a plan: lines for a terminal, and redrawing them in place. render_plan() is pure; render_draw() writes. */
#ifndef BERTH_CLI_RENDER_H
#define BERTH_CLI_RENDER_H

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

#include "base/buf.h"

struct render_look {
	bool color, utf8;
	size_t columns; /* of the terminal */
	size_t bases;   /* at most so many bases are shown one by one */
};

/* Title, a bar per batch, bases that are at work or failed, what it waits for with the command that helps. now_us: wall time. */
void render_plan(const json_t *plan, const struct render_look *look, int64_t now_us, struct buf *out);

struct render_screen {
	FILE *out;
	size_t drawn; /* lines on the screen that the next drawing replaces */
};
void render_draw(struct render_screen *s, const char *lines);
void render_clear(struct render_screen *s); /* takes the view away, so that results follow what was before it */

#endif
