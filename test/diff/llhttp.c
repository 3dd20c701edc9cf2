/* Differential test: whatever the strict parser takes for a request, llhttp (Node.js) must frame the same way: the same method,
 * fields and body, ending at the same byte. What only one of two programs on a path takes for the end is request smuggling.
 * The other direction is no goal: llhttp takes much that is refused here.
 *
 * Usage: llhttp-diff [mutants [seed]]. Prints the first difference and fails. */
#include <llhttp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/arena.h"
#include "base/buf.h"
#include "base/rng.h"
#include "http/chunk.h"
#include "http/head.h"

#define MAX_INPUT 4096
#define MAX_FIELDS 120

struct text {
	const char *s;
	size_t n;
};
#define T(s) \
	{ s, sizeof(s) - 1 }

static const struct text seeds[] = {
	T("GET / HTTP/1.1\r\nHost: a\r\n\r\n"),
	T("GET /v1/plans?after=1&x=%20 HTTP/1.1\r\nHost: a:7777\r\nAccept: */*\r\nConnection: keep-alive\r\n\r\nGET /next "
	  "HTTP/1.1\r\nHost: b\r\n\r\n"),
	T("HEAD /x HTTP/1.0\r\n\r\n"),
	T("POST /v1/x HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nhelloPOST /y HTTP/1.1\r\n"),
	T("POST /v1/x HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\nA;x=y\r\n0123456789\r\n0\r\n\r\nGET / "
	  "HTTP/1.1\r\n"),
	T("PUT /v1/x HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\nTE: trailers\r\n\r\n3;a=\"b;c\";d\r\nabc\r\n0\r\nX-Sum: 1\r\nY: "
	  "z\r\n\r\n"),
	T("PATCH /v1/x HTTP/1.1\r\nHost: [::1]:80\r\nContent-Type: application/json\r\nContent-Length: 2\r\nExpect: "
	  "100-continue\r\n\r\n{}"),
	T("DELETE /v1/x HTTP/1.1\r\nHost: a\r\nIf-Match: \"7\"\r\nConnection: close, x\r\n\r\n"),
	T("POST / HTTP/1.0\r\nContent-Length: 3\r\nConnection: keep-alive\r\n\r\nabc"),
	T("OPTIONS /v1 HTTP/1.1\r\nHost: a\r\nUpgrade: h2c\r\nConnection: upgrade\r\n\r\n"),
	T("POST /u HTTP/1.1\r\nHost: a\r\nContent-Length: 00004\r\nX-Long:   \t v v \t\r\nEmpty:\r\n\r\nGET "),
};

/* What a mutation likes to write: everything that means something to one of the two. */
static const struct text spices[] = {
	T("\r\n"),
	T("\n"),
	T("\r"),
	T(" "),
	T("\t"),
	T(":"),
	T(";"),
	T(","),
	T("\""),
	T("\\"),
	T("\0"),
	T("\x7f"),
	T("\x80"),
	T("\x0b"),
	T("\x0c"),
	T("0"),
	T("00"),
	T("1"),
	T("F"),
	T("0x"),
	T("+"),
	T("-"),
	T("_"),
	T("0\r\n\r\n"),
	T("\r\n\r\n"),
	T("\r\n "),
	T(" HTTP/1.1"),
	T("HTTP/1.0"),
	T("Content-Length: 3\r\n"),
	T("Content-Length:"),
	T("Transfer-Encoding: chunked\r\n"),
	T("transfer-encoding : chunked\r\n"),
	T("chunked"),
	T("Transfer-Encoding: identity\r\n"),
	T("Connection: close\r\n"),
	T("Connection: upgrade\r\nUpgrade: a\r\n"),
	T("Host: b\r\n"),
	T("POST"),
	T("GET"),
	T("%2e"),
	T("%"),
	T("/../"),
	T("#"),
	T("?"),
	T("http://x/"),
	T("*"),
	T("Keep-Alive: 1\r\n"),
	T("Proxy-Connection: keep-alive\r\n"),
	T(";a=b"),
	T("ffffffffffffffff"),
};

struct framed {
	const char *method;
	struct text names[MAX_FIELDS], values[MAX_FIELDS];
	size_t n_fields;
	bool in_value, head_done, done;
	struct buf body;
	size_t end;
};

