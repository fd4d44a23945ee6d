/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Sessions: slot table with keys of three epochs, replay windows, rates; one table per worker (a
 * session lives with its terminal's home worker), filled only by that worker. Pure: no DPDK, time
 * is passed in.
 */
#ifndef SLUICE_SESSION_H
#define SLUICE_SESSION_H

#include <stddef.h>
#include <stdint.h>

#include "wire/aead.h"
#include "wire/assert.h"
#include "wire/drop.h"
#include "wire/keys.h"
#include "wire/messages.h"
#include "wire/peer.h"
#include "wire/replay.h"

/* Defaults of an installed session that names no rate of its own, and the ceiling of any rate. */
#define SESSION_RATE_DEFAULT_PER_S 200000u
#define SESSION_BURST_DEFAULT      32768u
/* 2^24 - 1: keeps the arithmetic of the bucket in 64 bits. */
#define SESSION_RATE_MAX_PER_S 16777215u

/* A source with more recent failed tags than this is refused before opening; they decay at this
 * number per second, so a flood costs at most this many openings a second and source. */
#define SESSION_SOURCE_FAILED_PER_S 64u

/* To one source; and to any, so that a flood from another source does not use up a terminal's. */
#define SESSION_RESET_INTERVAL_NS       100000000ull
#define SESSION_RESET_INTERVAL_OTHER_NS 10000000ull

struct session_epoch {
	uint16_t epoch;
	uint8_t held;          /* 1 when the keys are installed */
	uint64_t send_counter; /* packets sealed under it */
	uint64_t open_failed;
	struct replay_window replay;
	struct aead_key to_switch;
	struct aead_key to_terminal;
};

struct session {
	uint32_t session_id; /* 0: free slot */
	uint32_t rights;
	uint64_t terminal_id;
	uint64_t expires_ns;     /* switch time; 0: never */
	uint32_t terminal_index; /* of the terminal's request window in this worker */
	uint16_t epoch_current;
	uint16_t highest_epoch;
	uint64_t highest_packet; /* highest authenticated packet number of highest_epoch */
	struct wire_peer peer;
	uint8_t peer_known;
	uint8_t current_known; /* 1 once an epoch was installed as current */
	/* Token bucket of authenticated messages: tokens << 16, negative after an overdraft. */
	int64_t rate_tokens;
	uint64_t rate_updated_ns;
	uint32_t rate_per_s, rate_burst;
	uint64_t last_seen_ns;
	/* Authenticated datagrams, their messages, those marked as sent again (the caller counts).
	 */
	uint64_t datagrams, messages, resends;
	uint64_t reset_sent_ns;
	uint32_t reset_ipv4; /* to whom */
	uint16_t reset_udp_port;
	uint32_t ended_session_id; /* last id ended in this slot: never installed again */
	uint8_t reset_key[KEYS_RESET_SIZE];
	struct session_epoch epochs[LIMIT_EPOCHS_HELD];
};

struct session_table;

/*
 * `slots_max` sessions at most (a slot number must be below it, 1..LIMIT_SESSION_SLOTS); `lane` is
 * the worker's own lane for sealing. Reserves address space for all slots; a slot costs memory only
 * once a session was installed in it. NULL: out of memory or slots_max out of range.
 */
struct session_table *session_table_create(uint32_t slots_max, uint8_t lane);
/* Wipes all keys first. NULL is fine. */
void session_table_free(struct session_table *table);

/* What control hands over for one session and epoch. The caller wipes it afterwards. */
struct session_install {
	uint32_t session_id;
	uint32_t rights;
	uint64_t terminal_id;
	uint64_t expires_ns; /* switch time; from then on the session is unknown. 0: never */
	uint16_t epoch;
	uint8_t current;                 /* 1: the switch seals under this epoch from now on */
	uint32_t rate_per_s, rate_burst; /* 0: defaults */
	uint8_t to_switch_key[AEAD_KEY_SIZE], to_switch_iv[AEAD_IV_SIZE];
	uint8_t to_terminal_key[AEAD_KEY_SIZE], to_terminal_iv[AEAD_IV_SIZE];
	uint8_t reset_key[KEYS_RESET_SIZE];
};
/*
 * 0, or
 *   -EINVAL   slot or generation out of range (the generation starts at 1), its time is over, or an
 * epoch the session may not hold: once a current one is known, only previous, current and next, or
 * any later one as the new current -EEXIST   slot live under another generation or for another
 * terminal, or this id has ended: the same keys with counters from 1 again would use nonces twice
 *   -ENOTSUP, -ENOMEM  of the cipher back end
 * A session past its time counts as ended: a later generation may take its slot, and it cannot be
 * installed again itself.
 * Installing a held epoch again changes rights, rates, expires_ns and `current`, never its keys,
 * counters or replay window. An epoch more than one behind current is dropped and wiped. On failure
 * the session keeps what it had (less a previous epoch that had to make room, when the back end
 * failed).
 */
SLUICE_MUST_USE int session_install(
    struct session_table *table, const struct session_install *install, uint64_t now_ns);
/*
 * Ends a session: wipes its keys. 0 or -ENOENT. The slot is free for another generation. An id that
 * is not there counts as ended too: its installation may be on its way, and would come too late.
 */
SLUICE_MUST_USE int session_end(struct session_table *table, uint32_t session_id);
/* 1 when the session is past its time: nothing it sent is taken, nothing is sealed for it. */
static inline int session_expired(const struct session *session, uint64_t now_ns)
{
	return session->expires_ns != 0 && now_ns >= session->expires_ns;
}
/*
 * Ends the sessions past their time in `count` slots from *slot on (moved on, and round): writes
 * their ids to `ended` (room for `count`). Returns how many.
 */
SLUICE_MUST_USE unsigned session_expire(
    struct session_table *table, uint64_t now_ns, uint32_t *slot, unsigned count, uint32_t *ended);
/* The session with exactly this id (slot and generation), or NULL. Past its time it may still be
 * there. */
struct session *session_find(struct session_table *table, uint32_t session_id);
uint32_t session_count(const struct session_table *table);
/* The live session in a slot, or NULL. For lists, not for datagrams: it asks for no generation. */
struct session *session_at(struct session_table *table, uint32_t slot);

/* First stage of a burst, by the id of session_peek: slot and session header lines. */
void session_prefetch(const struct session_table *table, uint32_t session_id);
/* Second stage, a few datagrams later: the replay window and keys that session_open will need for
 * this one, which session_peek has taken. */
void session_prefetch_open(struct session_table *table, const uint8_t *datagram);
/* The same for session_seal, some answers behind session_prefetch. */
void session_prefetch_seal(struct session_table *table, uint32_t session_id);

/*
 * The checks of one datagram before and at opening, in the order of wire/README.md: length,
 * version, flags, lane, session, epoch, replay (peek), session rate (peek), source rate, tag; then
 * window set and rate charged by the number of messages later (session_charge). On success returns
 * DROP_NONE, sets *session and *text (plaintext in place) and *text_size. Otherwise the reason,
 * with *session NULL, except that on BAD_TAG and UNKNOWN_EPOCH of a live session it is set, so that
 * the caller may answer RESET; the datagram's bytes are undefined after BAD_TAG beyond the header.
 *
 * Nothing of the session changes before the tag has verified (but open_failed, a count).
 */
enum drop_reason session_open(struct session_table *table, uint8_t *datagram, size_t size,
    const struct wire_peer *peer, uint64_t now_ns, struct session **session, uint8_t **text,
    size_t *text_size);
/* Cheap structural part of the above, for any worker: length, version, flags, lane; gives the id.
 */
enum drop_reason session_peek(const uint8_t *datagram, size_t size, uint32_t *session_id);
/*
 * Charges an opened datagram: its messages, at least 1. May overdraw; the debt is paid first.
 * Returns how many of the messages are within the rate: the others are answered RATE_LIMITED.
 */
unsigned session_charge(struct session *session, unsigned messages);

/*
 * Seals a reply datagram in place: `datagram` has 16 B of room for the header, then text_size bytes
 * of messages (a multiple of 8, at most LIMIT_PAYLOAD_SIZE_MAX), then room for the tag. Returns the
 * datagram's size, or -EAGAIN when the session holds no current key or its counter is used up
 * (LIMIT_EPOCH_SEALED_MAX).
 */
SLUICE_MUST_USE int session_seal(
    struct session_table *table, struct session *session, uint8_t *datagram, size_t text_size);

/* 1 when the current epoch should be replaced soon: three quarters of the sealed limit are used, or
 * the failed openings of an epoch reached their limit. Failures never stop a session by themselves:
 * that would let anyone stop it. */
int session_wants_rotation(const struct session *session);

/* Writes a RESET for this session; 0, -EAGAIN when one was sent to this peer less than 100 ms ago
 * or to any less than 10 ms ago, the trigger is shorter than the RESET or no epoch is current, or
 * -EIO of the MAC. */
SLUICE_MUST_USE int session_make_reset(struct session *session, uint64_t boot_id,
    const struct frame_header *trigger, size_t trigger_size, const struct wire_peer *peer,
    uint64_t now_ns, struct frame_reset *reset);

#endif
