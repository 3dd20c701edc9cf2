/* Files that must survive: atomic durable writes, capped reads, folders. Blocking; for start-up, small state files and
 * programs without a loop. Bulk data does not go through here. */
#ifndef BERTH_BASE_FILE_H
#define BERTH_BASE_FILE_H

#include <stddef.h>
#include <sys/types.h>

struct err;

/* The whole file, NUL-terminated beyond its length; caller frees *ret. Larger than max: E_TOO_LARGE; absent: E_NOT_FOUND.
 * ret_n may be NULL. */
int file_read(const char *path, size_t max, char **ret, size_t *ret_n, struct err *err);

/* All or nothing, also across a power cut: temporary name in the same folder, fsync, rename, fsync of the folder.
 * mode is exact (the umask is not applied). */
int file_write(const char *path, const void *p, size_t n, mode_t mode, struct err *err);

int file_remove(const char *path, struct err *err); /* durable; an absent file is fine */

/* Makes path and what is missing above it, with mode (exact); an existing folder keeps its mode. */
int dir_make(const char *path, mode_t mode, struct err *err);
int dir_sync(const char *path, struct err *err); /* fsync of a folder: its names are durable afterwards */
int dir_sync_parent(const char *path, struct err *err);

#endif
