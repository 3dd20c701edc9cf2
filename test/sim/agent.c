/* A base with its agent: the real brain, a fake arklet and a disk that survives (or not). */
#include "sim.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "brain.h"

#define MAX_HELD 32

struct biz {
	char module[32], version[32];
	int state;
	int64_t units;
};

struct agent {
	struct sim *sim;
	char name[16], group[32], zone[8];
	struct brain *brain;
	struct driver_link *link;
	uint64_t life, base_life;
	uint8_t *disk;
	size_t disk_n; /* what was made durable */
	struct biz held[MAX_HELD];
	int n_held;
	bool base_up, pumping;
	int64_t pid;
	int boots;
	int64_t armed;
	int dialled;
};

struct chore {
	struct agent *a;
	uint64_t life, base_life;
	int64_t id;
	uint8_t *state;
	size_t n;
	enum arklet_command command;
	char module[32], version[32], sha[80];
	int64_t units;
};

static void pump(struct agent *a);
static void dial(void *arg);

static mono_t now_of(const struct agent *a) {
	return clock_mono(&a->sim->clock);
}

const char *agent_name(const struct agent *a) {
	return a->name;
}
int agent_holds(const struct agent *a) {
	return a->n_held;
}

static struct biz *biz_find(struct agent *a, const char *module, const char *version) {
	for (int i = 0; i < a->n_held; i++)
		if (strcmp(a->held[i].module, module) == 0 && strcmp(a->held[i].version, version) == 0)
			return &a->held[i];
	return NULL;
}

bool agent_holds_version(const struct agent *a, const char *module, const char *version, bool *ret_active) {
	const struct biz *b = biz_find((struct agent *)(uintptr_t)a, module, version);
	if (b != NULL)
		*ret_active = b->state == ARKLET_ACTIVATED;
	return b != NULL;
}

/* ---- the fake base ------------------------------------------------------------------------------------------------------------------ */
static struct chore *chore_new(struct agent *a, int64_t id) {
	struct chore *c = calloc(1, sizeof *c);
	*c = (struct chore){ .a = a, .life = a->life, .base_life = a->base_life, .id = id };
	return c;
}

static void crash(void *arg) {
	struct chore *c = arg;
	if (c->base_life == c->a->base_life)
		agent_base_kill(c->a);
	free(c);
}

static void base_install(struct agent *a, const struct chore *c, struct arklet_reply *r) {
	bool active = false;
	if (biz_find(a, c->module, c->version) != NULL) {
		r->verdict = ARKLET_REPEAT;
		r->code = "REPEAT_BIZ";
		return;
	}
	if (sim_chance(a->sim, a->sim->f.install_fail)) {
		r->verdict = ARKLET_EXCEPTION;
		r->code = "CMD_PROCESS_INTERNAL_ERROR";
		r->cause = r->message = "simulated: this module refuses to start";
		return;
	}
	if (a->n_held == MAX_HELD)
		abort();
	for (int i = 0; i < a->n_held; i++)
		active |= strcmp(a->held[i].module, c->module) == 0 && a->held[i].state == ARKLET_ACTIVATED;
	struct biz *b = &a->held[a->n_held++];
	snprintf(b->module, sizeof b->module, "%s", c->module);
	snprintf(b->version, sizeof b->version, "%s", c->version);
	b->state = active ? ARKLET_DEACTIVATED : ARKLET_ACTIVATED;
	b->units = c->units;
	if (sim_chance(a->sim, a->sim->f.crash))
		sim_after(a->sim, sim_delay(a->sim, 1000, 4 * US_PER_S), crash, chore_new(a, 0));
}

static void base_uninstall(struct agent *a, const struct chore *c, struct arklet_reply *r) {
	struct biz *b = biz_find(a, c->module, c->version);
	if (b == NULL) {
		r->verdict = ARKLET_NOT_FOUND;
		r->code = "NOT_FOUND_BIZ";
		return;
	}
	if (sim_chance(a->sim, a->sim->f.install_fail)) {
		r->verdict = ARKLET_EXCEPTION;
		r->code = "CMD_PROCESS_INTERNAL_ERROR";
		r->cause = r->message = "simulated: this module refuses to stop";
		return;
	}
	*b = a->held[--a->n_held];
}

