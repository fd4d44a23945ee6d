/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Registry of sessions: slots, generations, roots, epochs. Roots live here and nowhere else in
 * control, in memory only (locked, left out of core dumps, wiped at the end). Slots and generations
 * are durable, so that no session id is given out twice while its slot's keys could still be known.
 *
 * Thread-safe. The link thread asks what is to be sent (sessions_work); others establish and end.
 *
 *        establish            link: install answered
 *   FREE ---------> PENDING -------------------------> LIVE --rotation due--> PENDING (next epoch)
 *                      ^                                | new boot id: back to PENDING, epoch kept
 *                      +--------------------------------+
 *   LIVE, PENDING --end, replaced, expired--> ENDING --link: ended--> FREE
 *
 * What the data plane was never told of under its boot id goes to FREE at once.
 *
 * After a restart of control the roots are gone: sessions found in the database are LIVE without a
 * root (KEYLESS): the data plane goes on with them, they cannot be rotated or installed again, and
 * with the next boot id they are over. Their terminals make a new TLS handshake then. Those that
 * were to be ended before, or whose terminal is unknown, not active, or was blocked, revoked or
 * enrolled since it was admitted, are ENDING at once.
 */
#ifndef SLUICE_CONTROL_SESSIONS_H
#define SLUICE_CONTROL_SESSIONS_H

#include <jansson.h>
#include <stdint.h>

#include "control/database/database.h"
#include "wire/keys.h"

struct sessions;

struct sessions_settings {
	uint32_t slots_max; /* slot numbers 1..slots_max, as capacity.sessions of the data plane */
	uint64_t life_ns;   /* hard end of a session */
	uint64_t epoch_ns;  /* between rotations */
	uint32_t rate_per_s, rate_burst; /* of terminals that have none of their own */
};

SLUICE_MUST_USE int sessions_create(
    struct sessions **out, struct database *database, const struct sessions_settings *settings);
void sessions_free(struct sessions *sessions);
void sessions_settings_set(struct sessions *sessions, const struct sessions_settings *settings);

struct sessions_offer {
	uint32_t session_id;
	uint16_t epoch;
	uint64_t terminal_id;
	uint64_t terminal_version; /* of the row that admitted it */
	uint64_t expires_ns;       /* Unix time */
};
/*
 * Two steps, because the root depends on the session id: reserve gives an id (durable before it
 * returns), establish hands over the root and makes it PENDING; a session the terminal had is ended
 * once the new one is installed. An offer that is not established within a minute lapses, and so
 * does an older one of the same terminal: a terminal holds one reserved slot at most.
 * terminal_version: of the row that admitted it; rights and rates told by sessions_update_terminal
 * under a later version in between win over those of establish.
 * reserve: 0; -ENOSPC no slot is free; -errno of the database. establish: 0; -ENOENT the offer has
 * lapsed, or the terminal's sessions were ended in between: nothing was made.
 */
SLUICE_MUST_USE int sessions_reserve(struct sessions *sessions, uint64_t terminal_id,
    uint64_t terminal_version, struct sessions_offer *offer);
SLUICE_MUST_USE int sessions_establish(struct sessions *sessions,
    const struct sessions_offer *offer, const uint8_t root[KEYS_ROOT_SIZE], uint32_t rights,
    uint32_t rate_per_s, uint32_t rate_burst);
void sessions_cancel(struct sessions *sessions, const struct sessions_offer *offer);

/* Ends all sessions of a terminal (block, revoke). Their number. That this outlives a crash is the
 * terminal's row's doing: its state and sessions_void_version, committed before. */
unsigned sessions_end_terminal(struct sessions *sessions, uint64_t terminal_id);
/* 0: it is durable that the session ends; -ENOENT; -errno of the database: it ends, unless control
 * dies before the data plane was told. */
int sessions_end(struct sessions *sessions, uint32_t session_id);
/* Changed rights or rates of a terminal, as of this version of its row: its session is installed
 * again under its epoch. What came as a later version already, or as this one, is left alone. */
