/* berth doctor: every link between this terminal and the bases, one line each: ok, warn or fail, and what mends it. */
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "base/arena.h"
#include "base/err.h"
#include "cli/cli.h"
#include "cli/client.h"
#include "cli/commands.h"
#include "cli/context.h"
#include "cli/field.h"
#include "cli/output.h"
#include "cli/resource.h"
#include "cli/text.h"

#define SKEW_WARN (5 * US_PER_S)

struct doctor {
	struct cli *c;
	struct client *client;
	json_t *lines; /* for -o json */
	int failed;
};

/* state: "ok", "warn" or "fail". mend: NULL when there is nothing to mend. */
static void line(struct doctor *d, const char *state, const char *what, const char *mend, const char *fmt, ...)
    __attribute__((format(printf, 5, 6)));
static void line(struct doctor *d, const char *state, const char *what, const char *mend, const char *fmt, ...) {
	BUF_AUTO text = BUF_INIT;
	BUF_AUTO out = BUF_INIT;
	va_list ap;
	va_start(ap, fmt);
	buf_vprintf(&text, fmt, ap);
	va_end(ap);
	d->failed += strcmp(state, "fail") == 0;
	json_array_append_new(
	    d->lines, json_pack("{s:s, s:s, s:s, s:s*}", "state", state, "what", what, "text", buf_str(&text), "next", mend));
	if (output_is_document(d->c))
		return;
	enum style s = d->c->color ? text_state_style(state) : STYLE_NONE;
	buf_printf(&out, "%s%-5s%s %-10s ", text_style_on(s), state, text_style_off(s), what);
	text_add_clean(&out, buf_str(&text), false);
	buf_add_char(&out, '\n');
	if (mend != NULL) {
		buf_add_str(&out, "                 next: ");
		text_add_clean(&out, mend, false);
		buf_add_char(&out, '\n');
	}
	fputs(buf_str(&out), stdout);
	fflush(stdout);
}

static void check_context(struct doctor *d) {
	const struct context *x = &d->c->ctx;
	if (*x->name != '\0')
		line(d, "ok", "context", NULL, "%s, from %s", x->name, context_path(d->c->arena));
	else
		line(d, "warn", "context", "berth context set local --address HOST:PORT --token TOKEN",
		    "none; options, environment and defaults are used");
}

/* The clock of the server as its answers tell it, to the second. Leases and deadlines stand it; tokens with an end and logs do not. */
static void check_clock(struct doctor *d, const char *date) {
	struct tm tm = { 0 };
	char span[32];
	if (*date == '\0' || strptime(date, "%a, %d %b %Y %H:%M:%S GMT", &tm) == NULL)
		return;
	int64_t skew = clock_wall(&clock_real).us - (int64_t)timegm(&tm) * US_PER_S;
	int64_t size = skew < 0 ? -skew : skew;
	if (size > SKEW_WARN)
		line(d, "warn", "clock", "timedatectl set-ntp true (on the machine whose clock is wrong)",
		    "this machine is %s %s the server", text_span(size, span), skew > 0 ? "ahead of" : "behind");
	else
		line(d, "ok", "clock", NULL, "this machine and the server agree");
}

static void check_address(struct doctor *d, size_t i) {
	struct probe p;
	struct err e = ERR_INIT;
	char span[32];
	const char *address = client_address_at(d->client, i);
	if (client_probe(d->client, i, "/livez", &p, &e) != 0) {
		line(d, "fail", "address", "start berthd there, or correct the address: berth context set NAME --address HOST:PORT",
		    "%s: %s", address, e.text);
		return;
	}
	line(d, p.status == 200 ? "ok" : "fail", "address",
	    p.status == 200 ? NULL : "is that a Berth server? another program may have the port", "%s answers in %s", address,
	    text_span(p.elapsed_us, span));
	if (i == 0)
		check_clock(d, p.date);
	if (client_probe(d->client, i, "/readyz", &p, &e) != 0)
		return;
	if (p.status == 200)
		line(d, "ok", "readiness", NULL, "%s serves reads and writes: it is active, its database answers", address);
	else
		line(d, "fail", "readiness", "look at that server's log; a standby is fine when another address is active",
		    "%s answers %d: %.*s", address, p.status, (int)strcspn(p.text, "\r\n"), p.text);
}

/* One call shows whether the token is taken, the cell is well and both programs fit. */
static bool check_status(struct doctor *d, json_t **ret) {
	struct err e = ERR_INIT;
	int r = resource_get(d->c, "/v1/status", ret, &e);
	if (r == E_UNAUTHENTICATED || r == E_FORBIDDEN) {
		line(d, "fail", "token", "berth context set NAME --token TOKEN; the first one is in DATA/admin.token", "%s", e.text);
		return false;
	}
	if (r != 0) {
		line(d, "fail", "status", NULL, "%s", e.text);
		return false;
	}
	if (d->c->ctx.token != NULL)
		line(d, "ok", "token", NULL, "accepted");
	else
		line(d, "warn", "token", "berth context set NAME --token TOKEN", "none is sent; this server answers without one");
	return true;
}

static void check_version(struct doctor *d, const json_t *s) {
	const char *server = field_str(s, "version");
	if (strcmp(server, BERTH_VERSION) == 0)
		line(d, "ok", "version", NULL, "server and command line are both %s", server);
	else
		line(d, "warn", "version", "install the same release; one apart is fine", "server %s, command line %s", server,
		    BERTH_VERSION);
	if (field_true(s, "readOnly"))
		line(d, "fail", "database", "the server's log and docs tell how to accept or replace this database", "read-only: %s",
		    field_str(s, "readOnlyReason"));
}

static void check_bases(struct doctor *d, const json_t *s) {
	int64_t bases = field_int(s, "bases", 0), ready = field_int(s, "readyBases", 0), used = field_int(s, "unitsUsed", 0),
	        limit = field_int(s, "unitsLimit", 0);
	if (bases == 0)
		line(d, "warn", "bases",
		    "berth token create NAME --role join --group GROUP, then: berth-agent --server HOST:7778 --token-file FILE -- "
		    "berth-base",
		    "none has joined");
	else if (ready < bases)
		line(d, "warn", "bases", "berth base list", "%" PRId64 " of %" PRId64 " ready", ready, bases);
	else
		line(d, "ok", "bases", NULL, "all %" PRId64 " ready", bases);
	if (bases > 0 && used >= limit)
		line(d, "warn", "room", "more bases, or berth group set GROUP --limit N", "every unit is used: %" PRId64 " of %" PRId64,
		    used, limit);
	else if (bases > 0)
		line(d, "ok", "room", NULL, "%" PRId64 " of %" PRId64 " units used", used, limit);
	size_t n = json_array_size(field_get(s, "attention"));
	if (n > 0)
		line(d, "warn", "fleet", "berth status", "%zu %s not as wanted", n, n == 1 ? "thing is" : "things are");
	else
		line(d, "ok", "fleet", NULL, "everything is as wanted");
}

int cmd_doctor(struct cli *c, struct err *err) {
	struct doctor d = { .c = c };
	json_t *status = NULL;
	int r = cli_client(c, &d.client, err);
	if (r != 0)
		return r;
	d.lines = json_array();
	check_context(&d);
	for (size_t i = 0; i < client_addresses(d.client); i++)
		check_address(&d, i);
	if (check_status(&d, &status)) {
		check_version(&d, status);
		check_bases(&d, status);
	}
	json_decref(status);
	if (output_is_document(c))
		output_document(c, d.lines);
	json_decref(d.lines);
	c->exit = d.failed > 0 ? CLI_FAILED : CLI_OK;
	return 0;
}
