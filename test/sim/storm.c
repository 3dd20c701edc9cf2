/* One seed: a fleet, its servers and its people in a storm of faults; then calm, in which everything has to settle. */
#include "sim.h"

#include <stdio.h>
#include <stdlib.h>

#define STORM_US (120 * US_PER_S)
#define CALM_STEP_US (60 * US_PER_S)
#define CALM_US (1800 * US_PER_S)
#define FORESEEN 6
#define ENOUGH_TO_BRAKE 6

/* As many as have nothing in common with the other numbers that a seed is divided by. */
static const struct faults kinds[17] = {
	{ 0 },
	{ .commit_lost_before = 20, .commit_lost_after = 20, .commit_late = 20, .commit_slow = 20, .replay = 200 },
	{ .link_cut = 60,
	    .agent_kill = 20,
	    .base_kill = 20,
	    .report_late = 100,
	    .report_twice = 100,
	    .replay = 100,
	    .mute = 20,
	    .leave = 30,
	    .meddle = 20 },
	{ .node_kill = 15, .node_freeze = 40, .node_stop = 5, .commit_lost_after = 10, .commit_late = 10 },
	{ .install_fail = 400, .base_kill = 10, .base_hang = 10, .crash = 100, .link_cut = 40, .mute = 20 },
	{ .install_fail = 700, .meddle = 10, .link_cut = 30, .agent_kill = 20 },
	{ .commit_lost_before = 10,
	    .commit_lost_after = 10,
	    .commit_late = 10,
	    .commit_slow = 10,
	    .stall = 5,
	    .link_cut = 20,
	    .node_kill = 8,
	    .node_freeze = 8,
	    .agent_kill = 10,
	    .agent_disk_lost = 200,
	    .agent_hang = 10,
	    .base_kill = 10,
	    .base_hang = 5,
	    .install_fail = 50,
	    .report_late = 50,
	    .report_twice = 50,
	    .replay = 50,
	    .mute = 10,
	    .leave = 10,
	    .meddle = 10,
	    .lone = 300 },
	{ .refuse = 150, .base_kill = 10 },
	{ .older = true, .link_cut = 10, .base_kill = 5 },
	{ .refuse = 100, .commit_lost_after = 10, .commit_late = 10, .node_kill = 5 },
	{ .lie = 200, .report_twice = 100, .base_kill = 5, .install_fail = 30 },
	{ .lone = 1000, .base_kill = 20, .base_hang = 20, .node_kill = 10, .node_freeze = 10, .commit_lost_after = 10 },
	{ .stall = 30, .agent_hang = 30, .base_hang = 30 },
	{ .zone_away = true, .meddle = 30, .base_kill = 5, .link_cut = 10 },
	{ .zone_away = true, .node_kill = 10, .node_freeze = 10, .commit_lost_after = 10 },
	{ .meddle = 60, .crash = 50, .base_kill = 10, .leave = 10 },
	{ .install_fail = 150, .base_hang = 10, .link_cut = 20, .lone = 300 },
};

#define LONG_DRAIN_US (8 * US_PER_S)

static int n_zones(const struct sim *s) {
	return 1 + (int)(s->seed / 17 % 3);
}

/* Every server dies; the database comes back from a backup. */
static void rewind_all(void *arg) {
	struct sim *s = arg;
	if (s->calm)
		return;
	for (int i = 0; i < s->n_nodes; i++)
		node_kill(s->nodes[i]);
	if (!store_rewind(s->store))
		return;
	s->lost = true;
	clients_forget(s->clients);
}

static void remember(void *arg) {
	struct sim *s = arg;
	store_remember(s->store);
}

static void blow_servers(struct sim *s) {
	struct node *n = s->nodes[rng_below(&s->rng, (uint64_t)s->n_nodes)];
	if (sim_chance(s, s->f.node_kill))
		node_kill(n);
	if (sim_chance(s, s->f.node_stop))
		node_stop(n);
	if (sim_chance(s, s->f.node_freeze))
		node_freeze(n, sim_delay(s, US_PER_S, 25 * US_PER_S));
	if (sim_chance(s, s->f.stall))
		ledger_stall(s->store, sim_delay(s, 500 * US_PER_MS, 20 * US_PER_S));
}

static void blow_agents(struct sim *s) {
	struct agent *a = s->agents[rng_below(&s->rng, (uint64_t)s->n_agents)];
	if (sim_chance(s, s->f.agent_kill))
		agent_kill(a, sim_chance(s, s->f.agent_disk_lost));
	if (sim_chance(s, s->f.agent_hang))
		agent_hang(a, sim_delay(s, US_PER_S, 90 * US_PER_S));
	if (sim_chance(s, s->f.base_kill))
		agent_base_kill(a);
	if (sim_chance(s, s->f.base_hang))
		machine_hang(agent_machine(a), sim_delay(s, US_PER_S, 150 * US_PER_S));
	if (sim_chance(s, s->f.link_cut))
		agent_cut(a);
	if (sim_chance(s, s->f.mute))
		agent_mute(a, sim_delay(s, US_PER_S, 100 * US_PER_S));
	if (sim_chance(s, s->f.leave))
		agent_leave(a);
	if (sim_chance(s, s->f.meddle))
		machine_meddle(agent_machine(a));
}

