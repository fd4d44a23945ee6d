/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What deciding and applying a bet costs at one size of the state: cycles and instructions an
 * operation, in bursts of 32 as the worker does it. Not a test: figures depend on the machine.
 *
 *   bench-size ACCOUNTS OPEN_BETS OPERATIONS     prints one JSON object; bench/size compares sizes
 *
 * An operation is PLACE_BET on a random account ("place"), or CANCEL_BET of a random open bet
 * ("cancel"): as many of each, so the number of open bets stays. Counters of the CPU are used where
 * the kernel gives them; in most virtual machines it does not: then cycles are those of the time
 * stamp counter, and instructions are counted by running a few bursts in single steps.
 */
#include <errno.h>
#include <inttypes.h>
#include <linux/perf_event.h>
#include <signal.h>
#include <sys/ioctl.h>
#include <sys/ptrace.h>
#include <sys/syscall.h>
#include <sys/user.h>
#include <sys/wait.h>
#include <unistd.h>

#include "bench/stages/bets.h"
#include "tests/test.h"

#define BURST        LIMIT_BURST
#define BALANCE      50000000
#define CHUNK_BURSTS 64 /* a median is over chunks: interruptions fall out */
#define STEP_BURSTS  2

struct test_registry test_registry; /* tests/test.h wants one */

enum operation {
	PLACE,
	CANCEL,
	OPERATIONS,
};

struct size_bench {
	struct bets bets;
	uint64_t open, time_ns;
	uint64_t *bet_ids;       /* of the open ones; bet i was placed by terminal i % BURST + 1 */
	uint32_t victims[BURST]; /* CANCEL: indices into bet_ids; the PLACE behind it fills them */
	uint64_t refused;
};

/* ---- Bursts ---- */

static void burst_cancel_make(struct size_bench *bench)
{
	for (unsigned i = 0; i < BURST; i++) {
		/* One of every residue, so the terminal that placed it is known. */
		uint64_t index =
		    test_random(&bench->bets.random) % (bench->open / BURST) * BURST + i;

		bench->victims[i] = (uint32_t)index;
		bench->bets.wires[i] = (struct wire_request){
			.request_id = ++bench->bets.request_id,
			.template_id = WIRE_CANCEL_BET,
			.cancel_bet = { .bet_id = bench->bet_ids[index], .deadline_ns = UINT64_MAX }
		};
	}
}

static void burst_run(struct size_bench *bench, uint64_t ids[BURST])
{
	struct event_buffer event;
	struct event_record record;

	bench->time_ns += 1000;
	for (unsigned i = 0; i < BURST; i++)
		ledger_prefetch(bench->bets.ledger, &bench->bets.wires[i]);
	for (unsigned i = 0; i < BURST; i++) {
		struct ledger_request request = { .wire = &bench->bets.wires[i],
			.terminal_id = i + 1 };

		bets_apply(bench->bets.ledger, &event,
		    ledger_decide(bench->bets.ledger, &request, bench->time_ns, &event));
		memcpy(&record, event.bytes, sizeof(record));
		bench->refused += le16_get(record.code) != WIRE_CODE_OK;
		ids[i] = le64_get(record.object_id);
	}
}

static void fill(struct size_bench *bench, uint64_t wanted)
{
	for (; bench->open < wanted; bench->open += BURST) {
		bets_burst_make(&bench->bets);
		burst_run(bench, bench->bet_ids + bench->open);
		if (bench->open % (BURST * 256) == 0)
			(void)ledger_state_hash(bench->bets.ledger);
	}
}

/* ---- Counters ---- */

struct counters {
	int cycles_fd, instructions_fd; /* -1: the kernel does not give them */
};

static int counter_open(uint64_t what, int group)
{
	struct perf_event_attr attr = {
		.type = PERF_TYPE_HARDWARE,
		.size = sizeof(attr),
		.config = what,
		.exclude_kernel = 1,
		.exclude_hv = 1,
	};

	return (int)syscall(SYS_perf_event_open, &attr, 0, -1, group, 0);
}

