/* The agent's brain against a server and a base made of a few lines: what is refused, joined, repeated, restored, set aside. */
#include "brain.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../../suite.h"
#include "base/arena.h"
#include "base/buf.h"
#include "base/err.h"
#include "berth/v1/agent.pb-c.h"
#include "proto/json.h"

#define MAX_LOG 256
#define MAX_BIZ 16

struct biz {
	char name[32], version[32];
	enum arklet_state state;
};

struct world {
	struct arena *arena;
	struct brain *brain;
	mono_t now;
	uint8_t *disk;
	size_t disk_len;
	bool disk_full;
	struct biz biz[MAX_BIZ];
	size_t n_biz;
	int installs, uninstalls, switches, starts, kills, dropped, exit_status, fetches;
	bool exited, hold_calls, hold_fetches, refuse_install, refuse_uninstall, deactivate_new, unreachable, lose_answer, ignore_term;
	enum arklet_verdict switch_verdict; /* ARKLET_OK: it does switch */
	int64_t held_call, held_fetch, held_hook;
	int hooks;
	enum arklet_command held_command;
	const Berth__V1__WantedModule *held_module;
	const Berth__V1__Report *reports[MAX_LOG];
	size_t n_reports;
	const Berth__V1__Hello *hello;
	int heartbeats, ready_heartbeats, goodbyes, persists_before_call, persists;
	bool batch; /* of the brain's configuration */
	unsigned commands;
	int helps, batches, lists;
	bool bad_list;
	const char *batch_fails; /* module whose item fails without a word */
	int64_t pid;
};

static struct biz *biz_find(struct world *w, const char *name, const char *version) {
	for (size_t i = 0; i < w->n_biz; i++)
		if (strcmp(w->biz[i].name, name) == 0 && strcmp(w->biz[i].version, version) == 0)
			return &w->biz[i];
	return NULL;
}

static struct biz *biz_active(struct world *w, const char *name) {
	for (size_t i = 0; i < w->n_biz; i++)
		if (strcmp(w->biz[i].name, name) == 0 && w->biz[i].state == ARKLET_ACTIVATED)
			return &w->biz[i];
	return NULL;
}

static void biz_add(struct world *w, const char *name, const char *version, enum arklet_state state) {
	struct biz *b = &w->biz[w->n_biz++];
	snprintf(b->name, sizeof b->name, "%s", name);
	snprintf(b->version, sizeof b->version, "%s", version);
	b->state = state;
}

static void list_fill(struct world *w, struct arklet_reply *r) {
	r->biz = arena_alloc(w->arena, (w->n_biz + 1) * sizeof *r->biz);
	for (size_t i = 0; i < w->n_biz; i++)
		r->biz[r->n_biz++] = (struct arklet_biz){ .name = w->biz[i].name, .version = w->biz[i].version, .state = w->biz[i].state };
}

static void install(struct world *w, const Berth__V1__WantedModule *m, struct arklet_reply *r) {
	w->installs++;
	if (biz_find(w, m->module, m->version) != NULL) {
		r->verdict = ARKLET_REPEAT;
		r->code = "REPEAT_BIZ";
	} else if (w->refuse_install) {
		r->verdict = ARKLET_EXCEPTION;
		r->code = "CMD_PROCESS_INTERNAL_ERROR";
		r->cause = "java.lang.IllegalStateException: this module refuses to start";
	} else {
		biz_add(w, m->module, m->version, biz_active(w, m->module) != NULL ? ARKLET_DEACTIVATED : ARKLET_ACTIVATED);
		list_fill(w, r);
	}
}

static void uninstall(struct world *w, const Berth__V1__WantedModule *m, struct arklet_reply *r) {
	struct biz *b = biz_find(w, m->module, m->version);
	w->uninstalls++;
	if (b == NULL) {
		r->verdict = ARKLET_NOT_FOUND;
		r->code = "NOT_FOUND_BIZ";
		return;
	}
	if (w->refuse_uninstall) {
		r->verdict = ARKLET_EXCEPTION;
		r->code = "CMD_PROCESS_INTERNAL_ERROR";
		r->cause = "java.lang.IllegalStateException: this module refuses to stop";
		return;
	}
	*b = w->biz[--w->n_biz];
}

static void switch_to(struct world *w, const Berth__V1__WantedModule *m, struct arklet_reply *r) {
	struct biz *b = biz_find(w, m->module, m->version), *active = biz_active(w, m->module);
	w->switches++;
	if (b == NULL) {
		r->verdict = ARKLET_NOT_FOUND;
		r->code = "NOT_FOUND_BIZ";
		return;
	}
	if (w->switch_verdict != ARKLET_OK) {
		r->verdict = w->switch_verdict;
		r->code = "CMD_PROCESS_INTERNAL_ERROR";
		r->cause = "java.lang.IllegalStateException: this module refuses to take over";
		return;
	}
	if (active != NULL)
		active->state = ARKLET_DEACTIVATED;
	b->state = ARKLET_ACTIVATED;
}

static void call(struct world *w, int64_t id, enum arklet_command c, const Berth__V1__WantedModule *m) {
	struct arklet_reply r = { .verdict = ARKLET_OK, .code = "SUCCESS", .message = "", .cause = "" };
	struct arklet_health h = { .run_time_s = 10, .heap_used = -1 };
	struct brain_answer a = { .reply = &r, .sent = true, .memory_bytes = 1000 };
	if (w->unreachable) {
		a = (struct brain_answer){ .error = E_IO, .error_text = "connection refused" };
		brain_answered(w->brain, id, &a, w->now);
		return;
	}
	switch (c) {
	case ARKLET_INSTALL:
		install(w, m, &r);
		break;
	case ARKLET_UNINSTALL:
		uninstall(w, m, &r);
		break;
	case ARKLET_SWITCH:
		switch_to(w, m, &r);
		break;
	case ARKLET_QUERY_ALL:
		w->lists++;
		list_fill(w, &r);
		if (w->bad_list)
			a = (struct brain_answer){ .error = E_PROTOCOL, .sent = true, .error_text = "queryAllBiz answered without a list" };
		break;
	case ARKLET_HEALTH:
		a.health = &h;
		break;
	default:
		break;
	}
	if (w->lose_answer && c != ARKLET_QUERY_ALL && c != ARKLET_HEALTH) {
		w->lose_answer = false;
		a = (struct brain_answer){ .error = E_TIMEOUT, .sent = true, .error_text = "no answer" };
	}
	brain_answered(w->brain, id, &a, w->now);
}

static void fetched(struct world *w, int64_t id) {
	struct brain_fetched f = { .ok = true };
	brain_fetched(w->brain, id, &f, w->now);
}

static void note_message(struct world *w, const Berth__V1__AgentMessage *m) {
	const Berth__V1__AgentMessage *copy = (const Berth__V1__AgentMessage *)pb_copy(&m->pb, w->arena);
	if (copy->kind_case == BERTH__V1__AGENT_MESSAGE__KIND_HELLO)
		w->hello = copy->hello;
	else if (copy->kind_case == BERTH__V1__AGENT_MESSAGE__KIND_REPORT && w->n_reports < MAX_LOG)
		w->reports[w->n_reports++] = copy->report;
	else if (copy->kind_case == BERTH__V1__AGENT_MESSAGE__KIND_HEARTBEAT)
		w->heartbeats++, w->ready_heartbeats += copy->heartbeat->base_ready;
	else if (copy->kind_case == BERTH__V1__AGENT_MESSAGE__KIND_GOODBYE)
		w->goodbyes++;
}

