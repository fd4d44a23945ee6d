/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The operator's certificate authority: X.509 with EC P-256 keys, files under ROOT/etc/sluice/ca
 * (private keys mode 0600). Commands: init, renew, activate, retire; issue; revoke.
 *
 *   files       ca.key ca.crt (active), next.key next.crt (after renew), previous.crt (after
 *               activate), trust.crt (all of them: what terminals get), server.key server.crt
 *   renew       makes the next authority; trust.crt has both; certificates still come from the old
 *   activate    the next one signs from now on, the server certificate too; the old stays trusted.
 *               Terminals that have not fetched the new trust would be locked out: the caller asks
 *               first (authority_changes) or is told to go on all the same
 *   retire      the old one is trusted no more; terminals whose certificate is still from it would
 *               be locked out: as above
 *
 * Each file is written beside its place, synced and renamed. A crash between two files is healed by
 * the next authority_open: ca.crt is written last by init, next.crt last by renew, and activate is
 * finished if ca.key is already the next one's.
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
struct x509_st;

/* Reads what is there; an authority that was never initialised is no error. */
SLUICE_MUST_USE int authority_open(struct authority **out, const char *directory,
    const struct control_config *config, char *message, size_t message_size);
void authority_close(struct authority *authority);

/* -EEXIST: there is one; never overwritten. -EINVAL: the deployment's name cannot stand in a URI.
 */
SLUICE_MUST_USE int authority_init(struct authority *authority, char *message, size_t message_size);
SLUICE_MUST_USE int authority_renew(
    struct authority *authority, char *message, size_t message_size);
SLUICE_MUST_USE int authority_activate(
    struct authority *authority, char *message, size_t message_size);
SLUICE_MUST_USE int authority_retire(
    struct authority *authority, char *message, size_t message_size);
/* Makes a new server certificate when it is due (or `force`): 1 made, 0 not due, -errno. */
int authority_server_renew(struct authority *authority, int force);

/* Days of life of new certificates, from a reloaded configuration; the deployment stays. */
void authority_config_set(struct authority *authority, const struct control_config *config);

int authority_ready(const struct authority *authority);
/*
 * {"state":"none"|"ready"|"next made"|"next active","deployment","directory", then unless none
 * "subject","not_before_ns","not_after_ns","sha256","server":{...},"next":{...}|null,
 * "previous":{...}|null}. New reference; NULL: out of memory.
 */
json_t *authority_show(const struct authority *authority);
/* All trusted authorities, PEM. The caller's to free(); NULL when there is none. */
char *authority_trust(const struct authority *authority);
/*
 * Unix time of what is under way, 0 if it is not: next authority made; next authority activated and
 * the previous one not retired. A terminal whose newest certificate was issued after `next_made_s`
 * and has been used has the new trust; one issued after `activated_s` is from the new authority.
 */
void authority_changes(
    const struct authority *authority, uint64_t *next_made_s, uint64_t *activated_s);
/* 1 when a terminal with this certificate should send RENEW now (KEYING_FLAG_RENEW). */
int authority_renewal_wanted(const struct authority *authority, struct x509_st *certificate);
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
 * -EBADMSG not a request, -EKEYREJECTED key too weak or signature wrong, -EINVAL the request names
 * another terminal (common name terminal-<id>), -ENOKEY no authority, or it has expired.
 */
SLUICE_MUST_USE int authority_issue(struct authority *authority, const char *request_pem,
    uint64_t terminal_id, struct authority_certificate *out, char *message, size_t message_size);

/* A server context as keying.h demands, with the current server certificate and trust. New
 * reference; NULL when not ready. */
struct ssl_ctx_st *authority_server_context(struct authority *authority);

#endif
