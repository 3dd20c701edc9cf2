/* Inside of artifact bytes: the disk cache, and moving bytes between it, the ledger and the outside. */
#ifndef BERTH_API_BLOB_H
#define BERTH_API_BLOB_H

#include "api/call.h"
#include "base/secret.h"
#include "loop/fetch.h"

#define CHUNK_BYTES (1024u * 1024u) /* one row of the ledger */

struct fill;

struct blobs {
	struct api *api;
	char *dir;
	int dir_fd;
	unsigned busy; /* uploads, fills and fetches under way */
	int64_t cached_bytes;
	struct fetcher *fetcher;
	LIST_HEAD(, fill) fills;
};

/* A file that is being made in the cache folder: invisible until it is kept. */
struct blob_file {
	struct blobs *blobs;
	int fd; /* -1 after blob_file_forgo */
	char name[80];
	struct sha256 *digest;
	int64_t size;
};
int blob_file_open(struct blobs *b, struct blob_file *ret, struct err *err);
/* A full disk first costs the cache its oldest files. On an error the bytes are counted and in the digest, but not all in the file. */
int blob_file_add(struct blob_file *f, const void *p, size_t n, struct err *err);
void blob_file_forgo(struct blob_file *f); /* goes on without a file: only counts and digests; nothing will be kept */
void blob_file_digest(struct blob_file *f, char ret_hex[SHA256_HEX]);                          /* once, after the last byte */
int blob_file_keep(struct blobs *b, struct blob_file *f, const char *sha256, struct err *err); /* under its digest; closes */
void blob_file_drop(struct blobs *b, struct blob_file *f);

/* An open descriptor of a cached artifact, or -1. A file of another size is removed. */
int blob_cached(struct blobs *b, const char *sha256, int64_t size);
int blobs_admit(struct blobs *b, struct err *err); /* counts one more; blobs->busy-- when it ends */

void fills_cancel(struct blobs *b);

#endif
