/* Words of bases: they end in rows, events and messages, so they keep the rules that people's words keep, or are cut. */
#include "base/name.h"
#include "core/conductor.h"

#define MAX_LIMIT 100000
#define MAX_LABELS 64
#define MAX_ADDRESS 255

/* What a base says may be a megabyte; what is kept of it is cut, at a whole character. */
char *said(struct core *c, const char *s, size_t max) {
	size_t n = s != NULL ? strlen(s) : 0;
	if (n <= max)
		return UNCONST(s);
	for (n = max; n > 0 && ((unsigned char)s[n] & 0xc0) == 0x80; n--)
		continue;
	return arena_strndup(c->open->arena, s, n);
}

/* What a base says of itself becomes part of its row as it is, so it keeps the rules that people's words keep. */
const char *hello_wrong(const Berth__V1__Hello *h) {
	if (h->boot != NULL && strlen(h->boot) > MAX_WORD)
		return "its boot id has more than 63 characters";
	if (h->agent_version != NULL && strlen(h->agent_version) > MAX_WORD)
		return "its agent's version has more than 63 characters";
	if (h->address != NULL && strlen(h->address) > MAX_ADDRESS)
		return "its address has more than 255 characters";
	if (h->zone != NULL && !name_valid(NAME_LABEL_VALUE, h->zone))
		return "its zone is not at most 63 letters, digits, '.', '_', '+' or '-'";
	if (h->install_limit < 0 || h->install_limit > MAX_LIMIT)
		return "its install limit is not between 0 and 100000";
	if (h->n_labels > MAX_LABELS || h->n_taints > MAX_LABELS)
		return "it has more than 64 labels or taints";
	for (size_t i = 0; i < h->n_labels; i++)
		if (!name_valid(NAME_LABEL_KEY, h->labels[i]->key) ||
		    (h->labels[i]->value != NULL && !name_valid(NAME_LABEL_VALUE, h->labels[i]->value)))
			return "a label of it is not NAME=VALUE of at most 63 letters, digits, '.', '_', '/' or '-' each";
	for (size_t i = 0; i < h->n_taints; i++)
		if (!name_valid(NAME_LABEL_KEY, h->taints[i]))
			return "a taint of it is not at most 63 letters, digits, '.', '_', '/' or '-'";
	return NULL;
}
