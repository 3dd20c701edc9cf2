/* A base without its agent: a process that holds modules and speaks arklet. It may die, hang, refuse to start a module, or do what it was
 * asked after whoever asked gave up waiting. */
#include "sim.h"

#include <stdlib.h>
#include <string.h>

#include "brain.h"

#define MAX_HELD 64
#define BEAT_US (10 * US_PER_MS) /* both times of steady work are so many of it */

struct biz {
	char module[32], version[32];
	enum arklet_state state;
	int64_t units;
	bool served; /* it was active once */
	bool by_hand;
};

#define MAX_SPOILT 8

struct machine {
	struct sim *sim;
	int index;
	char name[16];
	bool up;
	uint64_t life; /* grows with each process */
	int64_t hung_until, started_us;
	struct biz held[MAX_HELD];
	int n_held;
	char spoilt[MAX_SPOILT][32]; /* modules; "" = free */
	sim_fn crash;                /* a module took it down */
	void *crash_arg;
};

/* One call. It has its effect, whether somebody still waits for the answer or not. */
struct call {
	struct machine *machine;
	uint64_t life;
	enum arklet_command command;
	char module[32], version[32];
	int64_t units, generation;
	machine_done done;
	void *arg;
	bool answered;
	int refs; /* its end and its time-out */
};

struct machine *machine_new(struct sim *s, int index, const char *name) {
	struct machine *m = calloc(1, sizeof *m);
	m->sim = s;
	m->index = index;
	snprintf(m->name, sizeof m->name, "%s", name);
	return m;
}

void machine_on_crash(struct machine *m, sim_fn fn, void *arg) {
	m->crash = fn;
	m->crash_arg = arg;
}

void machine_free(struct machine *m) {
	free(m);
}

void machine_start(struct machine *m) {
	m->up = true;
	m->life++;
	m->n_held = 0;
	m->hung_until = 0;
	m->started_us = m->sim->now_us;
	watch_base_reborn(m->sim, m->index);
}

void machine_die(struct machine *m) {
	m->up = false;
	m->life++;
	m->n_held = 0;
	watch_base_reborn(m->sim, m->index);
}

void machine_hang(struct machine *m, int64_t us) {
	if (m->hung_until > m->sim->now_us) /* what waits for its end must not be overtaken */
		return;
	sim_trace(m->sim, "base of %s hangs for %.1f s", m->name, (double)us / US_PER_S);
	m->hung_until = m->sim->now_us + us;
}

/* Something of its own starts it again, empty. */
static void starts_again(void *arg) {
	struct machine *m = arg;
	if (!m->sim->over && !m->up)
		machine_start(m);
}

void machine_bounce(void *arg) {
	struct machine *m = arg;
	if (!m->up)
		return;
	sim_trace(m->sim, "base %s is killed", m->name);
	machine_die(m);
	sim_after(m->sim, sim_delay(m->sim, 500 * US_PER_MS, 20 * US_PER_S), starts_again, m);
}

const char *machine_name(const struct machine *m) {
	return m->name;
}

bool machine_up(const struct machine *m) {
	return m->up;
}

uint64_t machine_life(const struct machine *m) {
	return m->life;
}

/* ---- what it holds ------------------------------------------------------------------------------------------------------------------- */
static struct biz *biz_find(struct machine *m, const char *module, const char *version) {
	for (int i = 0; i < m->n_held; i++)
		if (strcmp(m->held[i].module, module) == 0 && strcmp(m->held[i].version, version) == 0)
			return &m->held[i];
	return NULL;
}

bool machine_holds(const struct machine *m, const char *module, const char *version, bool *ret_active) {
	for (int i = 0; i < m->n_held; i++) {
		const struct biz *b = &m->held[i];
		if (strcmp(b->module, module) != 0 || strcmp(b->version, version) != 0)
			continue;
		*ret_active = b->state == ARKLET_ACTIVATED;
		return true;
	}
	return false;
}

