/* Following one plan. The stream of events says when something changed; the plan itself is then read again, so that what is shown is
 * always one consistent document of the server, and no event has to be understood here. A slow look every few seconds is for reasons
 * that have no event of their own (who waits for whom).
 *
 * A server that goes away ends the stream: it is opened again with backoff at the next address, from the last number seen. */
#include "cli/follow.h"

#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/arena.h"
#include "base/err.h"
#include "base/rng.h"
#include "base/secret.h"
#include "cli/cli.h"
#include "cli/client.h"
#include "cli/field.h"
#include "cli/progress.h"
#include "cli/query.h"
#include "cli/render.h"
#include "cli/sse.h"
#include "cli/text.h"
#include "loop/loop.h"

#define LOOK_GAP (50 * US_PER_MS) /* between two readings of the plan, however many events come */
#define SLOW_LOOK (10 * US_PER_S)
#define REDRAW (125 * US_PER_MS)
#define FIRST_BACKOFF (100 * US_PER_MS)
#define MAX_BACKOFF (2 * US_PER_S)
#define AWAY_PATIENCE (600 * US_PER_S)

struct follower {
	struct cli *cli;
	struct client *client;
	int64_t id, after; /* plan, last event number seen */
	json_t *plan;
	const char *path;
	struct sse sse;
	struct stream *stream;
	struct exchange *look;
	struct timer reconnect, next_look, redraw, deadline;
	struct rng rng;
	mono_t start, last_look, away_since;
	int64_t backoff_us;
	bool active, dirty, away, away_said;
	int exit;
	char waiting[256]; /* last reason said as a line */
	struct render_screen screen;
	struct err fatal;
};

static FILE *line_out(const struct follower *f) {
	return f->cli->format == FORMAT_TABLE || f->cli->format == FORMAT_WIDE ? stdout : stderr;
}

static void say_line(const struct follower *f, const char *time, const char *text) {
	BUF_AUTO line = BUF_INIT;
	wall_t at;
	struct tm tm;
	char clock[16] = "";
	if (f->cli->opt.quiet)
		return;
	time_t s = (wall_parse(time, &at) ? at.us : clock_wall(&clock_real).us) / US_PER_S;
	if (localtime_r(&s, &tm) != NULL)
		strftime(clock, sizeof clock, "%H:%M:%S ", &tm);
	buf_add_str(&line, clock);
	text_add_clean(&line, text, false);
	buf_add_char(&line, '\n');
	fputs(buf_str(&line), line_out(f));
	fflush(line_out(f));
}

static void draw(struct follower *f) {
	if (!f->cli->live || f->cli->opt.quiet)
		return;
	BUF_AUTO out = BUF_INIT;
	char span[32];
	struct render_look look = { .color = f->cli->color_err, .utf8 = f->cli->utf8, .columns = (size_t)f->cli->columns, .bases = 8 };
	render_plan(f->plan, &look, clock_wall(&clock_real).us, &out);
	if (f->away)
		buf_printf(&out, "  no server answers since %s; the plan goes on by itself\n",
		    text_span(mono_diff(clock_mono(&clock_real), f->away_since), span));
	else
		buf_add_str(&out, f->cli->color_err ? "\033[2m  Ctrl-C stops watching; the plan goes on\033[0m\n"
		                                    : "  Ctrl-C stops watching; the plan goes on\n");
	render_draw(&f->screen, buf_str(&out));
}

static void stop_when_idle(struct follower *f) {
	if (!f->active && f->stream == NULL && f->look == NULL)
		loop_stop(f->cli->loop);
}

static void end(struct follower *f, int exit) {
	if (!f->active)
		return;
	f->active = false;
	f->exit = exit;
	timer_cancel(&f->reconnect);
	timer_cancel(&f->next_look);
	timer_cancel(&f->redraw);
	timer_cancel(&f->deadline);
	if (f->stream != NULL)
		client_stream_cancel(f->stream);
	if (f->look != NULL)
		client_cancel(f->look);
	stop_when_idle(f);
}

/* The same reason with another count-down is no change. */
static bool same_but_numbers(const char *a, const char *b) {
	while (*a != '\0' || *b != '\0') {
		a += strspn(a, "0123456789.");
		b += strspn(b, "0123456789.");
		if (*a != *b)
			return false;
		a += *a != '\0';
		b += *b != '\0';
	}
	return true;
}

static void say_waiting(struct follower *f) {
	const json_t *w = json_array_get(field_get(f->plan, "waitingFor"), 0);
	const char *text = field_str(w, "text"), *command = field_str(w, "command");
	char line[sizeof f->waiting];
	bool at_work = strcmp(field_str(w, "rule"), "at_work") == 0; /* what the events tell anyway */
	if (*text == '\0' || f->cli->live || at_work)
		return;
	snprintf(line, sizeof line, "waits: %s%s%s", text, *command != '\0' ? "; next: " : "", command);
	if (same_but_numbers(line, f->waiting))
		return;
	memcpy(f->waiting, line, sizeof line);
	say_line(f, "", line);
}