static void on_batch(struct world *w, const struct brain_effect *e) {
	struct arklet_reply items[MAX_BIZ], r = { .verdict = ARKLET_OK, .code = "SUCCESS", .message = "", .cause = "" };
	struct brain_answer a = { .reply = &r, .sent = true, .items = items, .n_items = e->n_modules };
	w->batches++;
	for (size_t i = 0; i < e->n_modules; i++) {
		items[i] = (struct arklet_reply){ .verdict = ARKLET_OK, .code = "SUCCESS", .message = "", .cause = "" };
		if (w->batch_fails != NULL && strcmp(e->modules[i]->module, w->batch_fails) == 0)
			items[i].verdict = r.verdict = ARKLET_REFUSED;
		else
			install(w, e->modules[i], &items[i]);
	}
	brain_answered(w->brain, e->id, &a, w->now);
}

static void on_help(struct world *w, const struct brain_effect *e) {
	struct arklet_reply r = { .verdict = ARKLET_OK, .code = "SUCCESS", .message = "", .cause = "" };
	struct brain_answer a = { .reply = &r, .sent = true, .commands = w->commands };
	w->helps++;
	brain_answered(w->brain, e->id, &a, w->now);
}

static void on_call(struct world *w, const struct brain_effect *e) {
	if (e->command == ARKLET_BATCH_INSTALL || e->command == ARKLET_HELP) {
		(e->command == ARKLET_HELP ? on_help : on_batch)(w, e);
		return;
	}
	bool changes = e->command != ARKLET_QUERY_ALL && e->command != ARKLET_HEALTH;
	if (changes)
		w->persists_before_call = w->persists;
	if (w->hold_calls && changes) {
		w->held_call = e->id;
		w->held_command = e->command;
		w->held_module = (const Berth__V1__WantedModule *)pb_copy(&e->module->pb, w->arena);
		return;
	}
	call(w, e->id, e->command, e->module);
}

static void on_persist(struct world *w, const struct brain_effect *e) {
	if (!w->disk_full) {
		free(w->disk);
		w->disk = malloc(e->state_len + 1);
		memcpy(w->disk, e->state, e->state_len);
		w->disk_len = e->state_len;
		w->persists++;
	}
	brain_persisted(w->brain, !w->disk_full, w->now);
}

static void perform(struct world *w, const struct brain_effect *e) {
	struct brain_exit term = { .known = true, .signo = 15, .text = "killed by SIGTERM" };
	switch (e->kind) {
	case BRAIN_PERSIST:
		on_persist(w, e);
		break;
	case BRAIN_SEND:
		note_message(w, e->message);
		break;
	case BRAIN_DROP_LINK:
		w->dropped++;
		break;
	case BRAIN_FETCH:
		w->fetches++;
		if (w->hold_fetches)
			w->held_fetch = e->id;
		else
			fetched(w, e->id);
		break;
	case BRAIN_CALL:
		on_call(w, e);
		break;
	case BRAIN_HOOK:
		w->hooks++;
		w->held_hook = e->id;
		break;
	case BRAIN_BASE_START:
		w->starts++;
		w->pid++;
		brain_base_started(w->brain, w->pid, 1000 + w->pid, w->now);
		break;
	case BRAIN_BASE_TERM:
		if (!w->ignore_term)
			brain_base_exited(w->brain, &term, w->now);
		break;
	case BRAIN_BASE_KILL:
		w->kills++;
		brain_base_exited(w->brain, &term, w->now);
		break;
	case BRAIN_EXIT:
		w->exited = true;
		w->exit_status = e->status;
		break;
	default:
		break;
	}
}

static void settle(struct world *w) {
	const struct brain_effect *e;
	for (int i = 0; (e = brain_next(w->brain)) != NULL; i++) {
		ck_assert_msg(i < 10000, "the brain never comes to rest");
		perform(w, e);
	}
}

/* Lets virtual time pass, stopping at every deadline. */
static void pass(struct world *w, int64_t us) {
	mono_t end = mono_add(w->now, us);
	settle(w);
	for (int i = 0; i < 20000; i++) {
		mono_t next = brain_deadline(w->brain);
		if (next.us > end.us)
			break;
		if (next.us > w->now.us)
			w->now = next;
		brain_tick(w->brain, w->now);
		settle(w);
	}
	w->now = end;
}

static void brain_boot(struct world *w, bool supervised, bool adopted) {
	Berth__V1__Hello h = BERTH__V1__HELLO__INIT;
	struct err err = ERR_INIT;
	h.base = (char *)(uintptr_t) "b1";
	h.boot = (char *)(uintptr_t) "boot";
	h.join_token = (char *)(uintptr_t) "join";
	struct brain_config cfg = { .hello = &h, .supervised = supervised, .batch = w->batch, .seed = 7 };
	ck_assert_int_eq(brain_new(&cfg, w->disk, w->disk_len, w->now, &w->brain, &err), 0);
	brain_start(w->brain, adopted, w->now);
	settle(w);
}

static struct world *world_new(void) {
	struct world *w = calloc(1, sizeof *w);
	w->arena = arena_new();
	w->now = (mono_t){ 1000 * US_PER_S };
	brain_boot(w, true, false);
	return w;
}

static void world_free(struct world *w) {
	brain_free(w->brain);
	arena_free(w->arena);
	free(w->disk);
	free(w);
}

/* The agent dies; its disk stays. */
static void reboot(struct world *w, bool base_alive) {
	brain_free(w->brain);
	if (!base_alive)
		w->n_biz = 0;
	brain_boot(w, true, base_alive);
}

static char *text(const char *s) {
	return (char *)(uintptr_t)s;
}

static const char sha_a[] = "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa";
static const char sha_b[] = "bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb";

static Berth__V1__WantedModule wanted(const char *module, const char *version, int64_t generation) {
	Berth__V1__WantedModule m = BERTH__V1__WANTED_MODULE__INIT;
	m.module = text(module);
	m.version = text(version);
	m.sha256 = text(sha_a);
	m.has_generation = m.has_instance = 1;
	m.generation = generation;
	m.instance = generation * 10;
	return m;
}

static void send(struct world *w, Berth__V1__ServerMessage *m) {
	brain_message(w->brain, m, w->now);
	settle(w);
}

static void welcome_as(struct world *w, int64_t epoch, int64_t committed, Berth__V1__WantedModule **list, size_t n) {
	Berth__V1__ServerMessage m = BERTH__V1__SERVER_MESSAGE__INIT;
	Berth__V1__Welcome wl = BERTH__V1__WELCOME__INIT;
	wl.cell = text("cell");
	wl.base_key = text("key");
	wl.has_epoch = wl.has_committed_seq = 1;
	wl.epoch = epoch;
	wl.committed_seq = committed;
	wl.wanted = list;
	wl.n_wanted = n;
	m.kind_case = BERTH__V1__SERVER_MESSAGE__KIND_WELCOME;
	m.welcome = &wl;
	brain_link_up(w->brain, w->now);
	settle(w);
	send(w, &m);
}

static void tick(struct world *w, int64_t epoch) {
	Berth__V1__ServerMessage m = BERTH__V1__SERVER_MESSAGE__INIT;
	Berth__V1__Tick t = BERTH__V1__TICK__INIT;
	t.has_epoch = 1;
	t.epoch = epoch;
	m.kind_case = BERTH__V1__SERVER_MESSAGE__KIND_TICK;
	m.tick = &t;
	send(w, &m);
}

