/* An idle ration that owes nothing is forgotten: a new one would be the same. */
#include "drive/ration.h"

#include <stdlib.h>
#include <string.h>

#include "base/hash.h"

void rations_init(struct rations *rs, const struct ration_rates *rates, size_t max_idle) {
	*rs = (struct rations){ .rates = *rates, .max_idle = max_idle };
	TAILQ_INIT(&rs->idle);
}

static void forget(struct rations *rs, struct ration *r) {
	TAILQ_REMOVE(&rs->idle, r, idle);
	rs->n_idle--;
	HASH_DEL(rs->by_key, r);
	free(r);
}

void rations_deinit(struct rations *rs) {
	for (struct ration *r = TAILQ_FIRST(&rs->idle); r != NULL; r = TAILQ_FIRST(&rs->idle))
		forget(rs, r);
}

static bool owes(const struct ration *r, mono_t now) {
	return mono_before(now, r->messages.paid_until) || mono_before(now, r->bytes.paid_until) || mono_before(now, r->hellos.paid_until);
}

/* Two at each call: the idle ones go faster than they come. */
static void sweep(struct rations *rs, mono_t now) {
	for (int i = 0; i < 2; i++) {
		struct ration *r = TAILQ_FIRST(&rs->idle);
		if (r == NULL || (owes(r, now) && rs->n_idle <= rs->max_idle))
			return;
		forget(rs, r);
	}
}

static uint64_t key_of(const char *const *parts, size_t n) {
	XXH64_hash_t h = 0;
	for (size_t i = 0; i < n; i++) {
		const char *s = parts[i] != NULL ? parts[i] : "";
		h = XXH3_64bits_withSeed(s, strlen(s) + 1, h);
	}
	return h;
}

struct ration *ration_get(struct rations *rs, mono_t now, const char *tenant, const char *base, const char *key, const char *token) {
	uint64_t k = key_of((const char *const[]){ tenant, base, key, token }, 4);
	struct ration *r;
	sweep(rs, now);
	HASH_FIND(hh, rs->by_key, &k, sizeof k, r);
	if (r == NULL) {
		r = calloc(1, sizeof *r);
		if (r == NULL)
			abort();
		r->key = k;
		HASH_ADD(hh, rs->by_key, key, sizeof r->key, r);
	} else if (r->refs == 0) {
		TAILQ_REMOVE(&rs->idle, r, idle);
		rs->n_idle--;
	}
	r->refs++;
	return r;
}

void ration_release(struct rations *rs, struct ration *r) {
	if (r == NULL || --r->refs > 0)
		return;
	TAILQ_INSERT_TAIL(&rs->idle, r, idle);
	rs->n_idle++;
}

int64_t ration_message(const struct rations *rs, struct ration *r, mono_t now, size_t bytes) {
	int64_t by_count = bucket_take(&r->messages, now, rs->rates.message_us, rs->rates.message_burst_us);
	int64_t cost = (int64_t)bytes * US_PER_S / rs->rates.byte_rate;
	int64_t by_bytes = bucket_take(&r->bytes, now, cost, rs->rates.byte_burst_us);
	return by_count > by_bytes ? by_count : by_bytes;
}

bool ration_hello(const struct rations *rs, struct ration *r, mono_t now) {
	/* A refused Hello costs nothing: a base that comes back at its pace is let in again. */
	struct bucket before = r->hellos;
	if (bucket_take(&r->hellos, now, rs->rates.hello_us, rs->rates.hello_burst_us) == 0)
		return true;
	r->hellos = before;
	return false;
}
