/* Floor of rest_rate: POST, JSON parsed, the rows of one deploy each, group-committed, answered. While one commit is under way the requests
 * that come wait for the next.
 *
 * usage: floor_rest FROM TO */
#include <arpa/inet.h>
#include <jansson.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "work.h"

#define MAX_CLIENTS 256
#define ANSWER "HTTP/1.1 202 Accepted\r\nContent-Type: application/json\r\nContent-Length: 2\r\n\r\n{}"

struct conn {
	char in[8192];
	size_t n;
	enum { IDLE, WAITING, FLYING } state;
};

static struct pollfd fds[MAX_CLIENTS + 2]; /* the listener, the database, then the clients */
static struct conn conns[MAX_CLIENTS + 2];
static nfds_t n_fds = 2;

static void listen_http(void) {
	struct sockaddr_in at = { .sin_family = AF_INET, .sin_addr = { htonl(INADDR_LOOPBACK) } };
	socklen_t n = sizeof at;
	int fd = socket(AF_INET, SOCK_STREAM, 0);
	if (bind(fd, (struct sockaddr *)&at, sizeof at) != 0 || listen(fd, 128) != 0 || getsockname(fd, (struct sockaddr *)&at, &n) != 0)
		die("listen", "refused");
	fds[0] = (struct pollfd){ fd, POLLIN, 0 };
	printf("rest 127.0.0.1:%d\n", ntohs(at.sin_port));
	fflush(stdout);
}

/* True when a request is whole and its JSON parsed. */
static bool read_some(struct conn *c, int fd) {
	ssize_t got = recv(fd, c->in + c->n, sizeof c->in - 1 - c->n, MSG_DONTWAIT);
	if (got <= 0)
		return false;
	c->n += (size_t)got;
	c->in[c->n] = '\0';
	char *end = strstr(c->in, "\r\n\r\n"), *length = strstr(c->in, "Content-Length: ");
	size_t size = length == NULL ? 0 : strtoul(length + 16, NULL, 10);
	if (end == NULL || c->n < (size_t)(end + 4 - c->in) + size)
		return false;
	json_t *body = json_loadb(end + 4, size, 0, NULL);
	if (body == NULL)
		die("request", "no JSON");
	json_decref(body);
	c->n = 0;
	return true;
}

static void move_all(int from, int to, bool answer) {
	for (nfds_t i = 2; i < n_fds; i++) {
		if ((int)conns[i].state != from)
			continue;
		conns[i].state = to;
		if (answer && send(fds[i].fd, ANSWER, sizeof ANSWER - 1, MSG_NOSIGNAL) < 0)
			die("answer", "not sent");
	}
}

int main(int argc, char **argv) {
	if (argc != 3)
		die("usage", "floor_rest FROM TO");
	struct work work;
	PGconn *db = db_open(argv[2]);
	int waiting = 0, next = 0;
	bool flying = false;
	work_load_deploys(&work, db_open(argv[1]));
	work_prepare(&work, db);
	fds[1] = (struct pollfd){ PQsocket(db), POLLIN, 0 };
	listen_http();
	for (;;) {
		poll(fds, n_fds, -1);
		if (flying && db_commit_done(db)) {
			flying = false;
			move_all(FLYING, IDLE, true);
		}
		for (nfds_t i = 2; i < n_fds; i++)
			if (fds[i].revents != 0 && conns[i].state == IDLE && read_some(&conns[i], fds[i].fd)) {
				conns[i].state = WAITING;
				waiting++;
			}
		if (fds[0].revents != 0 && n_fds < MAX_CLIENTS + 2)
			fds[n_fds++] = (struct pollfd){ accept(fds[0].fd, NULL, NULL), POLLIN, 0 };
		if (flying || waiting == 0)
			continue;
		work_send_placed(&work, db, next, waiting);
		db_commit_begin(db);
		next += waiting;
		waiting = 0;
		flying = true;
		move_all(WAITING, FLYING, false);
	}
}