/* A switch that fails: most of the bases behind it, and nobody says so. */
static void blow_zone(void *arg) {
	struct sim *s = arg;
	int zone = (int)rng_below(&s->rng, (uint64_t)n_zones(s));
	for (int i = zone; i < s->n_agents; i += n_zones(s))
		if (i < 3 * n_zones(s) || rng_below(&s->rng, 3) == 0) {
			agent_hang(s->agents[i], sim_delay(s, 150 * US_PER_S, 300 * US_PER_S));
			agent_cut(s->agents[i]);
		}
}

static void blow_lone(struct sim *s) {
	struct machine *m = s->lone[rng_below(&s->rng, (uint64_t)s->n_lone)];
	if (sim_chance(s, s->f.base_kill))
		machine_bounce(m);
	if (sim_chance(s, s->f.base_hang))
		machine_hang(m, sim_delay(s, US_PER_S, 150 * US_PER_S));
}

static void blow(void *arg) {
	struct sim *s = arg;
	if (s->calm)
		return;
	blow_servers(s);
	blow_agents(s);
	if (s->n_lone > 0)
		blow_lone(s);
	sim_after(s, sim_delay(s, 100 * US_PER_MS, 2 * US_PER_S), blow, s);
}

/* Runs until everything is as wanted, at most CALM_US; `whole` goes the full length, to see that it stays so. */
static void settle(struct sim *s, bool whole) {
	for (int64_t until = STORM_US + CALM_STEP_US; s->failure[0] == '\0'; until += CALM_STEP_US) {
		while (s->failure[0] == '\0' && s->now_us < until && sim_step(s))
			continue;
		if (s->failure[0] != '\0' || (whole && until < CALM_US))
			continue;
		settle_check(s);
		if (s->failure[0] == '\0' || until >= CALM_US)
			return;
		s->failure[0] = '\0';
	}
}

static void stage_lone(struct sim *s) {
	char name[16];
	for (int i = 0; i < MAX_LONE && sim_chance(s, s->f.lone); i++) {
		snprintf(name, sizeof name, "lone%d", i);
		s->lone[s->n_lone++] = machine_new(s, MAX_BASES + i, name);
		machine_on_crash(s->lone[i], machine_bounce, s->lone[i]);
		machine_start(s->lone[i]);
	}
}

/* Most fleets are small, where everything is close to a limit; every tenth is as large as they come here. */
static void stage(struct sim *s) {
	static const char *const zones[] = { "a", "b", "c" };
	s->f = kinds[s->seed % (sizeof kinds / sizeof *kinds)];
	if (clients_drain_wait(s) >= LONG_DRAIN_US) /* else hardly any server goes while something waits */
		s->f.node_kill += 80;
	s->store = store_new(s);
	s->clients = clients_new(s);
	s->watch = watch_new();
	s->plan_watch = plan_watch_new();
	s->n_nodes = 1 + (int)(s->seed % 5 % MAX_NODES);
	s->n_agents = 2 + (int)rng_below(&s->rng, s->seed % 10 == 9 ? MAX_BASES - 1 : 7);
	if (s->f.zone_away && s->n_agents < ENOUGH_TO_BRAKE)
		s->n_agents = ENOUGH_TO_BRAKE;
	s->liar = s->f.lie > 0 ? 0 : -1;
	s->bad = s->seed % 5 == 1 ? 1 : -1;
	stage_lone(s);
	for (int i = 0; i < s->n_nodes; i++)
		s->nodes[i] = node_new(s, i);
	for (int i = 0; i < s->n_agents; i++)
		s->agents[i] = agent_new(s, i, "g", zones[i % n_zones(s)]);
	clients_start(s->clients);
	sim_after(s, 5 * US_PER_S, blow, s);
	if (s->f.zone_away)
		sim_after(s, sim_delay(s, 50 * US_PER_S, 90 * US_PER_S), blow_zone, s);
	if (!s->f.older)
		return;
	sim_after(s, sim_delay(s, 20 * US_PER_S, 60 * US_PER_S), remember, s);
	sim_after(s, sim_delay(s, 61 * US_PER_S, 100 * US_PER_S), rewind_all, s);
}

static void play(struct sim *s) {
	while (s->failure[0] == '\0' && s->now_us < STORM_US && sim_step(s))
		continue;
	s->calm = true;
	sim_trace(s, "---- calm ----");
	settle(s, s->seed % 16 == 0);
	if (s->failure[0] == '\0') {
		store_check(s->store);
		clients_check(s->clients);
	}
	for (int k = 0; k < FORESEEN && s->failure[0] == '\0'; k++)
		foresee(s);
}

static void strike(struct sim *s) {
	s->trace = NULL;
	for (int i = 0; i < s->n_nodes; i++)
		node_kill(s->nodes[i]);
	for (int i = 0; i < s->n_agents; i++)
		agent_kill(s->agents[i], false);
	sim_drain(s);
	for (int i = 0; i < s->n_nodes; i++)
		node_free(s->nodes[i]);
	for (int i = 0; i < s->n_agents; i++)
		agent_free(s->agents[i]);
	for (int i = 0; i < s->n_lone; i++)
		machine_free(s->lone[i]);
	clients_free(s->clients);
	watch_free(s->watch);
	free(s->plan_watch);
	store_free(s->store);
	sim_deinit(s);
}

bool storm_run(uint64_t seed, FILE *trace, struct tally *tally, char *ret_why, size_t n) {
	struct sim s;
	sim_init(&s, seed, trace);
	s.tally = tally;
	stage(&s);
	play(&s);
	snprintf(ret_why, n, "%s", s.failure);
	strike(&s);
	return ret_why[0] == '\0';
}
