/* One connected base as its server sees it: of an agent, by letters that take their time; or of a base without one, whose brain is in the
 * server itself. */
#ifndef BERTH_TEST_LINK_H
#define BERTH_TEST_LINK_H

#include "sim.h"

struct direct;

struct driver_link {
	struct node *node;
	struct agent *agent;   /* NULL: direct */
	struct direct *direct; /* NULL: an agent's */
	struct arena *arena;
	Berth__V1__Hello *hello;
	bool dead, in_core;     /* in_core: it was introduced to the model of now */
	int64_t up_at, down_at; /* order is kept: nothing overtakes */
	struct driver_link *next;
};

/* direct.c: of one server. */
void direct_look(struct node *n);          /* the bases without an agent that the model knows get a brain; others lose theirs */
void direct_leave(struct node *n);         /* this server does not look after them any more, or is dead */
void direct_free(struct node *n);          /* at the very end */
void direct_forgotten_all(struct node *n); /* a fresh model knows none of them … */
void direct_hello_all(struct node *n);     /* … until they are introduced again */
void direct_tell_all(struct node *n, const Berth__V1__ServerMessage *m);
void direct_message(struct direct *g, const Berth__V1__ServerMessage *m);
void direct_refused(struct direct *g, bool final);

#endif
