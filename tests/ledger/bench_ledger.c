/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Prints ns per bet decided and applied, in bursts of 32 as the worker does it. Not a test: figures
 * depend on the machine. Usage: bench-ledger [accounts] [bets] [populate|-] [none|factors|FILE]
 *
 * With `factors` the risk states are learned and every factor is looked at. Then each burst is
 * decided once more before it is applied (deciding changes nothing): its rows are warm, and the
 * median over the bursts is what a decision costs by itself. Cycles are those of the time stamp
 * counter; instructions: callgrind with --toggle-collect=ledger_decide.
 *
 * With FILE, a flattened model (risk-eval --flatten FILE --number 1), it is active beside the
 * factors and asked for each burst first, as the worker does. The same bursts are then decided with
 * the model and, without it, by the factors alone, in turn: the median of the differences is what
 * the model costs, features, trees and all that is looked up for them.
 */
#include <inttypes.h>

#include "bench/stages/bets.h"
#include "dataplane/ledger/ledger_model.h"
#include "dataplane/risk/risk_model_file.h"
#include "tests/test.h"

#define BURST         LIMIT_BURST
#define BALANCE       1000000000
#define MODEL_VERSION 1

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
	const struct risk_model *model;
	uint64_t *warm_ns, *warm_cycles; /* per burst; NULL: not asked */
	uint64_t *model_ns, *without_ns; /* with the model: what it adds, and the rest */
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

static void burst_ask(const struct bench *bench, uint64_t now)
{
	struct ledger_model_ask asks[BURST];

	if (bench->model == NULL)
		return;
	for (unsigned i = 0; i < BURST; i++)
		asks[i] = (struct ledger_model_ask){ &bench->load.wires[i], i + 1 };
	ledger_model_burst(bench->load.ledger, asks, BURST, now);
}

/* The burst decided once with warm rows. */
static uint64_t burst_warm(struct bench *bench, uint64_t now, uint64_t *ticks)
{
	uint64_t begun, begun_cycles;

	burst_ask(bench, now);
	burst_decide(bench, now, 0);
	begun = clock_ns();
	begun_cycles = cycles();
	burst_ask(bench, now);
	burst_decide(bench, now, 0);
	*ticks = (cycles() - begun_cycles) / BURST;
	return (clock_ns() - begun) / BURST;
}

static void burst_measure(struct bench *bench, uint64_t now)
{
	uint64_t at = bench->bursts, ticks;

	bench->warm_ns[at] = burst_warm(bench, now, &bench->warm_cycles[at]);
	if (bench->model == NULL)
		return;
	ledger_model_set(bench->load.ledger, NULL, 0);
	bench->without_ns[at] = burst_warm(bench, now, &ticks);
	ledger_model_set(bench->load.ledger, bench->model, MODEL_VERSION);
	bench->model_ns[at] = bench->warm_ns[at] > bench->without_ns[at]
	                          ? bench->warm_ns[at] - bench->without_ns[at]
	                          : 0;
}

static void burst_run(struct bench *bench)
{
	uint64_t now = BETS_START + bench->bursts * bench->step_ns * BURST, begun;

	bets_burst_make(&bench->load);
	if (bench->warm_ns != NULL)
		burst_measure(bench, now);
	begun = clock_ns();
	for (unsigned i = 0; i < BURST; i++) {
		ledger_prefetch(bench->load.ledger, &bench->load.wires[i]);
		ledger_prefetch_terminal(bench->load.ledger, i + 1);
	}
	burst_ask(bench, now);
	burst_decide(bench, now, 1);
	bench->decide_ns += clock_ns() - begun;
	begun = clock_ns();
	if (bench->bursts % 4 == 0)
		(void)ledger_state_hash(bench->load.ledger);
	bench->hash_ns += clock_ns() - begun;
	bench->bursts++;
}

static uint64_t median(uint64_t *values, size_t count)
{
	qsort(values, count, sizeof(uint64_t), compare);
	return values[count / 2];
}

