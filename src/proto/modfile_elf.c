/* Native modules: the record of berth/module.h, found by its section's name in an ELF file. Reads bytes, trusts none of them; nothing
 * of the file is mapped executable, relocated or resolved. */
#include "proto/modfile_int.h"

#include <elf.h>
#include <string.h>

#include <berth/module.h>

#include "base/arena.h"
#include "base/err.h"

/* The part of the record that is data; what follows are pointers that only the loader fills. */
#define RECORD_DATA offsetof(struct berth_module, start)

static const struct {
	uint16_t machine;
	const char *name;
} machines[] = {
	{ EM_X86_64, "x86_64" },
	{ EM_AARCH64, "aarch64" },
	{ EM_RISCV, "riscv64" },
	{ EM_LOONGARCH, "loongarch64" },
};

const char *modfile_host_arch(void) {
#if defined(__x86_64__)
	return "x86_64";
#elif defined(__aarch64__)
	return "aarch64";
#elif defined(__riscv) && __riscv_xlen == 64
	return "riscv64";
#elif defined(__loongarch64)
	return "loongarch64";
#else
#error "native modules need a 64-bit little-endian machine that modfile_elf.c knows"
#endif
}

static bool inside(uint64_t offset, uint64_t size, size_t n) {
	return offset <= n && size <= n - offset;
}

static int header_check(const unsigned char *p, size_t n, Elf64_Ehdr *ret, struct modfile *m, struct err *err) {
	if (n < EI_NIDENT || n < sizeof *ret)
		return err_set(err, E_MALFORMED, "the ELF file is cut off in its header");
	if (p[EI_CLASS] != ELFCLASS64 || p[EI_DATA] != ELFDATA2LSB)
		return err_set(err, E_UNSUPPORTED, "only 64-bit little-endian modules can be loaded");
	memcpy(ret, p, sizeof *ret);
	if (ret->e_type != ET_DYN)
		return err_set(err, E_MALFORMED, "the ELF file is no shared object; link it with -shared");
	for (size_t i = 0; i < sizeof machines / sizeof *machines; i++)
		if (machines[i].machine == ret->e_machine)
			m->arch = machines[i].name;
	if (!*m->arch)
		return err_set(err, E_UNSUPPORTED, "the module is for machine type %u, which no base has", ret->e_machine);
	if (ret->e_shoff == 0 || ret->e_shnum == 0 || ret->e_shentsize != sizeof(Elf64_Shdr))
		return err_set(err, E_MALFORMED, "the ELF file has no section table; do not strip it away");
	if (!inside(ret->e_shoff, (uint64_t)ret->e_shnum * sizeof(Elf64_Shdr), n) || ret->e_shstrndx >= ret->e_shnum)
		return err_set(err, E_MALFORMED, "the ELF file is cut off or damaged: its section table lies outside");
	return 0;
}

static Elf64_Shdr section_at(const unsigned char *p, const Elf64_Ehdr *h, unsigned i) {
	Elf64_Shdr s;
	memcpy(&s, p + h->e_shoff + (uint64_t)i * sizeof s, sizeof s);
	return s;
}

/* Finds the section called BERTH_MODULE_SECTION; two of them are as bad as none. */
static int section_find(const unsigned char *p, size_t n, const Elf64_Ehdr *h, Elf64_Shdr *ret, struct err *err) {
	Elf64_Shdr names = section_at(p, h, h->e_shstrndx);
	if (!inside(names.sh_offset, names.sh_size, n))
		return err_set(err, E_MALFORMED, "the ELF file is damaged: its section names lie outside");
	unsigned found = 0;
	for (unsigned i = 1; i < h->e_shnum; i++) {
		Elf64_Shdr s = section_at(p, h, i);
		size_t want = sizeof BERTH_MODULE_SECTION;
		if (s.sh_name >= names.sh_size || names.sh_size - s.sh_name < want)
			continue;
		if (memcmp(p + names.sh_offset + s.sh_name, BERTH_MODULE_SECTION, want) != 0)
			continue;
		*ret = s;
		found++;
	}
	if (found == 0)
		return err_set(err, E_MALFORMED,
		    "the shared object is no Berth module: it has no " BERTH_MODULE_SECTION " section (see berth/module.h)");
	if (found > 1)
		return err_set(err, E_MALFORMED, "the module has %u records; BERTH_MODULE belongs in exactly one source file", found);
	if (ret->sh_type != SHT_PROGBITS || !inside(ret->sh_offset, ret->sh_size, n))
		return err_set(err, E_MALFORMED, "the module's record lies outside the file");
	return 0;
}

static int record_check(const struct berth_module *r, uint64_t section_size, struct err *err) {
	if (memcmp(r->magic, BERTH_MODULE_MAGIC, sizeof r->magic) != 0)
		return err_set(err, E_MALFORMED, "the module's record is damaged: wrong magic");
	if (r->abi == 0 || r->abi > BERTH_MODULE_ABI)
		return err_set(err, E_UNSUPPORTED,
		    "the module is made for ABI %u, this release knows 1 to %d; build it with this release's berth/module.h", r->abi,
		    BERTH_MODULE_ABI);
	/* Not "section size = record size": several BERTH_MODULE in one object file would share the section. */
	if (r->size < sizeof *r || r->size % 8 || r->size != section_size)
		return err_set(err, E_MALFORMED, "the module's record is damaged: it says %u bytes, its section has %llu", r->size,
		    (unsigned long long)section_size);
	return 0;
}

static const char *text_of(struct arena *a, const char *field, size_t size) {
	return memchr(field, '\0', size) ? arena_strdup(a, field) : NULL;
}

int modfile_elf_read(struct arena *a, const unsigned char *p, size_t n, struct modfile *ret, struct err *err) {
	Elf64_Ehdr h;
	Elf64_Shdr s = { 0 };
	int rc;
	if ((rc = header_check(p, n, &h, ret, err)) || (rc = section_find(p, n, &h, &s, err)))
		return rc;
	struct berth_module r = { 0 };
	if (s.sh_size < sizeof r)
		return err_set(err, E_MALFORMED, "the module's record is cut off");
	memcpy(&r, p + s.sh_offset, RECORD_DATA);
	if ((rc = record_check(&r, s.sh_size, err)))
		return rc;
	const char *name = text_of(a, r.name, sizeof r.name), *version = text_of(a, r.version, sizeof r.version);
	const char *path = text_of(a, r.context_path, sizeof r.context_path), *needs = text_of(a, r.needs, sizeof r.needs);
	const char *description = text_of(a, r.description, sizeof r.description);
	if (!name || !version || !path || !needs || !description)
		return err_set(err, E_MALFORMED, "a text in the module's record is too long");
	if (!modfile_text_plain(description))
		return err_set(err, E_MALFORMED, "the module's description has control characters; one line of text is expected");
	if ((rc = modfile_set_identity(ret, name, version, err)) || (rc = modfile_set_units(ret, r.units, err)))
		return rc;
	if ((rc = modfile_set_context_path(a, ret, *path ? path : name, err)) || (rc = modfile_set_needs(a, ret, needs, err)))
		return rc;
	ret->kind = MODFILE_NATIVE;
	ret->abi = r.abi;
	ret->description = description;
	ret->priority = r.priority ? r.priority : 100;
	return 0;
}
