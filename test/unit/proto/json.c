/* The JSON form of messages: tables of texts and refusals, and a round trip of every message of the API with random content. */
#include "../../suite.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/arena.h"
#include "base/buf.h"
#include "base/err.h"
#include "base/rng.h"
#include "berth/v1/agent.pb-c.h"
#include "berth/v1/api.pb-c.h"
#include "google/protobuf/duration.pb-c.h"
#include "google/protobuf/timestamp.pb-c.h"
#include "proto/json.h"

#define DEPLOYMENT (&berth__v1__deployment__descriptor)

static int parse(struct arena *a, const ProtobufCMessageDescriptor *d, const char *text, ProtobufCMessage **ret, struct err *err) {
	return json_parse(d, text, strlen(text), a, ret, err);
}

/* What it prints as after parsing; the same text when canonical. */
static void same(const ProtobufCMessageDescriptor *d, const char *text, const char *want) {
	ARENA_AUTO a = arena_new();
	BUF_AUTO out = BUF_INIT;
	struct err err = ERR_INIT;
	ProtobufCMessage *m = NULL;
	ck_assert_msg(parse(a, d, text, &m, &err) == 0, "%s: %s %s", text, err.pointer, err.text);
	json_print(m, false, &out);
	ck_assert_str_eq(buf_str(&out), want);
}

static void refused(const ProtobufCMessageDescriptor *d, const char *text, int code, const char *pointer, const char *part) {
	ARENA_AUTO a = arena_new();
	struct err err = ERR_INIT;
	ProtobufCMessage *m = NULL;
	ck_assert_msg(parse(a, d, text, &m, &err) == code, "%s gave %d, not %d (%s)", text, err.code, code, err.text);
	ck_assert_ptr_null(m);
	ck_assert_str_eq(err.pointer, pointer);
	ck_assert_msg(strstr(err.text, part) != NULL, "%s: \"%s\" lacks \"%s\"", text, err.text, part);
}

START_TEST(it_reads_and_prints) {
	static const struct {
		const char *text, *want;
	} rows[] = {
		{ "{}", "{}" },
		{ "", "{}" },
		{ "{\"name\":\"a\",\"replicas\":3}", "{\"name\":\"a\",\"replicas\":3}" },
		{ "{\"replicas\":\"25%\"}", "{\"replicas\":\"25%\"}" },
		{ "{\"replicas\":\"3\"}", "{\"replicas\":3}" },
		{ "{\"replicas\":0}", "{\"replicas\":0}" },
		{ "{\"replicas\":\"all\"}", "{\"replicas\":\"all\"}" },
		{ "{\"env\":{\"A\":\"1\",\"B\":\"\"}}", "{\"env\":{\"A\":\"1\",\"B\":\"\"}}" },
		{ "{\"args\":[\"a\",\"b\"]}", "{\"args\":[\"a\",\"b\"]}" },
		{ "{\"args\":[]}", "{}" },
		{ "{\"name\":null}", "{}" },
		{ "{\"name\":\"\"}", "{\"name\":\"\"}" },
		{ "{\"plan\":\"9223372036854775807\"}", "{\"plan\":9223372036854775807}" },
		{ "{\"state\":\"waiting\"}", "{\"state\":\"waiting\"}" },
		{ "{\"completed_revision\":2}", "{\"completedRevision\":2}" },
		{ "{\"strategy\":{\"batches\":[1,\"25%\",\"all\"],\"upgradePolicy\":\"install_first\",\"minReady\":\"90s\",\"confirm\":"
		  "\"none\"}}",
		    "{\"strategy\":{\"batches\":[1,\"25%\",\"all\"],\"upgradePolicy\":\"install_first\",\"minReady\":\"1m30s\",\"confirm\":"
		    "\"none\"}}" },
		{ "{\"createTime\":\"2026-11-23T12:11:12+02:00\"}", "{\"createTime\":\"2026-11-23T10:11:12.000000Z\"}" },
		{ "{\"name\":\"\\u00e9\\n\"}", "{\"name\":\"\xc3\xa9\\n\"}" },
	};
	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
		same(DEPLOYMENT, rows[i].text, rows[i].want);
}
END_TEST

