/* Words and request bodies of arklet, and the meaning of its two-level results (arklet_reply.c has the lists and records). */
#include "proto/arklet.h"

#include <jansson.h>
#include <string.h>
#include <strings.h>

#include "base/arena.h"
#include "base/buf.h"
#include "base/err.h"
#include "proto/arklet_int.h"

#define MAX_TEXT (16u << 10) /* of one message or trace that is kept */

static const char *const command_names[ARKLET_COMMANDS] = {
	[ARKLET_HELP] = "help",
	[ARKLET_INSTALL] = "installBiz",
	[ARKLET_BATCH_INSTALL] = "batchInstallBiz",
	[ARKLET_UNINSTALL] = "uninstallBiz",
	[ARKLET_SWITCH] = "switchBiz",
	[ARKLET_QUERY_ALL] = "queryAllBiz",
	[ARKLET_QUERY_OPS] = "queryBizOps",
	[ARKLET_HEALTH] = "health",
};

const char *arklet_command_name(enum arklet_command c) {
	return command_names[c];
}

static const char *const state_names[ARKLET_STATES] = {
	[ARKLET_UNRESOLVED] = "unresolved",
	[ARKLET_RESOLVED] = "resolved",
	[ARKLET_ACTIVATED] = "activated",
	[ARKLET_DEACTIVATED] = "deactivated",
	[ARKLET_BROKEN] = "broken",
	[ARKLET_STOPPED] = "stopped",
};

enum arklet_state arklet_state_parse(const char *s) {
	for (int i = 0; s != NULL && i < ARKLET_STATES; i++)
		if (strcasecmp(s, state_names[i]) == 0)
			return (enum arklet_state)i;
	return ARKLET_BROKEN;
}

const char *arklet_state_name(enum arklet_state s) {
	return state_names[s];
}

const char *arklet_text(struct arena *a, const json_t *object, const char *key) {
	const json_t *j = json_object_get(object, key);
	if (!json_is_string(j))
		return NULL;
	const char *s = json_string_value(j);
	size_t n = strnlen(s, MAX_TEXT);
	while (n > 0 && ((unsigned char)s[n] & 0xc0) == 0x80)
		n--; /* not in the middle of a character */
	return arena_strndup(a, s, n);
}

/* Numbers come as 5, 5.0, -9.53E-7 and, from some serializers, as "5". */
bool arklet_number(const json_t *object, const char *key, double *ret) {
	const json_t *j = json_object_get(object, key);
	if (json_is_number(j)) {
		*ret = json_number_value(j);
		return true;
	}
	if (!json_is_string(j))
		return false;
	json_t *number = json_loads(json_string_value(j), JSON_DECODE_ANY, NULL);
	bool ok = json_is_number(number);
	if (ok)
		*ret = json_number_value(number);
	json_decref(number);
	return ok;
}

/* At least as many as there are values: what separates them, outside of strings. */
static size_t parts(const char *text, size_t n) {
	size_t found = 0;
	bool quoted = false;
	for (size_t i = 0; i < n; i++) {
		char c = text[i];
		if (quoted && c == '\\')
			i++;
		else if (c == '"')
			quoted = !quoted;
		else if (!quoted)
			found += c == ',' || c == '{' || c == '[';
	}
	return found;
}

/* An answer cut off by EOF is not JSON, so a complete parse is also the proof that it arrived whole. */
int arklet_load(const char *text, size_t n, json_t **ret, struct err *err) {
	json_error_t e;
	if (n > ARKLET_MAX_REPLY)
		return err_set(err, E_TOO_LARGE, "arklet's answer has %zu bytes; at most %u are read", n, ARKLET_MAX_REPLY);
	if (parts(text, n) > ARKLET_MAX_PARTS)
		return err_set(
		    err, E_TOO_LARGE, "arklet's answer has more than %u values; no list of modules is that long", ARKLET_MAX_PARTS);
	json_t *root = json_loadb(text, n, JSON_ALLOW_NUL, &e);
	if (root == NULL)
		return err_set(err, E_MALFORMED, "arklet's answer is no JSON (%zu bytes): %s at byte %d", n, e.text, e.position);
	if (!json_is_object(root) || !json_is_string(json_object_get(root, "code"))) {
		json_decref(root);
		return err_set(err, E_MALFORMED, "the answer has no code: whoever answered is no arklet");
	}
	*ret = root;
	return 0;
}

