/* Ark modules (the jar's manifest) and Node packages (package.json), read through libarchive. Only the one entry is unpacked, in
 * memory, bounded; paths inside the archive are compared, never used. */
#include "proto/modfile_int.h"

#include <archive.h>
#include <archive_entry.h>
#include <jansson.h>
#include <stdlib.h>
#include <string.h>

#include "base/arena.h"
#include "base/buf.h"
#include "base/err.h"

enum { MAX_ENTRIES = 20000, MAX_TEXT = 256 * 1024, MAX_UNPACKED = 64 * 1024 * 1024 };

static void archive_freep(struct archive **a) {
	archive_read_free(*a);
}
#define ARCHIVE_AUTO __attribute__((cleanup(archive_freep))) struct archive *

/* The entry's whole text with a NUL behind it; NUL bytes inside are refused. */
static int entry_text(struct arena *a, struct archive *ar, const char *what, char **ret, struct err *err) {
	char *buf = arena_alloc(a, MAX_TEXT + 1);
	size_t n = 0;
	while (n <= MAX_TEXT) {
		la_ssize_t got = archive_read_data(ar, buf + n, MAX_TEXT + 1 - n);
		if (got < 0)
			return err_set(err, E_MALFORMED, "%s in the archive is damaged: %s", what,
			    archive_error_string(ar) ? archive_error_string(ar) : "unreadable");
		if (got == 0)
			break;
		n += (size_t)got;
	}
	if (n > MAX_TEXT)
		return err_set(err, E_MALFORMED, "%s in the archive is larger than %d bytes", what, MAX_TEXT);
	buf[n] = '\0';
	if (strlen(buf) != n)
		return err_set(err, E_MALFORMED, "%s in the archive holds NUL bytes", what);
	*ret = buf;
	return 0;
}

/* Walks the archive to the entry that `wanted` accepts. E_NOT_FOUND without text when there is none. */
static int entry_find(
    struct arena *a, struct archive *ar, bool (*wanted)(const char *path), const char *what, char **ret, struct err *err) {
	struct archive_entry *e;
	for (int i = 0; i < MAX_ENTRIES; i++) {
		int rc = archive_read_next_header(ar, &e);
		if (rc == ARCHIVE_EOF)
			return E_NOT_FOUND;
		if (rc != ARCHIVE_OK && rc != ARCHIVE_WARN)
			return err_set(err, E_MALFORMED, "the archive is damaged: %s",
			    archive_error_string(ar) ? archive_error_string(ar) : "unreadable");
		const char *path = archive_entry_pathname(e);
		if (path && archive_entry_filetype(e) == AE_IFREG && wanted(path))
			return entry_text(a, ar, what, ret, err);
		/* Going past an entry of a compressed archive unpacks it: refuse before, not after. */
		if (archive_filter_code(ar, 0) != ARCHIVE_FILTER_NONE && archive_entry_size(e) > MAX_UNPACKED - archive_filter_bytes(ar, 0))
			return err_set(err, E_MALFORMED, "no %s within the first %d MiB of the archive", what, MAX_UNPACKED >> 20);
	}
	return err_set(err, E_MALFORMED, "the archive has more than %d entries before its %s", MAX_ENTRIES, what);
}

/* ---- ark jars ---- */

static bool is_manifest(const char *path) {
	return strcasecmp(path, "META-INF/MANIFEST.MF") == 0;
}

/* Joins folded lines in place (a line that begins with one space continues the one before) and unifies line ends. */
static void manifest_unfold(char *s) {
	char *out = s;
	for (const char *in = s; *in;) {
		size_t eol = in[0] == '\r' && in[1] == '\n' ? 2 : in[0] == '\r' || in[0] == '\n' ? 1 : 0;
		if (!eol) {
			*out++ = *in++;
		} else if (in[eol] == ' ') {
			in += eol + 1;
		} else {
			*out++ = '\n';
			in += eol;
		}
	}
	*out = '\0';
}

/* Value of a key in the main section (up to the first empty line); NULL when absent. Names are compared without case, as in Java. */
static const char *manifest_get(struct arena *a, const char *text, const char *key) {
	size_t n = strlen(key);
	for (const char *line = text; *line && *line != '\n';) {
		size_t len = strcspn(line, "\n");
		if (len > n + 1 && strncasecmp(line, key, n) == 0 && line[n] == ':' && line[n + 1] == ' ') {
			const char *v = line + n + 2;
			size_t vn = len - n - 2;
			while (vn && (v[vn - 1] == ' ' || v[vn - 1] == '\t'))
				vn--;
			return arena_strndup(a, v, vn);
		}
		line += len + (line[len] == '\n');
	}
	return NULL;
}

static int number_parse(const struct modfile *m, const char *key, const char *text, int64_t *ret, struct err *err) {
	char *end;
	long long v = strtoll(text, &end, 10);
	if (end == text || *end || v < INT32_MIN || v > INT32_MAX)
		return err_set(err, E_MALFORMED, "%s of module %s is not a number", key, m->name);
	*ret = v;
	return 0;
}

