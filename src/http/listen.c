/* Listening sockets: addresses to sockets, accepting under the caps, TLS contexts and their reload. */
#include <errno.h>
#include <event2/listener.h>
#include <netdb.h>
#include <netinet/in.h>
#include <openssl/ssl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/err.h"
#include "http/conn.h"

#define BACKLOG 1024
#define RETRY_US (200 * US_PER_MS)

/* Over a cap: a plain client is told when to come back; TLS would cost us the handshake that the cap is there to save. */
static void turn_away(struct http_listener *ls, int fd) {
	static const char busy[] = "HTTP/1.1 503 Service Unavailable\r\nRetry-After: 2\r\nContent-Length: 0\r\nConnection: close\r\n\r\n";
	ls->server->stats.over_limit++;
	if (ls->tls == NULL && send(fd, busy, sizeof busy - 1, MSG_DONTWAIT | MSG_NOSIGNAL) > 0)
		shutdown(fd, SHUT_WR);
	close(fd);
}

static void on_accept(struct evconnlistener *ev, evutil_socket_t fd, struct sockaddr *peer, int len, void *arg) {
	struct http_listener *ls = arg;
	struct address_count *address;
	SSL *ssl = NULL;
	if (server_conn_admit(ls->server, peer, &address) != 0) {
		turn_away(ls, fd);
		return;
	}
	if (ls->tls != NULL && (ssl = SSL_new(ls->tls)) == NULL) {
		server_conn_refund(ls->server, address);
		turn_away(ls, fd);
		return;
	}
	http_conn_new(ls->server, fd, ssl, peer, address, ls->tag);
}

/* Out of descriptors: the waiting connection keeps the socket readable, so accepting at once again would spin. */
static void on_accept_error(struct evconnlistener *ev, void *arg) {
	struct http_listener *ls = arg;
	evconnlistener_disable(ev);
	timer_set(&ls->retry, RETRY_US);
}

static void on_retry(void *arg) {
	struct http_listener *ls = arg;
	evconnlistener_enable(ls->ev);
}

void listener_free(struct http_listener *ls) {
	LIST_REMOVE(ls, link);
	timer_deinit(&ls->retry);
	if (ls->ev != NULL)
		evconnlistener_free(ls->ev);
	if (ls->unix_path != NULL)
		unlink(ls->unix_path);
	SSL_CTX_free(ls->tls);
	free(ls->cert_file);
	free(ls->key_file);
	free(ls->client_ca_file);
	free(ls->unix_path);
	free(ls);
}

static char *copy(const char *s) {
	char *d = s == NULL ? NULL : strdup(s);
	if (s != NULL && d == NULL)
		abort();
	return d;
}

static struct http_tls listener_files(const struct http_listener *ls) {
	return (struct http_tls){ ls->cert_file, ls->key_file, ls->client_ca_file };
}

/* Takes fd also when it fails. */
static int add_listener(struct http_server *s, int fd, const struct http_tls *tls, int tag, const char *unix_path, struct err *err) {
	struct http_listener *ls = calloc(1, sizeof *ls);
	if (ls == NULL)
		abort();
	ls->server = s;
	ls->tag = tag;
	ls->unix_path = copy(unix_path);
	timer_init(&ls->retry, s->loop, on_retry, ls);
	LIST_INSERT_HEAD(&s->listeners, ls, link);
	int r = 0;
	if (tls != NULL) {
		ls->cert_file = copy(tls->cert_file);
		ls->key_file = copy(tls->key_file);
		ls->client_ca_file = copy(tls->client_ca_file);
		r = tls_context_new(tls, &ls->tls, err);
	}
	if (r == 0) {
		evutil_make_socket_nonblocking(fd);
		ls->ev = evconnlistener_new(loop_base(s->loop), on_accept, ls, LEV_OPT_CLOSE_ON_FREE | LEV_OPT_CLOSE_ON_EXEC, 0, fd);
		if (ls->ev == NULL)
			r = err_set(err, E_INTERNAL, "libevent cannot watch the listening socket");
	}
	if (r != 0) {
		close(fd);
		listener_free(ls);
		return r;
	}
	evconnlistener_set_error_cb(ls->ev, on_accept_error);
	return 0;
}

static int bind_error(const char *address, struct err *err) {
	if (errno == EADDRINUSE)
		return err_set(err, E_BUSY, "%s is in use by another process; choose another address or port", address);
	if (errno == EACCES || errno == EPERM)
		return err_set(err, E_FORBIDDEN, "no permission to listen on %s", address);
	return err_errno(err, errno, "cannot listen on %s", address);
}

static int open_socket(const struct sockaddr *sa, socklen_t len, const char *address, int *ret_fd, struct err *err) {
	int fd = socket(sa->sa_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0), on = 1;
	if (fd < 0)
		return err_errno(err, errno, "cannot open a socket for %s", address);
	if (sa->sa_family != AF_UNIX)
		setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
	if (sa->sa_family == AF_INET6)
		setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &on, sizeof on);
	if (bind(fd, sa, len) != 0 || listen(fd, BACKLOG) != 0) {
		int r = bind_error(address, err);
		close(fd);
		return r;
	}
	*ret_fd = fd;
	return 0;
}

