/* berth why WHAT: a deployment (on a base), a plan, a base or an instance: what it waits for, since when, on whom, and the command that
 * would let it go on; of what is missing all that is known. */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/arena.h"
#include "base/clock.h"
#include "base/err.h"
#include "cli/cli.h"
#include "cli/client.h"
#include "cli/commands.h"
#include "cli/field.h"
#include "cli/output.h"
#include "cli/progress.h"
#include "cli/query.h"
#include "cli/report.h"
#include "cli/text.h"

static void add_line(struct buf *out, const char *label, const char *text) {
	if (*text == '\0')
		return;
	buf_add_str(out, label);
	text_add_clean(out, text, false);
	buf_add_char(out, '\n');
}

static const char *ago(const json_t *o, const char *field, char buf[32]) {
	wall_t at;
	if (!field_time(o, field, &at))
		return "";
	return text_span(clock_wall(&clock_real).us - at.us, buf);
}

static void add_wait(const json_t *w, struct buf *out) {
	char span[32];
	const char *since = ago(w, "since", span);
	buf_add_str(out, "  waits: ");
	text_add_clean(out, *field_str(w, "text") != '\0' ? field_str(w, "text") : field_str(w, "rule"), false);
	if (*since != '\0')
		buf_printf(out, " (since %s)", since);
	buf_add_char(out, '\n');
	add_line(out, "  next:  ", field_str(w, "command"));
}

/* "  12 bases full, as n1, n2: 5 of 5 units      berth base set n1 --limit 6" */
static void add_refusal(const json_t *r, struct buf *out) {
	BUF_AUTO line = BUF_INIT;
	const json_t *examples = field_get(r, "examples");
	buf_printf(
	    &line, "%" PRId64 " %s: %s", field_int(r, "bases", 0), field_int(r, "bases", 0) == 1 ? "base" : "bases", field_str(r, "text"));
	if (json_array_size(examples) > 0) {
		buf_add_str(&line, " (");
		field_add_text(examples, &line);
		buf_add_str(&line, field_int(r, "bases", 0) > (int64_t)json_array_size(examples) ? ", …)" : ")");
	}
	add_line(out, "  ", buf_str(&line));
	add_line(out, "    next: ", field_str(r, "command"));
}

/* "orders:3.1.0 on n3 is missing: its base n3 is silent", and below it what is known. */
static void add_account(const json_t *x, struct buf *out) {
	BUF_AUTO line = BUF_INIT;
	char span[32];
	buf_printf(&line, "%s:%s on %s is %s", field_str(x, "instance.module"), field_str(x, "instance.version"),
	    field_str(x, "instance.base"), field_str(x, "instance.state"));
	if (*field_str(x, "text") != '\0')
		buf_printf(&line, ": %s", field_str(x, "text"));
	add_line(out, "  ", buf_str(&line));
	buf_clear(&line);
	buf_printf(&line, "since %s ago", ago(x, "wantedSince", span));
	if (*field_str(x, "wantedBy") != '\0')
		buf_printf(&line, ", by %s", field_str(x, "wantedBy"));
	if (*field_str(x, "wantedReason") != '\0')
		buf_printf(&line, " (%s)", field_str(x, "wantedReason"));
	add_line(out, field_true(x, "instance.wanted") ? "    wanted:       " : "    on its way out: ", buf_str(&line));
	buf_clear(&line);
	if (*field_str(x, "lastCommand") != '\0')
		buf_printf(&line, "%s, %s ago", field_str(x, "lastCommand"), ago(x, "lastCommandTime", span));
	add_line(out, "    last command: ", buf_str(&line));
	add_line(out, "    last report:  ", field_str(x, "lastReport"));
	add_line(out, "    cause:        ", field_str(x, "cause"));
	buf_clear(&line);
	wall_t at;
	if (field_time(x, "nextTry", &at))
		buf_printf(&line, "in %s", text_span(at.us - clock_wall(&clock_real).us, span));
	add_line(out, "    next try:     ", buf_str(&line));
	add_line(out, "    next:         ", field_str(x, "next"));
}

