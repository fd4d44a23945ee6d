/* SPDX-License-Identifier: Apache-2.0 */
/* A ledger with accounts and open markets, and bursts of single bets on them. */
#ifndef SLUICE_BENCH_STAGES_BETS_H
#define SLUICE_BENCH_STAGES_BETS_H

#include "dataplane/ledger/ledger.h"
#include "wire/limits.h"

#define BETS_START   (20000ull * 86400 * 1000000000) /* event time at the begin */
#define BETS_MARKETS 1000u
#define BETS_STAKE   1000

struct bets {
	struct ledger *ledger;
	uint64_t accounts, random, request_id;
	struct wire_request wires[LIMIT_BURST];
};

/*
 * Default rules but without daily limits, accounts 1..accounts with this balance, BETS_MARKETS
 * markets of three selections at 2.000. `bets_max`: room. `populate`: 0, 1, or BETS_FOLLOWER: also
 * notes which rows the next checkpoint wants, as the store's copy does. NULL when out of memory.
 */
#define BETS_FOLLOWER 2
struct ledger *bets_ledger_create(
    uint64_t accounts, uint64_t bets_max, int64_t balance, int populate);
/* From here on the risk states are learned, all their factors looked at, and the model of this
 * version (0: none) active. */
void bets_factors_set(struct ledger *ledger, uint32_t model_version);
/* One burst of bets on random accounts and markets. */
void bets_burst_make(struct bets *bets);
/* Applies an event just decided; a refusal of the ledger to do so ends the process. */
void bets_apply(struct ledger *ledger, const struct event_buffer *event, int length);

#endif
