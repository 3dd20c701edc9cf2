/* The real clock, the virtual clock, and the text forms of times and durations. */
#include "base/clock.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

static int64_t read_clock(clockid_t id) {
	struct timespec ts;
	clock_gettime(id, &ts);
	return (int64_t)ts.tv_sec * US_PER_S + ts.tv_nsec / 1000;
}

static mono_t real_mono(void *arg) {
	(void)arg;
	return (mono_t){ read_clock(CLOCK_BOOTTIME) };
}

static wall_t real_wall(void *arg) {
	(void)arg;
	return (wall_t){ read_clock(CLOCK_REALTIME) };
}

static int64_t real_cpu(void *arg) {
	(void)arg;
	return read_clock(CLOCK_THREAD_CPUTIME_ID);
}

const struct clock clock_real = { real_mono, real_wall, NULL, real_cpu };

static mono_t virtual_mono(void *arg) {
	return ((struct clock_virtual *)arg)->mono;
}

static wall_t virtual_wall(void *arg) {
	return ((struct clock_virtual *)arg)->wall;
}

struct clock clock_virtual_init(struct clock_virtual *v, wall_t start) {
	v->mono = (mono_t){ US_PER_S };
	v->wall = start;
	return (struct clock){ virtual_mono, virtual_wall, v, NULL };
}

void clock_virtual_advance(struct clock_virtual *v, int64_t us) {
	v->mono.us += us;
	v->wall.us += us;
}

char *wall_format(wall_t t, char buf[32]) {
	int64_t s = t.us / US_PER_S, us = t.us % US_PER_S;
	if (us < 0) {
		us += US_PER_S;
		s--;
	}
	time_t tt = (time_t)s;
	struct tm tm;
	gmtime_r(&tt, &tm);
	int n = snprintf(buf, 32, "%04d", tm.tm_year + 1900); /* strftime's %Y has no leading zeros */
	size_t m = strftime(buf + n, 32 - (size_t)n, "-%m-%dT%H:%M:%S", &tm);
	snprintf(buf + n + m, 32 - (size_t)n - m, ".%06dZ", (int)us);
	return buf;
}

static bool digits(const char **p, int n, int *ret) {
	int v = 0;
	for (int i = 0; i < n; i++, (*p)++) {
		if (!isdigit((unsigned char)**p))
			return false;
		v = v * 10 + (**p - '0');
	}
	*ret = v;
	return true;
}

static bool offset_parse(const char **p, int *ret_s) {
	if (**p == 'Z' || **p == 'z') {
		(*p)++;
		*ret_s = 0;
		return true;
	}
	int sign = **p == '+' ? 1 : **p == '-' ? -1 : 0, h, m;
	if (sign == 0)
		return false;
	(*p)++;
	if (!digits(p, 2, &h) || *(*p)++ != ':' || !digits(p, 2, &m) || h > 23 || m > 59)
		return false;
	*ret_s = sign * (h * 3600 + m * 60);
	return true;
}

static int64_t fraction_us(const char **p) {
	int64_t us = 0, scale = US_PER_S / 10;
	for (; isdigit((unsigned char)**p); (*p)++, scale /= 10)
		us += (**p - '0') * scale;
	return us;
}

static int days_in_month(int year, int mon) {
	static const int days[] = { 31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31 };
	bool leap = (year % 4 == 0 && year % 100 != 0) || year % 400 == 0;
	return mon == 2 && leap ? 29 : days[mon - 1];
}

#define YEAR_0 INT64_C(-62167219200)
#define YEAR_10000 INT64_C(253402300800)

