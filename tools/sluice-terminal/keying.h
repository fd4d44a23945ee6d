/* SPDX-License-Identifier: Apache-2.0 */
/*
 * When the terminal goes to control, and what it does with what it gets:
 *
 *   at the start                      a session, and a certificate when the old one is getting old
 *   the switch has become silent      a session, if it stays silent for --silence and a random part
 *                                     of --spread; the client goes on asking the switch meanwhile
 *   the session ends                  a session, at a random point of the last fifth of its life
 *   the key has sealed all it may     a session, at once
 *   the certificate gets old          a certificate, after a new session
 *
 * What fails is tried again with a doubled wait. TLS runs in a thread, so that the switch is
 * served.
 */
#ifndef SLUICE_TERMINAL_KEYING_H
#define SLUICE_TERMINAL_KEYING_H

#include "tools/sluice-terminal/terminal.h"
#include "wire/client/keying_client.h"

/*
 * The first session: blocks until it is there, control refuses, or end_ns. EXIT_DONE with *result
 * (wipe its root), or the status after a message.
 */
int keying_start(
    struct connection *connection, uint64_t end_ns, struct client_keying_result *result);
void keying_end(struct connection *connection);

/* Takes CLIENT_SILENT. */
void keying_silent(struct connection *connection, uint64_t now_ns);
/* The session's key is used up: nothing can be sent until there is another session. */
void keying_urgent(struct connection *connection, uint64_t now_ns);
/* What is due. Returns how long the caller may wait, at most wait_ns. */
uint64_t keying_step(struct connection *connection, uint64_t now_ns, uint64_t wait_ns);

#endif