static void take_plan(struct follower *f, json_t *plan) {
	json_decref(f->plan);
	f->plan = plan;
	say_waiting(f);
	draw(f);
	int exit = progress_exit(plan);
	if (exit != PROGRESS_GOING)
		end(f, exit);
}

static void look_soon(struct follower *f);

static void came_back(struct follower *f) {
	if (f->away && f->away_said && !f->cli->live)
		say_line(f, "", "the server is back");
	f->away = f->away_said = false;
	f->backoff_us = FIRST_BACKOFF;
}

/* Being away is no error until patience is used up: the plan does not need us. */
static void went_away(struct follower *f) {
	char span[32];
	mono_t now = clock_mono(&clock_real);
	if (!f->away) {
		f->away = true;
		f->away_since = now;
	}
	int64_t patience = cli_given(f->cli, "retry-for") ? f->cli->opt.retry_us : AWAY_PATIENCE;
	if (mono_diff(now, f->away_since) > patience) {
		err_set(&f->fatal, E_UNAVAILABLE,
		    "no server answered for %s; plan %" PRId64 " goes on by itself, follow it again with: berth plan watch %" PRId64,
		    text_span(mono_diff(now, f->away_since), span), f->id, f->id);
		end(f, CLI_AWAY);
		return;
	}
	if (!f->away_said && !f->cli->live && mono_diff(now, f->away_since) > US_PER_S) {
		f->away_said = true;
		say_line(f, "", "no server answers just now; the plan goes on by itself, trying to follow it again");
	}
}

static bool is_final(const struct err *err) {
	return err->code == E_NOT_FOUND || err->code == E_UNAUTHENTICATED || err->code == E_FORBIDDEN || err->code == E_INVALID;
}

static void on_looked(void *arg, struct reply *r, const struct err *err) {
	struct follower *f = arg;
	f->look = NULL;
	f->last_look = clock_mono(&clock_real);
	if (!f->active) {
		stop_when_idle(f);
		return;
	}
	if (err != NULL && is_final(err)) {
		f->fatal = *err;
		end(f, CLI_FAILED);
		return;
	}
	if (err != NULL) {
		f->dirty = true;
		went_away(f);
		draw(f);
	} else {
		came_back(f);
		take_plan(f, r->json);
		r->json = NULL;
	}
	if (f->active && f->dirty)
		look_soon(f);
	else if (f->active)
		timer_set(&f->next_look, SLOW_LOOK);
}

static void look_now(void *arg) {
	struct follower *f = arg;
	f->dirty = false;
	struct request q = { .method = "GET", .path = f->path };
	f->look = client_start(f->client, &q, on_looked, f);
}

static void look_soon(struct follower *f) {
	if (f->look != NULL) {
		f->dirty = true; /* what is being read may be older than the event */
		return;
	}
	int64_t since = mono_diff(clock_mono(&clock_real), f->last_look);
	timer_set(&f->next_look, f->away ? US_PER_S : since >= LOOK_GAP ? 0 : LOOK_GAP - since);
}

static void say_event(const struct follower *f, const json_t *event) {
	if (f->cli->live)
		return;
	const char *text = field_str(event, "text");
	BUF_AUTO line = BUF_INIT;
	if (*text == '\0') {
		buf_printf(&line, "%s %s %s", field_str(event, "kind"), field_str(event, "base"), field_str(event, "module"));
		text = buf_str(&line);
	}
	say_line(f, field_str(event, "time"), text);
}

static int on_event(void *arg, const char *id, const char *name, const char *data, size_t n) {
	struct follower *f = arg;
	JSON_AUTO event = json_loadb(data, n, 0, NULL);
	int64_t number = field_int(event, "number", 0);
	if (strcmp(name, "error") == 0 && strcmp(field_str(event, "code"), "gone") == 0)
		f->after = field_int(f->plan, "lastEvent", 0); /* those in between are not kept any more */
	if (!json_is_object(event) || number == 0 || number <= f->after)
		return 0;
	f->after = number;
	say_event(f, event);
	look_soon(f);
	return 0;
}

static int on_piece(void *arg, const char *p, size_t n) {
	struct follower *f = arg;
	if (!f->active)
		return -1;
	came_back(f);
	return sse_feed(&f->sse, p, n);
}