START_TEST(it_refuses) {
	static const struct {
		const char *text;
		int code;
		const char *pointer, *part;
	} rows[] = {
		{ "{", E_MALFORMED, "", "line 1" },
		{ "[]", E_INVALID, "", "JSON object" },
		{ "7", E_INVALID, "", "JSON object" },
		{ "{}{}", E_MALFORMED, "", "not JSON" },
		{ "{\"name\":\"a\",\"name\":\"b\"}", E_MALFORMED, "", "duplicate" },
		{ "{\"name\":\"\xff\"}", E_MALFORMED, "", "UTF-8" },
		{ "{\"name\":\"a\\u0000b\"}", E_MALFORMED, "", "NUL" },
		{ "{\"name\":7}", E_INVALID, "/name", "name must be a string" },
		{ "{\"replica\":7}", E_INVALID, "/replica", "did you mean \"replicas\"" },
		{ "{\"zzzzzzzz\":7}", E_INVALID, "/zzzzzzzz", "there is: name, tenant" },
		{ "{\"a/b~c\":7}", E_INVALID, "/a~1b~0c", "unknown field" },
		{ "{\"replicas\":-1}", E_INVALID, "/replicas", "between" },
		{ "{\"replicas\":\"101%\"}", E_INVALID, "/replicas", "100%" },
		{ "{\"replicas\":\"some\"}", E_INVALID, "/replicas", "percentage" },
		{ "{\"replicas\":1.5}", E_INVALID, "/replicas", "number" },
		{ "{\"revision\":2147483648}", E_INVALID, "/revision", "between" },
		{ "{\"revision\":1.0}", E_INVALID, "/revision", "whole" },
		{ "{\"revision\":99999999999999999999}", E_INVALID, "", "too large" },
		{ "{\"plan\":\"99999999999999999999\"}", E_INVALID, "/plan", "too large" },
		{ "{\"plan\":\"1x\"}", E_INVALID, "/plan", "whole" },
		{ "{\"state\":\"broken\"}", E_INVALID, "/state", "one of waiting, rolling, running" },
		{ "{\"args\":\"a\"}", E_INVALID, "/args", "list" },
		{ "{\"args\":[\"a\",2]}", E_INVALID, "/args/1", "args must be a string" },
		{ "{\"env\":{\"A\":1}}", E_INVALID, "/env/A", "string" },
		{ "{\"env\":[]}", E_INVALID, "/env", "object" },
		{ "{\"strategy\":{\"minReady\":\"5 apples\"}}", E_INVALID, "/strategy/minReady", "duration" },
		{ "{\"strategy\":{\"minReady\":5}}", E_INVALID, "/strategy/minReady", "duration" },
		{ "{\"strategy\":[]}", E_INVALID, "/strategy", "object" },
		{ "{\"createTime\":\"yesterday\"}", E_INVALID, "/createTime", "RFC 3339" },
		{ "{\"createTime\":\"2026-02-30T00:00:00Z\"}", E_INVALID, "/createTime", "RFC 3339" },
		{ "{\"completedRevision\":1,\"completed_revision\":2}", E_INVALID, "/completed_revision", "twice" },
	};
	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
		refused(DEPLOYMENT, rows[i].text, rows[i].code, rows[i].pointer, rows[i].part);
}
END_TEST

START_TEST(it_bounds_the_depth) {
	char deep[256] = "";
	memset(deep, '[', 40);
	refused(DEPLOYMENT, deep, E_MALFORMED, "", "deeper than 32");
	same(DEPLOYMENT, "{\"name\":\"[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[\\\"[[\"}",
	    "{\"name\":\"[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[\\\"[[\"}");
}
END_TEST

