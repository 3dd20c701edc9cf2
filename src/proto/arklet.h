/* arklet's JSON: what a Koupleless base (or one that speaks like it) is told and what it answers. Pure: text in, structs out.
 *
 * Used by the agent and by the server's direct driver. Answers come from processes nobody vouches for: every member may be missing, of
 * another type, or a fastjson back reference ({"$ref": …}); what cannot be read is left out, never guessed. Everything returned lives
 * in the arena that was handed in. */
#ifndef BERTH_PROTO_ARKLET_H
#define BERTH_PROTO_ARKLET_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct arena;
struct buf;
struct err;

enum arklet_command {
	ARKLET_HELP,
	ARKLET_INSTALL,
	ARKLET_BATCH_INSTALL,
	ARKLET_UNINSTALL,
	ARKLET_SWITCH,
	ARKLET_QUERY_ALL,
	ARKLET_QUERY_OPS,
	ARKLET_HEALTH,
	ARKLET_COMMANDS
};
const char *arklet_command_name(enum arklet_command c); /* "installBiz": the path is "/" and this */

#define ARKLET_MAX_REPLY (8u << 20)   /* bytes of an answer that are worth reading */
#define ARKLET_MAX_PARTS (128u << 10) /* values in it: each takes memory and time that its bytes do not show */
#define ARKLET_MAX_BIZ 1024           /* modules in one list */
/* An answer is made whole before its first byte leaves: one that stops in between comes from a base that is frozen or gone. */
#define ARKLET_ANSWER_IDLE_US INT64_C(10000000)

enum arklet_state {
	ARKLET_UNRESOLVED,
	ARKLET_RESOLVED,
	ARKLET_ACTIVATED,
	ARKLET_DEACTIVATED,
	ARKLET_BROKEN,
	ARKLET_STOPPED,
	ARKLET_STATES
};
enum arklet_state arklet_state_parse(const char *s); /* in any case of letters; NULL and unknown words are broken */
const char *arklet_state_name(enum arklet_state s);  /* lower case */
static inline bool arklet_state_started(enum arklet_state s) {
	return s == ARKLET_ACTIVATED || s == ARKLET_DEACTIVATED;
}

/* What an answer means for the one who asked (both levels of result taken together). */
enum arklet_verdict {
	ARKLET_OK,            /* done; or accepted, when asked to work asynchronously */
	ARKLET_REPEAT,        /* REPEAT_BIZ: this name:version is listed already, in whatever state */
	ARKLET_NOT_FOUND,     /* NOT_FOUND_BIZ */
	ARKLET_ILLEGAL_STATE, /* ILLEGAL_STATE_BIZ */
	ARKLET_BUSY,          /* another operation on this module is running */
	ARKLET_REFUSED,       /* FAILED, in an orderly way */
	ARKLET_EXCEPTION,     /* something threw: ask what is there before anything is tried again */
	ARKLET_NO_COMMAND,    /* the base is too old for this command */
};

struct arklet_biz {
	const char *name, *version; /* never NULL, never "" */
	enum arklet_state state;
	const char *state_text;       /* as it came; "" when it did not */
	const char *context_path;     /* or NULL */
	const char *main_class;       /* or NULL */
	const char *reason, *message; /* of the last state record; or NULL */
};

struct arklet_reply {
	enum arklet_verdict verdict;
	const char *code;          /* the innermost: "SUCCESS", "REPEAT_BIZ", "CMD_PROCESS_INTERNAL_ERROR", … */
	const char *message;       /* the innermost that is not empty; "" when there is none */
	const char *cause;         /* one line for people: last "Caused by:" of the trace, else message; "" on success */
	const char *trace;         /* whole stack trace, or NULL */
	const char *base_identity; /* or NULL */
	int64_t elapsed_space;     /* bytes of metaspace, may be negative; 0 when not told */
	bool has_elapsed_space;
	struct arklet_biz *biz; /* bizInfos of an install, or the list of a query */
	size_t n_biz;
};

/* An answer's envelope and, where there is one, the result inside. E_MALFORMED: not an arklet answer at all. E_TOO_LARGE: more than
 * ARKLET_MAX_REPLY or ARKLET_MAX_PARTS; so with all that read an answer. */
int arklet_reply_parse(struct arena *a, const char *text, size_t n, struct arklet_reply *ret, struct err *err);
/* The same, and the modules of queryAllBiz's list in ret->biz. E_MALFORMED also when a successful answer has no list; E_TOO_LARGE: more
 * modules than ARKLET_MAX_BIZ, of which a part would say nothing about what is not there. */
int arklet_list_parse(struct arena *a, const char *text, size_t n, struct arklet_reply *ret, struct err *err);
/* NULL when it is not in the list. */
const struct arklet_biz *arklet_biz_find(const struct arklet_reply *r, const char *name, const char *version);

struct arklet_health {
	const char *base_name, *base_version; /* of masterBizInfo, or NULL */
	enum arklet_state base_state;         /* broken when it was not told */
	const char *java_version;             /* or NULL */
	double run_time_s;                    /* since the process started; -1 when not told */
	int64_t heap_used, heap_max, nonheap_used, metaspace_used, metaspace_committed,
	    metaspace_max; /* bytes; -1: not told or unlimited */
	int64_t classes;   /* loaded now; -1: not told */
};
int arklet_health_parse(
    struct arena *a, const char *text, size_t n, struct arklet_reply *ret_reply, struct arklet_health *ret, struct err *err);

/* Commands that /help lists, as bits (1u << enum arklet_command). */
int arklet_help_parse(struct arena *a, const char *text, size_t n, unsigned *ret_commands, struct err *err);

/* The record of an asynchronous operation. */
struct arklet_operation {
	const char *request_id, *status; /* never NULL */
	bool finished, succeeded;        /* by the end time, not by the status alone: a lost lock leaves INITIALIZED for ever */
	const char *cause;               /* "" unless it failed; the deepest message that was told */
};
int arklet_operation_parse(
    struct arena *a, const char *text, size_t n, struct arklet_reply *ret_reply, struct arklet_operation *ret, struct err *err);

/* As arklet_reply_parse, and the result of each item of a batch by its URL, in the order of `urls`. One that the answer does not mention
 * is an ARKLET_EXCEPTION without words: nobody knows what became of it. */
int arklet_batch_parse(struct arena *a, const char *text, size_t n, const char *const *urls, size_t n_urls, struct arklet_reply *ret,
    struct arklet_reply *ret_items, struct err *err);

/* Bodies of requests. */
struct arklet_install {
	const char *name, *version, *url;
	const char *sha256; /* our own bases check it, others ignore it; or NULL */
	const char *const *args;
	size_t n_args;
	const char *const *env_names, *const *env_values;
	size_t n_env;
	bool replace;           /* uninstallThenInstall */
	const char *request_id; /* not NULL: asynchronously, under this id */
};
void arklet_install_print(const struct arklet_install *i, struct buf *out);
void arklet_batch_print(const struct arklet_install *items, size_t n, const char *request_id, struct buf *out);
void arklet_named_print(const char *name, const char *version, struct buf *out); /* uninstall, switch */
void arklet_operation_print(const char *request_id, struct buf *out);

/* The last line that begins with "Caused by:" without these words, else the first line; "" for NULL. */
const char *arklet_cause(struct arena *a, const char *trace);

#endif
