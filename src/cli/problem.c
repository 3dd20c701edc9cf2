/* Errors as people and scripts see them. Pure. */
#include "cli/problem.h"

#include <string.h>

#include "base/err.h"
#include "cli/cli.h"
#include "cli/field.h"
#include "cli/text.h"

/* Without a known code, the status tells enough for the exit code. */
static int code_of_status(int status) {
	static const struct {
		int status, code;
	} map[] = {
		{ 400, E_INVALID },
		{ 401, E_UNAUTHENTICATED },
		{ 403, E_FORBIDDEN },
		{ 404, E_NOT_FOUND },
		{ 405, E_METHOD },
		{ 409, E_CONFLICT },
		{ 410, E_GONE },
		{ 412, E_PRECONDITION },
		{ 413, E_TOO_LARGE },
		{ 415, E_INVALID },
		{ 422, E_INVALID },
		{ 429, E_TOO_MANY },
		{ 501, E_UNSUPPORTED },
		{ 502, E_UNAVAILABLE },
		{ 503, E_UNAVAILABLE },
		{ 504, E_TIMEOUT },
	};
	for (size_t i = 0; i < sizeof map / sizeof *map; i++)
		if (map[i].status == status)
			return map[i].code;
	return status >= 400 && status < 500 ? E_INVALID : E_INTERNAL;
}

void problem_to_err(const json_t *problem, int status, const char *text, struct err *ret) {
	const char *name = field_str(problem, "code"), *detail = field_str(problem, "detail"), *title = field_str(problem, "title");
	int code = err_from_name(name);
	if (*name == '\0' || (code == E_INTERNAL && status != 500))
		code = code_of_status(status);
	if (*detail != '\0' || *title != '\0')
		err_set(ret, code, "%s", *detail != '\0' ? detail : title);
	else if (*text != '\0')
		err_set(ret, code, "the server answered %d: %.*s", status, (int)strcspn(text, "\r\n"), text);
	else
		err_set(ret, code, "the server answered %d without a word; is that address a Berth server?", status);
	const char *pointer = field_str(json_array_get(json_object_get(problem, "errors"), 0), "pointer");
	snprintf(ret->pointer, sizeof ret->pointer, "%s", pointer);
}

static void add_field_errors(const json_t *problem, const char *said, struct buf *out) {
	const json_t *errors = field_get(problem, "errors");
	for (size_t i = 0; i < json_array_size(errors); i++) {
		const json_t *e = json_array_get(errors, i);
		const char *pointer = field_str(e, "pointer"), *detail = field_str(e, "detail");
		buf_add_str(out, "  at ");
		text_add_clean(out, *pointer != '\0' ? pointer : "/", false);
		if (*detail != '\0' && strcmp(detail, said) != 0) {
			buf_add_str(out, ": ");
			text_add_clean(out, detail, false);
		}
		buf_add_char(out, '\n');
	}
}

static void add_waiting(const json_t *problem, struct buf *out) {
	const char *text = field_str(problem, "waiting.text"), *command = field_str(problem, "waiting.command");
	if (*text != '\0') {
		buf_add_str(out, "  why:  ");
		text_add_clean(out, text, false);
		buf_add_char(out, '\n');
	}
	if (*command != '\0') {
		buf_add_str(out, "  next: ");
		text_add_clean(out, command, false);
		buf_add_char(out, '\n');
	}
}

/* What to do next, where the code alone tells and the server did not. */
static const char *advice(const struct err *err) {
	switch (err->code) {
	case E_UNAUTHENTICATED:
		return "show a token: --token, BERTH_TOKEN, or berth context set NAME --token TOKEN";
	case E_FORBIDDEN:
		return "use a token with a higher role; an admin makes one with: berth token create NAME --role deploy";
	case E_TOO_MANY:
		return "wait a moment and try again";
	case E_INTERNAL:
		return "the server's log has the cause; trying again is safe with the same --idempotency-key";
	default:
		return NULL;
	}
}

void problem_print(const struct err *err, const json_t *problem, bool color, struct buf *out) {
	enum style style = color ? STYLE_BAD : STYLE_NONE;
	buf_printf(out, "%serror:%s ", text_style_on(style), text_style_off(style));
	/* "what; what to do next" is written that way by convention: the second half reads better on a line of its own. */
	const char *next = strstr(err->text, "; ");
	char what[sizeof err->text];
	snprintf(what, sizeof what, "%.*s", next != NULL ? (int)(next - err->text) : (int)sizeof what - 1, err->text);
	text_add_clean(out, what, false);
	buf_add_char(out, '\n');
	add_field_errors(problem, err->text, out);
	add_waiting(problem, out);
	if (next != NULL || advice(err) != NULL) {
		buf_add_str(out, "  next: ");
		text_add_clean(out, next != NULL ? next + 2 : advice(err), false);
		buf_add_char(out, '\n');
	}
	const char *id = field_str(problem, "requestId");
	if (*id != '\0' && (err->code == E_INTERNAL || err->code == E_DB_REFUSED)) {
		buf_add_str(out, "  request ");
		text_add_clean(out, id, false);
		buf_add_char(out, '\n');
	}
}

int problem_exit(int code) {
	switch (code) {
	case 0:
		return CLI_OK;
	case E_INVALID:
	case E_MALFORMED:
	case E_TOO_LARGE:
		return CLI_USAGE;
	case E_NOT_FOUND:
	case E_GONE:
		return CLI_NOT_FOUND;
	case E_UNAUTHENTICATED:
	case E_FORBIDDEN:
		return CLI_DENIED;
	case E_EXISTS:
	case E_IMMUTABLE:
	case E_CONFLICT:
	case E_BUSY:
	case E_STATE:
	case E_PRECONDITION:
	case E_IDEMPOTENCY:
	case E_STALE:
		return CLI_CONFLICT;
	case E_TIMEOUT:
		return CLI_TIMEOUT;
	case E_UNAVAILABLE:
	case E_READ_ONLY:
	case E_DB_RETRY:
	case E_DB_LOST:
	case E_FENCED:
		return CLI_AWAY;
	case E_CANCELLED:
		return CLI_INTERRUPTED;
	default:
		return CLI_FAILED;
	}
}
