/* berth events: what happened, and what happens. */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/err.h"
#include "cli/cli.h"
#include "cli/client.h"
#include "cli/commands.h"
#include "cli/field.h"
#include "cli/output.h"
#include "cli/query.h"
#include "cli/tail.h"
#include "cli/text.h"

static int add_filters(struct cli *c, struct buf *query, struct err *err) {
	int64_t us;
	char text[32];
	query_add(query, "actor", c->opt.actor);
	query_add(query, "module", c->opt.module);
	query_add(query, "base", c->opt.base);
	query_add(query, "deployment", c->opt.deployment);
	query_add_int(query, "plan", c->opt.plan);
	query_add(query, "kind", c->opt.kind);
	wall_t at;
	if (c->opt.since == NULL)
		return 0;
	if (duration_parse(c->opt.since, &us))
		query_add(query, "since", wall_format((wall_t){ clock_wall(&clock_real).us - us }, text));
	else if (wall_parse(c->opt.since, &at))
		query_add(query, "since", c->opt.since);
	else
		return cli_usage(
		    c, err, "--since '%.40s' is neither a span such as 10m nor a time such as 2026-11-23T10:00:00Z", c->opt.since);
	return 0;
}

/* The newest --lines, oldest of them first; from --after on, in their order. */
static int read_past(struct cli *c, const char *filters, json_t **ret, struct err *err) {
	struct client *client;
	REPLY_AUTO reply = { 0 };
	BUF_AUTO query = BUF_INIT;
	bool from = cli_given(c, "after");
	int r = cli_client(c, &client, err);
	if (r != 0)
		return r;
	buf_add_str(&query, filters);
	query_add_int(&query, "limit", c->opt.lines > 1000 ? 1000 : c->opt.lines);
	if (from)
		query_add_int(&query, "after", c->opt.after);
	else
		query_add(&query, "newestFirst", "true");
	struct request q = { .method = "GET", .path = "/v1/events", .query = buf_str(&query) };
	r = client_call(client, &q, &reply, err);
	if (r != 0)
		return r;
	json_t *events = json_object_get(reply.json, "events"), *sorted = json_array();
	for (size_t i = 0, n = json_array_size(events); i < n; i++)
		json_array_append(sorted, json_array_get(events, from ? i : n - 1 - i));
	*ret = sorted;
	return 0;
}

static void print_event(const struct cli *c, const json_t *e) {
	if (output_is_document(c)) {
		/* One document per line: what `jq` and log shippers read from a stream. */
		json_dumpf(e, stdout, JSON_COMPACT);
		putchar('\n');
	} else if (c->format == FORMAT_NAME) {
		printf("%" PRId64 "\n", field_int(e, "number", 0));
	} else {
		BUF_AUTO out = BUF_INIT;
		BUF_AUTO time = BUF_INIT;
		static const struct column when = { "", "time", CELL_TIME, false };
		output_cell(&when, e, 0, &time);
		buf_printf(&out, "%" PRId64 "  %s  ", field_int(e, "number", 0), buf_str(&time));
		text_add_clean(&out, field_str(e, "kind"), false);
		buf_add_str(&out, "  ");
		text_add_clean(&out, field_str(e, "actor"), false);
		buf_add_str(&out, "  ");
		text_add_clean(&out, field_str(e, "text"), false);
		printf("%s\n", buf_str(&out));
	}
	fflush(stdout);
}

static int follow(struct cli *c, const char *filters, int64_t after, struct err *err) {
	struct tail *t;
	int r = tail_open(c, filters, after, &t, err);
	if (r != 0)
		return r;
	for (;;) {
		json_t *event;
		r = tail_next(t, -1, &event, err);
		if (r != 0)
			break;
		print_event(c, event);
		json_decref(event);
		if (ferror(stdout))
			break;
	}
	tail_close(t);
	return r;
}

int cmd_events(struct cli *c, struct err *err) {
	BUF_AUTO filters = BUF_INIT;
	json_t *events;
	int r = add_filters(c, &filters, err);
	if (r == 0)
		r = read_past(c, buf_str(&filters), &events, err);
	if (r != 0)
		return r;
	JSON_AUTO owned = events;
	if (!c->opt.follow) {
		output_list(c, &view_events, events);
		return 0;
	}
	size_t n = json_array_size(events);
	for (size_t i = 0; i < n; i++)
		print_event(c, json_array_get(events, i));
	return follow(c, buf_str(&filters), n > 0 ? field_int(json_array_get(events, n - 1), "number", 0) : c->opt.after, err);
}
