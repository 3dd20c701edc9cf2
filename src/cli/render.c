/* The live view of a plan. */
#include "cli/render.h"

#include <inttypes.h>
#include <string.h>

#include "base/clock.h"
#include "cli/field.h"
#include "cli/progress.h"
#include "cli/text.h"

#define BAR_COLUMNS 20
#define MAX_BATCH_LINES 8

static void add_styled(struct buf *out, const struct render_look *look, enum style style, const char *text) {
	enum style s = look->color ? style : STYLE_NONE;
	buf_add_str(out, text_style_on(s));
	text_add_clean(out, text, false);
	buf_add_str(out, text_style_off(s));
}

/* "running" is fine for a deployment and unfinished for a plan or a batch. */
static enum style work_style(const char *state) {
	return strcmp(state, "pending") == 0 ? STYLE_DIM : strcmp(state, "running") == 0 ? STYLE_BUSY : text_state_style(state);
}

static void add_title(const json_t *plan, const struct render_look *look, int64_t now_us, struct buf *out) {
	BUF_AUTO title = BUF_INIT;
	char head[48], span[32];
	int64_t elapsed = progress_elapsed(plan, now_us);
	const char *state = field_str(plan, "state");
	progress_title(plan, look->utf8, &title);
	snprintf(head, sizeof head, "plan %" PRId64 "  ", field_int(plan, "id", 0));
	add_styled(out, look, STYLE_BOLD, head);
	text_add_cut(out, buf_str(&title), look->columns > 48 ? look->columns - 40 : 24, look->utf8);
	buf_add_str(out, "  ");
	add_styled(out, look, work_style(state), state);
	if (elapsed >= 0)
		buf_printf(out, "  %s", text_span(elapsed, span));
	if ((elapsed = progress_left(plan, now_us)) >= 0)
		buf_printf(out, ", about %s to go", text_span(elapsed / US_PER_S * US_PER_S + US_PER_S, span));
	buf_add_char(out, '\n');
}

static void add_blocks(const struct render_look *look, enum style style, const char *block, int64_t n, struct buf *out) {
	enum style s = look->color && n > 0 ? style : STYLE_NONE;
	buf_add_str(out, text_style_on(s));
	for (int64_t i = 0; i < n; i++)
		buf_add_str(out, block);
	buf_add_str(out, text_style_off(s));
}

/* A failed base is always seen, a bar is full only when everything is done. */
static void add_bar(const struct render_look *look, int64_t done, int64_t failed, int64_t size, struct buf *out) {
	int64_t good = size > 0 ? done * BAR_COLUMNS / size : 0, bad = size > 0 ? (failed * BAR_COLUMNS + size - 1) / size : 0;
	if (bad > BAR_COLUMNS)
		bad = BAR_COLUMNS;
	if (good + bad > BAR_COLUMNS)
		good = BAR_COLUMNS - bad;
	add_blocks(look, STYLE_GOOD, look->utf8 ? "█" : "#", good, out);
	add_blocks(look, STYLE_BAD, look->utf8 ? "█" : "x", bad, out);
	add_blocks(look, STYLE_DIM, look->utf8 ? "░" : ".", BAR_COLUMNS - good - bad, out);
}

/* More batches than fit: the current one stays in the middle. */
static size_t first_batch_line(size_t n, int64_t current) {
	if (n <= MAX_BATCH_LINES || current < MAX_BATCH_LINES / 2)
		return 0;
	size_t from = (size_t)current - MAX_BATCH_LINES / 2;
	return from > n - MAX_BATCH_LINES ? n - MAX_BATCH_LINES : from;
}

static void add_batches(const json_t *plan, const struct render_look *look, int64_t now_us, struct buf *out) {
	const json_t *batches = field_get(plan, "batches");
	size_t n = json_array_size(batches), from = first_batch_line(n, field_int(plan, "currentBatch", 0));
	for (size_t i = from; i < n && i < from + MAX_BATCH_LINES; i++) {
		const json_t *b = json_array_get(batches, i);
		int64_t size = field_int(b, "size", 0), done = field_int(b, "done", 0), failed = field_int(b, "failed", 0);
		const char *state = field_str(b, "state");
		wall_t start, end = { now_us };
		char span[32] = "";
		buf_printf(out, "  batch %-3" PRId64 " ", field_int(b, "number", (int64_t)i + 1));
		add_bar(look, done, failed, size, out);
		buf_printf(out, " %*" PRId64 "/%-4" PRId64, 3, done, size);
		add_styled(out, look, work_style(state), state);
		field_time(b, "endTime", &end);
		if (field_time(b, "startTime", &start))
			text_span(end.us - start.us, span);
		buf_printf(out, "%s%s\n", *span != '\0' ? "  " : "", span);
	}
	if (n > from + MAX_BATCH_LINES)
		buf_printf(out, "  … %zu more\n", n - from - MAX_BATCH_LINES);
}