static const char *line_of(struct arena *a, const char *from, size_t n) {
	while (n > 0 && (*from == ' ' || *from == '\t'))
		from++, n--;
	while (n > 0 && (from[n - 1] == '\r' || from[n - 1] == ' '))
		n--;
	return arena_strndup(a, from, n);
}

const char *arklet_cause(struct arena *a, const char *trace) {
	static const char mark[] = "Caused by:";
	if (trace == NULL)
		return "";
	const char *found = NULL;
	size_t found_n = 0;
	for (const char *line = trace; *line != '\0';) {
		size_t n = strcspn(line, "\n");
		size_t blank = strspn(line, " \t");
		if (blank + sizeof mark - 1 <= n && strncmp(line + blank, mark, sizeof mark - 1) == 0) {
			found = line + blank + sizeof mark - 1;
			found_n = n - blank - (sizeof mark - 1);
		}
		line += n + (line[n] == '\n');
	}
	return found != NULL ? line_of(a, found, found_n) : line_of(a, trace, strcspn(trace, "\n"));
}

static enum arklet_verdict inner_verdict(const char *code) {
	static const struct {
		const char *code;
		enum arklet_verdict verdict;
	} table[] = {
		{ "SUCCESS", ARKLET_OK },
		{ "REPEAT_BIZ", ARKLET_REPEAT },
		{ "NOT_FOUND_BIZ", ARKLET_NOT_FOUND },
		{ "ILLEGAL_STATE_BIZ", ARKLET_ILLEGAL_STATE },
	};
	for (size_t i = 0; i < sizeof table / sizeof *table; i++)
		if (strcasecmp(code, table[i].code) == 0)
			return table[i].verdict;
	return ARKLET_REFUSED;
}

/* The rule of a client: the outer code says who failed, the inner one why. "FAILED:" at the front of a message without a result
 * is the only sign of a held lock. */
static enum arklet_verdict verdict_of(const char *outer, const char *inner, const char *message) {
	if (strcasecmp(outer, "SUCCESS") == 0)
		return ARKLET_OK;
	if (strcasecmp(outer, "CMD_NOT_FOUND") == 0)
		return ARKLET_NO_COMMAND;
	if (strcasecmp(outer, "FAILED") != 0)
		return ARKLET_EXCEPTION;
	if (inner != NULL) {
		enum arklet_verdict v = inner_verdict(inner);
		return v == ARKLET_OK ? ARKLET_REFUSED : v;
	}
	return strncmp(message, "FAILED:", 7) == 0 ? ARKLET_BUSY : ARKLET_REFUSED;
}

static const char *not_null(const char *s) {
	return s != NULL ? s : "";
}

void arklet_result_fill(struct arena *a, const json_t *root, struct arklet_reply *r) {
	const json_t *data = json_object_get(root, "data");
	const char *outer = not_null(arklet_text(a, root, "code"));
	const char *inner = json_is_object(data) ? arklet_text(a, data, "code") : NULL;
	const char *outer_message = not_null(arklet_text(a, root, "message"));
	const char *inner_message = json_is_object(data) ? not_null(arklet_text(a, data, "message")) : "";
	double space;
	*r = (struct arklet_reply){
		.verdict = verdict_of(outer, inner, outer_message),
		.code = inner != NULL ? inner : outer,
		.message = *inner_message != '\0' ? inner_message : outer_message,
		.cause = "",
		.trace = arklet_text(a, root, "errorStackTrace"),
		.base_identity = arklet_text(a, root, "baseIdentity"),
	};
	if (r->base_identity == NULL)
		r->base_identity = arklet_text(a, root, "baseID"); /* runtime 1.3.2 and 2.1.7 */
	if (json_is_object(data) && arklet_number(data, "elapsedSpace", &space) && space > -9e15 && space < 9e15) {
		r->elapsed_space = (int64_t)space;
		r->has_elapsed_space = true;
	}
	if (r->verdict != ARKLET_OK)
		r->cause = r->trace != NULL ? arklet_cause(a, r->trace) : r->message;
	if (r->verdict != ARKLET_OK && *r->cause == '\0')
		r->cause = *r->message != '\0' ? r->message : r->code;
}

