/* SPDX-License-Identifier: Apache-2.0 */
/* The root out of real handshakes in memory; and none out of those that must not give one. */
#include "tests/test.h"

#include <errno.h>

#include "tests/keying/pki.h"
#include "wire/keying/keying.h"

struct setup {
	struct pki authority, other, server, client;
	SSL_CTX *server_context, *client_context;
	SSL *server_ssl, *client_ssl;
};

static int alpn_select(SSL *ssl, const unsigned char **out, unsigned char *out_size,
    const unsigned char *in, unsigned in_size, void *context)
{
	(void)ssl;
	(void)context;
	*out = in + 1;
	*out_size = in[0];
	return in_size > in[0] ? SSL_TLSEXT_ERR_OK : SSL_TLSEXT_ERR_ALERT_FATAL;
}

static SSL_CTX *context_make(const SSL_METHOD *method, const struct pki *own)
{
	SSL_CTX *context = SSL_CTX_new(method);

	assert_non_null(context);
	if (own != NULL) {
		assert_int_equal(SSL_CTX_use_certificate(context, own->certificate), 1);
		assert_int_equal(SSL_CTX_use_PrivateKey(context, own->key), 1);
	}
	return context;
}

static void setup_make(struct setup *setup)
{
	memset(setup, 0, sizeof(*setup));
	setup->authority = pki_make(&(struct pki_wish){ .common_name = "a", .authority = 1 }, NULL);
	setup->other = pki_make(&(struct pki_wish){ .common_name = "b", .authority = 1 }, NULL);
	setup->server = pki_make(
	    &(struct pki_wish){ .common_name = "s", .usage = "serverAuth" }, &setup->authority);
	setup->client = pki_make(
	    &(struct pki_wish){ .common_name = "c", .usage = "clientAuth" }, &setup->authority);
	setup->server_context = context_make(TLS_server_method(), &setup->server);
	setup->client_context = context_make(TLS_client_method(), &setup->client);
	SSL_CTX_set_alpn_select_cb(setup->server_context, alpn_select, NULL);
	SSL_CTX_set_alpn_protos(setup->client_context, (const unsigned char *)"\10sluice/1", 9);
	for (int i = 0; i < 2; i++) {
		SSL_CTX *context = i == 0 ? setup->server_context : setup->client_context;

		SSL_CTX_set_ciphersuites(context, "TLS_AES_256_GCM_SHA384");
		X509_STORE_add_cert(SSL_CTX_get_cert_store(context), setup->authority.certificate);
		SSL_CTX_set_verify(
		    context, SSL_VERIFY_PEER | SSL_VERIFY_FAIL_IF_NO_PEER_CERT, NULL);
	}
}

/* Both ends over memory; `turns` flights at most. */
static void setup_connect(struct setup *setup, int turns)
{
	BIO *server_bio, *client_bio;

	setup->server_ssl = SSL_new(setup->server_context);
	setup->client_ssl = SSL_new(setup->client_context);
	assert_int_equal(BIO_new_bio_pair(&server_bio, 0, &client_bio, 0), 1);
	SSL_set_bio(setup->server_ssl, server_bio, server_bio);
	SSL_set_bio(setup->client_ssl, client_bio, client_bio);
	SSL_set_accept_state(setup->server_ssl);
	SSL_set_connect_state(setup->client_ssl);
	for (int i = 0; i < turns; i++) {
		(void)SSL_do_handshake(setup->client_ssl);
		(void)SSL_do_handshake(setup->server_ssl);
	}
}

static void setup_free(struct setup *setup)
{
	SSL_free(setup->server_ssl);
	SSL_free(setup->client_ssl);
	SSL_CTX_free(setup->server_context);
	SSL_CTX_free(setup->client_context);
	pki_free(&setup->authority);
	pki_free(&setup->other);
	pki_free(&setup->server);
	pki_free(&setup->client);
}

static struct keying_context context_of(uint32_t session_id)
{
	struct keying_context context = {
		.version = le16_make(1),
		.aead = le16_make(KEYING_AEAD_AES256GCM),
		.session_id = le32_make(session_id),
		.terminal_id = le64_make(42),
	};

	assert_int_equal(keying_deployment_hash("test", context.deployment_sha256), 0);
	return context;
}

TEST(both_sides_get_the_same_root)
{
	struct keying_context at_server = context_of(5), at_client = context_of(5), full;
	uint8_t server_root[KEYS_ROOT_SIZE], client_root[KEYS_ROOT_SIZE], other[KEYS_ROOT_SIZE];
	struct setup setup;

	setup_make(&setup);
	setup_connect(&setup, 4);
	assert_int_equal(keying_root_export(setup.server_ssl, 1, &at_server, server_root), 0);
	assert_int_equal(keying_root_export(setup.client_ssl, 0, &at_client, client_root), 0);
	assert_memory_equal(server_root, client_root, KEYS_ROOT_SIZE);
	assert_memory_equal(&at_server, &at_client, sizeof(at_server));
	assert_false(bytes_all_zero(at_server.server_certificate_sha256, 32));
	assert_memory_not_equal(
	    at_server.server_certificate_sha256, at_server.client_certificate_sha256, 32);

	/* Exactly what section 3 says: label, context with its length. */
	assert_int_equal(
	    SSL_export_keying_material(setup.client_ssl, other, sizeof(other),
	        "EXPERIMENTAL-sluice-v1-root", 27, (const uint8_t *)&at_client, 112, 1),
	    1);
	assert_memory_equal(other, client_root, KEYS_ROOT_SIZE);

	/* Another session on the same connection has another root. */
	full = context_of(6);
	assert_int_equal(keying_root_export(setup.server_ssl, 1, &full, other), 0);
	assert_memory_not_equal(other, server_root, KEYS_ROOT_SIZE);
	setup_free(&setup);
}

