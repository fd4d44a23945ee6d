/* SPDX-License-Identifier: Apache-2.0 */
/* The simulator's command line: one seed, or many in several processes, resumable by a log. */
#include <errno.h>
#include <getopt.h>
#include <malloc.h>
#include <rte_eal.h>
#include <rte_mbuf.h>
#include <sched.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tests/sim/world.h"

#define JOBS_MAX        16
#define CHUNK           100u
#define SEED_PATIENCE_S 240
#define EXIT_SKIPPED    77

static const char usage[] =
    "usage: sim --seed N [--operations 1000] [--shards N] [--trace]\n"
    "       sim --seeds FIRST..LAST [--jobs N] [--log FILE] [--resume] [--keep-going]\n"
    "Runs the switch's production code on a simulated disk, clock and network. A seed is a whole\n"
    "run and always the same one. Ends with 1 when an invariant was broken: its name, the seed\n"
    "and the last steps are printed. tests/sim/README.md says what is simulated.\n";

struct options {
	uint64_t first, last;
	uint32_t operations, shards, jobs;
	const char *log;
	int many, resume, trace, keep_going;
};

/* Where a worker process says how far it is. */
struct job {
	pid_t pid;
	uint64_t first, last;
	_Atomic uint64_t seed; /* being run; relaxed: read once the process has ended */
	struct world_counts counts;
};

static struct world world;
static struct rte_mempool *pool;

/* ---- One process ---- */

static void on_abort(int signal)
{
	(void)signal;
	world_violation(&world, "abort", "production code has stopped on a check of its own");
}

static void on_fault(int signal)
{
	(void)signal;
	world_violation(&world, "fault", "memory that is not there was touched");
}

static unsigned first_cpu(void)
{
	cpu_set_t set;

	CPU_ZERO(&set);
	if (sched_getaffinity(0, sizeof(set), &set) != 0)
		return 0;
	for (unsigned cpu = 0; cpu < CPU_SETSIZE; cpu++)
		if (CPU_ISSET(cpu, &set))
			return cpu;
	return 0;
}

/* Packet buffers need DPDK's memory. 0 or an exit status. */
static int eal_start(void)
{
	char text[][48] = { "sim", "--no-huge", "--no-shconf", "--no-pci", "--no-telemetry", "-m16",
		"--log-level=*:error", "", "" };
	char *arguments[SLUICE_ARRAY_COUNT(text)], directory[256];
	cpu_set_t set;

	(void)sched_getaffinity(0, sizeof(set), &set);
	snprintf(text[7], sizeof(text[7]), "--file-prefix=sluice-sim-%ld", (long)getpid());
	snprintf(text[8], sizeof(text[8]), "-l%u", first_cpu());
	for (size_t i = 0; i < SLUICE_ARRAY_COUNT(text); i++)
		arguments[i] = text[i];
	if (rte_eal_init((int)SLUICE_ARRAY_COUNT(text), arguments) < 0) {
		printf("EAL does not start here: skipped\n");
		return EXIT_SKIPPED;
	}
	snprintf(directory, sizeof(directory), "%s", rte_eal_get_runtime_dir());
	(void)rmdir(directory);
	(void)sched_setaffinity(0, sizeof(set), &set); /* EAL has taken one CPU */
	pool = rte_pktmbuf_pool_create("sim", 1023, 0, 0, RTE_MBUF_DEFAULT_BUF_SIZE, -1);
	if (pool == NULL) {
		printf("no memory for packet buffers: skipped\n");
		return EXIT_SKIPPED;
	}
	process_prepare(pool);
	/* What one life of the switch has given back the next one takes, without pages to be
	 * faulted in; only tables that are mostly not touched come zeroed from the kernel.
	 */
	(void)mallopt(M_MMAP_THRESHOLD, 1536 * 1024);
	(void)mallopt(M_TRIM_THRESHOLD, 1024 * 1024 * 1024);
	(void)signal(SIGABRT, on_abort);
	(void)signal(SIGSEGV, on_fault);
	(void)signal(SIGBUS, on_fault);
	return 0;
}

/* By the processor's time: a run that was stopped for a while and goes on has not hung. */
static void patience_begin(void)
{
	const struct itimerval patience = { .it_value = { .tv_sec = SEED_PATIENCE_S } };

	(void)setitimer(ITIMER_PROF, &patience, NULL);
}

static int seeds_run(const struct options *options, uint64_t first, uint64_t last, struct job *job)
{
	int status = eal_start();

	if (status != 0)
		return status;
	for (uint64_t seed = first; seed <= last; seed++) {
		if (job != NULL)
			atomic_store_explicit(&job->seed, seed, memory_order_relaxed);
		patience_begin();
		trace_reset(options->trace);
		world_run(&world, seed, options->operations, options->shards);
		if (job != NULL)
			job->counts = world.counts;
	}
	return 0;
}

