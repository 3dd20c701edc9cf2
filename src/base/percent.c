/* Integer arithmetic only: a plan replayed elsewhere must come to the same batch. */
#include "base/percent.h"

#include <stdio.h>

#define MAX_COUNT 1000000

bool percent_parse(const char *s, struct percent *ret) {
	int32_t v = 0;
	const char *p = s;
	for (; *p >= '0' && *p <= '9'; p++) {
		v = v * 10 + (*p - '0');
		if (v > MAX_COUNT)
			return false;
	}
	if (p == s)
		return false;
	bool relative = *p == '%';
	if (relative && (v > 100 || p[1] != '\0'))
		return false;
	if (!relative && *p != '\0')
		return false;
	*ret = (struct percent){ v, relative };
	return true;
}

char *percent_format(struct percent p, char buf[16]) {
	snprintf(buf, 16, "%d%s", (int)p.value, p.relative ? "%" : "");
	return buf;
}

int64_t percent_of(struct percent p, int64_t total, enum percent_round round) {
	if (!p.relative)
		return p.value < total ? p.value : total;
	int64_t n = total * p.value;
	return round == PERCENT_UP ? (n + 99) / 100 : n / 100;
}
