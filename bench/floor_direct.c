/* Floor of direct: every install committed, one HTTP call per module and base on a connection of its own, read to its end, committed. Each
 * base gets its modules one after the other, all bases at once. Placements go 1,000 units of work per transaction; outcomes that wait
 * together share one.
 *
 * usage: floor_direct FROM TO MODULES PORT…; a line on its input begins it
 * prints: direct INSTALLS US */
#include <netinet/in.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "work.h"

#define STEP 1000

struct way {
	int port, next; /* the module it is at */
	size_t n;       /* bytes of the answer */
	char answer[4096];
};

static struct work work;
static PGconn *db;
static struct way *ways;
static struct pollfd *fds;
static int bases, modules;

static void place_all(void) {
	int installs = bases * modules;
	for (int i = 0; i < installs; i += STEP) {
		work_send_placed(&work, db, i, i + STEP < installs ? STEP : installs - i);
		db_commit(db);
	}
}

static int call_begin(const struct way *w) {
	struct sockaddr_in to = { .sin_family = AF_INET, .sin_port = htons((uint16_t)w->port), .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	char body[256], request[512];
	int n = snprintf(
	    body, sizeof body, "{\"bizName\":\"bench-%d\",\"bizVersion\":\"1.0.0\",\"bizUrl\":\"http://127.0.0.1/bench.jar\"}", w->next);
	int len = snprintf(request, sizeof request,
	    "POST /installBiz HTTP/1.1\r\nHost: 127.0.0.1:%d\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n%s", w->port, n,
	    body);
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (fd < 0 || connect(fd, (struct sockaddr *)&to, sizeof to) != 0 || write(fd, request, (size_t)len) != len)
		die("calling a base", "it does not take the call");
	return fd;
}

static void begin(int i) {
	ways[i].n = 0;
	fds[i] = (struct pollfd){ .fd = ways[i].next < modules ? call_begin(&ways[i]) : -1, .events = POLLIN };
}

/* True: the answer is whole, and says that it is installed. */
static bool read_some(int i) {
	struct way *w = &ways[i];
	ssize_t n = read(fds[i].fd, w->answer + w->n, sizeof w->answer - 1 - w->n);
	if (n < 0)
		die("reading an answer", "the connection broke");
	w->n += (size_t)n;
	w->answer[w->n] = '\0';
	if (n > 0)
		return false;
	close(fds[i].fd);
	if (strstr(w->answer, "SUCCESS") == NULL)
		die("an install failed", w->answer);
	return true;
}

/* What is there, at least one; the next calls go out while it is committed. */
static int take_answers(void) {
	int n = 0;
	while (n == 0) {
		if (poll(fds, (nfds_t)bases, -1) < 0)
			die("poll", "failed");
		for (int i = 0; i < bases; i++)
			if (fds[i].revents != 0 && read_some(i)) {
				ways[i].next++;
				begin(i);
				n++;
			}
	}
	return n;
}

int main(int argc, char **argv) {
	if (argc < 5)
		die("usage", "floor_direct FROM TO MODULES PORT…");
	db = db_open(argv[2]);
	modules = (int)strtol(argv[3], NULL, 10);
	bases = argc - 4;
	ways = calloc((size_t)bases, sizeof *ways);
	fds = calloc((size_t)bases, sizeof *fds);
	if (ways == NULL || fds == NULL)
		die("memory", "there is none");
	work_load_installs(&work, db_open(argv[1]));
	work_prepare(&work, db);
	printf("ready\n");
	fflush(stdout);
	getchar();
	int64_t begun = now_us();
	place_all();
	for (int i = 0; i < bases; i++) {
		ways[i].port = (int)strtol(argv[4 + i], NULL, 10);
		begin(i);
	}
	for (int done = 0; done < bases * modules;) {
		int n = take_answers();
		work_send_done(&work, db, done, n);
		db_commit(db);
		done += n;
	}
	printf("direct %d %lld\n", bases * modules, (long long)(now_us() - begun));
	return 0;
}
