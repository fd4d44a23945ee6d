/* SPDX-License-Identifier: Apache-2.0 */
#include "control/keys/authority_internal.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <openssl/ssl.h>

#include "control/keys/files.h"
#include "wire/keying/keying.h"

int authority_open(struct authority **out, const char *directory,
    const struct control_config *config, char *message, size_t message_size)
{
	struct authority *authority = calloc(1, sizeof(*authority));
	struct authority_state *state = calloc(1, sizeof(*state));
	int error;

	if (authority == NULL || state == NULL) {
		free(authority);
		free(state);
		snprintf(message, message_size, "Out of memory.");
		return -ENOMEM;
	}
	authority->state = state;
	state->config = *config;
	pthread_mutex_init(&state->lock, NULL);
	if (strlen(directory) >= sizeof(state->directory) - 32) {
		snprintf(message, message_size, "The path %.100s... is too long.", directory);
		error = -ENAMETOOLONG;
	} else {
		memcpy(state->directory, directory, strlen(directory) + 1);
		error = authority_files_load(state, message, message_size);
	}
	if (error != 0) {
		authority_close(authority);
		return error;
	}
	*out = authority;
	return 0;
}

void authority_close(struct authority *authority)
{
	if (authority == NULL)
		return;
	authority_files_unload(authority->state);
	pthread_mutex_destroy(&authority->state->lock);
	free(authority->state);
	free(authority);
}

static void failed_say(
    const struct authority_state *state, int error, char *message, size_t message_size)
{
	snprintf(message, message_size,
	    "Writing the authority's files in %s failed: %s. Look at the disk and the rights of "
	    "the directory, then try again.",
	    state->directory, strerror(-error));
}

int authority_init(struct authority *authority, char *message, size_t message_size)
{
	struct authority_state *state = authority->state;
	char uri[KEYING_URI_SIZE_MAX];
	int error;

	pthread_mutex_lock(&state->lock);
	if (state->active.certificate != NULL) {
		snprintf(message, message_size,
		    "There is an authority in %s; it is never overwritten. For a new one run: "
		    "sluicectl ca renew",
		    state->directory);
		error = -EEXIST;
	} else if (keying_uri_write(state->config.deployment, 0, uri) != 0) {
		snprintf(message, message_size,
		    "The deployment's name \"%s\" cannot stand in certificates: use letters, "
		    "digits, '.', '-' and '_'.",
		    state->config.deployment);
		error = -EINVAL;
	} else {
		error = files_directory(state->directory);
		if (error == 0)
			error = authority_files_make(state, "ca", CERTIFICATE_AUTHORITY,
			    state->config.keys.authority_days, &state->active);
		if (error == 0)
			error = authority_files_load(state, message, message_size);
		else
			failed_say(state, error, message, message_size);
	}
	pthread_mutex_unlock(&state->lock);
	return error;
}

int authority_renew(struct authority *authority, char *message, size_t message_size)
{
	struct authority_state *state = authority->state;
	int error;

	pthread_mutex_lock(&state->lock);
	if (state->active.certificate == NULL) {
		snprintf(
		    message, message_size, "There is no authority yet. Run: sluicectl ca init");
		error = -ENOKEY;
	} else if (state->next.certificate != NULL) {
		snprintf(message, message_size,
		    "The next authority is made already. Run: sluicectl ca activate");
		error = -EEXIST;
	} else if (state->previous != NULL) {
		snprintf(message, message_size,
		    "The previous authority is still trusted. Run first: sluicectl ca retire");
		error = -EBUSY;
	} else {
		error = authority_files_make(state, "next", CERTIFICATE_AUTHORITY,
		    state->config.keys.authority_days, &state->next);
		if (error == 0)
			error = authority_files_publish(state);
		if (error != 0) {
			authority_files_next_drop(state);
			failed_say(state, error, message, message_size);
		}
	}
	pthread_mutex_unlock(&state->lock);
	return error;
}

int authority_activate(struct authority *authority, char *message, size_t message_size)
{
	struct authority_state *state = authority->state;
	int error;

	pthread_mutex_lock(&state->lock);
	if (state->next.certificate == NULL) {
		snprintf(message, message_size,
		    "There is no next authority to activate. Run first: sluicectl ca renew");
		error = -ENOENT;
	} else {
		error = authority_files_activate(state);
		if (error != 0)
			failed_say(state, error, message, message_size);
		else
			error = authority_files_load(state, message, message_size);
	}
	pthread_mutex_unlock(&state->lock);
	return error;
}

int authority_retire(struct authority *authority, char *message, size_t message_size)
{
	struct authority_state *state = authority->state;
	int error;

	pthread_mutex_lock(&state->lock);
	if (state->previous == NULL) {
		snprintf(message, message_size, "There is no previous authority to retire.");
		error = -ENOENT;
	} else {
		error = files_remove(state->directory, "previous.crt");
		if (error != 0)
			failed_say(state, error, message, message_size);
		else
			error = authority_files_load(state, message, message_size);
	}
	pthread_mutex_unlock(&state->lock);
	return error;
}

