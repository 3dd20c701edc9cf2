/* Floor of deploy_p50 and deploy_p99: one deploy after another, in a straight line. An HTTP request; commit of the rows that place it; the
 * command on an agent's stream; its report; commit of the rows that say so; the acknowledgement. The answer goes out after the first
 * commit.
 *
 * usage: floor_deploy FROM TO AGENTS (two databases' conninfo: rows are read from one and written to the other) */
#include <arpa/inet.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "wire.h"
#include "work.h"

#define ANSWER "HTTP/1.1 202 Accepted\r\nContent-Type: application/json\r\nContent-Length: 2\r\n\r\n{}"

static int listen_http(int *ret_port) {
	struct sockaddr_in at = { .sin_family = AF_INET, .sin_addr = { htonl(INADDR_LOOPBACK) } };
	socklen_t n = sizeof at;
	int fd = socket(AF_INET, SOCK_STREAM, 0);
	if (bind(fd, (struct sockaddr *)&at, sizeof at) != 0 || listen(fd, 16) != 0 || getsockname(fd, (struct sockaddr *)&at, &n) != 0)
		die("listen", "refused");
	*ret_port = ntohs(at.sin_port);
	return fd;
}

/* One whole request, head and body; false at the end of the connection. */
static bool read_request(int fd) {
	char in[8192];
	size_t n = 0;
	for (;;) {
		ssize_t got = recv(fd, in + n, sizeof in - 1 - n, 0);
		if (got <= 0)
			return false;
		n += (size_t)got;
		in[n] = '\0';
		char *end = strstr(in, "\r\n\r\n"), *length = strstr(in, "Content-Length: ");
		if (end != NULL && length != NULL && n >= (size_t)(end + 4 - in) + strtoul(length + 16, NULL, 10))
			return true;
	}
}

static Berth__V1__AgentMessage *next_message(struct wire *w, struct peer **ret_peer) {
	size_t n;
	uint8_t *bytes = wire_next(w, 0, ret_peer, &n);
	Berth__V1__AgentMessage *m = bytes == NULL ? NULL : berth__v1__agent_message__unpack(NULL, n, bytes);
	free(bytes);
	return m;
}

static void send_command(struct peer *p) {
	Berth__V1__WantedModule module = BERTH__V1__WANTED_MODULE__INIT;
	Berth__V1__CommandItem item = BERTH__V1__COMMAND_ITEM__INIT, *items[] = { &item };
	Berth__V1__Command c = BERTH__V1__COMMAND__INIT;
	Berth__V1__ServerMessage m = BERTH__V1__SERVER_MESSAGE__INIT;
	module.module = (char *)(uintptr_t) "bench";
	module.version = (char *)(uintptr_t) "1.0.0";
	item.module = &module;
	item.has_task = item.has_generation = true;
	item.task = item.generation = 1;
	c.items = items;
	c.n_items = 1;
	m.kind_case = BERTH__V1__SERVER_MESSAGE__KIND_COMMAND;
	m.command = &c;
	wire_send(p, &m);
}

static void send_ack(struct peer *p, int64_t seq) {
	Berth__V1__Ack a = BERTH__V1__ACK__INIT;
	Berth__V1__ServerMessage m = BERTH__V1__SERVER_MESSAGE__INIT;
	a.has_committed_seq = true;
	a.committed_seq = seq;
	m.kind_case = BERTH__V1__SERVER_MESSAGE__KIND_ACK;
	m.ack = &a;
	wire_send(p, &m);
}

static void greet_all(struct wire *w, int agents) {
	struct peer *p;
	for (int acked = 0; acked < agents;) {
		Berth__V1__AgentMessage *m = next_message(w, &p);
		if (m != NULL && !wire_welcome(p, m)) {
			send_ack(p, m->report->seq);
			acked++;
		}
		if (m != NULL)
			berth__v1__agent_message__free_unpacked(m, NULL);
	}
}

static void deploy(struct wire *w, int http, PGconn *db, const struct work *work, int i) {
	struct peer *p = w->peers[i % w->n_peers];
	work_send_placed(work, db, i, 1);
	db_commit(db);
	send_command(p);
	if (send(http, ANSWER, sizeof ANSWER - 1, MSG_NOSIGNAL) < 0)
		die("answer", "not sent");
	Berth__V1__AgentMessage *m = next_message(w, &p);
	work_send_done(work, db, i, 1);
	db_commit(db);
	send_ack(p, m->report->seq);
	berth__v1__agent_message__free_unpacked(m, NULL);
}

int main(int argc, char **argv) {
	if (argc != 4)
		die("usage", "floor_deploy FROM TO AGENTS");
	struct work work;
	struct wire w;
	int port, listening = listen_http(&port);
	PGconn *db = db_open(argv[2]);
	work_load_deploys(&work, db_open(argv[1]));
	work_prepare(&work, db);
	wire_listen(&w);
	printf("rpc 127.0.0.1:%d\nrest 127.0.0.1:%d\n", w.port, port);
	fflush(stdout);
	greet_all(&w, (int)strtol(argv[3], NULL, 10));
	for (int i = 0;;) {
		int http = accept(listening, NULL, NULL);
		while (read_request(http))
			deploy(&w, http, db, &work, i++);
		close(http);
	}
}
