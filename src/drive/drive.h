/* How bases are reached: implements core/driver.h over links. Today a link is an agent's stream; a link to a stock base over arklet's
 * HTTP fits beside it behind the same struct link_ops (drive/link.h). Carries, never decides: who may join is the core's to say.
 *
 * The stream itself belongs to the transport (the gRPC server), which room drive does not know: the host glues the two together
 * through struct drive_transport. Everything on the loop's thread. */
#ifndef BERTH_DRIVE_DRIVE_H
#define BERTH_DRIVE_DRIVE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct core;
struct drive;
struct driver;
struct err;
struct loop;

struct drive_limits {           /* 0 = the default in parentheses */
	int64_t hello_us;       /* (10 s) for the first message, which must be Hello */
	int64_t silence_us;     /* (30 s) a link without any message for so long is closed: three heartbeats */
	size_t max_hello;       /* (512 KiB) */
	unsigned max_held;      /* (4096) modules in one message: what a base lists (ARKLET_MAX_BIZ) and what is wanted and not there */
	unsigned message_rate;  /* (50) messages per second and base, on average */
	unsigned message_burst; /* (2000) messages at once before reading pauses */
	size_t byte_rate;       /* (1 MiB) per second and base */
	size_t byte_burst;      /* (8 MiB) */
	int64_t hello_every_us; /* (2 s) between two Hellos of one base, on average */
	unsigned hello_burst;   /* (20) */
	unsigned max_links;     /* (200000) */
	unsigned max_greeting;  /* (20000) streams that have not said Hello yet */
	unsigned max_logs;      /* (8) readers of one base's output */
};

int drive_new(struct loop *l, const struct drive_limits *limits, struct drive **ret, struct err *err);
void drive_free(struct drive *d);                   /* no stream is open any more; NULL is fine */
struct driver *drive_driver(struct drive *d);       /* for core_env */
void drive_attach(struct drive *d, struct core *c); /* before the first stream */

/* ---- streams ------------------------------------------------------------------------------------------------------------------------ */
struct drive_transport {
	bool (*send)(void *stream, const void *p, size_t n); /* one message, copied; false: the stream is being dropped */
	void (*read)(void *stream, bool on);                 /* off: no message comes until on */
	void (*close)(
	    void *stream, int code, const char *text); /* after what was sent; E_OK or an error code; drive_closed follows later */
};
/* An agent connected. Returns its link, or NULL with err. */
void *drive_open(struct drive *d, const struct drive_transport *t, void *stream, const char *peer, struct err *err);
void drive_message(void *link, const void *p, size_t n);
void drive_ended(void *link);  /* the agent sends no more */
void drive_closed(void *link); /* the stream is gone: frees the link */

/* Asks every agent to go elsewhere (UNAVAILABLE, `why` names the address), some per turn. New streams are refused until drive_stay(). */
void drive_leave(struct drive *d, const char *why);
void drive_stay(struct drive *d);

struct drive_stats {
	unsigned links, welcomed, greeting;
	uint64_t hellos, messages, paused, refused, malformed, silent, overflowed;
};
void drive_stats(const struct drive *d, struct drive_stats *ret);

#endif
