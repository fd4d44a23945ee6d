/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/client/key_peer.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <signal.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>

#include "tests/test.h"
#include "wire/client/identity.h"

static void extension_add(X509 *certificate, X509 *issuer, int nid, const char *value)
{
	X509_EXTENSION *extension;
	X509V3_CTX context;

	X509V3_set_ctx_nodb(&context);
	X509V3_set_ctx(&context, issuer, certificate, NULL, NULL, 0);
	extension = X509V3_EXT_conf_nid(NULL, &context, nid, value);
	assert_non_null(extension);
	assert_int_equal(X509_add_ext(certificate, extension, -1), 1);
	X509_EXTENSION_free(extension);
}

static X509 *certificate_begin(const char *name, EVP_PKEY *key, long from_s, long to_s)
{
	static long serial;
	X509 *certificate = X509_new();

	assert_non_null(certificate);
	assert_int_equal(X509_set_version(certificate, 2), 1);
	assert_int_equal(ASN1_INTEGER_set(X509_get_serialNumber(certificate), ++serial), 1);
	assert_non_null(X509_gmtime_adj(X509_getm_notBefore(certificate), from_s));
	assert_non_null(X509_gmtime_adj(X509_getm_notAfter(certificate), to_s));
	assert_int_equal(X509_set_pubkey(certificate, key), 1);
	assert_int_equal(X509_NAME_add_entry_by_txt(X509_get_subject_name(certificate), "CN",
	                     MBSTRING_UTF8, (const unsigned char *)name, -1, -1, 0),
	    1);
	return certificate;
}

void key_authority_make(struct key_authority *authority, const char *name)
{
	authority->key = EVP_EC_gen("P-256");
	assert_non_null(authority->key);
	authority->certificate = certificate_begin(name, authority->key, -86400, 86400);
	X509_set_issuer_name(authority->certificate, X509_get_subject_name(authority->certificate));
	extension_add(authority->certificate, authority->certificate, NID_basic_constraints,
	    "critical,CA:TRUE");
	extension_add(authority->certificate, authority->certificate, NID_key_usage,
	    "critical,keyCertSign,cRLSign");
	assert_true(X509_sign(authority->certificate, authority->key, EVP_sha256()) > 0);
}

void key_authority_free(struct key_authority *authority)
{
	EVP_PKEY_free(authority->key);
	X509_free(authority->certificate);
}

X509 *key_authority_sign(const struct key_authority *authority, EVP_PKEY *key, const char *uri,
    int server, long from_s, long to_s)
{
	X509 *certificate = certificate_begin(server ? "control" : "terminal", key, from_s, to_s);
	char value[KEYING_URI_SIZE_MAX + 8];

	snprintf(value, sizeof(value), "URI:%s", uri);
	X509_set_issuer_name(certificate, X509_get_subject_name(authority->certificate));
	extension_add(certificate, authority->certificate, NID_subject_alt_name, value);
	extension_add(certificate, authority->certificate, NID_ext_key_usage,
	    server ? "serverAuth" : "clientAuth");
	assert_true(X509_sign(certificate, authority->key, EVP_sha256()) > 0);
	return certificate;
}

void key_pem_write(
    const char *directory, const char *name, X509 *const *certificates, unsigned count)
{
	char path[256];
	FILE *file;

	snprintf(path, sizeof(path), "%s/%s", directory, name);
	file = fopen(path, "we");
	assert_non_null(file);
	for (unsigned i = 0; i < count; i++)
		assert_int_equal(PEM_write_X509(file, certificates[i]), 1);
	assert_int_equal(fclose(file), 0);
}

/* The request of the directory's own terminal, signed. */
static X509 *enroll(
    const struct key_authority *authority, const char *directory, long from_s, long to_s)
{
	char path[256], uri[KEYING_URI_SIZE_MAX];
	X509_REQ *request;
	X509 *made;
	FILE *file;

	snprintf(path, sizeof(path), "%s/" CLIENT_IDENTITY_REQUEST, directory);
	file = fopen(path, "re");
	assert_non_null(file);
	request = PEM_read_X509_REQ(file, NULL, NULL, NULL);
	assert_non_null(request);
	assert_int_equal(fclose(file), 0);
	assert_int_equal(X509_REQ_verify(request, X509_REQ_get0_pubkey(request)), 1);
	assert_int_equal(keying_uri_write(KEY_PEER_DEPLOYMENT, KEY_PEER_TERMINAL, uri), 0);
	made = key_authority_sign(authority, X509_REQ_get0_pubkey(request), uri, 0, from_s, to_s);
	X509_REQ_free(request);
	return made;
}