void sessions_update_terminal(struct sessions *sessions, uint64_t terminal_id,
    uint64_t terminal_version, uint32_t rights, uint32_t rate_per_s, uint32_t rate_burst);

/* ---- For the link thread ---- */

enum session_work_kind {
	SESSION_WORK_INSTALL = 1,
	SESSION_WORK_END = 2,
};

/* One thing to tell the data plane; keys are derived here, wiped by sessions_work_wipe. */
struct session_work {
	enum session_work_kind kind;
	uint32_t session_id;
	uint64_t terminal_id;
	uint32_t rights, rate_per_s, rate_burst;
	uint16_t epoch;
	uint32_t version; /* of what is told; an answer to an older one does not make it LIVE */
	uint64_t expires_ns;
	uint8_t to_switch_key[AEAD_KEY_SIZE], to_switch_iv[AEAD_IV_SIZE];
	uint8_t to_terminal_key[AEAD_KEY_SIZE], to_terminal_iv[AEAD_IV_SIZE];
	uint8_t reset_key[KEYS_RESET_SIZE];
};

/* To be called for each new connection: a data plane answered with this boot id. All sessions with
 * a root become PENDING under it when it is new, keyless ones end; work that was handed out and not
 * answered is handed out again. Returns the number to install. */
unsigned sessions_boot(struct sessions *sessions, uint64_t boot_id);
/* Up to `max` pieces of work, ENDs before INSTALLs; looks for what is due (rotation, expiry) too.
 */
unsigned sessions_work(
    struct sessions *sessions, uint64_t now_ns, struct session_work *work, unsigned max);
/* The same without INSTALLs: revocation works also while nothing may be installed. */
unsigned sessions_work_ends(
    struct sessions *sessions, uint64_t now_ns, struct session_work *work, unsigned max);
/*
 * The data plane's answer: 0; -ENOENT no such session (END: done); -ENOTCONN no answer came (handed
 * out again); -EEXIST the slot is live under another generation or this id has ended there: the
 * session is over, its terminal makes a new one; others: tried again after a pause, a few times.
 */
void sessions_work_done(struct sessions *sessions, const struct session_work *work, int error);
void sessions_work_wipe(struct session_work *work, unsigned count);
/* When sessions_work has something next without a call from outside; Unix ns, 0 now, UINT64_MAX
 * never. */
uint64_t sessions_due_ns(const struct sessions *sessions);
/* An operator wants a new epoch of one session: one that nobody had before this call. 0; -ENOENT no
 * such session, or it is being ended. */
int sessions_rotate(struct sessions *sessions, uint32_t session_id);
/* The data plane says that the epoch's limit comes near: an epoch on its way is enough. Returns the
 * same. */
int sessions_rotate_worn(struct sessions *sessions, uint32_t session_id);
/* The data plane's list names this session. 1, or 0: control does not know it (its database was
 * restored, or another program installed it). It is ended, since nobody could revoke it. */
int sessions_seen(struct sessions *sessions, uint32_t session_id, uint64_t terminal_id);

/* Waits until a session is installed. 0; -ETIMEDOUT; -ENOENT it has ended. */
SLUICE_MUST_USE int sessions_wait(
    struct sessions *sessions, uint32_t session_id, unsigned timeout_ms);

struct sessions_counts {
	uint32_t live, pending, ending, keyless, reserved;
	uint64_t established, replaced, ended, expired, rotations, installs, install_failures;
	uint64_t epoch_oldest_ns; /* age of the oldest epoch in use */
};
void sessions_counts(const struct sessions *sessions, struct sessions_counts *counts);
/* [{"session","slot","terminal","state","epoch","established_ns","expires_ns"}]. New reference.
 * terminal_id 0: all. */
json_t *sessions_list(const struct sessions *sessions, uint64_t terminal_id);
/* One of them; NULL: there is none. New reference. */
json_t *sessions_find(const struct sessions *sessions, uint32_t session_id);

#endif
