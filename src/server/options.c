/* What a single row of the table cannot check: addresses, durations that depend on each other, files that belong together. */
#include "server/options.h"

#include <arpa/inet.h>
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "api/credential.h"
#include "base/arena.h"
#include "base/err.h"

enum { STRING = OPT_STRING, INT = OPT_INT, BOOL = OPT_BOOL, DURATION = OPT_DURATION, SIZE = OPT_SIZE, LIST = OPT_LIST };

const struct opt_def server_option_table[] = {
#define OPTION(name_, letter_, section_, kind_, field_, fallback_, min_, max_, value_, help_, secret_) \
	{ .name = name_,                                                                               \
		.letter = letter_,                                                                     \
		.section = section_,                                                                   \
		.kind = (enum opt_kind)kind_,                                                          \
		.offset = offsetof(struct server_options, field_),                                     \
		.fallback = fallback_,                                                                 \
		.min = min_,                                                                           \
		.max = max_,                                                                           \
		.value = value_,                                                                       \
		.help = help_,                                                                         \
		.secret = secret_ },
#include "server/options.def"
#undef OPTION
};
const size_t server_option_count = sizeof server_option_table / sizeof *server_option_table;

/* ---- addresses ------------------------------------------------------------------------------------------------------------------- */

/* Host of "host:port" or "[v6]:port"; false when there is no port. */
static bool address_split(const char *address, char *host, size_t size) {
	const char *colon = strrchr(address, ':');
	if (colon == NULL || colon == address || colon[1] == '\0' || strspn(colon + 1, "0123456789") != strlen(colon + 1) ||
	    strlen(colon + 1) > 5 || strtol(colon + 1, NULL, 10) > 65535)
		return false;
	size_t n = (size_t)(colon - address);
	if (address[0] == '[' && address[n - 1] == ']') {
		address++;
		n -= 2;
	} else if (memchr(address, ':', n) != NULL) {
		return false;
	}
	if (n == 0 || n >= size)
		return false;
	memcpy(host, address, n);
	host[n] = '\0';
	return true;
}

bool address_is_loopback(const char *address) {
	char host[256];
	struct in_addr v4;
	struct in6_addr v6;
	if (strncmp(address, "unix:", 5) == 0)
		return true;
	if (!address_split(address, host, sizeof host))
		return false;
	if (inet_pton(AF_INET, host, &v4) == 1)
		return ntohl(v4.s_addr) >> 24 == 127;
	if (inet_pton(AF_INET6, host, &v6) == 1)
		return IN6_IS_ADDR_LOOPBACK(&v6);
	return strcmp(host, "localhost") == 0;
}

static int check_address(const char *option, const char *address, struct err *err) {
	char host[256];
	if (strncmp(address, "unix:", 5) == 0 || address_split(address, host, sizeof host))
		return 0;
	return err_set(err, E_INVALID, "--%s %.200s: not an address; it is HOST:PORT, [IPV6]:PORT or unix:/path", option, address);
}

static int check_listen(const struct server_options *o, const char *option, const char *address, struct err *err) {
	int r = check_address(option, address, err);
	if (r != 0 || o->tls_cert != NULL || o->insecure_listen || address_is_loopback(address))
		return r;
	return err_set(err, E_INVALID,
	    "--%s %.200s is reachable by others, without TLS: set --tls-cert and --tls-key, or say --insecure-listen if the network is "
	    "trusted",
	    option, address);
}

static int check_addresses(const struct server_options *o, struct err *err) {
	int r = check_listen(o, "listen", o->listen, err);
	if (r == 0)
		r = check_listen(o, "rpc-listen", o->rpc_listen, err);
	if (r == 0 && o->join_listen != NULL)
		r = check_address("join-listen", o->join_listen, err);
	if (r == 0 && o->rest_advertise != NULL)
		r = check_address("rest-advertise", o->rest_advertise, err);
	if (r == 0 && o->rpc_advertise != NULL)
		r = check_address("rpc-advertise", o->rpc_advertise, err);
	for (char **s = o->servers; r == 0 && s != NULL && *s != NULL; s++)
		r = check_address("server", *s, err);
	return r;
}

/* ---- the rest -------------------------------------------------------------------------------------------------------------------- */

