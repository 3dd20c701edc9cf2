/* Mailbox: how other threads speak to the loop. Lock-protected intrusive queue with an eventfd; one wake-up for many letters. */
#ifndef BERTH_LOOP_MAILBOX_H
#define BERTH_LOOP_MAILBOX_H

struct loop;
struct err;
struct mailbox;

struct letter {
	struct letter *next;
}; /* embed in the message */

/* deliver runs on the loop's thread, in the order of posting; it owns the letter. */
int mailbox_new(struct loop *l, void (*deliver)(struct letter *letter, void *arg), void *arg, struct mailbox **ret, struct err *err);
void mailbox_free(struct mailbox *m);                         /* letters still inside are delivered first */
void mailbox_flush(struct mailbox *m);                        /* delivers what was posted so far; on the loop's thread, not from deliver */
void mailbox_post(struct mailbox *m, struct letter *letter);  /* any thread */
void mailbox_leave(struct mailbox *m, struct letter *letter); /* the same from the loop's own thread, which needs no waking */

#endif
