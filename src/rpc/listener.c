/* Credentials of a listening address: plain, or TLS whose certificate can be renewed while it runs. gRPC asks for the certificate at
 * each handshake, on threads of its own: the lock guards the files' text. */
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include <grpc/grpc_security.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/ssl.h>

#include "base/err.h"
#include "base/file.h"
#include "rpc/rpc_int.h"

#define MAX_PEM (256 * 1024)

struct pem {
	char *cert, *key, *ca;
};

struct listener {
	struct listener *next;
	char *cert_file, *key_file, *ca_file;
	pthread_mutex_t lock;
	struct pem pem; /* under the lock */
	bool renewed;   /* gRPC has not seen pem yet; under the lock */
};

static void pem_free(struct pem *p) {
	free(p->cert);
	if (p->key != NULL)
		explicit_bzero(p->key, strlen(p->key));
	free(p->key);
	free(p->ca);
	*p = (struct pem){ 0 };
}

static int openssl_error(struct err *err, const char *what, const char *path) {
	char text[200] = "unknown reason";
	unsigned long code = ERR_get_error();
	if (code != 0)
		ERR_error_string_n(code, text, sizeof text);
	ERR_clear_error();
	return err_set(err, E_INVALID, "%s %s: %s", what, path, text);
}

/* gRPC would only fail each handshake: what is wrong with the files is said when they are read. */
static int pair_check(const struct listener *l, struct err *err) {
	SSL_CTX *ctx = SSL_CTX_new(TLS_server_method());
	if (ctx == NULL)
		return err_set(err, E_NOMEM, "no memory for TLS");
	int r = 0;
	if (SSL_CTX_use_certificate_chain_file(ctx, l->cert_file) != 1)
		r = openssl_error(err, "certificate", l->cert_file);
	else if (SSL_CTX_use_PrivateKey_file(ctx, l->key_file, SSL_FILETYPE_PEM) != 1 || SSL_CTX_check_private_key(ctx) != 1)
		r = openssl_error(err, "private key", l->key_file);
	else if (l->ca_file != NULL && SSL_CTX_load_verify_locations(ctx, l->ca_file, NULL) != 1)
		r = openssl_error(err, "client authorities", l->ca_file);
	SSL_CTX_free(ctx);
	return r;
}

static int pem_read(const struct listener *l, struct pem *ret, struct err *err) {
	struct pem p = { 0 };
	int r = pair_check(l, err);
	if (r == 0)
		r = file_read(l->cert_file, MAX_PEM, &p.cert, NULL, err);
	if (r == 0)
		r = file_read(l->key_file, MAX_PEM, &p.key, NULL, err);
	if (r == 0 && l->ca_file != NULL)
		r = file_read(l->ca_file, MAX_PEM, &p.ca, NULL, err);
	if (r != 0) {
		pem_free(&p);
		return r;
	}
	*ret = p;
	return 0;
}

static grpc_ssl_certificate_config_reload_status fetch(void *arg, grpc_ssl_server_certificate_config **config) {
	struct listener *l = arg;
	pthread_mutex_lock(&l->lock);
	bool renewed = l->renewed;
	l->renewed = false;
	if (renewed) {
		grpc_ssl_pem_key_cert_pair pair = { l->pem.key, l->pem.cert };
		/* gRPC 1.51 asserts that there are authorities, also when it asks no client for a certificate: then these are never used */
		*config = grpc_ssl_server_certificate_config_create(l->pem.ca != NULL ? l->pem.ca : l->pem.cert, &pair, 1);
	}
	pthread_mutex_unlock(&l->lock);
	return renewed ? GRPC_SSL_CERTIFICATE_CONFIG_RELOAD_NEW : GRPC_SSL_CERTIFICATE_CONFIG_RELOAD_UNCHANGED;
}

static void listener_free(struct listener *l) {
	pem_free(&l->pem);
	pthread_mutex_destroy(&l->lock);
	free(l->cert_file);
	free(l->key_file);
	free(l->ca_file);
	free(l);
}

static int listener_new(const struct rpc_tls *tls, struct listener **ret, struct err *err) {
	struct listener *l = calloc(1, sizeof *l);
	if (l == NULL)
		return err_set(err, E_NOMEM, "no memory for a listener");
	pthread_mutex_init(&l->lock, NULL);
	l->cert_file = strdup(tls->cert_file);
	l->key_file = strdup(tls->key_file);
	l->ca_file = tls->client_ca_file != NULL ? strdup(tls->client_ca_file) : NULL;
	int r = pem_read(l, &l->pem, err);
	if (r != 0) {
		listener_free(l);
		return r;
	}
	l->renewed = true;
	*ret = l;
	return 0;
}

grpc_server_credentials *listener_credentials(struct rpc *r, const struct rpc_tls *tls, struct err *err) {
	if (tls == NULL)
		return grpc_insecure_server_credentials_create();
	struct listener *l = NULL;
	if (listener_new(tls, &l, err) != 0)
		return NULL;
	l->next = r->listeners;
	r->listeners = l;
	grpc_ssl_client_certificate_request_type ask =
	    l->ca_file != NULL ? GRPC_SSL_REQUEST_AND_REQUIRE_CLIENT_CERTIFICATE_AND_VERIFY : GRPC_SSL_DONT_REQUEST_CLIENT_CERTIFICATE;
	grpc_server_credentials *creds =
	    grpc_ssl_server_credentials_create_with_options(grpc_ssl_server_credentials_create_options_using_config_fetcher(ask, fetch, l));
	if (creds == NULL)
		err_set(err, E_INVALID, "gRPC refuses the certificate %s", tls->cert_file);
	return creds;
}

int rpc_reload_tls(struct rpc *r, struct err *err) {
	int first = 0;
	for (struct listener *l = r->listeners; l != NULL; l = l->next) {
		struct pem fresh;
		int e = pem_read(l, &fresh, first == 0 ? err : NULL);
		if (e != 0) {
			first = first != 0 ? first : e;
			continue;
		}
		pthread_mutex_lock(&l->lock);
		pem_free(&l->pem);
		l->pem = fresh;
		l->renewed = true;
		pthread_mutex_unlock(&l->lock);
	}
	return first;
}

void listeners_free(struct rpc *r) {
	for (struct listener *l = r->listeners, *next; l != NULL; l = next) {
		next = l->next;
		listener_free(l);
	}
	r->listeners = NULL;
}
