/* SPDX-License-Identifier: Apache-2.0 */
/* The key server over loopback: what it grants, what it refuses, what it takes back. */
#include "tests/test.h"

#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <sys/socket.h>
#include <unistd.h>

#include <openssl/pem.h>

#include "tests/control/keys/bed.h"

static uint8_t body[KEYING_BODY_SIZE_MAX];

TEST(a_terminal_gets_a_session_and_the_same_root)
{
	struct keying_context context = { .version = le16_make(1),
		.aead = le16_make(KEYING_AEAD_AES256GCM),
		.terminal_id = le64_make(42) };
	uint8_t root[KEYS_ROOT_SIZE], hash[32];
	struct keying_established answer;
	struct session_work work[4];
	struct bed_client client;
	struct bed bed;
	struct pki own;
	unsigned refusal;
	uint8_t want[AEAD_KEY_SIZE], iv[AEAD_IV_SIZE];

	bed_make(&bed, 1);
	own = bed_terminal(&bed, 42, 1);
	bed_client_make(&bed, &client, &own);
	assert_int_equal(bed_client_connect(&bed, &client), 1);
	atomic_store(&bed.installs, 0); /* the work stays for this test to look at */
	assert_int_equal(bed_client_establish(&client, &answer, &refusal), KEYING_ESTABLISHED);
	assert_int_equal(le64_get(answer.terminal_id), 42);
	assert_int_equal(le64_get(answer.boot_id), BED_BOOT_ID);
	assert_int_equal(le32_get(answer.address_ipv4), 0xc6120001);
	assert_int_equal(le16_get(answer.udp_port), 7400);
	assert_int_equal(le16_get(answer.udp_port_count), 2);
	assert_int_equal(le32_get(answer.flags), 0);
	assert_true(le16_get(answer.epoch) >= 1);
	assert_true(le64_get(answer.expires_ns) > le64_get(answer.switch_time_ns));
	assert_int_equal(keying_deployment_hash(BED_DEPLOYMENT, hash), 0);
	assert_memory_equal(answer.deployment_sha256, hash, 32);

	/* The key the data plane is to get comes from the root the terminal has. */
	context.session_id = answer.session_id;
	memcpy(context.deployment_sha256, hash, 32);
	assert_int_equal(keying_root_export(client.ssl, 0, &context, root), 0);
	assert_int_equal(sessions_work(bed.sessions, database_now_ns(), work, 4), 1);
	assert_int_equal(work[0].kind, SESSION_WORK_INSTALL);
	assert_int_equal(work[0].session_id, le32_get(answer.session_id));
	assert_int_equal(work[0].rights, le32_get(answer.rights));
	assert_int_equal(
	    keys_derive(root, KEYS_TO_SWITCH, work[0].epoch, BED_BOOT_ID, want, iv), 0);
	assert_memory_equal(work[0].to_switch_key, want, sizeof(want));
	sessions_work_done(bed.sessions, &work[0], 0);
	bed_client_free(&client);
	bed_quiet(&bed);
	assert_int_equal(bed_counts(&bed).established, 1);
	assert_int_equal(bed_counts(&bed).handshakes, 1);
	/* It is answered for: the connection's end leaves it alone. */
	assert_int_equal(sessions_work(bed.sessions, database_now_ns(), work, 4), 0);
	pki_free(&own);
	bed_free(&bed);
}

TEST(a_connection_serves_so_many_requests_and_closes)
{
	struct keying_established answer, first;
	struct bed_client client;
	struct sessions_counts counts;
	struct bed bed;
	struct pki own;
	unsigned refusal;
	size_t size;

	bed_make(&bed, 1);
	own = bed_terminal(&bed, 42, 1);
	bed_client_make(&bed, &client, &own);
	assert_int_equal(bed_client_connect(&bed, &client), 1);
	assert_int_equal(bed_client_establish(&client, &first, &refusal), KEYING_ESTABLISHED);
	for (int i = 1; i < KEYING_REQUESTS_MAX; i++) {
		assert_int_equal(
		    bed_client_establish(&client, &answer, &refusal), KEYING_ESTABLISHED);
		assert_int_not_equal(le32_get(answer.session_id), le32_get(first.session_id));
	}
	assert_int_equal(bed_client_read(&client, body, &size), 0);
	assert_int_equal(SSL_get_shutdown(client.ssl) & SSL_RECEIVED_SHUTDOWN, 2);
	bed_client_free(&client);
	bed_quiet(&bed);
	sessions_counts(bed.sessions, &counts);
	assert_int_equal(counts.live, 1); /* each one replaced the one before */
	pki_free(&own);
	bed_free(&bed);
}