char *key_directory_make(const struct key_authority *authority, long from_s, long to_s)
{
	char *directory = strdup("/tmp/sluice-identity-XXXXXX");
	char message[320] = "";
	X509 *certificate;

	assert_non_null(mkdtemp(directory));
	if (authority == NULL)
		return directory;
	if (client_identity_make(
	        directory, KEY_PEER_DEPLOYMENT, KEY_PEER_TERMINAL, message, sizeof(message)) < 0)
		fail_msg("%s", message);
	certificate = enroll(authority, directory, from_s, to_s);
	key_pem_write(directory, CLIENT_IDENTITY_CERTIFICATE, &certificate, 1);
	key_pem_write(directory, CLIENT_IDENTITY_TRUST, &authority->certificate, 1);
	X509_free(certificate);
	return directory;
}

void key_directory_remove(char *directory)
{
	char command[128];

	snprintf(command, sizeof(command), "rm -r %s", directory);
	assert_int_equal(system(command), 0);
	free(directory);
}

/* ---- The server. It runs in a thread and asserts nothing: results are left in *peer. ---- */

static int alpn_choose(SSL *ssl, const unsigned char **out, unsigned char *out_size,
    const unsigned char *in, unsigned in_size, void *context)
{
	const struct key_peer *peer = context;

	(void)ssl;
	if (peer->no_alpn)
		return SSL_TLSEXT_ERR_NOACK;
	/* Says its own, whatever was offered: OpenSSL's client refuses what it did not offer. */
	if (SSL_select_next_proto((unsigned char **)(uintptr_t)out, out_size,
	        (const unsigned char *)peer->alpn, (unsigned)strlen(peer->alpn), in,
	        in_size) != OPENSSL_NPN_NEGOTIATED)
		return SSL_TLSEXT_ERR_ALERT_FATAL;
	return SSL_TLSEXT_ERR_OK;
}

static SSL_CTX *context_make(struct key_peer *peer)
{
	const struct key_authority *clients =
	    peer->clients != NULL ? peer->clients : peer->authority;
	SSL_CTX *context = SSL_CTX_new(TLS_server_method());
	EVP_PKEY *key = EVP_EC_gen("P-256");
	X509 *certificate = key_authority_sign(
	    peer->authority, key, peer->uri, 1, peer->certificate_from_s, peer->certificate_to_s);

	SSL_CTX_set_min_proto_version(context, peer->tls_1_2 ? TLS1_2_VERSION : TLS1_3_VERSION);
	SSL_CTX_set_max_proto_version(context, peer->tls_1_2 ? TLS1_2_VERSION : TLS1_3_VERSION);
	SSL_CTX_set_num_tickets(context, 0);
	SSL_CTX_use_certificate(context, certificate);
	SSL_CTX_use_PrivateKey(context, key);
	X509_STORE_add_cert(SSL_CTX_get_cert_store(context), clients->certificate);
	SSL_CTX_set_verify(context, SSL_VERIFY_PEER | SSL_VERIFY_FAIL_IF_NO_PEER_CERT, NULL);
	SSL_CTX_set_alpn_select_cb(context, alpn_choose, peer);
	X509_free(certificate);
	EVP_PKEY_free(key);
	return context;
}

static void say(SSL *ssl, unsigned kind, const void *body, size_t size, size_t told_size)
{
	struct keying_header header = { le16_make(KEYING_VERSION), le16_make((uint16_t)kind),
		le32_make((uint32_t)told_size) };
	uint8_t bytes[sizeof(header) + 2 * KEYING_BODY_SIZE_MAX];

	memcpy(bytes, &header, sizeof(header));
	memcpy(bytes + sizeof(header), body, size);
	(void)SSL_write(ssl, bytes, (int)(sizeof(header) + size));
}

static int read_all(SSL *ssl, uint8_t *bytes, size_t size)
{
	for (size_t used = 0; used < size;) {
		int count = SSL_read(ssl, bytes + used, (int)(size - used));

		if (count <= 0)
			return -1;
		used += (size_t)count;
	}
	return 0;
}

static int ask_read(struct key_peer *peer, SSL *ssl)
{
	uint8_t bytes[sizeof(struct keying_header)];

	if (read_all(ssl, bytes, sizeof(bytes)) < 0 ||
	    keying_header_read(bytes, sizeof(bytes), &peer->kind, &peer->request_size) < 0 ||
	    read_all(ssl, peer->request, peer->request_size) < 0)
		return -1;
	peer->asked = 1;
	return 0;
}

