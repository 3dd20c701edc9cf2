/* Module files: good ones of each kind, and hostile ones: every byte of a native module cut and changed, odd section tables, folded
 * manifests, archives that lie. */
#include "../../suite.h"

#include <archive.h>
#include <archive_entry.h>
#include <elf.h>
#include <stdlib.h>
#include <string.h>

#include <berth/module.h>

#include "base/arena.h"
#include "base/buf.h"
#include "base/err.h"
#include "base/rng.h"
#include "proto/modfile.h"

/* A shared object with nothing but what the reader looks at: header, record, section names, section table. */
struct elf {
	Elf64_Ehdr h;
	struct berth_module record;
	char names[32];
	Elf64_Shdr sections[3];
};

static struct elf elf_make(void) {
	struct elf e = {
		.h = { .e_ident = { 0x7f, 'E', 'L', 'F', ELFCLASS64, ELFDATA2LSB, EV_CURRENT },
		    .e_type = ET_DYN,
		    .e_machine = EM_X86_64,
		    .e_shoff = offsetof(struct elf, sections),
		    .e_shentsize = sizeof(Elf64_Shdr),
		    .e_shnum = 3,
		    .e_shstrndx = 2 },
		.record = { .magic = BERTH_MODULE_MAGIC,
		    .abi = 1,
		    .size = sizeof(struct berth_module),
		    .name = "orders",
		    .version = "3.1.0+b7" },
		.names = "\0" BERTH_MODULE_SECTION "\0.shstrtab",
		.sections = { [1] = { .sh_name = 1,
		                  .sh_type = SHT_PROGBITS,
		                  .sh_offset = offsetof(struct elf, record),
		                  .sh_size = sizeof(struct berth_module) },
		    [2] = { .sh_name = 15, .sh_type = SHT_STRTAB, .sh_offset = offsetof(struct elf, names), .sh_size = 32 } },
	};
	return e;
}

static void expect(const void *p, size_t n, int code, const char *text) {
	ARENA_AUTO a = arena_new();
	struct modfile m = { .units = -7 };
	struct err err = ERR_INIT;
	/* A copy of exactly n bytes, so that the sanitizer sees a read beyond. */
	void *copy = malloc(n ? n : 1);
	memcpy(copy, p, n);
	ck_assert_int_eq(modfile_read(a, copy, n, &m, &err), code);
	free(copy);
	ck_assert_int_eq(m.units, -7);
	ck_assert_msg(strstr(err.text, text) != NULL, "\"%s\" does not say \"%s\"", err.text, text);
}

START_TEST(native_is_read) {
	struct elf e = elf_make();
	e.record.units = 3;
	strcpy(e.record.needs, "config, auth >= 2.0.0 ,,cache:~1");
	strcpy(e.record.context_path, "shop/orders/");
	strcpy(e.record.description, "takes orders");
	ARENA_AUTO a = arena_new();
	struct modfile m;
	struct err err = ERR_INIT;
	ck_assert_msg(modfile_read(a, &e, sizeof e, &m, &err) == 0, "%s", err.text);
	memset(&e, 0xff, sizeof e); /* the answer does not point into the file */
	ck_assert_int_eq(m.kind, MODFILE_NATIVE);
	ck_assert_str_eq(m.name, "orders");
	ck_assert_str_eq(m.version, "3.1.0+b7");
	ck_assert_str_eq(m.context_path, "/shop/orders");
	ck_assert_str_eq(m.arch, "x86_64");
	ck_assert_str_eq(m.description, "takes orders");
	ck_assert_int_eq(m.units, 3);
	ck_assert_int_eq(m.priority, 100);
	ck_assert_int_eq(m.n_needs, 3);
	ck_assert_str_eq(m.needs[0].module, "config");
	ck_assert_str_eq(m.needs[0].range, "");
	ck_assert_str_eq(m.needs[1].module, "auth");
	ck_assert_str_eq(m.needs[1].range, ">= 2.0.0");
	ck_assert_str_eq(m.needs[2].module, "cache");
	ck_assert_str_eq(m.needs[2].range, "~1");
}
END_TEST

START_TEST(native_defaults) {
	struct elf e = elf_make();
	ARENA_AUTO a = arena_new();
	struct modfile m;
	ck_assert_int_eq(modfile_read(a, &e, sizeof e, &m, NULL), 0);
	ck_assert_int_eq(m.units, 1);
	ck_assert_str_eq(m.context_path, "/orders");
	strcpy(e.record.context_path, "/");
	ck_assert_int_eq(modfile_read(a, &e, sizeof e, &m, NULL), 0);
	ck_assert_str_eq(m.context_path, "/");
}
END_TEST

