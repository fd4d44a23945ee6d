/* SPDX-License-Identifier: Apache-2.0 */
/* What an event says of a game round's stake: for the days it counts in. */
#ifndef SLUICE_LEDGER_ROUND_H
#define SLUICE_LEDGER_ROUND_H

#include "lmdb-schema/event_sections.h"

/* The stake of a game round that an event carries out, or takes back. */
struct ledger_round_stake {
	int64_t amount;
	uint64_t done_ns;     /* when it was carried out */
	uint64_t terminal_id; /* whose day it counts in, with ROUND_COUNTED_TERMINAL */
	uint8_t counted;      /* round_counted */
	uint8_t back;         /* 1: taken back */
};
/* 1 and *stake for an event that carries out or takes back a debit that counts in a day's stakes; 0
 * for all others, and for the debits of older logs, which count in none. */
int ledger_event_round_stake(const struct event_view *view, struct ledger_round_stake *stake);

#endif
