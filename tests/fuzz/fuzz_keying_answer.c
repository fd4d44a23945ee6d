/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Targets: keying_wire_ask, keying_answer_established, keying_answer_renewed: what the key server
 * may answer a terminal, inside TLS with certificates both sides accept.
 *
 * First byte: bit 0: RENEW is asked, else ESTABLISH; bits 1 and 2: 0 the rest is what the server
 * says, as it is; 1 it is the body of the answer that is expected, its header made right; 2 of
 * REFUSED; 3 it changes a good answer: three bytes each, offset in the body (2 bytes) and what is
 * turned over there. Bit 3: the bytes come in pieces; bit 4: the server says goodbye behind them.
 *
 * Whatever comes, it ends with a result the interface names and a sentence that can be printed; a
 * refused answer leaves session and identity as they were.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/ssl.h>

#include "tests/client/key_peer.h"
#include "tests/fuzz/fuzz.h"
#include "wire/client/keying_answer.h"

#define RENEW      0x01u
#define PIECES     0x08u
#define GOODBYE    0x10u
#define PIECE_SIZE 7u
#define EDIT_SIZE  3u
#define BIO_SIZE   (1u << 17)
#define INPUT_MAX  (2 * KEYING_BODY_SIZE_MAX)
#define TALKS_MAX  10000u /* on one connection */

enum form { FORM_RAW, FORM_BODY, FORM_REFUSED, FORM_CHANGED };

struct message {
	uint8_t bytes[KEYING_BODY_SIZE_MAX];
	size_t size;
};

static struct {
	struct key_authority authority;
	char *directory; /* of the terminal's identity */
	struct client_identity identity;
	EVP_PKEY *renewal; /* the key a renewal is asked for */
	SSL_CTX *clients, *servers;
	struct message established, renewed; /* good answers */
	SSL *client, *server;                /* NULL: no connection yet */
	unsigned talks;
} bed;

static void connection_end(void)
{
	SSL_free(bed.client);
	SSL_free(bed.server);
	bed.client = bed.server = NULL;
}

static void bed_end(void)
{
	connection_end();
	SSL_CTX_free(bed.clients);
	SSL_CTX_free(bed.servers);
	EVP_PKEY_free(bed.renewal);
	client_identity_free(&bed.identity);
	key_authority_free(&bed.authority);
	key_directory_remove(bed.directory);
}

static int alpn_choose(SSL *ssl, const unsigned char **out, unsigned char *out_size,
    const unsigned char *offered, unsigned offered_size, void *context)
{
	(void)ssl;
	(void)offered;
	(void)offered_size;
	(void)context;
	*out = (const unsigned char *)KEYING_ALPN;
	*out_size = sizeof(KEYING_ALPN) - 1;
	return SSL_TLSEXT_ERR_OK;
}

static SSL_CTX *context_make(const SSL_METHOD *method, X509 *certificate, EVP_PKEY *key)
{
	SSL_CTX *context = SSL_CTX_new(method);

	SLUICE_REQUIRE(context != NULL);
	SLUICE_REQUIRE(SSL_CTX_use_certificate(context, certificate) == 1 &&
	               SSL_CTX_use_PrivateKey(context, key) == 1);
	SLUICE_REQUIRE(SSL_CTX_set_min_proto_version(context, TLS1_3_VERSION) == 1);
	SLUICE_REQUIRE(SSL_CTX_set_ciphersuites(context, "TLS_AES_256_GCM_SHA384") == 1);
	SSL_CTX_set_alpn_select_cb(context, alpn_choose, NULL);
	SLUICE_REQUIRE(SSL_CTX_set_alpn_protos(context, (const unsigned char *)"\x08" KEYING_ALPN,
	                   sizeof(KEYING_ALPN)) == 0);
	SSL_CTX_set_num_tickets(context, 0);
	X509_STORE_add_cert(SSL_CTX_get_cert_store(context), bed.authority.certificate);
	SSL_CTX_set_verify(context, SSL_VERIFY_PEER | SSL_VERIFY_FAIL_IF_NO_PEER_CERT, NULL);
	return context;
}

static void contexts_make(void)
{
	EVP_PKEY *key = EVP_EC_gen("P-256");
	char uri[KEYING_URI_SIZE_MAX];
	X509 *certificate;

	SLUICE_REQUIRE(key != NULL && keying_uri_write(KEY_PEER_DEPLOYMENT, 0, uri) == 0);
	certificate = key_authority_sign(&bed.authority, key, uri, 1, -60, 86400);
	bed.servers = context_make(TLS_server_method(), certificate, key);
	bed.clients = context_make(TLS_client_method(), bed.identity.certificate, bed.identity.key);
	X509_free(certificate);
	EVP_PKEY_free(key);
}

