#include "proto/beat.h"

#include <jansson.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "base/arena.h"
#include "base/err.h"
#include "base/name.h"
#include "base/secret.h"

#define MAX_TEXT 200
#define PLACEHOLDER "TO_BE_IMPLEMENTED"

static const char *text_of(struct arena *a, const json_t *o, const char *key) {
	const char *s = json_string_value(json_object_get(o, key));
	return s != NULL && *s != '\0' && strlen(s) <= MAX_TEXT ? arena_strdup(a, s) : NULL;
}

static const char *unless(const char *s, const char *placeholder) {
	return s != NULL && strcmp(s, placeholder) == 0 ? NULL : s;
}

static void read_metadata(struct arena *a, const json_t *m, struct beat *b) {
	b->identity = text_of(a, m, "identity");
	b->name = unless(text_of(a, m, "name"), PLACEHOLDER);
	b->cluster = text_of(a, m, "clusterName");
}

static int port_of(const json_t *o, const char *key) {
	json_int_t v = json_integer_value(json_object_get(o, key));
	return v > 0 && v < 65536 ? (int)v : 0;
}

static void read_late(struct arena *a, const json_t *o, struct beat *b) {
	read_metadata(a, json_object_get(o, "baseMetadata"), b);
	b->ip = unless(text_of(a, o, "localIP"), "unknown");
	b->host = text_of(a, o, "localHostName");
	b->port = port_of(o, "port");
}

static void read_early(struct arena *a, const json_t *o, struct beat *b) {
	const json_t *net = json_object_get(o, "networkInfo");
	b->identity = text_of(a, o, "baseID");
	b->name = text_of(a, json_object_get(o, "masterBizInfo"), "name");
	b->ip = unless(text_of(a, net, "localIP"), "unknown");
	b->host = text_of(a, net, "localHostName");
	b->port = port_of(net, "arkletPort");
}

/* It is made up anew for each beat when the host has no address; the address it does have then says more. */
static void settle_identity(struct beat *b) {
	if (b->identity == NULL || strncmp(b->identity, "unknown-", 8) == 0)
		b->identity = b->ip != NULL ? b->ip : b->host;
}

static int object_of(const char *text, size_t n, json_t **ret, struct err *err) {
	json_error_t e;
	*ret = json_loadb(text, n, JSON_REJECT_DUPLICATES, &e);
	if (json_is_object(*ret))
		return 0;
	json_decref(*ret);
	return err_set(err, E_MALFORMED, "the body is no JSON object%s%s", *ret == NULL ? ": " : "", *ret == NULL ? e.text : "");
}

int beat_parse(struct arena *a, const char *text, size_t n, struct beat *ret, struct err *err) {
	json_t *o;
	struct beat b = { 0 };
	int rc = object_of(text, n, &o, err);
	if (rc != 0)
		return rc;
	if (json_object_get(o, "baseMetadata") != NULL)
		read_late(a, o, &b);
	else
		read_early(a, o, &b);
	const char *state = json_string_value(json_object_get(o, "state"));
	b.activated = state == NULL || strcasecmp(state, "activated") == 0;
	settle_identity(&b);
	json_decref(o);
	if (b.identity == NULL || b.port == 0)
		return err_set(err, E_INVALID, "a heartbeat says who the base is (baseMetadata.identity or baseID) and its arklet's port");
	*ret = b;
	return 0;
}

int beat_question_parse(struct arena *a, const char *text, size_t n, struct beat *ret, struct err *err) {
	json_t *o;
	struct beat b = { .activated = true };
	int rc = object_of(text, n, &o, err);
	if (rc != 0)
		return rc;
	read_metadata(a, o, &b);
	b.ip = text_of(a, o, "localIP");
	b.port = port_of(o, "port");
	json_decref(o);
	if (b.identity == NULL)
		return err_set(err, E_INVALID, "the question for a baseline says whose: identity");
	*ret = b;
	return 0;
}

const char *beat_base_name(struct arena *a, const char *identity, int port) {
	char *name = arena_printf(a, "%s-%d", identity, port), *p = name;
	static const char fine[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789.-_";
	if (name_valid(NAME_PLAIN, name))
		return name;
	uint8_t digest[SHA256_BYTES];
	char hex[17];
	sha256_of(identity, strlen(identity), digest);
	hex_encode(digest, 8, hex);
	for (; *p != '\0'; p++)
		if (strchr(fine, *p) == NULL)
			*p = '-';
	return arena_printf(a, "b%.24s-%s-%d", name, hex, port);
}