static void ack(struct world *w, int64_t seq) {
	Berth__V1__ServerMessage m = BERTH__V1__SERVER_MESSAGE__INIT;
	Berth__V1__Ack a = BERTH__V1__ACK__INIT;
	a.has_committed_seq = 1;
	a.committed_seq = seq;
	m.kind_case = BERTH__V1__SERVER_MESSAGE__KIND_ACK;
	m.ack = &a;
	send(w, &m);
}

struct item {
	Berth__V1__TaskKind kind;
	int64_t generation;
	Berth__V1__WantedModule module;
	bool activate;
};

static void command(struct world *w, int64_t epoch, const struct item *items, size_t n) {
	Berth__V1__ServerMessage m = BERTH__V1__SERVER_MESSAGE__INIT;
	Berth__V1__Command c = BERTH__V1__COMMAND__INIT;
	Berth__V1__CommandItem it[8], *p[8];
	Berth__V1__WantedModule mod[8];
	for (size_t i = 0; i < n; i++) {
		berth__v1__command_item__init(&it[i]);
		mod[i] = items[i].module;
		it[i].has_kind = it[i].has_generation = it[i].has_activate = 1;
		it[i].kind = items[i].kind;
		it[i].generation = items[i].generation;
		it[i].activate = items[i].activate;
		it[i].module = &mod[i];
		p[i] = &it[i];
	}
	c.has_epoch = 1;
	c.epoch = epoch;
	c.items = p;
	c.n_items = n;
	m.kind_case = BERTH__V1__SERVER_MESSAGE__KIND_COMMAND;
	m.command = &c;
	send(w, &m);
}

#define INSTALL BERTH__V1__TASK_KIND__TASK_KIND_INSTALL
#define UNINSTALL BERTH__V1__TASK_KIND__TASK_KIND_UNINSTALL
#define SWITCH BERTH__V1__TASK_KIND__TASK_KIND_SWITCH

static void install_one(struct world *w, int64_t epoch, int64_t generation, const char *module, const char *version) {
	struct item i = { INSTALL, generation, wanted(module, version, generation), true };
	command(w, epoch, &i, 1);
}

/* The newest report of that generation's outcome, and how often it was sent. */
static const Berth__V1__Outcome *outcome(struct world *w, int64_t generation, int *ret_times) {
	const Berth__V1__Outcome *found = NULL;
	int times = 0;
	for (size_t i = 0; i < w->n_reports; i++)
		for (size_t k = 0; k < w->reports[i]->n_outcomes; k++)
			if (w->reports[i]->outcomes[k]->generation == generation) {
				found = w->reports[i]->outcomes[k];
				times++;
			}
	if (ret_times != NULL)
		*ret_times = times;
	return found;
}

static void kill_base(struct world *w, int signo) {
	struct brain_exit x = { .known = true, .signo = signo, .text = "killed", .output = "last line" };
	w->n_biz = 0;
	brain_base_exited(w->brain, &x, w->now);
	settle(w);
}

START_TEST(joins_and_becomes_ready) {
	struct world *w = world_new();
	ck_assert_int_eq(w->starts, 1);
	ck_assert(!brain_ready(w->brain)); /* nobody said yet what the baseline is */
	Berth__V1__WantedModule m = wanted("hello", "1.0.0", 3), *list[] = { &m };
	welcome_as(w, 5, 0, list, 1);
	ck_assert_str_eq(w->hello->join_token, "join");
	ck_assert(brain_ready(w->brain));
	ck_assert_int_eq(w->installs, 1);
	ck_assert(w->n_reports > 0 && w->reports[w->n_reports - 1]->base_ready && w->reports[w->n_reports - 1]->full);
	brain_link_down(w->brain, w->now);
	brain_link_up(w->brain, w->now);
	settle(w);
	ck_assert_ptr_null(w->hello->join_token);
	ck_assert_str_eq(w->hello->base_key, "key");
	ck_assert_uint_eq(w->hello->n_held, 1);
	world_free(w);
}
END_TEST

START_TEST(installs_after_it_is_durable) {
	struct world *w = world_new();
	welcome_as(w, 5, 0, NULL, 0);
	int before = w->persists;
	install_one(w, 5, 1, "hello", "1.0.0");
	ck_assert_int_gt(w->persists_before_call, before);
	const Berth__V1__Outcome *o = outcome(w, 1, NULL);
	ck_assert(o != NULL && o->ok);
	ck_assert_str_eq(o->state, "activated");
	ck_assert_int_eq(o->instance, 10);
	ck_assert_int_eq(o->memory_bytes, 1000);
	world_free(w);
}
END_TEST

START_TEST(full_disk_holds_commands_not_heartbeats) {
	struct world *w = world_new();
	welcome_as(w, 5, 0, NULL, 0);
	w->disk_full = true;
	install_one(w, 5, 1, "hello", "1.0.0");
	pass(w, 30 * US_PER_S);
	ck_assert_int_eq(w->installs, 0);
	ck_assert_int_gt(w->heartbeats, 0);
	w->disk_full = false;
	pass(w, 5 * US_PER_S);
	ck_assert_int_eq(w->installs, 1);
	ck_assert_ptr_nonnull(outcome(w, 1, NULL));
	world_free(w);
}
END_TEST

START_TEST(refuses_what_is_old) {
	struct world *w = world_new();
	welcome_as(w, 5, 0, NULL, 0);
	install_one(w, 4, 1, "hello", "1.0.0"); /* of an older server */
	ck_assert_int_eq(w->installs, 0);
	install_one(w, 5, 7, "hello", "1.0.0");
	install_one(w, 5, 6, "other", "1.0.0"); /* overtaken */
	ck_assert_int_eq(w->installs, 1);
	const Berth__V1__Outcome *o = outcome(w, 6, NULL);
	ck_assert(o != NULL && !o->ok);
	ck_assert_str_eq(o->code, "stale");
	brain_link_down(w->brain, w->now);
	welcome_as(w, 4, 0, NULL, 0);
	ck_assert_int_eq(w->dropped, 1);
	install_one(w, 4, 9, "other", "1.0.0");
	ck_assert_int_eq(w->installs, 1);
	world_free(w);
}
END_TEST

START_TEST(joins_a_command_that_comes_twice) {
	struct world *w = world_new();
	welcome_as(w, 5, 0, NULL, 0);
	w->hold_calls = true;
	install_one(w, 5, 1, "hello", "1.0.0");
	install_one(w, 5, 1, "hello", "1.0.0");
	w->hold_calls = false;
	call(w, w->held_call, w->held_command, w->held_module);
	settle(w);
	int times;
	ck_assert_ptr_nonnull(outcome(w, 1, &times));
	ck_assert_int_eq(times, 1);
	ack(w, w->reports[w->n_reports - 1]->seq);
	install_one(w, 5, 1, "hello", "1.0.0"); /* the acknowledged outcome again, no second effect */
	ck_assert_ptr_nonnull(outcome(w, 1, &times));
	ck_assert_int_eq(times, 2);
	ck_assert_int_eq(w->installs, 1);
	world_free(w);
}
END_TEST

