/* Module files: what a file says about itself (kind, name, version, costs, requirements), read without executing any of it.
 *
 * Native modules (.so) carry the record of include/berth/module.h in an ELF section; ark modules (.jar) a manifest; Node modules
 * (.tgz) a package.json. Used by the command line (name and version of what is deployed), the server (upload) and the native base
 * (before a file is loaded). Files come from strangers: every offset is checked, every text bounded. Pure; never loads or unpacks. */
#ifndef BERTH_PROTO_MODFILE_H
#define BERTH_PROTO_MODFILE_H

#include <stddef.h>
#include <stdint.h>

struct arena;
struct err;

enum modfile_kind { MODFILE_NATIVE, MODFILE_ARK, MODFILE_NODE };

#define MODFILE_PATH_MAX 128 /* of a context path, NUL included: as the native record has it, and the same for all kinds */
#define MODFILE_NEEDS_MAX 32 /* requirements of one module */

struct modfile_need {
	const char *module;
	const char *range; /* "" = any version; else as written: ">=2.0.0" */
};

struct modfile {
	enum modfile_kind kind;
	const char *name; /* as base/name.h allows */
	const char *version;
	const char *context_path; /* begins with '/', never ends with one except "/" itself; NULL: the module has no web part */
	const char *description;  /* "" when there is none */
	const char *arch;         /* native: "x86_64", "aarch64", …; else "" */
	uint32_t abi;             /* native: version of the record; else 0 */
	int32_t units;            /* of a base's install limit; at least 1 */
	int32_t priority;         /* install order, smaller first; 100 when nothing is said */
	const struct modfile_need *needs;
	size_t n_needs;
};

/* Reads the n bytes at p; everything in *ret lives in the arena. E_MALFORMED: not a module file, or a damaged one; the text says
 * what is wrong with it. E_UNSUPPORTED: a module this release cannot use (newer ABI, 32 bit). A Node package is decompressed up to
 * its package.json (64 MiB at most), so keep calls for untrusted .tgz files off a loop thread. */
int modfile_read(struct arena *a, const void *p, size_t n, struct modfile *ret, struct err *err);
/* The same from a file; E_NOT_FOUND, E_IO. The file must not shrink meanwhile. */
int modfile_read_path(struct arena *a, const char *path, struct modfile *ret, struct err *err);

/* "shop" and "/shop/" as modfile.context_path has it: "/shop"; NULL when it is none. */
const char *modfile_context_path(struct arena *a, const char *path);

const char *modfile_kind_name(enum modfile_kind kind); /* "native", "ark", "node" */
const char *modfile_host_arch(void);                   /* of this machine, as in modfile.arch */

#endif
