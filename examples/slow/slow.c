/* A module that takes its time to start: --seconds=N (3 when absent), as one that opens a database or warms a cache. */
#include <berth/module.h>
#include <stdlib.h>
#include <threads.h>

static int start(struct berth_run *run) {
	const char *text = berth_arg(run, "--seconds", "3");
	char *end;
	long seconds = strtol(text, &end, 10);
	if (end == text || *end || seconds < 0 || seconds > 3600)
		return berth_fail(run, "--seconds=%s is not a number of seconds from 0 to 3600", text);
	berth_log(run->host, BERTH_LOG_INFO, "warming up for %ld s", seconds);
	thrd_sleep(&(struct timespec){ .tv_sec = seconds }, NULL);
	return 0;
}

static void answer(struct berth_call *c) {
	berth_printf(c, 200, "slow %s is ready\n", c->host->version);
}

/* GET /slow/wait?ms=500: a request that stays inside for a while (a minute at most). */
static void wait_a_while(struct berth_call *c) {
	const char *text = berth_query(c, "ms");
	long ms = text ? strtol(text, NULL, 10) : 1000;
	if (ms < 0 || ms > 60000) {
		berth_printf(c, 400, "ms=%s is not a number of milliseconds from 0 to 60000\n", text);
		return;
	}
	thrd_sleep(&(struct timespec){ .tv_sec = ms / 1000, .tv_nsec = ms % 1000 * 1000000 }, NULL);
	berth_printf(c, 200, "waited %ld ms\n", ms);
}

static const struct berth_route routes[] = { { "GET", "/", answer }, { "GET", "/wait", wait_a_while }, { 0 } };

BERTH_MODULE("slow", "1.0.0", .description = "takes N s to start: --seconds=N", .start = start, .routes = routes);
