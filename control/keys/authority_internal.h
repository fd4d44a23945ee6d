/* SPDX-License-Identifier: Apache-2.0 */
/* What authority.c and authority_files.c share. */
#ifndef SLUICE_CONTROL_KEYS_AUTHORITY_INTERNAL_H
#define SLUICE_CONTROL_KEYS_AUTHORITY_INTERNAL_H

#include <limits.h>
#include <pthread.h>

#include "control/keys/authority.h"
#include "control/keys/certificate.h"

/* A certificate and, where we have it, its private key. */
struct authority_pair {
	struct x509_st *certificate;
	struct evp_pkey_st *key;
};

struct authority_state {
	pthread_mutex_t lock; /* guards everything below but directory */
	char directory[PATH_MAX];
	struct control_config config;
	struct authority_pair active, next, server;
	struct x509_st *previous;
	uint64_t activated_s;
	char *trust; /* PEM of all trusted authorities */
	struct ssl_ctx_st *context;
};

struct authority {
	struct authority_state *state; /* behind a pointer: readers hold a const authority */
};

/* All with the lock held. 0 or -errno with message. */

/* Reads all files, heals what a crash left; an empty directory gives a state without authority. */
SLUICE_MUST_USE int authority_files_load(
    struct authority_state *state, char *message, size_t message_size);
/* Makes and writes key and certificate as NAME.key, NAME.crt; the certificate last. */
SLUICE_MUST_USE int authority_files_make(struct authority_state *state, const char *name,
    enum certificate_kind kind, uint64_t days, struct authority_pair *out);
/* A next authority that could not be told to anyone: as if it had never been made. */
void authority_files_next_drop(struct authority_state *state);
/* ca.crt becomes previous.crt, next.* becomes ca.*; then load. */
SLUICE_MUST_USE int authority_files_activate(struct authority_state *state);
/* A new server certificate from the active authority; the context is made anew by the caller. */
SLUICE_MUST_USE int authority_files_server(struct authority_state *state);
/* Trust and server context from the certificates held; trust.crt is written when it differs. */
SLUICE_MUST_USE int authority_files_publish(struct authority_state *state);
void authority_files_unload(struct authority_state *state);

#endif
