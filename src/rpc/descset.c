/* Field numbers are those of google/protobuf/descriptor.proto. Names are scoped on the way down: package, message, nested message. */
#include "rpc/descset.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/arena.h"
#include "base/err.h"
#include "base/hash.h"

enum { SET_FILE = 1 };
enum { FILE_NAME = 1, FILE_PACKAGE = 2, FILE_DEPENDENCY = 3, FILE_MESSAGE = 4, FILE_ENUM = 5, FILE_SERVICE = 6 };
enum { ITEM_NAME = 1 };
enum { MESSAGE_FIELD = 2, MESSAGE_NESTED = 3, MESSAGE_ENUM = 4, MESSAGE_ONEOF = 8 };
enum { ENUM_VALUE = 2, SERVICE_METHOD = 2 };
enum { MAX_DEPTH = 16 };

struct symbol {
	const char *name;
	const struct desc_file *file;
	bool message;
	UT_hash_handle hh;
};

struct desc_set {
	struct arena *arena;
	struct desc_file files[DESC_FILES_MAX];
	size_t n_files;
	struct symbol *symbols;
	const char *services[DESC_SERVICES_MAX];
	size_t n_services;
};

/* ---- the wire ------------------------------------------------------------------------------------------------------------------ */

struct span {
	const unsigned char *p, *end;
};
struct field {
	uint32_t number;
	bool is_bytes;
	struct span bytes;
};

static bool varint(struct span *s, uint64_t *ret) {
	uint64_t v = 0;
	for (unsigned shift = 0; shift < 64 && s->p < s->end; shift += 7) {
		unsigned char b = *s->p++;
		v |= (uint64_t)(b & 0x7f) << shift;
		if ((b & 0x80) == 0) {
			*ret = v;
			return true;
		}
	}
	return false;
}

static bool skip(struct span *s, uint64_t n) {
	if (n > (uint64_t)(s->end - s->p))
		return false;
	s->p += n;
	return true;
}

/* 1 = a field, 0 = the end, -1 = not the wire format. */
static int field_next(struct span *s, struct field *ret) {
	uint64_t key, v;
	if (s->p == s->end)
		return 0;
	if (!varint(s, &key) || key >> 3 == 0 || key >> 3 > UINT32_MAX)
		return -1;
	*ret = (struct field){ .number = (uint32_t)(key >> 3), .is_bytes = (key & 7) == 2 };
	switch (key & 7) {
	case 0:
		return varint(s, &v) ? 1 : -1;
	case 1:
		return skip(s, 8) ? 1 : -1;
	case 5:
		return skip(s, 4) ? 1 : -1;
	case 2:
		if (!varint(s, &v))
			return -1;
		ret->bytes.p = s->p;
		if (!skip(s, v))
			return -1;
		ret->bytes.end = s->p;
		return 1;
	}
	return -1;
}

static int malformed(struct err *err) {
	return err_set(err, E_MALFORMED, "not a set of protocol buffer descriptors");
}

/* The text of the first such field; "" when absent, NULL when malformed. */
static const char *text_of(struct span s, uint32_t number, struct arena *a) {
	struct field f;
	int r;
	while ((r = field_next(&s, &f)) > 0)
		if (f.number == number && f.is_bytes)
			return arena_strndup(a, (const char *)f.bytes.p, (size_t)(f.bytes.end - f.bytes.p));
	return r < 0 ? NULL : "";
}

/* ---- symbols ------------------------------------------------------------------------------------------------------------------- */

struct walk {
	struct desc_set *set;
	const struct desc_file *file;
	struct err *err;
};

static const char *declare(struct walk *w, const char *scope, struct span item, bool message) {
	const char *name = text_of(item, ITEM_NAME, w->set->arena);
	if (name == NULL || name[0] == '\0')
		return NULL;
	struct symbol *y = arena_alloc(w->set->arena, sizeof *y);
	y->name = scope[0] != '\0' ? arena_printf(w->set->arena, "%s.%s", scope, name) : name;
	y->file = w->file;
	y->message = message;
	struct symbol *old;
	HASH_FIND_STR(w->set->symbols, y->name, old);
	if (old == NULL)
		HASH_ADD_KEYPTR(hh, w->set->symbols, y->name, strlen(y->name), y);
	return y->name;
}

/* Declares each of the item's fields `number` under scope. */
static int declare_all(struct walk *w, const char *scope, struct span item, uint32_t number) {
	struct field f;
	int r;
	while ((r = field_next(&item, &f)) > 0)
		if (f.number == number && f.is_bytes && declare(w, scope, f.bytes, false) == NULL)
			return malformed(w->err);
	return r < 0 ? malformed(w->err) : 0;
}

/* Enum values live in the scope around their enum. */
static int walk_enum(struct walk *w, const char *scope, struct span item) {
	if (declare(w, scope, item, false) == NULL)
		return malformed(w->err);
	return declare_all(w, scope, item, ENUM_VALUE);
}

static int walk_service(struct walk *w, const char *scope, struct span item) {
	const char *name = declare(w, scope, item, false);
	if (name == NULL)
		return malformed(w->err);
	if (w->set->n_services == DESC_SERVICES_MAX)
		return err_set(w->err, E_MALFORMED, "more than %d services", DESC_SERVICES_MAX);
	w->set->services[w->set->n_services++] = name;
	return declare_all(w, name, item, SERVICE_METHOD);
}