/* Who comes with what; every one of them must leave nothing behind. */
enum stranger {
	STRANGER_NO_CERTIFICATE,
	STRANGER_SELF_SIGNED,
	STRANGER_OTHER_AUTHORITY,
	STRANGER_EXPIRED,
	STRANGER_NOT_YET_VALID,
	STRANGER_SERVER_USAGE,
	STRANGER_INTERMEDIATE,
	STRANGER_TLS_1_2,
	STRANGER_OTHER_CIPHER,
	STRANGER_OTHER_ALPN,
	STRANGER_HANDSHAKES_FAIL_UNTIL, /* the ones below get through TLS */
	STRANGER_NO_ALPN = STRANGER_HANDSHAKES_FAIL_UNTIL,
	STRANGER_NO_ROLE,
	STRANGER_CONTROL_ROLE,
	STRANGER_TWO_ROLES,
	STRANGER_OTHER_DEPLOYMENT,
	STRANGER_NOT_ENROLLED,
	STRANGER_BLOCKED,
	STRANGER_REVOKED,
	STRANGER_FORGED_ENROLLED, /* signed by the authority, never recorded */
	STRANGER_COUNT,
};

#define URI_42 "urn:sluice:" BED_DEPLOYMENT ":terminal:42"

static void state_set(struct bed *bed, enum control_terminal_state state)
{
	struct audit_entry who = { .user = "test", .action = "test", .outcome = "done" };
	struct terminal_change change;

	assert_int_equal(terminals_state_set(bed->database, 42, state, &who, &change), 0);
	(void)sessions_end_terminal(bed->sessions, 42);
}

static struct pki signed_by_us(
    struct bed *bed, const char *uri, const char *uri2, const char *usage, long begin_s, long end_s)
{
	return pki_make(&(struct pki_wish){ .common_name = "terminal-42",
	                    .uri = uri,
	                    .uri2 = uri2,
	                    .usage = usage,
	                    .begin_s = begin_s,
	                    .end_s = end_s },
	    &bed->issuer);
}

static struct pki stranger_make(struct bed *bed, enum stranger stranger)
{
	struct pki other, pki;

	switch (stranger) {
	case STRANGER_SELF_SIGNED:
		return pki_make(&(struct pki_wish){ .uri = URI_42, .usage = "clientAuth" }, NULL);
	case STRANGER_OTHER_AUTHORITY:
	case STRANGER_INTERMEDIATE:
		other = pki_make(&(struct pki_wish){ .common_name = "x", .authority = 1 },
		    stranger == STRANGER_INTERMEDIATE ? &bed->issuer : NULL);
		pki = pki_make(&(struct pki_wish){ .uri = URI_42, .usage = "clientAuth" }, &other);
		pki_free(&other);
		return pki;
	case STRANGER_EXPIRED:
		return signed_by_us(bed, URI_42, NULL, "clientAuth", -7200, -60);
	case STRANGER_NOT_YET_VALID:
		return signed_by_us(bed, URI_42, NULL, "clientAuth", 3600, 7200);
	case STRANGER_SERVER_USAGE:
		return signed_by_us(bed, URI_42, NULL, "serverAuth", 0, 0);
	case STRANGER_NO_ROLE:
		return signed_by_us(bed, NULL, NULL, "clientAuth", 0, 0);
	case STRANGER_CONTROL_ROLE:
		return signed_by_us(
		    bed, "urn:sluice:" BED_DEPLOYMENT ":control", NULL, "clientAuth", 0, 0);
	case STRANGER_TWO_ROLES:
		return signed_by_us(
		    bed, URI_42, "urn:sluice:" BED_DEPLOYMENT ":terminal:43", "clientAuth", 0, 0);
	case STRANGER_OTHER_DEPLOYMENT:
		return signed_by_us(bed, "urn:sluice:other:terminal:42", NULL, "clientAuth", 0, 0);
	case STRANGER_FORGED_ENROLLED:
		pki = bed_terminal(bed, 42, 1);
		pki_free(&pki);
		return signed_by_us(bed, URI_42, NULL, "clientAuth", 0, 0);
	case STRANGER_NOT_ENROLLED:
		return bed_terminal(bed, 42, 0);
	case STRANGER_NO_CERTIFICATE:
	case STRANGER_TLS_1_2:
	case STRANGER_OTHER_CIPHER:
	case STRANGER_OTHER_ALPN:
	case STRANGER_NO_ALPN:
	case STRANGER_BLOCKED:
	case STRANGER_REVOKED:
	case STRANGER_COUNT:
		break;
	}
	pki = bed_terminal(bed, 42, 1);
	if (stranger == STRANGER_BLOCKED)
		state_set(bed, CONTROL_TERMINAL_BLOCKED);
	if (stranger == STRANGER_REVOKED)
		state_set(bed, CONTROL_TERMINAL_REVOKED);
	return pki;
}