static size_t mutate(struct rng *r, char *out) {
	const struct text *seed = &seeds[rng_below(r, sizeof seeds / sizeof *seeds)];
	size_t n = seed->n;
	memcpy(out, seed->s, n);
	for (uint64_t i = 0, times = 1 + rng_below(r, 4); i < times; i++) {
		const struct text *spice = &spices[rng_below(r, sizeof spices / sizeof *spices)];
		size_t at = rng_below(r, n + 1), len = rng_below(r, 12);
		switch (rng_below(r, 5)) {
		case 0: /* insert */
			memmove(out + at + spice->n, out + at, n - at);
			memcpy(out + at, spice->s, spice->n);
			n += spice->n;
			break;
		case 1: /* overwrite */
			if (at + spice->n <= n)
				memcpy(out + at, spice->s, spice->n);
			break;
		case 2: /* cut out */
			len = at + len > n ? n - at : len;
			memmove(out + at, out + at + len, n - at - len);
			n -= len;
			break;
		case 3: /* repeat */
			len = at + len > n ? n - at : len;
			memmove(out + at + len, out + at, n - at);
			n += len;
			break;
		default:
			if (at < n)
				out[at] = (char)rng_below(r, 256);
		}
	}
	return n;
}

/* Ours: whether p holds a whole request at its start. */
static bool frame_ours(struct arena *a, const char *p, size_t n, struct http_head *h, struct framed *f) {
	static const struct http_head_limits limits = { 8192, 16384, 100 };
	size_t cursor = 0, len;
	const char *why;
	if (http_head_scan(p, n, &cursor, &limits, &len, &why) != 0 || len == 0 || http_head_parse(a, p, len, &limits, h, &why) != 0)
		return false;
	f->method = h->method;
	f->end = len;
	if (h->content_length >= 0) {
		if ((uint64_t)h->content_length > n - len)
			return false;
		buf_add(&f->body, p + len, (size_t)h->content_length);
		f->end += (size_t)h->content_length;
		return true;
	}
	struct chunk c;
	chunk_init(&c);
	for (;;) {
		size_t used, data;
		enum chunk_result r = chunk_step(&c, p + f->end, n - f->end, &used, &data, &why);
		f->end += used;
		if (r != CHUNK_DATA)
			return r == CHUNK_END;
		buf_add(&f->body, p + f->end, data);
		chunk_take(&c, data);
		f->end += data;
	}
}

static int on_field(llhttp_t *l, const char *at, size_t n) {
	struct framed *f = l->data;
	if (f->head_done || f->n_fields == MAX_FIELDS)
		return 0;
	if (f->in_value || f->names[f->n_fields].s == NULL)
		f->names[f->n_fields] = (struct text){ at, 0 };
	f->in_value = false;
	f->names[f->n_fields].n += n;
	return 0;
}

static int on_value(llhttp_t *l, const char *at, size_t n) {
	struct framed *f = l->data;
	if (f->head_done || f->n_fields == MAX_FIELDS)
		return 0;
	if (f->values[f->n_fields].s == NULL)
		f->values[f->n_fields].s = at;
	f->values[f->n_fields].n = (size_t)(at + n - f->values[f->n_fields].s);
	return 0;
}

static int on_value_complete(llhttp_t *l) {
	struct framed *f = l->data;
	if (!f->head_done && f->n_fields < MAX_FIELDS)
		f->n_fields++;
	f->in_value = true;
	return 0;
}

static int on_head(llhttp_t *l) {
	((struct framed *)l->data)->head_done = true;
	return 0;
}

static int on_body(llhttp_t *l, const char *at, size_t n) {
	buf_add(&((struct framed *)l->data)->body, at, n);
	return 0;
}

static int on_message(llhttp_t *l) {
	((struct framed *)l->data)->done = true;
	return HPE_PAUSED;
}

static bool frame_theirs(const char *p, size_t n, struct framed *f, const char **ret_why) {
	llhttp_settings_t settings;
	llhttp_t l;
	llhttp_settings_init(&settings);
	settings.on_header_field = on_field;
	settings.on_header_value = on_value;
	settings.on_header_value_complete = on_value_complete;
	settings.on_headers_complete = on_head;
	settings.on_body = on_body;
	settings.on_message_complete = on_message;
	llhttp_init(&l, HTTP_REQUEST, &settings);
	l.data = f;
	llhttp_errno_t e = llhttp_execute(&l, p, n);
	*ret_why = l.reason != NULL ? l.reason : llhttp_errno_name(e);
	f->method = llhttp_method_name(l.method);
	if (!f->done || (e != HPE_PAUSED && e != HPE_PAUSED_UPGRADE))
		return false;
	f->end = (size_t)(llhttp_get_error_pos(&l) - p);
	return true;
}

