/* Configuration files: whatever stands in one, it is refused with its line or every value is within its bounds and shown as it was meant.
 */
#include <assert.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/err.h"
#include "base/opt.h"

#define LONGEST INT64_C(60000000)

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

struct target {
	char *config, *listen, *token;
	int64_t port, wait_us, cache_bytes;
	bool verbose;
	char **servers;
};

static const struct opt_def defs[] = {
	{ "config", 'c', NULL, OPT_STRING, offsetof(struct target, config), NULL, 0, 0, "FILE", "File.", false },
	{ "listen", 'l', "server", OPT_STRING, offsetof(struct target, listen), "127.0.0.1:7777", 0, 0, "ADDR", "Address.", false },
	{ "port", 'p', "server", OPT_INT, offsetof(struct target, port), "80", 1, 65535, "N", "Port.", false },
	{ "wait", 0, "server", OPT_DURATION, offsetof(struct target, wait_us), "30s", 1000, LONGEST, "TIME", "Wait.", false },
	{ "cache-size", 0, "limits", OPT_SIZE, offsetof(struct target, cache_bytes), "10M", 0, 0, "SIZE", "Cache.", false },
	{ "verbose", 'v', "limits", OPT_BOOL, offsetof(struct target, verbose), "false", 0, 0, NULL, "Say more.", false },
	{ "server", 's', "agent", OPT_LIST, offsetof(struct target, servers), NULL, 0, 0, "URL", "A server.", false },
	{ "token", 0, "agent", OPT_STRING, offsetof(struct target, token), NULL, 0, 0, "TOKEN", "The token.", true },
};

static void check(const struct target *t, const struct opts *o) {
	char *text = NULL;
	size_t n;
	FILE *f = open_memstream(&text, &n);
	assert(f != NULL);
	opt_print_config(o, f);
	assert(fclose(f) == 0 && strlen(text) == n);
	free(text);
	assert(t->port >= 1 && t->port <= 65535 && t->wait_us >= 1000 && t->wait_us <= LONGEST && t->cache_bytes >= 0);
	assert(t->listen != NULL && strchr(t->listen, '\n') == NULL);
	for (char **s = t->servers; s != NULL && *s != NULL; s++)
		assert(strchr(*s, '\n') == NULL);
}

/* Made once: a file without a folder, which every input overwrites. */
static int file_of(const uint8_t *data, size_t size) {
	static int fd = -1;
	if (fd < 0)
		fd = memfd_create("opt", MFD_CLOEXEC);
	assert(fd >= 0 && ftruncate(fd, 0) == 0 && pwrite(fd, data, size, 0) == (ssize_t)size);
	return fd;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
	char path[64];
	char *argv[] = { (char[]){ "fuzz" }, (char[]){ "--config" }, path, NULL };
	struct target t = { 0 };
	struct opts *o = NULL;
	struct err err = ERR_INIT;
	int rest = 0;
	snprintf(path, sizeof path, "/proc/self/fd/%d", file_of(data, size));
	if (opt_parse(defs, sizeof defs / sizeof *defs, NULL, "config", 3, argv, &t, &o, &rest, &err) != 0) {
		assert(err.text[0] != '\0');
		return 0;
	}
	check(&t, o);
	opts_free(o);
	return 0;
}
