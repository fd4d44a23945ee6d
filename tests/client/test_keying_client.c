/* SPDX-License-Identifier: Apache-2.0 */
/* Key establishment at the terminal against a server that answers well, wrongly or not at all. */
#include "wire/client/keying_client.h"

#include <errno.h>
#include <sys/stat.h>
#include <unistd.h>

#include "tests/client/key_peer.h"
#include "tests/test.h"

struct setting {
	struct key_authority authority, stranger;
	char *directory;
	struct key_peer peer;
	struct client_keying_config config;
	struct client_keying_result result;
	char message[CLIENT_KEYING_MESSAGE_SIZE];
};

static void setting_make_aged(struct setting *setting, long from_s, long to_s)
{
	memset(setting, 0, sizeof(*setting));
	key_authority_make(&setting->authority, "authority");
	key_authority_make(&setting->stranger, "stranger");
	setting->directory = key_directory_make(&setting->authority, from_s, to_s);
	key_peer_init(&setting->peer, &setting->authority);
	setting->config = (struct client_keying_config){
		.directory = setting->directory,
		.deployment = KEY_PEER_DEPLOYMENT,
		.timeout_ns = 20000000000ull,
	};
	memset(&setting->result, 0xaa, sizeof(setting->result));
}

static void setting_make(struct setting *setting)
{
	setting_make_aged(setting, -3600, 86400);
}

static void setting_free(struct setting *setting)
{
	key_authority_free(&setting->authority);
	key_authority_free(&setting->stranger);
	key_directory_remove(setting->directory);
}

static int call(struct setting *setting, int (*function)(const struct client_keying_config *,
                                             struct client_keying_result *, char *, size_t))
{
	int rc;

	key_peer_start(&setting->peer);
	setting->config.address = setting->peer.address;
	rc = function(
	    &setting->config, &setting->result, setting->message, sizeof(setting->message));
	key_peer_end(&setting->peer);
	if (rc < 0)
		printf("  %d: %s\n", rc, setting->message);
	return rc;
}

TEST(both_sides_have_the_same_root_and_session)
{
	struct setting setting;

	setting_make(&setting);
	assert_int_equal(call(&setting, client_keying_establish), 0);
	assert_int_equal(setting.peer.root_result, 0);
	assert_memory_equal(setting.result.root, setting.peer.root, KEYS_ROOT_SIZE);
	assert_int_equal(setting.peer.kind, KEYING_ESTABLISH);
	assert_int_equal(setting.peer.request_size, sizeof(struct keying_establish));
	assert_int_equal(setting.result.handshakes, 1);
	assert_int_equal(setting.result.session_id, KEY_PEER_SESSION);
	assert_int_equal(setting.result.terminal_id, KEY_PEER_TERMINAL);
	assert_int_equal(setting.result.epoch, 3);
	assert_int_equal(setting.result.boot_id, 1000);
	assert_int_equal(setting.result.rights, 15);
	assert_int_equal(setting.result.switch_time_ns, 5000000000);
	assert_int_equal(setting.result.expires_ns, 9000000000);
	assert_int_equal(setting.result.address_ipv4, 0xc6120001);
	assert_int_equal(setting.result.udp_port, 7400);
	assert_int_equal(setting.result.udp_port_count, 4);
	assert_int_equal(setting.result.certificate_due, 0);
	setting_free(&setting);
}

TEST(every_connection_gives_another_root)
{
	uint8_t first[KEYS_ROOT_SIZE];
	struct setting setting;

	setting_make(&setting);
	assert_int_equal(call(&setting, client_keying_establish), 0);
	memcpy(first, setting.result.root, sizeof(first));
	assert_int_equal(call(&setting, client_keying_establish), 0);
	assert_memory_not_equal(setting.result.root, first, sizeof(first));
	setting_free(&setting);
}

/* A server that is not the control of our deployment, and what is said about it. */
enum wrong_server {
	ROLE_TERMINAL,
	ROLE_NONE,
	ROLE_OTHER_DEPLOYMENT,
	ROLE_LONGER_NAME,
	CA_OTHER,
	CERTIFICATE_EXPIRED,
	CERTIFICATE_NOT_YET,
	ALPN_OTHER,
	ALPN_NONE,
	VERSION_1_2,
};

static const struct {
	enum wrong_server wrong;
	int rc;
	const char *says;
} wrong_servers[] = {
	{ ROLE_TERMINAL, -EACCES, "is not the control of deployment" },
	{ ROLE_NONE, -EACCES, "is not the control of deployment" },
	{ ROLE_OTHER_DEPLOYMENT, -EACCES, "is not the control of deployment" },
	{ ROLE_LONGER_NAME, -EACCES, "is not the control of deployment" },
	{ CA_OTHER, -EACCES, "do not trust" },
	{ CERTIFICATE_EXPIRED, -EACCES, "expired" },
	{ CERTIFICATE_NOT_YET, -EACCES, "not yet valid" },
	{ ALPN_OTHER, -ECONNRESET, "alert" },
	{ ALPN_NONE, -EACCES, "another protocol" },
	{ VERSION_1_2, -ECONNRESET, "alert" },
};

