/* Each taking moves paid_until on by its cost; what lies further ahead of now than the burst is the pause. */
#include "base/bucket.h"

int64_t bucket_owed(const struct bucket *b, mono_t now) {
	return mono_before(now, b->paid_until) ? mono_diff(b->paid_until, now) : 0;
}

int64_t bucket_take(struct bucket *b, mono_t now, int64_t cost_us, int64_t burst_us) {
	if (mono_before(b->paid_until, now))
		b->paid_until = now;
	b->paid_until = mono_add(b->paid_until, cost_us);
	int64_t owed = bucket_owed(b, now);
	return owed > burst_us ? owed - burst_us : 0;
}