static void stranger_client(struct bed *bed, struct bed_client *client, enum stranger stranger)
{
	struct pki own = stranger_make(bed, stranger);

	bed_client_make(bed, client, stranger == STRANGER_NO_CERTIFICATE ? NULL : &own);
	if (stranger == STRANGER_TLS_1_2)
		SSL_CTX_set_max_proto_version(client->context, TLS1_2_VERSION);
	if (stranger == STRANGER_OTHER_CIPHER)
		SSL_CTX_set_ciphersuites(
		    client->context, "TLS_AES_128_GCM_SHA256:TLS_CHACHA20_POLY1305_SHA256");
	if (stranger == STRANGER_OTHER_ALPN)
		SSL_CTX_set_alpn_protos(
		    client->context, (const unsigned char *)"\10sluice/2\2h2", 12);
	if (stranger == STRANGER_NO_ALPN)
		SSL_CTX_set_alpn_protos(client->context, NULL, 0);
	pki_free(&own);
}

TEST(strangers_get_nothing)
{
	static const unsigned codes[STRANGER_COUNT] = {
		[STRANGER_NO_ALPN] = KEYING_REFUSAL_BAD_REQUEST,
		[STRANGER_NO_ROLE] = KEYING_REFUSAL_TERMINAL_UNKNOWN,
		[STRANGER_CONTROL_ROLE] = KEYING_REFUSAL_TERMINAL_UNKNOWN,
		[STRANGER_TWO_ROLES] = KEYING_REFUSAL_TERMINAL_UNKNOWN,
		[STRANGER_OTHER_DEPLOYMENT] = KEYING_REFUSAL_TERMINAL_UNKNOWN,
		[STRANGER_NOT_ENROLLED] = KEYING_REFUSAL_TERMINAL_UNKNOWN,
		[STRANGER_BLOCKED] = KEYING_REFUSAL_TERMINAL_BLOCKED,
		[STRANGER_REVOKED] = KEYING_REFUSAL_CERTIFICATE_REVOKED,
	};

	for (int i = 0; i < STRANGER_COUNT; i++) {
		struct keying_established answer;
		struct bed_client client;
		struct bed bed;
		unsigned refusal = 0;
		int connected, kind = 0;

		bed_make(&bed, 1);
		stranger_client(&bed, &client, (enum stranger)i);
		connected = bed_client_connect(&bed, &client);
		if (connected)
			kind = bed_client_establish(&client, &answer, &refusal);
		assert_case_equal(i, kind, i < STRANGER_HANDSHAKES_FAIL_UNTIL ? 0 : KEYING_REFUSED);
		if (i != STRANGER_FORGED_ENROLLED)
			assert_case_equal(i, refusal, codes[i]);
		bed_client_free(&client);
		bed_nothing_made(&bed);
		assert_case_equal(i, bed_counts(&bed).handshake_failures,
		    i < STRANGER_HANDSHAKES_FAIL_UNTIL ? 1 : 0);
		bed_free(&bed);
	}
}

