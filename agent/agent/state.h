/* The durable part of the brain: the AgentState message itself, on the heap, changed only through here. Everything in it is allocated
 * the way protobuf-c does (malloc), so one call frees it. Pure. */
#ifndef BERTH_AGENT_STATE_H
#define BERTH_AGENT_STATE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "berth/v1/agent.pb-c.h"

struct err;

#define STATE_MAX_WANTED 4096
#define STATE_MAX_UNACKED 1024 /* reports; no new command is accepted beyond */
#define STATE_MAX_OUTCOMES 512 /* kept to answer a command that comes again */

/* n == 0: an empty one. Entries that name nothing are dropped. */
int state_load(const uint8_t *p, size_t n, Berth__V1__AgentState **ret, struct err *err);
void state_free(Berth__V1__AgentState *s);
uint8_t *state_pack(const Berth__V1__AgentState *s, size_t *ret_n); /* malloc'ed */

void *keep(const void *message);                /* deep copy of any message on the heap; freed with drop() */
void drop(void *message);                       /* NULL is fine */
void keep_text(char **field, const char *text); /* replaces; NULL clears */
#define keep_int(s, field, value) ((s)->has_##field = 1, (s)->field = (value))

bool module_is(const char *module, const char *version, const char *other_module, const char *other_version); /* NULLs match nothing */

Berth__V1__WantedModule *state_wanted(const Berth__V1__AgentState *s, const char *module, const char *version);
bool wanted_requires(const Berth__V1__WantedModule *w, const char *module);
void state_wanted_put(Berth__V1__AgentState *s, const Berth__V1__WantedModule *w); /* copied; replaces the same module:version */
bool state_wanted_drop(Berth__V1__AgentState *s, const char *module, const char *version);
void state_wanted_clear(Berth__V1__AgentState *s);

/* An outcome without `ok` stands for a command that was accepted and has no outcome yet. */
Berth__V1__Outcome *state_outcome(const Berth__V1__AgentState *s, int64_t generation);
void state_outcome_put(Berth__V1__AgentState *s, const Berth__V1__Outcome *o);
void state_outcomes_clear(Berth__V1__AgentState *s);

void state_report_put(Berth__V1__AgentState *s, Berth__V1__Report *r);  /* takes it */
bool state_report_ack(Berth__V1__AgentState *s, int64_t committed_seq); /* true when something went */
/* At a new start: what reports say of changed modules is older than the Hello; outcomes stay. */
void state_reports_strip(Berth__V1__AgentState *s);

Berth__V1__HeldModule *state_quarantine(const Berth__V1__AgentState *s, const char *module, const char *version);
void state_quarantine_put(Berth__V1__AgentState *s, const Berth__V1__HeldModule *h);
bool state_quarantine_drop(Berth__V1__AgentState *s, const char *module, const char *version);

#endif
