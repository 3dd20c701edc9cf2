/* Whether what a base without an agent is to fetch can be had at that very address, and is a jar: asked before the version it replaces is
 * removed. The first bytes are read; of our own artifacts the server checks the digest of the whole when it fetches them from the ledger.
 * What was good lately is not asked for again, so that a rollout costs one look. On the loop's thread. */
#ifndef BERTH_DRIVE_OFFER_H
#define BERTH_DRIVE_OFFER_H

#include <stdint.h>

struct fetcher;
struct offers;

/* why NULL: it can be fetched. Valid during the call. */
typedef void (*offer_fn)(void *arg, int64_t id, const char *why);

struct offers *offers_new(struct fetcher *f);
void offers_free(struct offers *o); /* nobody is called any more */
/* key: the same for the same bytes at the same place. fn runs once, from within when it is known to be good, unless the asker is forgotten.
 */
void offer_check(struct offers *o, const char *key, const char *url, offer_fn fn, void *arg, int64_t id);
void offers_forget(struct offers *o, const void *arg);

#endif