static void server_spoil(struct setting *setting, enum wrong_server wrong)
{
	struct key_peer *peer = &setting->peer;

	switch (wrong) {
	case ROLE_TERMINAL:
		peer->uri = "urn:sluice:" KEY_PEER_DEPLOYMENT ":terminal:77";
		break;
	case ROLE_NONE:
		peer->uri = "https://control.example";
		break;
	case ROLE_OTHER_DEPLOYMENT:
		peer->uri = "urn:sluice:other:control";
		break;
	case ROLE_LONGER_NAME:
		peer->uri = "urn:sluice:" KEY_PEER_DEPLOYMENT "-2:control";
		break;
	case CA_OTHER:
		peer->authority = &setting->stranger;
		peer->clients = &setting->authority;
		break;
	case CERTIFICATE_EXPIRED:
		peer->certificate_from_s = -7200;
		peer->certificate_to_s = -3600;
		break;
	case CERTIFICATE_NOT_YET:
		peer->certificate_from_s = 3600;
		peer->certificate_to_s = 7200;
		break;
	case ALPN_OTHER:
		peer->alpn = "\x08http/1.1";
		break;
	case ALPN_NONE:
		peer->no_alpn = 1;
		break;
	case VERSION_1_2:
		peer->tls_1_2 = 1;
		break;
	default:
		fail();
	}
}

TEST(a_server_that_is_not_our_control_gets_no_request_and_gives_no_root)
{
	for (unsigned i = 0; i < SLUICE_ARRAY_COUNT(wrong_servers); i++) {
		struct client_keying_result untouched;
		struct setting setting;

		setting_make(&setting);
		server_spoil(&setting, wrong_servers[i].wrong);
		untouched = setting.result;
		assert_case_equal(i, call(&setting, client_keying_establish), wrong_servers[i].rc);
		if (strstr(setting.message, wrong_servers[i].says) == NULL)
			fail_msg("case %u says: %s", i, setting.message);
		assert_case_equal(i, setting.peer.asked, 0);
		untouched.handshakes = setting.result.handshakes;
		assert_memory_equal(&setting.result, &untouched, sizeof(untouched));
		setting_free(&setting);
	}
}

/* Answers that are no answers; both calls must survive all of them. */
static const struct {
	enum key_peer_answer answer;
	int rc;
} answers[] = {
	{ PEER_REFUSE_SHORT, -EPROTO },
	{ PEER_TRUNCATED, -ECONNRESET },
	{ PEER_GARBAGE, -EPROTO },
	{ PEER_OTHER_VERSION, -EPROTO },
	{ PEER_TOO_LONG, -EPROTO },
	{ PEER_OTHER_KIND, -EPROTO },
	{ PEER_HANG_UP, -ECONNRESET },
	{ PEER_NOT_TLS, -EPROTO },
};

TEST(an_answer_that_is_malformed_gives_no_session)
{
	for (unsigned i = 0; i < 2 * SLUICE_ARRAY_COUNT(answers); i++) {
		struct client_keying_result untouched;
		struct setting setting;

		setting_make(&setting);
		setting.peer.answer = answers[i / 2].answer;
		untouched = setting.result;
		assert_case_equal(i,
		    call(&setting, i % 2 == 0 ? client_keying_establish : client_keying_renew),
		    answers[i / 2].rc);
		untouched.handshakes = setting.result.handshakes;
		assert_memory_equal(&setting.result, &untouched, sizeof(untouched));
		setting_free(&setting);
	}
}

static void wrong_terminal(struct keying_established *answer)
{
	answer->terminal_id = le64_make(78);
}

static void wrong_deployment(struct keying_established *answer)
{
	answer->deployment_sha256[31] ^= 1;
}

static void wrong_aead(struct keying_established *answer)
{
	answer->aead = le16_make(1);
}

static void no_session(struct keying_established *answer)
{
	answer->session_id = le32_make(0);
}

static void no_epoch(struct keying_established *answer)
{
	answer->epoch = le16_make(0);
}

static void expired(struct keying_established *answer)
{
	answer->expires_ns = answer->switch_time_ns;
}

