/* Options from one table: defaults < file (INI) < environment < arguments. One table gives parser, --help, the man page,
 * --show-config with the origin of each value, and the annotated conf file. */
#ifndef BERTH_BASE_OPT_H
#define BERTH_BASE_OPT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

struct err;

enum opt_kind {
	OPT_STRING,
	OPT_INT,
	OPT_BOOL,
	OPT_DURATION /* int64_t us */,
	OPT_SIZE /* int64_t bytes; 10M, 1G */,
	OPT_LIST /* char **, NULL-terminated, repeatable */
};
enum opt_origin { OPT_FROM_DEFAULT, OPT_FROM_FILE, OPT_FROM_ENV, OPT_FROM_ARG };

struct opt_def {
	const char *name;    /* "listen": --listen, [server] listen = …, BERTHD_LISTEN */
	char letter;         /* short form, or 0 */
	const char *section; /* INI section and help group */
	enum opt_kind kind;
	size_t offset;        /* of the field in the target struct: char *, int64_t, bool, char ** */
	const char *fallback; /* default as text; NULL = unset */
	int64_t min, max;     /* for INT, DURATION (us), SIZE (bytes); both 0 = any */
	const char *value;    /* placeholder in help: "ADDR" */
	const char *help;     /* one sentence, with unit and meaning of special values */
	bool secret;          /* --show-config prints "(set)" */
};

struct opts;

/* Reads everything into *target (zeroed by the caller; strings owned by the returned handle).
 * env_prefix: "BERTHD_" (name in upper case, - becomes _). file_option names the option that holds the file's path or NULL.
 * ret_rest: first index of a non-option argument (after "--" too). Errors name the nearest known option. */
int opt_parse(const struct opt_def *defs, size_t n, const char *env_prefix, const char *file_option, int argc, char **argv, void *target,
    struct opts **ret, int *ret_rest, struct err *err);
void opts_free(struct opts *o);
enum opt_origin opt_origin(const struct opts *o, const char *name);

void opt_print_help(const struct opt_def *defs, size_t n, FILE *out);
void opt_print_config(const struct opts *o, FILE *out);                                  /* value and origin per line */
void opt_print_file(const struct opt_def *defs, size_t n, const char *title, FILE *out); /* the annotated INI */
void opt_print_man(const struct opt_def *defs, size_t n, FILE *out);                     /* roff .TP list */

/* The nearest of n names to word by edit distance (at most 2 edits + a third of the length), or NULL. */
const char *name_nearest(const char *word, const char *const *names, size_t n);
bool size_parse(const char *s, int64_t *ret_bytes); /* 1024, 64K, 10M, 2G, 1T (powers of 1024) */

#endif
