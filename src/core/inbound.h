/* What bases tell: called by the driver, on the loop's thread. Messages are read during the call only. */
#ifndef BERTH_CORE_INBOUND_H
#define BERTH_CORE_INBOUND_H

#include "berth/v1/agent.pb-c.h"

#include <stdbool.h>
#include <stdint.h>

struct core;
struct driver_link;

/* A base introduced itself on a link. The core answers later with driver welcome() or refuse(). peer: address for the event. The driver
 * keeps a copy of the Hello for rehello_all(). */
void core_base_hello(struct core *c, struct driver_link *k, const Berth__V1__Hello *h, const char *peer);
/* The same for a base that the server reaches by its address: no key is shown, who it is was found out by asking it. */
void core_base_hello_direct(struct core *c, struct driver_link *k, int64_t base_id, const Berth__V1__Hello *h, const char *peer);
void core_base_report(struct core *c, struct driver_link *k, const Berth__V1__Report *r);
void core_base_heartbeat(struct core *c, struct driver_link *k, const Berth__V1__Heartbeat *h);
void core_base_prefetched(struct core *c, struct driver_link *k, const Berth__V1__Prefetched *m);
void core_base_goodbye(struct core *c, struct driver_link *k, const char *reason);
/* Why a base without an agent cannot be reached just now, a sentence. Kept until it is; an event when it is another than before. False:
 * it could not be recorded, tell it again. */
bool core_base_unreached(struct core *c, int64_t base_id, const char *why);
/* The link is no more (whatever the cause); no call with it afterwards. */
void core_base_gone(struct core *c, struct driver_link *k, const char *why);

#endif