static int check_files(const struct server_options *o, struct err *err) {
	if ((o->tls_cert == NULL) != (o->tls_key == NULL))
		return err_set(err, E_INVALID, "--tls-cert and --tls-key belong together; only --%s is set",
		    o->tls_cert != NULL ? "tls-cert" : "tls-key");
	if (o->tls_client_ca != NULL && o->tls_cert == NULL)
		return err_set(err, E_INVALID, "--tls-client-ca needs --tls-cert and --tls-key");
	const char *files[] = { o->tls_cert, o->tls_key, o->tls_client_ca, o->tls_peer_ca, o->artifact_ca };
	for (size_t i = 0; i < sizeof files / sizeof *files; i++)
		if (files[i] != NULL && access(files[i], R_OK) != 0)
			return err_set(err, E_INVALID, "%s cannot be read: %m", files[i]);
	return 0;
}

static int check_credentials(const struct server_options *o, struct err *err) {
	ARENA_AUTO a = arena_new();
	struct credentials read;
	return credentials_read(a, (const char *const *)o->artifact_credentials, &read, err);
}

/* The holder must have stopped before anybody may take over, and a renewal must fit in well before that. */
static int check_durations(const struct server_options *o, struct err *err) {
	if (o->renew >= o->stop || o->stop >= o->lease)
		return err_set(err, E_INVALID, "--renew has to be shorter than --stop, and --stop shorter than --lease");
	if (o->silent >= o->lost)
		return err_set(err, E_INVALID, "--silent has to be shorter than --lost");
	if (o->heartbeat >= o->silent)
		return err_set(err, E_INVALID, "--heartbeat has to be shorter than --silent");
	return 0;
}

static int check_log(struct server_options *o, struct err *err) {
	if (!log_level_parse(o->log_level, &o->level))
		return err_set(err, E_INVALID, "--log-level %.40s: debug, info, warn and error are possible", o->log_level);
	bool json = strcmp(o->log_format, "json") == 0;
	if (!json && strcmp(o->log_format, "logfmt") != 0)
		return err_set(err, E_INVALID, "--log-format %.40s: logfmt and json are possible", o->log_format);
	o->format = json ? LOG_FORMAT_JSON : LOG_FORMAT_LOGFMT;
	return 0;
}

static const char *home_dir(void) {
	const char *home = getenv("HOME");
	if (home != NULL && home[0] == '/')
		return home;
	const struct passwd *pw = getpwuid(geteuid());
	return pw != NULL ? pw->pw_dir : "";
}

static int find_data_dir(struct server_options *o, struct err *err) {
	char cwd[256] = "";
	const char *xdg = getenv("XDG_DATA_HOME");
	int n;
	if (o->data != NULL && o->data[0] == '/')
		n = snprintf(o->data_dir, sizeof o->data_dir, "%s", o->data);
	else if (o->data != NULL && o->data[0] != '\0' && getcwd(cwd, sizeof cwd) != NULL)
		n = snprintf(o->data_dir, sizeof o->data_dir, "%s/%s", cwd, o->data);
	else if (geteuid() == 0)
		n = snprintf(o->data_dir, sizeof o->data_dir, "/var/lib/berth");
	else if (xdg != NULL && xdg[0] == '/')
		n = snprintf(o->data_dir, sizeof o->data_dir, "%s/berth", xdg);
	else
		n = snprintf(o->data_dir, sizeof o->data_dir, "%s/.local/share/berth", home_dir());
	if (n < 0 || (size_t)n >= sizeof o->data_dir - 64)
		return err_set(err, E_INVALID, "--data: the path is too long");
	return 0;
}

int options_read(int argc, char **argv, struct server_options *ret, struct opts **ret_handle, struct err *err) {
	struct server_options o = { 0 };
	struct opts *handle;
	int rest = argc;
	int r = opt_parse(server_option_table, server_option_count, "BERTHD_", "config", argc, argv, &o, &handle, &rest, err);
	if (r != 0)
		return r;
	if (rest < argc)
		r = err_set(err, E_INVALID, "unexpected argument %.80s; berthd takes options only, see --help", argv[rest]);
	if (r == 0)
		r = check_log(&o, err);
	if (r == 0)
		r = check_files(&o, err);
	if (r == 0)
		r = check_credentials(&o, err);
	if (r == 0)
		r = check_addresses(&o, err);
	if (r == 0)
		r = check_durations(&o, err);
	if (r == 0)
		r = find_data_dir(&o, err);
	if (r != 0) {
		opts_free(handle);
		return r;
	}
	*ret = o;
	*ret_handle = handle;
	return 0;
}
