/* A base with its agent: the real brain over a simulated machine, and a disk that survives (or not). */
#include "sim.h"

#include <stdlib.h>
#include <string.h>

#include "brain.h"
#include "link.h"

struct agent {
	struct sim *sim;
	int index;
	char name[16], group[32], zone[8];
	struct machine *machine;
	struct brain *brain;
	struct driver_link *link;
	uint64_t life;
	uint8_t *disk;
	size_t disk_n; /* what was made durable */
	bool pumping;
	int64_t pid, armed, hung_until;
	int boots, dialled;
};

struct chore {
	struct agent *a;
	uint64_t life, base_life;
	int64_t id;
	uint8_t *state;
	size_t n;
};

static void pump(struct agent *a);
static void dial(void *arg);

static mono_t now_of(const struct agent *a) {
	return clock_mono(&a->sim->clock);
}

const char *agent_name(const struct agent *a) {
	return a->name;
}

int agent_index(const struct agent *a) {
	return a->index;
}

struct machine *agent_machine(const struct agent *a) {
	return a->machine;
}

bool agent_sets_aside(const struct agent *a, const char *module) {
	struct brain_held h;
	size_t n = strcspn(module, ":");
	for (size_t i = 0; a->brain != NULL && brain_held_at(a->brain, i, &h); i++)
		if (h.quarantined && strlen(h.module) == n && strncmp(h.module, module, n) == 0)
			return true;
	return false;
}

static struct chore *chore_new(struct agent *a, int64_t id) {
	struct chore *c = calloc(1, sizeof *c);
	*c = (struct chore){ .a = a, .life = a->life, .base_life = machine_life(a->machine), .id = id };
	return c;
}

static bool alive(const struct chore *c) {
	return c->life == c->a->life && c->a->brain != NULL;
}

/* A hanging agent learns of nothing until it goes on. */
static bool hangs(const struct chore *c, sim_fn again) {
	const struct agent *a = c->a;
	if (!alive(c) || a->hung_until <= a->sim->now_us)
		return false;
	sim_after(a->sim, a->hung_until - a->sim->now_us, again, (void *)(uintptr_t)c);
	return true;
}

/* ---- what it asked for comes ------------------------------------------------------------------------------------------------------------
 */
static void answer_lost(void *arg) {
	struct chore *c = arg;
	struct brain_answer lost = { .error = E_IO, .sent = true, .error_text = "simulated: the connection was reset" };
	if (hangs(c, answer_lost))
		return;
	if (alive(c)) {
		brain_answered(c->a->brain, c->id, &lost, now_of(c->a));
		pump(c->a);
	}
	free(c);
}

/* A hanging agent's answer is lost with its connection; what it asked for was done all the same. */
static void answered(void *arg, const struct brain_answer *x) {
	struct chore *c = arg;
	if (hangs(c, answer_lost))
		return;
	if (alive(c)) {
		brain_answered(c->a->brain, c->id, x, now_of(c->a));
		pump(c->a);
	}
	free(c);
}

static void fetched(void *arg) {
	struct chore *c = arg;
	struct brain_fetched f = { .ok = true };
	if (hangs(c, fetched))
		return;
	if (alive(c)) {
		brain_fetched(c->a->brain, c->id, &f, now_of(c->a));
		pump(c->a);
	}
	free(c);
}

/* What the base's owner set up to run. */
static void hooked(void *arg) {
	struct chore *c = arg;
	if (hangs(c, hooked))
		return;
	if (alive(c)) {
		bool ok = !sim_chance(c->a->sim, c->a->sim->f.install_fail);
		struct brain_hook h = { .ok = ok, .known = true, .cause = ok ? NULL : "exit code 1" };
		brain_hook_ended(c->a->brain, c->id, &h, now_of(c->a));
		pump(c->a);
	}
	free(c);
}

