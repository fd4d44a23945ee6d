/* SPDX-License-Identifier: Apache-2.0 */
#include "wire/client/keying_client.h"

#include <errno.h>
#include <inttypes.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <openssl/crypto.h>
#include <openssl/evp.h>

#include "wire/client/identity_files.h"
#include "wire/client/keying_wire.h"

/*
 * OpenSSL writes to its socket with write(): a server that is gone would end the process by
 * SIGPIPE. The signal is blocked for this thread, and the one we caused taken back.
 */
struct pipe_guard {
	sigset_t before;
	int pending; /* one was waiting already; it is not ours */
};

static void pipe_guard_set(struct pipe_guard *guard)
{
	sigset_t pipe, pending;

	sigemptyset(&pipe);
	sigaddset(&pipe, SIGPIPE);
	sigpending(&pending);
	guard->pending = sigismember(&pending, SIGPIPE) == 1;
	pthread_sigmask(SIG_BLOCK, &pipe, &guard->before);
}

static void pipe_guard_end(const struct pipe_guard *guard)
{
	struct timespec none = { 0, 0 };
	sigset_t pipe;

	sigemptyset(&pipe);
	sigaddset(&pipe, SIGPIPE);
	while (!guard->pending && sigtimedwait(&pipe, NULL, &none) < 0 && errno == EINTR)
		;
	pthread_sigmask(SIG_SETMASK, &guard->before, NULL);
}

static int64_t unix_time_s(void)
{
	return (int64_t)time(NULL);
}

