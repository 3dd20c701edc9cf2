/* Changes that are plans. The last thing said is always how it ended, how long what took, and what can be done now. */
#include "cli/change.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/arena.h"
#include "base/err.h"
#include "cli/cli.h"
#include "cli/client.h"
#include "cli/field.h"
#include "cli/follow.h"
#include "cli/output.h"
#include "cli/progress.h"
#include "cli/query.h"
#include "cli/text.h"

static void add_steps(const struct change *ch, int64_t follow_us, struct buf *out) {
	char span[32];
	for (size_t i = 0; i < ch->n_steps; i++)
		buf_printf(out, "%s in %s, ", ch->steps[i].text, text_span(ch->steps[i].us, span));
	buf_printf(out, "rolled out in %s", text_span(follow_us, span));
}

static json_t *rounded(int64_t us) {
	char span[48];
	return json_string(duration_format((us + 500) / US_PER_MS * US_PER_MS, span));
}

static json_t *steps_json(const struct change *ch, int64_t follow_us) {
	json_t *o = json_object();
	for (size_t i = 0; i < ch->n_steps; i++)
		json_object_set_new(o, ch->steps[i].name, rounded(ch->steps[i].us));
	json_object_set_new(o, "rolledOut", rounded(follow_us));
	return o;
}

static const char *deployment_of(const struct change *ch, const json_t *plan) {
	return ch->deployment != NULL ? ch->deployment : field_str(json_array_get(field_get(plan, "changes"), 0), "deployment");
}

/* Why it takes so long: the server's explanation, or what the plan itself waits for. */
static json_t *explain(struct cli *c, const char *deployment) {
	struct client *client;
	struct err ignored = ERR_INIT;
	REPLY_AUTO r = { 0 };
	if (*deployment == '\0' || cli_client(c, &client, &ignored) != 0)
		return NULL;
	struct request q = { .method = "GET", .path = query_path(c->arena, "/v1/deployments/%s:explain", deployment) };
	if (client_call(client, &q, &r, &ignored) != 0)
		return NULL;
	return json_incref(r.json);
}

/* commands false: what can be done is listed elsewhere. said: a sentence that need not stand twice. */
static void add_reasons(const json_t *waits, bool commands, const char *said, struct buf *out) {
	for (size_t i = 0; i < json_array_size(waits); i++) {
		const json_t *w = json_array_get(waits, i);
		if (*said != '\0' && strstr(field_str(w, "text"), said) != NULL)
			continue;
		buf_add_str(out, "  why:  ");
		text_add_clean(out, *field_str(w, "text") != '\0' ? field_str(w, "text") : field_str(w, "rule"), false);
		buf_add_char(out, '\n');
		if (commands && *field_str(w, "command") != '\0') {
			buf_add_str(out, "  next: ");
			text_add_clean(out, field_str(w, "command"), false);
			buf_add_char(out, '\n');
		}
	}
}

static void add_failed(const json_t *failed, struct buf *out) {
	for (size_t i = 0; i < json_array_size(failed) && i < 10; i++) {
		const json_t *t = json_array_get(failed, i);
		BUF_AUTO line = BUF_INIT;
		buf_printf(&line, "%s: %s of %s:%s failed", field_str(t, "base"), field_str(t, "kind"), field_str(t, "module"),
		    field_str(t, "version"));
		if (*field_str(t, "fault") != '\0')
			buf_printf(&line, ", fault of the %s", field_str(t, "fault"));
		if (*field_str(t, "cause") != '\0')
			buf_printf(&line, ": %s", field_str(t, "cause"));
		buf_add_str(out, "  ");
		text_add_clean(out, buf_str(&line), false);
		buf_add_char(out, '\n');
		if (i == 0 && *field_str(t, "output") != '\0') {
			buf_printf(out, "  last output of %s (more: berth base logs %s):\n", field_str(t, "base"), field_str(t, "base"));
			for (const char *p = field_str(t, "output"); *p != '\0';) {
				size_t n = strcspn(p, "\n");
				char *row = strndup(p, n);
				buf_add_str(out, "    ");
				text_add_clean(out, row, false);
				buf_add_char(out, '\n');
				free(row);
				p += n + (p[n] == '\n');
			}
		}
	}
	if (json_array_size(failed) > 10)
		buf_printf(out, "  and %zu more failed\n", json_array_size(failed) - 10);
}

static const char *result_word(int exit, const json_t *plan) {
	return exit == CLI_TIMEOUT ? "timeout" : exit == CLI_INTERRUPTED ? "interrupted" : field_str(plan, "state");
}

