/* Well-known time types. Outsiders send any numbers in them over gRPC: nothing here may overflow. */
#include "proto/stamp.h"

#include "base/arena.h"
#include "proto/json.h"

#define US_MAX_S INT64_C(253402300800) /* year 9999 */

static int64_t to_us(int64_t seconds, int32_t nanos) {
	if (seconds > US_MAX_S)
		seconds = US_MAX_S;
	if (seconds < -US_MAX_S)
		seconds = -US_MAX_S;
	return seconds * US_PER_S + nanos / 1000;
}

Google__Protobuf__Timestamp *pb_time(wall_t t, struct arena *a) {
	if (t.us == 0)
		return NULL;
	Google__Protobuf__Timestamp *m = PB_NEW(Google__Protobuf__Timestamp, google__protobuf__timestamp, a);
	m->seconds = t.us / US_PER_S;
	m->nanos = (int32_t)(t.us % US_PER_S) * 1000;
	if (m->nanos < 0) {
		m->nanos += 1000000000;
		m->seconds--;
	}
	return m;
}

wall_t pb_time_wall(const Google__Protobuf__Timestamp *t) {
	return (wall_t){ t == NULL ? 0 : to_us(t->seconds, t->nanos) };
}

Google__Protobuf__Duration *pb_duration(int64_t us, struct arena *a) {
	Google__Protobuf__Duration *m = PB_NEW(Google__Protobuf__Duration, google__protobuf__duration, a);
	m->seconds = us / US_PER_S;
	m->nanos = (int32_t)(us % US_PER_S) * 1000;
	return m;
}

int64_t pb_duration_us(const Google__Protobuf__Duration *d) {
	static const int64_t century = INT64_C(3155760000) * US_PER_S;
	int64_t us = d == NULL ? 0 : to_us(d->seconds, d->nanos);
	return us > century ? century : us < -century ? -century : us;
}
