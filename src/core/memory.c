/* Memory of JVM bases: known with each heartbeat, written when it says something new, so that a quiet fleet costs the ledger next to
 * nothing. */
#include "core/conductor.h"
#include "proto/stamp.h"

#include <stdio.h>

#define WRITE_US (300 * US_PER_S)    /* at the latest */
#define NOT_BEFORE_US (5 * US_PER_S) /* whatever a base says */
#define NEWS_PERMILLE 10             /* of what it was */

static int64_t told(bool has, int64_t v) {
	return has && v >= 0 ? v : -1;
}

static bool moved(int64_t a, int64_t b) {
	int64_t d = a > b ? a - b : b - a;
	return (a < 0) != (b < 0) || d * 1000 > b * NEWS_PERMILLE;
}

static bool news(const struct core *c, const struct base *b, const struct base_memory *now) {
	struct base_memory was;
	if (b->memory_written.us != 0 && mono_diff(c->mono, b->memory_written) < NOT_BEFORE_US)
		return false;
	return b->row.memory == NULL || mono_diff(c->mono, b->memory_written) >= WRITE_US || !base_memory_parse(b->row.memory, &was) ||
	       now->uptime_us < was.uptime_us || moved(now->metaspace_used, was.metaspace_used) ||
	       moved(now->metaspace_committed, was.metaspace_committed) || moved(now->classes, was.classes);
}

void memory_told(struct core *c, struct base *b, const Berth__V1__BaseMemory *m) {
	struct base_memory x = {
		.metaspace_used = told(m->has_metaspace_used, m->metaspace_used),
		.metaspace_committed = told(m->has_metaspace_committed, m->metaspace_committed),
		.metaspace_max = told(m->has_metaspace_max, m->metaspace_max),
		.heap_used = told(m->has_heap_used, m->heap_used),
		.heap_max = told(m->has_heap_max, m->heap_max),
		.classes = told(m->has_classes, m->classes),
		.threads = told(m->has_threads, m->threads),
		.uptime_us = m->uptime != NULL ? pb_duration_us(m->uptime) : -1,
	};
	ARENA_AUTO a = arena_new();
	snprintf(x.application, sizeof x.application, "%s", m->application != NULL ? m->application : "");
	snprintf(x.java, sizeof x.java, "%s", m->java_version != NULL ? m->java_version : "");
	int64_t before = base_metaspace_needed(b);
	base_memory_learn(b, &x, m->outdated);
	if (before > base_metaspace_needed(b))
		room_freed(c, b->group);
	if (c->mode != CORE_ACTIVE || c->older || series_waits(c) || !news(c, b, &x))
		return;
	text_set(&b->row.memory, base_memory_print(&x, a));
	b->row.memory_at = c->wall;
	b->memory_written = c->mono;
	fleet_touch(c->fleet, &b->o);
	core_wake(c);
}
