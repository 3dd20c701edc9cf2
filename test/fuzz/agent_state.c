/* agent.state: the frame by itself; then its payload, as an older, newer or mistaken agent may have sealed it, to a brain that has to start
 * from it, dial, stop, and write a state that it can read back. */
#include <assert.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/err.h"
#include "brain.h"
#include "state.h"
#include "store.h"

#define EFFECTS_MAX 20000

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_frame(const uint8_t *p, size_t n) {
	const uint8_t *payload;
	size_t len;
	if (frame_unpack(p, n, &payload, &len, NULL) == 0)
		assert(payload + len == p + n);
	size_t framed;
	uint8_t *frame = frame_pack(p, n, &framed);
	assert(frame_unpack(frame, framed, &payload, &len, NULL) == 0 && len == n && (n == 0 || memcmp(payload, p, n) == 0));
	assert(frame_unpack(frame, framed - 1, &payload, &len, NULL) != 0);
	frame[framed - 1] ^= 1;
	assert(frame_unpack(frame, framed, &payload, &len, NULL) != 0);
	free(frame);
}

static void check_state(const uint8_t *p, size_t n) {
	Berth__V1__AgentState *s;
	struct err err = ERR_INIT;
	assert(state_load(p, n, &s, &err) == 0);
	state_free(s);
}

static bool effects(struct brain *b, mono_t now) {
	const struct brain_effect *e;
	for (int i = 0; (e = brain_next(b)) != NULL; i++) {
		assert(i < EFFECTS_MAX);
		if (e->kind == BRAIN_EXIT)
			return false;
		if (e->kind == BRAIN_PERSIST) {
			check_state(e->state, e->state_len);
			brain_persisted(b, true, now);
		} else if (e->kind == BRAIN_BASE_START) {
			brain_base_started(b, 100, 1, now);
		}
	}
	return true;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
	if (size == 0)
		return 0;
	Berth__V1__Hello hello = BERTH__V1__HELLO__INIT;
	struct brain_config cfg = { .hello = &hello, .supervised = (data[0] & 1) != 0, .seed = 1 };
	struct brain *b = NULL;
	struct err err = ERR_INIT;
	mono_t now = { 1000 * US_PER_S };
	check_frame(data + 1, size - 1);
	if (brain_new(&cfg, data + 1, size - 1, now, &b, &err) != 0) {
		assert(err.code == E_MALFORMED && b == NULL);
		return 0;
	}
	brain_start(b, (data[0] & 2) != 0, now);
	bool runs = effects(b, now);
	if (runs) {
		brain_link_up(b, now);
		runs = effects(b, now);
	}
	for (int i = 0; runs && i < 20 && brain_deadline(b).us != INT64_MAX; i++) {
		mono_t at = brain_deadline(b);
		now.us = at.us > now.us ? at.us : now.us;
		brain_tick(b, now);
		runs = effects(b, now);
	}
	if (runs) {
		brain_stop(b, "the end", now);
		effects(b, now);
	}
	brain_free(b);
	return 0;
}
