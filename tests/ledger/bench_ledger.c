/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Prints ns per bet decided and applied, in bursts of 32 as the worker does it. Not a test: figures
 * depend on the machine. Usage: bench-ledger [accounts] [bets] [populate|-] [factors]
 *
 * With `factors` the risk states are learned and every factor is looked at. Then each burst is
 * decided once more before it is applied (deciding changes nothing): its rows are warm, and the
 * median over the bursts is what a decision costs by itself. Cycles are those of the time stamp
 * counter; instructions: callgrind with --toggle-collect=ledger_decide.
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

static uint64_t cycles(void)
{
#if defined(__x86_64__)
	return __builtin_ia32_rdtsc();
#else
	return 0;
#endif
}

static int compare(const void *a, const void *b)
{
	uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

	return (x > y) - (x < y);
}

struct bench {
	struct bets load;
	uint64_t *warm_ns, *warm_cycles; /* per burst; NULL: not asked */
	uint64_t bursts, step_ns;
	uint64_t decide_ns, hash_ns;
};

static void burst_decide(const struct bench *bench, uint64_t now, int apply)
{
	static struct event_buffer event;

	for (unsigned i = 0; i < BURST; i++) {
		struct ledger_request request = { .wire = &bench->load.wires[i],
			.terminal_id = i + 1 };
		int length = ledger_decide(bench->load.ledger, &request, now, &event);

		if (apply)
			bets_apply(bench->load.ledger, &event, length);
	}
}

static void burst_run(struct bench *bench)
{
	uint64_t now = BETS_START + bench->bursts * bench->step_ns * BURST, begun, begun_cycles;

	bets_burst_make(&bench->load);
	if (bench->warm_ns != NULL) {
		burst_decide(bench, now, 0);
		begun = clock_ns();
		begun_cycles = cycles();
		burst_decide(bench, now, 0);
		bench->warm_cycles[bench->bursts] = (cycles() - begun_cycles) / BURST;
		bench->warm_ns[bench->bursts] = (clock_ns() - begun) / BURST;
	}
	begun = clock_ns();
	for (unsigned i = 0; i < BURST; i++) {
		ledger_prefetch(bench->load.ledger, &bench->load.wires[i]);
		ledger_prefetch_terminal(bench->load.ledger, i + 1);
	}
	burst_decide(bench, now, 1);
	bench->decide_ns += clock_ns() - begun;
	begun = clock_ns();
	if (bench->bursts % 4 == 0)
		(void)ledger_state_hash(bench->load.ledger);
	bench->hash_ns += clock_ns() - begun;
	bench->bursts++;
}

static void warm_print(struct bench *bench)
{
	size_t count = bench->bursts;

	if (bench->warm_ns == NULL)
		return;
	qsort(bench->warm_ns, count, sizeof(uint64_t), compare);
	qsort(bench->warm_cycles, count, sizeof(uint64_t), compare);
	printf("decide alone, rows warm, median of bursts: %" PRIu64 " ns, %" PRIu64
	       " cycles; 99th of 100: %" PRIu64 " ns\n",
	    bench->warm_ns[count / 2], bench->warm_cycles[count / 2],
	    bench->warm_ns[count * 99 / 100]);
}

int main(int argc, char **argv)
{
	uint64_t accounts = argc > 1 ? strtoull(argv[1], NULL, 0) : 1000;
	uint64_t bets = argc > 2 ? strtoull(argv[2], NULL, 0) : 1000000;
	int populate = argc > 3 && strcmp(argv[3], "-") != 0;
	int factors = argc > 4 && strcmp(argv[4], "factors") == 0;
	struct bench bench = { .load = { .accounts = accounts, .random = 1 }, .step_ns = 1000 };
	uint64_t accepted = 0;
	struct ledger *ledger;

	ledger = bets_ledger_create(accounts, bets + BURST, BALANCE, populate);
	SLUICE_REQUIRE(ledger != NULL);
	bench.load.ledger = ledger;
	if (factors)
		bets_factors_set(ledger);
	if (argc > 4) {
		bench.step_ns = 10000000;
		bench.warm_ns = calloc(bets / BURST + 1, sizeof(uint64_t));
		bench.warm_cycles = calloc(bets / BURST + 1, sizeof(uint64_t));
		SLUICE_REQUIRE(bench.warm_ns != NULL && bench.warm_cycles != NULL);
	}
	while (bench.bursts < bets / BURST)
		burst_run(&bench);
	for (uint32_t i = 0; i < ledger_row_count(ledger, LEDGER_TERMINAL); i++)
		accepted += (uint64_t)ledger_terminal_at(ledger, i)->staked_today / 1000;
	printf("accounts %" PRIu64 ", bets %" PRIu64 ", accepted %" PRIu64 "%s\n", accounts, bets,
	    accepted, factors ? ", all factors" : "");
	printf("prefetch + decide + apply %.1f ns, state hash %.1f ns per bet\n",
	    (double)bench.decide_ns / (double)bets, (double)bench.hash_ns / (double)bets);
	warm_print(&bench);
	free(bench.warm_ns);
	free(bench.warm_cycles);
	ledger_free(ledger);
	return 0;
}