static void renewed_say(struct key_peer *peer, SSL *ssl)
{
	BIO *in = BIO_new_mem_buf(peer->request, (int)peer->request_size);
	X509_REQ *request = PEM_read_bio_X509_REQ(in, NULL, NULL, NULL);
	EVP_PKEY *other = EVP_EC_gen("P-256");
	struct key_authority stranger = { NULL, NULL };
	uint8_t body[KEYING_BODY_SIZE_MAX];
	struct keying_renewed lengths;
	char uri[KEYING_URI_SIZE_MAX];
	BIO *out = BIO_new(BIO_s_mem());
	size_t certificate_size, size;
	X509 *certificate;
	char *text;

	(void)!keying_uri_write(KEY_PEER_DEPLOYMENT, KEY_PEER_TERMINAL, uri);
	if (peer->answer == PEER_OTHER_CA)
		key_authority_make(&stranger, "stranger");
	certificate = key_authority_sign(stranger.key != NULL ? &stranger : peer->authority,
	    peer->answer == PEER_OTHER_KEY ? other : X509_REQ_get0_pubkey(request), uri, 0, -60,
	    86400);
	PEM_write_bio_X509(out, certificate);
	certificate_size = (size_t)BIO_get_mem_data(out, &text);
	PEM_write_bio_X509(out, peer->authority->certificate);
	size = (size_t)BIO_get_mem_data(out, &text);
	lengths.certificate_length = le32_make((uint32_t)certificate_size);
	lengths.authorities_length =
	    le32_make((uint32_t)(size - certificate_size) + (peer->answer == PEER_LENGTHS));
	memcpy(body, &lengths, sizeof(lengths));
	memcpy(body + sizeof(lengths), text, size);
	say(ssl, KEYING_RENEWED, body, sizeof(lengths) + size, sizeof(lengths) + size);
	BIO_free(in);
	BIO_free(out);
	X509_REQ_free(request);
	X509_free(certificate);
	EVP_PKEY_free(other);
	key_authority_free(&stranger);
}

static void good_say(struct key_peer *peer, SSL *ssl, size_t tail)
{
	struct keying_context context = {
		.version = le16_make(WIRE_VERSION),
		.aead = peer->established.aead,
		.session_id = peer->established.session_id,
		.terminal_id = peer->established.terminal_id,
	};
	uint8_t body[sizeof(peer->established) + 64];

	if (peer->kind == KEYING_RENEW) {
		renewed_say(peer, ssl);
		return;
	}
	peer->root_result = keying_deployment_hash(KEY_PEER_DEPLOYMENT, context.deployment_sha256);
	if (peer->root_result == 0)
		peer->root_result = keying_root_export(ssl, 1, &context, peer->root);
	memset(body, 0xee, sizeof(body));
	memcpy(body, &peer->established, sizeof(peer->established));
	say(ssl, KEYING_ESTABLISHED, body, sizeof(peer->established) + tail,
	    sizeof(peer->established) + tail);
}

static void refusal_say(struct key_peer *peer, SSL *ssl)
{
	struct keying_refused fields = { .code = le16_make(peer->refusal),
		.retry_after_s = le16_make(peer->retry_after_s) };
	uint8_t body[256];
	size_t text = peer->refusal_text == NULL ? 0 : strlen(peer->refusal_text);

	memcpy(body, &fields, sizeof(fields));
	memcpy(body + sizeof(fields), peer->refusal_text == NULL ? "" : peer->refusal_text, text);
	say(ssl, KEYING_REFUSED, body, sizeof(fields) + text, sizeof(fields) + text);
}

/* Until the other side ends the connection. */
static void peer_wait(int fd)
{
	uint8_t byte;

	while (recv(fd, &byte, 1, 0) > 0)
		;
}