START_TEST(obeys_only_within_the_lease) {
	struct world *w = world_new();
	welcome_as(w, 5, 0, NULL, 0);
	pass(w, 11 * US_PER_S);
	install_one(w, 5, 1, "hello", "1.0.0");
	ck_assert_int_eq(w->installs, 0);
	tick(w, 4);
	ck_assert_int_eq(w->installs, 0);
	tick(w, 5); /* the server still holds the lease: its command counts */
	ck_assert_int_eq(w->installs, 1);
	pass(w, 11 * US_PER_S);
	install_one(w, 5, 2, "other", "1.0.0");
	brain_link_down(w->brain, w->now); /* and of one that is replaced it never does */
	welcome_as(w, 6, 0, NULL, 0);
	tick(w, 6);
	ck_assert_int_eq(w->installs, 1);
	world_free(w);
}
END_TEST

START_TEST(repeats_outcomes_until_acknowledged) {
	struct world *w = world_new();
	welcome_as(w, 5, 0, NULL, 0);
	install_one(w, 5, 1, "hello", "1.0.0");
	int times;
	int64_t seq = w->reports[w->n_reports - 1]->seq;
	brain_link_down(w->brain, w->now);
	reboot(w, true);
	welcome_as(w, 6, 0, NULL, 0);
	ck_assert_ptr_nonnull(outcome(w, 1, &times));
	ck_assert_int_eq(times, 2);
	for (size_t i = 1; i < w->n_reports; i++) /* a number stands for one report, also over a restart */
		for (size_t k = 0; k < i; k++)
			ck_assert(w->reports[i]->seq != w->reports[k]->seq || w->reports[i]->n_outcomes == w->reports[k]->n_outcomes);
	brain_link_down(w->brain, w->now);
	welcome_as(w, 6, seq, NULL, 0);
	ck_assert_ptr_nonnull(outcome(w, 1, &times));
	ck_assert_int_eq(times, 2);
	world_free(w);
}
END_TEST

START_TEST(finishes_a_command_cut_by_its_own_death) {
	struct world *w = world_new();
	welcome_as(w, 5, 0, NULL, 0);
	w->hold_calls = true;
	install_one(w, 5, 1, "hello", "1.0.0");
	biz_add(w, "hello", "1.0.0", ARKLET_ACTIVATED); /* it worked, nobody was there to hear it */
	w->hold_calls = false;
	reboot(w, true);
	welcome_as(w, 5, 0, NULL, 0);
	install_one(w, 5, 1, "hello", "1.0.0");
	const Berth__V1__Outcome *o = outcome(w, 1, NULL);
	ck_assert(o != NULL && o->ok);
	ck_assert_int_eq(w->installs, 0); /* it asked first */
	world_free(w);
}
END_TEST

START_TEST(restores_from_disk_without_server) {
	struct world *w = world_new();
	welcome_as(w, 5, 0, NULL, 0);
	install_one(w, 5, 1, "hello", "1.0.0");
	install_one(w, 5, 2, "other", "2.0.0");
	brain_link_down(w->brain, w->now);
	reboot(w, false);
	ck_assert_uint_eq(w->n_biz, 2);
	ck_assert(brain_ready(w->brain));
	kill_base(w, 9);
	ck_assert(!brain_ready(w->brain));
	pass(w, 5 * US_PER_S);
	ck_assert_uint_eq(w->n_biz, 2);
	ck_assert(brain_ready(w->brain));
	world_free(w);
}
END_TEST

START_TEST(restores_from_welcome_without_disk) {
	struct world *w = world_new();
	welcome_as(w, 5, 0, NULL, 0);
	install_one(w, 5, 8, "hello", "1.0.0");
	free(w->disk);
	w->disk = NULL;
	w->disk_len = 0;
	reboot(w, false);
	ck_assert_uint_eq(w->n_biz, 0);
	Berth__V1__WantedModule m = wanted("hello", "1.0.0", 8), *list[] = { &m };
	welcome_as(w, 6, 40, list, 1);
	ck_assert_uint_eq(w->n_biz, 1);
	ck_assert_int_gt(w->reports[w->n_reports - 1]->seq, 40); /* numbers of its former life do not come again */
	world_free(w);
}
END_TEST

/* What was done and is not recorded yet is wanted, or is not, whatever the list of a server says that does not know of it. */
START_TEST(a_welcome_does_not_undo_outcomes_that_are_on_their_way) {
	struct world *w = world_new();
	Berth__V1__WantedModule old = wanted("old", "1.0.0", 1), *list[] = { &old };
	struct item away = { UNINSTALL, 3, wanted("old", "1.0.0", 3), false };
	welcome_as(w, 5, 0, list, 1);
	install_one(w, 5, 2, "fresh", "1.0.0");
	command(w, 5, &away, 1);
	int64_t last = w->reports[w->n_reports - 1]->seq;
	welcome_as(w, 6, last - 2, list, 1);
	kill_base(w, 9);
	pass(w, 5 * US_PER_S);
	ck_assert_uint_eq(w->n_biz, 1);
	ck_assert_str_eq(w->biz[0].name, "fresh");
	welcome_as(w, 7, last + 1, NULL, 0); /* recorded, and not wanted any more */
	kill_base(w, 9);
	pass(w, 5 * US_PER_S);
	ck_assert_uint_eq(w->n_biz, 0);
	world_free(w);
}
END_TEST

START_TEST(routes_the_wanted_version) {
	struct world *w = world_new();
	welcome_as(w, 5, 0, NULL, 0);
	install_one(w, 5, 1, "hello", "1.0.0");
	install_one(w, 5, 2, "hello", "2.0.0");
	ck_assert_int_eq(w->switches, 1);
	ck_assert_str_eq(biz_active(w, "hello")->version, "2.0.0");
	ck_assert_str_eq(outcome(w, 2, NULL)->state, "activated");
	struct item back = { SWITCH, 3, wanted("hello", "1.0.0", 3), false };
	command(w, 5, &back, 1);
	ck_assert_str_eq(biz_active(w, "hello")->version, "1.0.0");
	reboot(w, false); /* both come back, the right one active */
	ck_assert_uint_eq(w->n_biz, 2);
	ck_assert_str_eq(biz_active(w, "hello")->version, "1.0.0");
	world_free(w);
}
END_TEST

START_TEST(takes_out_what_could_not_take_over) {
	struct world *w = world_new();
	welcome_as(w, 5, 0, NULL, 0);
	install_one(w, 5, 1, "hello", "1.0.0");
	w->switch_verdict = ARKLET_EXCEPTION;
	install_one(w, 5, 2, "hello", "2.0.0");
	const Berth__V1__Outcome *o = outcome(w, 2, NULL);
	ck_assert(o != NULL && !o->ok && o->retryable);
	ck_assert_ptr_nonnull(strstr(o->cause, "refuses to take over"));
	ck_assert_uint_eq(w->n_biz, 1);
	ck_assert_str_eq(biz_active(w, "hello")->version, "1.0.0");
	w->switch_verdict = ARKLET_OK;
	install_one(w, 5, 3, "hello", "2.0.0"); /* another try begins from nothing */
	ck_assert(outcome(w, 3, NULL)->ok);
	ck_assert_int_eq(w->installs, 3);
	ck_assert_str_eq(biz_active(w, "hello")->version, "2.0.0");
	world_free(w);
}
END_TEST

START_TEST(takes_out_what_could_not_take_over_in_time) {
	struct world *w = world_new();
	welcome_as(w, 5, 0, NULL, 0);
	install_one(w, 5, 1, "hello", "1.0.0");
	w->switch_verdict = ARKLET_BUSY;
	install_one(w, 5, 2, "hello", "2.0.0");
	for (int i = 0; i < 1000 && outcome(w, 2, NULL) == NULL; i++) {
		pass(w, 3 * US_PER_S);
		tick(w, 5);
	}
	ck_assert_ptr_nonnull(outcome(w, 2, NULL));
	ck_assert_str_eq(outcome(w, 2, NULL)->code, "timeout");
	ck_assert_ptr_null(biz_find(w, "hello", "2.0.0"));
	world_free(w);
}
END_TEST

