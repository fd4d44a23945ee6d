/* SPDX-License-Identifier: Apache-2.0 */
/* The authority's directory: reading it, healing it, and the steps that change it. */
#include "control/keys/authority_internal.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>

#include <openssl/ssl.h>
#include <openssl/x509v3.h>

#include "control/keys/context.h"
#include "control/keys/files.h"
#include "wire/keying/keying.h"

static void pair_free(struct authority_pair *pair)
{
	X509_free(pair->certificate);
	EVP_PKEY_free(pair->key); /* wipes */
	*pair = (struct authority_pair){ NULL, NULL };
}

void authority_files_unload(struct authority_state *state)
{
	pair_free(&state->active);
	pair_free(&state->next);
	pair_free(&state->server);
	X509_free(state->previous);
	state->previous = NULL;
	state->activated_s = 0;
	free(state->trust);
	state->trust = NULL;
	SSL_CTX_free(state->context);
	state->context = NULL;
}

/* NAME.crt; -ENOENT when there is none. */
static int crt_load(const char *directory, const char *name, X509 **out)
{
	char file[32], *pem = NULL;
	size_t size = 0;
	int error;

	snprintf(file, sizeof(file), "%s.crt", name);
	error = files_read(directory, file, &pem, &size);
	if (error == 0)
		error = certificate_read(pem, size, out);
	files_free(pem, size);
	return error;
}

static int key_load(const char *directory, const char *name, EVP_PKEY **out)
{
	char file[32], *pem = NULL;
	size_t size = 0;
	int error;

	snprintf(file, sizeof(file), "%s.key", name);
	error = files_read(directory, file, &pem, &size);
	if (error == 0)
		error = certificate_key_read(pem, size, out);
	files_free(pem, size);
	return error;
}

static int crt_save(const char *directory, const char *name, const X509 *certificate)
{
	char file[32], *pem = NULL;
	size_t size = 0;
	int error = certificate_write(certificate, &pem, &size);

	snprintf(file, sizeof(file), "%s.crt", name);
	if (error == 0)
		error = files_write(directory, file, pem, size, 0644);
	free(pem);
	return error;
}

static int key_save(const char *directory, const char *name, const EVP_PKEY *key)
{
	char file[32], *pem = NULL;
	size_t size = 0;
	int error = certificate_key_write(key, &pem, &size);

	snprintf(file, sizeof(file), "%s.key", name);
	if (error == 0)
		error = files_write(directory, file, pem, size, 0600);
	files_free(pem, size);
	return error;
}

int authority_files_make(struct authority_state *state, const char *name,
    enum certificate_kind kind, uint64_t days, struct authority_pair *out)
{
	struct authority_pair pair = { NULL, NULL };
	struct certificate_wish wish = {
		.kind = kind,
		.deployment = state->config.deployment,
		.now_s = (uint64_t)time(NULL),
		.days = days,
	};
	int error = certificate_key_make(&pair.key);

	if (error != 0)
		return error;
	wish.key = pair.key;
	if (kind != CERTIFICATE_AUTHORITY) {
		wish.issuer = state->active.certificate;
		wish.signer = state->active.key;
	}
	error = certificate_make(&wish, &pair.certificate);
	if (error == 0)
		error = key_save(state->directory, name, pair.key);
	if (error == 0)
		error = crt_save(state->directory, name, pair.certificate);
	if (error != 0) {
		pair_free(&pair);
		return error;
	}
	*out = pair;
	return 0;
}

int authority_files_server(struct authority_state *state)
{
	struct authority_pair pair;
	int error = authority_files_make(
	    state, "server", CERTIFICATE_SERVER, state->config.keys.server_certificate_days, &pair);

	if (error != 0)
		return error;
	pair_free(&state->server);
	state->server = pair;
	return 0;
}

void authority_files_next_drop(struct authority_state *state)
{
	pair_free(&state->next);
	(void)!files_remove(state->directory, "next.crt");
	(void)!files_remove(state->directory, "next.key");
}

int authority_files_activate(struct authority_state *state)
{
	int error = crt_save(state->directory, "previous", state->active.certificate);

	if (error == 0)
		error = files_rename(state->directory, "next.key", "ca.key");
	if (error == 0)
		error = files_rename(state->directory, "next.crt", "ca.crt");
	return error;
}

/* The active pair, finishing an activation that stopped between its two renames. */
static int active_load(struct authority_state *state, char *message, size_t message_size)
{
	X509 *next = NULL;
	int error = crt_load(state->directory, "ca", &state->active.certificate);

	if (error != 0) {
		if (error != -ENOENT)
			snprintf(message, message_size,
			    "%s/ca.crt cannot be read: %s. Restore it from the backup.",
			    state->directory, strerror(-error));
		return error;
	}
	error = key_load(state->directory, "ca", &state->active.key);
	if (error == 0 && certificate_matches(state->active.certificate, state->active.key))
		return 0;
	if (error == 0 && crt_load(state->directory, "next", &next) == 0 &&
	    certificate_matches(next, state->active.key)) {
		error = files_rename(state->directory, "next.crt", "ca.crt");
		if (error == 0) {
			X509_free(state->active.certificate);
			state->active.certificate = next;
			return 0;
		}
	}
	X509_free(next);
	snprintf(message, message_size,
	    "%s/ca.key is not the key of ca.crt. Restore both from the backup.", state->directory);
	return error != 0 && error != -ENOENT ? error : -EBADMSG;
}

