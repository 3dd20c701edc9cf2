/* An artifact: a module file on its way in. Fetched from file:, http: or https:, digested, checked and read (never executed), then a
 * private file of ours that nobody else writes to. */
#ifndef BERTH_NATIVE_ARTIFACT_H
#define BERTH_NATIVE_ARTIFACT_H

#include "proto/modfile.h"

struct arena;
struct base;
struct err;

struct artifact {
	struct arena *arena; /* of info and url */
	struct modfile info; /* native, and for this machine */
	const char *url;
	const char *shown; /* url for messages: without user, password and query */
	char digest[65];   /* sha256, hex */
	char *path;        /* of the private copy; NULL once it was taken over */
};

/* err NULL: the receiver owns *a. Else a is NULL. Never runs before artifact_get() returned. */
typedef void (*artifact_done_fn)(void *arg, struct artifact *a, const struct err *err);

/* sha256 NULL: not compared. Loop thread. Always ends: transfers that stand still are given up. */
void artifact_get(struct base *base, const char *url, const char *sha256, artifact_done_fn done, void *arg);
void artifact_free(struct artifact *a);

#endif