/* "hello:1.0.0 runs on 3 bases in group demo"; false when the server cannot be asked any more. */
static bool add_running(struct cli *c, const char *deployment, struct buf *out) {
	struct client *client;
	struct err ignored = ERR_INIT;
	REPLY_AUTO r = { 0 };
	struct request q = { .method = "GET", .path = query_path(c->arena, "/v1/deployments/%s", deployment) };
	if (cli_client(c, &client, &ignored) != 0 || client_call(client, &q, &r, &ignored) != 0)
		return false;
	int64_t ready = field_int(r.json, "ready", 0);
	buf_printf(out, "%s:%s runs on %" PRId64 " %s in group %s", field_str(r.json, "module"), field_str(r.json, "version"), ready,
	    ready == 1 ? "base" : "bases", field_str(r.json, "group"));
	return true;
}

static void print_success(struct cli *c, const struct change *ch, const struct follow_result *f) {
	BUF_AUTO out = BUF_INIT;
	BUF_AUTO title = BUF_INIT;
	enum style good = c->color ? STYLE_GOOD : STYLE_NONE;
	if (!ch->running || !add_running(c, deployment_of(ch, f->plan), &title))
		progress_title(f->plan, c->utf8, &title);
	buf_printf(&out, "%s%s%s", text_style_on(good), c->utf8 ? "✓ " : "", text_style_off(good));
	text_add_clean(&out, ch->done != NULL ? ch->done : buf_str(&title), false);
	buf_printf(&out, "  (plan %" PRId64 ": ", field_int(f->plan, "id", 0));
	add_steps(ch, f->elapsed_us, &out);
	buf_add_str(&out, ")\n");
	fputs(buf_str(&out), stdout);
}

/* Everything but success: what is, why, and the commands that go on. */
static void print_open_end(const struct cli *c, const struct change *ch, const struct follow_result *f, const json_t *why) {
	BUF_AUTO out = BUF_INIT;
	BUF_AUTO line = BUF_INIT;
	JSON_AUTO failed = progress_failed(f->plan);
	char span[32];
	int64_t id = field_int(f->plan, "id", 0);
	progress_line(f->plan, &line);
	text_add_clean(&out, buf_str(&line), false);
	buf_printf(&out, "  after %s\n", text_span(f->elapsed_us, span));
	add_failed(failed, &out);
	const json_t *waits = field_get(f->plan, "waitingFor");
	if (f->exit == CLI_TIMEOUT && *field_str(why, "summary") != '\0') {
		buf_add_str(&out, "  ");
		text_add_clean(&out, field_str(why, "summary"), false);
		buf_add_char(&out, '\n');
	}
	add_reasons(json_array_size(waits) > 0 ? waits : field_get(why, "waitingFor"), f->exit != CLI_PERSON,
	    field_str(f->plan, "stateReason"), &out);
	if (f->exit == CLI_TIMEOUT || f->exit == CLI_INTERRUPTED)
		buf_printf(&out, "the plan goes on; follow it again with: berth plan watch %" PRId64 "\n", id);
	else
		progress_commands(f->plan, "  ", &out);
	fputs(buf_str(&out), f->exit == CLI_INTERRUPTED ? stderr : stdout);
}

static void print_document(const struct cli *c, const struct change *ch, const struct follow_result *f, const json_t *why) {
	JSON_AUTO doc = json_object();
	json_object_set_new(doc, "result", json_string(result_word(f->exit, f->plan)));
	json_object_set_new(doc, "exitCode", json_integer(f->exit));
	json_object_set_new(doc, "deployment", json_string(deployment_of(ch, f->plan)));
	json_object_set_new(doc, "failedTasks", progress_failed(f->plan));
	json_t *verbs = json_object_get(f->plan, "verbs");
	json_object_set_new(doc, "verbs", verbs != NULL ? json_incref(verbs) : json_array());
	if (why != NULL)
		json_object_set_new(doc, "why", json_deep_copy(why));
	json_object_set_new(doc, "took", steps_json(ch, f->elapsed_us));
	json_object_set(doc, "plan", f->plan);
	output_document(c, doc);
}

int change_follow(struct cli *c, const json_t *plan, const struct change *ch, struct err *err) {
	struct follow_result f;
	int r = follow_plan(c, plan, &f, err);
	if (r != 0)
		return r;
	JSON_AUTO kept = f.plan;
	bool behind = strcmp(field_str(f.plan, "state"), "succeeded_with_failures") == 0;
	if (behind && field_int(f.plan, "basesFailed", 0) <= c->opt.allow_failed)
		f.exit = CLI_OK; /* so many may be: the result says which */
	JSON_AUTO why = f.exit == CLI_TIMEOUT ? explain(c, deployment_of(ch, f.plan)) : NULL;
	if (c->exit == 0)
		c->exit = f.exit;
	if (output_is_document(c))
		print_document(c, ch, &f, why);
	else if (c->format == FORMAT_NAME)
		printf("%" PRId64 "\n", field_int(f.plan, "id", 0));
	else if (f.exit == CLI_OK)
		print_success(c, ch, &f);
	else
		print_open_end(c, ch, &f, why);
	return 0;
}

