/* SPDX-License-Identifier: Apache-2.0 */
/* One TLS connection to the key server, under a deadline. */
#ifndef SLUICE_WIRE_CLIENT_KEYING_WIRE_H
#define SLUICE_WIRE_CLIENT_KEYING_WIRE_H

#include "wire/client/keying_client.h"
#include "wire/keying/keying.h"

struct ssl_st;

struct keying_wire {
	const struct client_keying_config *config;
	struct ssl_st *ssl;
	int fd;
	uint64_t end_ns; /* CLOCK_MONOTONIC */
	char *message;
	size_t message_size;
};

/*
 * Connects, does the handshake and checks the server's chain, role and ALPN. 0 or -errno with a
 * sentence; *handshakes is 1 once TLS is done. Close it in every case.
 */
SLUICE_MUST_USE int keying_wire_open(struct keying_wire *wire,
    const struct client_keying_config *config, struct client_identity *identity,
    uint8_t *handshakes, char *message, size_t message_size);
/* Says close_notify when the connection is good, and waits for nothing. */
void keying_wire_close(struct keying_wire *wire);

/*
 * Sends one message and reads the answer to it, which must be of `expected` kind. Its body goes to
 * `body`; *size is its length. -ECONNABORTED for REFUSED with *refusal filled.
 */
SLUICE_MUST_USE int keying_wire_ask(struct keying_wire *wire, enum keying_kind kind,
    const void *request, size_t request_size, enum keying_kind expected,
    uint8_t body[KEYING_BODY_SIZE_MAX], size_t *size, struct client_keying_refusal *refusal);

#endif
