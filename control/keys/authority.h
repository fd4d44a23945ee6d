/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The operator's certificate authority: X.509 with EC P-256 keys, files under ROOT/etc/sluice/ca
 * (private keys mode 0600). Commands: init, renew, activate, retire; issue; revoke.
 *
 *   files       ca.key ca.crt (active), next.key next.crt (after renew), previous.crt (after
 *               activate), trust.crt (all of them: what terminals get), server.key server.crt
 *   renew       makes the next authority; trust.crt has both; certificates still come from the old
 *   activate    the next one signs from now on, the server certificate too; the old stays trusted.
 *               Refused until every active terminal has fetched the new trust (or `force`)
 *   retire      the old one is trusted no more
 *
 * Thread-safe. The server certificate is renewed by itself after two thirds of its life.
 */
#ifndef SLUICE_CONTROL_AUTHORITY_H
#define SLUICE_CONTROL_AUTHORITY_H

#include <jansson.h>
#include <stddef.h>
#include <stdint.h>

#include "control/config/config.h"
#include "control/database/database.h"

struct authority;
struct ssl_ctx_st;

/* Reads what is there; an authority that was never initialised is no error. */
SLUICE_MUST_USE int authority_open(struct authority **out, const char *directory,
    const struct control_config *config, char *message, size_t message_size);
void authority_close(struct authority *authority);

/* -EEXIST: there is one; never overwritten. */
SLUICE_MUST_USE int authority_init(struct authority *authority, char *message, size_t message_size);
SLUICE_MUST_USE int authority_renew(
    struct authority *authority, char *message, size_t message_size);
SLUICE_MUST_USE int authority_activate(
    struct authority *authority, char *message, size_t message_size);
SLUICE_MUST_USE int authority_retire(
    struct authority *authority, char *message, size_t message_size);
/* Makes a new server certificate when it is due (or `force`): 1 made, 0 not due, -errno. */
int authority_server_renew(struct authority *authority, int force);

int authority_ready(const struct authority *authority);
/* {"state","subject","not_after","fingerprint","server":{...},"next":{...}|null,...}. */
json_t *authority_show(const struct authority *authority);
/* All trusted authorities, PEM. The caller's to free(); NULL when there is none. */
char *authority_trust(const struct authority *authority);
/* The deployment named in the configuration. */
const char *authority_deployment(const struct authority *authority);

struct authority_certificate {
	uint8_t sha256[32];
	uint8_t serial[20];
	uint64_t not_before_s, not_after_s;
	char *pem; /* the caller's to free() */
};
/*
 * Signs a PKCS #10 request (PEM) for a terminal: its key and proof of possession are taken from it,
 * name, role and extensions are ours. The key must be EC P-256 or better, or RSA >= 2048.
 * -EBADMSG not a request, -EKEYREJECTED key too weak or signature wrong, -ENOKEY no authority.
 */
SLUICE_MUST_USE int authority_issue(struct authority *authority, const char *request_pem,
    uint64_t terminal_id, struct authority_certificate *out, char *message, size_t message_size);

/* A server context as keying.h demands, with the current server certificate and trust. New
 * reference; NULL when not ready. */
struct ssl_ctx_st *authority_server_context(struct authority *authority);

#endif
