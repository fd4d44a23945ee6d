/* SPDX-License-Identifier: Apache-2.0 */
/*
 * bench-stages: what each stage of a request costs by itself. bench/micro is the command for
 * people; it makes the folder, adds counts of instructions and compares with stored limits.
 */
#include <getopt.h>
#include <inttypes.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "bench/stages/stages.h"

#define RUNS_MIN         16u
#define RUNS_KEPT_MAX    65536u
#define OVERHEAD_RUNS    10001u
#define CALIBRATE_NS     50000000ull
#define MILLISECONDS     200u
#define MILLISECONDS_TOP 60000u

enum exit_status {
	EXIT_GOOD = 0,
	EXIT_USAGE = 2,
	EXIT_MISSING = 3,
};

struct options {
	const char *directory, *only;
	uint64_t milliseconds;
	uint64_t runs; /* 0: by time */
	int cpu;       /* -1: any */
	int list;
};

struct result {
	uint64_t runs;
	double cycles, cycles_least; /* of one operation */
};

static uint64_t cycles_kept[RUNS_KEPT_MAX];
static double cycles_per_ns;
static uint64_t overhead; /* cycles of measuring nothing */

void *stages_alloc(size_t size)
{
	void *memory = aligned_alloc(64, (size + 63) / 64 * 64);

	SLUICE_REQUIRE(memory != NULL);
	memset(memory, 0, (size + 63) / 64 * 64);
	return memory;
}

static uint64_t clock_ns(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * 1000000000 + (uint64_t)now.tv_nsec;
}

/* Nothing before it is still under way, nothing behind it has begun. */
static inline uint64_t cycles_now(void)
{
#ifdef __x86_64__
	uint64_t now;

	__builtin_ia32_lfence();
	now = __builtin_ia32_rdtsc();
	__builtin_ia32_lfence();
	return now;
#else
	return clock_ns();
#endif
}

static void calibrate(void)
{
	uint64_t begin_ns = clock_ns(), begin = cycles_now(), now;

	do {
		now = clock_ns();
	} while (now - begin_ns < CALIBRATE_NS);
	cycles_per_ns = (double)(cycles_now() - begin) / (double)(now - begin_ns);
}

static int by_value(const void *a, const void *b)
{
	uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

	return (x > y) - (x < y);
}

STAGE_RUN(nothing)
{
	stages_keep((uint64_t)(uintptr_t)opaque);
}

/* One run, by the same call as any other. */
static uint64_t run_timed(void (*run)(void *), void *context)
{
	uint64_t begin = cycles_now();

	run(context);
	return cycles_now() - begin;
}

static void overhead_measure(void)
{
	for (unsigned i = 0; i < OVERHEAD_RUNS; i++)
		cycles_kept[i] = run_timed(stage_run_nothing, NULL);
	qsort(cycles_kept, OVERHEAD_RUNS, sizeof(cycles_kept[0]), by_value);
	overhead = cycles_kept[OVERHEAD_RUNS / 2];
}

static double per_operation(uint64_t cycles, const struct stage *stage)
{
	return (double)(cycles > overhead ? cycles - overhead : 0) / stage->operations;
}

/* Runs until time or number is reached; a run too many to be kept replaces an early one. */
static void measure(
    const struct stage *stage, void *context, const struct options *options, struct result *result)
{
	uint64_t end_ns = clock_ns() + options->milliseconds * 1000000;
	uint64_t max = stage->runs_max != 0 ? stage->runs_max : UINT64_MAX;
	uint64_t runs = 0, kept;

	if (options->runs != 0 && options->runs < max)
		max = options->runs;
	while (runs < max && (runs < RUNS_MIN || options->runs != 0 ||
	                         (runs % RUNS_MIN != 0 || clock_ns() < end_ns))) {
		if (stage->prepare != NULL)
			stage->prepare(context);
		cycles_kept[runs++ % RUNS_KEPT_MAX] = run_timed(stage->run, context);
	}
	kept = runs < RUNS_KEPT_MAX ? runs : RUNS_KEPT_MAX;
	qsort(cycles_kept, kept, sizeof(cycles_kept[0]), by_value);
	result->runs = runs;
	result->cycles = per_operation(cycles_kept[kept / 2], stage);
	result->cycles_least = per_operation(cycles_kept[0], stage);
}

/* 1 when the name is in the list "a,b,c", or the list is NULL. */
static int listed(const char *list, const char *name)
{
	size_t length = strlen(name);

	while (list != NULL && *list != '\0') {
		size_t part = strcspn(list, ",");

		if (part == length && memcmp(list, name, length) == 0)
			return 1;
		list += part + (list[part] == ',');
	}
	return list == NULL;
}

/* Why a stage is left out, or NULL. */
static const char *left_out(const struct stage *stage, const struct options *options)
{
	if (stage->needs_directory && options->directory == NULL)
		return "no --directory";
	if (stage->needs_two_cpus && sysconf(_SC_NPROCESSORS_ONLN) < 2)
		return "one CPU only";
	if (stage->by_kernel && options->runs != 0)
		return "most of it is the kernel's: not counted";
	return NULL;
}

/* Each stage has a folder of its own. */
static void *stage_create(const struct stage *stage, const struct options *options)
{
	char path[512];

	if (!stage->needs_directory)
		return stage->create(NULL);
	if ((size_t)snprintf(path, sizeof(path), "%s/%s", options->directory, stage->name) >=
	        sizeof(path) ||
	    mkdir(path, 0700) != 0) {
		fprintf(stderr, "Cannot make the folder %s/%s. Give an empty folder.\n",
		    options->directory, stage->name);
		return NULL;
	}
	return stage->create(path);
}

