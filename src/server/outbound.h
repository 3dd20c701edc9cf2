/* core/outbound.h over a fetcher: 5 s to connect, 10 s and 16 KiB in all, no redirects, no proxy. */
#ifndef BERTH_SERVER_OUTBOUND_H
#define BERTH_SERVER_OUTBOUND_H

#include "core/outbound.h"

struct fetcher;

struct outbound *outbound_new(struct fetcher *f);
void outbound_free(struct outbound *o); /* after the fetcher: no request runs any more */

#endif