START_TEST(native_refused) {
	static const struct {
		size_t offset;
		int width;
		uint64_t value;
		int code;
		const char *text;
	} cases[] = {
#define AT(field) offsetof(struct elf, field), sizeof(((struct elf *)0)->field)
		{ AT(h.e_ident[EI_CLASS]), ELFCLASS32, E_UNSUPPORTED, "64-bit" },
		{ AT(h.e_ident[EI_DATA]), ELFDATA2MSB, E_UNSUPPORTED, "little-endian" },
		{ AT(h.e_type), ET_EXEC, E_MALFORMED, "-shared" },
		{ AT(h.e_machine), 0x4711, E_UNSUPPORTED, "machine type" },
		{ AT(h.e_shoff), 0, E_MALFORMED, "no section table" },
		{ AT(h.e_shoff), UINT64_MAX - 10, E_MALFORMED, "outside" },
		{ AT(h.e_shoff), sizeof(struct elf) - 1, E_MALFORMED, "outside" },
		{ AT(h.e_shnum), 0, E_MALFORMED, "no section table" },
		{ AT(h.e_shnum), 0xffff, E_MALFORMED, "outside" },
		{ AT(h.e_shentsize), 63, E_MALFORMED, "section table" },
		{ AT(h.e_shstrndx), 3, E_MALFORMED, "outside" },
		{ AT(sections[2].sh_offset), UINT64_MAX, E_MALFORMED, "names" },
		{ AT(sections[2].sh_size), UINT64_MAX, E_MALFORMED, "names" },
		{ AT(sections[2].sh_size), 14, E_MALFORMED, "no Berth module" },
		{ AT(sections[1].sh_name), UINT32_MAX, E_MALFORMED, "no Berth module" },
		{ AT(sections[1].sh_name), 2, E_MALFORMED, "no Berth module" },
		{ AT(sections[2].sh_name), 1, E_MALFORMED, "2 records" },
		{ AT(sections[1].sh_type), SHT_NOBITS, E_MALFORMED, "outside" },
		{ AT(sections[1].sh_offset), UINT64_MAX - 8, E_MALFORMED, "outside" },
		{ AT(sections[1].sh_size), UINT64_MAX, E_MALFORMED, "outside" },
		{ AT(sections[1].sh_size), 0, E_MALFORMED, "cut off" },
		{ AT(record.magic[0]), 'b', E_MALFORMED, "magic" },
		{ AT(record.abi), 0, E_UNSUPPORTED, "ABI 0" },
		{ AT(record.abi), 2, E_UNSUPPORTED, "ABI 2" },
		{ AT(record.size), 8, E_MALFORMED, "says 8 bytes" },
		{ AT(record.size), UINT32_MAX, E_MALFORMED, "damaged" },
		{ AT(record.units), 1000001, E_MALFORMED, "units" },
		{ AT(record.units), UINT32_MAX, E_MALFORMED, "units" },
		{ AT(record.name[0]), 0, E_MALFORMED, "no name" },
		{ AT(record.name[0]), '.', E_MALFORMED, "name" },
		{ AT(record.name[3]), '/', E_MALFORMED, "name" },
		{ AT(record.name[3]), ':', E_MALFORMED, "name" },
		{ AT(record.version[0]), 0, E_MALFORMED, "no version" },
		{ AT(record.version[2]), '\n', E_MALFORMED, "version of module orders" },
		{ AT(record.context_path[0]), '?', E_MALFORMED, "context path" },
		{ AT(record.needs[0]), '>', E_MALFORMED, "requirement" },
		{ AT(record.description[0]), 27, E_MALFORMED, "description" },
#undef AT
	};
	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		struct elf e = elf_make();
		memcpy((char *)&e + cases[i].offset, &cases[i].value, (size_t)cases[i].width); /* little-endian, like the reader */
		expect(&e, sizeof e, cases[i].code, cases[i].text);
	}
}
END_TEST

START_TEST(native_texts_without_end) {
	struct elf e = elf_make();
	memset(e.record.name, 'a', sizeof e.record.name);
	expect(&e, sizeof e, E_MALFORMED, "too long");
	e = elf_make();
	memset(e.record.description, 'a', sizeof e.record.description);
	expect(&e, sizeof e, E_MALFORMED, "too long");
	e = elf_make();
	for (size_t i = 0; i + 2 < sizeof e.record.needs; i += 2)
		memcpy(e.record.needs + i, "a,", 2);
	expect(&e, sizeof e, E_MALFORMED, "more than 32");
	static const char *const paths[] = { "/a//b", "/../x", "/a/..", "/a/./b", "/.", "/a b", "/%2e", "/a?b", "/{id}", "/a*" };
	for (size_t i = 0; i < sizeof paths / sizeof *paths; i++) {
		e = elf_make();
		memcpy(e.record.context_path, paths[i], strlen(paths[i]));
		expect(&e, sizeof e, E_MALFORMED, "context path");
	}
}
END_TEST