/* The server, which frees its room, hears of it in the report that tells of the failure. */
START_TEST(tells_of_what_could_not_be_taken_out) {
	struct world *w = world_new();
	welcome_as(w, 5, 0, NULL, 0);
	install_one(w, 5, 1, "hello", "1.0.0");
	w->switch_verdict = ARKLET_EXCEPTION;
	w->refuse_uninstall = true;
	install_one(w, 5, 2, "hello", "2.0.0");
	const Berth__V1__Report *r = w->reports[w->n_reports - 1];
	ck_assert_uint_eq(r->n_outcomes, 1);
	ck_assert_ptr_nonnull(strstr(r->outcomes[0]->cause, "refuses to take over"));
	ck_assert_str_eq(r->outcomes[0]->state, "deactivated");
	ck_assert_uint_eq(r->n_changed, 1);
	ck_assert_str_eq(r->changed[0]->version, "2.0.0");
	ck_assert_str_eq(r->changed[0]->state, "deactivated");
	world_free(w);
}
END_TEST

START_TEST(keeps_a_wanted_version_that_cannot_take_over) {
	struct world *w = world_new();
	welcome_as(w, 5, 0, NULL, 0);
	install_one(w, 5, 1, "hello", "1.0.0");
	install_one(w, 5, 2, "hello", "2.0.0");
	w->switch_verdict = ARKLET_EXCEPTION;
	install_one(w, 5, 3, "hello", "1.0.0");
	ck_assert(!outcome(w, 3, NULL)->ok);
	ck_assert_int_eq(w->uninstalls, 0);
	ck_assert_ptr_nonnull(biz_find(w, "hello", "1.0.0"));
	world_free(w);
}
END_TEST

START_TEST(two_versions_that_claim_the_route_do_not_chase_each_other) {
	struct world *w = world_new();
	Berth__V1__WantedModule one = wanted("hello", "1.0.0", 9), two = wanted("hello", "2.0.0", 4), *list[] = { &two, &one };
	welcome_as(w, 5, 0, list, 2);
	ck_assert_str_eq(biz_active(w, "hello")->version, "1.0.0");
	int switches = w->switches;
	brain_link_down(w->brain, w->now);
	reboot(w, true);
	welcome_as(w, 5, 0, list, 2);
	ck_assert_int_eq(w->switches, switches);
	world_free(w);
}
END_TEST

START_TEST(asks_when_an_answer_is_lost) {
	struct world *w = world_new();
	welcome_as(w, 5, 0, NULL, 0);
	w->lose_answer = true;
	install_one(w, 5, 1, "hello", "1.0.0");
	ck_assert(outcome(w, 1, NULL)->ok);
	ck_assert_int_eq(w->installs, 1);
	w->lose_answer = true;
	struct item gone = { UNINSTALL, 2, wanted("hello", "1.0.0", 2), false };
	command(w, 5, &gone, 1);
	ck_assert(outcome(w, 2, NULL)->ok);
	ck_assert_int_eq(w->uninstalls, 1);
	struct item again = { UNINSTALL, 3, wanted("hello", "1.0.0", 3), false };
	command(w, 5, &again, 1);
	ck_assert(outcome(w, 3, NULL)->ok);
	ck_assert_str_eq(outcome(w, 3, NULL)->code, "NOT_FOUND_BIZ");
	world_free(w);
}
END_TEST

START_TEST(replaces_other_bytes_of_one_version) {
	struct world *w = world_new();
	welcome_as(w, 5, 0, NULL, 0);
	install_one(w, 5, 1, "hello", "1.0.0");
	struct item i = { INSTALL, 2, wanted("hello", "1.0.0", 2), true };
	command(w, 5, &i, 1); /* the same bytes: nothing to do */
	ck_assert_int_eq(w->installs, 1);
	i.generation = i.module.generation = 3;
	i.module.sha256 = text(sha_b);
	command(w, 5, &i, 1);
	ck_assert_int_eq(w->uninstalls, 1);
	ck_assert_int_eq(w->installs, 2);
	ck_assert(outcome(w, 3, NULL)->ok);
	world_free(w);
}
END_TEST

START_TEST(keeps_the_old_version_when_the_new_cannot_be_had) {
	struct world *w = world_new();
	welcome_as(w, 5, 0, NULL, 0);
	install_one(w, 5, 1, "hello", "1.0.0");
	w->hold_fetches = true;
	struct item both[] = { { UNINSTALL, 2, wanted("hello", "1.0.0", 1), false }, { INSTALL, 3, wanted("hello", "2.0.0", 3), true } };
	command(w, 5, both, 2);
	ck_assert_int_eq(w->uninstalls, 0);
	struct brain_fetched f = { .ok = false, .code = "download", .cause = "404", .retryable = true };
	brain_fetched(w->brain, w->held_fetch, &f, w->now);
	settle(w);
	ck_assert_int_eq(w->uninstalls, 0);
	ck_assert_str_eq(outcome(w, 2, NULL)->code, "skipped");
	ck_assert_str_eq(outcome(w, 3, NULL)->code, "download");
	ck_assert_int_eq(outcome(w, 3, NULL)->fault, BERTH__V1__FAULT__FAULT_ARTIFACT);
	world_free(w);
}
END_TEST

START_TEST(upgrades_in_place) {
	struct world *w = world_new();
	welcome_as(w, 5, 0, NULL, 0);
	install_one(w, 5, 1, "hello", "1.0.0");
	struct item both[] = { { UNINSTALL, 2, wanted("hello", "1.0.0", 1), false }, { INSTALL, 3, wanted("hello", "2.0.0", 3), true } };
	command(w, 5, both, 2);
	ck_assert_uint_eq(w->n_biz, 1);
	ck_assert_str_eq(w->biz[0].version, "2.0.0");
	ck_assert(outcome(w, 2, NULL)->ok && outcome(w, 3, NULL)->ok);
	world_free(w);
}
END_TEST

START_TEST(failed_install_tells_the_cause) {
	struct world *w = world_new();
	welcome_as(w, 5, 0, NULL, 0);
	w->refuse_install = true;
	install_one(w, 5, 1, "broken", "1.0.0");
	const Berth__V1__Outcome *o = outcome(w, 1, NULL);
	ck_assert(o != NULL && !o->ok);
	ck_assert_int_eq(o->fault, BERTH__V1__FAULT__FAULT_MODULE);
	ck_assert_ptr_nonnull(strstr(o->cause, "refuses to start"));
	ck_assert_ptr_null(strstr(o->cause, "Caused by"));
	world_free(w);
}
END_TEST

