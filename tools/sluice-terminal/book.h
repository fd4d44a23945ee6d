/* SPDX-License-Identifier: Apache-2.0 */
/* The demo's picture of the markets, from MARKET_QUERY answers. */
#ifndef SLUICE_TERMINAL_BOOK_H
#define SLUICE_TERMINAL_BOOK_H

#include <stdint.h>

#include "wire/codec.h"

#define BOOK_MARKETS_MAX 4096

struct book_market {
	uint64_t market_id, event_id, start_time_ns;
	uint32_t odds[LIMIT_MARKET_SELECTIONS_MAX];
	uint8_t state, selection_count;
};

struct book {
	struct book_market markets[BOOK_MARKETS_MAX];
	unsigned count;
	uint64_t version; /* up to here is known */
};

/* Takes the rows of an answer in; markets beyond the table are left out. */
void book_update(struct book *book, const struct wire_reply *reply);

/*
 * Fills `legs` with up to `wanted` selections of open markets of different events that start after
 * `switch_time_ns`, at their odds, chosen by *random. Returns how many it found.
 */
unsigned book_choose(const struct book *book, uint64_t *random, uint64_t switch_time_ns,
    unsigned wanted, struct wire_leg legs[LIMIT_BET_LEGS_MAX]);

/* SplitMix64: equal seeds give equal bets. */
uint64_t book_random(uint64_t *state);

#endif
