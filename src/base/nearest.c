/* The nearest known name to a mistyped one, for every "did you mean". Contract in base/opt.h. */
#include <stdlib.h>
#include <string.h>

#include "base/opt.h"

#define MAX_WORD 64

static size_t least(size_t a, size_t b, size_t c) {
	size_t m = a < b ? a : b;
	return m < c ? m : c;
}

/* Optimal string alignment: insertions, deletions, substitutions and swapped neighbours cost one. Three rows suffice. */
static size_t edit_distance(const char *a, size_t n, const char *b, size_t m) {
	size_t rows[3][MAX_WORD + 1];
	for (size_t j = 0; j <= m; j++)
		rows[0][j] = j;
	for (size_t i = 1; i <= n; i++) {
		size_t *row = rows[i % 3], *up = rows[(i - 1) % 3], *up2 = rows[(i + 1) % 3];
		row[0] = i;
		for (size_t j = 1; j <= m; j++) {
			row[j] = least(up[j] + 1, row[j - 1] + 1, up[j - 1] + (a[i - 1] != b[j - 1]));
			bool swapped = i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1];
			if (swapped && up2[j - 2] + 1 < row[j])
				row[j] = up2[j - 2] + 1;
		}
	}
	return rows[n % 3][m];
}

const char *name_nearest(const char *word, const char *const *names, size_t n) {
	size_t len = strlen(word);
	if (len == 0 || len > MAX_WORD)
		return NULL;
	const char *best = NULL;
	size_t best_distance = 2 + len / 3 + 1;
	for (size_t i = 0; i < n; i++) {
		size_t m = strlen(names[i]);
		if (m > MAX_WORD)
			continue;
		size_t d = edit_distance(word, len, names[i], m);
		if (d < best_distance && d < (len > m ? len : m)) { /* every letter changed is no likeness */
			best = names[i];
			best_distance = d;
		}
	}
	return best;
}
