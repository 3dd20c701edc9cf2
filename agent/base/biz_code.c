/* A biz's code: loading, starting, stopping, unloading. Everything here runs on a worker and may block; the crash mark says which
 * module it is should that be the last thing we do. */
#include "biz.h"

#include <dlfcn.h>
#include <link.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/buf.h"
#include "base/err.h"
#include "base/log.h"
#include "call.h"
#include "crash.h"

BERTH_PRINTF(3, 4) static void host_log(const struct berth_host *host, enum berth_log_level level, const char *fmt, ...) {
	static const enum log_level levels[] = { LOG_LEVEL_DEBUG, LOG_LEVEL_INFO, LOG_LEVEL_WARN, LOG_LEVEL_ERROR };
	BUF_AUTO text;
	va_list ap;
	buf_init(&text, 8192);
	va_start(ap, fmt);
	buf_vprintf(&text, fmt, ap);
	va_end(ap);
	log_at(levels[(unsigned)level > 3 ? 3 : level], buf_str(&text), log_s("module", host->module), log_s("version", host->version));
}

static void host_fill(struct biz *b) {
	b->code.host = (struct berth_host){
		.abi = BERTH_MODULE_ABI,
		.size = sizeof(struct berth_host),
		.base_name = b->base_name,
		.module = b->info.name,
		.version = b->info.version,
		.context_path = strcmp(b->info.context_path, "/") == 0 ? "" : b->info.context_path,
		.log = host_log,
		.param = call_param,
		.query = call_query,
		.header = call_header,
		.add_header = call_add_header,
		.reply = call_reply,
	};
}

/* What runs must be what was read: the checks before loading were made on the section, calls go through the symbol. */
static int record_compare(struct biz *b, struct err *err) {
	const struct berth_module *m = b->code.module;
	if (memcmp(m->magic, BERTH_MODULE_MAGIC, sizeof m->magic) != 0 || m->abi != b->info.abi || m->size < sizeof *m ||
	    strncmp(m->name, b->info.name, sizeof m->name) != 0 || strncmp(m->version, b->info.version, sizeof m->version) != 0)
		return err_set(err, E_MALFORMED,
		    "module %s exports a symbol " BERTH_MODULE_SYMBOL " that is not the record in its " BERTH_MODULE_SECTION " section",
		    b->key);
	return 0;
}

static int routes_check(const struct biz *b, struct err *err) {
	const struct berth_route *r = b->code.module->routes;
	for (int i = 0; r && r->method; r++, i++)
		if (!r->pattern || r->pattern[0] != '/' || !r->handler || i >= 1000)
			return err_set(err, E_MALFORMED,
			    "route %d of module %s is not usable: it needs a method, a pattern that begins with '/', a handler, and a row "
			    "{ 0 } at the end",
			    i, b->key);
	return 0;
}

struct extent {
	uintptr_t base, start, end;
};

static int extent_visit(struct dl_phdr_info *info, size_t size, void *arg) {
	struct extent *x = arg;
	if (info->dlpi_addr != x->base)
		return 0;
	for (int i = 0; i < info->dlpi_phnum; i++) {
		const ElfW(Phdr) *p = &info->dlpi_phdr[i];
		uintptr_t start = info->dlpi_addr + p->p_vaddr;
		if (p->p_type != PT_LOAD)
			continue;
		x->start = x->start && x->start < start ? x->start : start;
		x->end = x->end > start + p->p_memsz ? x->end : start + p->p_memsz;
	}
	return 1;
}

static void range_register(struct biz *b) {
	struct link_map *map;
	struct extent x = { 0 };
	if (dlinfo(b->code.handle, RTLD_DI_LINKMAP, &map) != 0)
		return;
	x.base = map->l_addr;
	if (dl_iterate_phdr(extent_visit, &x))
		b->code.range = crash_range_add(b->info.name, b->info.version, x.start, x.end);
}

int biz_load(struct biz *b, struct err *err) {
	crash_enter(b->info.name, b->info.version, "load", "");
	b->code.handle = dlopen(b->path, RTLD_NOW | RTLD_LOCAL);
	crash_leave();
	if (!b->code.handle)
		return err_set(err, E_MALFORMED, "module %s cannot be loaded: %s", b->key, dlerror());
	b->code.module = dlsym(b->code.handle, BERTH_MODULE_SYMBOL);
	int rc = b->code.module
	             ? record_compare(b, err)
	             : err_set(err, E_MALFORMED, "module %s does not export " BERTH_MODULE_SYMBOL "; BERTH_MODULE makes it", b->key);
	if (!rc)
		rc = routes_check(b, err);
	if (rc) {
		biz_unload(b);
	} else {
		host_fill(b);
		range_register(b);
	}
	return rc;
}

/* The module's words on one line; its own fault when it gave none. */
static const char *failure_text(char *text, size_t size) {
	text[size - 1] = '\0';
	for (char *s = text; *s; s++)
		if ((unsigned char)*s < ' ' || *s == 0x7f)
			*s = ' ';
	return *text ? text : "it gave no reason";
}

static int code_run(struct biz *b, int (*fn)(struct berth_run *), const char *what, struct berth_run *run, char *text, size_t size) {
	*run = (struct berth_run){
		.host = &b->code.host,
		.state = b->code.state,
		.argc = b->argc,
		.argv = b->argv,
		.env = b->env,
		.error = text,
		.error_size = size,
	};
	text[0] = '\0';
	crash_enter(b->info.name, b->info.version, what, "");
	int rc = fn(run);
	crash_leave();
	return rc;
}

int biz_start(struct biz *b, struct err *err) {
	char text[512];
	struct berth_run run;
	if (b->code.module->start) {
		if (code_run(b, b->code.module->start, "start", &run, text, sizeof text) != 0)
			return err_set(err, E_STATE, "%s", failure_text(text, sizeof text));
		b->code.state = run.state;
	}
	b->code.started = true;
	return 0;
}

int biz_stop(struct biz *b, struct err *err) {
	char text[512];
	struct berth_run run;
	if (!b->code.started)
		return 0;
	b->code.started = false;
	if (b->code.module->stop && code_run(b, b->code.module->stop, "stop", &run, text, sizeof text) != 0)
		return err_set(err, E_STATE, "%s", failure_text(text, sizeof text));
	return 0;
}

int biz_health(struct biz *b, char *text, size_t size) {
	struct berth_run run;
	if (!b->code.module->health)
		return 0;
	int rc = code_run(b, b->code.module->health, "health", &run, text, size);
	if (rc)
		failure_text(text, size);
	return rc;
}

void biz_unload(struct biz *b) {
	if (!b->code.handle)
		return;
	crash_range_remove(b->code.range); /* before: the next module may get these addresses */
	b->code.range = -1;
	crash_enter(b->info.name, b->info.version, "unload", "");
	if (dlclose(b->code.handle) != 0)
		log_warn("module not unloaded", log_s("module", b->key), log_s("why", dlerror()));
	crash_leave();
	b->code.handle = NULL;
	b->code.module = NULL;
}
