/* HTTP/1.1 as a load driver speaks it: keep-alive connections, one request at a time on each, answers with a Content-Length. */
#ifndef BENCH_REQUEST_H
#define BENCH_REQUEST_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct client {
	int fd, status;
	char in[65536];
	size_t n;
	int64_t sent_us;
};
void client_connect(struct client *c, const char *address);
/* token NULL: none. body NULL: a GET. */
void client_send(struct client *c, const char *path, const char *token, const char *body);
/* Reads what is there (or waits); true when the answer is whole, its status is in c->status then. */
bool client_receive(struct client *c, bool wait);

/* A body from its template: @ is NAME-i, # is i modulo BODY_MODULES (a base takes a module once, so many deploys need many modules). */
#define BODY_MODULES 40
void body_make(char *to, size_t size, const char *template, const char *name, int i);

/* Sorts; the value below which that share of them lies. */
int64_t percentile(int64_t *v, size_t n, double share);

#endif
