/* P10: when half the bases of a zone are gone at once, it is the network or us, not the bases. Nothing that is lost there is replaced by
 * itself until enough of them are back or a person says so.
 *
 * A base counts as gone from when it fell silent unasked until it is back, its instances were replaced, or a person released the brake.
 * Planned absences never count: a goodbye, and the time that somebody said beforehand. A brake is kept as a finding of its group (module)
 * and zone (version), so that it survives a takeover. */
#include "core/conductor.h"

#include <stdio.h>

#define BRAKE_MIN 3
#define ABSENCE_ACCEPTED (-1) /* base.absence_us: until it is back */

bool brake_holds(const struct base *b) {
	return b->zone->brake;
}

static const char *in_zone(const struct zone *z, char buf[96]) {
	snprintf(buf, 96, "%s%.64s", *z->name == '\0' ? "" : ", zone ", z->name);
	return buf;
}

static void engage(struct core *c, struct group *g, struct zone *z) {
	char zone[96], command[192];
	int all = z->n_gone + z->n_here;
	z->brake = true;
	snprintf(command, sizeof command, "berth group release-brake %s%s%s", g->row.name, *z->name == '\0' ? "" : " --zone ", z->name);
	struct event_facts f = { .kind = "group.braked", .group = g };
	core_event(c, &f, "%d of %d bases of group %s%s fell silent at once: nothing is replaced there by itself", z->n_gone, all,
	    g->row.name, in_zone(z, zone));
	finding_raise_for(c, FINDING_ZONE_ALARM, g->tenant, g->row.name, z->name, NULL, command,
	    "%d of %d bases of group %s%s fell silent at once: nothing is replaced there by itself until enough are back, or until "
	    "somebody "
	    "says that they are gone",
	    z->n_gone, all, g->row.name, zone);
}

/* What waited behind the brake is looked at again. */
static void zone_look(struct core *c, const struct group *g, const struct zone *z) {
	struct base *b;
	TAILQ_FOREACH(b, &g->bases, group_link)
		if (b->zone == z && b->row.state != BASE_READY)
			base_look(c, b, c->mono);
}

static void lift(struct core *c, const struct group *g, struct zone *z, const char *why) {
	char zone[96];
	z->brake = false;
	struct event_facts f = { .kind = "group.released", .group = g };
	core_event(c, &f, "group %s%s: what is lost is replaced again: %s", g->row.name, in_zone(z, zone), why);
	finding_clear_for(c, FINDING_ZONE_ALARM, g->tenant, g->row.name, z->name);
	zone_look(c, g, z);
}

static void consider(struct core *c, const struct base *b) {
	struct zone *z = b->zone;
	bool on = z->n_gone >= BRAKE_MIN && z->n_gone >= z->n_here;
	if (on && !z->brake)
		engage(c, b->group, z);
	else if (!on && z->brake)
		lift(c, b->group, z, "enough of its bases are back");
}

void brake_base_gone(struct core *c, struct base *b) {
	if (b->gone || b->row.absence_us != 0)
		return;
	base_set_gone(b, true);
	consider(c, b);
}

void brake_base_settled(struct core *c, struct base *b) {
	if (b->gone)
		base_set_gone(b, false);
	consider(c, b);
}

void brake_base_back(struct core *c, struct base *b) {
	base_set_absence(c->fleet, b, 0);
	brake_base_settled(c, b);
}

/* ---- planned absences ---------------------------------------------------------------------------------------------------------------- */
int change_expect_restart(struct core *c, const struct core_who *who, struct base *b, int64_t us, struct err *err) {
	struct event_facts f = { .kind = "base.restart_expected", .base = b };
	char d[48];
	(void)who;
	if (us < US_PER_S || us > 24 * 3600 * US_PER_S)
		return err_field(err, E_INVALID, "/within",
		    "say how long base %s may be away, from 1s to 24h: berth base expect-restart %s --for 10m", b->row.name, b->row.name);
	base_set_absence(c->fleet, b, us);
	b->absence_until = mono_add(c->mono, us);
	base_look(c, b, b->absence_until);
	core_event(c, &f, "base %s may be away for %s: it counts for no alarm, and nothing of it is placed elsewhere meanwhile",
	    b->row.name, duration_format(us, d));
	brake_base_settled(c, b);
	return 0;
}

bool brake_excused(const struct core *c, const struct base *b) {
	return b->row.absence_us > 0 && mono_before(c->mono, b->absence_until);
}

void brake_absence_check(struct core *c, struct base *b) {
	if (b->row.absence_us <= 0 || brake_excused(c, b))
		return;
	struct event_facts f = { .kind = "base.restart_overdue", .base = b };
	base_set_absence(c->fleet, b, 0);
	if (b->row.state != BASE_SILENT && b->row.state != BASE_LOST)
		return;
	core_event(c, &f, "base %s is not back in the time that was given", b->row.name);
	brake_base_gone(c, b);
}

/* ---- a person's word -------------------------------------------------------------------------------------------------------------------
 */
/* Those that are gone now are gone for good as far as the brake is concerned: they do not put it on again. */
static void zone_release(struct core *c, struct group *g, struct zone *z, const char *why) {
	struct base *b;
	TAILQ_FOREACH(b, &g->bases, group_link) {
		if (b->zone != z || !b->gone)
			continue;
		base_set_absence(c->fleet, b, ABSENCE_ACCEPTED);
		base_set_gone(b, false);
	}
	lift(c, g, z, why);
}

int change_release_brake(struct core *c, const struct core_who *who, struct group *g, const char *zone, struct err *err) {
	if (zone != NULL && group_zone(g, zone) == NULL)
		return err_field(err, E_NOT_FOUND, "/zone", "group %s has no base in zone %s", g->row.name, zone);
	const char *why = who->reason != NULL && *who->reason ? who->reason : "somebody says that they are gone";
	for (struct zone *z = g->zones; z != NULL; z = z->hh.next)
		if (z->brake && (zone == NULL || strcmp(z->name, zone) == 0))
			zone_release(c, g, z, why);
	return 0;
}

/* ---- after a load
 * ------------------------------------------------------------------------------------------------------------------------ */
/* Everybody has the full time again to show up. Those that were replaced already hold nothing any more and count no more. */
static void base_restored(struct core *c, struct base *b) {
	bool away = b->row.state == BASE_SILENT || (b->row.state == BASE_LOST && b->n_instances > 0);
	if (b->row.absence_us > 0) {
		b->absence_until = mono_add(c->mono, b->row.absence_us);
		base_look(c, b, b->absence_until);
	}
	base_set_gone(b, away && b->row.absence_us == 0);
}

void brake_restore(struct core *c) {
	for (struct base *b = fleet_bases(c->fleet); b != NULL; b = b->hh_id.next)
		base_restored(c, b);
	for (struct finding *x = fleet_findings_first(c->fleet), *next; x != NULL; x = next) {
		next = TAILQ_NEXT(x, link);
		if (x->row.kind != FINDING_ZONE_ALARM)
			continue;
		struct group *g = x->row.module == NULL ? NULL : fleet_group(x->tenant, x->row.module);
		struct zone *z = g == NULL ? NULL : group_zone(g, x->row.version);
		if (z != NULL)
			z->brake = true;
		else
			fleet_finding_remove(c->fleet, x);
	}
}
