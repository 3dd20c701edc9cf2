/* History of bases: a row for each time in which an instance was ready. It begins and ends with the state of the instance, and is written
 * in the same commit as the instance (fleet.c collects them together), so that history and fleet never tell two stories.
 *
 * Nothing of it stays in memory: key and beginning of an open row are the id and state_at of the ready instance. */
#include "model/fleet_internal.h"

#include <string.h>

/* A row without its time would be refused, and the commit with it. */
static wall_t beginning(const struct instance *i) {
	wall_t since = i->row.state_at.us > 0 ? i->row.state_at : i->row.created_at;
	return since.us > 0 ? since : (wall_t){ 1 };
}

/* The row that would be written for the time that began at `since`, if it waits here still. */
static struct stay *pending(const struct instance *i, wall_t since) {
	struct stay *s;
	TAILQ_FOREACH(s, &i->stays, link)
		if (s->row.since.us == since.us)
			return s;
	return NULL;
}

/* Who brought it is told by the revision, also when a repair put it there. */
static struct stay *stay_new(struct fleet *f, struct instance *i) {
	const struct deployment *d = i->deployment;
	const struct revision *r = d == NULL ? NULL : fleet_revision(d, i->row.revision);
	struct row_base_history row = { .instance_id = i->row.id,
		.since = beginning(i),
		.tenant_id = i->base->row.tenant_id,
		.base = i->base->row.name,
		.base_group = i->base->group->row.name,
		.zone = i->base->row.zone,
		.module = i->version->module->row.name,
		.version = i->version->row.name,
		.deployment = d == NULL ? NULL : d->row.name,
		.revision = i->row.revision,
		.plan_id = r == NULL ? 0 : r->row.plan_id,
		.actor = r == NULL ? NULL : r->row.actor };
	struct stay *s = object_new(TABLE_base_history, sizeof *s, &row);
	s->list = &i->stays;
	TAILQ_INSERT_TAIL(&i->stays, s, link);
	fleet_touch(f, &s->o);
	return s;
}

/* Left and entered in one instant: one time, as if nothing had been. */
void stay_begin(struct fleet *f, struct instance *i) {
	struct stay *s = pending(i, beginning(i));
	if (s == NULL)
		s = stay_new(f, i);
	s->row.ended_at = (wall_t){ 0 };
	text_set(&s->row.ended_as, NULL);
	text_set(&s->row.ended_reason, NULL);
}

void stay_end(struct fleet *f, struct instance *i, const char *as, const char *reason, wall_t now) {
	struct stay *s = pending(i, beginning(i));
	if (s == NULL)
		s = stay_new(f, i);
	s->row.ended_at = now.us > s->row.since.us ? now : s->row.since; /* clocks step back */
	text_set(&s->row.ended_as, as);
	text_set(&s->row.ended_reason, reason);
}

void stays_move(struct stay_list *from, struct stay_list *to) {
	struct stay *s;
	while ((s = TAILQ_FIRST(from)) != NULL) {
		TAILQ_REMOVE(from, s, link);
		s->list = to;
		if (to != NULL)
			TAILQ_INSERT_TAIL(to, s, link);
	}
}

static void stay_write(struct fleet *f, struct changeset *cs, struct stay *s) {
	changeset_upsert(cs, TABLE_base_history, &s->row);
	object_clean(f, &s->o);
	object_free(&s->o);
}

void stays_collect(struct fleet *f, struct changeset *cs, struct stay_list *list) {
	struct stay *s;
	while ((s = TAILQ_FIRST(list)) != NULL) {
		TAILQ_REMOVE(list, s, link);
		stay_write(f, cs, s);
	}
}

void stays_collect_rest(struct fleet *f, struct changeset *cs) {
	struct object *o, *next;
	for (o = TAILQ_FIRST(&f->dirty[TABLE_base_history]); o != NULL; o = next) {
		struct stay *s = (struct stay *)(void *)o;
		next = TAILQ_NEXT(o, dirty_link);
		if (s->list == NULL)
			stay_write(f, cs, s);
	}
}

bool stays_free(struct fleet *f, size_t *objects) {
	struct object *o;
	for (; *objects > 0 && (o = TAILQ_FIRST(&f->dirty[TABLE_base_history])) != NULL; --*objects) {
		object_clean(f, o);
		object_free(o);
	}
	return TAILQ_EMPTY(&f->dirty[TABLE_base_history]);
}