static uint64_t unix_time_ns(void)
{
	struct timespec now;

	clock_gettime(CLOCK_REALTIME, &now);
	return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

static int identity_open(const struct client_keying_config *config,
    struct client_identity *identity, char *message, size_t message_size)
{
	int rc = client_identity_load(
	    config->directory, config->deployment, identity, message, message_size);

	if (rc < 0)
		return rc;
	if (config->terminal_id == 0 || config->terminal_id == identity->terminal_id)
		return 0;
	identity_say(message, message_size,
	    "the certificate in %s is of terminal %" PRIu64 ", not %" PRIu64, config->directory,
	    identity->terminal_id, config->terminal_id);
	client_identity_free(identity);
	return -EINVAL;
}

static int answer_wrong(struct keying_wire *wire, const char *what)
{
	identity_say(wire->message, wire->message_size,
	    "the key server at %s sent a malformed answer: %s", wire->config->address, what);
	return -EPROTO;
}

/* Checks ESTABLISHED and takes the root. */
static int established_take(struct keying_wire *wire, const struct client_identity *identity,
    const uint8_t *body, size_t size, struct client_keying_result *result)
{
	struct keying_established answer;
	struct keying_context context = { 0 };
	int rc;

	if (size < sizeof(answer))
		return answer_wrong(wire, "ESTABLISHED is too short");
	memcpy(&answer, body, sizeof(answer));
	context.version = le16_make(WIRE_VERSION);
	context.aead = answer.aead;
	context.session_id = answer.session_id;
	context.terminal_id = answer.terminal_id;
	if (keying_deployment_hash(wire->config->deployment, context.deployment_sha256) < 0)
		return -EIO;
	if (le16_get(answer.aead) != KEYING_AEAD_AES256GCM)
		return answer_wrong(wire, "another cipher");
	if (le32_get(answer.session_id) == 0 || le16_get(answer.epoch) == 0)
		return answer_wrong(wire, "no session or epoch");
	if (le64_get(answer.terminal_id) != identity->terminal_id)
		return answer_wrong(wire, "the session is of another terminal");
	if (memcmp(answer.deployment_sha256, context.deployment_sha256,
	        sizeof(answer.deployment_sha256)) != 0)
		return answer_wrong(wire, "the session is of another deployment");
	if (le64_get(answer.expires_ns) <= le64_get(answer.switch_time_ns))
		return answer_wrong(wire, "the session has expired");
	rc = keying_root_export(wire->ssl, 0, &context, result->root);
	if (rc < 0) {
		identity_say(wire->message, wire->message_size, "the connection gives no root");
		return rc;
	}
	result->session_id = le32_get(answer.session_id);
	result->rights = le32_get(answer.rights);
	result->epoch = le16_get(answer.epoch);
	result->terminal_id = identity->terminal_id;
	result->boot_id = le64_get(answer.boot_id);
	result->switch_time_ns = le64_get(answer.switch_time_ns);
	result->expires_ns = le64_get(answer.expires_ns);
	result->address_ipv4 = le32_get(answer.address_ipv4);
	result->udp_port = le16_get(answer.udp_port);
	result->udp_port_count = le16_get(answer.udp_port_count);
	result->certificate_due = client_identity_due(identity, unix_time_s()) ||
	                          (le32_get(answer.flags) & KEYING_FLAG_RENEW) != 0;
	return 0;
}

int client_keying_establish(const struct client_keying_config *config,
    struct client_keying_result *result, char *message, size_t message_size)
{
	struct keying_establish request = { .aead = le16_make(KEYING_AEAD_AES256GCM),
		.local_time_ns = le64_make(unix_time_ns()) };
	struct client_keying_result made = { 0 };
	uint8_t body[KEYING_BODY_SIZE_MAX];
	struct client_identity identity;
	struct keying_wire wire;
	struct pipe_guard guard;
	size_t size = 0;
	int rc;

	result->handshakes = 0;
	rc = identity_open(config, &identity, message, message_size);
	if (rc < 0)
		return rc;
	pipe_guard_set(&guard);
	rc = keying_wire_open(&wire, config, &identity, &made.handshakes, message, message_size);
	if (rc == 0)
		rc = keying_wire_ask(&wire, KEYING_ESTABLISH, &request, sizeof(request),
		    KEYING_ESTABLISHED, body, &size, &made.refusal);
	if (rc == 0)
		rc = established_take(&wire, &identity, body, size, &made);
	keying_wire_close(&wire);
	pipe_guard_end(&guard);
	client_identity_free(&identity);
	result->handshakes = made.handshakes;
	if (rc == 0) {
		client_identity_settle(config->directory);
		*result = made;
	} else if (rc == -ECONNABORTED) {
		result->refusal = made.refusal;
	}
	OPENSSL_cleanse(made.root, sizeof(made.root));
	return rc;
}

/* Checks RENEWED and puts what it holds in place. */
static int renewed_take(
    struct keying_wire *wire, uint64_t terminal_id, EVP_PKEY *key, const uint8_t *body, size_t size)
{
	const struct client_keying_config *config = wire->config;
	struct keying_renewed lengths;
	const char *texts;
	size_t certificate, authorities;

	if (size < sizeof(lengths))
		return answer_wrong(wire, "RENEWED is too short");
	memcpy(&lengths, body, sizeof(lengths));
	certificate = le32_get(lengths.certificate_length);
	authorities = le32_get(lengths.authorities_length);
	if (certificate > size - sizeof(lengths) ||
	    authorities > size - sizeof(lengths) - certificate)
		return answer_wrong(wire, "RENEWED is too short");
	texts = (const char *)body + sizeof(lengths);
	return client_identity_replace(config->directory, config->deployment, terminal_id, key,
	    texts, certificate, texts + certificate, authorities, wire->message,
	    wire->message_size);
}

int client_keying_renew(const struct client_keying_config *config,
    struct client_keying_result *result, char *message, size_t message_size)
{
	uint8_t body[KEYING_BODY_SIZE_MAX];
	struct client_keying_refusal refusal = { 0 };
	struct client_identity identity;
	struct keying_wire wire;
	struct pipe_guard guard;
	EVP_PKEY *key = NULL;
	char *request = NULL;
	size_t request_size = 0, size = 0;
	int rc;

	result->handshakes = 0;
	rc = identity_open(config, &identity, message, message_size);
	if (rc < 0)
		return rc;
	rc = client_identity_key(&key);
	if (rc == 0)
		rc = client_identity_request(
		    key, config->deployment, identity.terminal_id, &request, &request_size);
	if (rc < 0) {
		identity_say(message, message_size, "cannot make a key");
		goto out;
	}
	pipe_guard_set(&guard);
	rc = keying_wire_open(&wire, config, &identity, &result->handshakes, message, message_size);
	if (rc == 0)
		rc = keying_wire_ask(&wire, KEYING_RENEW, request, request_size, KEYING_RENEWED,
		    body, &size, &refusal);
	if (rc == 0)
		rc = renewed_take(&wire, identity.terminal_id, key, body, size);
	keying_wire_close(&wire);
	pipe_guard_end(&guard);
	if (rc == -ECONNABORTED)
		result->refusal = refusal;
out:
	free(request);
	EVP_PKEY_free(key);
	client_identity_free(&identity);
	return rc;
}

int client_keying_retry(int rc, const struct client_keying_result *result)
{
	switch (rc) {
	case -ECONNABORTED:
		return result->refusal.code == KEYING_REFUSAL_BUSY ||
		       result->refusal.code == KEYING_REFUSAL_NO_AUTHORITY ||
		       result->refusal.retry_after_s != 0;
	case -EINVAL:
	case -ENOENT:
	case -EPERM:
	case -EBADMSG:
	case -EACCES:
	case -ECANCELED:
		return 0;
	default:
		return 1;
	}
}
