/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Prints ns per bet decided and applied, in bursts of 32 as the worker does it. Not a test: figures
 * depend on the machine. Usage: bench-ledger [accounts] [bets] [populate]
 */
#include <inttypes.h>

#include "bench/stages/bets.h"
#include "tests/test.h"

#define BURST   LIMIT_BURST
#define BALANCE 1000000000

struct test_registry test_registry; /* tests/test.h wants one */

static uint64_t clock_ns(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * 1000000000 + (uint64_t)now.tv_nsec;
}

int main(int argc, char **argv)
{
	uint64_t accounts = argc > 1 ? strtoull(argv[1], NULL, 0) : 1000;
	uint64_t bets = argc > 2 ? strtoull(argv[2], NULL, 0) : 1000000;
	struct bets load = { .accounts = accounts, .random = 1 };
	struct ledger *ledger;
	struct event_buffer event;
	uint64_t decide_ns = 0, hash_ns = 0, accepted = 0, begun;

	ledger = bets_ledger_create(accounts, bets + BURST, BALANCE, argc > 3);
	SLUICE_REQUIRE(ledger != NULL);
	load.ledger = ledger;
	for (uint64_t done = 0; done < bets; done += BURST) {
		bets_burst_make(&load);
		begun = clock_ns();
		for (unsigned i = 0; i < BURST; i++)
			ledger_prefetch(ledger, &load.wires[i]);
		for (unsigned i = 0; i < BURST; i++) {
			struct ledger_request request = { .wire = &load.wires[i],
				.terminal_id = i + 1 };

			bets_apply(ledger, &event,
			    ledger_decide(ledger, &request, BETS_START + done * 1000, &event));
		}
		decide_ns += clock_ns() - begun;
		begun = clock_ns();
		if (done % (BURST * 4) == 0)
			(void)ledger_state_hash(ledger);
		hash_ns += clock_ns() - begun;
	}
	for (uint32_t i = 0; i < ledger_row_count(ledger, LEDGER_TERMINAL); i++)
		accepted += (uint64_t)ledger_terminal_at(ledger, i)->staked_today / 1000;
	printf("accounts %" PRIu64 ", bets %" PRIu64 ", accepted %" PRIu64 "\n", accounts, bets,
	    accepted);
	printf("prefetch + decide + apply %.1f ns, state hash %.1f ns per bet\n",
	    (double)decide_ns / (double)bets, (double)hash_ns / (double)bets);
	ledger_free(ledger);
	return 0;
}