static void answer_say(struct key_peer *peer, SSL *ssl, int fd)
{
	static const uint8_t garbage[16] = "HTTP/1.1 200 OK";
	uint8_t zeros[64] = { 0 };

	switch (peer->answer) {
	case PEER_REFUSE:
		refusal_say(peer, ssl);
		break;
	case PEER_REFUSE_SHORT:
		say(ssl, KEYING_REFUSED, zeros, 4, 4);
		break;
	case PEER_TRUNCATED:
		say(ssl, KEYING_ESTABLISHED, zeros, 40, sizeof(peer->established));
		break;
	case PEER_GARBAGE:
		(void)SSL_write(ssl, garbage, sizeof(garbage));
		break;
	case PEER_OTHER_VERSION:
		zeros[0] = KEYING_VERSION + 1;
		zeros[2] = KEYING_ESTABLISHED;
		(void)SSL_write(ssl, zeros, sizeof(zeros));
		break;
	case PEER_TOO_LONG:
		say(ssl, KEYING_ESTABLISHED, zeros, sizeof(zeros), KEYING_BODY_SIZE_MAX + 1);
		break;
	case PEER_OTHER_KIND:
		say(ssl, KEYING_RENEW, zeros, sizeof(zeros), sizeof(zeros));
		break;
	case PEER_SILENT:
		peer_wait(fd);
		break;
	case PEER_LONG_TAIL:
		good_say(peer, ssl, 40);
		break;
	case PEER_GOOD:
	case PEER_LENGTHS:
	case PEER_OTHER_KEY:
	case PEER_OTHER_CA:
		good_say(peer, ssl, 0);
		break;
	case PEER_DEAF:
	case PEER_HANG_UP:
	case PEER_NOT_TLS:
	default:
		break;
	}
}

static void *peer_run(void *context)
{
	struct key_peer *peer = context;
	int fd = accept4(peer->listener, NULL, NULL, SOCK_CLOEXEC);
	SSL_CTX *tls;
	SSL *ssl;

	if (fd < 0)
		return NULL; /* shut down: nobody came */
	if (peer->answer == PEER_DEAF)
		peer_wait(fd);
	if (peer->answer == PEER_NOT_TLS)
		(void)!write(fd, "220 mail.example ESMTP\r\n", 24);
	if (peer->answer == PEER_DEAF || peer->answer == PEER_HANG_UP ||
	    peer->answer == PEER_NOT_TLS) {
		close(fd);
		return NULL;
	}
	tls = context_make(peer);
	ssl = SSL_new(tls);
	SSL_set_fd(ssl, fd);
	if (SSL_accept(ssl) == 1) {
		peer->handshake_done = 1;
		if (ask_read(peer, ssl) == 0)
			answer_say(peer, ssl, fd);
		SSL_shutdown(ssl);
	}
	/* So that what was said arrives before the end of the connection. */
	shutdown(fd, SHUT_WR);
	peer_wait(fd);
	SSL_free(ssl);
	SSL_CTX_free(tls);
	ERR_clear_error();
	close(fd);
	return NULL;
}

void key_peer_init(struct key_peer *peer, const struct key_authority *authority)
{
	static char uri[KEYING_URI_SIZE_MAX];

	memset(peer, 0, sizeof(*peer));
	assert_int_equal(keying_uri_write(KEY_PEER_DEPLOYMENT, 0, uri), 0);
	peer->authority = authority;
	peer->uri = uri;
	peer->alpn = "\x08" KEYING_ALPN;
	peer->certificate_from_s = -60;
	peer->certificate_to_s = 3600;
	peer->root_result = 1;
	peer->established = (struct keying_established){
		.session_id = le32_make(KEY_PEER_SESSION),
		.epoch = le16_make(3),
		.aead = le16_make(KEYING_AEAD_AES256GCM),
		.terminal_id = le64_make(KEY_PEER_TERMINAL),
		.boot_id = le64_make(1000),
		.switch_time_ns = le64_make(5000000000),
		.expires_ns = le64_make(9000000000),
		.rights = le32_make(15),
		.address_ipv4 = le32_make(0xc6120001),
		.udp_port = le16_make(7400),
		.udp_port_count = le16_make(4),
	};
	assert_int_equal(
	    keying_deployment_hash(KEY_PEER_DEPLOYMENT, peer->established.deployment_sha256), 0);
}

void key_peer_start(struct key_peer *peer)
{
	struct sockaddr_in address = { .sin_family = AF_INET };
	socklen_t size = sizeof(address);

	signal(SIGPIPE, SIG_IGN); /* of this server; the library looks after itself */
	address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	peer->listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	assert_true(peer->listener >= 0);
	assert_int_equal(bind(peer->listener, (struct sockaddr *)&address, sizeof(address)), 0);
	assert_int_equal(listen(peer->listener, 4), 0);
	assert_int_equal(getsockname(peer->listener, (struct sockaddr *)&address, &size), 0);
	snprintf(peer->address, sizeof(peer->address), "127.0.0.1:%u", ntohs(address.sin_port));
	assert_int_equal(pthread_create(&peer->thread, NULL, peer_run, peer), 0);
}

void key_peer_end(struct key_peer *peer)
{
	shutdown(peer->listener, SHUT_RDWR);
	assert_int_equal(pthread_join(peer->thread, NULL), 0);
	close(peer->listener);
}