TEST(malformed_requests_are_refused)
{
	static const struct {
		uint8_t bytes[32];
		size_t size;
		unsigned code;
	} rows[] = {
		{ { 2, 0, 1, 0, 16 }, 24, KEYING_REFUSAL_BAD_REQUEST },     /* version */
		{ { 1, 0, 2, 0, 16 }, 24, KEYING_REFUSAL_BAD_REQUEST },     /* an answer */
		{ { 1, 0, 99, 0, 16 }, 24, KEYING_REFUSAL_BAD_REQUEST },    /* no kind */
		{ { 1, 0, 1, 0, 15 }, 23, KEYING_REFUSAL_BAD_REQUEST },     /* short */
		{ { 1, 0, 1, 0, 1, 0x40 }, 8, KEYING_REFUSAL_BAD_REQUEST }, /* too long */
		{ { 1, 0, 1, 0, 255, 255, 255, 255 }, 8, KEYING_REFUSAL_BAD_REQUEST }, /* huge */
		{ { 1, 0, 1, 0, 16, 0, 0, 0, 2, 0, 1 }, 24, KEYING_REFUSAL_BAD_REQUEST },
		{ { 1, 0, 1, 0, 16, 0, 0, 0, 1, 0 }, 24, KEYING_REFUSAL_AEAD_UNSUPPORTED },
		{ { 1, 0, 3, 0, 0 }, 8, KEYING_REFUSAL_BAD_REQUEST }, /* RENEW of nothing */
		{ { 1, 0, 3, 0, 4, 0, 0, 0, 'a', 0, 'b', 'c' }, 12, KEYING_REFUSAL_BAD_REQUEST },
		{ { 1, 0, 3, 0, 4, 0, 0, 0, 'a', 'a', 'b', 'c' }, 12, KEYING_REFUSAL_BAD_REQUEST },
		{ "GET / HTTP/1.1\r\n\r\n", 18, KEYING_REFUSAL_BAD_REQUEST },
	};
	struct bed bed;
	struct pki own;

	bed_make(&bed, 1);
	own = bed_terminal(&bed, 42, 1);
	for (size_t i = 0; i < SLUICE_ARRAY_COUNT(rows); i++) {
		struct keying_refused refused;
		struct bed_client client;
		size_t size = 0, written;

		bed_client_make(&bed, &client, &own);
		assert_int_equal(bed_client_connect(&bed, &client), 1);
		assert_int_equal(
		    SSL_write_ex(client.ssl, rows[i].bytes, rows[i].size, &written), 1);
		assert_case_equal(i, bed_client_read(&client, body, &size), KEYING_REFUSED);
		memcpy(&refused, body, sizeof(refused));
		assert_case_equal(i, le16_get(refused.code), rows[i].code);
		assert_true(size > sizeof(refused));
		assert_case_equal(i, bed_client_read(&client, body, &size), 0);
		bed_client_free(&client);
	}
	bed_nothing_made(&bed);
	assert_int_equal(bed_counts(&bed).protocol_errors, SLUICE_ARRAY_COUNT(rows) - 1);
	pki_free(&own);
	bed_free(&bed);
}

TEST(a_request_may_come_in_pieces)
{
	static const uint8_t request[24] = { 1, 0, 1, 0, 16, 0, 0, 0, 2 };
	struct bed_client client;
	struct bed bed;
	struct pki own;
	size_t size = 0, written;

	bed_make(&bed, 1);
	own = bed_terminal(&bed, 42, 1);
	bed_client_make(&bed, &client, &own);
	assert_int_equal(bed_client_connect(&bed, &client), 1);
	for (size_t i = 0; i < sizeof(request); i++)
		assert_int_equal(SSL_write_ex(client.ssl, request + i, 1, &written), 1);
	assert_int_equal(bed_client_read(&client, body, &size), KEYING_ESTABLISHED);
	bed_client_free(&client);
	pki_free(&own);
	bed_free(&bed);
}

TEST(a_certificate_is_renewed_and_its_first_use_ends_the_old_one)
{
	struct keying_renewed renewed;
	struct keying_established answer;
	struct bed_client client;
	struct bed bed;
	struct pki own, fresh;
	char *request;
	unsigned refusal;
	size_t size = 0;
	BIO *bio;

	bed_make(&bed, 1);
	own = bed_terminal(&bed, 42, 1);
	request = pki_request("terminal-42", "P-256", &fresh.key);
	bed_client_make(&bed, &client, &own);
	assert_int_equal(bed_client_connect(&bed, &client), 1);
	assert_int_equal(
	    bed_client_ask(&client, KEYING_RENEW, request, strlen(request), body, &size),
	    KEYING_RENEWED);
	memcpy(&renewed, body, sizeof(renewed));
	assert_int_equal(size, sizeof(renewed) + le32_get(renewed.certificate_length) +
	                           le32_get(renewed.authorities_length));
	bio = BIO_new_mem_buf(body + sizeof(renewed), (int)le32_get(renewed.certificate_length));
	fresh.certificate = PEM_read_bio_X509(bio, NULL, NULL, NULL);
	assert_non_null(fresh.certificate);
	BIO_free(bio);
	assert_memory_equal(body + sizeof(renewed) + le32_get(renewed.certificate_length),
	    "-----BEGIN CERTIFICATE-----", 27);
	/* The old one is good until the new one was used: the answer might have been lost. */
	assert_int_equal(bed_client_establish(&client, &answer, &refusal), KEYING_ESTABLISHED);
	/* Once a connection. */
	assert_int_equal(
	    bed_client_ask(&client, KEYING_RENEW, request, strlen(request), body, &size),
	    KEYING_REFUSED);
	bed_client_free(&client);

	bed_client_make(&bed, &client, &fresh);
	assert_int_equal(bed_client_connect(&bed, &client), 1);
	assert_int_equal(bed_client_establish(&client, &answer, &refusal), KEYING_ESTABLISHED);
	bed_client_free(&client);

	bed_client_make(&bed, &client, &own);
	assert_int_equal(bed_client_connect(&bed, &client), 1);
	assert_int_equal(bed_client_establish(&client, &answer, &refusal), KEYING_REFUSED);
	assert_int_equal(refusal, KEYING_REFUSAL_CERTIFICATE_REVOKED);
	bed_client_free(&client);
	assert_int_equal(bed_counts(&bed).renewed, 1);
	free(request);
	pki_free(&own);
	pki_free(&fresh);
	bed_free(&bed);
}

