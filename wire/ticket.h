/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Ticket codes. A ticket carries the bet's id (64 bits) and a MAC of 56 bits over what was sold:
 * SipHash-2-4 (Aumasson, Bernstein 2012; libsodium crypto_shorthash) under the switch's ticket key
 * of
 *
 *   bet id | stake | potential payout | placed_at_ns | legs | odds of each leg, in their order
 *
 * (little-endian 64-bit words), cut to its low 56 bits. The payout alone does not bind the odds: it
 * is rounded down, and other odds come to the same. A guess is checked online only and each wrong
 * one is journalled as TICKET_INVALID.
 *
 * Printed form: 24 characters of Crockford's base 32 (no I, L, O, U) of the 15 bytes id
 * (big-endian), MAC, in four groups: "01AB2C-3D4E5F-6G7H8J-9KMNPQ".
 */
#ifndef SLUICE_WIRE_TICKET_H
#define SLUICE_WIRE_TICKET_H

#include <stddef.h>
#include <stdint.h>

#include "wire/assert.h"
#include "wire/limits.h"
#include "wire/messages.h"

#define TICKET_KEY_SIZE  16
#define TICKET_TEXT_SIZE 28 /* with the dashes and the final zero */

struct ticket_facts {
	uint64_t bet_id;
	int64_t stake, payout;
	uint64_t placed_at_ns;
	unsigned leg_count;                /* at most LIMIT_BET_LEGS_MAX */
	uint32_t odds[LIMIT_BET_LEGS_MAX]; /* as accepted, in 1/1,000 */
};

/* The MAC of a bet's ticket. */
void ticket_make(const uint8_t key[TICKET_KEY_SIZE], const struct ticket_facts *facts,
    uint8_t ticket[TICKET_SIZE]);
/* 1 when it is this bet's; in constant time. */
SLUICE_MUST_USE int ticket_verify(const uint8_t key[TICKET_KEY_SIZE],
    const struct ticket_facts *facts, const uint8_t ticket[TICKET_SIZE]);
void ticket_format(uint64_t bet_id, const uint8_t ticket[TICKET_SIZE], char text[TICKET_TEXT_SIZE]);
/* Reads the printed form; small letters, missing dashes, o for 0 and i, l for 1 are taken. 0 or
 * -EINVAL, outputs untouched. */
SLUICE_MUST_USE int ticket_parse(const char *text, uint64_t *bet_id, uint8_t ticket[TICKET_SIZE]);

#endif
