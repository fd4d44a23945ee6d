/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Key server: TLS 1.3 for terminals, formats in wire/keying/keying.h. One thread, non-blocking,
 * bounded: parallel handshakes, time of each, rate per source address. Closed while there is no
 * authority (`sluicectl ca init`).
 *
 * accept -> (limits) -> handshake -> chain, validity, role, known and not revoked -> request ->
 * sessions_reserve -> root -> sessions_establish -> wait a little for the data plane -> ESTABLISHED
 */
#ifndef SLUICE_CONTROL_KEY_SERVER_H
#define SLUICE_CONTROL_KEY_SERVER_H

#include <stdint.h>

#include "control/config/config.h"
#include "control/database/database.h"
#include "control/keys/authority.h"
#include "control/sessions/sessions.h"

struct key_server;

struct key_server_config {
	const struct control_config *config; /* copied */
	struct authority *authority;
	struct database *database;
	struct sessions *sessions;
	/* Any thread: the link has new sessions to install. */
	void (*wake)(void *context);
	/* Boot id of the data plane now, 0 unknown. */
	uint64_t (*boot_id)(void *context);
	void *context;
};

/* 0; -EADDRINUSE ... with message. Starts its thread; listens when the authority is there. */
SLUICE_MUST_USE int key_server_start(struct key_server **out,
    const struct key_server_config *config, char *message, size_t message_size);
void key_server_stop(struct key_server *server);
/* The authority or the limits changed: new handshakes use the new ones. */
void key_server_reload(struct key_server *server, const struct control_config *config);

/* X(name, what it counts) */
#define KEY_SERVER_COUNTERS(X)                                                                     \
	X(connections, "connections accepted")                                                     \
	X(handshakes, "TLS handshakes finished with a good certificate")                           \
	X(handshake_failures, "TLS handshakes that failed")                                        \
	X(certificate_refused, "certificates refused: chain, validity, role, unknown, revoked")    \
	X(timeouts, "connections closed for taking too long")                                      \
	X(rate_refused, "connections refused: too many from one address")                          \
	X(parallel_refused, "connections refused: too many at once")                               \
	X(protocol_errors, "malformed requests")                                                   \
	X(established, "sessions established")                                                     \
	X(renewed, "certificates renewed")                                                         \
	X(refused, "requests refused")

struct key_server_counts {
#define KEY_SERVER_COUNTER_FIELD(name, text) uint64_t name;
	KEY_SERVER_COUNTERS(KEY_SERVER_COUNTER_FIELD)
#undef KEY_SERVER_COUNTER_FIELD
	uint64_t open; /* connections now */
	uint8_t listening;
	uint16_t port; /* the one it got */
};
void key_server_counts(const struct key_server *server, struct key_server_counts *counts);

#endif