static void warm_print(struct bench *bench)
{
	size_t count = bench->bursts;

	if (bench->warm_ns == NULL)
		return;
	printf("decide alone, rows warm, median of bursts: %" PRIu64 " ns, %" PRIu64 " cycles",
	    median(bench->warm_ns, count), median(bench->warm_cycles, count));
	printf("; 99th of 100: %" PRIu64 " ns\n", bench->warm_ns[count * 99 / 100]);
	if (bench->model != NULL)
		printf("of it the model: %" PRIu64 " ns (without: %" PRIu64 " ns)\n",
		    median(bench->model_ns, count), median(bench->without_ns, count));
}

static struct risk_model *model_read(const char *path)
{
	size_t room = risk_model_size(RISK_MODEL_TREES_MAX, RISK_MODEL_DEPTH_MAX), size;
	struct risk_model *model = aligned_alloc(64, room);
	uint8_t *bytes = malloc(RISK_MODEL_FILE_MAX);
	FILE *file = fopen(path, "rb");

	SLUICE_REQUIRE(model != NULL && bytes != NULL && file != NULL);
	size = fread(bytes, 1, RISK_MODEL_FILE_MAX, file);
	SLUICE_REQUIRE(risk_model_file_read(bytes, size, MODEL_VERSION, model, room) == 0);
	fclose(file);
	free(bytes);
	return model;
}

static uint64_t *numbers_make(uint64_t count)
{
	uint64_t *numbers = calloc(count, sizeof(uint64_t));

	SLUICE_REQUIRE(numbers != NULL);
	return numbers;
}

int main(int argc, char **argv)
{
	uint64_t accounts = argc > 1 ? strtoull(argv[1], NULL, 0) : 1000;
	uint64_t bets = argc > 2 ? strtoull(argv[2], NULL, 0) : 1000000;
	int populate = argc > 3 && strcmp(argv[3], "-") != 0;
	int factors = argc > 4 && strcmp(argv[4], "none") != 0;
	int model = factors && strcmp(argv[4], "factors") != 0;
	struct bench bench = { .load = { .accounts = accounts, .random = 1 }, .step_ns = 1000 };
	uint64_t accepted = 0;
	struct ledger *ledger;

	ledger = bets_ledger_create(accounts, bets + BURST, BALANCE, populate);
	SLUICE_REQUIRE(ledger != NULL);
	bench.load.ledger = ledger;
	if (factors)
		bets_factors_set(ledger, model ? MODEL_VERSION : 0);
	if (model)
		bench.model = model_read(argv[4]);
	ledger_model_set(ledger, bench.model, MODEL_VERSION);
	if (argc > 4) {
		bench.step_ns = 10000000;
		bench.warm_ns = numbers_make(bets / BURST + 1);
		bench.warm_cycles = numbers_make(bets / BURST + 1);
		bench.without_ns = numbers_make(bets / BURST + 1);
		bench.model_ns = numbers_make(bets / BURST + 1);
	}
	while (bench.bursts < bets / BURST)
		burst_run(&bench);
	for (uint32_t i = 0; i < ledger_row_count(ledger, LEDGER_TERMINAL); i++)
		accepted += (uint64_t)ledger_terminal_at(ledger, i)->staked_today / 1000;
	printf("accounts %" PRIu64 ", bets %" PRIu64 ", accepted %" PRIu64 "%s\n", accounts, bets,
	    accepted,
	    model     ? ", all factors and a model"
	    : factors ? ", all factors"
	              : "");
	printf("prefetch + decide + apply %.1f ns, state hash %.1f ns per bet\n",
	    (double)bench.decide_ns / (double)bets, (double)bench.hash_ns / (double)bets);
	warm_print(&bench);
	free(bench.warm_ns);
	free(bench.warm_cycles);
	free(bench.without_ns);
	free(bench.model_ns);
	ledger_free(ledger);
	free((void *)(uintptr_t)bench.model);
	return 0;
}
