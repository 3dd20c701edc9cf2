/* The report of a plan: batches, slowest bases, tries, causes. */
#include "cli/report.h"

#include <inttypes.h>
#include <string.h>

#include "base/clock.h"
#include "cli/field.h"
#include "cli/text.h"

#define SLOWEST 5
#define CAUSES 10

static int64_t span_of(const json_t *o, const char *path) {
	int64_t us = 0;
	return duration_parse(field_str(o, path), &us) ? us : 0;
}

static void add_span(const json_t *o, const char *path, struct buf *out) {
	char span[32];
	buf_add_str(out, text_span(span_of(o, path), span));
}

/* "took 41 s (2.1 s before it began); commands 38.0 s at their bases, 0.3 s (0 %) Berth's part; 2 tries more" */
static void add_sums(const json_t *r, struct buf *out) {
	int64_t there = span_of(r, "atBases"), ours = span_of(r, "inBerth"), retries = field_int(r, "retries", 0);
	buf_add_str(out, "  took ");
	add_span(r, "duration", out);
	if (span_of(r, "waited") >= US_PER_S) {
		buf_add_str(out, " after waiting ");
		add_span(r, "waited", out);
	}
	buf_add_str(out, "; commands: ");
	add_span(r, "atBases", out);
	buf_add_str(out, " at their bases, ");
	add_span(r, "inBerth", out);
	buf_printf(out, " (%" PRId64 " %%) between Berth and them", there + ours == 0 ? 0 : 100 * ours / (there + ours));
	if (retries > 0)
		buf_printf(out, "; %" PRId64 " tried again", retries);
	buf_add_char(out, '\n');
}

static void add_batches(const json_t *list, struct buf *out) {
	for (size_t i = 0; i < json_array_size(list); i++) {
		const json_t *b = json_array_get(list, i);
		buf_printf(out, "    batch %" PRId64 ": %" PRId64 " %s in ", field_int(b, "number", 0), field_int(b, "bases", 0),
		    field_int(b, "bases", 0) == 1 ? "base" : "bases");
		add_span(b, "duration", out);
		if (field_int(b, "failed", 0) > 0)
			buf_printf(out, ", %" PRId64 " failed", field_int(b, "failed", 0));
		buf_add_char(out, '\n');
	}
}

static void add_slowest(const json_t *list, int64_t total, struct buf *out) {
	size_t n = json_array_size(list);
	if (n == 0)
		return;
	buf_add_str(out, "    slowest");
	if (total > SLOWEST)
		buf_printf(out, " of %" PRId64, total);
	buf_add_char(out, ':');
	for (size_t i = 0; i < n && i < SLOWEST; i++) {
		buf_add_str(out, i == 0 ? " " : ", ");
		text_add_clean(out, field_str(json_array_get(list, i), "base"), false);
		buf_add_char(out, ' ');
		add_span(json_array_get(list, i), "duration", out);
	}
	buf_add_char(out, '\n');
}

static void add_failures(const json_t *list, int64_t total, struct buf *out) {
	for (size_t i = 0; i < json_array_size(list) && i < CAUSES; i++) {
		const json_t *t = json_array_get(list, i);
		BUF_AUTO line = BUF_INIT;
		buf_printf(&line, "%s of %s:%s on %s failed (%s): %s", field_str(t, "kind"), field_str(t, "module"),
		    field_str(t, "version"), field_str(t, "base"), field_str(t, "fault"), field_str(t, "cause"));
		buf_add_str(out, "    ");
		text_add_clean(out, buf_str(&line), false);
		buf_add_char(out, '\n');
	}
	if (total > CAUSES)
		buf_printf(out, "    … %" PRId64 " more\n", total - CAUSES);
}

void report_add(const json_t *plan, struct buf *out) {
	const json_t *r = field_get(plan, "report");
	if (r == NULL)
		return;
	add_sums(r, out);
	add_batches(field_get(r, "batches"), out);
	add_slowest(field_get(r, "bases"), field_int(r, "basesTotal", 0), out);
	add_failures(field_get(r, "failures"), field_int(r, "failuresTotal", 0), out);
}
