/* What an operation on modules came to. Maps to arklet's two levels of codes in command.c. */
#ifndef BERTH_NATIVE_OUTCOME_H
#define BERTH_NATIVE_OUTCOME_H

#include <stdint.h>

struct biz;

enum outcome_kind {
	OUTCOME_SUCCESS,
	OUTCOME_REPEAT,        /* REPEAT_BIZ */
	OUTCOME_NOT_FOUND,     /* NOT_FOUND_BIZ */
	OUTCOME_ILLEGAL_STATE, /* ILLEGAL_STATE_BIZ */
	OUTCOME_FAILED,        /* refused in an orderly way */
	OUTCOME_CONFLICT,      /* another operation holds the module; nothing happened */
	OUTCOME_INTERNAL,      /* arklet's exceptions: file missing, start failed, … */
};

struct outcome {
	enum outcome_kind kind;
	char message[800];
	char cause[700];            /* of an internal failure: the innermost reason, in the module's own words where it has some */
	const struct biz *biz;      /* the module, where it is (still) listed; during the callback */
	const char *name, *version; /* what it was about, where known; during the callback */
	int64_t space;              /* bytes of memory that the process grew by */
};

typedef void (*outcome_fn)(void *arg, const struct outcome *o);

__attribute__((format(printf, 3, 4))) void outcome_set(struct outcome *o, enum outcome_kind kind, const char *fmt, ...);

#endif