static void established_make(void)
{
	struct keying_established answer = {
		.session_id = le32_make(KEY_PEER_SESSION),
		.epoch = le16_make(1),
		.aead = le16_make(KEYING_AEAD_AES256GCM),
		.terminal_id = le64_make(KEY_PEER_TERMINAL),
		.switch_time_ns = le64_make(1),
		.expires_ns = le64_make(2),
	};

	SLUICE_REQUIRE(keying_deployment_hash(KEY_PEER_DEPLOYMENT, answer.deployment_sha256) == 0);
	memcpy(bed.established.bytes, &answer, sizeof(answer));
	bed.established.size = sizeof(answer);
}

static void renewed_make(void)
{
	char uri[KEYING_URI_SIZE_MAX], *text = NULL;
	struct keying_renewed lengths;
	BIO *out = BIO_new(BIO_s_mem());
	size_t certificate_size, size;
	X509 *certificate;

	SLUICE_REQUIRE(keying_uri_write(KEY_PEER_DEPLOYMENT, KEY_PEER_TERMINAL, uri) == 0);
	certificate = key_authority_sign(&bed.authority, bed.renewal, uri, 0, -60, 86400);
	PEM_write_bio_X509(out, certificate);
	certificate_size = (size_t)BIO_get_mem_data(out, &text);
	PEM_write_bio_X509(out, bed.authority.certificate);
	size = (size_t)BIO_get_mem_data(out, &text);
	lengths.certificate_length = le32_make((uint32_t)certificate_size);
	lengths.authorities_length = le32_make((uint32_t)(size - certificate_size));
	memcpy(bed.renewed.bytes, &lengths, sizeof(lengths));
	memcpy(bed.renewed.bytes + sizeof(lengths), text, size);
	bed.renewed.size = sizeof(lengths) + size;
	BIO_free(out);
	X509_free(certificate);
}

static void bed_ready(void)
{
	static int made;
	char message[CLIENT_KEYING_MESSAGE_SIZE];

	if (made)
		return;
	made = 1;
	key_authority_make(&bed.authority, "authority");
	bed.directory = key_directory_make(&bed.authority, -60, 86400);
	SLUICE_REQUIRE(client_identity_load(bed.directory, KEY_PEER_DEPLOYMENT, &bed.identity,
	                   message, sizeof(message)) == 0);
	SLUICE_REQUIRE(client_identity_key(&bed.renewal) == 0);
	contexts_make();
	established_make();
	renewed_make();
	atexit(bed_end);
}

/* Both ends in memory; made anew when the last one has ended. */
static void connection_ready(void)
{
	BIO *client, *server;
	int done = 0;

	if (bed.client != NULL && bed.talks++ < TALKS_MAX)
		return;
	connection_end();
	bed.talks = 0;
	bed.client = SSL_new(bed.clients);
	bed.server = SSL_new(bed.servers);
	SLUICE_REQUIRE(bed.client != NULL && bed.server != NULL);
	SLUICE_REQUIRE(BIO_new_bio_pair(&client, BIO_SIZE, &server, BIO_SIZE) == 1);
	SSL_set_bio(bed.client, client, client);
	SSL_set_bio(bed.server, server, server);
	SSL_set_connect_state(bed.client);
	SSL_set_accept_state(bed.server);
	for (int i = 0; i < 8 && !done; i++) {
		done = SSL_do_handshake(bed.client) == 1;
		done &= SSL_do_handshake(bed.server) == 1;
	}
	SLUICE_REQUIRE(done);
}

static void say(uint8_t flags, const uint8_t *bytes, size_t size)
{
	size_t done;

	while (size > 0) {
		size_t piece = flags & PIECES && size > PIECE_SIZE ? PIECE_SIZE : size;

		if (SSL_write_ex(bed.server, bytes, piece, &done) != 1)
			break; /* more than fits: the terminal misses the rest */
		bytes += done;
		size -= done;
	}
	if (flags & GOODBYE)
		(void)SSL_shutdown(bed.server);
}

/* What was not read is not there for the next one. */
static void drain(SSL *ssl)
{
	uint8_t bytes[4096];
	size_t done;

	while (SSL_read_ex(ssl, bytes, sizeof(bytes), &done) == 1)
		;
	ERR_clear_error();
}

/* What the server says. Its size. */
static size_t answer_make(uint8_t *out, const uint8_t *data, size_t size)
{
	enum form form = (enum form)(data[0] >> 1 & 3);
	const struct message *good = data[0] & RENEW ? &bed.renewed : &bed.established;
	enum keying_kind kind = form == FORM_REFUSED ? KEYING_REFUSED
	                        : data[0] & RENEW    ? KEYING_RENEWED
	                                             : KEYING_ESTABLISHED;
	size_t body = form == FORM_CHANGED ? good->size : size - 1;
	struct keying_header header = { le16_make(KEYING_VERSION), le16_make((uint16_t)kind),
		le32_make((uint32_t)body) };

	if (form == FORM_RAW) {
		memcpy(out, data + 1, body);
		return body;
	}
	memcpy(out, &header, sizeof(header));
	if (form != FORM_CHANGED) {
		memcpy(out + sizeof(header), data + 1, body);
		return sizeof(header) + body;
	}
	memcpy(out + sizeof(header), good->bytes, body);
	for (size_t at = 1; at + EDIT_SIZE <= size; at += EDIT_SIZE)
		out[sizeof(header) + (data[at] | (size_t)data[at + 1] << 8) % body] ^= data[at + 2];
	return sizeof(header) + body;
}