static int walk_message(struct walk *w, const char *scope, struct span item, int depth) {
	const char *name = declare(w, scope, item, true);
	if (name == NULL || depth == MAX_DEPTH)
		return malformed(w->err);
	int e = declare_all(w, name, item, MESSAGE_FIELD);
	if (e == 0)
		e = declare_all(w, name, item, MESSAGE_ONEOF);
	struct field f;
	int r = 0;
	while (e == 0 && (r = field_next(&item, &f)) > 0) {
		if (f.number == MESSAGE_NESTED && f.is_bytes)
			e = walk_message(w, name, f.bytes, depth + 1);
		else if (f.number == MESSAGE_ENUM && f.is_bytes)
			e = walk_enum(w, name, f.bytes);
	}
	return r < 0 ? malformed(w->err) : e;
}

static int walk_file(struct walk *w, struct span bytes) {
	const char *package = text_of(bytes, FILE_PACKAGE, w->set->arena);
	if (package == NULL)
		return malformed(w->err);
	struct field f;
	int r = 0, e = 0;
	while (e == 0 && (r = field_next(&bytes, &f)) > 0) {
		if (!f.is_bytes)
			continue;
		if (f.number == FILE_MESSAGE)
			e = walk_message(w, package, f.bytes, 0);
		else if (f.number == FILE_ENUM)
			e = walk_enum(w, package, f.bytes);
		else if (f.number == FILE_SERVICE)
			e = walk_service(w, package, f.bytes);
	}
	return r < 0 ? malformed(w->err) : e;
}

/* ---- life ---------------------------------------------------------------------------------------------------------------------- */

static int add_file(struct desc_set *s, struct span bytes, struct err *err) {
	if (s->n_files == DESC_FILES_MAX)
		return err_set(err, E_MALFORMED, "more than %d files of descriptors", DESC_FILES_MAX);
	struct desc_file *file = &s->files[s->n_files++];
	file->bytes = bytes.p;
	file->n = (size_t)(bytes.end - bytes.p);
	file->name = text_of(bytes, FILE_NAME, s->arena);
	if (file->name == NULL || file->name[0] == '\0')
		return malformed(err);
	return walk_file(&(struct walk){ s, file, err }, bytes);
}

int descset_new(const unsigned char *bytes, size_t n, struct desc_set **ret, struct err *err) {
	struct desc_set *s = calloc(1, sizeof *s);
	if (s == NULL)
		return err_set(err, E_NOMEM, "no memory for descriptors");
	s->arena = arena_new();
	struct span all = { bytes, bytes + n };
	struct field f;
	int r = 0, e = 0;
	while (e == 0 && (r = field_next(&all, &f)) > 0)
		if (f.number == SET_FILE && f.is_bytes)
			e = add_file(s, f.bytes, err);
	if (r < 0)
		e = malformed(err);
	if (e != 0) {
		descset_free(s);
		return e;
	}
	*ret = s;
	return 0;
}

static const struct {
	const char *name;
	const unsigned char *bytes;
	size_t n;
} embedded[] = {
#include "desc.inc"
};

int descset_builtin(struct desc_set **ret, struct err *err) {
	return descset_new(embedded[0].bytes, embedded[0].n, ret, err);
}

void descset_free(struct desc_set *s) {
	if (s == NULL)
		return;
	HASH_CLEAR(hh, s->symbols);
	arena_free(s->arena);
	free(s);
}

/* ---- look-up ------------------------------------------------------------------------------------------------------------------- */

static const struct desc_file *file_named(const struct desc_set *s, const unsigned char *name, size_t n) {
	for (size_t i = 0; i < s->n_files; i++)
		if (strlen(s->files[i].name) == n && memcmp(s->files[i].name, name, n) == 0)
			return &s->files[i];
	return NULL;
}

static bool among(const struct desc_file *const *files, size_t n, const struct desc_file *file) {
	for (size_t i = 0; i < n; i++)
		if (files[i] == file)
			return true;
	return false;
}

/* Breadth first; the result is the queue. */
static size_t with_imports(const struct desc_set *s, const struct desc_file *file, const struct desc_file *ret[DESC_FILES_MAX]) {
	size_t n = 0;
	ret[n++] = file;
	for (size_t i = 0; i < n; i++) {
		struct span all = { ret[i]->bytes, ret[i]->bytes + ret[i]->n };
		struct field f;
		while (field_next(&all, &f) > 0) {
			if (f.number != FILE_DEPENDENCY || !f.is_bytes)
				continue;
			const struct desc_file *need = file_named(s, f.bytes.p, (size_t)(f.bytes.end - f.bytes.p));
			if (need != NULL && !among(ret, n, need))
				ret[n++] = need;
		}
	}
	return n;
}

size_t descset_by_name(const struct desc_set *s, const char *name, const struct desc_file *ret[DESC_FILES_MAX]) {
	const struct desc_file *file = file_named(s, (const unsigned char *)name, strlen(name));
	return file != NULL ? with_imports(s, file, ret) : 0;
}

static const struct symbol *symbol_find(const struct desc_set *s, const char *name) {
	struct symbol *y;
	HASH_FIND_STR(s->symbols, name, y);
	return y;
}

size_t descset_by_symbol(const struct desc_set *s, const char *symbol, const struct desc_file *ret[DESC_FILES_MAX]) {
	const struct symbol *y = symbol_find(s, symbol);
	return y != NULL ? with_imports(s, y->file, ret) : 0;
}

bool descset_is_message(const struct desc_set *s, const char *symbol) {
	const struct symbol *y = symbol_find(s, symbol);
	return y != NULL && y->message;
}

size_t descset_services(const struct desc_set *s, const char *ret[DESC_SERVICES_MAX]) {
	memcpy(ret, s->services, s->n_services * sizeof *ret);
	return s->n_services;
}
