/* Load driver: a fleet of agents without bases, told what to do line by line on its standard input. It prints one line per command:
 *
 *   welcome          → welcomed AGENTS US           all streams opened and welcomed, since the start of opening them
 *   ready            → ready AGENTS US              all bases ready, durably
 *   deploys ADDRESS TOKEN N NAME BODY → deploys N P50_US P99_US   one at a time, each from the request to the acknowledged outcome;
 *                                       BODY is the rest of the line, see body_make()
 *   beats N          → beats MESSAGES US            N heartbeats each; then the streams end
 *   count            → count COMMANDED ACKED        installs asked of them; of those, acknowledged as durable
 *   await N          → await N                      when so many were asked
 *
 * usage: agents SERVER TOKEN PREFIX AGENTS STREAMS [mute | LEAST_MS MOST_MS] */
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "db.h"
#include "fleet.h"
#include "request.h"

#define PATIENCE_US (120 * INT64_C(1000000))

static void turn_until(struct fleet *f, const int *count, int enough) {
	int64_t end = now_us() + PATIENCE_US;
	while (*count < enough) {
		if (now_us() > end)
			die("agents", "what was waited for does not come");
		fleet_turn(f, 1000);
	}
}

static void deploys(struct fleet *f, const char *line) {
	char address[64], token[128], name[64], body[1024];
	int n, at;
	if (sscanf(line, "deploys %63s %127s %d %63s %n", address, token, &n, name, &at) != 4)
		die(line, "is not: deploys ADDRESS TOKEN N NAME BODY");
	struct client *c = malloc(sizeof *c);
	int64_t *took = calloc((size_t)n, sizeof *took);
	if (c == NULL || took == NULL)
		die("deploys", "no memory");
	client_connect(c, address);
	for (int i = 0; i < n; i++) {
		int64_t before = f->acked, begun = now_us();
		body_make(body, sizeof body, line + at, name, i);
		client_send(c, "/v1/deployments", token, body);
		while (f->acked == before && now_us() < begun + PATIENCE_US)
			fleet_turn(f, 1000);
		took[i] = now_us() - begun;
		client_receive(c, true);
		if (c->status / 100 != 2)
			die("a deploy was refused", c->in);
	}
	int64_t p99 = percentile(took, (size_t)n, 0.99), p50 = percentile(took, (size_t)n, 0.5);
	printf("deploys %d %lld %lld\n", n, (long long)p50, (long long)p99);
	close(c->fd);
	free(took);
	free(c);
}

static void command(struct fleet *f, const char *line, int64_t started) {
	int64_t begun = now_us();
	int n;
	if (strcmp(line, "welcome") == 0) {
		turn_until(f, &f->welcomed, f->o.agents);
		printf("welcomed %d %lld\n", f->welcomed, (long long)(now_us() - started));
	} else if (strcmp(line, "ready") == 0) {
		fleet_say_ready(f);
		turn_until(f, &f->ready, f->o.agents);
		printf("ready %d %lld\n", f->ready, (long long)(now_us() - begun));
	} else if (strncmp(line, "deploys ", 8) == 0) {
		deploys(f, line);
	} else if (sscanf(line, "beats %d", &n) == 1) {
		fleet_beat(f, n);
		turn_until(f, &f->gone, f->o.agents);
		printf("beats %d %lld\n", n * f->o.agents, (long long)(now_us() - begun));
	} else if (strcmp(line, "count") == 0) {
		printf("count %lld %lld\n", (long long)f->commanded, (long long)f->acked);
	} else if (sscanf(line, "await %d", &n) == 1) {
		while (f->commanded < n && now_us() < begun + PATIENCE_US)
			fleet_turn(f, 1000);
		printf("await %lld\n", (long long)f->commanded);
	} else {
		die(line, "is no command");
	}
	fflush(stdout);
}

/* False at the end of the input. */
static bool read_line(char *line, size_t size) {
	if (fgets(line, (int)size, stdin) == NULL)
		return false;
	line[strcspn(line, "\n")] = '\0';
	return true;
}

int main(int argc, char **argv) {
	if (argc < 6)
		die("usage", "agents SERVER TOKEN PREFIX AGENTS STREAMS [mute | LEAST_MS MOST_MS]");
	struct fleet_options o = { .server = argv[1], .token = argv[2], .prefix = argv[3] };
	struct fleet f;
	char line[2048];
	o.agents = (int)strtol(argv[4], NULL, 10);
	o.streams = (int)strtol(argv[5], NULL, 10);
	o.mute = argc == 7;
	o.least_us = argc == 8 ? strtol(argv[6], NULL, 10) * 1000 : 0;
	o.most_us = argc == 8 ? strtol(argv[7], NULL, 10) * 1000 : 0;
	fleet_init(&f, &o);
	setvbuf(stdin, NULL, _IONBF, 0);
	struct pollfd in = { .fd = STDIN_FILENO, .events = POLLIN };
	int64_t started = now_us();
	for (;;) {
		if (poll(&in, 1, 0) > 0) {
			if (!read_line(line, sizeof line))
				return 0;
			command(&f, line, started);
		}
		fleet_turn(&f, 10000);
	}
}