static void base_switch(struct agent *a, const struct chore *c, struct arklet_reply *r) {
	struct biz *b = biz_find(a, c->module, c->version);
	if (b == NULL) {
		r->verdict = ARKLET_NOT_FOUND;
		r->code = "NOT_FOUND_BIZ";
		return;
	}
	for (int i = 0; i < a->n_held; i++)
		if (strcmp(a->held[i].module, c->module) == 0 && a->held[i].state == ARKLET_ACTIVATED)
			a->held[i].state = ARKLET_DEACTIVATED;
	b->state = ARKLET_ACTIVATED;
}

static void list_into(struct agent *a, struct arklet_reply *r, struct arklet_biz *list) {
	for (int i = 0; i < a->n_held; i++)
		list[i] = (struct arklet_biz){ .name = a->held[i].module,
			.version = a->held[i].version,
			.state = (enum arklet_state)a->held[i].state,
			.state_text = arklet_state_name((enum arklet_state)a->held[i].state) };
	r->biz = list;
	r->n_biz = (size_t)a->n_held;
}

static void call_done(void *arg) {
	struct chore *c = arg;
	struct agent *a = c->a;
	struct arklet_biz list[MAX_HELD];
	struct arklet_reply r = { .verdict = ARKLET_OK, .code = "SUCCESS", .message = "", .cause = "" };
	struct arklet_health h = { 0 };
	struct brain_answer x = { .sent = true, .reply = &r, .health = c->command == ARKLET_HEALTH ? &h : NULL };
	if (c->base_life != a->base_life || !a->base_up) {
		x.error = E_IO;
		x.sent = c->base_life != a->base_life;
		x.error_text = "simulated: connection refused";
		x.reply = NULL;
	} else if (c->command == ARKLET_INSTALL) {
		base_install(a, c, &r);
	} else if (c->command == ARKLET_UNINSTALL) {
		base_uninstall(a, c, &r);
	} else if (c->command == ARKLET_SWITCH) {
		base_switch(a, c, &r);
	}
	if (x.error == 0)
		list_into(a, &r, list);
	if (c->life == a->life && a->brain != NULL) {
		brain_answered(a->brain, c->id, &x, now_of(a));
		pump(a);
	}
	free(c);
}

static void fetched(void *arg) {
	struct chore *c = arg;
	struct brain_fetched f = { .ok = true };
	if (c->life == c->a->life && c->a->brain != NULL) {
		brain_fetched(c->a->brain, c->id, &f, now_of(c->a));
		pump(c->a);
	}
	free(c);
}

static void persisted(void *arg) {
	struct chore *c = arg;
	struct agent *a = c->a;
	if (c->life == a->life && a->brain != NULL) {
		free(a->disk);
		a->disk = c->state;
		a->disk_n = c->n;
		c->state = NULL;
		brain_persisted(a->brain, true, now_of(a));
		pump(a);
	}
	free(c->state);
	free(c);
}

static void base_started(void *arg) {
	struct chore *c = arg;
	struct agent *a = c->a;
	if (c->life == a->life && a->brain != NULL && c->base_life == a->base_life) {
		a->base_up = true;
		a->pid++;
		brain_base_started(a->brain, a->pid, a->pid, now_of(a));
		pump(a);
	}
	free(c);
}

static void base_exit(void *arg) {
	struct chore *c = arg;
	struct agent *a = c->a;
	struct brain_exit x = { .known = true, .signo = 9, .text = "killed by SIGKILL" };
	if (c->life == a->life && a->brain != NULL) {
		brain_base_exited(a->brain, &x, now_of(a));
		pump(a);
	}
	free(c);
}

void agent_base_kill(struct agent *a) {
	if (!a->base_up)
		return;
	sim_trace(a->sim, "base of %s is killed", a->name);
	a->base_up = false;
	a->base_life++;
	a->n_held = 0;
	sim_after(a->sim, sim_delay(a->sim, 100, 5000), base_exit, chore_new(a, 0));
}

/* ---- the agent ---------------------------------------------------------------------------------------------------------------------- */
static void tick(void *arg) {
	struct chore *c = arg;
	struct agent *a = c->a;
	if (c->life == a->life && a->brain != NULL) {
		a->armed = 0;
		brain_tick(a->brain, now_of(a));
		pump(a);
	}
	free(c);
}

