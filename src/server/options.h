/* Options of berthd: one table (options.def) feeds parser, --help, the man page, --show-config and conf/berthd.conf. */
#ifndef BERTH_SERVER_OPTIONS_H
#define BERTH_SERVER_OPTIONS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/log.h"
#include "base/opt.h"

struct err;

struct server_options {
#define STRING(field) char *field;
#define INT(field) int64_t field;
#define BOOL(field) bool field;
#define DURATION(field) int64_t field;
#define SIZE(field) int64_t field;
#define LIST(field) char **field;
#define OPTION(name, letter, section, kind, field, fallback, min, max, value, help, secret) kind(field)
#include "server/options.def"
#undef OPTION
#undef STRING
#undef INT
#undef BOOL
#undef DURATION
#undef SIZE
#undef LIST
	/* from the above, by options_read() */
	enum log_level level;
	enum log_format format;
	char data_dir[512]; /* absolute */
};

extern const struct opt_def server_option_table[];
extern const size_t server_option_count;

/* Parses and checks all origins. The strings belong to *ret_handle. argv may be permuted; calling again with the same one is fine. */
int options_read(int argc, char **argv, struct server_options *ret, struct opts **ret_handle, struct err *err);
bool address_is_loopback(const char *address); /* "127.0.0.1:7777", "[::1]:0", "localhost:80", "unix:/path" */

#endif