static int next_load(struct authority_state *state, char *message, size_t message_size)
{
	int error = crt_load(state->directory, "next", &state->next.certificate);

	if (error == -ENOENT) /* without certificate a key is worth nothing */
		return files_remove(state->directory, "next.key");
	if (error == 0)
		error = key_load(state->directory, "next", &state->next.key);
	if (error == 0 && !certificate_matches(state->next.certificate, state->next.key))
		error = -EBADMSG;
	if (error != 0)
		snprintf(message, message_size,
		    "%s: next.key and next.crt do not belong together. Restore both from the "
		    "backup, or remove both and run: sluicectl ca renew",
		    state->directory);
	return error == -ENOENT ? -EBADMSG : error;
}

static int previous_load(struct authority_state *state, char *message, size_t message_size)
{
	int error = crt_load(state->directory, "previous", &state->previous);
	char path[PATH_MAX + 16];
	struct stat status;

	if (error == -ENOENT)
		return 0;
	if (error != 0) {
		snprintf(message, message_size,
		    "%s/previous.crt cannot be read: %s. Restore it, or remove it if no terminal "
		    "needs it.",
		    state->directory, strerror(-error));
		return error;
	}
	if (X509_cmp(state->previous, state->active.certificate) == 0) {
		/* An activation stopped before it had begun. */
		X509_free(state->previous);
		state->previous = NULL;
		return files_remove(state->directory, "previous.crt");
	}
	snprintf(path, sizeof(path), "%s/previous.crt", state->directory);
	if (stat(path, &status) != 0)
		return -errno;
	state->activated_s = (uint64_t)status.st_mtime;
	return 0;
}

/* The server's pair; anything wrong with it is healed by a new one. */
static int server_load(struct authority_state *state)
{
	X509 *authority = state->active.certificate;
	uint64_t terminal_id = 1;

	if (crt_load(state->directory, "server", &state->server.certificate) == 0 &&
	    key_load(state->directory, "server", &state->server.key) == 0 &&
	    certificate_matches(state->server.certificate, state->server.key) &&
	    X509_verify(state->server.certificate, X509_get0_pubkey(authority)) == 1 &&
	    keying_role_read(state->server.certificate, state->config.deployment, &terminal_id) ==
	        0 &&
	    terminal_id == 0)
		return 0;
	return authority_files_server(state);
}

static int trust_make(const struct authority_state *state, char **out)
{
	const X509 *const all[] = { state->active.certificate, state->next.certificate,
		state->previous };
	char *trust = calloc(1, FILES_SIZE_MAX);
	size_t used = 0;

	if (trust == NULL)
		return -ENOMEM;
	for (size_t i = 0; i < SLUICE_ARRAY_COUNT(all); i++) {
		char *pem = NULL;
		size_t size = 0;
		int error;

		if (all[i] == NULL)
			continue;
		error = certificate_write(all[i], &pem, &size);
		if (error == 0 && used + size >= FILES_SIZE_MAX)
			error = -EFBIG;
		if (error != 0) {
			free(pem);
			free(trust);
			return error;
		}
		memcpy(trust + used, pem, size);
		used += size;
		free(pem);
	}
	*out = trust;
	return 0;
}

int authority_files_publish(struct authority_state *state)
{
	X509 *const all[] = { state->active.certificate, state->next.certificate, state->previous };
	SSL_CTX *context = NULL;
	char *trust = NULL, *old = NULL;
	size_t old_size = 0;
	int error = trust_make(state, &trust);

	if (error != 0)
		return error;
	if (files_read(state->directory, "trust.crt", &old, &old_size) != 0 ||
	    strcmp(old, trust) != 0)
		error = files_write(state->directory, "trust.crt", trust, strlen(trust), 0644);
	files_free(old, old_size);
	if (error == 0)
		error = context_server_make(state->server.certificate, state->server.key, all,
		    SLUICE_ARRAY_COUNT(all), &context);
	if (error != 0) {
		free(trust);
		return error;
	}
	free(state->trust);
	state->trust = trust;
	SSL_CTX_free(state->context);
	state->context = context;
	return 0;
}

int authority_files_load(struct authority_state *state, char *message, size_t message_size)
{
	int error;

	authority_files_unload(state);
	message[0] = '\0';
	error = active_load(state, message, message_size);
	if (error == -ENOENT)
		return 0;
	if (error == 0)
		error = next_load(state, message, message_size);
	if (error == 0)
		error = previous_load(state, message, message_size);
	if (error == 0)
		error = server_load(state);
	if (error == 0)
		error = authority_files_publish(state);
	if (error != 0) {
		authority_files_unload(state);
		if (message[0] == '\0')
			snprintf(message, message_size,
			    "The authority in %s cannot be used: %s. Check the directory and its "
			    "rights.",
			    state->directory, strerror(-error));
	}
	return error;
}
