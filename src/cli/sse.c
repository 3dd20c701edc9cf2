/* Server-sent events, as the HTML standard reads them: lines end with LF, CR or CRLF; an empty line ends an event. */
#include "cli/sse.h"

#include <stdio.h>
#include <string.h>

#include "base/err.h"

void sse_init(struct sse *s, int (*on_event)(void *arg, const char *id, const char *event, const char *data, size_t n), void *arg) {
	*s = (struct sse){ .on_event = on_event, .arg = arg };
	buf_init(&s->line, SSE_MAX_EVENT);
	buf_init(&s->data, SSE_MAX_EVENT);
}

void sse_deinit(struct sse *s) {
	buf_deinit(&s->line);
	buf_deinit(&s->data);
}

static void event_clear(struct sse *s) {
	buf_clear(&s->data);
	s->lines = 0;
	s->id[0] = s->event[0] = '\0';
}

void sse_restart(struct sse *s) {
	buf_clear(&s->line);
	event_clear(s);
	s->after_cr = false;
}

static int event_end(struct sse *s) {
	int r = 0;
	if (s->id[0] != '\0')
		memcpy(s->last_id, s->id, sizeof s->last_id);
	if (s->lines > 0)
		r = s->on_event(s->arg, s->id, s->event[0] != '\0' ? s->event : "message", buf_str(&s->data), s->data.len);
	event_clear(s);
	return r;
}

static void field_set(struct sse *s, const char *name, const char *value) {
	if (strcmp(name, "data") == 0) {
		if (s->lines++ > 0)
			buf_add_char(&s->data, '\n');
		buf_add_str(&s->data, value);
	} else if (strcmp(name, "id") == 0) {
		snprintf(s->id, sizeof s->id, "%s", value);
	} else if (strcmp(name, "event") == 0) {
		snprintf(s->event, sizeof s->event, "%s", value);
	}
}

static int line_end(struct sse *s) {
	int r = 0;
	if (s->line.len == 0) {
		r = event_end(s);
	} else if (s->line.data[0] != ':') {
		char *colon = strchr(s->line.data, ':');
		const char *value = "";
		if (colon != NULL) {
			*colon = '\0';
			value = colon[1] == ' ' ? colon + 2 : colon + 1;
		}
		field_set(s, s->line.data, value);
	}
	buf_clear(&s->line);
	return r;
}

int sse_feed(struct sse *s, const char *p, size_t n) {
	for (size_t i = 0; i < n; i++) {
		bool second = p[i] == '\n' && s->after_cr;
		s->after_cr = p[i] == '\r';
		if (second)
			continue;
		if (p[i] != '\n' && p[i] != '\r') {
			buf_add_char(&s->line, p[i]);
			continue;
		}
		int r = line_end(s);
		if (r != 0)
			return r;
	}
	return s->line.overflow || s->data.overflow ? E_TOO_LARGE : 0;
}
