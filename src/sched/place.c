/* The choice: per zone the best level that has a base no rule refuses, then the best of those. The cost does not grow with the fleet, only
 * with bases that rules other than room refuse; a cursor saves looking at those again. */
#include "sched/rules.h"

#include <string.h>

/* How many bases of one level are compared, the first that fits and those behind it: enough that small fleets get the exact tie-break. */
#define COMPARED 32

enum placement place_policy(const struct place_req *r) {
	if (r->policy != PLACEMENT_NONE)
		return r->policy;
	return r->group->row.placement != PLACEMENT_NONE ? (enum placement)r->group->row.placement : PLACEMENT_SPREAD;
}

int place_zone_load(const struct place_req *r, int zone) {
	return r->deployment != NULL && r->deployment->group == r->group ? r->deployment->zone_wanted[zone] : 0;
}

static bool holds_old(const struct place_req *r, const struct base *b) {
	return r->old != NULL && r->old->base == b;
}

int place_rank(const struct place_req *r, const struct base *a, int load_a, const struct base *b, int load_b) {
	bool pack = place_policy(r) == PLACEMENT_PACK;
	int64_t fa = base_free(a), fb = base_free(b);
	if (!pack && load_a != load_b)
		return load_a < load_b ? -1 : 1;
	if (fa != fb)
		return (fa < fb) == pack ? -1 : 1;
	if (load_a != load_b)
		return load_a < load_b ? -1 : 1;
	if (holds_old(r, a) != holds_old(r, b))
		return holds_old(r, a) ? -1 : 1;
	return a->row.id < b->row.id ? -1 : a->row.id > b->row.id;
}

static bool better(const struct place_req *r, const struct base *b, const struct base *best) {
	return b != NULL &&
	       (best == NULL || place_rank(r, b, place_zone_load(r, b->zone->slot), best, place_zone_load(r, best->zone->slot)) < 0);
}

/* Where to go on in this level: behind the base that was refused last; if it moved, behind where it stood. */
static struct base *scan_start(const struct fleet *f, const struct level *l, const struct place_position *at) {
	struct base *b = at->after == 0 ? NULL : fleet_base_by_id(f, at->after);
	if (b != NULL && b->level == l && b->place == at->place)
		return TAILQ_NEXT(b, free_link);
	b = TAILQ_FIRST(&l->bases);
	while (b != NULL && b->place <= at->place)
		b = TAILQ_NEXT(b, free_link);
	return b;
}

static struct base *level_best(const struct fleet *f, const struct place_req *r, const struct level *l, struct place_position *at) {
	struct base *best = NULL, *b;
	int compared = 0;
	if (!at->begun || at->free != l->free)
		*at = (struct place_position){ .begun = true, .free = l->free };
	for (b = scan_start(f, l, at); b != NULL && compared < COMPARED; b = TAILQ_NEXT(b, free_link), compared += best != NULL) {
		if (!better(r, b, best)) /* whatever the rules say of it */
			continue;
		if (rule_first(f, r, b, 0) == n_rules) {
			best = b;
		} else if (best == NULL) { /* nothing before it fits */
			at->after = b->row.id;
			at->place = b->place;
		}
	}
	return best;
}

/* Every base there has it already: the usual end of a deployment that wants more than there are bases, and a walk over all of them saved.
 */
static bool zone_exhausted(const struct place_req *r, int zone) {
	const struct deployment *d = r->deployment;
	return d != NULL && d->group == r->group && r->old == NULL && d->zone_holders[zone] >= r->group->slots[zone]->n_bases;
}

/* Pack: from the level with the least room that does upwards; spread: from the emptiest bases downwards. */
static struct base *zone_best(const struct fleet *f, const struct place_req *r, bool pack, int zone, struct place_position *at) {
	const struct zone_slot *s = r->group->slots[zone];
	if (zone_exhausted(r, zone))
		return NULL;
	size_t from = slot_level_at(s, r->units), end = s->n_levels;
	if (at->begun && pack && at->free > r->units)
		from = slot_level_at(s, at->free);
	if (at->begun && !pack)
		end = slot_level_at(s, at->free + 1);
	for (size_t k = from; k < end; k++) {
		struct base *b = level_best(f, r, s->levels[pack ? k : end - 1 - (k - from)], at);
		if (b != NULL)
			return b;
	}
	return NULL;
}

static int next_load(const struct place_req *r, int above) {
	int next = -1;
	for (int z = 0; z < GROUP_ZONES; z++) {
		int load = place_zone_load(r, z);
		if (r->group->slots[z] != NULL && load > above && (next < 0 || load < next))
			next = load;
	}
	return next;
}

/* Zones that hold fewer instances of the deployment come first; among equals the emptiest base. */
static struct base *choose_spread(const struct fleet *f, const struct place_req *r, struct place_cursor *c) {
	for (int load = next_load(r, -1); load >= 0; load = next_load(r, load)) {
		struct base *best = NULL;
		for (int z = 0; z < GROUP_ZONES; z++) {
			if (r->group->slots[z] == NULL || place_zone_load(r, z) != load)
				continue;
			struct base *b = zone_best(f, r, false, z, &c->zone[z]);
			if (better(r, b, best))
				best = b;
		}
		if (best != NULL)
			return best;
	}
	return NULL;
}

static struct base *choose_pack(const struct fleet *f, const struct place_req *r, struct place_cursor *c) {
	struct base *best = NULL;
	for (int z = 0; z < GROUP_ZONES; z++) {
		struct base *b = r->group->slots[z] == NULL ? NULL : zone_best(f, r, true, z, &c->zone[z]);
		if (better(r, b, best))
			best = b;
	}
	return best;
}

struct base *place_choose(const struct fleet *f, const struct place_req *r, struct place_cursor *cursor) {
	return place_policy(r) == PLACEMENT_PACK ? choose_pack(f, r, cursor) : choose_spread(f, r, cursor);
}

bool place_fits(const struct fleet *f, const struct place_req *r, const struct base *b, const char **ret_rule) {
	int rule = rule_first(f, r, b, 0);
	if (rule == n_rules)
		return true;
	if (ret_rule != NULL)
		*ret_rule = rules[rule].name;
	return false;
}
