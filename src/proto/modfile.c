/* Module files: which kind it is, and the checks that hold for every kind. The readers are in modfile_elf.c and modfile_archive.c. */
#include "proto/modfile.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/arena.h"
#include "base/err.h"
#include "base/name.h"
#include "proto/modfile_int.h"

/* Descriptions end up on terminals and pages. */
bool modfile_text_plain(const char *s) {
	for (; *s; s++)
		if ((unsigned char)*s < ' ' || *s == 0x7f)
			return false;
	return true;
}

int modfile_set_identity(struct modfile *m, const char *name, const char *version, struct err *err) {
	if (!name || !*name)
		return err_set(err, E_MALFORMED, "the module has no name");
	if (!version || !*version)
		return err_set(err, E_MALFORMED, "the module has no version");
	if (!name_valid(NAME_PLAIN, name))
		return err_set(err, E_MALFORMED,
		    "the module's name must be 1 to 63 letters, digits, '.', '_' or '-' and begin with a letter or digit");
	if (!name_valid(NAME_VERSION, version))
		return err_set(err, E_MALFORMED,
		    "the version of module %s must be 1 to 63 letters, digits, '.', '_', '-' or '+' and begin with a letter or digit",
		    name);
	m->name = name;
	m->version = version;
	return 0;
}

static bool path_valid(const char *p) {
	if (strstr(p, "//") || strlen(p) >= MODFILE_PATH_MAX)
		return false;
	for (const char *s = p; *s; s++) {
		unsigned char c = (unsigned char)*s;
		if (!((c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || strchr("/._~-", c)))
			return false;
		if (c == '/' && s[1] == '.' && (s[2] == '/' || !s[2] || (s[2] == '.' && (s[3] == '/' || !s[3]))))
			return false;
	}
	return true;
}

const char *modfile_context_path(struct arena *a, const char *path) {
	while (*path == '/')
		path++;
	char *whole = arena_printf(a, "/%s", path);
	size_t n = strlen(whole);
	if (n > 1 && whole[n - 1] == '/')
		whole[n - 1] = '\0';
	return path_valid(whole) ? whole : NULL;
}

int modfile_set_context_path(struct arena *a, struct modfile *m, const char *path, struct err *err) {
	const char *whole = modfile_context_path(a, path);
	if (whole == NULL)
		return err_set(err, E_MALFORMED,
		    "the context path of module %s must be segments of letters, digits, '.', '_', '~' or '-', below %d bytes in all",
		    m->name, MODFILE_PATH_MAX);
	m->context_path = whole;
	return 0;
}

int modfile_set_units(struct modfile *m, int64_t units, struct err *err) {
	if (units < 0 || units > 1000000)
		return err_set(err, E_MALFORMED, "module %s asks for %lld units; 1 to 1000000 are possible", m->name, (long long)units);
	m->units = units ? (int32_t)units : 1;
	return 0;
}

static char *trimmed(char *s) {
	s += strspn(s, " \t\r\n");
	size_t n = strlen(s);
	while (n && strchr(" \t\r\n", s[n - 1]))
		s[--n] = '\0';
	return s;
}

static int need_parse(struct arena *a, const struct modfile *m, char *item, struct modfile_need *ret, struct err *err) {
	size_t n = strcspn(item, " \t<>=~^:");
	const char *name = arena_strndup(a, item, n);
	char *range = trimmed(item + n);
	if (*range == ':')
		range = trimmed(range + 1);
	if (!name_valid(NAME_PLAIN, name))
		return err_set(err, E_MALFORMED,
		    "module %s has a requirement without a proper module name; write it as \"config, auth >=2.0.0\"", m->name);
	for (const char *s = range; *s; s++)
		if ((unsigned char)*s < ' ' || (unsigned char)*s > '~' || s - range >= 64)
			return err_set(err, E_MALFORMED,
			    "the version range that module %s requires of %s is too long or holds odd characters", m->name, name);
	*ret = (struct modfile_need){ .module = name, .range = range };
	return 0;
}

int modfile_set_needs(struct arena *a, struct modfile *m, const char *text, struct err *err) {
	char *rest = arena_strdup(a, text), *item;
	struct modfile_need *needs = arena_alloc(a, MODFILE_NEEDS_MAX * sizeof *needs);
	size_t n = 0;
	while ((item = strsep(&rest, ","))) {
		item = trimmed(item);
		if (!*item)
			continue;
		if (n == MODFILE_NEEDS_MAX)
			return err_set(err, E_MALFORMED, "module %s requires more than %d modules", m->name, MODFILE_NEEDS_MAX);
		int rc = need_parse(a, m, item, &needs[n++], err);
		if (rc)
			return rc;
	}
	m->needs = needs;
	m->n_needs = n;
	return 0;
}

int modfile_read(struct arena *a, const void *p, size_t n, struct modfile *ret, struct err *err) {
	const unsigned char *b = p;
	struct modfile m = { .units = 1, .priority = 100, .description = "", .arch = "" };
	int rc;
	if (n >= 4 && memcmp(b, "\177ELF", 4) == 0)
		rc = modfile_elf_read(a, b, n, &m, err);
	else if (n >= 4 && memcmp(b, "PK\003\004", 4) == 0)
		rc = modfile_jar_read(a, b, n, &m, err);
	else if (n >= 2 && b[0] == 0x1f && b[1] == 0x8b)
		rc = modfile_node_read(a, b, n, &m, err);
	else if (n == 0)
		rc = err_set(err, E_MALFORMED, "the file is empty");
	else
		rc = err_set(err, E_MALFORMED,
		    "not a module file: a native module (.so), an ark module (.jar) or a Node package (.tgz) is expected");
	if (!rc)
		*ret = m;
	return rc;
}

int modfile_read_path(struct arena *a, const char *path, struct modfile *ret, struct err *err) {
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
	if (fd < 0 && errno == ENOENT)
		return err_set(err, E_NOT_FOUND, "there is no file %s", path);
	if (fd < 0)
		return err_errno(err, errno, "cannot open %s", path);
	struct stat st;
	int rc = 0;
	void *p = MAP_FAILED;
	if (fstat(fd, &st) != 0)
		rc = err_errno(err, errno, "cannot read %s", path);
	else if (!S_ISREG(st.st_mode))
		rc = err_set(err, E_MALFORMED, "%s is not a regular file", path);
	else if (st.st_size == 0)
		rc = err_set(err, E_MALFORMED, "%s is empty", path);
	else if ((p = mmap(NULL, (size_t)st.st_size, PROT_READ, MAP_PRIVATE, fd, 0)) == MAP_FAILED)
		rc = err_errno(err, errno, "cannot map %s", path);
	close(fd);
	if (rc)
		return rc;
	rc = modfile_read(a, p, (size_t)st.st_size, ret, err);
	munmap(p, (size_t)st.st_size);
	if (rc)
		err_context(err, "%s", path);
	return rc;
}

const char *modfile_kind_name(enum modfile_kind kind) {
	static const char *const names[] = { [MODFILE_NATIVE] = "native", [MODFILE_ARK] = "ark", [MODFILE_NODE] = "node" };
	return names[kind];
}
