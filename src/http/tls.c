/* TLS by OpenSSL under libevent's bufferevents: contexts from files, and the two calls a connection needs. */
#include <event2/bufferevent.h>
#include <event2/bufferevent_ssl.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <string.h>

#include "base/err.h"
#include "http/conn.h"

static int tls_error(struct err *err, const char *what, const char *file) {
	char text[256];
	unsigned long e = ERR_get_error();
	ERR_error_string_n(e, text, sizeof text);
	ERR_clear_error();
	return err_set(err, E_INVALID, "%s %s: %s", what, file, e != 0 ? text : "unusable");
}

/* HTTP/1.1 is all we speak; a client that offers only other protocols goes on without ALPN. */
static int choose_protocol(
    SSL *ssl, const unsigned char **out, unsigned char *out_len, const unsigned char *in, unsigned in_len, void *arg) {
	static const unsigned char http11[] = "\x08http/1.1";
	for (unsigned i = 0; i + 9 <= in_len; i += in[i] + 1u) {
		if (memcmp(in + i, http11, 9) == 0) {
			*out = in + i + 1;
			*out_len = 8;
			return SSL_TLSEXT_ERR_OK;
		}
	}
	return SSL_TLSEXT_ERR_NOACK;
}

static int require_clients(SSL_CTX *ctx, const char *ca_file, struct err *err) {
	if (SSL_CTX_load_verify_locations(ctx, ca_file, NULL) != 1)
		return tls_error(err, "client CA", ca_file);
	STACK_OF(X509_NAME) *names = SSL_load_client_CA_file(ca_file);
	if (names == NULL)
		return tls_error(err, "client CA", ca_file);
	SSL_CTX_set_client_CA_list(ctx, names);
	SSL_CTX_set_verify(ctx, SSL_VERIFY_PEER | SSL_VERIFY_FAIL_IF_NO_PEER_CERT, NULL);
	static const unsigned char id[] = "berth";
	SSL_CTX_set_session_id_context(ctx, id, sizeof id - 1);
	return 0;
}

static int load_files(SSL_CTX *ctx, const struct http_tls *files, struct err *err) {
	if (SSL_CTX_use_certificate_chain_file(ctx, files->cert_file) != 1)
		return tls_error(err, "certificate", files->cert_file);
	if (SSL_CTX_use_PrivateKey_file(ctx, files->key_file, SSL_FILETYPE_PEM) != 1)
		return tls_error(err, "private key", files->key_file);
	if (SSL_CTX_check_private_key(ctx) != 1)
		return tls_error(err, "the private key does not belong to the certificate:", files->key_file);
	return files->client_ca_file == NULL ? 0 : require_clients(ctx, files->client_ca_file, err);
}

int tls_context_new(const struct http_tls *files, SSL_CTX **ret, struct err *err) {
	SSL_CTX *ctx = SSL_CTX_new(TLS_server_method());
	if (ctx == NULL)
		return tls_error(err, "TLS", "context");
	SSL_CTX_set_min_proto_version(ctx, TLS1_2_VERSION);
	SSL_CTX_set_options(ctx, SSL_OP_NO_RENEGOTIATION | SSL_OP_NO_COMPRESSION | SSL_OP_IGNORE_UNEXPECTED_EOF);
	/* Idle connections give their buffers back (15 kB each instead of 50); evbuffers move between a blocked write and its repetition.
	 */
	SSL_CTX_set_mode(ctx, SSL_MODE_RELEASE_BUFFERS | SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
	SSL_CTX_set_alpn_select_cb(ctx, choose_protocol, NULL);
	int r = load_files(ctx, files, err);
	if (r != 0) {
		SSL_CTX_free(ctx);
		return r;
	}
	*ret = ctx;
	return 0;
}

struct bufferevent *tls_accept(struct loop *l, int fd, SSL *ssl) {
	struct bufferevent *bev = bufferevent_openssl_socket_new(
	    loop_base(l), fd, ssl, BUFFEREVENT_SSL_ACCEPTING, BEV_OPT_CLOSE_ON_FREE | BEV_OPT_DEFER_CALLBACKS);
	if (bev != NULL)
		bufferevent_openssl_set_allow_dirty_shutdown(bev, 1);
	return bev;
}

void tls_close_notify(struct bufferevent *bev) {
	SSL *ssl = bufferevent_openssl_get_ssl(bev);
	if (ssl != NULL && SSL_is_init_finished(ssl))
		SSL_shutdown(ssl);
	ERR_clear_error(); /* libevent reads OpenSSL's error queue of this thread after its next call */
}
