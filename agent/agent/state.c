/* Lists of the AgentState message: small, so they are walked; each element is a message of its own on the heap. */
#include "state.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "base/err.h"
#include "base/name.h"

void *keep(const void *message) {
	const ProtobufCMessage *m = message;
	size_t n = protobuf_c_message_get_packed_size(m);
	uint8_t *bytes = malloc(n + 1);
	if (bytes == NULL)
		abort();
	protobuf_c_message_pack(m, bytes);
	ProtobufCMessage *copy = protobuf_c_message_unpack(m->descriptor, NULL, n, bytes);
	free(bytes);
	if (copy == NULL)
		abort();
	return copy;
}

void drop(void *message) {
	if (message != NULL)
		protobuf_c_message_free_unpacked(message, NULL);
}

void keep_text(char **field, const char *text) {
	char *copy = text == NULL ? NULL : strdup(text);
	if (text != NULL && copy == NULL)
		abort();
	free(*field);
	*field = copy;
}

bool module_is(const char *module, const char *version, const char *other_module, const char *other_version) {
	return module != NULL && version != NULL && other_module != NULL && other_version != NULL && strcmp(module, other_module) == 0 &&
	       strcmp(version, other_version) == 0;
}

/* Each repeated field of the message is an array of pointers to messages: the four lists share their code. */
static void list_add(void *list, size_t *n, void *item) {
	void **old;
	memcpy(&old, list, sizeof old);
	void **items = realloc(old, (*n + 1) * sizeof *items);
	if (items == NULL)
		abort();
	items[(*n)++] = item;
	memcpy(list, &items, sizeof items);
}

static void list_cut(void *list, size_t *n, size_t i) {
	void **items;
	memcpy(&items, list, sizeof items);
	drop(items[i]);
	memmove(items + i, items + i + 1, (*n - i - 1) * sizeof *items);
	(*n)--;
}

static bool name_ok(const char *module, const char *version) {
	return name_valid(NAME_PLAIN, module) && name_valid(NAME_VERSION, version);
}

/* protobuf-c 1.4.1 reads some bytes (a field number 0 in a long tag) that it does not read again as it writes them itself. */
static bool reads_back(const Berth__V1__AgentState *s) {
	size_t n;
	uint8_t *bytes = state_pack(s, &n);
	Berth__V1__AgentState *again = berth__v1__agent_state__unpack(NULL, n, bytes);
	free(bytes);
	drop(again);
	return again != NULL;
}

int state_load(const uint8_t *p, size_t n, Berth__V1__AgentState **ret, struct err *err) {
	Berth__V1__AgentState *s = berth__v1__agent_state__unpack(NULL, n, p);
	if (s == NULL || !reads_back(s)) {
		drop(s);
		return err_set(err, E_MALFORMED, "the agent's state cannot be read (%zu bytes)", n);
	}
	for (size_t i = s->n_wanted; i-- > 0;)
		if (!name_ok(s->wanted[i]->module, s->wanted[i]->version))
			list_cut(&s->wanted, &s->n_wanted, i);
	for (size_t i = s->n_quarantine; i-- > 0;)
		if (!name_ok(s->quarantine[i]->module, s->quarantine[i]->version))
			list_cut(&s->quarantine, &s->n_quarantine, i);
	*ret = s;
	return 0;
}

void state_free(Berth__V1__AgentState *s) {
	drop(s);
}

uint8_t *state_pack(const Berth__V1__AgentState *s, size_t *ret_n) {
	size_t n = berth__v1__agent_state__get_packed_size(s);
	uint8_t *bytes = malloc(n + 1);
	if (bytes == NULL)
		abort();
	*ret_n = berth__v1__agent_state__pack(s, bytes);
	return bytes;
}

/* ---- wanted ---- */

Berth__V1__WantedModule *state_wanted(const Berth__V1__AgentState *s, const char *module, const char *version) {
	for (size_t i = 0; i < s->n_wanted; i++)
		if (module_is(s->wanted[i]->module, s->wanted[i]->version, module, version))
			return s->wanted[i];
	return NULL;
}

bool wanted_requires(const Berth__V1__WantedModule *w, const char *module) {
	for (size_t i = 0; i < w->n_requires; i++)
		if (strcmp(w->requires[i], module) == 0)
			return true;
	return false;
}

bool state_wanted_drop(Berth__V1__AgentState *s, const char *module, const char *version) {
	for (size_t i = 0; i < s->n_wanted; i++) {
		if (module_is(s->wanted[i]->module, s->wanted[i]->version, module, version)) {
			list_cut(&s->wanted, &s->n_wanted, i);
			return true;
		}
	}
	return false;
}