/* Prints one stage's object. */
static void stage_print(
    const struct stage *stage, const struct options *options, const char *separator)
{
	const char *reason = left_out(stage, options);
	struct result result = { 0 };
	void *context = NULL;

	printf("%s\n  {\"name\": \"%s\", \"per\": \"%s\", \"about\": \"%s\"", separator,
	    stage->name, stage->per, stage->about);
	if (reason == NULL && !options->list) {
		context = stage_create(stage, options);
		if (context == NULL)
			reason = "it could not be set up here";
	}
	if (context != NULL) {
		measure(stage, context, options, &result);
		stage->finish(context);
		printf(",\n   \"operations_a_run\": %u, \"runs\": %" PRIu64
		       ", \"cycles\": %.1f, \"cycles_least\": %.1f, \"ns\": %.1f",
		    stage->operations, result.runs, result.cycles, result.cycles_least,
		    result.cycles / cycles_per_ns);
	} else if (reason != NULL) {
		printf(",\n   \"left_out\": \"%s\"", reason);
	}
	printf("}");
	fflush(stdout);
}

static void run(const struct options *options)
{
	const struct {
		const struct stage *stages;
		unsigned count;
	} groups[] = { { stages_wire, stages_wire_count }, { stages_ledger, stages_ledger_count },
		{ stages_replay, stages_replay_count }, { stages_disk, stages_disk_count },
		{ stages_ring, stages_ring_count } };
	const char *separator = "";

	calibrate();
	overhead_measure();
	printf("{\"schema\": \"bench-stages/1\", \"version\": \"" SLUICE_VERSION
	       "\", \"cycles_by\": \"time stamp counter\",\n \"cycles_per_us\": %.1f, "
	       "\"overhead_cycles\": %" PRIu64 ", \"stages\": [",
	    cycles_per_ns * 1000, overhead);
	for (unsigned i = 0; i < SLUICE_ARRAY_COUNT(groups); i++)
		for (unsigned k = 0; k < groups[i].count; k++) {
			if (!listed(options->only, groups[i].stages[k].name))
				continue;
			stage_print(&groups[i].stages[k], options, separator);
			separator = ",";
		}
	printf("]}\n");
}

static void usage(FILE *out)
{
	fputs(
	    "Usage: bench-stages [options]\n"
	    "\n"
	    "Prints what each stage of a request costs by itself, as JSON. bench/micro is the\n"
	    "command that also counts instructions and compares.\n"
	    "\n"
	    "  --only NAMES         these stages, with commas between\n"
	    "  --milliseconds N     of each stage (200)\n"
	    "  --runs N             so many runs of each instead, and no stage of the kernel's\n"
	    "  --directory DIR      an empty folder on the disk for journal and LMDB; else left "
	    "out\n"
	    "  --cpu N              on this CPU; never the one that serves the disk's interrupts\n"
	    "  --list               names and meaning only\n"
	    "  --help, --version\n",
	    out);
}

/* A number of 1 to `top`, 0 when it is none. */
static uint64_t number(const char *text, uint64_t top)
{
	char *end;
	uint64_t value = strtoull(text, &end, 10);

	return text[0] >= '0' && text[0] <= '9' && *end == '\0' && value <= top ? value : 0;
}

static int cpu_take(int cpu)
{
	cpu_set_t cpus;

	CPU_ZERO(&cpus);
	CPU_SET((unsigned)cpu, &cpus);
	return sched_setaffinity(0, sizeof(cpus), &cpus);
}

int main(int argc, char **argv)
{
	static const struct option long_options[] = { { "only", required_argument, NULL, 'o' },
		{ "milliseconds", required_argument, NULL, 'm' },
		{ "runs", required_argument, NULL, 'r' },
		{ "directory", required_argument, NULL, 'd' },
		{ "cpu", required_argument, NULL, 'c' }, { "list", no_argument, NULL, 'l' },
		{ "help", no_argument, NULL, 'h' }, { "version", no_argument, NULL, 'v' }, { 0 } };
	struct options options = { .milliseconds = MILLISECONDS, .cpu = -1 };
	int id, bad = 0;

	while ((id = getopt_long(argc, argv, "", long_options, NULL)) != -1) {
		switch (id) {
		case 'o':
			options.only = optarg;
			break;
		case 'm':
			options.milliseconds = number(optarg, MILLISECONDS_TOP);
			bad |= options.milliseconds == 0;
			break;
		case 'r':
			options.runs = number(optarg, 1000000);
			bad |= options.runs == 0;
			break;
		case 'd':
			options.directory = optarg;
			break;
		case 'c':
			options.cpu = (int)number(optarg, CPU_SETSIZE - 1);
			bad |= options.cpu == 0 && strcmp(optarg, "0") != 0;
			break;
		case 'l':
			options.list = 1;
			break;
		case 'h':
			return usage(stdout), EXIT_GOOD;
		case 'v':
			return puts("bench-stages " SLUICE_VERSION), EXIT_GOOD;
		default:
			return EXIT_USAGE;
		}
	}
	if (bad || optind != argc) {
		usage(stderr);
		return EXIT_USAGE;
	}
	if (options.directory != NULL && access(options.directory, W_OK) != 0) {
		fprintf(stderr, "Cannot write in %s.\n", options.directory);
		return EXIT_MISSING;
	}
	if (options.cpu >= 0 && cpu_take(options.cpu) != 0) {
		fprintf(stderr, "--cpu %d: there is no such CPU for this process.\n", options.cpu);
		return EXIT_USAGE;
	}
	run(&options);
	return EXIT_GOOD;
}
