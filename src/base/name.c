/* Character classes of names, as a table. */
#include "base/name.h"

#include <stddef.h>
#include <string.h>

#include "base/err.h"

#define MAX_NAME 63

static const struct kind {
	const char *extra; /* allowed after the first character, besides letters and digits */
	bool empty;
	const char *rule;
} kinds[] = {
	[NAME_PLAIN] = { "._-", false, "1 to 63 letters, digits, '.', '_' or '-', the first one a letter or digit" },
	[NAME_VERSION] = { "._+-", false, "1 to 63 letters, digits, '.', '_', '+' or '-', the first one a letter or digit" },
	[NAME_LABEL_KEY] = { "._/-", false, "1 to 63 letters, digits, '.', '_', '/' or '-', the first one a letter or digit" },
	[NAME_LABEL_VALUE] = { "._+-", true, "at most 63 letters, digits, '.', '_', '+' or '-', the first one a letter or digit" },
};

/* Not isalnum(): what a name may hold must not depend on the locale. */
static bool alnum(char c) {
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
}

bool name_valid(enum name_kind kind, const char *s) {
	if (s == NULL)
		return false;
	if (*s == '\0')
		return kinds[kind].empty;
	if (!alnum(*s))
		return false;
	size_t n = 1;
	for (; s[n] != '\0'; n++)
		if (n == MAX_NAME || (!alnum(s[n]) && strchr(kinds[kind].extra, s[n]) == NULL))
			return false;
	return true;
}

bool name_is_url(const char *s) {
	return strncmp(s, "http://", 7) == 0 || strncmp(s, "https://", 8) == 0;
}

int name_check(enum name_kind kind, const char *s, const char *pointer, const char *what, struct err *err) {
	if (name_valid(kind, s))
		return 0;
	if (s == NULL || *s == '\0')
		return err_field(err, E_INVALID, pointer, "%s is missing; it is %s", what, kinds[kind].rule);
	return err_field(err, E_INVALID, pointer, "'%.80s' is not a %s; it is %s", s, what, kinds[kind].rule);
}

int name_split(const char *s, char name[64], char version[64], struct err *err) {
	const char *colon = strchr(s, ':');
	if (colon == NULL)
		return err_set(err, E_INVALID, "'%.80s' has no version; write NAME:VERSION, like orders:3.1.0", s);
	char head[64];
	size_t n = (size_t)(colon - s);
	if (n >= sizeof head)
		return err_set(err, E_INVALID, "'%.80s' is not a module name; it is %s", s, kinds[NAME_PLAIN].rule);
	memcpy(head, s, n);
	head[n] = '\0';
	int r = name_check(NAME_PLAIN, head, "", "module name", err);
	if (r == 0)
		r = name_check(NAME_VERSION, colon + 1, "", "version", err);
	if (r != 0)
		return r;
	memcpy(name, head, n + 1);
	memcpy(version, colon + 1, strlen(colon + 1) + 1);
	return 0;
}
