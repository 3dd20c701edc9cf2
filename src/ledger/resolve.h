/* Names to addresses without blocking the loop: getaddrinfo(3) in a thread, the answer through a mailbox. getaddrinfo, because
 * what people write in /etc/hosts and nsswitch.conf has to count. */
#ifndef BERTH_LEDGER_RESOLVE_H
#define BERTH_LEDGER_RESOLVE_H

#include <stddef.h>

#include "base/err.h"

struct loop;
struct resolver;

/* lists[i]: comma-separated addresses of names[i], NULL when there is none (or names[i] was NULL). Valid during the call. */
typedef void (*resolved_fn)(void *arg, const char *const *lists, size_t n);

int resolver_new(struct loop *l, resolved_fn done, void *arg, struct resolver **ret, struct err *err);
void resolver_free(struct resolver *r); /* an answer that is still on its way is dropped */
/* One at a time; an earlier one still under way is dropped. Names are copied. */
int resolver_start(struct resolver *r, const char *const *names, size_t n, struct err *err);

#endif