static int set(ProtobufCMessage *m, struct arena *a, const char *name, const char *text, struct err *err) {
	return json_set_text(m, json_field(m->descriptor, name), text, a, err);
}

START_TEST(it_sets_from_text) {
	ARENA_AUTO a = arena_new();
	BUF_AUTO out = BUF_INIT;
	struct err err = ERR_INIT;
	ProtobufCMessage *m = pb_new(DEPLOYMENT, a);
	ck_assert_int_eq(set(m, a, "replicas", "25%", &err), 0);
	ck_assert_int_eq(set(m, a, "args", "x", &err), 0);
	ck_assert_int_eq(set(m, a, "args", "y", &err), 0);
	ck_assert_int_eq(set(m, a, "revision", "-7", &err), 0);
	ck_assert_int_eq(set(m, a, "state", "running", &err), 0);
	json_print(m, false, &out);
	ck_assert_str_eq(buf_str(&out), "{\"replicas\":\"25%\",\"args\":[\"x\",\"y\"],\"state\":\"running\",\"revision\":-7}");
	ck_assert_int_eq(set(m, a, "revision", "7x", &err), E_INVALID);
	ck_assert_str_eq(err.pointer, "/revision");
	ck_assert_int_eq(set(m, a, "name", "\xc0\x80", &err), E_INVALID);
	ck_assert_int_eq(set(m, a, "strategy", "x", &err), E_INVALID);
	ck_assert_ptr_null(json_field(m->descriptor, "nope"));
}
END_TEST

START_TEST(it_prints_empty_lists_of_replies) {
	ARENA_AUTO a = arena_new();
	BUF_AUTO out = BUF_INIT;
	json_print(pb_new(&berth__v1__list_bases_reply__descriptor, a), true, &out);
	ck_assert_str_eq(buf_str(&out), "{\"bases\":[]}");
}
END_TEST

/* ---- every message, random content -------------------------------------------------------------------------------------------- */
static const ProtobufCServiceDescriptor *const services[] = {
	&berth__v1__artifacts__descriptor,
	&berth__v1__modules__descriptor,
	&berth__v1__groups__descriptor,
	&berth__v1__bases__descriptor,
	&berth__v1__deployments__descriptor,
	&berth__v1__plans__descriptor,
	&berth__v1__instances__descriptor,
	&berth__v1__endpoints__descriptor,
	&berth__v1__findings__descriptor,
	&berth__v1__events__descriptor,
	&berth__v1__tokens__descriptor,
	&berth__v1__webhooks__descriptor,
	&berth__v1__cell__descriptor,
};

static char *random_text(struct rng *r, struct arena *a) {
	static const char *const pieces[] = { "a", "\"", "\\", "\n", "\xc3\xa9", "\xf0\x9f\x98\x80", "/", "\x01", "<", "0", " " };
	BUF_AUTO b = BUF_INIT;
	for (uint64_t n = rng_below(r, 6); n > 0; n--)
		buf_add_str(&b, pieces[rng_below(r, sizeof pieces / sizeof *pieces)]);
	return arena_strdup(a, buf_str(&b));
}

static ProtobufCMessage *random_message(struct rng *r, const ProtobufCMessageDescriptor *d, struct arena *a, int depth);

static void random_special(struct rng *r, ProtobufCMessage *m) {
	if (m->descriptor == &berth__v1__amount__descriptor) {
		Berth__V1__Amount *v = (Berth__V1__Amount *)m;
		switch (rng_below(r, 3)) {
		case 0:
			v->has_count = 1;
			v->count = (int64_t)rng_below(r, 1000);
			break;
		case 1:
			v->has_percent = 1;
			v->percent = (int32_t)rng_below(r, 101);
			break;
		default:
			v->has_all = v->all = 1;
		}
	} else if (m->descriptor == &google__protobuf__duration__descriptor) {
		((Google__Protobuf__Duration *)m)->seconds = (int64_t)rng_below(r, 1000000);
		((Google__Protobuf__Duration *)m)->nanos = (int32_t)rng_below(r, 1000) * 1000000;
	} else {
		((Google__Protobuf__Timestamp *)m)->seconds = 1 + (int64_t)rng_below(r, 4000000000u);
		((Google__Protobuf__Timestamp *)m)->nanos = (int32_t)rng_below(r, 1000000) * 1000;
	}
}