static bool same_text(const char *s, struct text t) {
	while (t.n > 0 && (t.s[t.n - 1] == ' ' || t.s[t.n - 1] == '\t'))
		t.n--;
	return strlen(s) == t.n && memcmp(s, t.s, t.n) == 0;
}

static const char *compare(const struct http_head *h, const struct framed *ours, const struct framed *theirs) {
	if (strcmp(ours->method, theirs->method) != 0)
		return "method";
	if (ours->end != theirs->end)
		return "end";
	if (ours->body.len != theirs->body.len || (ours->body.len > 0 && memcmp(ours->body.data, theirs->body.data, ours->body.len) != 0))
		return "body";
	if (h->n_fields != theirs->n_fields)
		return "number of fields";
	for (size_t i = 0; i < h->n_fields; i++)
		if (!same_text(h->fields[i].name, theirs->names[i]) || !same_text(h->fields[i].value, theirs->values[i]))
			return "field";
	return NULL;
}

static void print_input(const char *p, size_t n) {
	BUF_AUTO b = BUF_INIT;
	buf_add_json_n(&b, p, n);
	fprintf(stderr, "  %s\n", buf_str(&b));
}

/* Where llhttp is the stricter one, without harm: a refused request is framed by nobody in two ways. */
static bool refusal_known(const char *why) {
	static const char *const known[] = {
		"Invalid character in chunk size",                    /* two extensions with values on one chunk */
		"Invalid character in chunk extensions quoted value", /* a backslash inside quotes */
	};
	for (size_t i = 0; i < sizeof known / sizeof *known; i++)
		if (strcmp(why, known[i]) == 0)
			return true;
	return false;
}

/* 1 = both take it alike, 0 = refused here or there, -1 = different. */
static int try_one(const char *p, size_t n) {
	static struct framed ours, theirs;
	ARENA_AUTO a = arena_new();
	struct http_head h;
	const char *why = NULL;
	ours = theirs = (struct framed){ 0 };
	int r = 0;
	if (frame_ours(a, p, n, &h, &ours)) {
		bool taken = frame_theirs(p, n, &theirs, &why);
		const char *what = taken ? compare(&h, &ours, &theirs) : NULL;
		if (!taken && !refusal_known(why))
			what = why;
		r = what != NULL ? -1 : taken;
		if (what != NULL) {
			fprintf(stderr, "%s: %s (ours ends at %zu, llhttp's at %zu)\n", taken ? "different" : "llhttp refuses", what,
			    ours.end, theirs.end);
			print_input(p, n);
		}
	}
	buf_deinit(&ours.body);
	buf_deinit(&theirs.body);
	return r;
}

int main(int argc, char **argv) {
	unsigned long mutants = argc > 1 ? strtoul(argv[1], NULL, 10) : 2000000, taken = 0;
	uint64_t seed = argc > 2 ? strtoul(argv[2], NULL, 10) : 1;
	struct rng rng;
	static char input[MAX_INPUT];
	rng_init(&rng, seed);
	for (size_t i = 0; i < sizeof seeds / sizeof *seeds; i++) {
		if (try_one(seeds[i].s, seeds[i].n) == 1)
			continue;
		fprintf(stderr, "seed %zu is not taken by both\n", i);
		return EXIT_FAILURE;
	}
	for (unsigned long i = 0; i < mutants; i++) {
		size_t n = mutate(&rng, input);
		int r = try_one(input, n);
		if (r < 0) {
			fprintf(stderr, "mutant %lu of seed %llu\n", i, (unsigned long long)seed);
			return EXIT_FAILURE;
		}
		taken += (unsigned long)r;
	}
	printf("llhttp %d.%d.%d: %lu mutants, %lu taken here, all framed alike\n", LLHTTP_VERSION_MAJOR, LLHTTP_VERSION_MINOR,
	    LLHTTP_VERSION_PATCH, mutants, taken);
	return taken * 20 > mutants ? EXIT_SUCCESS : EXIT_FAILURE; /* a test that accepts next to nothing proves nothing */
}
