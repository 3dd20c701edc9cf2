/* Load driver: requests from keep-alive connections, one after another on each.
 *
 * usage: rest ADDRESS TOKEN CLIENTS REQUESTS PATH [NAME BODY]
 *   TOKEN "-": none. With BODY a POST, see body_make(); without, a GET. REQUESTS 0: until it is killed, and any answer will do.
 * prints: rest REQUESTS US P50_US P99_US */
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "db.h"
#include "request.h"

struct load {
	const char *path, *token, *name, *body;
	int next;
};

static void send_next(struct load *l, struct client *c) {
	char body[2048];
	if (l->body != NULL)
		body_make(body, sizeof body, l->body, l->name, l->next);
	l->next++;
	client_send(c, l->path, l->token, l->body == NULL ? NULL : body);
}

int main(int argc, char **argv) {
	if (argc != 6 && argc != 8)
		die("usage", "rest ADDRESS TOKEN CLIENTS REQUESTS PATH [NAME BODY]");
	int clients = (int)strtol(argv[3], NULL, 10), requests = (int)strtol(argv[4], NULL, 10), done = 0;
	struct load l = { argv[5], strcmp(argv[2], "-") == 0 ? NULL : argv[2], argc == 8 ? argv[6] : NULL, argc == 8 ? argv[7] : NULL, 0 };
	struct client *c = calloc((size_t)clients, sizeof *c);
	struct pollfd *fds = calloc((size_t)clients, sizeof *fds);
	int64_t *took = calloc((size_t)requests + 1, sizeof *took);
	if (c == NULL || fds == NULL || took == NULL)
		die("rest", "no memory");
	for (int i = 0; i < clients; i++) {
		client_connect(&c[i], argv[1]);
		fds[i] = (struct pollfd){ c[i].fd, POLLIN, 0 };
	}
	int64_t begun = now_us();
	for (int i = 0; i < clients; i++)
		send_next(&l, &c[i]);
	while (done < requests || requests == 0) {
		poll(fds, (nfds_t)clients, -1);
		for (int i = 0; i < clients; i++) {
			if (fds[i].revents == 0 || !client_receive(&c[i], false))
				continue;
			if (requests > 0 && c[i].status / 100 != 2)
				die("a request was refused", c[i].in);
			if (done < requests)
				took[done++] = now_us() - c[i].sent_us;
			if (l.next < requests || requests == 0)
				send_next(&l, &c[i]);
		}
	}
	int64_t us = now_us() - begun, p99 = percentile(took, (size_t)done, 0.99), p50 = percentile(took, (size_t)done, 0.5);
	printf("rest %d %lld %lld %lld\n", done, (long long)us, (long long)p50, (long long)p99);
	return 0;
}