bool wall_parse(const char *s, wall_t *ret_t) {
	struct tm tm = { 0 };
	int year, mon, off;
	const char *p = s;
	if (!digits(&p, 4, &year) || *p++ != '-' || !digits(&p, 2, &mon) || *p++ != '-' || !digits(&p, 2, &tm.tm_mday))
		return false;
	if ((*p != 'T' && *p != 't' && *p != ' ') || (p++, !digits(&p, 2, &tm.tm_hour)) || *p++ != ':' || !digits(&p, 2, &tm.tm_min) ||
	    *p++ != ':' || !digits(&p, 2, &tm.tm_sec))
		return false;
	if (mon < 1 || mon > 12 || tm.tm_mday < 1 || tm.tm_mday > 31 || tm.tm_hour > 23 || tm.tm_min > 59 || tm.tm_sec > 60)
		return false;
	int64_t us = 0;
	if (*p == '.') {
		p++;
		if (!isdigit((unsigned char)*p))
			return false;
		us = fraction_us(&p);
	}
	if (!offset_parse(&p, &off) || *p != '\0')
		return false;
	if (tm.tm_mday > days_in_month(year, mon))
		return false;
	tm.tm_year = year - 1900;
	tm.tm_mon = mon - 1;
	int64_t t = (int64_t)timegm(&tm) - off;
	if (t < YEAR_0 || t >= YEAR_10000) /* its offset took it where no four digits reach */
		return false;
	ret_t->us = t * US_PER_S + us;
	return true;
}

static const struct unit {
	const char *name;
	int64_t us;
} units[] = {
	{ "ms", US_PER_MS },
	{ "us", 1 },
	{ "d", 86400 * US_PER_S },
	{ "h", 3600 * US_PER_S },
	{ "m", 60 * US_PER_S },
	{ "s", US_PER_S },
};

static const struct unit *unit_find(const char **p) {
	for (size_t i = 0; i < sizeof units / sizeof *units; i++) {
		size_t n = strlen(units[i].name);
		if (strncmp(*p, units[i].name, n) == 0) {
			*p += n;
			return &units[i];
		}
	}
	return NULL;
}

bool duration_parse(const char *s, int64_t *ret_us) {
	int64_t total = 0;
	const char *p = s;
	if (*p == '\0')
		return false;
	while (*p != '\0') {
		if (!isdigit((unsigned char)*p))
			return false;
		int64_t whole = 0, frac = 0;
		for (; isdigit((unsigned char)*p); p++) {
			if (whole > INT64_C(100000000000))
				return false;
			whole = whole * 10 + (*p - '0');
		}
		if (*p == '.') {
			p++;
			frac = fraction_us(&p);
		}
		const struct unit *u = unit_find(&p);
		if (u == NULL || whole > INT64_MAX / 4 / u->us)
			return false;
		total += whole * u->us + frac * (u->us / 1000) / (US_PER_S / 1000);
		if (total > INT64_MAX / 4)
			return false;
	}
	*ret_us = total;
	return true;
}

char *duration_format(int64_t us, char buf[48]) {
	static const struct unit order[] = { { "h", 3600 * US_PER_S }, { "m", 60 * US_PER_S } };
	size_t n = 0;
	buf[0] = '\0';
	if (us != 0 && us % US_PER_MS == 0 && us < US_PER_S) {
		snprintf(buf, 48, "%lldms", (long long)(us / US_PER_MS));
		return buf;
	}
	for (size_t i = 0; i < 2; i++) {
		int64_t v = us / order[i].us;
		if (v > 0)
			n += (size_t)snprintf(buf + n, 48 - n, "%lld%s", (long long)v, order[i].name);
		us %= order[i].us;
	}
	if (us % US_PER_S != 0) {
		char frac[8];
		snprintf(frac, sizeof frac, "%06d", (int)(us % US_PER_S));
		for (size_t k = 6; k > 0 && frac[k - 1] == '0'; k--)
			frac[k - 1] = '\0';
		snprintf(buf + n, 48 - n, "%lld.%ss", (long long)(us / US_PER_S), frac);
	} else if (us > 0 || n == 0) {
		snprintf(buf + n, 48 - n, "%llds", (long long)(us / US_PER_S));
	}
	return buf;
}