TEST(a_request_for_another_terminal_or_without_authority_is_refused)
{
	struct keying_refused refused;
	struct bed_client client;
	struct bed bed;
	struct pki own;
	char *request = pki_request("terminal-43", "P-256", NULL);
	size_t size = 0;

	bed_make(&bed, 1);
	own = bed_terminal(&bed, 42, 1);
	bed_client_make(&bed, &client, &own);
	assert_int_equal(bed_client_connect(&bed, &client), 1);
	assert_int_equal(
	    bed_client_ask(&client, KEYING_RENEW, request, strlen(request), body, &size),
	    KEYING_REFUSED);
	memcpy(&refused, body, sizeof(refused));
	assert_int_equal(le16_get(refused.code), KEYING_REFUSAL_REQUEST_MISMATCH);
	bed_client_free(&client);
	free(request);
	pki_free(&own);
	bed_free(&bed);
}

TEST(a_changed_authority_is_told_by_the_flag)
{
	struct keying_established answer;
	struct bed_client client;
	char message[256];
	struct bed bed;
	struct pki own;
	unsigned refusal;

	bed_make(&bed, 1);
	own = bed_terminal(&bed, 42, 1);
	assert_int_equal(authority_renew(bed.authority, message, sizeof(message)), 0);
	bed_client_make(&bed, &client, &own);
	assert_int_equal(bed_client_connect(&bed, &client), 1);
	assert_int_equal(bed_client_establish(&client, &answer, &refusal), KEYING_ESTABLISHED);
	assert_int_equal(le32_get(answer.flags), KEYING_FLAG_RENEW);
	bed_client_free(&client);
	pki_free(&own);
	bed_free(&bed);
}

TEST(it_listens_once_there_is_an_authority)
{
	struct keying_established answer;
	struct bed_client client;
	char message[256];
	struct bed bed;
	struct pki own;
	unsigned refusal;

	bed_make(&bed, 0);
	assert_int_equal(bed_counts(&bed).listening, 0);
	assert_int_equal(bed_tcp(&bed), -1);
	assert_int_equal(authority_init(bed.authority, message, sizeof(message)), 0);
	bed_issuer_read(&bed);
	key_server_reload(bed.server, &bed.config);
	for (int i = 0; i < 20000 && !bed_counts(&bed).listening; i++)
		(void)poll(NULL, 0, 1);
	own = bed_terminal(&bed, 42, 1);
	bed_client_make(&bed, &client, &own);
	assert_int_equal(bed_client_connect(&bed, &client), 1);
	assert_int_equal(bed_client_establish(&client, &answer, &refusal), KEYING_ESTABLISHED);
	bed_client_free(&client);
	pki_free(&own);
	bed_free(&bed);
}

TEST(a_taken_port_is_said_at_the_start)
{
	struct key_server_config config = { 0 };
	struct key_server *second = NULL;
	char message[256] = "";
	struct bed bed;

	bed_make(&bed, 1);
	bed.config.keys.port = bed_counts(&bed).port;
	config.config = &bed.config;
	config.authority = bed.authority;
	assert_int_equal(key_server_start(&second, &config, message, sizeof(message)), -EADDRINUSE);
	assert_non_null(strstr(message, "keys.port"));
	assert_null(second);
	bed_free(&bed);
}

TEST_MAIN()
