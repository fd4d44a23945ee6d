/* SPDX-License-Identifier: Apache-2.0 */
/* Looking ahead in a replay. Part of ledger.h, which includes it. */
#ifndef SLUICE_LEDGER_AHEAD_H
#define SLUICE_LEDGER_AHEAD_H

#include <stddef.h>
#include <stdint.h>

#include "wire/limits.h"

struct ledger;

/* For replay: brings rows into the cache that events some places later will touch. Begin with the
 * events of a batch, then a step before each is applied. Bytes that are no events end it. The rows
 * it comes across are kept in the ledger as hints, which applying compares before it uses them. */
#define LEDGER_AHEAD_LINES 16 /* a power of two */
struct ledger_ahead {
	const uint8_t *line, *end;
	uint32_t lines, rows; /* events looked at, by lines of the index and by rows */
	/* Of the last events by lines: hashes of what they name, so that each is reckoned once. */
	struct ledger_ahead_names {
		uint64_t lsn, account, terminal;
		uint64_t markets[LIMIT_BET_LEGS_MAX];
		uint32_t market_count;
		uint8_t has_account;
	} names[LEDGER_AHEAD_LINES];
};
void ledger_ahead_begin(
    const struct ledger *ledger, struct ledger_ahead *ahead, const uint8_t *events, size_t size);
void ledger_ahead_step(const struct ledger *ledger, struct ledger_ahead *ahead);

#endif
