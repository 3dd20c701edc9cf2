/* Health of modules: their health() is called every few seconds on a worker, never twice at a time, and the last word kept in the biz.
 * A call that does not come back is itself bad health. */
#ifndef BERTH_NATIVE_CHECK_H
#define BERTH_NATIVE_CHECK_H

struct base;
struct biz;
struct check;
struct err;

int check_new(struct base *base, struct check **ret, struct err *err);
void check_free(struct check *c);
/* fn runs once when no health call is inside b; only while one is. NULL forgets the request. */
void check_when_idle(struct biz *b, void (*fn)(void *arg), void *arg);

#endif
