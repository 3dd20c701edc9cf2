#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/ssl.h>
#include <openssl/x509.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "../../suite.h"
#include "base/clock.h"
#include "base/err.h"
#include "site.h"

static struct site site;
static char cert_file[64], key_file[64];
static int reload_result;

/* A self-signed certificate with that serial number, over the files that are there. */
static void make_cert(long serial) {
	EVP_PKEY *key = EVP_EC_gen("P-256");
	X509 *cert = X509_new();
	ASN1_INTEGER_set(X509_get_serialNumber(cert), serial);
	X509_gmtime_adj(X509_getm_notBefore(cert), -60);
	X509_gmtime_adj(X509_getm_notAfter(cert), 3600);
	X509_set_pubkey(cert, key);
	X509_NAME *name = X509_get_subject_name(cert);
	X509_NAME_add_entry_by_txt(name, "CN", MBSTRING_ASC, (const unsigned char *)"localhost", -1, -1, 0);
	X509_set_issuer_name(cert, name);
	ck_assert_int_gt(X509_sign(cert, key, EVP_sha256()), 0);
	FILE *f = fopen(cert_file, "w");
	PEM_write_X509(f, cert);
	fclose(f);
	f = fopen(key_file, "w");
	PEM_write_PrivateKey(f, key, NULL, NULL, 0, NULL, NULL);
	fclose(f);
	X509_free(cert);
	EVP_PKEY_free(key);
}

static void start(const struct http_limits *limits) {
	snprintf(cert_file, sizeof cert_file, "/tmp/berth-tls-%d.crt", (int)getpid());
	snprintf(key_file, sizeof key_file, "/tmp/berth-tls-%d.key", (int)getpid());
	make_cert(1);
	struct http_tls tls = { cert_file, key_file, NULL };
	site_start(&site, limits, &tls);
}

static void stop(void) {
	site_stop(&site);
	unlink(cert_file);
	unlink(key_file);
}

struct client {
	SSL_CTX *ctx;
	SSL *ssl;
	int fd;
};

static struct client tls_open(void) {
	struct client c = { .ctx = SSL_CTX_new(TLS_client_method()), .fd = client_open(&site) };
	c.ssl = SSL_new(c.ctx);
	SSL_set_fd(c.ssl, c.fd);
	ck_assert_int_eq(SSL_connect(c.ssl), 1);
	return c;
}

static void tls_close(struct client *c) {
	SSL_free(c->ssl);
	SSL_CTX_free(c->ctx);
	close(c->fd);
}

static void tls_talk(const char *text, size_t n, struct buf *out, long *ret_serial) {
	struct client c = tls_open();
	char piece[16384];
	int got;
	if (ret_serial != NULL) {
		X509 *peer = SSL_get1_peer_certificate(c.ssl);
		*ret_serial = ASN1_INTEGER_get(X509_get_serialNumber(peer));
		X509_free(peer);
	}
	ck_assert_int_eq(SSL_write(c.ssl, text, (int)n), (int)n);
	while ((got = SSL_read(c.ssl, piece, sizeof piece)) > 0)
		buf_add(out, piece, (size_t)got);
	ck_assert_int_eq(SSL_get_error(c.ssl, got), SSL_ERROR_ZERO_RETURN); /* a proper end, not a cut */
	tls_close(&c);
}

#define TALK(text, out) tls_talk((text), strlen(text), (out), NULL)
#define GET_CLOSE(path) "GET " path " HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n"

START_TEST(it_speaks_tls) {
	start(NULL);
	BUF_AUTO out = BUF_INIT;
	TALK(GET_CLOSE("/hello"), &out);
	ck_assert_ptr_nonnull(strstr(out.data, "\r\n\r\nhello"));
	BUF_AUTO bad = BUF_INIT;
	TALK("GET / HTTP/1.1\r\n\r\n", &bad);
	ck_assert_ptr_nonnull(strstr(bad.data, "HTTP/1.1 400 "));
	stop();
}
END_TEST