START_TEST(crash_during_install_sets_the_module_aside) {
	struct world *w = world_new();
	welcome_as(w, 5, 0, NULL, 0);
	install_one(w, 5, 1, "good", "1.0.0");
	pass(w, 20 * US_PER_S);
	tick(w, 5);
	w->hold_calls = true;
	install_one(w, 5, 2, "bad", "1.0.0");
	w->hold_calls = false;
	kill_base(w, 11);
	const Berth__V1__Outcome *o = outcome(w, 2, NULL);
	ck_assert(o != NULL && !o->ok);
	ck_assert_str_eq(o->code, "crash");
	ck_assert_int_eq(o->fault, BERTH__V1__FAULT__FAULT_MODULE);
	ck_assert_str_eq(o->output, "last line");
	pass(w, 5 * US_PER_S);
	ck_assert_uint_eq(w->n_biz, 1); /* its neighbour lives */
	ck_assert_str_eq(w->biz[0].name, "good");
	reboot(w, false);
	ck_assert_uint_eq(w->n_biz, 1);
	Berth__V1__WantedModule good = wanted("good", "1.0.0", 1), bad = wanted("bad", "1.0.0", 2), *list[] = { &good, &bad };
	welcome_as(w, 5, 0, list, 2);
	ck_assert_uint_eq(w->n_biz, 1);
	install_one(w, 5, 3, "bad", "1.0.0"); /* a person said so */
	ck_assert_uint_eq(w->n_biz, 2);
	ck_assert_uint_eq(brain_state(w->brain)->n_quarantine, 0);
	world_free(w);
}
END_TEST

START_TEST(crash_right_after_install_sets_the_module_aside) {
	struct world *w = world_new();
	welcome_as(w, 5, 0, NULL, 0);
	install_one(w, 5, 1, "bad", "1.0.0");
	pass(w, 3 * US_PER_S);
	kill_base(w, 11);
	const Berth__V1__Report *r = w->reports[w->n_reports - 1];
	ck_assert(r->n_changed == 1 && r->changed[0]->quarantined && !r->base_running);
	ck_assert_int_eq(r->changed[0]->generation, 1);
	pass(w, 5 * US_PER_S);
	ck_assert_uint_eq(w->n_biz, 0);
	ck_assert(brain_ready(w->brain));
	world_free(w);
}
END_TEST

START_TEST(kill_by_an_operator_blames_nobody) {
	struct world *w = world_new();
	welcome_as(w, 5, 0, NULL, 0);
	install_one(w, 5, 1, "good", "1.0.0");
	kill_base(w, 9);
	pass(w, 5 * US_PER_S);
	ck_assert_uint_eq(w->n_biz, 1);
	ck_assert_int_eq(w->starts, 2);
	world_free(w);
}
END_TEST

START_TEST(third_death_blames_what_changed_last) {
	struct world *w = world_new();
	welcome_as(w, 5, 0, NULL, 0);
	install_one(w, 5, 1, "old", "1.0.0");
	install_one(w, 5, 2, "young", "1.0.0");
	pass(w, 30 * US_PER_S);
	for (int i = 0; i < 3; i++) {
		kill_base(w, 11);
		pass(w, 40 * US_PER_S);
	}
	ck_assert_uint_eq(w->n_biz, 1);
	ck_assert_str_eq(w->biz[0].name, "old");
	ck_assert_uint_eq(brain_state(w->brain)->n_quarantine, 1);
	world_free(w);
}
END_TEST

START_TEST(crash_loop_without_suspect_is_told) {
	struct world *w = world_new();
	struct brain_view v;
	welcome_as(w, 5, 0, NULL, 0);
	for (int i = 0; i < 3; i++) {
		kill_base(w, 11);
		pass(w, 10 * US_PER_S);
	}
	brain_view(w->brain, &v);
	ck_assert(v.crash_loop);
	pass(w, 70 * US_PER_S);
	brain_view(w->brain, &v);
	ck_assert(!v.crash_loop);
	world_free(w);
}
END_TEST

START_TEST(other_installs_survive_a_crash) {
	struct world *w = world_new();
	welcome_as(w, 5, 0, NULL, 0);
	w->hold_fetches = true;
	install_one(w, 5, 1, "late", "1.0.0");
	kill_base(w, 11);
	struct brain_fetched f = { .ok = true };
	brain_fetched(w->brain, w->held_fetch, &f, w->now);
	pass(w, 5 * US_PER_S);
	ck_assert(outcome(w, 1, NULL)->ok);
	world_free(w);
}
END_TEST

START_TEST(command_times_out_when_the_base_is_down) {
	struct world *w = world_new();
	welcome_as(w, 5, 0, NULL, 0);
	w->unreachable = true;
	kill_base(w, 9);
	install_one(w, 5, 1, "hello", "1.0.0");
	pass(w, 150 * US_PER_S);
	const Berth__V1__Outcome *o = outcome(w, 1, NULL);
	ck_assert(o != NULL && !o->ok && o->retryable);
	ck_assert_str_eq(o->code, "base_down");
	ck_assert_int_eq(o->fault, BERTH__V1__FAULT__FAULT_BASE);
	world_free(w);
}
END_TEST

START_TEST(foreign_modules_are_reported_never_removed) {
	struct world *w = world_new();
	welcome_as(w, 5, 0, NULL, 0);
	biz_add(w, "stranger", "1.0.0", ARKLET_ACTIVATED);
	pass(w, 30 * US_PER_S);
	const Berth__V1__Report *r = w->reports[w->n_reports - 1];
	ck_assert(r->n_changed == 1 && r->changed[0]->instance == 0);
	ck_assert_str_eq(r->changed[0]->module, "stranger");
	ck_assert_int_eq(w->uninstalls, 0);
	w->n_biz = 0;
	pass(w, 30 * US_PER_S);
	r = w->reports[w->n_reports - 1];
	ck_assert_uint_eq(r->n_gone, 1);
	world_free(w);
}
END_TEST

START_TEST(repairs_alone_while_the_server_is_away) {
	struct world *w = world_new();
	welcome_as(w, 5, 0, NULL, 0);
	install_one(w, 5, 1, "hello", "1.0.0");
	w->n_biz = 0; /* by somebody's hand */
	pass(w, 8 * US_PER_S);
	ck_assert_int_eq(w->installs, 1);
	brain_link_down(w->brain, w->now);
	pass(w, 30 * US_PER_S);
	ck_assert_uint_eq(w->n_biz, 1);
	world_free(w);
}
END_TEST

/* What it is putting back just then is on its way there, and not gone. */
START_TEST(a_hello_tells_of_what_is_being_put_back) {
	struct world *w = world_new();
	welcome_as(w, 5, 0, NULL, 0);
	install_one(w, 5, 1, "hello", "1.0.0");
	brain_link_down(w->brain, w->now);
	w->n_biz = 0; /* by somebody's hand */
	w->hold_calls = true;
	for (int i = 0; i < 60 && w->held_command != ARKLET_INSTALL; i++)
		pass(w, US_PER_S);
	ck_assert_int_eq(w->held_command, ARKLET_INSTALL);
	brain_link_up(w->brain, w->now);
	settle(w);
	ck_assert_uint_eq(w->hello->n_held, 1);
	ck_assert_str_eq(w->hello->held[0]->module, "hello");
	ck_assert_str_eq(w->hello->held[0]->state, "resolved");
	world_free(w);
}
END_TEST

START_TEST(stops_with_a_goodbye) {
	struct world *w = world_new();
	welcome_as(w, 5, 0, NULL, 0);
	w->ignore_term = true;
	brain_stop(w->brain, "SIGTERM", w->now);
	settle(w);
	ck_assert_int_eq(w->goodbyes, 1);
	ck_assert(!w->exited);
	w->ready_heartbeats = w->heartbeats = 0;
	pass(w, 15 * US_PER_S);
	ck_assert(w->heartbeats > 0 && w->ready_heartbeats == 0);
	brain_link_down(w->brain, w->now);
	w->hello = NULL;
	brain_link_up(w->brain, w->now); /* a server that never heard the first one, or was told by Hello that the base is back */
	settle(w);
	ck_assert(w->hello != NULL);
	ck_assert_int_eq(w->goodbyes, 2);
	pass(w, 16 * US_PER_S);
	ck_assert_int_eq(w->kills, 1);
	ck_assert(w->exited && w->exit_status == 0);
	world_free(w);
}
END_TEST