static void counts_print(const struct world_counts *c, uint64_t violations)
{
	printf(
	    "%llu seeds, %llu operations (%llu sent again), %llu commands, %llu events, %llu "
	    "crashes, %llu kills, %llu clean stops, %llu starts (%llu refused for an I/O error), "
	    "%llu answers, %llu questions checked, %llu journal writes failed, %llu stores "
	    "failed, %llu times logs put away (%llu outcomes unknown for it), damage: %llu "
	    "detected, %llu harmless; %llu violations\n",
	    (unsigned long long)c->seeds, (unsigned long long)c->operations,
	    (unsigned long long)c->resends, (unsigned long long)c->commands,
	    (unsigned long long)c->events, (unsigned long long)c->crashes,
	    (unsigned long long)c->kills, (unsigned long long)c->clean_stops,
	    (unsigned long long)c->restarts, (unsigned long long)c->refused_starts,
	    (unsigned long long)c->answers, (unsigned long long)c->reads,
	    (unsigned long long)c->write_errors, (unsigned long long)c->store_failures,
	    (unsigned long long)c->logs_retired, (unsigned long long)c->outcomes_unknown,
	    (unsigned long long)c->detected, (unsigned long long)c->harmless,
	    (unsigned long long)violations);
}

#define COUNTS (sizeof(struct world_counts) / sizeof(uint64_t))

static void counts_add(struct world_counts *to, const struct world_counts *from)
{
	uint64_t sum[COUNTS], more[COUNTS];

	memcpy(sum, to, sizeof(sum));
	memcpy(more, from, sizeof(more));
	for (unsigned i = 0; i < COUNTS; i++)
		sum[i] += more[i];
	memcpy(to, sum, sizeof(sum));
}

/* ---- Many processes ---- */

struct runner {
	const struct options *options;
	struct job *jobs; /* shared */
	uint8_t *done;    /* by seed - first */
	uint64_t next;
	FILE *log;
	struct world_counts total;
	uint64_t violations;
};

/* Finished ranges: `range FIRST LAST`, then the counts. */
static void log_range(struct runner *runner, const struct job *job, uint64_t last)
{
	uint64_t values[COUNTS];

	if (runner->log == NULL || last < job->first)
		return;
	memcpy(values, &job->counts, sizeof(values));
	fprintf(runner->log, "range %llu %llu", (unsigned long long)job->first,
	    (unsigned long long)last);
	for (unsigned i = 0; i < COUNTS; i++)
		fprintf(runner->log, " %llu", (unsigned long long)values[i]);
	fprintf(runner->log, "\n");
	fflush(runner->log);
}

static void log_read(struct runner *runner)
{
	const struct options *options = runner->options;
	char line[1024];
	FILE *log = fopen(options->log, "r");

	while (log != NULL && fgets(line, sizeof(line), log) != NULL) {
		struct world_counts counts;
		uint64_t values[COUNTS], first, last;
		char *at = line + 6;

		if (strncmp(line, "range ", 6) != 0)
			continue;
		first = strtoull(at, &at, 10);
		last = strtoull(at, &at, 10);
		for (unsigned i = 0; i < COUNTS; i++)
			values[i] = strtoull(at, &at, 10);
		if (first < options->first || last > options->last)
			continue;
		memset(runner->done + (first - options->first), 1, last - first + 1);
		memcpy(&counts, values, sizeof(counts));
		counts_add(&runner->total, &counts);
	}
	if (log != NULL)
		(void)fclose(log);
}

/* The next seeds that are not done. 0: none are left. */
static int range_next(struct runner *runner, uint64_t *first, uint64_t *last)
{
	const struct options *options = runner->options;

	while (runner->next <= options->last && runner->done[runner->next - options->first])
		runner->next++;
	if (runner->next > options->last)
		return 0;
	*first = runner->next;
	while (runner->next <= options->last && runner->next < *first + CHUNK &&
	       !runner->done[runner->next - options->first])
		runner->done[runner->next++ - options->first] = 1;
	*last = runner->next - 1;
	return 1;
}

static void job_start(struct runner *runner, struct job *job, uint64_t first, uint64_t last)
{
	pid_t pid;

	fflush(NULL);
	memset(&job->counts, 0, sizeof(job->counts));
	job->first = first;
	job->last = last;
	atomic_store_explicit(&job->seed, first, memory_order_relaxed);
	pid = fork();
	if (pid == 0)
		_exit(seeds_run(runner->options, first, last, job));
	SLUICE_REQUIRE(pid > 0);
	job->pid = pid; /* by this side alone: the memory is shared */
}

/* 0 to go on. */
static int job_over(struct runner *runner, struct job *job, int status)
{
	uint64_t seed;

	job->pid = 0;
	if (WIFEXITED(status) && WEXITSTATUS(status) == EXIT_SKIPPED)
		return EXIT_SKIPPED;
	if (WIFEXITED(status) && WEXITSTATUS(status) == 0) {
		log_range(runner, job, job->last);
		counts_add(&runner->total, &job->counts);
		return 0;
	}
	seed = atomic_load_explicit(&job->seed, memory_order_relaxed); /* the process has ended */
	runner->violations++;
	log_range(runner, job, seed - 1);
	counts_add(&runner->total, &job->counts);
	if (WIFSIGNALED(status))
		fprintf(stderr, "violation progress, seed %llu: the process ended with signal %d\n",
		    (unsigned long long)seed, WTERMSIG(status));
	if (runner->log != NULL) {
		fprintf(runner->log, "violation %llu\n", (unsigned long long)seed);
		fflush(runner->log);
	}
	if (!runner->options->keep_going)
		return 1;
	if (seed < job->last)
		job_start(runner, job, seed + 1, job->last);
	return 0;
}