static int manifest_apply(struct arena *a, const char *text, struct modfile *m, struct err *err) {
	const char *name = manifest_get(a, text, "Ark-Biz-Name"), *version = manifest_get(a, text, "Ark-Biz-Version"), *v;
	if (!name && !version)
		return err_set(
		    err, E_MALFORMED, "the jar is no ark module: its manifest has no Ark-Biz-Name; build it with sofa-ark-maven-plugin");
	int rc = modfile_set_identity(m, name, version, err);
	int64_t number;
	/* "/" is what the packager writes for modules without a web part; with one it could not start, the base has that path itself. */
	if (!rc && (v = manifest_get(a, text, "web-context-path")) && strcmp(v, "/") != 0)
		rc = modfile_set_context_path(a, m, v, err);
	if (!rc && (v = manifest_get(a, text, "priority")) && !(rc = number_parse(m, "priority", v, &number, err)))
		m->priority = (int32_t)number;
	if (!rc && (v = manifest_get(a, text, "Berth-Units")) && !(rc = number_parse(m, "Berth-Units", v, &number, err)))
		rc = modfile_set_units(m, number, err);
	if (!rc && (v = manifest_get(a, text, "Berth-Needs")))
		rc = modfile_set_needs(a, m, v, err);
	return rc;
}

int modfile_jar_read(struct arena *a, const void *p, size_t n, struct modfile *ret, struct err *err) {
	ARCHIVE_AUTO ar = archive_read_new();
	char *text;
	if (!ar || archive_read_support_format_zip_seekable(ar) != ARCHIVE_OK || archive_read_open_memory(ar, p, n) != ARCHIVE_OK)
		return err_set(err, E_MALFORMED, "the jar cannot be opened: %s",
		    ar && archive_error_string(ar) ? archive_error_string(ar) : "no memory");
	int rc = entry_find(a, ar, is_manifest, "META-INF/MANIFEST.MF", &text, err);
	if (rc == E_NOT_FOUND)
		return err_set(err, E_MALFORMED, "the jar is no ark module: it has no META-INF/MANIFEST.MF");
	if (rc)
		return rc;
	manifest_unfold(text);
	ret->kind = MODFILE_ARK;
	return manifest_apply(a, text, ret, err);
}

/* ---- Node packages ---- */

/* npm packs below "package/"; other packers use the package's own name. One folder deep, or at the root. */
static bool is_package_json(const char *path) {
	if (path[0] == '.' && path[1] == '/')
		path += 2;
	const char *slash = strchr(path, '/');
	return strcmp(slash ? slash + 1 : path, "package.json") == 0;
}

static const char *json_text(struct arena *a, const json_t *o, const char *key) {
	return arena_strdup(a, json_string_value(json_object_get(o, key)));
}

static int package_needs(struct arena *a, json_t *needs, struct modfile *m, struct err *err) {
	const char *module;
	json_t *range;
	if (json_is_string(needs))
		return modfile_set_needs(a, m, json_string_value(needs), err);
	BUF_AUTO text = BUF_INIT;
	json_object_foreach(needs, module, range)
		buf_printf(&text, "%s %s,", module, json_is_string(range) ? json_string_value(range) : "");
	return modfile_set_needs(a, m, buf_str(&text), err);
}

static int package_apply(struct arena *a, const json_t *root, struct modfile *m, struct err *err) {
	json_t *own = json_object_get(root, "berth"), *v;
	const char *name = json_text(a, own, "name"), *path = json_text(a, own, "contextPath"),
	           *description = json_text(a, root, "description");
	if (!name)
		name = json_text(a, root, "name");
	if (name && name[0] == '@')
		return err_set(err, E_MALFORMED,
		    "the package's name has a scope, which no module name can have; add \"berth\": {\"name\": \"…\"} to package.json");
	int rc = modfile_set_identity(m, name, json_text(a, root, "version"), err);
	if (!rc)
		rc = modfile_set_context_path(a, m, path ? path : m->name, err);
	if (!rc && (v = json_object_get(own, "units")))
		rc = json_is_integer(v) ? modfile_set_units(m, json_integer_value(v), err)
		                        : err_set(err, E_MALFORMED, "berth.units of package %s is not a number", m->name);
	if (!rc && (v = json_object_get(own, "needs")))
		rc = package_needs(a, v, m, err);
	if (rc)
		return rc;
	v = json_object_get(own, "priority");
	if (json_is_integer(v) && json_integer_value(v) >= INT32_MIN && json_integer_value(v) <= INT32_MAX)
		m->priority = (int32_t)json_integer_value(v);
	if (description && !modfile_text_plain(description))
		return err_set(
		    err, E_MALFORMED, "the description of package %s has control characters; one line of text is expected", m->name);
	if (description)
		m->description = description;
	return 0;
}

int modfile_node_read(struct arena *a, const void *p, size_t n, struct modfile *ret, struct err *err) {
	ARCHIVE_AUTO ar = archive_read_new();
	char *text;
	if (!ar || archive_read_support_filter_gzip(ar) != ARCHIVE_OK || archive_read_support_format_tar(ar) != ARCHIVE_OK ||
	    archive_read_open_memory(ar, p, n) != ARCHIVE_OK)
		return err_set(err, E_MALFORMED, "the package cannot be opened: %s",
		    ar && archive_error_string(ar) ? archive_error_string(ar) : "no memory");
	int rc = entry_find(a, ar, is_package_json, "package.json", &text, err);
	if (rc == E_NOT_FOUND)
		return err_set(err, E_MALFORMED, "the archive is no Node package: it has no package.json");
	if (rc)
		return rc;
	json_error_t je;
	json_t *root = json_loads(text, JSON_REJECT_DUPLICATES, &je);
	if (!json_is_object(root))
		rc =
		    err_set(err, E_MALFORMED, "package.json is not a JSON object (line %d: %s)", je.line, root ? "another value" : je.text);
	else
		rc = package_apply(a, root, ret, err);
	json_decref(root);
	ret->kind = MODFILE_NODE;
	return rc;
}
