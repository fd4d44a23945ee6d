/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a load asks for: the request of one id follows from (seed, terminal, id) and a target alone,
 * so a resend is the same bytes without keeping them. Pure.
 */
#ifndef SLUICE_BENCH_REQUEST_H
#define SLUICE_BENCH_REQUEST_H

#include <stdint.h>

#include "bench/zipf.h"
#include "wire/assert.h"
#include "wire/messages.h"

#define BET_MESSAGE_SIZE 72

/* One selection of an open market that bets are placed on. */
struct bet_choice {
	uint64_t market_id;
	uint32_t odds;
	uint16_t selection;
};

enum workload {
	WORKLOAD_BETS = 0, /* single bets, and deposits where deposit_permille says so */
	WORKLOAD_MIXED,    /* a day at the counter: REQUEST_SHARES */
};

/* X(template, of 1000 requests of the mixed day) */
#define REQUEST_SHARES(X)                                                                          \
	X(PLACE_BET, 700)                                                                          \
	X(TX_STATUS, 100)                                                                          \
	X(DEPOSIT, 80)                                                                             \
	X(WITHDRAW, 40)                                                                            \
	X(TRANSFER, 40)                                                                            \
	X(CANCEL_BET, 40)

/* Places of the templates above, in this order. */
enum request_kind {
#define REQUEST_KIND(name, share) REQUEST_##name,
	REQUEST_SHARES(REQUEST_KIND)
#undef REQUEST_KIND
	    REQUEST_KINDS,
};

/* What every request of a run has in common. */
struct bet_plan {
	uint64_t seed;
	uint64_t account_first;
	uint32_t account_count;
	uint32_t choice_count;
	const struct bet_choice *choices;
	const struct zipf *zipf;        /* of the accounts; NULL: all alike */
	uint32_t stake_min, stake_span; /* stake = min + 0..span-1 minor units */
	uint64_t deadline_ns; /* switch time; one for the run, so that resends are the same */
	uint16_t currency;
	uint16_t deposit_permille; /* WORKLOAD_BETS: of the requests that are deposits instead */
	uint16_t hot_permille;     /* of the draws of an account that give the first one */
	uint8_t workload;          /* enum workload */
	/* A terminal goes on to the next choice after so many requests; 0: any at any time. */
	uint32_t hold;
};

/* What the request of an id is by its number. CANCEL_BET and TX_STATUS need a target. */
enum request_kind request_kind(
    const struct bet_plan *plan, uint64_t terminal_id, uint64_t request_id);
/*
 * Writes it at `out` (BET_MESSAGE_SIZE bytes at most); its size. `target`: the bet to cancel, or
 * the request to ask for; with 0 these two are bets.
 */
uint32_t request_write(const struct bet_plan *plan, uint64_t terminal_id, uint64_t request_id,
    uint64_t target, uint8_t flags, uint8_t *out);
/* The kind of an answer's template (with WIRE_TEMPLATE_REPLY), or REQUEST_KINDS: none of a load. */
enum request_kind request_kind_answered(uint16_t template_id);
const char *request_kind_name(enum request_kind kind);

#endif
