/* "25%" or a number, where both make sense (batch sizes, maxUnavailable, maxSurge). */
#ifndef BERTH_BASE_PERCENT_H
#define BERTH_BASE_PERCENT_H

#include <stdbool.h>
#include <stdint.h>

struct percent {
	int32_t value;
	bool relative; /* value is a percentage 0…100, else a count */
};

enum percent_round { PERCENT_DOWN, PERCENT_UP };

/* "0%"…"100%" or 0…1000000; false otherwise (signs, blanks, fractions). */
bool percent_parse(const char *s, struct percent *ret);
/* "25%" or "3"; buf holds 16 bytes. Returns buf. */
char *percent_format(struct percent p, char buf[16]);
/* How many of total: a count is cut to total, a percentage is rounded as told (25 % of 10: 2 down, 3 up). */
int64_t percent_of(struct percent p, int64_t total, enum percent_round round);

#endif