static bool is_interesting(const char *state) {
	return strcmp(state, "succeeded") != 0 && strcmp(state, "pending") != 0 && strcmp(state, "cancelled") != 0;
}

static void add_task(const json_t *task, const struct render_look *look, int64_t now_us, struct buf *out) {
	BUF_AUTO line = BUF_INIT;
	const char *state = field_str(task, "state"), *cause = field_str(task, "cause"), *fault = field_str(task, "fault");
	wall_t sent;
	char span[32];
	bool failed = strcmp(state, "failed") == 0;
	buf_printf(&line, "%-16s %s %s", field_str(task, "base"), field_str(task, "kind"), field_str(task, "module"));
	if (*field_str(task, "version") != '\0')
		buf_printf(&line, ":%s", field_str(task, "version"));
	if (strcmp(state, "sent") == 0 && field_time(task, "sendTime", &sent))
		buf_printf(&line, "  %s", text_span(now_us - sent.us, span));
	if (field_int(task, "attempt", 1) > 1)
		buf_printf(&line, "  try %" PRId64, field_int(task, "attempt", 1));
	if (*cause != '\0')
		buf_printf(&line, "  %s%s%s", fault, *fault != '\0' ? ": " : "", cause);
	buf_add_str(out, "    ");
	add_styled(out, look, failed ? STYLE_BAD : STYLE_BUSY, failed ? (look->utf8 ? "✗" : "x") : (look->utf8 ? "•" : "*"));
	buf_add_char(out, ' ');
	text_add_cut(out, buf_str(&line), look->columns > 8 ? look->columns - 7 : 72, look->utf8);
	buf_add_char(out, '\n');
}

/* Failed ones first: the server puts them there. What is done or not begun is in the bars. */
static void add_tasks(const json_t *plan, const struct render_look *look, int64_t now_us, struct buf *out) {
	const json_t *tasks = field_get(plan, "tasks");
	size_t shown = 0, more = 0;
	for (size_t i = 0; i < json_array_size(tasks); i++) {
		const json_t *task = json_array_get(tasks, i);
		if (!is_interesting(field_str(task, "state")))
			continue;
		if (shown < look->bases) {
			add_task(task, look, now_us, out);
			shown++;
		} else {
			more++;
		}
	}
	if (more > 0)
		buf_printf(out, "    and %zu more at work\n", more);
}

static void add_waiting(const json_t *plan, const struct render_look *look, int64_t now_us, struct buf *out) {
	const json_t *waiting = field_get(plan, "waitingFor");
	for (size_t i = 0; i < json_array_size(waiting) && i < 4; i++) {
		const json_t *w = json_array_get(waiting, i);
		BUF_AUTO text = BUF_INIT;
		wall_t since;
		char span[32];
		buf_add_str(&text, *field_str(w, "text") != '\0' ? field_str(w, "text") : field_str(w, "rule"));
		if (field_time(w, "since", &since))
			buf_printf(&text, " (%s)", text_span(now_us - since.us, span));
		buf_add_str(out, "  ");
		add_styled(out, look, STYLE_BUSY, "waits: ");
		text_add_cut(out, buf_str(&text), look->columns > 12 ? look->columns - 10 : 70, look->utf8);
		buf_add_char(out, '\n');
		if (*field_str(w, "command") != '\0') {
			buf_add_str(out, "  next:  ");
			text_add_cut(out, field_str(w, "command"), look->columns > 12 ? look->columns - 10 : 70, look->utf8);
			buf_add_char(out, '\n');
		}
	}
}

void render_plan(const json_t *plan, const struct render_look *look, int64_t now_us, struct buf *out) {
	add_title(plan, look, now_us, out);
	add_batches(plan, look, now_us, out);
	add_tasks(plan, look, now_us, out);
	add_waiting(plan, look, now_us, out);
}

void render_clear(struct render_screen *s) {
	if (s->drawn > 0)
		fprintf(s->out, "\033[%zuA\r\033[J", s->drawn);
	s->drawn = 0;
	fflush(s->out);
}

/* One write per picture, each line erased behind its text: no flicker. */
void render_draw(struct render_screen *s, const char *lines) {
	BUF_AUTO out = BUF_INIT;
	size_t n = 0;
	if (s->drawn > 0)
		buf_printf(&out, "\033[%zuA\r", s->drawn);
	for (const char *p = lines; *p != '\0'; n++) {
		size_t len = strcspn(p, "\n");
		buf_add(&out, p, len);
		buf_add_str(&out, "\033[K\n");
		p += len + (p[len] == '\n');
	}
	buf_add_str(&out, "\033[J");
	fwrite(buf_str(&out), 1, out.len, s->out);
	fflush(s->out);
	s->drawn = n;
}
