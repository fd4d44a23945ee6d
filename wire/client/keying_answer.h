/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the key server's answers hold, checked and taken. Bytes of any kind may come in `body`: the
 * server is who it says, but it may be of another version, or broken.
 */
#ifndef SLUICE_WIRE_CLIENT_KEYING_ANSWER_H
#define SLUICE_WIRE_CLIENT_KEYING_ANSWER_H

#include "wire/client/keying_wire.h"

/*
 * The body of ESTABLISHED: a session of our own terminal and deployment, and its root. 0 with
 * *result (root too; wipe it); -EPROTO, -EIO or -EPERM with a sentence in wire->message, then
 * *result is as it was.
 */
SLUICE_MUST_USE int keying_answer_established(struct keying_wire *wire,
    const struct client_identity *identity, const uint8_t *body, size_t size,
    struct client_keying_result *result);
/*
 * The body of RENEWED: puts certificate and authorities in place with `key`, which the certificate
 * must be for. 0; -EPROTO or as client_identity_replace, with a sentence; then nothing changed.
 */
SLUICE_MUST_USE int keying_answer_renewed(struct keying_wire *wire, uint64_t terminal_id,
    struct evp_pkey_st *key, const uint8_t *body, size_t size);

#endif
