/* berth status: what is not as wanted, grouped by reason, each with the command that mends it. */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/err.h"
#include "cli/cli.h"
#include "cli/commands.h"
#include "cli/field.h"
#include "cli/resource.h"
#include "cli/text.h"

#define SUBJECTS_SHOWN 8

static void add_subjects(const json_t *a, struct buf *out) {
	const json_t *subjects = field_get(a, "subjects");
	size_t n = json_array_size(subjects);
	for (size_t i = 0; i < n && i < SUBJECTS_SHOWN; i++) {
		const char *s = json_string_value(json_array_get(subjects, i));
		buf_add_str(out, i == 0 ? "    " : ", ");
		text_add_clean(out, s != NULL ? s : "", false);
	}
	int64_t count = field_int(a, "count", (int64_t)n);
	if (n > 0 && count > (int64_t)(n < SUBJECTS_SHOWN ? n : SUBJECTS_SHOWN))
		buf_printf(out, " and %" PRId64 " more", count - (int64_t)(n < SUBJECTS_SHOWN ? n : SUBJECTS_SHOWN));
	if (n > 0)
		buf_add_char(out, '\n');
}

static void add_attention(const struct cli *c, const json_t *a, struct buf *out) {
	const char *reason = field_str(a, "reason"), *command = field_str(a, "command");
	enum style style = !c->color ? STYLE_NONE : text_state_style(reason) == STYLE_NONE ? STYLE_BUSY : text_state_style(reason);
	buf_add_str(out, text_style_on(style));
	text_add_clean(out, reason, false);
	buf_add_str(out, text_style_off(style));
	if (field_int(a, "count", 1) > 1)
		buf_printf(out, " (%" PRId64 ")", field_int(a, "count", 1));
	buf_add_str(out, ": ");
	text_add_clean(out, field_str(a, "text"), false);
	buf_add_char(out, '\n');
	add_subjects(a, out);
	if (*command != '\0') {
		buf_add_str(out, "    next: ");
		text_add_clean(out, command, false);
		buf_add_char(out, '\n');
	}
}

static void add_part(int64_t of, int64_t n, const char *noun, const char *state, struct buf *out) {
	buf_printf(out, "%s%" PRId64, out->len > 0 && out->data[out->len - 1] != ' ' ? ", " : "", of);
	if (of != n)
		buf_printf(out, " of %" PRId64, n);
	buf_printf(out, " %s%s%s", noun, n == 1 ? "" : "s", state);
}

static void add_span(const json_t *s, const char *field, const char *noun, struct buf *out) {
	int64_t us;
	char text[32];
	if (duration_parse(field_str(s, field), &us))
		buf_printf(out, ", %s %s", noun, text_span(us, text));
}

static void add_counts(const json_t *s, struct buf *out) {
	BUF_AUTO line = BUF_INIT;
	int64_t plans = field_int(s, "plansRunning", 0), deployments = field_int(s, "deployments", 0);
	add_part(field_int(s, "readyBases", 0), field_int(s, "bases", 0), "base", " ready", &line);
	add_part(field_int(s, "unitsUsed", 0), field_int(s, "unitsLimit", 0), "unit", " used", &line);
	add_part(deployments, deployments, "deployment", "", &line);
	add_part(field_int(s, "readyInstances", 0), field_int(s, "instances", 0), "instance", " ready", &line);
	if (plans > 0)
		add_part(plans, plans, "plan", " running (berth plan list)", &line);
	add_span(s, "oldestSent", "oldest command without an outcome", &line);
	add_span(s, "loopLagMax", "longest loop lag", &line);
	buf_printf(out, "%s\n", buf_str(&line));
}

int cmd_status(struct cli *c, struct err *err) {
	json_t *s;
	BUF_AUTO out = BUF_INIT;
	int r = resource_get(c, "/v1/status", &s, err);
	if (r != 0)
		return r;
	JSON_AUTO owned = s;
	const json_t *attention = field_get(s, "attention");
	size_t n = json_array_size(attention);
	bool read_only = field_true(s, "readOnly");
	if (c->opt.check && (n > 0 || read_only))
		c->exit = CLI_FAILED;
	if (output_is_document(c)) {
		output_document(c, s);
		return 0;
	}
	if (read_only) {
		buf_add_str(&out, "read-only: ");
		text_add_clean(&out, field_str(s, "readOnlyReason"), false);
		buf_add_char(&out, '\n');
	}
	for (size_t i = 0; i < n; i++)
		add_attention(c, json_array_get(attention, i), &out);
	if (n == 0 && !read_only)
		buf_printf(&out, "%sall well:%s ", text_style_on(c->color ? STYLE_GOOD : STYLE_NONE),
		    text_style_off(c->color ? STYLE_GOOD : STYLE_NONE));
	else
		buf_add_str(&out, "otherwise: ");
	add_counts(s, &out);
	fputs(buf_str(&out), stdout);
	return 0;
}