/* Cut at every length and with random bytes changed: never a crash, never a read beyond (ASan watches). */
START_TEST(native_damaged) {
	struct elf e = elf_make();
	char *copy;
	for (size_t n = 0; n < sizeof e; n++) {
		ARENA_AUTO a = arena_new();
		struct modfile m;
		copy = malloc(n ? n : 1);
		memcpy(copy, &e, n);
		ck_assert_int_ne(modfile_read(a, copy, n, &m, NULL), 0);
		free(copy);
	}
	struct rng rng;
	rng_init(&rng, 4711);
	for (int i = 0; i < 20000; i++) {
		ARENA_AUTO a = arena_new();
		struct modfile m;
		struct elf d = e;
		for (int k = 0; k < 3; k++)
			((unsigned char *)&d)[rng_below(&rng, sizeof d)] = (unsigned char)rng_u64(&rng);
		modfile_read(a, &d, sizeof d, &m, NULL);
	}
}
END_TEST

START_TEST(other_files) {
	expect("", 0, E_MALFORMED, "empty");
	expect("#!/bin/sh\n", 10, E_MALFORMED, "not a module file");
	expect("\177EL", 3, E_MALFORMED, "not a module file");
	expect("\177ELF", 4, E_MALFORMED, "cut off");
	expect("PK\003\004", 4, E_MALFORMED, "");
	expect("PK\003\004 and then nothing of a zip file in here", 44, E_MALFORMED, "");
	expect("\x1f\x8b", 2, E_MALFORMED, "");
	expect("\x1f\x8b\x08\0\0\0\0\0\0\3garbage", 17, E_MALFORMED, "");
	ARENA_AUTO a = arena_new();
	struct modfile m;
	struct err err = ERR_INIT;
	ck_assert_int_eq(modfile_read_path(a, "/nonexistent/x.so", &m, &err), E_NOT_FOUND);
	ck_assert_int_eq(modfile_read_path(a, "/dev/null", &m, &err), E_MALFORMED);
	ck_assert_int_eq(modfile_read_path(a, "/", &m, &err), E_MALFORMED);
}
END_TEST

struct packed {
	char data[512 * 1024];
	size_t n;
};

/* An archive with the given entries; size -1 = strlen. */
static void pack(struct packed *p, bool zip, const char *const (*entries)[2], size_t n, const void *big, size_t big_size) {
	struct archive *w = archive_write_new();
	if (zip) {
		ck_assert_int_eq(archive_write_set_format_zip(w), ARCHIVE_OK);
	} else {
		ck_assert_int_eq(archive_write_set_format_pax_restricted(w), ARCHIVE_OK);
		ck_assert_int_eq(archive_write_add_filter_gzip(w), ARCHIVE_OK);
	}
	ck_assert_int_eq(archive_write_open_memory(w, p->data, sizeof p->data, &p->n), ARCHIVE_OK);
	for (size_t i = 0; i < n + (big ? 1 : 0); i++) {
		struct archive_entry *e = archive_entry_new();
		const char *text = i < n ? entries[i][1] : big;
		size_t size = i < n ? strlen(text) : big_size;
		archive_entry_set_pathname(e, i < n ? entries[i][0] : entries[n][0]);
		archive_entry_set_filetype(e, AE_IFREG);
		archive_entry_set_perm(e, 0644);
		archive_entry_set_size(e, (la_int64_t)size);
		ck_assert_int_eq(archive_write_header(w, e), ARCHIVE_OK);
		ck_assert_int_eq(archive_write_data(w, text, size), (la_ssize_t)size);
		archive_entry_free(e);
	}
	ck_assert_int_eq(archive_write_close(w), ARCHIVE_OK);
	archive_write_free(w);
}

static int read_manifest(struct arena *a, const char *manifest, struct modfile *m, struct err *err) {
	static struct packed p;
	const char *const entries[][2] = { { "lib/x.jar", "not read" }, { "META-INF/MANIFEST.MF", manifest } };
	pack(&p, true, entries, 2, NULL, 0);
	return modfile_read(a, p.data, p.n, m, err);
}

