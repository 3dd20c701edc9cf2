#include "request.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "db.h"

void client_connect(struct client *c, const char *address) {
	struct sockaddr_in to = { .sin_family = AF_INET };
	const char *colon = strrchr(address, ':');
	char host[64];
	int one = 1;
	if (colon == NULL || (size_t)(colon - address) >= sizeof host)
		die(address, "is not HOST:PORT");
	snprintf(host, sizeof host, "%.*s", (int)(colon - address), address);
	to.sin_port = htons((uint16_t)strtol(colon + 1, NULL, 10));
	*c = (struct client){ .fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0) };
	if (inet_pton(AF_INET, host, &to.sin_addr) != 1 || connect(c->fd, (struct sockaddr *)&to, sizeof to) != 0)
		die(address, strerror(errno));
	setsockopt(c->fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
}

void client_send(struct client *c, const char *path, const char *token, const char *body) {
	char out[4096], auth[256] = "";
	if (token != NULL)
		snprintf(auth, sizeof auth, "Authorization: Bearer %s\r\n", token);
	int n = body == NULL ? snprintf(out, sizeof out, "GET %s HTTP/1.1\r\nHost: bench\r\n%s\r\n", path, auth)
	                     : snprintf(out, sizeof out,
	                           "POST %s HTTP/1.1\r\nHost: bench\r\n%sContent-Type: application/json\r\nContent-Length: %zu\r\n\r\n%s",
	                           path, auth, strlen(body), body);
	c->sent_us = now_us();
	if (n >= (int)sizeof out || send(c->fd, out, (size_t)n, MSG_NOSIGNAL) != n)
		die("send", strerror(errno));
}

/* Length of the answer that begins in c->in, 0 while its head is not whole. */
static size_t answer_length(struct client *c) {
	c->in[c->n] = '\0';
	char *end = strstr(c->in, "\r\n\r\n"), *length = strcasestr(c->in, "\r\ncontent-length:");
	if (end == NULL)
		return 0;
	c->status = (int)strtol(c->in + 9, NULL, 10);
	return (size_t)(end + 4 - c->in) + (length != NULL && length < end ? strtoul(length + 17, NULL, 10) : 0);
}

bool client_receive(struct client *c, bool wait) {
	for (;;) {
		size_t whole = answer_length(c);
		if (whole > sizeof c->in - 1)
			die("answer", "too long");
		if (whole > 0 && c->n >= whole) {
			memmove(c->in, c->in + whole, c->n - whole);
			c->n -= whole;
			return true;
		}
		ssize_t got = recv(c->fd, c->in + c->n, sizeof c->in - 1 - c->n, wait ? 0 : MSG_DONTWAIT);
		if (got < 0 && (errno == EAGAIN || errno == EINTR) && !wait)
			return false;
		if (got <= 0)
			die("answer", got == 0 ? "the connection was closed" : strerror(errno));
		c->n += (size_t)got;
	}
}

void body_make(char *to, size_t size, const char *template, const char *name, int i) {
	size_t n = 0;
	for (const char *p = template; *p != '\0'; p++) {
		if (n + 64 > size)
			die(template, "too long");
		if (*p == '@')
			n += (size_t)snprintf(to + n, size - n, "%s-%d", name, i);
		else if (*p == '#')
			n += (size_t)snprintf(to + n, size - n, "%d", i % BODY_MODULES);
		else
			to[n++] = *p;
	}
	to[n] = '\0';
}

static int smaller(const void *a, const void *b) {
	int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;
	return (x > y) - (x < y);
}

int64_t percentile(int64_t *v, size_t n, double share) {
	qsort(v, n, sizeof *v, smaller);
	size_t at = (size_t)(share * (double)n);
	return n == 0 ? 0 : v[at < n ? at : n - 1];
}