START_TEST(refused_for_good_before_joining_leaves) {
	struct world *w = world_new();
	Berth__V1__ServerMessage m = BERTH__V1__SERVER_MESSAGE__INIT;
	Berth__V1__Refused r = BERTH__V1__REFUSED__INIT;
	r.has_final = 1;
	r.final = 1;
	r.code = text("unauthenticated");
	m.kind_case = BERTH__V1__SERVER_MESSAGE__KIND_REFUSED;
	m.refused = &r;
	brain_link_up(w->brain, w->now);
	send(w, &m);
	ck_assert(w->exited && w->exit_status == 3);
	world_free(w);
}
END_TEST

START_TEST(refused_after_joining_keeps_the_base) {
	struct world *w = world_new();
	welcome_as(w, 5, 0, NULL, 0);
	Berth__V1__ServerMessage m = BERTH__V1__SERVER_MESSAGE__INIT;
	Berth__V1__Refused r = BERTH__V1__REFUSED__INIT;
	r.has_final = 1;
	r.final = 1;
	m.kind_case = BERTH__V1__SERVER_MESSAGE__KIND_REFUSED;
	m.refused = &r;
	send(w, &m);
	ck_assert(!w->exited);
	ck_assert_int_eq(w->dropped, 1);
	world_free(w);
}
END_TEST

START_TEST(bad_input_is_refused_not_followed) {
	struct world *w = world_new();
	welcome_as(w, 5, 0, NULL, 0);
	struct item i = { INSTALL, 1, wanted("../../etc/passwd", "1.0.0", 1), true };
	command(w, 5, &i, 1);
	ck_assert_str_eq(outcome(w, 1, NULL)->code, "invalid");
	i = (struct item){ INSTALL, 2, wanted("hello", "1.0.0", 2), true };
	i.module.sha256 = text("../x");
	command(w, 5, &i, 1);
	ck_assert_str_eq(outcome(w, 2, NULL)->code, "invalid");
	ck_assert_int_eq(w->installs + w->fetches, 0);
	Berth__V1__WantedModule bad = wanted("a/b", "1", 1), *list[] = { &bad };
	brain_link_down(w->brain, w->now);
	welcome_as(w, 5, 0, list, 1);
	ck_assert_uint_eq(brain_state(w->brain)->n_wanted, 0);
	world_free(w);
}
END_TEST

START_TEST(says_nothing_that_is_not_utf8) {
	struct world *w = world_new();
	welcome_as(w, 5, 0, NULL, 0);
	struct brain_exit x = {
		.known = true, .signo = 11, .text = "was killed by SIGSEGV", .output = "caf\xc3\xa9 \xff\xfe \x01 end\xc3"
	};
	brain_base_exited(w->brain, &x, w->now);
	settle(w);
	const char *note = w->reports[w->n_reports - 1]->base_note;
	ck_assert(utf8_valid(note, strlen(note)));
	ck_assert_ptr_nonnull(strstr(note, "caf\xc3\xa9 ?? ? end?"));
	world_free(w);
}
END_TEST

START_TEST(beside_a_foreign_base_it_waits_and_restores) {
	struct world *w = calloc(1, sizeof *w);
	w->arena = arena_new();
	w->now = (mono_t){ 1000 * US_PER_S };
	w->unreachable = true;
	brain_boot(w, false, false);
	Berth__V1__WantedModule m = wanted("hello", "1.0.0", 3), *list[] = { &m };
	welcome_as(w, 5, 0, list, 1);
	pass(w, 70 * US_PER_S);
	ck_assert_int_eq(w->starts, 0);
	ck_assert(!brain_ready(w->brain));
	ck_assert_ptr_nonnull(strstr(w->reports[w->n_reports - 1]->base_note, "not answered")); /* told once, not at each try */
	w->unreachable = false;
	pass(w, 2 * US_PER_S);
	ck_assert(brain_ready(w->brain));
	w->unreachable = true;
	pass(w, 20 * US_PER_S);
	ck_assert(!brain_ready(w->brain));
	w->n_biz = 0;
	w->unreachable = false;
	pass(w, 2 * US_PER_S);
	ck_assert_uint_eq(w->n_biz, 1);
	brain_stop(w->brain, "SIGTERM", w->now);
	settle(w);
	ck_assert(w->exited && w->kills == 0);
	world_free(w);
}
END_TEST

static struct world *world_with_baseline(unsigned commands, const char *batch_fails) {
	struct world *w = calloc(1, sizeof *w);
	w->arena = arena_new();
	w->now = (mono_t){ 1000 * US_PER_S };
	w->batch = true;
	w->commands = commands;
	w->batch_fails = batch_fails;
	brain_boot(w, false, false);
	Berth__V1__WantedModule a = wanted("a", "1", 3), b = wanted("b", "1", 4), c = wanted("c", "1", 5), *list[] = { &a, &b, &c };
	welcome_as(w, 5, 0, list, 3);
	pass(w, 2 * US_PER_S);
	return w;
}

/* It answers, and nothing that says what it holds: no reason to ask without a pause. */
START_TEST(a_list_that_cannot_be_read_is_asked_for_ever_more_slowly) {
	struct world *w = world_new();
	struct brain_view v;
	brain_free(w->brain);
	w->bad_list = true;
	brain_boot(w, false, false);
	w->lists = 0;
	pass(w, 60 * US_PER_S);
	ck_assert_msg(w->lists > 5 && w->lists < 25, "%d", w->lists);
	brain_view(w->brain, &v);
	ck_assert_str_eq(v.phase, "unreachable");
	ck_assert_ptr_nonnull(strstr(v.note, "queryAllBiz answered without a list"));
	w->bad_list = false;
	pass(w, 15 * US_PER_S);
	brain_view(w->brain, &v);
	ck_assert_str_eq(v.note, "");
	ck_assert_str_ne(v.phase, "unreachable");
	world_free(w);
}
END_TEST

START_TEST(a_baseline_goes_in_by_one_batch_where_the_base_can) {
	struct world *w = world_with_baseline(1u << ARKLET_BATCH_INSTALL, NULL);
	ck_assert(brain_ready(w->brain) && w->n_biz == 3);
	ck_assert_int_eq(w->helps, 1);
	ck_assert_int_eq(w->batches, 1);
	world_free(w);
	w = world_with_baseline(1u << ARKLET_INSTALL, NULL);
	ck_assert(brain_ready(w->brain) && w->n_biz == 3);
	ck_assert_int_eq(w->helps, 1);
	ck_assert_int_eq(w->batches, 0);
	world_free(w);
}
END_TEST

