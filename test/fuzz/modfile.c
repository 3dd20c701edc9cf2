/* Module files. Raw bytes seldom come past the checksums of an archive, so the first byte may ask for a wrapping: the rest is then the
 * record of a native module, the manifest of a jar or the package.json of a Node package, in an otherwise sound file. */
#include <archive.h>
#include <archive_entry.h>
#include <assert.h>
#include <elf.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <berth/module.h>

#include "base/arena.h"
#include "base/err.h"
#include "base/name.h"
#include "proto/modfile.h"

#define LARGEST (1u << 20)

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

struct elf {
	Elf64_Ehdr h;
	struct berth_module record;
	char names[32];
	Elf64_Shdr sections[3];
};

static size_t wrap_elf(const uint8_t *p, size_t n, void *out) {
	struct elf e = {
		.h = { .e_ident = { 0x7f, 'E', 'L', 'F', ELFCLASS64, ELFDATA2LSB, EV_CURRENT },
		    .e_type = ET_DYN,
		    .e_machine = EM_X86_64,
		    .e_shoff = offsetof(struct elf, sections),
		    .e_shentsize = sizeof(Elf64_Shdr),
		    .e_shnum = 3,
		    .e_shstrndx = 2 },
		.record = { .magic = BERTH_MODULE_MAGIC, .abi = BERTH_MODULE_ABI, .size = sizeof e.record },
		.names = "\0" BERTH_MODULE_SECTION "\0.shstrtab",
		.sections = { [1] = { .sh_name = 1,
		                  .sh_type = SHT_PROGBITS,
		                  .sh_offset = offsetof(struct elf, record),
		                  .sh_size = sizeof e.record },
		    [2] = { .sh_name = 15, .sh_type = SHT_STRTAB, .sh_offset = offsetof(struct elf, names), .sh_size = sizeof e.names } },
	};
	char *texts = (char *)&e.record.units;
	size_t room = sizeof e.record - offsetof(struct berth_module, units);
	memcpy(texts, p, n < room ? n : room);
	memcpy(out, &e, sizeof e);
	return sizeof e;
}

static size_t wrap_archive(const uint8_t *p, size_t n, bool jar, void *out) {
	struct archive *w = archive_write_new();
	struct archive_entry *e = archive_entry_new();
	size_t used = 0;
	assert(w != NULL && e != NULL && (jar ? archive_write_set_format_zip(w) : archive_write_set_format_ustar(w)) == ARCHIVE_OK);
	assert(jar || archive_write_add_filter_gzip(w) == ARCHIVE_OK);
	assert(archive_write_open_memory(w, out, LARGEST, &used) == ARCHIVE_OK);
	archive_entry_set_pathname(e, jar ? "META-INF/MANIFEST.MF" : "package/package.json");
	archive_entry_set_filetype(e, AE_IFREG);
	archive_entry_set_perm(e, 0644);
	archive_entry_set_size(e, (la_int64_t)n);
	assert(archive_write_header(w, e) == ARCHIVE_OK && archive_write_data(w, p, n) == (la_ssize_t)n &&
	       archive_write_close(w) == ARCHIVE_OK);
	archive_entry_free(e);
	archive_write_free(w);
	return used;
}

static void check(const struct modfile *m) {
	assert(name_valid(NAME_PLAIN, m->name) && name_valid(NAME_VERSION, m->version));
	assert(m->units >= 1 && m->n_needs <= MODFILE_NEEDS_MAX && m->description != NULL && m->arch != NULL);
	assert(m->context_path == NULL || (m->context_path[0] == '/' && strlen(m->context_path) < MODFILE_PATH_MAX));
	for (size_t i = 0; i < m->n_needs; i++)
		assert(name_valid(NAME_PLAIN, m->needs[i].module) && m->needs[i].range != NULL);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
	if (size == 0 || size > LARGEST / 4)
		return 0;
	const uint8_t *p = data + 1;
	size_t n = size - 1;
	void *file = malloc(data[0] % 4 == 0 ? n + 1 : LARGEST);
	assert(file != NULL);
	switch (data[0] % 4) {
	case 0:
		memcpy(file, p, n);
		break;
	case 1:
		n = wrap_elf(p, n, file);
		break;
	case 2:
		n = wrap_archive(p, n, true, file);
		break;
	default:
		n = wrap_archive(p, n, false, file);
	}
	ARENA_AUTO a = arena_new();
	struct modfile m;
	struct err err = ERR_INIT;
	int rc = modfile_read(a, file, n, &m, &err);
	free(file); /* nothing points into it */
	if (rc == 0)
		check(&m);
	else
		assert(rc == err.code && err.text[0] != '\0');
	assert(arena_bytes(a) <= 4 * LARGEST);
	return 0;
}