static bool is_special(const ProtobufCMessageDescriptor *d) {
	return d == &berth__v1__amount__descriptor || d == &google__protobuf__duration__descriptor ||
	       d == &google__protobuf__timestamp__descriptor;
}

static size_t random_value(struct rng *r, const ProtobufCFieldDescriptor *f, void *dst, struct arena *a, int depth) {
	switch (f->type) {
	case PROTOBUF_C_TYPE_STRING:
		*(char **)dst = random_text(r, a);
		return sizeof(char *);
	case PROTOBUF_C_TYPE_MESSAGE:
		*(void **)dst = random_message(r, f->descriptor, a, depth + 1);
		return sizeof(void *);
	case PROTOBUF_C_TYPE_BOOL:
		*(protobuf_c_boolean *)dst = (protobuf_c_boolean)rng_below(r, 2);
		return sizeof(protobuf_c_boolean);
	case PROTOBUF_C_TYPE_ENUM: {
		const ProtobufCEnumDescriptor *e = f->descriptor;
		*(int *)dst = e->values[rng_below(r, e->n_values)].value;
		return sizeof(int);
	}
	case PROTOBUF_C_TYPE_BYTES:
		*(ProtobufCBinaryData *)dst = (ProtobufCBinaryData){ 1 + rng_below(r, 9), arena_memdup(a, "\x00\xff\x80zzzzzzzz", 10) };
		return sizeof(ProtobufCBinaryData);
	case PROTOBUF_C_TYPE_INT64:
		*(int64_t *)dst = (int64_t)rng_u64(r);
		return 8;
	case PROTOBUF_C_TYPE_INT32:
		*(int32_t *)dst = (int32_t)rng_u64(r);
		return 4;
	case PROTOBUF_C_TYPE_DOUBLE:
		*(double *)dst = (double)rng_below(r, 100000) / 7;
		return 8;
	case PROTOBUF_C_TYPE_UINT32:
		*(uint32_t *)dst = (uint32_t)rng_u64(r);
		return 4;
	case PROTOBUF_C_TYPE_UINT64:
		*(uint64_t *)dst = rng_u64(r) >> 1;
		return 8;
	default:
		ck_abort_msg("type %d of %s is not tested", f->type, f->name);
		return 0;
	}
}

static ProtobufCMessage *random_message(struct rng *r, const ProtobufCMessageDescriptor *d, struct arena *a, int depth) {
	char *m = pb_new(d, a);
	if (is_special(d)) {
		random_special(r, (ProtobufCMessage *)m);
		return (ProtobufCMessage *)m;
	}
	for (unsigned i = 0; i < d->n_fields; i++) {
		const ProtobufCFieldDescriptor *f = &d->fields[i];
		bool entry = d == &berth__v1__entry__descriptor;
		if ((depth > 3 && f->type == PROTOBUF_C_TYPE_MESSAGE) || (rng_below(r, 2) == 0 && !entry))
			continue;
		if (f->label == PROTOBUF_C_LABEL_REPEATED) {
			bool map = f->type == PROTOBUF_C_TYPE_MESSAGE && f->descriptor == &berth__v1__entry__descriptor;
			size_t n = map ? 1 : rng_below(r, 3); /* two random keys may be the same one */
			char *list = arena_alloc(a, 4 * sizeof(ProtobufCBinaryData));
			size_t at = 0;
			for (size_t k = 0; k < n; k++)
				at += random_value(r, f, list + at, a, depth);
			*(size_t *)(m + f->quantifier_offset) = n;
			*(char **)(m + f->offset) = list;
			continue;
		}
		if (f->flags & PROTOBUF_C_FIELD_FLAG_ONEOF) {
			if (*(uint32_t *)(m + f->quantifier_offset) != 0)
				continue;
			*(uint32_t *)(m + f->quantifier_offset) = f->id;
		} else if (f->label == PROTOBUF_C_LABEL_OPTIONAL && f->type != PROTOBUF_C_TYPE_STRING &&
		           f->type != PROTOBUF_C_TYPE_MESSAGE) {
			*(protobuf_c_boolean *)(m + f->quantifier_offset) = 1;
		}
		random_value(r, f, m + f->offset, a, depth);
	}
	return (ProtobufCMessage *)m;
}