START_TEST(ark_is_read) {
	ARENA_AUTO a = arena_new();
	struct modfile m;
	struct err err = ERR_INIT;
	int rc = read_manifest(a,
	    "Manifest-Version: 1.0\r\n"
	    "Ark-Biz-Name: a-module-whose-name-is-so-long-that-it-is-folded-o\r\n"
	    " nce-more\r\n"
	    "Ark-Biz-Version: 1.0.0-\r\n SNAP\r\n SHOT\r\n"
	    "web-context-path: biz1  \r\n"
	    "Priority: 20\r\nBerth-Units: 2\r\nBerth-Needs: config\r\n"
	    "\r\n"
	    "Name: other\r\nArk-Biz-Version: 9\r\n",
	    &m, &err);
	ck_assert_msg(rc == 0, "%s", err.text);
	ck_assert_int_eq(m.kind, MODFILE_ARK);
	ck_assert_str_eq(m.name, "a-module-whose-name-is-so-long-that-it-is-folded-once-more");
	ck_assert_str_eq(m.version, "1.0.0-SNAPSHOT");
	ck_assert_str_eq(m.context_path, "/biz1");
	ck_assert_int_eq(m.priority, 20);
	ck_assert_int_eq(m.units, 2);
	ck_assert_int_eq(m.n_needs, 1);
}
END_TEST

START_TEST(ark_line_ends_and_folds) {
	ARENA_AUTO a = arena_new();
	struct modfile m;
	ck_assert_int_eq(read_manifest(a, "Ark-Biz-Name: x\nArk-Biz-Version: 1\n .2", &m, NULL), 0);
	ck_assert_str_eq(m.version, "1.2");
	ck_assert_ptr_null(m.context_path);
	ck_assert_int_eq(m.priority, 100);
	ck_assert_int_eq(read_manifest(a, "Ark-Biz-Name: x\rArk-Biz-Version: 1\r", &m, NULL), 0);
	ck_assert_str_eq(m.version, "1");
	/* a key that is cut by the fold is still one key */
	ck_assert_int_eq(read_manifest(a, "Ark-Biz-N\n ame: x\nArk-Biz-Version: 1\n", &m, NULL), 0);
}
END_TEST

START_TEST(ark_refused) {
	static const struct {
		const char *manifest, *text;
	} cases[] = {
		{ "", "no Ark-Biz-Name" },
		{ "\n\nArk-Biz-Name: x\nArk-Biz-Version: 1\n", "no Ark-Biz-Name" },
		{ "Ark-Biz-Name: x\n", "no version" },
		{ "Ark-Biz-Version: 1\n", "no name" },
		{ "Ark-Biz-Name: ../x\nArk-Biz-Version: 1\n", "name" },
		{ "Ark-Biz-Name: x\nArk-Biz-Version: 1:2\n", "version" },
		{ "Ark-Biz-Name: x\nArk-Biz-Version: 1\npriority: high\n", "priority" },
		{ "Ark-Biz-Name: x\nArk-Biz-Version: 1\npriority: 99999999999\n", "priority" },
		{ "Ark-Biz-Name: x\nArk-Biz-Version: 1\nBerth-Units: -1\n", "units" },
		{ "Ark-Biz-Name: x\nArk-Biz-Version: 1\nweb-context-path: a b\n", "context path" },
	};
	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		ARENA_AUTO a = arena_new();
		struct modfile m;
		struct err err = ERR_INIT;
		ck_assert_int_eq(read_manifest(a, cases[i].manifest, &m, &err), E_MALFORMED);
		ck_assert_msg(strstr(err.text, cases[i].text) != NULL, "\"%s\" does not say \"%s\"", err.text, cases[i].text);
	}
	static struct packed p;
	const char *const none[][2] = { { "a.class", "x" } };
	pack(&p, true, none, 1, NULL, 0);
	expect(p.data, p.n, E_MALFORMED, "no META-INF/MANIFEST.MF");
}
END_TEST

