/* What every command gets: format, colours, terminal, context, client. Called by main before the command runs. */
#include "cli/cli.h"

#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "base/buf.h"
#include "cli/client.h"
#include "cli/command.h"
#include "cli/context.h"
#include "cli/text.h"
#include "loop/loop.h"

static int set_format(struct cli *c, struct err *err) {
	static const char *const names[] = {
		[FORMAT_TABLE] = "table", [FORMAT_WIDE] = "wide", [FORMAT_JSON] = "json", [FORMAT_YAML] = "yaml", [FORMAT_NAME] = "name"
	};
	size_t n = sizeof names / sizeof *names;
	for (size_t i = 0; i < n; i++) {
		if (strcmp(names[i], c->opt.output) == 0) {
			c->format = (enum cli_format)i;
			return 0;
		}
	}
	const char *near = name_nearest(c->opt.output, names, n);
	return cli_usage(c, err, "--output %s is none of table, wide, json, yaml, name%s%s", c->opt.output,
	    near != NULL ? "; did you mean " : "", near != NULL ? near : "");
}

static int set_look(struct cli *c, struct err *err) {
	const char *when = c->opt.color, *no = getenv("NO_COLOR"), *term = getenv("TERM");
	bool dumb = term == NULL || strcmp(term, "dumb") == 0, out = isatty(STDOUT_FILENO), talk = isatty(STDERR_FILENO);
	struct winsize w;
	if (strcmp(when, "auto") != 0 && strcmp(when, "always") != 0 && strcmp(when, "never") != 0)
		return cli_usage(c, err, "--color %s is none of auto, always, never", when);
	bool always = strcmp(when, "always") == 0, never = strcmp(when, "never") == 0 || (no != NULL && *no != '\0' && !always);
	c->color = always || (!never && out && !dumb);
	c->color_err = always || (!never && talk && !dumb);
	c->columns = (talk || out) && ioctl(talk ? STDERR_FILENO : STDOUT_FILENO, TIOCGWINSZ, &w) == 0 && w.ws_col > 0 ? w.ws_col
	             : out || talk ? 80
	                           : 0;
	/* With its lines going into a pipe, somebody reads those; with a document at the end, the talk is free to be a picture. */
	bool people = c->format == FORMAT_TABLE || c->format == FORMAT_WIDE;
	c->live = talk && !dumb && (out || !people);
	return 0;
}

int cli_setup(struct cli *c, struct err *err) {
	int r = set_format(c, err);
	if (r == 0)
		r = set_look(c, err);
	return r;
}

int cli_context(struct cli *c, struct err *err) {
	if (c->has_context)
		return 0;
	int r = context_resolve(&c->opt, c->arena, &c->ctx, err);
	c->has_context = r == 0;
	return r;
}

int cli_client(struct cli *c, struct client **ret, struct err *err) {
	int r = cli_context(c, err);
	if (r == 0 && c->loop == NULL)
		r = loop_new(&c->loop, err);
	if (r == 0 && c->client == NULL)
		r = client_new(c, &c->client, err);
	if (r == 0)
		*ret = c->client;
	return r;
}

bool cli_given(const struct cli *c, const char *option) {
	return opt_origin(c->given, option) == OPT_FROM_ARG;
}

void cli_say(const struct cli *c, const char *fmt, ...) {
	if (c->opt.quiet)
		return;
	BUF_AUTO text = BUF_INIT;
	BUF_AUTO out = BUF_INIT;
	va_list ap;
	va_start(ap, fmt);
	buf_vprintf(&text, fmt, ap);
	va_end(ap);
	text_add_clean(&out, buf_str(&text), true);
	buf_add_char(&out, '\n');
	fputs(buf_str(&out), stderr);
}

int cli_usage(const struct cli *c, struct err *err, const char *fmt, ...) {
	char text[512];
	va_list ap;
	va_start(ap, fmt);
	vsnprintf(text, sizeof text, fmt, ap);
	va_end(ap);
	return err_set(err, E_INVALID, "%s; berth %s --help shows how", text, c->cmd->name);
}