static void add_all(const json_t *list, void (*add)(const json_t *x, struct buf *out), const char *title, struct buf *out) {
	if (json_array_size(list) > 0)
		buf_add_str(out, title);
	for (size_t i = 0; i < json_array_size(list); i++)
		add(json_array_get(list, i), out);
}

static void show_explained(struct cli *c, const json_t *x) {
	BUF_AUTO out = BUF_INIT;
	add_line(&out, "", field_str(x, "summary"));
	add_all(field_get(x, "waitingFor"), add_wait, "", &out);
	add_all(field_get(x, "missing"), add_account, "Not as wanted:\n", &out);
	add_all(field_get(x, "refusals"), add_refusal, "One more instance would be refused by:\n", &out);
	fputs(buf_str(&out), stdout);
	output_part(c, "Bases that could take one more", &view_bases, field_get(x, "candidates"));
}

static void show_plan(struct cli *c, const json_t *plan) {
	BUF_AUTO out = BUF_INIT;
	BUF_AUTO line = BUF_INIT;
	(void)c;
	progress_line(plan, &line);
	add_line(&out, "", buf_str(&line));
	add_all(field_get(plan, "waitingFor"), add_wait, "", &out);
	report_add(plan, &out);
	progress_commands(plan, "  ", &out);
	fputs(buf_str(&out), stdout);
}

static void show_instance(struct cli *c, const json_t *x) {
	BUF_AUTO out = BUF_INIT;
	(void)c;
	add_account(x, &out);
	fputs(buf_str(&out), stdout);
}

/* What can be asked about, as "kind/name" or by what the name looks like. */
struct asked {
	const char *kind, *path;
	void (*show)(struct cli *c, const json_t *x);
};

static const struct asked kinds[] = {
	{ "plan", "/v1/plans/%s", show_plan },
	{ "deployment", "/v1/deployments/%s:explain", show_explained },
	{ "base", "/v1/bases/%s:explain", show_explained },
	{ "instance", "/v1/instances/%s:explain", show_instance },
};
enum { KIND_PLAN, KIND_DEPLOYMENT, KIND_BASE };
#define N_KINDS (sizeof kinds / sizeof *kinds)

static const struct asked *kind_of(const char *word, const char **ret_name) {
	const char *slash = strchr(word, '/');
	*ret_name = slash == NULL ? word : slash + 1;
	for (size_t i = 0; slash != NULL && i < N_KINDS; i++)
		if (strlen(kinds[i].kind) == (size_t)(slash - word) && strncmp(kinds[i].kind, word, strlen(kinds[i].kind)) == 0)
			return &kinds[i];
	if (slash != NULL)
		return NULL;
	return &kinds[strspn(word, "0123456789") == strlen(word) ? KIND_PLAN : KIND_DEPLOYMENT];
}

static int ask(struct cli *c, struct client *client, const struct asked *k, const char *name, struct err *err) {
	REPLY_AUTO reply = { 0 };
	BUF_AUTO query = BUF_INIT;
	if (k == &kinds[KIND_DEPLOYMENT])
		query_add(&query, "base", c->opt.base);
	struct request q = { .method = "GET", .path = query_path(c->arena, k->path, name), .query = buf_str(&query) };
	int r = client_call(client, &q, &reply, err);
	if (r != 0)
		return r;
	if (output_is_document(c))
		output_document(c, reply.json);
	else
		k->show(c, reply.json);
	return 0;
}

int cmd_why(struct cli *c, struct err *err) {
	struct client *client;
	const char *name;
	const struct asked *k = kind_of(c->argv[0], &name);
	if (k == NULL)
		return cli_usage(c, err, "'%.40s' is none of plan/N, deployment/NAME, base/NAME, instance/ID", c->argv[0]);
	int r = cli_client(c, &client, err);
	if (r != 0)
		return r;
	r = ask(c, client, k, name, err);
	if (r != E_NOT_FOUND || name != c->argv[0] || k != &kinds[KIND_DEPLOYMENT] || c->opt.base != NULL)
		return r;
	struct err of_base = ERR_INIT; /* no deployment of that name: perhaps a base */
	int b = ask(c, client, &kinds[KIND_BASE], name, &of_base);
	if (b == 0)
		*err = (struct err)ERR_INIT;
	return b == 0 ? 0 : r;
}