static void persisted(void *arg) {
	struct chore *c = arg;
	struct agent *a = c->a;
	if (alive(c)) {
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
	if (alive(c) && c->base_life == machine_life(a->machine)) {
		machine_start(a->machine);
		a->pid++;
		brain_base_started(a->brain, a->pid, a->pid, now_of(a));
		pump(a);
	}
	free(c);
}

static void base_exit(void *arg) {
	struct chore *c = arg;
	struct brain_exit x = { .known = true, .signo = 9, .text = "killed by SIGKILL" };
	if (hangs(c, base_exit))
		return;
	if (alive(c)) {
		brain_base_exited(c->a->brain, &x, now_of(c->a));
		pump(c->a);
	}
	free(c);
}

void agent_base_kill(struct agent *a) {
	if (!machine_up(a->machine))
		return;
	sim_trace(a->sim, "base of %s is killed", a->name);
	machine_die(a->machine);
	sim_after(a->sim, sim_delay(a->sim, 100, 5000), base_exit, chore_new(a, 0));
}

static void base_crash(void *arg) {
	agent_base_kill(arg);
}

/* ---- time ------------------------------------------------------------------------------------------------------------------------------
 */
static void tick(void *arg) {
	struct chore *c = arg;
	struct agent *a = c->a;
	if (hangs(c, tick))
		return;
	if (alive(c)) {
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
	if (hangs(c, dial))
		return;
	bool mine = alive(c) && a->link == NULL;
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

/* ---- what it wants done -----------------------------------------------------------------------------------------------------------------
 */
static void persist(struct agent *a, const struct brain_effect *e) {
	struct chore *c = chore_new(a, 0);
	c->n = e->state_len;
	c->state = malloc(c->n + 1);
	memcpy(c->state, e->state, c->n);
	sim_after(a->sim, sim_delay(a->sim, 200, 5000), persisted, c);
}

static void call(struct agent *a, const struct brain_effect *e) {
	if (e->command == ARKLET_UNINSTALL)
		watch_removes(a->sim, a->index, e->module->generation);
	if (e->module != NULL)
		watch_calls(a->sim, a->index, arklet_command_name(e->command), e->module->generation);
	machine_call(a->machine, e->command, e->module, e->timeout_us, answered, chore_new(a, e->id));
}

/* A service manager starts it again. */
static void left(void *arg) {
	struct chore *c = arg;
	if (c->life == c->a->life)
		agent_kill(c->a, false);
	free(c);
}

static void perform(struct agent *a, const struct brain_effect *e) {
	switch (e->kind) {
	case BRAIN_PERSIST:
		persist(a, e);
		return;
	case BRAIN_SEND:
		watch_reported(a->sim, a->index, e->message);
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
		call(a, e);
		return;
	case BRAIN_HOOK:
		sim_after(a->sim, sim_delay(a->sim, 500, 3 * US_PER_S), hooked, chore_new(a, e->id));
		return;
	case BRAIN_BASE_START:
		machine_die(a->machine);
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

/* ---- its link ---------------------------------------------------------------------------------------------------------------------------
 */
int64_t agent_hung_for(const struct agent *a) {
	return a->hung_until - a->sim->now_us;
}

void agent_deliver(struct agent *a, struct driver_link *k, const Berth__V1__ServerMessage *m) {
	if (a->brain == NULL || a->link != k)
		return;
	watch_told(a->sim, a->index, m);
	brain_message(a->brain, m, now_of(a));
	pump(a);
}

void agent_hear(struct agent *a, const Berth__V1__ServerMessage *m) {
	if (a->link == NULL || agent_hung_for(a) > 0)
		return;
	sim_trace(a->sim, "%s hears a command of epoch %lld once more", a->name, (long long)m->command->epoch);
	agent_deliver(a, a->link, m);
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

void agent_cut(struct agent *a) {
	if (a->link != NULL)
		link_cut(a->link);
}

/* ---- life -------------------------------------------------------------------------------------------------------------------------------
 */
static bool brain_make(struct agent *a) {
	char id[48];
	Berth__V1__Hello h = BERTH__V1__HELLO__INIT;
	struct err err = ERR_INIT;
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
	if (brain_new(&cfg, a->disk, a->disk_n, now_of(a), &a->brain, &err) == 0)
		return true;
	sim_fail(a->sim, "%s: %s", a->name, err.text);
	return false;
}

static void boot(void *arg) {
	struct agent *a = arg;
	if (a->sim->over)
		return;
	a->life++;
	a->armed = a->hung_until = 0;
	watch_agent_reborn(a->sim, a->index);
	if (!brain_make(a))
		return;
	bool adopts = machine_up(a->machine) && a->disk != NULL;
	sim_trace(a->sim, "%s starts%s", a->name, adopts ? " and adopts its base" : "");
	if (!adopts) /* an orphan that nobody knows: the new agent's start ends it by its port */
		machine_die(a->machine);
	brain_start(a->brain, adopts, now_of(a));
	pump(a);
	dial_later(a, sim_delay(a->sim, 1000, 100000));
}

struct agent *agent_new(struct sim *s, int index, const char *group, const char *zone) {
	struct agent *a = calloc(1, sizeof *a);
	a->sim = s;
	a->index = index;
	snprintf(a->name, sizeof a->name, "n%d", index);
	snprintf(a->group, sizeof a->group, "%s", group);
	snprintf(a->zone, sizeof a->zone, "%s", zone);
	a->machine = machine_new(s, index, a->name);
	machine_on_crash(a->machine, base_crash, a);
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
		watch_disk_lost(a->sim, a->index);
		free(a->disk);
		a->disk = NULL;
		a->disk_n = 0;
		machine_die(a->machine);
	}
	sim_after(a->sim, sim_delay(a->sim, 100 * US_PER_MS, 30 * US_PER_S), boot, a);
}

void agent_hang(struct agent *a, int64_t us) {
	if (a->brain == NULL || agent_hung_for(a) > 0)
		return;
	sim_trace(a->sim, "agent of %s hangs for %.1f s", a->name, (double)us / US_PER_S);
	a->hung_until = a->sim->now_us + us;
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

void agent_free(struct agent *a) {
	if (a->brain != NULL)
		brain_free(a->brain);
	machine_free(a->machine);
	free(a->disk);
	free(a);
}
