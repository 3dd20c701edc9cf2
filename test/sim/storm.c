/* One seed: a fleet, its servers and its people in a storm of faults; then calm, in which everything has to settle. */
#include "sim.h"

#include <stdio.h>
#include <stdlib.h>

#define STORM_US (120 * US_PER_S)
#define CALM_STEP_US (60 * US_PER_S)
#define CALM_US (1800 * US_PER_S)

static const struct faults kinds[] = {
	{ 0 },
	{ .commit_lost_before = 20, .commit_lost_after = 20, .commit_late = 20, .commit_retry_slow = 20 },
	{ .link_cut = 60, .agent_kill = 20, .base_kill = 20, .report_late = 100, .mute = 20, .leave = 30, .meddle = 20 },
	{ .node_kill = 15, .node_freeze = 15, .commit_lost_after = 10, .commit_late = 10 },
	{ .install_fail = 400, .base_kill = 10, .crash = 100, .link_cut = 40, .mute = 20 },
	{ .install_fail = 700, .meddle = 10, .link_cut = 30, .agent_kill = 20 },
	{ .commit_lost_before = 10,
	    .commit_lost_after = 10,
	    .commit_late = 10,
	    .commit_retry_slow = 10,
	    .link_cut = 20,
	    .node_kill = 8,
	    .node_freeze = 8,
	    .agent_kill = 10,
	    .agent_disk_lost = 200,
	    .base_kill = 10,
	    .install_fail = 50,
	    .report_late = 50,
	    .mute = 10,
	    .leave = 10,
	    .meddle = 10 },
};

static void blow(void *arg) {
	struct sim *s = arg;
	if (s->calm)
		return;
	struct agent *a = s->agents[rng_below(&s->rng, (uint64_t)s->n_agents)];
	struct node *n = s->nodes[rng_below(&s->rng, (uint64_t)s->n_nodes)];
	if (sim_chance(s, s->f.node_kill))
		node_kill(n);
	if (sim_chance(s, s->f.node_freeze))
		node_freeze(n, sim_delay(s, US_PER_S, 25 * US_PER_S));
	if (sim_chance(s, s->f.agent_kill))
		agent_kill(a, sim_chance(s, s->f.agent_disk_lost));
	if (sim_chance(s, s->f.base_kill))
		agent_base_kill(a);
	if (sim_chance(s, s->f.link_cut))
		agent_cut(a);
	if (sim_chance(s, s->f.mute))
		agent_mute(a, sim_delay(s, US_PER_S, 100 * US_PER_S));
	if (sim_chance(s, s->f.leave))
		agent_leave(a);
	if (sim_chance(s, s->f.meddle))
		agent_meddle(a);
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

static void stage(struct sim *s) {
	s->f = kinds[s->seed % (sizeof kinds / sizeof *kinds)];
	s->store = store_new(s);
	s->clients = clients_new(s);
	s->n_nodes = s->seed % 2 == 0 ? 1 : 2;
	s->n_agents = 2 + (int)rng_below(&s->rng, 7);
	for (int i = 0; i < s->n_nodes; i++)
		s->nodes[i] = node_new(s, i);
	for (int i = 0; i < s->n_agents; i++)
		s->agents[i] = agent_new(s, i, "g");
	clients_start(s->clients);
	sim_after(s, 5 * US_PER_S, blow, s);
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
	clients_free(s->clients);
	store_free(s->store);
	sim_deinit(s);
}

bool storm_run(uint64_t seed, FILE *trace, uint64_t *transitions, char *ret_why, size_t n) {
	struct sim s;
	sim_init(&s, seed, trace);
	s.transitions = transitions;
	stage(&s);
	play(&s);
	snprintf(ret_why, n, "%s", s.failure);
	strike(&s);
	return ret_why[0] == '\0';
}
