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
#include "wire/client/keying_answer.h"

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
		rc = keying_answer_established(&wire, &identity, body, size, &made);
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
		rc = keying_answer_renewed(&wire, identity.terminal_id, key, body, size);
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
