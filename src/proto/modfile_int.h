/* Inside modfile*.c only: the readers of the three kinds and the checks they share. */
#ifndef BERTH_PROTO_MODFILE_INT_H
#define BERTH_PROTO_MODFILE_INT_H

#include <stdbool.h>

#include "proto/modfile.h"

int modfile_elf_read(struct arena *a, const unsigned char *p, size_t n, struct modfile *ret, struct err *err);
int modfile_jar_read(struct arena *a, const void *p, size_t n, struct modfile *ret, struct err *err);
int modfile_node_read(struct arena *a, const void *p, size_t n, struct modfile *ret, struct err *err);

/* Name and version are checked and set; context path made whole ("orders" → "/orders"); needs taken apart ("config, auth >=2"). */
int modfile_set_identity(struct modfile *m, const char *name, const char *version, struct err *err);
int modfile_set_context_path(struct arena *a, struct modfile *m, const char *path, struct err *err);
int modfile_set_needs(struct arena *a, struct modfile *m, const char *text, struct err *err);
bool modfile_text_plain(const char *s); /* no control characters */
int modfile_set_units(struct modfile *m, int64_t units, struct err *err);

#endif