START_TEST(archives_that_lie) {
	static struct packed p;
	char *zeros = calloc(1, 70 * 1024 * 1024);
	/* a manifest that unpacks to 70 MiB, and a package.json behind as much */
	const char *const jar[][2] = { { "META-INF/MANIFEST.MF", NULL } };
	memset(zeros, 'A', 70 * 1024 * 1024);
	pack(&p, true, jar, 0, zeros, 70 * 1024 * 1024);
	expect(p.data, p.n, E_MALFORMED, "larger than");
	const char *const tgz[][2] = { { "package/big", NULL } };
	pack(&p, false, tgz, 0, zeros, 70 * 1024 * 1024);
	expect(p.data, p.n, E_MALFORMED, "within the first 64 MiB");
	free(zeros);
	const char *const nul[][2] = { { "META-INF/MANIFEST.MF", NULL } };
	pack(&p, true, nul, 0, "Ark-Biz-Name: x\0\n", 17);
	expect(p.data, p.n, E_MALFORMED, "NUL");
	/* the good jar, cut and changed everywhere */
	const char *const good[][2] = { { "META-INF/MANIFEST.MF", "Ark-Biz-Name: x\nArk-Biz-Version: 1\n" }, { "lib/y", "z" } };
	pack(&p, true, good, 2, NULL, 0);
	struct rng rng;
	rng_init(&rng, 4712);
	for (int i = 0; i < 2000; i++) {
		ARENA_AUTO a = arena_new();
		struct modfile m;
		static struct packed d;
		d = p;
		d.data[rng_below(&rng, d.n)] = (char)rng_u64(&rng);
		modfile_read(a, d.data, i % 2 ? d.n : rng_below(&rng, d.n), &m, NULL);
	}
}
END_TEST

START_TEST(node_is_read) {
	static struct packed p;
	const char *const entries[][2] = { { "package/index.js", "x" }, { "package/sub/package.json", "{\"name\":\"wrong\"}" },
		{ "package/package.json",
		    "{\"name\":\"@shop/orders\",\"version\":\"2.0.0\",\"description\":\"takes orders\","
		    "\"berth\":{\"name\":\"orders\",\"units\":2,\"priority\":7,\"contextPath\":\"/o\",\"needs\":{\"config\":\">=1\"}}}" } };
	pack(&p, false, entries, 3, NULL, 0);
	ARENA_AUTO a = arena_new();
	struct modfile m;
	struct err err = ERR_INIT;
	ck_assert_msg(modfile_read(a, p.data, p.n, &m, &err) == 0, "%s", err.text);
	ck_assert_int_eq(m.kind, MODFILE_NODE);
	ck_assert_str_eq(m.name, "orders");
	ck_assert_str_eq(m.version, "2.0.0");
	ck_assert_str_eq(m.context_path, "/o");
	ck_assert_int_eq(m.units, 2);
	ck_assert_int_eq(m.priority, 7);
	ck_assert_int_eq(m.n_needs, 1);
	ck_assert_str_eq(m.needs[0].range, ">=1");
}
END_TEST

START_TEST(node_refused) {
	static const struct {
		const char *json, *text;
	} cases[] = {
		{ "[]", "not a JSON object" },
		{ "{", "not a JSON object" },
		{ "{\"name\":\"a\",\"name\":\"b\"}", "not a JSON object" },
		{ "{}", "no name" },
		{ "{\"name\":\"a\"}", "no version" },
		{ "{\"name\":\"@a/b\",\"version\":\"1\"}", "scope" },
		{ "{\"name\":5,\"version\":\"1\"}", "no name" },
		{ "{\"name\":\"a\",\"version\":\"1\",\"berth\":{\"units\":\"x\"}}", "units" },
		{ "{\"name\":\"a\",\"version\":\"1\",\"berth\":{\"units\":-1}}", "units" },
		{ "{\"name\":\"a\",\"version\":\"1\",\"description\":\"\\u001b[2J\"}", "description" },
	};
	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		static struct packed p;
		const char *const entries[][2] = { { "package/package.json", cases[i].json } };
		pack(&p, false, entries, 1, NULL, 0);
		expect(p.data, p.n, E_MALFORMED, cases[i].text);
	}
}
END_TEST

START_TEST(needs_beyond_number_cost_little) {
	static struct packed p;
	BUF_AUTO json = BUF_INIT;
	buf_add_str(&json, "{\"name\":\"a\",\"version\":\"1\",\"berth\":{\"needs\":{\"first\":\"1\"");
	for (int i = 0; i < 20000; i++)
		buf_printf(&json, ",\"%d\":1", i);
	buf_add_str(&json, "}}}");
	const char *const entries[][2] = { { "package/package.json", buf_str(&json) } };
	pack(&p, false, entries, 1, NULL, 0);
	ARENA_AUTO a = arena_new();
	struct modfile m;
	struct err err = ERR_INIT;
	ck_assert_int_eq(modfile_read(a, p.data, p.n, &m, &err), E_MALFORMED);
	ck_assert_ptr_nonnull(strstr(err.text, "more than 32"));
	ck_assert_uint_lt(arena_bytes(a), 2 * 1024 * 1024);
}
END_TEST

TEST_SUITE("proto/modfile", native_is_read, native_defaults, native_refused, native_texts_without_end, native_damaged, other_files,
    ark_is_read, ark_line_ends_and_folds, ark_refused, archives_that_lie, node_is_read, node_refused, needs_beyond_number_cost_little)
