/* Module files to the server: read what they say, push the bytes unless they are there, register the version. */
#ifndef BERTH_CLI_UPLOAD_H
#define BERTH_CLI_UPLOAD_H

#include <stdbool.h>
#include <stdint.h>

#include "base/secret.h"
#include "proto/modfile.h"

struct cli;
struct err;

struct upload {
	const char *path;
	int64_t size;
	char sha256[SHA256_HEX];
	struct modfile file; /* what the file says; name "" for one that says nothing (external URL) */
	bool known;          /* the server had the bytes */
	int64_t push_us, register_us;
};

/* Reads and digests a file; its texts live in the cli's arena. */
int upload_open(struct cli *c, const char *path, struct upload *ret, struct err *err);
/* Pushes the bytes, with progress on a terminal. */
int upload_push(struct cli *c, struct upload *u, struct err *err);
/* Lets the server fetch a URL; --sha256 is required, --credentials is passed on. Fills sha256. */
int upload_external(struct cli *c, const char *url, struct upload *ret, struct err *err);
/* The same with the digest given, or NULL: whatever is there. */
int upload_from_url(struct cli *c, const char *url, const char *sha256, struct upload *ret, struct err *err);
/* Registers module (when it is new) and version. */
int upload_register(struct cli *c, struct upload *u, const char *module, const char *version, struct err *err);

#endif