START_TEST(large_bodies_pass_both_ways) {
	start(NULL);
	char path[] = "/tmp/berth-tls-XXXXXX";
	site.file_fd = mkstemp(path);
	unlink(path);
	site.file_bytes = 1000003;
	BUF_AUTO content = BUF_INIT;
	for (size_t i = 0; i < site.file_bytes; i++)
		buf_add_char(&content, (char)('a' + i % 19));
	ck_assert_int_eq(write(site.file_fd, content.data, content.len), (ssize_t)content.len);
	BUF_AUTO out = BUF_INIT;
	TALK(GET_CLOSE("/file"), &out);
	const char *body = strstr(out.data, "\r\n\r\n") + 4;
	ck_assert_uint_eq(out.len - (size_t)(body - out.data), site.file_bytes);
	ck_assert_int_eq(memcmp(body, content.data, site.file_bytes), 0);
	BUF_AUTO flood = BUF_INIT;
	TALK(GET_CLOSE("/flood"), &flood);
	ck_assert_uint_gt(flood.len, FLOOD_BYTES);
	BUF_AUTO up = BUF_INIT;
	BUF_AUTO counted = BUF_INIT;
	buf_printf(&up, "POST /count HTTP/1.1\r\nHost: a\r\nConnection: close\r\nContent-Length: %zu\r\n\r\n", content.len);
	buf_add(&up, content.data, content.len);
	tls_talk(up.data, up.len, &counted, NULL);
	ck_assert_ptr_nonnull(strstr(counted.data, "\r\n\r\n1000003"));
	stop();
}
END_TEST

static void reload(struct site *s) {
	struct err e = ERR_INIT;
	reload_result = http_server_reload_tls(s->server, &e);
	ck_assert((reload_result == 0) == (e.text[0] == '\0'));
}

START_TEST(new_handshakes_see_reloaded_files) {
	start(NULL);
	long serial = 0;
	struct client old = tls_open();
	make_cert(2);
	site_call(&site, reload);
	ck_assert_int_eq(reload_result, 0);
	BUF_AUTO out = BUF_INIT;
	tls_talk(GET_CLOSE("/hello"), strlen(GET_CLOSE("/hello")), &out, &serial);
	ck_assert_int_eq(serial, 2);
	char piece[1024];
	ck_assert_int_gt(SSL_write(old.ssl, GET_CLOSE("/hello"), (int)strlen(GET_CLOSE("/hello"))), 0);
	ck_assert_int_gt(SSL_read(old.ssl, piece, sizeof piece), 0);
	tls_close(&old);
	FILE *f = fopen(key_file, "w");
	fputs("half a key", f);
	fclose(f);
	site_call(&site, reload);
	ck_assert_int_ne(reload_result, 0);
	BUF_AUTO again = BUF_INIT;
	tls_talk(GET_CLOSE("/hello"), strlen(GET_CLOSE("/hello")), &again, &serial);
	ck_assert_int_eq(serial, 2);
	stop();
}
END_TEST

START_TEST(plain_text_and_silence_get_nothing) {
	struct http_limits limits = { .head_us = 200000 };
	start(&limits);
	BUF_AUTO out = BUF_INIT;
	client_talk(&site, GET_CLOSE("/hello"), &out);
	ck_assert_uint_eq(count_text(&out, "HTTP/1.1"), 0);
	int fd = client_open(&site);
	ck_assert(client_read_all(fd, &out)); /* a handshake that never comes */
	close(fd);
	struct client c = tls_open();
	char piece[64];
	ck_assert_int_le(SSL_read(c.ssl, piece, sizeof piece), 0); /* a request that never comes */
	tls_close(&c);
	stop();
}
END_TEST

START_TEST(handshakes_count_for_the_caps) {
	struct http_limits limits = { .max_per_address = 2 };
	start(&limits);
	int one = client_open(&site), two = client_open(&site);
	mono_t until = mono_add(clock_mono(&clock_real), 5 * US_PER_S);
	while (site_stats(&site).connections < 2)
		ck_assert(mono_before(clock_mono(&clock_real), until));
	BUF_AUTO out = BUF_INIT;
	int three = client_open(&site);
	ck_assert(client_read_all(three, &out));
	ck_assert_uint_eq(site_stats(&site).over_limit, 1);
	close(one);
	close(two);
	close(three);
	stop();
}
END_TEST

TEST_SUITE("http/tls", it_speaks_tls, handshakes_count_for_the_caps, large_bodies_pass_both_ways, new_handshakes_see_reloaded_files,
    plain_text_and_silence_get_nothing)