START_TEST(what_is_required_is_in_before_the_batch_that_requires_it) {
	struct world *w = calloc(1, sizeof *w);
	w->arena = arena_new();
	w->now = (mono_t){ 1000 * US_PER_S };
	w->batch = true;
	w->commands = 1u << ARKLET_BATCH_INSTALL;
	brain_boot(w, false, false);
	Berth__V1__WantedModule a = wanted("a", "1", 3), b = wanted("b", "1", 4), c = wanted("c", "1", 5), *list[] = { &a, &b, &c };
	char *needs[] = { text("c") };
	a.requires = needs;
	a.n_requires = 1;
	welcome_as(w, 5, 0, list, 3);
	pass(w, 2 * US_PER_S);
	ck_assert(brain_ready(w->brain) && w->n_biz == 3);
	ck_assert_int_eq(w->batches, 1);
	ck_assert_str_eq(w->biz[2].name, "a");
	world_free(w);
}
END_TEST

/* The command is older than the restore, and waits for it all the same. */
START_TEST(what_is_required_comes_back_before_what_was_being_installed) {
	struct world *w = world_new();
	char *needs[] = { text("lib") };
	struct item app = { BERTH__V1__TASK_KIND__TASK_KIND_INSTALL, 2, wanted("app", "1.0.0", 2), true };
	app.module.requires = needs;
	app.module.n_requires = 1;
	welcome_as(w, 5, 0, NULL, 0);
	install_one(w, 5, 1, "lib", "1.0.0");
	pass(w, 20 * US_PER_S);
	tick(w, 5);
	w->hold_calls = true;
	command(w, 5, &app, 1);
	w->hold_calls = false;
	kill_base(w, 9);
	pass(w, 5 * US_PER_S);
	ck_assert_uint_eq(w->n_biz, 2);
	ck_assert_str_eq(w->biz[0].name, "lib");
	ck_assert_str_eq(w->biz[1].name, "app");
	world_free(w);
}
END_TEST

START_TEST(what_a_batch_did_not_put_in_is_installed_alone) {
	struct world *w = world_with_baseline(1u << ARKLET_BATCH_INSTALL, "b");
	ck_assert(brain_ready(w->brain) && w->n_biz == 3);
	ck_assert_int_eq(w->batches, 1);
	ck_assert_int_eq(w->installs, 3);
	world_free(w);
}
END_TEST

START_TEST(old_news_is_not_repeated_after_a_hello) {
	struct world *w = world_new();
	welcome_as(w, 5, 0, NULL, 0);
	biz_add(w, "stranger", "1.0.0", ARKLET_ACTIVATED);
	pass(w, 15 * US_PER_S);
	brain_link_down(w->brain, w->now); /* nothing was acknowledged */
	w->n_biz = 0;
	pass(w, 15 * US_PER_S);
	size_t before = w->n_reports;
	welcome_as(w, 5, 0, NULL, 0);
	ck_assert_uint_eq(w->hello->n_held, 0);
	for (size_t i = before; i < w->n_reports; i++)
		ck_assert_uint_eq(w->reports[i]->n_changed, 0);
	world_free(w);
}
END_TEST

START_TEST(a_fetch_that_failed_is_tried_again_at_the_welcome) {
	struct world *w = world_new();
	struct brain_fetched f = { .ok = false, .code = "download", .cause = "away", .retryable = true };
	Berth__V1__WantedModule m = wanted("hello", "1.0.0", 3), *list[] = { &m };
	w->hold_fetches = true;
	welcome_as(w, 5, 0, list, 1);
	brain_link_down(w->brain, w->now);
	for (int i = 0; i < 8; i++) { /* the pauses grow to half a minute */
		brain_fetched(w->brain, w->held_fetch, &f, w->now);
		pass(w, 40 * US_PER_S);
	}
	brain_fetched(w->brain, w->held_fetch, &f, w->now);
	settle(w);
	int before = w->fetches;
	w->hold_fetches = false;
	welcome_as(w, 5, 0, list, 1);
	ck_assert_int_eq(w->fetches, before + 1);
	ck_assert(brain_ready(w->brain));
	world_free(w);
}
END_TEST

/* Run by name, once; what there is no command for helps nobody to try again. */
START_TEST(a_hook_is_run_and_its_end_is_the_outcome) {
	static const struct brain_hook ends[] = { { .ok = true, .known = true },
		{ .known = true, .cause = "exit code 3", .output = "full" }, { .cause = "no such hook" } };
	struct world *w = world_new();
	welcome_as(w, 5, 0, NULL, 0);
	install_one(w, 5, 1, "hello", "1.0.0");
	for (int k = 0; k < 3; k++) {
		struct item i = { BERTH__V1__TASK_KIND__TASK_KIND_BEFORE_SWAP, 2 + k, wanted("hello", "1.0.0", 2 + k), false };
		command(w, 5, &i, 1);
		command(w, 5, &i, 1); /* while it runs */
		ck_assert_int_eq(w->hooks, k + 1);
		ck_assert_ptr_null(outcome(w, 2 + k, NULL));
		brain_hook_ended(w->brain, w->held_hook + 1000, &ends[k], w->now); /* of another life */
		brain_hook_ended(w->brain, w->held_hook, &ends[k], w->now);
		settle(w);
		const Berth__V1__Outcome *o = outcome(w, 2 + k, NULL);
		ck_assert(o != NULL && o->ok == ends[k].ok && o->kind == i.kind);
		ck_assert(o->ok || (o->fault == BERTH__V1__FAULT__FAULT_HOOK && o->retryable == ends[k].known));
		command(w, 5, &i, 1); /* it is known what came of it */
		ck_assert_int_eq(w->hooks, k + 1);
	}
	ck_assert_int_eq(w->installs, 1);
	world_free(w);
}
END_TEST

TEST_SUITE("agent/brain", a_hook_is_run_and_its_end_is_the_outcome, old_news_is_not_repeated_after_a_hello,
    a_fetch_that_failed_is_tried_again_at_the_welcome, two_versions_that_claim_the_route_do_not_chase_each_other,
    says_nothing_that_is_not_utf8, beside_a_foreign_base_it_waits_and_restores, a_list_that_cannot_be_read_is_asked_for_ever_more_slowly,
    a_baseline_goes_in_by_one_batch_where_the_base_can, what_a_batch_did_not_put_in_is_installed_alone,
    what_is_required_is_in_before_the_batch_that_requires_it, what_is_required_comes_back_before_what_was_being_installed,
    joins_and_becomes_ready, installs_after_it_is_durable, full_disk_holds_commands_not_heartbeats, refuses_what_is_old,
    joins_a_command_that_comes_twice, obeys_only_within_the_lease, repeats_outcomes_until_acknowledged,
    finishes_a_command_cut_by_its_own_death, restores_from_disk_without_server, restores_from_welcome_without_disk,
    a_welcome_does_not_undo_outcomes_that_are_on_their_way, routes_the_wanted_version, takes_out_what_could_not_take_over,
    takes_out_what_could_not_take_over_in_time, tells_of_what_could_not_be_taken_out, keeps_a_wanted_version_that_cannot_take_over,
    asks_when_an_answer_is_lost, replaces_other_bytes_of_one_version, keeps_the_old_version_when_the_new_cannot_be_had, upgrades_in_place,
    failed_install_tells_the_cause, crash_during_install_sets_the_module_aside, crash_right_after_install_sets_the_module_aside,
    kill_by_an_operator_blames_nobody, third_death_blames_what_changed_last, crash_loop_without_suspect_is_told,
    other_installs_survive_a_crash, command_times_out_when_the_base_is_down, foreign_modules_are_reported_never_removed,
    repairs_alone_while_the_server_is_away, a_hello_tells_of_what_is_being_put_back, stops_with_a_goodbye,
    refused_for_good_before_joining_leaves, refused_after_joining_keeps_the_base, bad_input_is_refused_not_followed)
