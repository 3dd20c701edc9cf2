/* A real server on a loop of its own thread, and blocking clients for it. Handlers by path:
 *   /hello        answers "hello"                       /echo        answers the body (at most 1000 bytes)
 *   /later        answers when site_answer() says       /early       answers 401 before the body
 *   /wrong        a token that nobody knows
 *   /count        counts a streamed body, takes 1000 bytes at a time
 *   /hold         takes nothing of a streamed body      /chunks      three chunks        /short      less than announced
 *   /flood        streams 8 MiB with back-pressure      /file        the site's file
 *   /events       event stream; site_event() sends      /refuse      REFUSE without an answer */
#ifndef BERTH_TEST_HTTP_SITE_H
#define BERTH_TEST_HTTP_SITE_H

#include <pthread.h>
#include <semaphore.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>

#include "base/buf.h"
#include "http/server.h"
#include "http/sse.h"
#include "loop/loop.h"
#include "loop/mailbox.h"

#define FLOOD_BYTES (8u << 20)

struct site {
	struct loop *loop;
	struct mailbox *mailbox;
	struct http_server *server;
	pthread_t thread;
	int port;
	int file_fd;
	size_t file_bytes;
	struct http_req *pending; /* of /later and /hold */
	struct sse *sse;
	size_t flooded;
	sem_t arrived; /* posted for each /later, /hold and /events */
	atomic_int gone, drained, max_queued;
};

void site_start(struct site *s, const struct http_limits *limits, const struct http_tls *tls);
void site_stop(struct site *s);
/* Runs fn on the loop's thread and waits for it. */
void site_call(struct site *s, void (*fn)(struct site *s));
void site_wait_gone(struct site *s, int n);
struct http_stats site_stats(struct site *s);

int client_open(const struct site *s);
void client_send(int fd, const char *text);
void client_send_n(int fd, const void *p, size_t n);
/* Reads until the peer closes (true) or 5 s pass (false). A reset counts as closed. */
bool client_read_all(int fd, struct buf *out);
/* Reads one answer with Content-Length or one without a body. */
void client_read_answer(int fd, bool head, struct buf *out);
/* Sends, reads all, closes; the answer is in out. */
void client_talk(const struct site *s, const char *text, struct buf *out);
size_t count_text(const struct buf *b, const char *text);

#endif
