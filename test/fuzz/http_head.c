/* libFuzzer target: any bytes, in two pieces, through head parser and chunk decoder. The first byte says where to cut. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/arena.h"
#include "base/buf.h"
#include "http/chunk.h"
#include "http/head.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void must(bool holds) {
	if (!holds)
		abort();
}

static void decode(const char *p, size_t n, size_t cut) {
	struct chunk c;
	size_t at = 0, seen = 0;
	chunk_init(&c);
	for (;;) {
		size_t end = at < cut && cut < n ? cut : n, used, taken;
		const char *why;
		enum chunk_result r = chunk_step(&c, p + at, end - at, &used, &taken, &why);
		must(used + taken <= end - at);
		at += used + taken;
		seen += taken;
		if (r == CHUNK_DATA)
			chunk_take(&c, taken);
		if (r == CHUNK_BAD || r == CHUNK_END || at == n)
			break;
	}
	must(seen <= n);
}

static void check(const struct http_head *h) {
	must(h->path[0] == '/' && utf8_valid(h->path, strlen(h->path)));
	must(strstr(h->path, "/../") == NULL);
	must(h->content_length >= -1 && h->content_length < INT64_C(1000000000000000));
	must(h->minor == 0 || http_head_field(h, "host") != NULL);
	for (size_t i = 0; i < h->n_fields; i++)
		must(h->fields[i].name[0] != '\0' && strpbrk(h->fields[i].value, "\r\n") == NULL);
	for (size_t i = 0; i < h->n_query; i++)
		must(utf8_valid(h->query[i].value, strlen(h->query[i].value)));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
	static const struct http_head_limits limits = { 8192, 16384, 100 };
	if (size < 2)
		return 0;
	const char *p = (const char *)data + 1, *why = NULL;
	size_t n = size - 1, cut = data[0] * n / 256, cursor = 0, len = 0;
	int status = cut > 0 ? http_head_scan(p, cut, &cursor, &limits, &len, &why) : 0;
	if (status == 0 && len == 0)
		status = http_head_scan(p, n, &cursor, &limits, &len, &why);
	must(status == 0 || why != NULL);
	if (status != 0 || len == 0)
		return 0;
	ARENA_AUTO a = arena_new();
	struct http_head h;
	status = http_head_parse(a, p, len, &limits, &h, &why);
	must(status == 0 || why != NULL);
	if (status == 0) {
		check(&h);
		if (h.content_length < 0)
			decode(p + len, n - len, cut > len ? cut - len : 0);
	}
	return 0;
}