/* A socket file whose owner is dead refuses connections and may be replaced; one that answers may not. */
static void remove_stale(const struct sockaddr_un *un) {
	struct stat st;
	int fd;
	if (stat(un->sun_path, &st) != 0 || !S_ISSOCK(st.st_mode) ||
	    (fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0)) < 0)
		return;
	if (connect(fd, (const struct sockaddr *)(const void *)un, sizeof *un) != 0 && errno == ECONNREFUSED)
		unlink(un->sun_path);
	close(fd);
}

static int listen_unix(const char *path, int *ret_fd, struct err *err) {
	struct sockaddr_un un = { .sun_family = AF_UNIX };
	size_t n = strlen(path);
	if (n == 0 || n >= sizeof un.sun_path)
		return err_set(err, E_INVALID, "a socket path has 1 to %zu bytes: '%.200s'", sizeof un.sun_path - 1, path);
	memcpy(un.sun_path, path, n + 1);
	remove_stale(&un);
	return open_socket((const struct sockaddr *)&un, sizeof un, path, ret_fd, err);
}

/* "host:port", "[v6]:port", "*:port" */
static int split_address(const char *address, char host[256], char port[8], struct err *err) {
	const char *colon = strrchr(address, ':'), *from = address, *to = colon;
	if (colon != NULL && *from == '[') {
		from++;
		to = colon - 1;
		if (to <= from || *to != ']')
			colon = NULL;
	} else if (colon != NULL && memchr(address, ':', (size_t)(colon - address)) != NULL) {
		colon = NULL; /* an IPv6 address without its brackets */
	}
	size_t digits = colon == NULL ? 0 : strspn(colon + 1, "0123456789");
	if (digits == 0 || digits > 5 || colon[1 + digits] != '\0' || to - from >= 256 || strtol(colon + 1, NULL, 10) > 65535)
		return err_set(
		    err, E_INVALID, "'%.200s' is no address to listen on; write 127.0.0.1:7777, [::1]:7777 or unix:/path", address);
	memcpy(host, from, (size_t)(to - from));
	host[to - from] = '\0';
	memcpy(port, colon + 1, digits + 1);
	return 0;
}

static int listen_tcp(const char *address, int *ret_fd, struct err *err) {
	char host[256], port[8];
	int r = split_address(address, host, port, err);
	if (r != 0)
		return r;
	bool any = host[0] == '\0' || strcmp(host, "*") == 0;
	struct addrinfo hints = { .ai_socktype = SOCK_STREAM,
		.ai_flags = AI_PASSIVE | AI_NUMERICSERV,
		.ai_family = any ? AF_INET : AF_UNSPEC },
	                *found;
	int e = getaddrinfo(any ? NULL : host, port, &hints, &found);
	if (e != 0)
		return err_set(err, E_INVALID, "cannot listen on %s: %s", address, gai_strerror(e));
	r = open_socket(found->ai_addr, found->ai_addrlen, address, ret_fd, err);
	freeaddrinfo(found);
	return r;
}

static int bound_port(int fd) {
	struct sockaddr_storage ss;
	socklen_t len = sizeof ss;
	if (getsockname(fd, (struct sockaddr *)&ss, &len) != 0)
		return 0;
	if (ss.ss_family == AF_INET)
		return ntohs(((struct sockaddr_in *)&ss)->sin_port);
	return ss.ss_family == AF_INET6 ? ntohs(((struct sockaddr_in6 *)&ss)->sin6_port) : 0;
}

int http_server_listen(struct http_server *s, const char *address, const struct http_tls *tls, int tag, int *ret_port, struct err *err) {
	int fd;
	bool is_unix = strncmp(address, "unix:", 5) == 0;
	int r = is_unix ? listen_unix(address + 5, &fd, err) : listen_tcp(address, &fd, err);
	if (r != 0)
		return r;
	int port = bound_port(fd);
	r = add_listener(s, fd, tls, tag, is_unix ? address + 5 : NULL, err);
	if (r == 0 && ret_port != NULL)
		*ret_port = port;
	return r;
}

int http_server_listen_fd(struct http_server *s, int fd, const struct http_tls *tls, int tag, struct err *err) {
	return add_listener(s, fd, tls, tag, NULL, err);
}

static SSL_CTX **new_contexts(struct http_server *s, size_t *ret_n, struct err *err) {
	struct http_listener *ls;
	size_t n = 0;
	LIST_FOREACH(ls, &s->listeners, link)
		n++;
	SSL_CTX **made = calloc(n + 1, sizeof(SSL_CTX *));
	if (made == NULL)
		abort();
	n = 0;
	LIST_FOREACH(ls, &s->listeners, link) {
		struct http_tls files = listener_files(ls);
		if (ls->tls != NULL && tls_context_new(&files, &made[n], err) != 0)
			break;
		n++;
	}
	*ret_n = n;
	if (ls == NULL)
		return made;
	for (size_t i = 0; i < n; i++)
		SSL_CTX_free(made[i]);
	free(made);
	return NULL;
}

/* All or nothing: a half-written key file must leave every listener as it was. */
int http_server_reload_tls(struct http_server *s, struct err *err) {
	struct err e = ERR_INIT;
	size_t n, i = 0;
	SSL_CTX **made = new_contexts(s, &n, &e);
	if (made == NULL) {
		if (err != NULL)
			*err = e;
		return e.code;
	}
	struct http_listener *ls;
	LIST_FOREACH(ls, &s->listeners, link) {
		SSL_CTX *old = ls->tls;
		ls->tls = made[i++];
		SSL_CTX_free(old);
	}
	free(made);
	return 0;
}
