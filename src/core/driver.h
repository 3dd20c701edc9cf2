/* What the core needs of whoever reaches bases. Implemented by src/drive (agent stream over gRPC, arklet over HTTP) and by the simulation.
 *
 * Upward, the driver calls core_base_* (core/inbound.h). Streams live in the driver: they survive a reload of the model and loss of the
 * lease. All on the loop's thread. */
#ifndef BERTH_CORE_DRIVER_H
#define BERTH_CORE_DRIVER_H

#include "berth/v1/agent.pb-c.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct base;
struct err;

/* Messages are those of the agent protocol (proto/berth/v1/agent.proto): one vocabulary, whatever the transport. */

struct driver;
struct driver_link; /* one connected base; made by the driver, kept by the core in base->drive between core_base_hello and core_base_gone */

typedef void (*driver_logs_fn)(void *arg, const void *p, size_t n, bool eof, const struct err *err);

struct driver_ops {
	/* Each may be called only with a live link; none calls back into the core before it returned. Messages are copied or packed at
	 * once. */
	void (*welcome)(struct driver_link *k, const Berth__V1__Welcome *w);
	void (*refuse)(struct driver_link *k, const char *code, const char *detail,
	    bool final); /* then closes; core_base_gone follows unless refused in hello */
	void (*command)(struct driver_link *k, const Berth__V1__Command *c);
	void (*ack)(struct driver_link *k, int64_t committed_seq);
	void (*prefetch)(struct driver_link *k, const Berth__V1__Prefetch *p);
	/* To every link that was welcomed in this epoch: after each good renewal of the lease. */
	void (*tick_all)(struct driver *d, int64_t epoch, int64_t last_event);
	/* Loss of the lease: no command goes out any more; streams stay; after the next load core asks for hello again. */
	void (*rehello_all)(
	    struct driver *d); /* core has a fresh model, or what it sent got lost: give it every link again through core_base_hello */
	/* Output of the base: pieces until eof; returns a handle for logs_stop, or NULL when the link cannot. */
	void *(*logs)(struct driver_link *k, int64_t bytes, bool follow, driver_logs_fn fn, void *arg);
	void (*logs_stop)(void *handle);
};
struct driver {
	const struct driver_ops *ops;
};

#endif
