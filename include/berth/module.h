/* berth/module.h: how a native module of Berth is written. ABI version 1, plain C11 (C++ works too).
 *
 * A module is a shared object that a running base (berth-base) loads, starts, routes requests to, stops and unloads, without a
 * restart of the base. It needs nothing but this header. The whole of a module:
 *
 *     #include <berth/module.h>
 *
 *     static void hello(struct berth_call *c) { berth_printf(c, 200, "hello from %s\n", c->host->base_name); }
 *
 *     static const struct berth_route routes[] = { { "GET", "/", hello }, { 0 } };
 *
 *     BERTH_MODULE("hello", "1.0.0", .routes = routes);
 *
 *     cc -std=c11 -shared -fPIC -fvisibility=hidden -I… -o hello.so hello.c
 *
 * and it answers GET /hello on every base it is deployed to. examples/ has more, each with a Makefile to copy.
 *
 * THE RECORD. BERTH_MODULE defines one exported constant, `berth_module`, in an ELF section of its own (".berth.module"). Tools and
 * bases read name, version, costs and requirements from the file before any code of it runs; so the texts are arrays inside the
 * record, not pointers. A file whose record is absent, damaged or of an unknown ABI is refused without being loaded. Do not strip
 * sections by hand ("strip" is fine). Several .c files: BERTH_MODULE in exactly one of them.
 *
 * LIFE. (file checked) → loaded → start() → requests, health() → (route taken away, requests inside have ended) → stop() → unloaded.
 *   start   may block as long as it needs (open databases, warm caches); other modules work on meanwhile. Returning non-zero refuses
 *           the installation: free what was opened, stop() is not called. Without start the module is ready once loaded.
 *   stop    called once, when no handler runs any more and none will be called. Join your threads, close, free; after it returned
 *           your code is unmapped. Non-zero is reported to the operator, and the module goes all the same.
 *   health  called every few seconds while the module is installed, also while handlers run. Non-zero with a text says what is wrong;
 *           it is shown to operators and has no other effect. A call that blocks is not repeated until it returned.
 * Two versions of a module may be installed at the same time, each with its own globals, state and start/stop. Only the *activated*
 * one gets requests; a switch happens between two requests, those already inside finish in the version that took them.
 *
 * THREADS. start, stop and health run on worker threads of the base, one of start/stop at a time per module. Handlers run on a pool
 * of worker threads, several at once: whatever they share needs a lock, an atomic or to be constant after start. Different calls may
 * come on different threads; keep nothing in thread-local storage between calls. A handler may block; a module can hold only a part of
 * the pool, so it starves nobody but itself. Threads of your own are welcome, must be joined in stop, and must not use a berth_call.
 *
 * OWNERSHIP. Everything the base hands in belongs to the base. The host record lives until stop returned; a berth_run and its texts
 * until the function it was given to returned (args and env: until stop returned); a berth_call and all it leads to until the handler
 * returned. What is given to the base (reply bodies, header values, error texts) is copied at once. state is yours.
 *
 * UNITS AND TEXTS. Sizes are bytes, texts UTF-8 and NUL-terminated. An error text is one sentence for the operator: what failed, why,
 * what would mend it ("cannot open orders.db: permission denied"); longer ones are cut at error_size.
 *
 * CONDUCT. A module shares its process: a crash takes down the base (the agent restarts it without the module and reports which
 * handler it was). Do not call exit, change the working directory, the environment, signal handlers or the locale, nor close
 * descriptors you did not open. env is handed over as data, it is not put in the process environment.
 *
 * COMPATIBILITY. Fields are only ever added at the end. A base takes modules of its own ABI version and of older ones. `size` in the
 * record says how much of it the module knows; host->size how much of the host record the base has. */
#ifndef BERTH_MODULE_H
#define BERTH_MODULE_H

#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdarg.h>

