/* What the base writes: <data>/base.log, a plain file the base itself appends to, so that it lives on when the agent dies. When it has
 * grown past the cap its last part becomes base.log.1 and it starts over; both together hold at least the last MiB.
 * Readers follow by inotify: nothing is polled. */
#ifndef BERTH_AGENT_OUTPUT_H
#define BERTH_AGENT_OUTPUT_H

#include <stddef.h>
#include <stdint.h>

struct loop;
struct err;
struct output;
struct reader;

#define OUTPUT_CAP ((int64_t)1 << 20)

int output_new(struct loop *l, const char *dir, struct output **ret, struct err *err);
void output_free(struct output *o); /* readers are forgotten without a call */
int output_fd(struct output *o);    /* for the base's stdout and stderr; owned by o */

/* The last whole lines, at most max bytes and n lines; malloc'ed, "" when there are none. */
char *output_tail(struct output *o, size_t max, unsigned lines);
/* "name:version" that the base's last words blame, into ret; "" when they name none. */
void output_blamed(struct output *o, char ret[160]);

/* A reader of the last `bytes`, then of what is appended. more() runs when there may be something to read. */
struct reader *reader_new(struct output *o, int64_t bytes, void (*more)(void *arg), void *arg);
void reader_free(struct reader *r);
size_t reader_read(struct reader *r, void *p, size_t n); /* 0: at the end for now */

#endif