static int server_due(const struct authority_state *state, uint64_t now_s)
{
	struct certificate_facts facts;
	uint64_t begin, life;

	if (certificate_facts_read(state->server.certificate, &facts) != 0)
		return 1;
	begin = facts.not_before_s + CERTIFICATE_BACKDATE_S;
	life = facts.not_after_s > begin ? facts.not_after_s - begin : 0;
	return now_s >= begin + life / 3 * 2;
}

int authority_server_renew(struct authority *authority, int force)
{
	struct authority_state *state = authority->state;
	int result = 0;

	pthread_mutex_lock(&state->lock);
	if (state->active.certificate == NULL) {
		result = -ENOKEY;
	} else if (force || server_due(state, (uint64_t)time(NULL))) {
		result = authority_files_server(state);
		if (result == 0)
			result = authority_files_publish(state);
		if (result == 0)
			result = 1;
	} else if (X509_cmp(SSL_CTX_get0_certificate(state->context), state->server.certificate) !=
	           0) {
		result = authority_files_publish(state); /* made before, but not taken into use */
	}
	pthread_mutex_unlock(&state->lock);
	return result;
}

void authority_config_set(struct authority *authority, const struct control_config *config)
{
	struct authority_state *state = authority->state;

	pthread_mutex_lock(&state->lock);
	state->config.keys = config->keys;
	pthread_mutex_unlock(&state->lock);
}

int authority_issue(struct authority *authority, const char *request_pem, uint64_t terminal_id,
    struct authority_certificate *out, char *message, size_t message_size)
{
	struct authority_state *state = authority->state;
	struct authority_certificate made = { .pem = NULL };
	struct certificate_facts facts;
	struct certificate_wish wish = { .kind = CERTIFICATE_TERMINAL,
		.terminal_id = terminal_id,
		.now_s = (uint64_t)time(NULL) };
	X509_REQ *request = NULL;
	X509 *certificate = NULL;
	size_t size = 0;
	int error = certificate_request_read(request_pem, strlen(request_pem), &request);

	if (error != 0) {
		snprintf(message, message_size, "%s",
		    error == -EKEYREJECTED
		        ? "The request's key must be EC P-256, P-384 or P-521, or RSA of 2048 to "
		          "4096 "
		          "bits, and must have signed it. Make a new request."
		        : "This is not a certificate request (PKCS #10, PEM). Make one with: "
		          "sluice-terminal identity");
		return error;
	}
	pthread_mutex_lock(&state->lock);
	error = -ENOKEY;
	if (state->active.certificate == NULL) {
		snprintf(
		    message, message_size, "There is no authority yet. Run: sluicectl ca init");
		goto out;
	}
	if (X509_cmp_current_time(X509_get0_notAfter(state->active.certificate)) <= 0) {
		snprintf(message, message_size,
		    "The authority's certificate has expired. Run: sluicectl ca renew, then "
		    "sluicectl ca activate");
		goto out;
	}
	error = -EINVAL;
	if (terminal_id == 0 || certificate_request_other(request, terminal_id)) {
		snprintf(message, message_size,
		    "The request is for another terminal than %llu: look at its common name.",
		    (unsigned long long)terminal_id);
		goto out;
	}
	wish.deployment = state->config.deployment;
	wish.days = state->config.keys.terminal_certificate_days;
	wish.key = X509_REQ_get0_pubkey(request);
	wish.issuer = state->active.certificate;
	wish.signer = state->active.key;
	error = certificate_make(&wish, &certificate);
	if (error == 0)
		error = certificate_facts_read(certificate, &facts);
	if (error == 0)
		error = certificate_write(certificate, &made.pem, &size);
	if (error != 0) {
		snprintf(message, message_size, "Signing failed: %s.", strerror(-error));
		goto out;
	}
	memcpy(made.sha256, facts.sha256, sizeof(made.sha256));
	memcpy(made.serial, facts.serial, sizeof(made.serial));
	made.not_before_s = facts.not_before_s;
	made.not_after_s = facts.not_after_s;
	*out = made;
out:
	pthread_mutex_unlock(&state->lock);
	X509_free(certificate);
	X509_REQ_free(request);
	return error;
}

int authority_ready(const struct authority *authority)
{
	struct authority_state *state = authority->state;
	int ready;

	pthread_mutex_lock(&state->lock);
	ready = state->context != NULL;
	pthread_mutex_unlock(&state->lock);
	return ready;
}

char *authority_trust(const struct authority *authority)
{
	struct authority_state *state = authority->state;
	char *trust;

	pthread_mutex_lock(&state->lock);
	trust = state->trust != NULL ? strdup(state->trust) : NULL;
	pthread_mutex_unlock(&state->lock);
	return trust;
}

const char *authority_deployment(const struct authority *authority)
{
	return authority->state->config.deployment; /* never changes */
}

struct ssl_ctx_st *authority_server_context(struct authority *authority)
{
	struct authority_state *state = authority->state;
	SSL_CTX *context;

	pthread_mutex_lock(&state->lock);
	context = state->context;
	if (context != NULL && SSL_CTX_up_ref(context) != 1)
		context = NULL;
	pthread_mutex_unlock(&state->lock);
	return context;
}
