/* Inside of the option table; only opt*.c include this. */
#ifndef BERTH_BASE_OPT_IMPL_H
#define BERTH_BASE_OPT_IMPL_H

#include "base/opt.h"

struct opt_slot {
	enum opt_origin origin;
	bool set;     /* has a value from any origin */
	char *text;   /* scalar as given */
	char **items; /* OPT_LIST, NULL-terminated */
	size_t n_items;
};

struct opts {
	const struct opt_def *defs;
	size_t n;
	struct opt_slot *slots;
	void *target;
};

/* The option of that name (n bytes), or NULL. */
const struct opt_def *opt_find(const struct opts *o, const char *name, size_t n);

/* Gives def the value; converts, checks bounds, writes the target. A later origin replaces, the same one appends to lists
 * and refuses a second scalar unless `again`. `where` is how the person wrote it: "--listen", "BERTHD_LISTEN", "listen". */
int opt_apply(
    struct opts *o, const struct opt_def *def, enum opt_origin origin, bool again, const char *where, const char *text, struct err *err);

/* Reads the INI file. absent_ok: a file that is not there is an empty one. */
int opt_read_file(struct opts *o, const char *path, bool absent_ok, struct err *err);

/* "no option '--lisen'; did you mean --listen?" */
int opt_unknown(const struct opts *o, const char *prefix, const char *name, struct err *err);

#endif