static void counters_open(struct counters *counters)
{
	counters->cycles_fd = counter_open(PERF_COUNT_HW_CPU_CYCLES, -1);
	counters->instructions_fd =
	    counters->cycles_fd < 0 ? -1
	                            : counter_open(PERF_COUNT_HW_INSTRUCTIONS, counters->cycles_fd);
}

static uint64_t counter_read(int fd)
{
	uint64_t value = 0;

	SLUICE_REQUIRE(read(fd, &value, sizeof(value)) == sizeof(value));
	return value;
}

static uint64_t cycles_now(const struct counters *counters)
{
	if (counters->cycles_fd >= 0)
		return counter_read(counters->cycles_fd);
#ifdef __x86_64__
	return __builtin_ia32_rdtsc();
#else
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * 1000000000 + (uint64_t)now.tv_nsec;
#endif
}

/* ---- Measuring ---- */

static int by_value(const void *a, const void *b)
{
	uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

	return (x > y) - (x < y);
}

/* Makes one burst: of CANCEL first, then of PLACE in its stead. */
static void burst_make(struct size_bench *bench, int operation)
{
	if (operation == CANCEL)
		burst_cancel_make(bench);
	else
		bets_burst_make(&bench->bets);
}

static void burst_keep(struct size_bench *bench, int operation, const uint64_t ids[BURST])
{
	for (unsigned i = 0; operation == PLACE && i < BURST; i++)
		bench->bet_ids[bench->victims[i]] = ids[i];
}

static void pair_run(struct size_bench *bench, const struct counters *counters,
    uint64_t cycles[OPERATIONS], uint64_t instructions[OPERATIONS])
{
	uint64_t ids[BURST];

	for (int operation = CANCEL; operation >= PLACE; operation--) {
		uint64_t began, began_instructions = 0;

		burst_make(bench, operation);
		if (counters->instructions_fd >= 0)
			began_instructions = counter_read(counters->instructions_fd);
		began = cycles_now(counters);
		burst_run(bench, ids);
		cycles[operation] += cycles_now(counters) - began;
		if (counters->instructions_fd >= 0)
			instructions[operation] +=
			    counter_read(counters->instructions_fd) - began_instructions;
		burst_keep(bench, operation, ids);
	}
}

/* The copy of the process that is stepped through: what counts lies between two stops. */
static void steps_run(struct size_bench *bench, int counted)
{
	uint64_t ids[BURST];

	SLUICE_REQUIRE(ptrace(PTRACE_TRACEME, 0, NULL, NULL) == 0);
	for (unsigned i = 0; i < STEP_BURSTS; i++)
		for (int operation = CANCEL; operation >= PLACE; operation--) {
			burst_make(bench, operation);
			if (operation == counted)
				(void)raise(SIGSTOP);
			burst_run(bench, ids);
			if (operation == counted)
				(void)raise(SIGSTOP);
			burst_keep(bench, operation, ids);
		}
	_exit(0);
}

static uint64_t instruction_at(pid_t child)
{
#ifdef __x86_64__
	return (uint64_t)ptrace(
	    PTRACE_PEEKUSER, child, offsetof(struct user_regs_struct, rip), NULL);
#else
	static uint64_t counter; /* not known: every step counts */

	(void)child;
	return ++counter;
#endif
}