static void sentence_check(const char *message)
{
	SLUICE_REQUIRE(message[0] != '\0');
	for (const char *at = message; *at != '\0'; at++)
		SLUICE_REQUIRE((unsigned char)*at >= ' ' && *at != 0x7f);
}

static int established_check(struct keying_wire *wire, const uint8_t *body, size_t size)
{
	struct client_keying_result result, before;
	int rc;

	memset(&before, 0xa5, sizeof(before));
	result = before;
	rc = keying_answer_established(wire, &bed.identity, body, size, &result);
	if (rc != 0) {
		SLUICE_REQUIRE(rc == -EPROTO);
		SLUICE_REQUIRE(memcmp(&result, &before, sizeof(result)) == 0);
		return rc;
	}
	SLUICE_REQUIRE(result.session_id != 0 && result.epoch != 0);
	SLUICE_REQUIRE(result.terminal_id == KEY_PEER_TERMINAL);
	SLUICE_REQUIRE(result.expires_ns > result.switch_time_ns);
	SLUICE_REQUIRE(memcmp(result.root, before.root, sizeof(result.root)) != 0);
	return 0;
}

static int renewed_check(struct keying_wire *wire, const uint8_t *body, size_t size)
{
	char message[CLIENT_KEYING_MESSAGE_SIZE] = "";
	struct client_identity now;
	int rc = keying_answer_renewed(wire, KEY_PEER_TERMINAL, bed.renewal, body, size);

	SLUICE_REQUIRE(rc == 0 || rc == -EPROTO || rc == -EBADMSG);
	/* Written or not, what lies there is whole and this terminal's. */
	SLUICE_REQUIRE(client_identity_load(bed.directory, KEY_PEER_DEPLOYMENT, &now, message,
	                   sizeof(message)) == 0);
	SLUICE_REQUIRE(now.terminal_id == KEY_PEER_TERMINAL);
	if (rc == 0)
		SLUICE_REQUIRE(EVP_PKEY_eq(now.key, bed.renewal) == 1);
	client_identity_free(&now);
	return rc;
}

static void ask(uint8_t flags)
{
	const struct keying_establish request = { .aead = le16_make(KEYING_AEAD_AES256GCM) };
	const struct client_keying_config config = { .address = "192.0.2.1:7402",
		.directory = bed.directory,
		.deployment = KEY_PEER_DEPLOYMENT };
	char message[CLIENT_KEYING_MESSAGE_SIZE] = "";
	/* No time to wait: what is not there yet never comes. */
	struct keying_wire wire = { .config = &config,
		.ssl = bed.client,
		.fd = -1,
		.message = message,
		.message_size = sizeof(message) };
	struct client_keying_refusal refusal = { 0 };
	uint8_t *body = malloc(KEYING_BODY_SIZE_MAX), *exact;
	size_t size = 0;
	int rc;

	SLUICE_REQUIRE(body != NULL);
	rc = keying_wire_ask(&wire, flags & RENEW ? KEYING_RENEW : KEYING_ESTABLISH, &request,
	    sizeof(request), flags & RENEW ? KEYING_RENEWED : KEYING_ESTABLISHED, body, &size,
	    &refusal);
	SLUICE_REQUIRE(rc == 0 || rc == -EPROTO || rc == -ECONNABORTED || rc == -ECONNRESET ||
	               rc == -ETIMEDOUT);
	if (rc == 0) {
		SLUICE_REQUIRE(size <= KEYING_BODY_SIZE_MAX);
		/* A copy of just that size, so that a sanitizer sees a byte too far. */
		exact = malloc(size + 1);
		SLUICE_REQUIRE(exact != NULL);
		memcpy(exact + 1, body, size);
		rc = flags & RENEW ? renewed_check(&wire, exact + 1, size)
		                   : established_check(&wire, exact + 1, size);
		free(exact);
	}
	free(body);
	if (rc != 0)
		sentence_check(message);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static uint8_t answer[sizeof(struct keying_header) + INPUT_MAX];

	if (size < 1 || size > INPUT_MAX)
		return 0;
	bed_ready();
	connection_ready();
	say(data[0], answer, answer_make(answer, data, size));
	ask(data[0]);
	if (data[0] & GOODBYE || SSL_get_shutdown(bed.client) != 0) {
		connection_end();
	} else {
		drain(bed.client);
		drain(bed.server);
	}
	ERR_clear_error();
	return 0;
}
