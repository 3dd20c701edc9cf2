/* Placement: which base takes one more instance, and why others do not. Pure: reads the fleet, changes nothing.
 *
 * Hard rules (rules.def) filter, preferences score, a stable tie-break (base id) chooses. choose and explain use the same rules. */
#ifndef BERTH_SCHED_PLACE_H
#define BERTH_SCHED_PLACE_H

#include "model/fleet.h"

struct arena;
struct requirement;

struct place_req {
	const struct group *group;
	const struct deployment *deployment; /* may be NULL (a dry run of a new one) */
	const struct module *module;         /* may be NULL with version NULL: capacity only */
	const struct version *version;
	int64_t units;
	enum placement policy;
	/* May be NULL. True: this base is out for the caller's own reason (already failed in this plan, …); counted as rule "excluded". */
	bool (*excluded)(const struct base *b, void *arg);
	/* May be NULL. True: what is required will be on this base although it is not yet. */
	bool (*brings)(const struct base *b, const struct requirement *r, void *arg);
	void *arg;
	/* May be NULL. The instance of another version that the new one is to stand beside: its base may hold the module, and is preferred.
	 */
	const struct instance *old;
};

/* < 0: a is the older one. Numbers first, missing ones are 0; then a version with a suffix ("-rc1") comes before the one without; build
 * notes
 * ("+b7") do not count. */
int version_cmp(const char *a, const char *b);

/* Can both stand on one base at once, if there is room? Not what arklet cannot tell apart by name and version, nor two versions on one
 * context path in a JVM: there the second cannot start. */
bool versions_side_by_side(const struct version *old, const struct version *to);

/* Speeds up many choices in a row for one request: bases refused once are not looked at again, as long as one cursor is used. Zero it
 * first; drop it when bases may have got room or lost what spoke against them. Never needed for correctness. */
struct place_cursor {
	struct place_position {
		bool begun;
		int64_t free;  /* the level it is at: those before it are passed */
		int64_t after; /* there: the base refused last, and its place when that was */
		uint64_t place;
	} zone[GROUP_ZONES];
};

struct base *place_choose(const struct fleet *f, const struct place_req *r, struct place_cursor *cursor); /* NULL: nothing fits */
bool place_fits(
    const struct fleet *f, const struct place_req *r, const struct base *b, const char **ret_rule); /* ret_rule: first rule that refuses */

/* Room for one more beside what that base has, in units and in metaspace (rules "full" and "metaspace"), and nothing else. */
bool place_has_room(const struct fleet *f, const struct place_req *r, const struct base *b);

struct place_refusal {
	const char *rule;
	char *text;
	char *command;
	int bases;
	const char *examples[5];
	int n_examples;
};
struct place_report {
	struct place_refusal *refusals;
	size_t n;
	struct base **fit;
	size_t n_fit, fits;   /* listed; in all */
	int n_bases, n_group; /* that were asked; that the group has */
	char *summary;        /* "3 of 3 bases full: 5 of 5 units; 1 cordoned" */
};
/* Over all bases of the group (each base counts for the first rule that refuses it), or over one (every rule that refuses it). Refusals:
 * most bases first. Everything in the arena. fit holds at most 1000, in the order in which successive choices would take
 * them; fits says how many there are.
 *
 * Of a very large group only some bases are asked (PLACE_MAX_ASKED): the ones with enough units free in each zone that a choice would take
 * first, and as many of the others. The summary says so. */
#define PLACE_MAX_ASKED 4000
void place_explain(const struct fleet *f, const struct place_req *r, const struct base *only, struct arena *a, struct place_report *ret);

#endif