TEST(a_session_that_is_not_ours_is_not_taken)
{
	static void (*const spoils[])(struct keying_established *) = { wrong_terminal,
		wrong_deployment, wrong_aead, no_session, no_epoch, expired };

	for (unsigned i = 0; i < SLUICE_ARRAY_COUNT(spoils); i++) {
		struct setting setting;

		setting_make(&setting);
		spoils[i](&setting.peer.established);
		assert_case_equal(i, call(&setting, client_keying_establish), -EPROTO);
		assert_int_equal(setting.result.handshakes, 1);
		assert_int_equal(setting.result.session_id, 0xaaaaaaaa);
		setting_free(&setting);
	}
}

TEST(fields_of_a_later_version_are_ignored)
{
	struct setting setting;

	setting_make(&setting);
	setting.peer.answer = PEER_LONG_TAIL;
	setting.peer.established.flags = le32_make(0xfffffffe);
	assert_int_equal(call(&setting, client_keying_establish), 0);
	assert_memory_equal(setting.result.root, setting.peer.root, KEYS_ROOT_SIZE);
	assert_int_equal(setting.result.certificate_due, 0);
	setting_free(&setting);
}

TEST(a_refusal_has_its_code_its_text_and_when_to_ask_again)
{
	static const struct {
		uint16_t code, retry_after_s;
		const char *text, *says;
		int retry;
	} refusals[] = {
		{ KEYING_REFUSAL_TERMINAL_BLOCKED, 0, "ask Ana", "ask Ana (TERMINAL_BLOCKED)", 0 },
		{ KEYING_REFUSAL_TERMINAL_BLOCKED, 0, NULL, "blocked; ask the operator", 0 },
		{ KEYING_REFUSAL_BUSY, 7, NULL, "busy", 1 },
		{ 999, 0, "news", "news (a reason this version does not know)", 0 },
		{ KEYING_REFUSAL_CERTIFICATE_REVOKED, 0, "\x1b[2Jx\n", "control: [2Jx (CERT", 0 },
	};

	for (unsigned i = 0; i < SLUICE_ARRAY_COUNT(refusals); i++) {
		struct setting setting;
		int rc;

		setting_make(&setting);
		setting.peer.answer = PEER_REFUSE;
		setting.peer.refusal = refusals[i].code;
		setting.peer.retry_after_s = refusals[i].retry_after_s;
		setting.peer.refusal_text = refusals[i].text;
		rc = call(&setting, client_keying_establish);
		assert_case_equal(i, rc, -ECONNABORTED);
		assert_case_equal(i, setting.result.refusal.code, refusals[i].code);
		assert_case_equal(
		    i, setting.result.refusal.retry_after_s, refusals[i].retry_after_s);
		if (strstr(setting.message, refusals[i].says) == NULL)
			fail_msg("case %u says: %s", i, setting.message);
		assert_case_equal(i, client_keying_retry(rc, &setting.result), refusals[i].retry);
		assert_int_equal(setting.result.session_id, 0xaaaaaaaa);
		setting_free(&setting);
	}
}

TEST(the_time_ends_a_server_that_says_nothing)
{
	static const enum key_peer_answer silent[] = { PEER_SILENT, PEER_DEAF };

	for (unsigned i = 0; i < SLUICE_ARRAY_COUNT(silent); i++) {
		struct setting setting;

		setting_make(&setting);
		setting.peer.answer = silent[i];
		setting.config.timeout_ns = 300000000;
		assert_case_equal(i, call(&setting, client_keying_establish), -ETIMEDOUT);
		setting_free(&setting);
	}
}

static int stop_at_once(void *context)
{
	unsigned *asked = context;

	return ++*asked > 3;
}

TEST(a_call_that_shall_stop_stops)
{
	struct setting setting;
	unsigned asked = 0;

	setting_make(&setting);
	setting.peer.answer = PEER_DEAF;
	setting.config.timeout_ns = 600000000000ull;
	setting.config.stop = stop_at_once;
	setting.config.context = &asked;
	assert_int_equal(call(&setting, client_keying_establish), -ECANCELED);
	setting_free(&setting);
}

TEST(a_server_that_does_not_accept_our_certificate_says_so)
{
	struct setting setting;

	setting_make(&setting);
	setting.peer.clients = &setting.stranger;
	assert_int_equal(call(&setting, client_keying_establish), -ECONNRESET);
	assert_int_equal(setting.peer.asked, 0);
	setting_free(&setting);
}