static void on_stream_done(void *arg, const struct err *err) {
	struct follower *f = arg;
	f->stream = NULL;
	if (!f->active) {
		stop_when_idle(f);
		return;
	}
	if (err != NULL && err->code == E_GONE) {
		f->after = field_int(f->plan, "lastEvent", 0); /* older ones are not kept: go on from what the plan says */
	} else if (err != NULL && is_final(err)) {
		f->fatal = *err;
		end(f, CLI_FAILED);
		return;
	}
	if (err != NULL) {
		client_rotate(f->client);
		went_away(f);
	}
	if (f->active)
		timer_set(&f->reconnect, rng_jitter(&f->rng, f->backoff_us));
	f->backoff_us = f->backoff_us * 2 < MAX_BACKOFF ? f->backoff_us * 2 : MAX_BACKOFF;
}

static void start_stream(struct follower *f) {
	BUF_AUTO query = BUF_INIT;
	query_add_int(&query, "plan", f->id);
	query_add_int(&query, "after", f->after);
	struct request q = { .method = "GET", .path = "/v1/events:watch", .query = buf_str(&query) };
	sse_restart(&f->sse);
	f->stream = client_stream(f->client, &q, on_piece, on_stream_done, f);
}

static void on_reconnect(void *arg) {
	struct follower *f = arg;
	start_stream(f);
	look_soon(f);
}

static void on_redraw(void *arg) {
	struct follower *f = arg;
	draw(f);
	timer_set(&f->redraw, REDRAW);
}

static void on_deadline(void *arg) {
	end(arg, CLI_TIMEOUT);
}

static void on_interrupt(int signo, void *arg) {
	end(arg, CLI_INTERRUPTED);
}

static struct follower *follower_new(struct cli *c, struct client *client, const json_t *plan) {
	struct follower *f = arena_alloc(c->arena, sizeof *f); /* the signal's handler may look at it until the loop is gone */
	char id[24];
	uint64_t seed;
	*f = (struct follower){ .cli = c,
		.client = client,
		.id = field_int(plan, "id", 0),
		.after = field_int(plan, "lastEvent", 0),
		.active = true,
		.backoff_us = FIRST_BACKOFF,
		.screen = { .out = stderr },
		.start = clock_mono(&clock_real),
		.plan = json_deep_copy(plan) };
	snprintf(id, sizeof id, "%" PRId64, f->id);
	f->path = query_path(c->arena, "/v1/plans/%s", id);
	random_bytes(&seed, sizeof seed);
	rng_init(&f->rng, seed);
	sse_init(&f->sse, on_event, f);
	timer_init(&f->reconnect, c->loop, on_reconnect, f);
	timer_init(&f->next_look, c->loop, look_now, f);
	timer_init(&f->redraw, c->loop, on_redraw, f);
	timer_init(&f->deadline, c->loop, on_deadline, f);
	return f;
}

static void follower_deinit(struct follower *f) {
	timer_deinit(&f->reconnect);
	timer_deinit(&f->next_look);
	timer_deinit(&f->redraw);
	timer_deinit(&f->deadline);
	sse_deinit(&f->sse);
}

/* In a pipe the story should be whole: events that were committed with the last change may not have reached us before the plan did. */
static void say_rest(struct follower *f) {
	BUF_AUTO query = BUF_INIT;
	REPLY_AUTO r = { 0 };
	struct err ignored = ERR_INIT;
	if (f->cli->live || f->cli->opt.quiet || f->exit == CLI_INTERRUPTED || f->away)
		return;
	query_add_int(&query, "plan", f->id);
	query_add_int(&query, "after", f->after);
	query_add_int(&query, "limit", 1000);
	struct request q = { .method = "GET", .path = "/v1/events", .query = buf_str(&query) };
	if (client_call(f->client, &q, &r, &ignored) != 0)
		return; /* the result is known; its story can be read with `berth events` */
	json_t *events = json_object_get(r.json, "events");
	for (size_t i = 0; i < json_array_size(events); i++)
		say_event(f, json_array_get(events, i));
}

int follow_plan(struct cli *c, const json_t *plan, struct follow_result *ret, struct err *err) {
	struct client *client;
	int r = cli_client(c, &client, err);
	if (r != 0)
		return r;
	struct follower *f = follower_new(c, client, plan);
	f->exit = progress_exit(plan);
	if (f->exit == PROGRESS_GOING) {
		loop_on_signal(c->loop, SIGINT, on_interrupt, f);
		if (c->opt.timeout_us > 0)
			timer_set(&f->deadline, c->opt.timeout_us);
		if (c->live)
			timer_set(&f->redraw, REDRAW);
		say_waiting(f);
		start_stream(f);
		look_now(f);
		loop_run(c->loop);
	}
	f->active = false;
	render_clear(&f->screen);
	say_rest(f);
	follower_deinit(f);
	if (f->fatal.code != 0) {
		json_decref(f->plan);
		*err = f->fatal;
		return err->code;
	}
	*ret = (struct follow_result){ .exit = f->exit, .plan = f->plan, .elapsed_us = mono_diff(clock_mono(&clock_real), f->start) };
	return 0;
}