const char *machine_active_at(const struct machine *m, int k, const char **ret_version) {
	for (int i = 0; i < m->n_held; i++) {
		if (m->held[i].state != ARKLET_ACTIVATED || k-- > 0)
			continue;
		*ret_version = m->held[i].version;
		return m->held[i].module;
	}
	return NULL;
}

static bool named(const char *spoilt, const char *module) {
	return *spoilt != '\0' && strncmp(spoilt, module, strlen(spoilt)) == 0 && strchr(":", module[strlen(spoilt)]) != NULL;
}

bool machine_by_hand(const struct machine *m, const char *module, const char *version) {
	const struct biz *b = biz_find((struct machine *)(uintptr_t)m, module, version);
	return b != NULL && b->by_hand;
}

bool machine_spoilt(const struct machine *m, const char *module) {
	for (int i = 0; i < MAX_SPOILT; i++)
		if (named(m->spoilt[i], module))
			return true;
	return false;
}

static void spoil(struct machine *m, const char *module, bool on) {
	int at = -1;
	for (int i = 0; i < MAX_SPOILT; i++) {
		if (named(m->spoilt[i], module))
			m->spoilt[i][0] = '\0';
		if (m->spoilt[i][0] == '\0')
			at = i;
	}
	if (on && at >= 0)
		snprintf(m->spoilt[at], sizeof m->spoilt[at], "%s", module);
}

static int64_t units_held(const struct machine *m) {
	int64_t n = 0;
	for (int i = 0; i < m->n_held; i++)
		n += m->held[i].units;
	return n;
}

static bool active_beside(const struct machine *m, const char *module) {
	for (int i = 0; i < m->n_held; i++)
		if (strcmp(m->held[i].module, module) == 0 && m->held[i].state == ARKLET_ACTIVATED)
			return true;
	return false;
}

/* What nobody told Berth about: a stranger, or one of the modules that people deploy, too, which then gets the requests. */
static void bring_by_hand(struct machine *m) {
	struct biz b = { .module = "extra", .version = "1.0.0", .state = ARKLET_ACTIVATED, .by_hand = true };
	if (rng_below(&m->sim->rng, 2) == 0)
		clients_any_version(m->sim, b.module, b.version);
	if (!m->up || m->n_held == MAX_HELD || biz_find(m, b.module, b.version) != NULL)
		return;
	sim_trace(m->sim, "somebody installs %s:%s on %s", b.module, b.version, m->name);
	spoil(m, b.module, true);
	for (int i = 0; i < m->n_held; i++)
		if (strcmp(m->held[i].module, b.module) == 0 && m->held[i].state == ARKLET_ACTIVATED)
			m->held[i].state = ARKLET_DEACTIVATED;
	m->held[m->n_held++] = b;
}

void machine_meddle(struct machine *m) {
	int what = (int)rng_below(&m->sim->rng, 4);
	if (what == 3)
		bring_by_hand(m);
	if (!m->up || m->n_held == 0 || what == 3)
		return;
	struct biz *b = &m->held[rng_below(&m->sim->rng, (uint64_t)m->n_held)];
	sim_trace(m->sim, "somebody meddles with %s:%s on %s (%d)", b->module, b->version, m->name, what);
	spoil(m, b->module, true);
	if (what == 0)
		b->state = ARKLET_DEACTIVATED;
	else if (what == 1)
		b->state = ARKLET_BROKEN;
	else
		*b = m->held[--m->n_held];
}

/* ---- arklet ---------------------------------------------------------------------------------------------------------------------------
 */
static void not_found(struct arklet_reply *r) {
	r->verdict = ARKLET_NOT_FOUND;
	r->code = "NOT_FOUND_BIZ";
}

struct crash {
	struct machine *machine;
	uint64_t life;
};

static void crashes(void *arg) {
	struct crash *x = arg;
	if (x->life == x->machine->life)
		x->machine->crash(x->machine->crash_arg);
	free(x);
}

