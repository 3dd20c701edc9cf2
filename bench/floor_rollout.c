/* Floor of rollout: every install of a wave committed, one message per base with all its modules, one report back, committed, acknowledged.
 * Placements go 1,000 units of work per transaction; reports are committed as they come, those that wait together.
 *
 * usage: floor_rollout FROM TO AGENTS MODULES; a line on its input begins it
 * prints: rollout INSTALLS US */
#include <stdio.h>
#include <stdlib.h>

#include "wire.h"
#include "work.h"

#define STEP 1000

static struct wire wire;
static struct work work;
static PGconn *db;
static int agents, modules;

static void send_ack(struct peer *p, int64_t seq) {
	Berth__V1__Ack a = BERTH__V1__ACK__INIT;
	Berth__V1__ServerMessage m = BERTH__V1__SERVER_MESSAGE__INIT;
	a.has_committed_seq = true;
	a.committed_seq = seq;
	m.kind_case = BERTH__V1__SERVER_MESSAGE__KIND_ACK;
	m.ack = &a;
	wire_send(p, &m);
}

static void send_command(struct peer *p, Berth__V1__CommandItem **items) {
	Berth__V1__Command c = BERTH__V1__COMMAND__INIT;
	Berth__V1__ServerMessage m = BERTH__V1__SERVER_MESSAGE__INIT;
	c.items = items;
	c.n_items = (size_t)modules;
	m.kind_case = BERTH__V1__SERVER_MESSAGE__KIND_COMMAND;
	m.command = &c;
	wire_send(p, &m);
}

static Berth__V1__AgentMessage *next_message(int64_t until_us, struct peer **ret_peer) {
	size_t n;
	uint8_t *bytes = wire_next(&wire, until_us, ret_peer, &n);
	Berth__V1__AgentMessage *m = bytes == NULL ? NULL : berth__v1__agent_message__unpack(NULL, n, bytes);
	free(bytes);
	return m;
}

static void greet_all(void) {
	struct peer *p;
	for (int acked = 0; acked < agents;) {
		Berth__V1__AgentMessage *m = next_message(0, &p);
		if (m != NULL && !wire_welcome(p, m)) {
			send_ack(p, m->report->seq);
			acked++;
		}
		if (m != NULL)
			berth__v1__agent_message__free_unpacked(m, NULL);
	}
}

static void place_all(int installs) {
	for (int i = 0; i < installs; i += STEP) {
		work_send_placed(&work, db, i, i + STEP < installs ? STEP : installs - i);
		db_commit(db);
	}
}

static void command_all(void) {
	Berth__V1__WantedModule module = BERTH__V1__WANTED_MODULE__INIT;
	Berth__V1__CommandItem item = BERTH__V1__COMMAND_ITEM__INIT, **items = calloc((size_t)modules, sizeof *items);
	module.module = (char *)(uintptr_t) "bench";
	module.version = (char *)(uintptr_t) "1.0.0";
	item.module = &module;
	item.has_task = item.has_generation = true;
	for (int i = 0; i < modules; i++)
		items[i] = &item;
	for (int i = 0; i < agents; i++)
		send_command(wire.peers[i], items);
}

/* Reports that are there, at least one; then one commit for all of them. */
static int take_reports(int done) {
	static struct peer *peers[STEP];
	static int64_t seqs[STEP];
	int n = 0;
	do {
		Berth__V1__AgentMessage *m = next_message(n == 0 ? 0 : 1, &peers[n]);
		if (m == NULL)
			break;
		seqs[n++] = m->report->seq;
		berth__v1__agent_message__free_unpacked(m, NULL);
	} while (n < STEP / modules);
	work_send_done(&work, db, done * modules, n * modules);
	db_commit(db);
	for (int i = 0; i < n; i++)
		send_ack(peers[i], seqs[i]);
	return n;
}

int main(int argc, char **argv) {
	if (argc != 5)
		die("usage", "floor_rollout FROM TO AGENTS MODULES");
	db = db_open(argv[2]);
	agents = (int)strtol(argv[3], NULL, 10);
	modules = (int)strtol(argv[4], NULL, 10);
	work_load_installs(&work, db_open(argv[1]));
	work_prepare(&work, db);
	wire_listen(&wire);
	printf("rpc 127.0.0.1:%d\n", wire.port);
	fflush(stdout);
	greet_all();
	getchar();
	int64_t begun = now_us();
	place_all(agents * modules);
	command_all();
	for (int done = 0; done < agents;)
		done += take_reports(done);
	printf("rollout %d %lld\n", agents * modules, (long long)(now_us() - begun));
	return 0;
}
