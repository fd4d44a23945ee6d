/* SPDX-License-Identifier: Apache-2.0 */
/* A key server on loopback with real parts behind it, and a terminal that is OpenSSL alone. */
#ifndef SLUICE_TESTS_CONTROL_KEYS_BED_H
#define SLUICE_TESTS_CONTROL_KEYS_BED_H

#include <stdatomic.h>

#include <openssl/ssl.h>

#include "control/keys/key_server.h"
#include "control/sessions/sessions.h"
#include "control/terminals/terminals.h"
#include "tests/keying/pki.h"
#include "wire/keying/keying.h"

#define BED_DEPLOYMENT "test"
#define BED_BOOT_ID    77

struct bed {
	char folder[64];
	struct control_config config;
	struct database *database;
	struct authority *authority;
	struct sessions *sessions;
	struct key_server *server;
	struct pki issuer;     /* the authority's own pair, to sign what it would not */
	_Atomic int installs;  /* 1: the "data plane" installs at once; 0: it is away */
	_Atomic unsigned ends; /* sessions the "data plane" was told to end */
	struct key_server_counts before;
};

/* `init`: with an authority. Bounded waits inside; fails the test when something does not come. */
void bed_make(struct bed *bed, int init);
void bed_free(struct bed *bed);
void bed_issuer_read(struct bed *bed);
/* Starts the server again with bed->config. */
void bed_restart(struct bed *bed);
/* A certificate of the authority, not enrolled unless `enroll`. */
struct pki bed_terminal(struct bed *bed, uint64_t terminal_id, int enroll);
struct key_server_counts bed_counts(const struct bed *bed);
/* Waits until no connection is open, then checks that no session was made or is reserved. */
void bed_nothing_made(struct bed *bed);
void bed_quiet(const struct bed *bed);

struct bed_client {
	SSL_CTX *context;
	SSL *ssl;
	int fd;
};

/* Settings of a terminal that does everything right; change ->context before connecting. */
void bed_client_make(struct bed *bed, struct bed_client *client, const struct pki *own);
int bed_tcp(const struct bed *bed);
/* 1: handshake done as far as the terminal sees. */
int bed_client_connect(struct bed *bed, struct bed_client *client);
/* Sends; reads one message. Returns its kind, 0 when the connection ends without one. */
int bed_client_ask(struct bed_client *client, unsigned kind, const void *body, size_t size,
    uint8_t *answer, size_t *answer_size);
int bed_client_read(struct bed_client *client, uint8_t *answer, size_t *answer_size);
/* ESTABLISH with everything right; the answer's kind, and the refusal's code. */
int bed_client_establish(
    struct bed_client *client, struct keying_established *answer, unsigned *refusal);
void bed_client_free(struct bed_client *client);

#endif
