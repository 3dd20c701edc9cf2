/* Time. Two types that cannot be mixed up: mono_t never jumps and is for waiting; wall_t is for people and the ledger.
 * The clock is handed in, so that simulations run on virtual time. */
#ifndef BERTH_BASE_CLOCK_H
#define BERTH_BASE_CLOCK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define US_PER_MS INT64_C(1000)
#define US_PER_S INT64_C(1000000)

typedef struct {
	int64_t us;
} mono_t; /* microseconds since an arbitrary start (CLOCK_BOOTTIME: counts suspend) */
typedef struct {
	int64_t us;
} wall_t; /* microseconds since 1970-01-01 UTC; 0 = none */

#define MONO_NEVER ((mono_t){ INT64_MAX })

struct clock {
	mono_t (*mono)(void *arg);
	wall_t (*wall)(void *arg);
	void *arg;
	int64_t (*cpu)(void *arg); /* microseconds of CPU that the calling thread got so far; NULL: nobody counts */
};

extern const struct clock clock_real;

static inline mono_t clock_mono(const struct clock *c) {
	return c->mono(c->arg);
}
static inline wall_t clock_wall(const struct clock *c) {
	return c->wall(c->arg);
}
static inline int64_t clock_cpu(const struct clock *c) {
	return c->cpu == NULL ? 0 : c->cpu(c->arg);
}
/* us may be negative; later than MONO_NEVER there is nothing. */
static inline mono_t mono_add(mono_t t, int64_t us) {
	return (mono_t){ us > 0 && t.us > INT64_MAX - us ? INT64_MAX : t.us + us };
}
static inline int64_t mono_diff(mono_t a, mono_t b) {
	return a.us - b.us;
}
static inline bool mono_before(mono_t a, mono_t b) {
	return a.us < b.us;
}

/* Virtual time for tests: starts at the given wall time, moves only by clock_virtual_advance(). */
struct clock_virtual {
	mono_t mono;
	wall_t wall;
};
struct clock clock_virtual_init(struct clock_virtual *v, wall_t start);
void clock_virtual_advance(struct clock_virtual *v, int64_t us);

/* RFC 3339 in UTC with microseconds ("2026-11-23T10:11:12.345678Z"); buf holds 32 bytes. Returns buf. */
char *wall_format(wall_t t, char buf[32]);
/* Parses RFC 3339 (any offset, up to 9 fraction digits); false when malformed. */
bool wall_parse(const char *s, wall_t *ret_t);
/* "30s", "1.5s", "250ms", "10m", "24h", "7d", "1h30m"; false when malformed or negative. Microseconds. */
bool duration_parse(const char *s, int64_t *ret_us);
/* Shortest exact form: "30s", "250ms", "1h30m". buf holds 48 bytes. Returns buf. */
char *duration_format(int64_t us, char buf[48]);

#endif
