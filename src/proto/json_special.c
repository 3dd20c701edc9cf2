/* Messages with a text form of their own: Timestamp "2026-11-23T10:11:12Z", Duration "30s", Amount 3 | "25%" | "all".
 * Entry has none: a repeated Entry is an object, which the parser and the printer know. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/clock.h"
#include "base/err.h"
#include "berth/v1/types.pb-c.h"
#include "proto/json_int.h"
#include "proto/stamp.h"

#define MAX_AMOUNT INT64_C(100000000)

enum json_special json_special_of(const ProtobufCMessageDescriptor *d) {
	if (d == &google__protobuf__timestamp__descriptor)
		return JSON_TIMESTAMP;
	if (d == &google__protobuf__duration__descriptor)
		return JSON_DURATION;
	if (d == &berth__v1__amount__descriptor)
		return JSON_AMOUNT;
	return d == &berth__v1__entry__descriptor ? JSON_ENTRY : JSON_PLAIN;
}

static void amount_print(const Berth__V1__Amount *m, struct buf *out) {
	if (m->has_all && m->all)
		buf_add_str(out, "\"all\"");
	else if (m->has_percent)
		buf_printf(out, "\"%d%%\"", m->percent);
	else
		buf_printf(out, "%lld", (long long)(m->has_count ? m->count : 0));
}

void json_special_print(enum json_special s, const ProtobufCMessage *m, struct buf *out) {
	char text[48];
	switch (s) {
	case JSON_TIMESTAMP:
		wall_format(pb_time_wall((const Google__Protobuf__Timestamp *)m), text);
		break;
	case JSON_DURATION: {
		int64_t us = pb_duration_us((const Google__Protobuf__Duration *)m);
		duration_format(us < 0 ? 0 : us, text);
		break;
	}
	default:
		amount_print((const Berth__V1__Amount *)m, out);
		return;
	}
	buf_printf(out, "\"%s\"", text);
}

static int amount_count(Berth__V1__Amount *m, int64_t n, struct err *err) {
	if (n < 0 || n > MAX_AMOUNT)
		return err_set(err, E_INVALID, "must be between 0 and %lld", (long long)MAX_AMOUNT);
	m->has_count = 1;
	m->count = n;
	return 0;
}

static int amount_text(Berth__V1__Amount *m, const char *text, struct err *err) {
	if (strcmp(text, "all") == 0) {
		m->has_all = m->all = 1;
		return 0;
	}
	size_t n = strspn(text, "0123456789");
	bool percent = text[n] == '%' && text[n + 1] == '\0';
	if (n == 0 || n > 9 || (text[n] != '\0' && !percent))
		return err_set(err, E_INVALID, "must be a number, a percentage such as \"25%%\", or \"all\"");
	long v = strtol(text, NULL, 10);
	if (!percent)
		return amount_count(m, v, err);
	if (v > 100)
		return err_set(err, E_INVALID, "a percentage must be between 0%% and 100%%");
	m->has_percent = 1;
	m->percent = (int32_t)v;
	return 0;
}

static int time_text(Google__Protobuf__Timestamp *m, const char *text, struct err *err) {
	wall_t t;
	if (!wall_parse(text, &t))
		return err_set(err, E_INVALID, "must be a time as in RFC 3339: \"2026-11-23T10:11:12Z\"");
	m->seconds = t.us / US_PER_S;
	m->nanos = (int32_t)(t.us % US_PER_S) * 1000;
	if (m->nanos < 0) {
		m->nanos += 1000000000;
		m->seconds--;
	}
	return 0;
}

static int duration_text(Google__Protobuf__Duration *m, const char *text, struct err *err) {
	int64_t us;
	if (!duration_parse(text, &us))
		return err_set(err, E_INVALID, "must be a duration such as \"30s\", \"10m\" or \"1h30m\"");
	m->seconds = us / US_PER_S;
	m->nanos = (int32_t)(us % US_PER_S) * 1000;
	return 0;
}

int json_special_text(enum json_special s, ProtobufCMessage *m, const char *text, struct err *err) {
	switch (s) {
	case JSON_TIMESTAMP:
		return time_text((Google__Protobuf__Timestamp *)m, text, err);
	case JSON_DURATION:
		return duration_text((Google__Protobuf__Duration *)m, text, err);
	case JSON_AMOUNT:
		return amount_text((Berth__V1__Amount *)m, text, err);
	default:
		return err_set(err, E_INVALID, "cannot be given as text");
	}
}

int json_special_parse(enum json_special s, ProtobufCMessage *m, const json_t *v, struct err *err) {
	if (s == JSON_AMOUNT && json_is_integer(v))
		return amount_count((Berth__V1__Amount *)m, json_integer_value(v), err);
	/* anything that is no string fails on the text "", with the sentence that says what is wanted */
	return json_special_text(s, m, json_is_string(v) ? json_string_value(v) : "", err);
}