static void arm(struct agent *a) {
	mono_t at = brain_deadline(a->brain);
	if (at.us == INT64_MAX)
		return;
	int64_t us = mono_diff(at, now_of(a));
	int64_t when = a->sim->now_us + (us < 0 ? 0 : us);
	if (a->armed != 0 && a->armed <= when)
		return;
	a->armed = when == 0 ? 1 : when;
	sim_after(a->sim, us, tick, chore_new(a, 0));
}

static void dial_later(struct agent *a, int64_t us) {
	sim_after(a->sim, us, dial, chore_new(a, 0));
}

static void dial(void *arg) {
	struct chore *c = arg;
	struct agent *a = c->a;
	bool mine = c->life == a->life && a->brain != NULL && a->link == NULL;
	free(c);
	if (!mine)
		return;
	a->link = node_accept(a->sim->nodes[a->dialled++ % a->sim->n_nodes], a);
	if (a->link == NULL) {
		dial_later(a, sim_delay(a->sim, 100 * US_PER_MS, 2 * US_PER_S));
		return;
	}
	brain_link_up(a->brain, now_of(a));
	pump(a);
}

static void perform_call(struct agent *a, const struct brain_effect *e) {
	struct chore *c = chore_new(a, e->id);
	c->command = e->command;
	if (e->module != NULL) {
		snprintf(c->module, sizeof c->module, "%s", e->module->module);
		snprintf(c->version, sizeof c->version, "%s", e->module->version);
		c->units = e->module->units;
	}
	bool work = e->command == ARKLET_INSTALL || e->command == ARKLET_UNINSTALL;
	sim_after(a->sim, work ? sim_delay(a->sim, 1000, US_PER_S) : sim_delay(a->sim, 200, 3000), call_done, c);
}

/* A service manager starts it again. */
static void left(void *arg) {
	struct chore *c = arg;
	if (c->life == c->a->life)
		agent_kill(c->a, false);
	free(c);
}

static void perform(struct agent *a, const struct brain_effect *e) {
	struct chore *c;
	switch (e->kind) {
	case BRAIN_PERSIST:
		c = chore_new(a, 0);
		c->n = e->state_len;
		c->state = malloc(c->n + 1);
		memcpy(c->state, e->state, c->n);
		sim_after(a->sim, sim_delay(a->sim, 200, 5000), persisted, c);
		return;
	case BRAIN_SEND:
		if (a->link != NULL)
			link_up(a->link, e->message);
		return;
	case BRAIN_DROP_LINK:
		if (a->link != NULL)
			link_cut(a->link);
		return;
	case BRAIN_FETCH:
		sim_after(a->sim, sim_delay(a->sim, 500, 50000), fetched, chore_new(a, e->id));
		return;
	case BRAIN_CALL:
		perform_call(a, e);
		return;
	case BRAIN_BASE_START:
		a->base_life++;
		a->n_held = 0;
		sim_after(a->sim, sim_delay(a->sim, 50000, US_PER_S), base_started, chore_new(a, 0));
		return;
	case BRAIN_BASE_TERM:
	case BRAIN_BASE_KILL:
		agent_base_kill(a);
		return;
	case BRAIN_SAY:
		sim_trace(a->sim, "%s: %s", a->name, e->text);
		return;
	case BRAIN_JOINED:
	case BRAIN_PINS:
		return;
	case BRAIN_EXIT:
		sim_after(a->sim, 1000, left, chore_new(a, 0));
		return;
	}
}

static void pump(struct agent *a) {
	const struct brain_effect *e;
	if (a->pumping)
		return;
	a->pumping = true;
	while (a->brain != NULL && (e = brain_next(a->brain)) != NULL)
		perform(a, e);
	a->pumping = false;
	if (a->brain != NULL)
		arm(a);
}

void agent_deliver(struct agent *a, struct driver_link *k, const Berth__V1__ServerMessage *m) {
	if (a->brain == NULL || a->link != k)
		return;
	brain_message(a->brain, m, now_of(a));
	pump(a);
}