static void crash_later(struct machine *m) {
	struct crash *x = malloc(sizeof *x);
	*x = (struct crash){ m, m->life };
	sim_after(m->sim, sim_delay(m->sim, 1000, 4 * US_PER_S), crashes, x);
}

static void refuses(struct arklet_reply *r, const char *what) {
	r->verdict = ARKLET_EXCEPTION;
	r->code = "CMD_PROCESS_INTERNAL_ERROR";
	r->cause = r->message = what;
}

/* Some bases run with auto-uninstall off: what failed to start stays in their list, and keeps what it took. */
static void stays_broken(struct machine *m, const struct call *c) {
	if ((m->sim->seed + (uint64_t)m->index) % 4 != 0 || m->n_held == MAX_HELD)
		return;
	struct biz *b = &m->held[m->n_held++];
	*b = (struct biz){ .state = ARKLET_BROKEN, .units = c->units };
	snprintf(b->module, sizeof b->module, "%s", c->module);
	snprintf(b->version, sizeof b->version, "%s", c->version);
	watch_units(m->sim, m->name, units_held(m));
}

static void do_install(struct machine *m, const struct call *c, struct arklet_reply *r) {
	if (biz_find(m, c->module, c->version) != NULL) {
		r->verdict = ARKLET_REPEAT;
		r->code = "REPEAT_BIZ";
		return;
	}
	bool fails = sim_chance(m->sim, m->sim->f.install_fail);
	if (fails || (m->index == m->sim->bad && !m->sim->calm)) {
		spoil(m, c->module, true);
		refuses(r, "simulated: this module refuses to start");
		stays_broken(m, c);
		return;
	}
	if (m->n_held == MAX_HELD)
		abort();
	bool beside = active_beside(m, c->module);
	watch_order(m->sim, m, true, c->module, c->version);
	spoil(m, c->module, false);
	struct biz *b = &m->held[m->n_held++];
	*b = (struct biz){ .state = beside ? ARKLET_DEACTIVATED : ARKLET_ACTIVATED, .units = c->units, .served = !beside };
	snprintf(b->module, sizeof b->module, "%s", c->module);
	snprintf(b->version, sizeof b->version, "%s", c->version);
	watch_effect(m->sim, m->index, true, c->module, c->version, c->generation);
	watch_units(m->sim, m->name, units_held(m));
	if (sim_chance(m->sim, m->sim->f.crash)) {
		spoil(m, c->module, true);
		crash_later(m);
	}
}

static void do_uninstall(struct machine *m, const struct call *c, struct arklet_reply *r) {
	struct biz *b = biz_find(m, c->module, c->version);
	if (b == NULL) {
		not_found(r);
		return;
	}
	if (sim_chance(m->sim, m->sim->f.install_fail)) {
		spoil(m, c->module, true);
		refuses(r, "simulated: this module refuses to stop");
		return;
	}
	watch_order(m->sim, m, false, c->module, c->version);
	*b = m->held[--m->n_held];
	watch_effect(m->sim, m->index, false, c->module, c->version, c->generation);
}

static void do_switch(struct machine *m, const struct call *c, struct arklet_reply *r) {
	struct biz *b = biz_find(m, c->module, c->version);
	if (b == NULL) {
		not_found(r);
		return;
	}
	if (b->state != ARKLET_ACTIVATED && sim_chance(m->sim, m->sim->f.install_fail)) {
		refuses(r, "simulated: this module refuses to take over");
		return;
	}
	for (int i = 0; i < m->n_held; i++)
		if (strcmp(m->held[i].module, c->module) == 0 && m->held[i].state == ARKLET_ACTIVATED)
			m->held[i].state = ARKLET_DEACTIVATED;
	b->state = ARKLET_ACTIVATED;
	b->served = true;
}

