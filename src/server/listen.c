/* Opens the addresses and works out how others reach them. A taken port is an error with its way out, or with --any-port another one. */
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/err.h"
#include "base/file.h"
#include "base/log.h"
#include "http/server.h"
#include "rpc/rpc.h"
#include "server/berthd.h"

typedef int (*open_fn)(struct berthd *s, const char *address, int *ret_port, struct err *err);

static const struct http_tls *http_tls(const struct berthd *s, struct http_tls *tls) {
	*tls = (struct http_tls){ s->opt.tls_cert, s->opt.tls_key, s->opt.tls_client_ca };
	return s->opt.tls_cert != NULL ? tls : NULL;
}

static int open_rest(struct berthd *s, const char *address, int *ret_port, struct err *err) {
	struct http_tls tls;
	return http_server_listen(s->http, address, http_tls(s, &tls), LISTEN_MAIN, ret_port, err);
}

/* Always plain: stock bases know no other. */
static int open_join(struct berthd *s, const char *address, int *ret_port, struct err *err) {
	return http_server_listen(s->http, address, NULL, LISTEN_JOIN, ret_port, err);
}

static int open_rpc(struct berthd *s, const char *address, int *ret_port, struct err *err) {
	struct rpc_tls tls = { s->opt.tls_cert, s->opt.tls_key, s->opt.tls_client_ca };
	return rpc_listen(s->rpc, address, tls.cert_file != NULL ? &tls : NULL, ret_port, err);
}

static void with_port(const char *address, int port, char *out) {
	const char *colon = strrchr(address, ':');
	snprintf(out, ADDRESS_MAX, "%.*s:%d", (int)(colon - address), address, port);
}

static int open_one(struct berthd *s, const char *option, const char *address, open_fn open, char *bound, struct err *err) {
	int port = 0;
	int r = open(s, address, &port, err);
	if (r == E_BUSY && s->opt.any_port && strncmp(address, "unix:", 5) != 0) {
		char other[ADDRESS_MAX];
		with_port(address, 0, other);
		r = open(s, other, &port, err);
		if (r == 0)
			log_warn("the port is taken; another one is used", log_s("option", option), log_s("wanted", address),
			    log_i("port", port));
	}
	if (r == E_BUSY)
		return err_set(err, E_BUSY, "%s is taken: choose another with --%s, or let --any-port pick one", address, option);
	if (r != 0)
		return err_context(err, "--%s", option);
	if (strncmp(address, "unix:", 5) == 0)
		snprintf(bound, ADDRESS_MAX, "%s", address);
	else
		with_port(address, port, bound);
	return 0;
}

/* Every address of this machine is none that others could use: then its name is. */
static void advertise(const char *given, const char *bound, char *out) {
	char host[128] = "localhost";
	const char *colon = strrchr(bound, ':');
	bool any = strncmp(bound, "0.0.0.0:", 8) == 0 || strncmp(bound, "[::]:", 5) == 0;
	if (any)
		gethostname(host, sizeof host - 1);
	if (given != NULL)
		snprintf(out, ADDRESS_MAX, "%s", given);
	else if (any)
		snprintf(out, ADDRESS_MAX, "%s%s", host, colon);
	else
		snprintf(out, ADDRESS_MAX, "%s", bound);
}

static int write_port_file(const struct berthd *s, struct err *err) {
	BUF_AUTO out = BUF_INIT;
	const char *const fields[][2] = { { "rest", s->rest_bound }, { "rpc", s->rpc_bound }, { "join", s->join_bound },
		{ "data", s->opt.data_dir } };
	buf_printf(&out, "{\"pid\":%d", (int)getpid());
	for (size_t i = 0; i < sizeof fields / sizeof *fields; i++) {
		if (fields[i][1][0] == '\0')
			continue;
		buf_printf(&out, ",\"%s\":", fields[i][0]);
		buf_add_json(&out, fields[i][1]);
	}
	buf_add_str(&out, "}\n");
	return file_write(s->opt.port_file, buf_str(&out), out.len, 0644, err);
}

int listen_all(struct berthd *s, struct err *err) {
	char rest[ADDRESS_MAX], join[ADDRESS_MAX];
	int r = open_one(s, "listen", s->opt.listen, open_rest, s->rest_bound, err);
	if (r == 0)
		r = open_one(s, "rpc-listen", s->opt.rpc_listen, open_rpc, s->rpc_bound, err);
	if (r == 0 && s->opt.join_listen != NULL)
		r = open_one(s, "join-listen", s->opt.join_listen, open_join, s->join_bound, err);
	if (r != 0)
		return r;
	advertise(s->opt.rest_advertise, s->rest_bound, rest);
	advertise(s->opt.rpc_advertise, s->rpc_bound, s->rpc_address);
	/* With TLS the address says so: a standby that forwards requests has nothing else to go by. */
	advertise(s->opt.join_advertise, s->join_bound, join);
	snprintf(s->join_artifacts, sizeof s->join_artifacts, "http://%s", join);
	snprintf(s->artifacts, sizeof s->artifacts, "%s://%s", s->opt.tls_cert != NULL ? "https" : "http", rest);
	snprintf(s->rest_address, sizeof s->rest_address, "%s", s->opt.tls_cert != NULL ? s->artifacts : rest);
	log_info("listening", log_s("rest", s->rest_bound), log_s("rpc", s->rpc_bound), log_s("join", s->join_bound));
	return s->opt.port_file != NULL ? write_port_file(s, err) : 0;
}
