/* Bodies of webhooks. */
#include "api/webhook.h"

#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/err.h"
#include "proto/json.h"

#define MAX_TEMPLATE 8192

const char webhook_default_kinds[] =
    "[\"plan.paused\",\"plan.confirming\",\"plan.failed\",\"group.braked\",\"instance.quarantined\",\"base.lost\",\"base.set_aside\","
    "\"webhook.*\",\"database.*\"]";

static bool matches(const char *pattern, const char *text) {
	for (; *pattern != '\0' && *pattern != '*'; pattern++, text++)
		if (*pattern != *text)
			return false;
	if (*pattern == '\0')
		return *text == '\0';
	do {
		if (matches(pattern + 1, text))
			return true;
	} while (*text++ != '\0');
	return false;
}

bool webhook_takes(char *const *patterns, size_t n, const char *kind) {
	for (size_t i = 0; i < n; i++)
		if (matches(patterns[i], kind))
			return true;
	return false;
}

/* The next {word} at or after p: its first letter, and how many. NULL: none. */
static const char *field_next(const char *p, size_t *ret_n) {
	static const char letters[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ";
	while ((p = strchr(p, '{')) != NULL) {
		*ret_n = strspn(++p, letters);
		if (*ret_n > 0 && p[*ret_n] == '}')
			return p;
	}
	return NULL;
}

static const ProtobufCFieldDescriptor *event_field(const char *name, size_t n) {
	char word[64];
	if (n >= sizeof word)
		return NULL;
	memcpy(word, name, n);
	word[n] = '\0';
	return json_field(&berth__v1__event__descriptor, word);
}

int webhook_template_check(const char *template, struct err *err) {
	size_t n;
	if (strlen(template) > MAX_TEMPLATE)
		return err_field(err, E_INVALID, "/template", "a template has at most %d bytes", MAX_TEMPLATE);
	for (const char *p = template; (p = field_next(p, &n)) != NULL; p += n)
		if (event_field(p, n) == NULL)
			return err_field(err, E_INVALID, "/template",
			    "{%.*s} is no field of an event; there is {text}, {kind}, {number}, {time}, {tenant}, {actor}, {reason}, "
			    "{link}, {base}, "
			    "{module}, {version}, {deployment}, {plan}, {task}, {instance}",
			    (int)n, p);
	return 0;
}

/* Its text without the quotes around it: it is going to stand inside a JSON string. */
static void add_escaped(const json_t *v, struct buf *out) {
	char *text = v == NULL ? NULL : json_dumps(v, JSON_ENCODE_ANY);
	size_t n = text == NULL ? 0 : strlen(text);
	if (json_is_string(v) && n >= 2)
		buf_add(out, text + 1, n - 2);
	else if (text != NULL)
		buf_add(out, text, n);
	free(text);
}

void webhook_body(const Berth__V1__Event *e, const char *template, struct buf *out) {
	if (template == NULL || *template == '\0') {
		json_print(&e->pb, false, out);
		return;
	}
	BUF_AUTO text = BUF_INIT;
	json_print(&e->pb, false, &text);
	json_t *fields = json_loads(buf_str(&text), 0, NULL);
	size_t n;
	const char *at = template;
	for (const char *p; (p = field_next(at, &n)) != NULL; at = p + n + 1) {
		buf_add(out, at, (size_t)(p - 1 - at));
		char word[64];
		snprintf(word, sizeof word, "%.*s", (int)n, p);
		add_escaped(json_object_get(fields, word), out);
	}
	buf_add_str(out, at);
	json_decref(fields);
}