static void do_list(const struct machine *m, struct arklet_reply *r, struct arklet_biz *list) {
	for (int i = 0; i < m->n_held; i++)
		list[i] = (struct arklet_biz){ .name = m->held[i].module,
			.version = m->held[i].version,
			.state = m->held[i].state,
			.state_text = arklet_state_name(m->held[i].state) };
	r->biz = list;
	r->n_biz = (size_t)m->n_held;
}

/* ---- calls ----------------------------------------------------------------------------------------------------------------------------
 */
static void call_unref(struct call *c) {
	if (--c->refs == 0)
		free(c);
}

static void call_times_out(void *arg) {
	struct call *c = arg;
	struct brain_answer x = { .error = E_TIMEOUT, .sent = true, .error_text = "simulated: no answer in time" };
	if (!c->answered)
		c->done(c->arg, &x);
	c->answered = true;
	call_unref(c);
}

static void perform(struct call *c, struct brain_answer *x, struct arklet_reply *r, struct arklet_biz *list) {
	struct machine *m = c->machine;
	static void (*const todo[])(struct machine *, const struct call *,
	    struct arklet_reply *) = { [ARKLET_INSTALL] = do_install, [ARKLET_UNINSTALL] = do_uninstall, [ARKLET_SWITCH] = do_switch };
	if (c->life != m->life || !m->up) {
		*x = (struct brain_answer){ .error = E_IO, .sent = c->life != m->life, .error_text = "simulated: connection refused" };
		return;
	}
	if ((size_t)c->command < sizeof todo / sizeof *todo && todo[c->command] != NULL)
		todo[c->command](m, c, r);
	do_list(m, r, list);
}

static void call_ends(void *arg) {
	struct call *c = arg;
	struct machine *m = c->machine;
	struct arklet_biz list[MAX_HELD];
	struct arklet_reply r = { .verdict = ARKLET_OK, .code = "SUCCESS", .message = "", .cause = "" };
	struct arklet_health h = { .base_state = ARKLET_ACTIVATED, .run_time_s = (double)(m->sim->now_us - m->started_us) / US_PER_S };
	struct brain_answer x = { .sent = true, .reply = &r, .health = c->command == ARKLET_HEALTH ? &h : NULL };
	if (c->life == m->life && m->hung_until > m->sim->now_us) {
		sim_after(m->sim, m->hung_until - m->sim->now_us, call_ends, c);
		return;
	}
	perform(c, &x, &r, list);
	if (!c->answered)
		c->done(c->arg, &x);
	c->answered = true;
	call_unref(c);
}

static int64_t beat_left(const struct sim *s, int64_t us) {
	return (s->now_us + us + BEAT_US / 2) / BEAT_US * BEAT_US - s->now_us;
}

void machine_call(
    struct machine *m, enum arklet_command command, const Berth__V1__WantedModule *w, int64_t timeout_us, machine_done done, void *arg) {
	struct sim *s = m->sim;
	struct call *c = calloc(1, sizeof *c);
	bool work = command == ARKLET_INSTALL || command == ARKLET_UNINSTALL;
	*c = (struct call){ .machine = m, .life = m->life, .command = command, .done = done, .arg = arg, .refs = 2 };
	if (w != NULL) {
		snprintf(c->module, sizeof c->module, "%s", w->module);
		snprintf(c->version, sizeof c->version, "%s", w->version);
		c->units = w->units;
		c->generation = w->generation;
	}
	if (work)
		sim_trace(s, "%s is asked: %s %s:%s (generation %lld)", m->name, arklet_command_name(command), c->module, c->version,
		    (long long)c->generation);
	int64_t us = work ? sim_delay(s, 1000, US_PER_S) : sim_delay(s, 200, 3000);
	if (work && s->steady) /* on a beat: what is begun together ends together, however many hops there were */
		us = beat_left(s, command == ARKLET_INSTALL ? STEADY_INSTALL_US : STEADY_UNINSTALL_US);
	sim_after(s, us, call_ends, c);
	sim_after(s, timeout_us, call_times_out, c);
}
