/* Memory and processor figures. */
#include "memory.h"

#include <malloc.h>
#include <stdio.h>
#include <unistd.h>

int64_t memory_resident(void) {
	return memory_now().resident;
}

static void read_statm(struct memory *m) {
	long long size = 0, resident = 0;
	FILE *f = fopen("/proc/self/statm", "re");
	if (f && fscanf(f, "%lld %lld", &size, &resident) != 2)
		size = resident = 0;
	if (f)
		fclose(f);
	m->virtual = size * sysconf(_SC_PAGESIZE);
	m->resident = resident * sysconf(_SC_PAGESIZE);
}

struct memory memory_now(void) {
	struct memory m = { 0 };
	struct mallinfo2 heap = mallinfo2();
	read_statm(&m);
	m.heap_used = (int64_t)(heap.uordblks + heap.hblkhd);
	m.heap_total = (int64_t)(heap.arena + heap.hblkhd);
	m.machine_total = (int64_t)sysconf(_SC_PHYS_PAGES) * sysconf(_SC_PAGESIZE);
	m.machine_available = (int64_t)sysconf(_SC_AVPHYS_PAGES) * sysconf(_SC_PAGESIZE);
	return m;
}

struct cpu_ticks cpu_now(void) {
	unsigned long long user = 0, nice = 0, system = 0, idle = 0, wait = 0;
	FILE *f = fopen("/proc/stat", "re");
	if (f && fscanf(f, "cpu %llu %llu %llu %llu %llu", &user, &nice, &system, &idle, &wait) != 5)
		user = nice = system = idle = wait = 0;
	if (f)
		fclose(f);
	return (struct cpu_ticks){ .user = user + nice, .system = system, .idle = idle + wait };
}