/* The placements, each with the forecast of its base as "peak". */
static json_t *placements_with_peaks(const json_t *plan) {
	JSON_AUTO peaks = json_object();
	const json_t *told = field_get(plan, "forecast.peaks");
	for (size_t i = 0; i < json_array_size(told); i++)
		json_object_set(peaks, field_str(json_array_get(told, i), "base"), json_array_get(told, i));
	json_t *all = json_deep_copy(field_get(plan, "placements"));
	for (size_t i = 0; i < json_array_size(all); i++) {
		json_t *x = json_array_get(all, i), *peak = json_object_get(peaks, field_str(x, "base"));
		if (peak != NULL)
			json_object_set(x, "peak", peak);
	}
	return all;
}

static void print_placements(const struct cli *c, const json_t *plan) {
	static const struct column columns[] = {
		{ "BATCH", "batch", CELL_NUMBER, false },
		{ "BASE", "base", CELL_TEXT, false },
		{ "ACTION", "action", CELL_TEXT, false },
		{ "DEPLOYMENT", "deployment", CELL_TEXT, false },
		{ "PEAK UNITS", "peak.units/peak.limit", CELL_OF, false },
	};
	static const struct view view = {
		.message = "Placed", .key = "placements", .name = "base", .none = "nothing would change", .columns = columns, .n = 5
	};
	JSON_AUTO rows = placements_with_peaks(plan);
	output_list(c, &view, rows);
}

static void print_dry_run(const struct cli *c, const json_t *plan) {
	if (output_is_document(c) || c->format == FORMAT_NAME) {
		if (c->format != FORMAT_NAME)
			output_document(c, plan);
		return;
	}
	BUF_AUTO out = BUF_INIT;
	BUF_AUTO title = BUF_INIT;
	progress_title(plan, c->utf8, &title);
	text_add_clean(&out, buf_str(&title), false);
	size_t batches = json_array_size(field_get(plan, "batches"));
	buf_printf(&out, " in %zu %s; this is a preview, nothing was deployed\n", batches, batches == 1 ? "batch" : "batches");
	const json_t *notes = field_get(plan, "notes");
	for (size_t i = 0; i < json_array_size(notes); i++) {
		const char *note = json_string_value(json_array_get(notes, i));
		buf_add_str(&out, "  note: ");
		text_add_clean(&out, note != NULL ? note : "", false);
		buf_add_char(&out, '\n');
	}
	add_reasons(field_get(plan, "waitingFor"), true, "", &out);
	fputs(buf_str(&out), stdout);
	print_placements(c, plan);
}

static void print_accepted(const struct cli *c, const json_t *plan) {
	int64_t id = field_int(plan, "id", 0);
	if (output_is_document(c))
		output_document(c, plan);
	else if (c->format == FORMAT_NAME)
		printf("%" PRId64 "\n", id);
	else
		printf("plan %" PRId64 " %s; follow it with: berth plan watch %" PRId64 "\n", id, field_str(plan, "state"), id);
}

/* Nothing to do: the server answered 200 with a plan that changes nothing. */
static void print_already(const struct cli *c, const struct change *ch, const json_t *plan) {
	if (output_is_document(c)) {
		JSON_AUTO doc = json_pack("{s:s, s:i, s:s, s:[], s:[]}", "result", "unchanged", "exitCode", CLI_OK, "deployment",
		    deployment_of(ch, plan), "failedTasks", "verbs");
		if (plan != NULL)
			json_object_set_new(doc, "plan", json_deep_copy(plan));
		output_document(c, doc);
	} else if (c->format != FORMAT_NAME) {
		const char *note = json_string_value(json_array_get(field_get(plan, "notes"), 0));
		printf("%s: %s\n", deployment_of(ch, plan), note != NULL ? note : "everything is already so");
	}
}

int change_run(struct cli *c, const struct change *ch, struct err *err) {
	struct client *client;
	int r = cli_client(c, &client, err);
	if (r != 0)
		return r;
	REPLY_AUTO reply = { 0 };
	BUF_AUTO query = BUF_INIT;
	query_add_meta(&query, c);
	mono_t start = clock_mono(&clock_real);
	struct request q = { .method = ch->method, .path = ch->path, .query = buf_str(&query), .body = ch->body, .key = c->opt.key };
	r = client_call(client, &q, &reply, err);
	if (r != 0)
		return r;
	struct change_step steps[8];
	struct change told = *ch;
	size_t n = ch->n_steps < 7 ? ch->n_steps : 7;
	if (n > 0)
		memcpy(steps, ch->steps, n * sizeof *steps);
	steps[n++] = (struct change_step){ "accepted", "accepted", mono_diff(clock_mono(&clock_real), start) };
	told.steps = steps;
	told.n_steps = n;
	if (c->opt.dry_run)
		print_dry_run(c, reply.json);
	else if (reply.status == 200 && (field_int(reply.json, "id", 0) == 0 || strcmp(field_str(reply.json, "state"), "succeeded") == 0))
		print_already(c, ch, reply.json);
	else if (!c->opt.wait)
		print_accepted(c, reply.json);
	else
		return change_follow(c, reply.json, &told, err);
	return 0;
}