void agent_link_down(struct agent *a, struct driver_link *k) {
	if (a->link != k)
		return;
	a->link = NULL;
	if (a->brain == NULL)
		return;
	brain_link_down(a->brain, now_of(a));
	dial_later(a, sim_delay(a->sim, 50 * US_PER_MS, 3 * US_PER_S));
	pump(a);
}

static void boot(void *arg) {
	struct agent *a = arg;
	char id[48];
	Berth__V1__Hello h = BERTH__V1__HELLO__INIT;
	struct err err = ERR_INIT;
	if (a->sim->over)
		return;
	snprintf(id, sizeof id, "%s-boot-%d", a->name, ++a->boots);
	h.base = a->name;
	h.boot = id;
	h.group = a->group;
	h.zone = a->zone;
	h.address = a->name;
	h.join_token = (char *)(uintptr_t) "join-token";
	h.has_runtime = true;
	h.runtime = BERTH__V1__RUNTIME__RUNTIME_NATIVE;
	struct brain_config cfg = { .hello = &h, .supervised = true, .seed = rng_u64(&a->sim->rng) };
	a->life++;
	a->armed = 0;
	if (brain_new(&cfg, a->disk, a->disk_n, now_of(a), &a->brain, &err) != 0) {
		sim_fail(a->sim, "%s: %s", a->name, err.text);
		return;
	}
	sim_trace(a->sim, "%s starts%s", a->name, a->base_up ? " and adopts its base" : "");
	brain_start(a->brain, a->base_up && a->disk != NULL, now_of(a));
	if (a->base_up && a->disk == NULL) { /* an orphan base nobody knows: the new agent's start kills it in real life by its port */
		a->base_up = false;
		a->n_held = 0;
	}
	pump(a);
	dial_later(a, sim_delay(a->sim, 1000, 100000));
}

struct agent *agent_new(struct sim *s, int index, const char *group) {
	struct agent *a = calloc(1, sizeof *a);
	a->sim = s;
	snprintf(a->name, sizeof a->name, "n%d", index);
	snprintf(a->group, sizeof a->group, "%s", group);
	snprintf(a->zone, sizeof a->zone, "%c", 'a' + index % 3);
	sim_after(s, sim_delay(s, 0, 3 * US_PER_S), boot, a);
	return a;
}

void agent_kill(struct agent *a, bool disk_too) {
	if (a->brain == NULL)
		return;
	sim_trace(a->sim, "agent of %s is killed%s", a->name, disk_too ? " and its disk lost" : "");
	struct brain *dead = a->brain;
	a->brain = NULL;
	a->life++;
	if (a->link != NULL)
		link_cut(a->link);
	a->link = NULL;
	brain_free(dead);
	if (disk_too) {
		free(a->disk);
		a->disk = NULL;
		a->disk_n = 0;
		a->base_up = false;
		a->base_life++;
		a->n_held = 0;
	}
	sim_after(a->sim, sim_delay(a->sim, 100 * US_PER_MS, 30 * US_PER_S), boot, a);
}

void agent_cut(struct agent *a) {
	if (a->link != NULL)
		link_cut(a->link);
}

void agent_mute(struct agent *a, int64_t us) {
	if (a->link == NULL)
		return;
	sim_trace(a->sim, "nothing of %s arrives for %.1f s", a->name, (double)us / US_PER_S);
	link_mute(a->link, us);
}

void agent_leave(struct agent *a) {
	if (a->brain == NULL)
		return;
	sim_trace(a->sim, "agent of %s is asked to stop", a->name);
	brain_stop(a->brain, "asked to", now_of(a));
	pump(a);
}

void agent_meddle(struct agent *a) {
	if (!a->base_up || a->n_held == 0)
		return;
	struct biz *b = &a->held[rng_below(&a->sim->rng, (uint64_t)a->n_held)];
	int what = (int)rng_below(&a->sim->rng, 3);
	sim_trace(a->sim, "somebody meddles with %s:%s on %s (%d)", b->module, b->version, a->name, what);
	if (what == 0)
		b->state = ARKLET_DEACTIVATED;
	else if (what == 1)
		b->state = ARKLET_BROKEN;
	else
		*b = a->held[--a->n_held];
}

void agent_free(struct agent *a) {
	if (a->brain != NULL)
		brain_free(a->brain);
	free(a->disk);
	free(a);
}
