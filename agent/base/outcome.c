/* Outcomes. */
#include "outcome.h"

#include <stdarg.h>
#include <stdio.h>

void outcome_set(struct outcome *o, enum outcome_kind kind, const char *fmt, ...) {
	va_list ap;
	va_start(ap, fmt);
	vsnprintf(o->message, sizeof o->message, fmt, ap);
	va_end(ap);
	o->kind = kind;
}
