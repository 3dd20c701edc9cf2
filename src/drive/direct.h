/* Bases without an agent: the server is their agent. One brain (agent/agent/brain.h) per base decides as it does in berth-agent; this file
 * performs its effects over arklet's HTTP and hands its messages to the core as if they had come on a stream. Which bases there are is the
 * roster's to know. */
#ifndef BERTH_DRIVE_DIRECT_H
#define BERTH_DRIVE_DIRECT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct direct;
struct drive;

struct direct_base { /* what the ledger knows of it; copied */
	int64_t id, tenant_id;
	const char *tenant, *name, *url, *boot;
	int64_t starts, report_seq, generation;
	const int64_t *sent; /* generation, task of each command without outcome: asked about before anything is sent again */
	size_t n_sent;
};
#define DIRECT_BOOT "arklet/" /* row `boot` of such a base: this, then the identity it told */

struct direct *direct_new(struct drive *d, const struct direct_base *b);
void direct_free(struct direct *g); /* also from inside its own callbacks; what it asked is cancelled, modules keep running */
bool direct_is(const struct direct *g, int64_t tenant_id, const char *name);
const char *direct_url(const struct direct *g);
void direct_rest(struct direct *g); /* it said goodbye: no sign of life until it is gone and comes back */

#endif
