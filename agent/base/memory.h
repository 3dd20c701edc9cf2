/* Memory and processor figures of this process, from /proc. Never fail: 0 where the kernel does not say. */
#ifndef BERTH_NATIVE_MEMORY_H
#define BERTH_NATIVE_MEMORY_H

#include <stdint.h>

struct memory {
	int64_t resident, virtual, heap_used, heap_total; /* bytes */
	int64_t machine_total, machine_available;
};
struct memory memory_now(void);
int64_t memory_resident(void);

struct cpu_ticks {
	uint64_t user, system, idle;
}; /* of the machine, since boot */
struct cpu_ticks cpu_now(void);

#endif
