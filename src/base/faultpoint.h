/* Fault points: named places (faultpoints.def) where a test lets this process crash, stand still or fail. Builds with BERTH_FAULTS have
 * them (debug, asan, tsan); in all others a point is the constant 0 and the environment is not looked at.
 *
 * Armed by BERTH_FAULTS, "POINT=ACTION[@N][,…]": ACTION is crash (SIGKILL), stall (SIGSTOP, whoever wants it to go on sends SIGCONT) or
 * fail; it happens once, at the N-th time the point is passed (1 unless given). BERTH_FAULTS_FILE names a file with one such entry, read
 * whenever a point is passed, so that a running process can be armed; it is removed when it has its effect.
 * What cannot be understood ends the process: a test that arms nothing would prove nothing. */
#ifndef BERTH_BASE_FAULTPOINT_H
#define BERTH_BASE_FAULTPOINT_H

#include <stdbool.h>
#include <stdio.h>

struct err;

enum faultpoint {
#define FAULTPOINT(sym, name, program, failure, sentence) FAULTPOINT_##sym,
#include "base/faultpoints.def"
#undef FAULTPOINT
	FAULTPOINTS
};

#ifdef BERTH_FAULTS
/* 0, or the point's error: the caller fails as if it were its own. Any thread. */
int faultpoint_pass(enum faultpoint p, struct err *err);
/* Whether the next pass has an effect: for what has to be flushed before. */
bool faultpoint_due(enum faultpoint p);
#else
static inline int faultpoint_pass(enum faultpoint p, struct err *err) {
	return 0;
}
static inline bool faultpoint_due(enum faultpoint p) {
	return false;
}
#endif

/* One line per point: name, program, the failure's code or "-", sentence. Nothing in builds without them. */
void faultpoint_print(FILE *to);

#endif