/* What each case changes; then the server must give no root. */
enum trap {
	TRAP_BEFORE_FINISHED,
	TRAP_NO_CLIENT_CERTIFICATE,
	TRAP_UNVERIFIED,
	TRAP_TLS_1_2,
	TRAP_CIPHER,
	TRAP_NO_ALPN,
	TRAP_OTHER_ALPN,
	TRAP_COUNT,
};

static int verify_nothing(int good, X509_STORE_CTX *store)
{
	(void)good;
	(void)store;
	return 1;
}

static void trap_set(struct setup *setup, enum trap trap)
{
	static const unsigned char other_alpn[] = "\10sluice/2";
	struct pki stranger;

	switch (trap) {
	case TRAP_NO_CLIENT_CERTIFICATE:
		SSL_CTX_free(setup->client_context);
		setup->client_context = context_make(TLS_client_method(), NULL);
		X509_STORE_add_cert(
		    SSL_CTX_get_cert_store(setup->client_context), setup->authority.certificate);
		SSL_CTX_set_alpn_protos(
		    setup->client_context, (const unsigned char *)"\10sluice/1", 9);
		SSL_CTX_set_verify(setup->server_context, SSL_VERIFY_PEER, NULL);
		break;
	case TRAP_UNVERIFIED:
		/* A server that goes on whatever verification says. */
		stranger = pki_make(&(struct pki_wish){ .usage = "clientAuth" }, &setup->other);
		SSL_CTX_use_certificate(setup->client_context, stranger.certificate);
		SSL_CTX_use_PrivateKey(setup->client_context, stranger.key);
		SSL_CTX_set_verify(setup->server_context,
		    SSL_VERIFY_PEER | SSL_VERIFY_FAIL_IF_NO_PEER_CERT, verify_nothing);
		pki_free(&stranger);
		break;
	case TRAP_TLS_1_2:
		SSL_CTX_set_max_proto_version(setup->client_context, TLS1_2_VERSION);
		break;
	case TRAP_CIPHER:
		SSL_CTX_set_ciphersuites(setup->server_context, "TLS_AES_128_GCM_SHA256");
		SSL_CTX_set_ciphersuites(setup->client_context, "TLS_AES_128_GCM_SHA256");
		break;
	case TRAP_NO_ALPN:
		SSL_CTX_set_alpn_protos(setup->client_context, NULL, 0);
		break;
	case TRAP_OTHER_ALPN:
		SSL_CTX_set_alpn_protos(setup->client_context, other_alpn, 9);
		break;
	case TRAP_BEFORE_FINISHED:
	case TRAP_COUNT:
		break;
	}
}

TEST(no_root_from_a_connection_that_is_not_good)
{
	for (int trap = 0; trap < TRAP_COUNT; trap++) {
		struct keying_context context = context_of(5);
		uint8_t root[KEYS_ROOT_SIZE], zero[KEYS_ROOT_SIZE] = { 0 };
		struct setup setup;

		memset(root, 0, sizeof(root));
		setup_make(&setup);
		trap_set(&setup, (enum trap)trap);
		setup_connect(&setup, trap == TRAP_BEFORE_FINISHED ? 1 : 4);
		if (trap != TRAP_BEFORE_FINISHED)
			assert_true(SSL_is_init_finished(setup.server_ssl));
		assert_case_equal(
		    trap, keying_root_export(setup.server_ssl, 1, &context, root), -EPERM);
		assert_memory_equal(root, zero, sizeof(root));
		assert_true(bytes_all_zero(context.server_certificate_sha256, 32));
		setup_free(&setup);
	}
}

/* The reason for the guard: OpenSSL itself answers a server whose client has shown nothing yet. */
TEST(the_exporter_alone_answers_before_the_client_is_known)
{
	struct setup setup;
	uint8_t root[KEYS_ROOT_SIZE];

	setup_make(&setup);
	setup_connect(&setup, 1);
	assert_false(SSL_is_init_finished(setup.server_ssl));
	assert_int_equal(SSL_export_keying_material(setup.server_ssl, root, sizeof(root),
	                     KEYING_EXPORTER_LABEL, 27, NULL, 0, 0),
	    1);
	setup_free(&setup);
}

/* A client takes no root from a server it could not verify. */
TEST(no_root_at_a_client_that_did_not_verify_the_server)
{
	struct keying_context context = context_of(5);
	uint8_t root[KEYS_ROOT_SIZE];
	struct setup setup;

	setup_make(&setup);
	SSL_CTX_set_cert_store(setup.client_context, X509_STORE_new());
	SSL_CTX_set_verify(setup.client_context, SSL_VERIFY_NONE, NULL);
	setup_connect(&setup, 4);
	assert_true(SSL_is_init_finished(setup.client_ssl));
	assert_int_equal(keying_root_export(setup.client_ssl, 0, &context, root), -EPERM);
	setup_free(&setup);
}

TEST_MAIN()