/* Instructions of STEP_BURSTS bursts of one operation. */
static uint64_t steps_count(struct size_bench *bench, int operation)
{
	pid_t child = fork();
	uint64_t steps = 0, last = 0;
	int status;

	SLUICE_REQUIRE(child >= 0);
	if (child == 0)
		steps_run(bench, operation);
	for (;;) {
		SLUICE_REQUIRE(waitpid(child, &status, 0) == child);
		if (WIFEXITED(status))
			return steps;
		do {
			/* A repeated string instruction stays where it is: one, not many. */
			uint64_t at = instruction_at(child);

			steps += at != last;
			last = at;
			SLUICE_REQUIRE(ptrace(PTRACE_SINGLESTEP, child, NULL, NULL) == 0 &&
			               waitpid(child, &status, 0) == child);
		} while (WIFSTOPPED(status) && WSTOPSIG(status) == SIGTRAP);
		SLUICE_REQUIRE(WIFSTOPPED(status) && ptrace(PTRACE_CONT, child, NULL, NULL) == 0);
	}
}

static void report(struct size_bench *bench, const struct counters *counters, uint64_t pairs)
{
	static const char *const names[OPERATIONS] = { "place", "cancel" };
	uint64_t chunks = pairs / CHUNK_BURSTS, instructions[OPERATIONS] = { 0 };
	uint64_t *medians[OPERATIONS];

	for (int i = 0; i < OPERATIONS; i++) {
		medians[i] = calloc(chunks, sizeof(uint64_t));
		SLUICE_REQUIRE(medians[i] != NULL);
	}
	for (uint64_t chunk = 0; chunk < chunks; chunk++) {
		uint64_t cycles[OPERATIONS] = { 0 };

		for (unsigned i = 0; i < CHUNK_BURSTS; i++)
			pair_run(bench, counters, cycles, instructions);
		(void)ledger_state_hash(bench->bets.ledger);
		for (int i = 0; i < OPERATIONS; i++)
			medians[i][chunk] = cycles[i];
	}
	printf("{\"accounts\": %" PRIu64 ", \"open_bets\": %" PRIu64 ", \"refused\": %" PRIu64
	       ", \"cycles_by\": \"%s\", \"instructions_by\": \"%s\"",
	    bench->bets.accounts, bench->open, bench->refused,
	    counters->cycles_fd >= 0 ? "perf_event" : "time stamp counter",
	    counters->instructions_fd >= 0 ? "perf_event" : "single steps");
	for (int i = 0; i < OPERATIONS; i++) {
		double per_chunk = (double)(CHUNK_BURSTS * BURST), count;

		qsort(medians[i], chunks, sizeof(uint64_t), by_value);
		if (counters->instructions_fd >= 0)
			count = (double)instructions[i] / ((double)chunks * per_chunk);
		else
			count = (double)steps_count(bench, i) / (STEP_BURSTS * BURST);
		printf(", \"%s\": {\"cycles\": %.1f, \"instructions\": %.1f}", names[i],
		    (double)medians[i][chunks / 2] / per_chunk, count);
		free(medians[i]);
	}
	printf("}\n");
}

int main(int argc, char **argv)
{
	uint64_t accounts = argc > 1 ? strtoull(argv[1], NULL, 0) : 1000;
	uint64_t open = argc > 2 ? strtoull(argv[2], NULL, 0) : 1000;
	uint64_t operations = argc > 3 ? strtoull(argv[3], NULL, 0) : 200000;
	uint64_t pairs = (operations / BURST / CHUNK_BURSTS + 1) * CHUNK_BURSTS;
	struct size_bench bench = { .bets = { .accounts = accounts, .random = 1 },
		.time_ns = BETS_START };
	struct counters counters;

	bench.bets.ledger =
	    bets_ledger_create(accounts, open + (pairs + STEP_BURSTS + 2) * BURST, BALANCE, 1);
	bench.bet_ids = calloc(open + BURST, sizeof(uint64_t));
	SLUICE_REQUIRE(bench.bets.ledger != NULL && bench.bet_ids != NULL);
	fill(&bench, open);
	(void)ledger_state_hash(bench.bets.ledger);
	counters_open(&counters);
	report(&bench, &counters, pairs);
	free(bench.bet_ids);
	ledger_free(bench.bets.ledger);
	return bench.refused == 0 ? 0 : 1;
}
