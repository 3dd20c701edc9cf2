/* Times and durations between C and protobuf's well-known types. */
#ifndef BERTH_PROTO_STAMP_H
#define BERTH_PROTO_STAMP_H

#include "base/clock.h"
#include "google/protobuf/duration.pb-c.h"
#include "google/protobuf/timestamp.pb-c.h"

struct arena;

Google__Protobuf__Timestamp *pb_time(wall_t t, struct arena *a); /* NULL for 0: the field stays unset */
wall_t pb_time_wall(const Google__Protobuf__Timestamp *t);       /* 0 for NULL */
Google__Protobuf__Duration *pb_duration(int64_t us, struct arena *a);
int64_t pb_duration_us(const Google__Protobuf__Duration *d); /* 0 for NULL; far too long ones are cut to a century */

#endif
