/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One simulated terminal of the load generator: keys, packet numbers, request ids and the requests
 * it waits for. Pure: no I/O, time is passed in.
 */
#ifndef SLUICE_BENCH_TERMINAL_H
#define SLUICE_BENCH_TERMINAL_H

#include <stddef.h>
#include <stdint.h>

#include "bench/request.h"
#include "tools/sluice-provision/sessions.h"
#include "wire/aead.h"
#include "wire/assert.h"
#include "wire/messages.h"

enum slot_state {
	SLOT_FREE = 0,
	SLOT_WAITING = 1,
	SLOT_DONE =
	    2, /* answered; kept until the slot is used again, to tell answers given twice */
};

struct bench_slot {
	uint64_t request_id;
	uint64_t intended_ns; /* when it should have been sent */
	uint64_t due_ns;      /* next resend while waiting */
	uint64_t lsn;         /* of the outcome, when done */
	uint64_t target;      /* bet or request it is about, 0 none: request_write */
	uint16_t sends;
	uint16_t code;
	uint8_t state; /* slot_state */
};

struct bench_terminal {
	uint64_t next_id;
	uint64_t packet_counter;
	uint64_t boot_id;
	uint64_t acked;    /* final outcomes */
	uint64_t bet_last; /* a bet accepted and not yet asked to be cancelled; 0 none */
	uint64_t id_last;  /* of a request whose outcome is known, 0 none */
	uint64_t due_ns;   /* no slot is due before it; UINT64_MAX when none waits */
	uint64_t hello_ns; /* last HELLO sent */
	const struct session_entry *entry;
	uint16_t epoch;
	uint16_t waiting;
	uint8_t queued;  /* in the queue of terminals with room */
	uint8_t greeted; /* HELLO answered: next_id is known */
	uint8_t reset_key[KEYS_RESET_SIZE];
	struct aead_key to_switch, to_terminal;
	struct bench_slot slots[LIMIT_REQUEST_WINDOW];
};

/* 0 or -EIO (key derivation). No keys are held until terminal_rekey. */
SLUICE_MUST_USE int terminal_init(
    struct bench_terminal *terminal, const struct session_entry *entry);
/*
 * Takes the keys of a boot id and epoch, packet numbers from 1. 0, -EIO, -ENOTSUP. Boot id 0 (not
 * known yet) is fine: the switch answers such a datagram with a RESET.
 */
SLUICE_MUST_USE int terminal_rekey(
    struct bench_terminal *terminal, uint64_t boot_id, uint16_t epoch);
/*
 * A RESET of the switch: 1 when it is authentic and newer and the keys were taken, everything
 * waiting is due at once; 0 when it changes nothing; -EBADMSG, -EIO.
 */
SLUICE_MUST_USE int terminal_reset(
    struct bench_terminal *terminal, const uint8_t *datagram, size_t size);
void terminal_wipe(struct bench_terminal *terminal);

/* Writes the frame header around `text_size` bytes at data + 16 and seals. The datagram's size. */
uint32_t terminal_seal(struct bench_terminal *terminal, uint8_t *data, size_t text_size);
/* Opens a DATA datagram of the switch in place: size of the text at data + 16, or -EBADMSG. */
SLUICE_MUST_USE int terminal_open(struct bench_terminal *terminal, uint8_t *data, size_t size);

/* How many new requests fit the windows now, at most `wanted`: all or none. */
static inline int terminal_has_room(const struct bench_terminal *terminal, unsigned wanted)
{
	/* An id may be used once the one 64 below it is answered; all before that one are, then. */
	if (terminal->waiting + wanted > LIMIT_IN_FLIGHT_PER_TERMINAL)
		return 0;
	for (unsigned i = 0; i < wanted; i++)
		if (terminal->slots[(terminal->next_id + i) % LIMIT_REQUEST_WINDOW].state ==
		    SLOT_WAITING)
			return 0;
	return 1;
}

/* Puts `count` new requests, intended for `intended_ns` + i * `step_ns`, into one datagram. Its
 * size.
 */
uint32_t terminal_compose(struct bench_terminal *terminal, const struct bet_plan *plan,
    unsigned count, uint64_t intended_ns, uint64_t step_ns, uint64_t due_ns, uint8_t *data);

/*
 * Resends one waiting request that is due, in a datagram of its own; `due_next_ns` is when it is
 * due again. Its size, 0 when nothing is due (terminal->due_ns is set anew then).
 */
uint32_t terminal_resend(struct bench_terminal *terminal, const struct bet_plan *plan,
    uint64_t now_ns, uint64_t due_next_ns, uint8_t *data);

#endif