static void round_trip(struct rng *r, const ProtobufCMessageDescriptor *d) {
	ARENA_AUTO a = arena_new();
	BUF_AUTO first = BUF_INIT;
	BUF_AUTO second = BUF_INIT;
	struct err err = ERR_INIT;
	ProtobufCMessage *m = random_message(r, d, a, 0), *back = NULL;
	json_print(m, false, &first);
	ck_assert_msg(json_parse(d, buf_str(&first), first.len, a, &back, &err) == 0, "%s %s: %s\n%s", d->name, err.pointer, err.text,
	    buf_str(&first));
	json_print(back, false, &second);
	ck_assert_str_eq(buf_str(&first), buf_str(&second));
	json_print(pb_copy(m, a), false, (buf_clear(&second), &second));
	ck_assert_str_eq(buf_str(&first), buf_str(&second));
}

START_TEST(it_round_trips_every_message) {
	struct rng r;
	rng_init(&r, 20261123);
	for (size_t s = 0; s < sizeof services / sizeof *services; s++) {
		for (unsigned k = 0; k < services[s]->n_methods; k++) {
			for (int i = 0; i < 40; i++) {
				round_trip(&r, services[s]->methods[k].input);
				round_trip(&r, services[s]->methods[k].output);
			}
		}
	}
	static const ProtobufCMessageDescriptor *const agent[] = { &berth__v1__hello__descriptor, &berth__v1__welcome__descriptor,
		&berth__v1__report__descriptor, &berth__v1__command__descriptor, &berth__v1__problem__descriptor };
	for (size_t k = 0; k < sizeof agent / sizeof *agent; k++)
		for (int i = 0; i < 40; i++)
			round_trip(&r, agent[k]);
}
END_TEST

/* Cut and flipped texts must be refused or read, never more than that (ASan looks on). */
START_TEST(it_survives_mutations) {
	struct rng r;
	rng_init(&r, 7);
	for (int i = 0; i < 3000; i++) {
		ARENA_AUTO a = arena_new();
		BUF_AUTO b = BUF_INIT;
		struct err err = ERR_INIT;
		ProtobufCMessage *back;
		json_print(random_message(&r, DEPLOYMENT, a, 0), false, &b);
		for (uint64_t k = rng_below(&r, 4); k > 0 && b.len > 0; k--)
			b.data[rng_below(&r, b.len)] = (char)rng_u64(&r);
		size_t n = rng_below(&r, 2) ? b.len : rng_below(&r, b.len + 1);
		int rc = json_parse(DEPLOYMENT, buf_str(&b), n, a, &back, &err);
		if (rc != 0)
			ck_assert(
			    err.text[0] != '\0' && utf8_valid(err.text, strlen(err.text)) && utf8_valid(err.pointer, strlen(err.pointer)));
	}
}
END_TEST

TEST_SUITE("proto/json", it_reads_and_prints, it_refuses, it_bounds_the_depth, it_sets_from_text, it_prints_empty_lists_of_replies,
    it_round_trips_every_message, it_survives_mutations)