static int jobs_run(struct runner *runner)
{
	const struct options *options = runner->options;
	unsigned running = 0;
	int result = 0;

	for (;;) {
		uint64_t first, last;
		pid_t pid;
		int status;

		for (uint32_t i = 0; i < options->jobs && result == 0; i++)
			if (runner->jobs[i].pid == 0 && range_next(runner, &first, &last)) {
				job_start(runner, &runner->jobs[i], first, last);
				running++;
			}
		if (running == 0)
			return result;
		pid = wait(&status);
		for (uint32_t i = 0; i < options->jobs; i++) {
			int over;

			if (runner->jobs[i].pid != pid)
				continue;
			over = job_over(runner, &runner->jobs[i], status);
			if (over != 0)
				result = over;
			running -= runner->jobs[i].pid == 0;
		}
	}
}

static int many_run(const struct options *options)
{
	struct runner runner = { .options = options, .next = options->first };
	int result;

	runner.done = calloc(options->last - options->first + 1, 1);
	runner.jobs = mmap(NULL, sizeof(struct job) * JOBS_MAX, PROT_READ | PROT_WRITE,
	    MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (runner.done == NULL || runner.jobs == MAP_FAILED)
		return 1;
	if (options->log != NULL) {
		if (options->resume)
			log_read(&runner);
		runner.log = fopen(options->log, options->resume ? "a" : "w");
		if (runner.log == NULL) {
			fprintf(stderr, "sim: %s: %s\n", options->log, strerror(errno));
			return 2;
		}
	}
	result = jobs_run(&runner);
	if (result != EXIT_SKIPPED)
		counts_print(&runner.total, runner.violations);
	if (runner.log != NULL)
		(void)fclose(runner.log);
	(void)munmap(runner.jobs, sizeof(struct job) * JOBS_MAX);
	free(runner.done);
	return runner.violations != 0 ? 1 : result;
}

/* ---- Options ---- */

static int range_read(const char *text, struct options *options)
{
	char *end;

	options->first = options->last = strtoull(text, &end, 10);
	if (strncmp(end, "..", 2) == 0)
		options->last = strtoull(end + 2, &end, 10);
	return *end == '\0' && options->first <= options->last &&
	               options->last - options->first < 1ull << 32
	           ? 0
	           : -1;
}

static int options_read(int count, char **arguments, struct options *options)
{
	static const struct option known[] = {
		{ "seed", required_argument, NULL, 's' },
		{ "seeds", required_argument, NULL, 'm' },
		{ "operations", required_argument, NULL, 'o' },
		{ "shards", required_argument, NULL, 'n' },
		{ "jobs", required_argument, NULL, 'j' },
		{ "log", required_argument, NULL, 'l' },
		{ "resume", no_argument, NULL, 'r' },
		{ "keep-going", no_argument, NULL, 'k' },
		{ "trace", no_argument, NULL, 't' },
		{ NULL, 0, NULL, 0 },
	};
	int option, given = 0;

	while ((option = getopt_long(count, arguments, "", known, NULL)) != -1) {
		switch (option) {
		case 's':
		case 'm':
			options->many = option == 'm';
			given = range_read(optarg, options) == 0;
			break;
		case 'o':
			options->operations = (uint32_t)strtoul(optarg, NULL, 10);
			break;
		case 'n':
			options->shards = (uint32_t)strtoul(optarg, NULL, 10);
			break;
		case 'j':
			options->jobs = (uint32_t)strtoul(optarg, NULL, 10);
			break;
		case 'l':
			options->log = optarg;
			break;
		case 'r':
			options->resume = 1;
			break;
		case 'k':
			options->keep_going = 1;
			break;
		case 't':
			options->trace = 1;
			break;
		default:
			return -1;
		}
	}
	return given && optind == count && options->shards <= WORLD_SHARDS_MAX &&
	               options->jobs >= 1 && options->jobs <= JOBS_MAX && options->operations >= 1
	           ? 0
	           : -1;
}

int main(int count, char **arguments)
{
	struct options options = { .operations = 1000, .jobs = 1 };
	int status;

	if (options_read(count, arguments, &options) != 0) {
		fputs(usage, stderr);
		return 2;
	}
	if (options.many)
		return many_run(&options);
	status = seeds_run(&options, options.first, options.first, NULL);
	if (status == 0) {
		printf("seed %llu: trace %016llx, %llu steps\n", (unsigned long long)options.first,
		    (unsigned long long)trace_hash(), (unsigned long long)world.counts.steps);
		counts_print(&world.counts, 0);
	}
	return status;
}