#ifdef __cplusplus
extern "C" {
#endif

#define BERTH_MODULE_ABI 1
#define BERTH_MODULE_MAGIC "BERTHMO" /* eight bytes with its NUL */
#define BERTH_MODULE_SECTION ".berth.module"
#define BERTH_MODULE_SYMBOL "berth_module"

#if defined(__GNUC__)
#define BERTH_PRINTF(fmt, first) __attribute__((format(printf, fmt, first)))
#define BERTH_EXPORT __attribute__((visibility("default")))
#define BERTH_RECORD __attribute__((used, section(BERTH_MODULE_SECTION), aligned(8)))
#else
#error "berth/module.h needs a compiler with GNU attributes (gcc, clang)"
#endif

enum berth_log_level { BERTH_LOG_DEBUG, BERTH_LOG_INFO, BERTH_LOG_WARN, BERTH_LOG_ERROR };

struct berth_call;

/* What the base offers. One per installed module version, constant, usable from any thread until stop returned. */
struct berth_host {
	uint32_t abi;          /* ABI version of the base */
	uint32_t size;         /* bytes of this record that are there */
	const char *base_name; /* name of the base, as given by its operator */
	const char *module;    /* this module's name and version */
	const char *version;
	const char *context_path; /* where its routes are, "/hello"; "" for a module at the root */

	/* One log line of the base, with module and version as fields; newlines are escaped. */
	void (*log)(const struct berth_host *host, enum berth_log_level level, const char *fmt, ...) BERTH_PRINTF(3, 4);

	/* The request. NULL when there is no such thing. */
	const char *(*param)(struct berth_call *call, const char *name);  /* {name} of the route's pattern, decoded */
	const char *(*query)(struct berth_call *call, const char *name);  /* first ?name=value, decoded; "" without "=" */
	const char *(*header)(struct berth_call *call, const char *name); /* any case */

	/* The answer: headers first, then reply once. The second reply of a call is ignored and logged; a handler that returns without
	 * one, or with more than the base's reply limit (16 MiB by default), answers 500. type NULL: no Content-Type. Headers that frame
	 * the answer (Content-Length, Content-Type, Connection, Transfer-Encoding, …) are the base's and ignored in add_header. */
	void (*add_header)(struct berth_call *call, const char *name, const char *value);
	void (*reply)(struct berth_call *call, int status, const char *type, const void *body, size_t size);
};

/* Given to start, stop and health. */
struct berth_run {
	const struct berth_host *host;
	void *state;             /* start sets it, all later calls get it back; changes elsewhere are not kept */
	int argc;                /* arguments of the deployment */
	const char *const *argv; /* argv[argc] is NULL; argv[0] is the first argument, not a program name */
	const char *const *env;  /* "NAME=value", NULL-terminated */
	char *error;             /* text of the failure when non-zero is returned; see berth_fail() */
	size_t error_size;
};

/* One request. The method is as sent; HEAD reaches a GET route, and its body is dropped by the base. */
struct berth_call {
	const struct berth_host *host;
	void *state; /* as set by start */
	const char *method;
	const char *path;    /* whole path, percent-decoded once, no query: "/hello/items/7" */
	const char *subpath; /* below the context path, begins with "/": "/items/7"; "/" for the context path itself */
	const char *peer;    /* client address, "10.0.0.7:51324" */
	const void *body;    /* whole body (1 MiB by default is the base's limit), a NUL follows it */
	size_t body_size;
};

/* Routes below the context path. The first row that fits wins; a row { 0 } ends the table.
 * Patterns begin with "/". "{name}" stands for one path segment, a last "*" for all the rest (also nothing, param "*").
 * Unknown path: 404. Known path, other method: 405 with Allow. */
struct berth_route {
	const char *method;  /* "GET", "POST", …; "*" for any */
	const char *pattern; /* "/", "/items/{id}", "/files/" "*" */
	void (*handler)(struct berth_call *call);
};

/* The exported record. Everything up to `description` is read from the file; nothing there may need a relocation. */
struct berth_module {
	char magic[8];
	uint32_t abi;
	uint32_t size;
	uint32_t units;         /* of a base's install limit that it costs; 0 = 1 */
	int32_t priority;       /* order of installation after a restart of the base, smaller first; 0 = 100 */
	char name[64];          /* letters, digits, "._-", begins with a letter or digit; 63 bytes at most */
	char version[64];       /* the same and "+" */
	char context_path[128]; /* "/orders", "/shop/orders", "/" for the root; "" = "/" and the name */
	char needs[256];        /* modules it needs on the same base: "config, auth >=2.0.0" */
	char description[128];  /* one line for people */

	int (*start)(struct berth_run *run);
	int (*stop)(struct berth_run *run);
	int (*health)(struct berth_run *run);
	const struct berth_route *routes;
};

/* BERTH_MODULE("name", "version", .context_path = "/x", .start = start, .routes = routes, …); at file scope, once per module. */
#define BERTH_MODULE(name_, version_, ...)                                                   \
	extern BERTH_EXPORT const struct berth_module berth_module;                          \
	BERTH_RECORD const struct berth_module berth_module = { .magic = BERTH_MODULE_MAGIC, \
		.abi = BERTH_MODULE_ABI,                                                     \
		.size = sizeof(struct berth_module),                                         \
		.name = name_,                                                               \
		.version = version_,                                                         \
		__VA_ARGS__ }

/* return berth_fail(run, "cannot open %s: %s", path, strerror(errno)); */
BERTH_PRINTF(2, 3) static inline int berth_fail(struct berth_run *run, const char *fmt, ...) {
	va_list ap;
	va_start(ap, fmt);
	vsnprintf(run->error, run->error_size, fmt, ap);
	va_end(ap);
	return -1;
}

/* Value of "--name=value" in the arguments (name with its dashes), "" for a bare "--name", else fallback; the last one wins. */
static inline const char *berth_arg(const struct berth_run *run, const char *name, const char *fallback) {
	for (int i = 0; i < run->argc; i++) {
		const char *a = run->argv[i], *n = name;
		while (*n && *a == *n)
			a++, n++;
		if (!*n && (!*a || *a == '='))
			fallback = *a ? a + 1 : a;
	}
	return fallback;
}

/* Value of NAME in env, or fallback. */
static inline const char *berth_env(const struct berth_run *run, const char *name, const char *fallback) {
	for (const char *const *e = run->env; *e; e++) {
		const char *a = *e, *n = name;
		while (*n && *a == *n)
			a++, n++;
		if (!*n && *a == '=')
			return a + 1;
	}
	return fallback;
}

static inline void berth_reply(struct berth_call *call, int status, const char *type, const void *body, size_t size) {
	call->host->reply(call, status, type, body, size);
}

/* Plain text of at most 4095 bytes; longer ones are cut. */
BERTH_PRINTF(3, 4) static inline void berth_printf(struct berth_call *call, int status, const char *fmt, ...) {
	char text[4096];
	va_list ap;
	va_start(ap, fmt);
	int n = vsnprintf(text, sizeof text, fmt, ap);
	va_end(ap);
	size_t size = n < 0 ? 0 : (size_t)n < sizeof text ? (size_t)n : sizeof text - 1;
	call->host->reply(call, status, "text/plain; charset=utf-8", text, size);
}

static inline const char *berth_param(struct berth_call *call, const char *name) {
	return call->host->param(call, name);
}
static inline const char *berth_query(struct berth_call *call, const char *name) {
	return call->host->query(call, name);
}
static inline const char *berth_header(struct berth_call *call, const char *name) {
	return call->host->header(call, name);
}

#define berth_log(host, level, ...) ((host)->log((host), (level), __VA_ARGS__))

#ifdef __cplusplus
}
#endif

#endif
