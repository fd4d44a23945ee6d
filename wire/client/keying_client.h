/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Key establishment at the terminal (wire/keying/keying.h): a TLS 1.3 connection to control that
 * gives a session and its root, or a new certificate. Each call blocks, makes one connection and
 * one handshake, and ends it; run it in a thread of its own where the switch must be served
 * meanwhile. Nothing is kept between calls; several threads may call at once.
 */
#ifndef SLUICE_WIRE_CLIENT_KEYING_CLIENT_H
#define SLUICE_WIRE_CLIENT_KEYING_CLIENT_H

#include <stddef.h>
#include <stdint.h>

#include "wire/assert.h"
#include "wire/client/identity.h"
#include "wire/keys.h"

#define CLIENT_KEYING_TIMEOUT_NS   10000000000ull /* when the configuration has 0 */
#define CLIENT_KEYING_MESSAGE_SIZE 320            /* enough for every sentence */

struct client_keying_config {
	const char *address;    /* of the key server, "192.0.2.1:7402" */
	const char *directory;  /* the identity: wire/client/identity.h */
	const char *deployment; /* both certificates must be of this one */
	uint64_t terminal_id;   /* must be the certificate's; 0: whichever it has */
	uint64_t timeout_ns;    /* for all of it, from connecting to the last byte */
	/* Asked ten times a second; not 0: give up with -ECANCELED. NULL: never. */
	int (*stop)(void *context);
	void *context;
};

/* Why control refused (-ECONNABORTED). */
struct client_keying_refusal {
	uint16_t code; /* enum keying_refusal, or a number this version does not know */
	uint16_t retry_after_s;
};

struct client_keying_result {
	struct client_keying_refusal refusal; /* set on -ECONNABORTED, when all else is untouched */
	uint8_t handshakes;                   /* 1 when the TLS handshake finished; set always */
	uint8_t certificate_due; /* time for client_keying_renew: by its age, or control said so */
	uint16_t epoch;
	uint32_t session_id, rights;
	uint64_t terminal_id;
	uint64_t boot_id; /* 0: not known */
	uint64_t switch_time_ns;
	uint64_t expires_ns;   /* switch time, the session's hard end */
	uint32_t address_ipv4; /* of the switch, host order; 0: as configured */
	uint16_t udp_port;     /* first one; 0: as configured */
	uint16_t udp_port_count;
	uint8_t root[KEYS_ROOT_SIZE]; /* wipe it after use */
};

/*
 * Makes a session. The root is taken only after the handshake has finished and the server's
 * certificate, its chain and its role are accepted; the answer must name our own terminal.
 *
 * 0, or with a sentence in `message`:
 *   -EINVAL        an address that is none, a terminal id that is not the certificate's
 *   -ENOENT ...    as client_identity_load
 *   -ETIMEDOUT     the time is over
 *   -ECANCELED     `stop` said so
 *   -ECONNREFUSED ...  of the network
 *   -EACCES        the server is not control of this deployment: chain, role or ALPN
 *   -ECONNRESET    the server ended the connection, or refused our certificate by a TLS alert
 *   -EPROTO        an answer that is malformed, for another terminal or of another deployment
 *   -ECONNABORTED  control refused: result->refusal
 *   -ENOMEM, -EIO
 */
SLUICE_MUST_USE int client_keying_establish(const struct client_keying_config *config,
    struct client_keying_result *result, char *message, size_t message_size);

/*
 * Gets a certificate for a fresh key and puts both in place (client_identity_replace), with the
 * trusted authorities of now. Failures as above; -EBADMSG: a certificate that is not ours, nothing
 * changed. Of *result, refusal and handshakes are set.
 */
SLUICE_MUST_USE int client_keying_renew(const struct client_keying_config *config,
    struct client_keying_result *result, char *message, size_t message_size);

/* 1 when asking again later may help without anybody's doing: the network, a busy server. */
int client_keying_retry(int rc, const struct client_keying_result *result);

#endif