TEST(addresses_that_are_none_or_closed_are_named)
{
	struct setting setting;

	setting_make(&setting);
	for (unsigned i = 0; i < 4; i++) {
		static const char *const wrong[] = { "", "127.0.0.1", "localhost:1",
			"127.0.0.1:x" };

		setting.config.address = wrong[i];
		assert_case_equal(i,
		    client_keying_establish(
		        &setting.config, &setting.result, setting.message, sizeof(setting.message)),
		    -EINVAL);
		assert_non_null(strstr(setting.message, "IP:PORT"));
	}
	key_peer_start(&setting.peer);
	key_peer_end(&setting.peer); /* its port is closed now */
	setting.config.address = setting.peer.address;
	assert_int_equal(client_keying_establish(&setting.config, &setting.result, setting.message,
	                     sizeof(setting.message)),
	    -ECONNREFUSED);
	assert_int_equal(setting.result.handshakes, 0);
	setting_free(&setting);
}

TEST(another_terminal_than_the_certificates_is_refused_before_connecting)
{
	struct setting setting;

	setting_make(&setting);
	setting.config.terminal_id = KEY_PEER_TERMINAL + 1;
	assert_int_equal(call(&setting, client_keying_establish), -EINVAL);
	assert_int_equal(setting.peer.handshake_done, 0);
	setting.config.terminal_id = KEY_PEER_TERMINAL;
	assert_int_equal(call(&setting, client_keying_establish), 0);
	setting_free(&setting);
}

TEST(a_certificate_in_its_last_third_or_a_new_authority_asks_for_renewal)
{
	static const struct {
		long from_s, to_s;
		uint32_t flags;
		int due;
	} ages[] = {
		{ -6000, 6000, 0, 0 },
		{ -8000, 3000, 0, 1 },
		{ -6000, 6000, KEYING_FLAG_RENEW, 1 },
	};

	for (unsigned i = 0; i < SLUICE_ARRAY_COUNT(ages); i++) {
		struct setting setting;

		setting_make_aged(&setting, ages[i].from_s, ages[i].to_s);
		setting.peer.established.flags = le32_make(ages[i].flags);
		assert_case_equal(i, call(&setting, client_keying_establish), 0);
		assert_case_equal(i, setting.result.certificate_due, ages[i].due);
		setting_free(&setting);
	}
}

static int file_is_there(const struct setting *setting, const char *name)
{
	char path[256];

	snprintf(path, sizeof(path), "%s/%s", setting->directory, name);
	return access(path, F_OK) == 0;
}

TEST(renewal_gives_a_new_key_and_certificate_that_work)
{
	struct client_identity before, after;
	struct setting setting;

	setting_make(&setting);
	assert_int_equal(client_identity_load(setting.directory, KEY_PEER_DEPLOYMENT, &before,
	                     setting.message, sizeof(setting.message)),
	    0);
	assert_int_equal(call(&setting, client_keying_renew), 0);
	assert_int_equal(setting.peer.kind, KEYING_RENEW);
	assert_int_equal(setting.result.handshakes, 1);
	assert_int_equal(client_identity_load(setting.directory, KEY_PEER_DEPLOYMENT, &after,
	                     setting.message, sizeof(setting.message)),
	    0);
	assert_int_equal(EVP_PKEY_eq(before.key, after.key), 0);
	/* The old ones stay until the new ones worked. */
	assert_true(file_is_there(&setting, CLIENT_IDENTITY_KEY ".previous"));
	assert_true(file_is_there(&setting, CLIENT_IDENTITY_CERTIFICATE ".previous"));
	assert_int_equal(call(&setting, client_keying_establish), 0);
	assert_false(file_is_there(&setting, CLIENT_IDENTITY_KEY ".previous"));
	assert_false(file_is_there(&setting, CLIENT_IDENTITY_CERTIFICATE ".previous"));
	client_identity_free(&before);
	client_identity_free(&after);
	setting_free(&setting);
}

TEST(a_renewal_that_is_not_ours_changes_nothing)
{
	static const struct {
		enum key_peer_answer answer;
		int rc;
	} wrong[] = {
		{ PEER_LENGTHS, -EPROTO },
		{ PEER_OTHER_KEY, -EBADMSG },
		{ PEER_OTHER_CA, -EBADMSG },
		{ PEER_REFUSE, -ECONNABORTED },
	};

	for (unsigned i = 0; i < SLUICE_ARRAY_COUNT(wrong); i++) {
		struct setting setting;

		setting_make(&setting);
		setting.peer.answer = wrong[i].answer;
		setting.peer.refusal = KEYING_REFUSAL_REQUEST_MISMATCH;
		assert_case_equal(i, call(&setting, client_keying_renew), wrong[i].rc);
		assert_false(file_is_there(&setting, CLIENT_IDENTITY_KEY ".previous"));
		assert_false(file_is_there(&setting, CLIENT_IDENTITY_KEY ".next"));
		setting.peer.answer = PEER_GOOD;
		assert_case_equal(i, call(&setting, client_keying_establish), 0);
		setting_free(&setting);
	}
}

TEST_MAIN()