int arklet_reply_parse(struct arena *a, const char *text, size_t n, struct arklet_reply *ret, struct err *err) {
	json_t *root;
	int rc = arklet_load(text, n, &root, err);
	if (rc != 0)
		return rc;
	arklet_result_fill(a, root, ret);
	const json_t *data = json_object_get(root, "data");
	if (json_is_object(data))
		arklet_biz_fill(a, json_object_get(data, "bizInfos"), ret);
	json_decref(root);
	return 0;
}

/* ---- requests: strict JSON, written straight into the buffer ---- */

static void print_member(struct buf *out, const char *key, const char *value) {
	if (value == NULL)
		return;
	if (out->len > 0 && out->data[out->len - 1] != '{')
		buf_add_char(out, ',');
	buf_printf(out, "\"%s\":", key);
	buf_add_json(out, value);
}

static void print_install(const struct arklet_install *i, struct buf *out) {
	buf_add_char(out, '{');
	print_member(out, "bizName", i->name);
	print_member(out, "bizVersion", i->version);
	print_member(out, "bizUrl", i->url);
	print_member(out, "sha256", i->sha256);
	if (i->replace)
		print_member(out, "installStrategy", "uninstallThenInstall");
	if (i->n_args > 0) {
		buf_add_str(out, ",\"args\":[");
		for (size_t k = 0; k < i->n_args; k++) {
			if (k > 0)
				buf_add_char(out, ',');
			buf_add_json(out, i->args[k]);
		}
		buf_add_char(out, ']');
	}
	if (i->n_env > 0) {
		buf_add_str(out, ",\"envs\":{");
		for (size_t k = 0; k < i->n_env; k++) {
			if (k > 0)
				buf_add_char(out, ',');
			buf_add_json(out, i->env_names[k]);
			buf_add_char(out, ':');
			buf_add_json(out, i->env_values[k]);
		}
		buf_add_char(out, '}');
	}
	if (i->request_id != NULL) {
		buf_add_str(out, ",\"async\":true");
		print_member(out, "requestId", i->request_id);
	}
	buf_add_char(out, '}');
}

void arklet_install_print(const struct arklet_install *i, struct buf *out) {
	print_install(i, out);
}

void arklet_batch_print(const struct arklet_install *items, size_t n, const char *request_id, struct buf *out) {
	buf_add_str(out, "{\"bizList\":[");
	for (size_t i = 0; i < n; i++) {
		struct arklet_install item = items[i];
		item.request_id = NULL;
		if (i > 0)
			buf_add_char(out, ',');
		print_install(&item, out);
	}
	buf_add_char(out, ']');
	if (request_id != NULL) {
		buf_add_str(out, ",\"async\":true");
		print_member(out, "requestId", request_id);
	}
	buf_add_char(out, '}');
}

void arklet_named_print(const char *name, const char *version, struct buf *out) {
	buf_add_char(out, '{');
	print_member(out, "bizName", name);
	print_member(out, "bizVersion", version);
	buf_add_char(out, '}');
}

void arklet_operation_print(const char *request_id, struct buf *out) {
	buf_add_char(out, '{');
	print_member(out, "requestId", request_id);
	buf_add_char(out, '}');
}