void state_wanted_put(Berth__V1__AgentState *s, const Berth__V1__WantedModule *w) {
	void *copy = keep(w);
	state_wanted_drop(s, w->module, w->version);
	if (s->n_wanted < STATE_MAX_WANTED)
		list_add(&s->wanted, &s->n_wanted, copy);
	else
		drop(copy);
}

void state_wanted_clear(Berth__V1__AgentState *s) {
	while (s->n_wanted > 0)
		list_cut(&s->wanted, &s->n_wanted, s->n_wanted - 1);
}

/* ---- outcomes ---- */

Berth__V1__Outcome *state_outcome(const Berth__V1__AgentState *s, int64_t generation) {
	for (size_t i = 0; i < s->n_outcomes; i++)
		if (s->outcomes[i]->generation == generation)
			return s->outcomes[i];
	return NULL;
}

static bool outcome_reported(const Berth__V1__AgentState *s, int64_t generation) {
	for (size_t i = 0; i < s->n_unacked; i++)
		for (size_t k = 0; k < s->unacked[i]->n_outcomes; k++)
			if (s->unacked[i]->outcomes[k]->generation == generation)
				return true;
	return false;
}

/* The oldest that is finished and acknowledged goes; the output of those that stay was told already and would only fill the file. */
static void outcomes_trim(Berth__V1__AgentState *s) {
	for (size_t i = 0; i < s->n_outcomes && s->n_outcomes > STATE_MAX_OUTCOMES;) {
		Berth__V1__Outcome *o = s->outcomes[i];
		if (o->has_ok && !outcome_reported(s, o->generation))
			list_cut(&s->outcomes, &s->n_outcomes, i);
		else
			i++;
	}
}

void state_outcome_put(Berth__V1__AgentState *s, const Berth__V1__Outcome *o) {
	Berth__V1__Outcome *copy = keep(o);
	for (size_t i = 0; i < s->n_outcomes; i++) {
		if (s->outcomes[i]->generation == o->generation) {
			list_cut(&s->outcomes, &s->n_outcomes, i);
			break;
		}
	}
	keep_text(&copy->output, NULL);
	list_add(&s->outcomes, &s->n_outcomes, copy);
	outcomes_trim(s);
}

void state_outcomes_clear(Berth__V1__AgentState *s) {
	while (s->n_outcomes > 0)
		list_cut(&s->outcomes, &s->n_outcomes, s->n_outcomes - 1);
}

/* ---- reports ---- */

void state_report_put(Berth__V1__AgentState *s, Berth__V1__Report *r) {
	list_add(&s->unacked, &s->n_unacked, r);
}

bool state_report_ack(Berth__V1__AgentState *s, int64_t committed_seq) {
	size_t before = s->n_unacked;
	while (s->n_unacked > 0 && s->unacked[0]->seq <= committed_seq)
		list_cut(&s->unacked, &s->n_unacked, 0);
	return s->n_unacked != before;
}

static void report_strip(Berth__V1__Report *r) {
	while (r->n_changed > 0)
		list_cut(&r->changed, &r->n_changed, r->n_changed - 1);
	while (r->n_gone > 0)
		list_cut(&r->gone, &r->n_gone, r->n_gone - 1);
	r->has_full = r->has_base_ready = r->has_base_running = r->has_base_start = r->has_restarts = r->has_crash_loop = 0;
	keep_text(&r->base_note, NULL);
}

void state_reports_strip(Berth__V1__AgentState *s) {
	for (size_t i = 0; i < s->n_unacked;) {
		report_strip(s->unacked[i]);
		if (s->unacked[i]->n_outcomes == 0)
			list_cut(&s->unacked, &s->n_unacked, i);
		else
			i++;
	}
}

/* ---- quarantine ---- */

Berth__V1__HeldModule *state_quarantine(const Berth__V1__AgentState *s, const char *module, const char *version) {
	for (size_t i = 0; i < s->n_quarantine; i++)
		if (module_is(s->quarantine[i]->module, s->quarantine[i]->version, module, version))
			return s->quarantine[i];
	return NULL;
}

bool state_quarantine_drop(Berth__V1__AgentState *s, const char *module, const char *version) {
	for (size_t i = 0; i < s->n_quarantine; i++) {
		if (module_is(s->quarantine[i]->module, s->quarantine[i]->version, module, version)) {
			list_cut(&s->quarantine, &s->n_quarantine, i);
			return true;
		}
	}
	return false;
}

void state_quarantine_put(Berth__V1__AgentState *s, const Berth__V1__HeldModule *h) {
	void *copy = keep(h);
	state_quarantine_drop(s, h->module, h->version);
	list_add(&s->quarantine, &s->n_quarantine, copy);
}
