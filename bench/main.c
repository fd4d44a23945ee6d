/* SPDX-License-Identifier: Apache-2.0 */
/* sluice-bench: see bench/README.md. */
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "bench/report.h"
#include "wire/admin/admin_client.h"

#define DEADLINE_AFTER_NS 600000000000ull /* behind the planned end of the run */
#define SETTLE_LOOKS      25
#define SETTLE_MS         200 /* for the store's last commit before the last look */

enum exit_status {
	EXIT_GOOD = 0,
	EXIT_BAD = 1,
	EXIT_USAGE = 2,
	EXIT_UNREACHABLE = 3,
};

struct bench {
	struct bench_options options;
	struct session_list sessions;
	struct load load;
	struct zipf zipf;
	struct observer observer;
	struct observation before, after;
	struct probe_write write;
	int has_write;
	unsigned journal_files, journal_files_direct;
};

static atomic_int stop; /* stored by the signal handler, loaded by load_run; orders nothing else */

static void on_signal(int number)
{
	(void)number;
	atomic_store_explicit(&stop, 1, memory_order_relaxed); /* pairs with load_run */
}

/* What can be known before anything is sent. An exit status. */
static int prepare(struct bench *bench, struct admin_client_status *status)
{
	const struct bench_options *options = &bench->options;
	char message[ADMIN_CLIENT_MESSAGE_SIZE];
	struct admin_client admin = { .fd = -1 };

	if (sessions_load(options->sessions, &bench->sessions, message, sizeof(message)) != 0) {
		fprintf(stderr, "%s\n", message);
		return EXIT_UNREACHABLE;
	}
	if (options->disk != NULL) {
		struct probe_disk disk;

		if (probe_disk_read(options->disk, &disk, message) != 0 ||
		    probe_write_measure(options->disk, &bench->write, message) != 0) {
			fprintf(stderr, "%s\n", message);
			return EXIT_UNREACHABLE;
		}
		bench->has_write = 1;
	}
	observation_take(&bench->before, options->admin, options->disk);
	*status = (struct admin_client_status){ 0 };
	if (options->admin == NULL)
		return EXIT_GOOD;
	if (bench->before.status == NULL ||
	    admin_client_status_parse(&admin, bench->before.status, status) != 0) {
		fprintf(stderr,
		    "The data plane does not answer at %s. Start it, or leave --admin out.\n",
		    options->admin);
		return EXIT_UNREACHABLE;
	}
	return EXIT_GOOD;
}

static void plan_make(struct bench *bench)
{
	const struct bench_options *options = &bench->options;
	struct bet_plan *plan = &bench->load.plan;

	plan->seed = options->seed;
	plan->account_first = options->account_first;
	plan->account_count = options->account_count;
	plan->stake_min = options->stake_min;
	plan->stake_span = options->stake_max - options->stake_min + 1;
	plan->currency = options->currency;
	plan->deposit_permille = options->deposit_permille;
	plan->hot_permille = options->hot_permille;
	plan->workload = options->workload;
	if (options->zipf > 0) {
		zipf_init(&bench->zipf, options->account_count, options->zipf);
		plan->zipf = &bench->zipf;
	}
	plan->hold = options->hold;
	plan->deadline_ns =
	    bench->load.switch_time_ns + DEADLINE_AFTER_NS +
	    (uint64_t)(options->warmup_s + options->seconds + options->drain_s) * 1000000000u;
}

/* Greets the switch and learns the markets. An exit status. */
static int greet(struct bench *bench)
{
	struct load *load = &bench->load;
	char message[LOAD_MESSAGE_SIZE] = "";
	int result = load_greet(load, message);

	if (result == 0 && bench->options.markets != NULL) {
		result = options_markets(
		    bench->options.markets, load->choices, SLUICE_ARRAY_COUNT(load->choices));
		if (result < 0) {
			fprintf(stderr,
			    "--markets: give ID:SELECTION:ODDS,... with odds from %u to "
			    "%u.\n",
			    LIMIT_ODDS_MIN, LIMIT_ODDS_MAX);
			return EXIT_USAGE;
		}
		load->plan.choice_count = (uint32_t)result;
		result = 0;
	} else if (result == 0) {
		result = load_markets(load, message);
	}
	if (result == 0)
		return EXIT_GOOD;
	fprintf(stderr, "%s\n", message);
	return result == -ENOENT ? EXIT_BAD : EXIT_UNREACHABLE;
}

/* The load itself, observed. */
static int measure(struct bench *bench)
{
	const struct bench_options *options = &bench->options;
	struct load *load = &bench->load;
	int result = 0;

	plan_make(bench);
	load->messages_per_datagram = options->messages_per_datagram;
	load->in_flight_max = options->in_flight;
	load->rate = options->rate;
	load->requests_max = options->requests;
	load->shed = options->shed;
	load->polls = options->poll;
	load->flood.kind = options->flood;
	load->flood.rate = options->flood_rate;
	load->flood.random = options->seed;
	load->start_ns = load_clock_ns();
	load->measure_ns = load->start_ns + options->warmup_s * 1000000000ull;
	load->end_ns = load->measure_ns + options->seconds * 1000000000ull;
	load->drain_ns = load->end_ns + options->drain_s * 1000000000ull;
	bench->observer = (struct observer){
		.admin_path = options->admin,
		.directory = options->disk,
		.begin_ns = load->measure_ns,
		.end_ns = load->end_ns,
	};
	/* A run by number has no end that an observer could sleep until. */
	if (options->requests > 0)
		observation_take(&bench->observer.begin, options->admin, options->disk);
	else
		result = observer_start(&bench->observer);
	if (result != 0) {
		fprintf(stderr, "Cannot start a thread: %s.\n", strerror(-result));
		return EXIT_UNREACHABLE;
	}
	load->settle.admin_path = options->admin;
	load->settle.market_id = options->settle_market;
	load->settle.selection_count = options->settle_selections;
	load->settle.begin_ns = load->measure_ns + (load->end_ns - load->measure_ns) / 2;
	if (options->settle_market != 0)
		result = settle_start(&load->settle);
	if (result == 0 && options->intervals != NULL) {
		result = interval_start(&load->interval, options->intervals, options->interval_s);
		if (result != 0)
			fprintf(stderr, "--intervals %s: ", options->intervals);
	}
	if (result == 0)
		load_run(load, &stop);
	settle_finish(&load->settle);
	interval_finish(&load->interval);
	observer_finish(&bench->observer);
	if (options->requests > 0)
		observation_take(&bench->observer.end, options->admin, options->disk);
	if (result != 0) {
		fprintf(stderr, "Cannot start a thread: %s.\n", strerror(-result));
		return EXIT_UNREACHABLE;
	}
	return EXIT_GOOD;
}

/* Datagrams the switch has opened or dropped in its life. */
static uint64_t datagrams_seen(const json_t *status)
{
	uint64_t seen = status_sum(status, "datagrams_in");
	json_t *drops = json_object_get(status, "drops"), *count;
	const char *name;

	json_object_foreach(drops, name, count) seen += (uint64_t)json_integer_value(count);
	return seen;
}

static void look_after(struct bench *bench)
{
	struct timespec settle = { .tv_nsec = SETTLE_MS * 1000000l };
	const struct bench_options *options = &bench->options;
	json_int_t pid;

	/* A slow switch may still be taking datagrams of a flood out of its ring. */
	for (unsigned look = 0; look < SETTLE_LOOKS; look++) {
		uint64_t seen = datagrams_seen(bench->after.status);

		nanosleep(&settle, NULL);
		observation_release(&bench->after);
		observation_take(&bench->after, options->admin, options->disk);
		if (look > 0 && datagrams_seen(bench->after.status) == seen)
			break;
	}
	pid = json_integer_value(json_object_get(bench->after.status, "pid"));
	if (options->disk != NULL && pid > 0 &&
	    probe_direct_files(
	        (int)pid, options->disk, &bench->journal_files, &bench->journal_files_direct) != 0)
		fprintf(stderr, "Cannot look at the files of process %d. Run as root.\n", (int)pid);
}

/* Prints the result. An exit status. */
static int report(const struct bench *bench)
{
	struct report_input input = {
		.options = &bench->options,
		.load = &bench->load,
		.observer = &bench->observer,
		.before = &bench->before,
		.after = &bench->after,
		.write = bench->has_write ? &bench->write : NULL,
		.journal_files = bench->journal_files,
		.journal_files_direct = bench->journal_files_direct,
	};
	json_t *object = report_make(&input);
	int good = report_is_good(object);

	if (bench->options.json) {
		json_dumpf(object, stdout, JSON_INDENT(1) | JSON_REAL_PRECISION(6));
		putchar('\n');
	} else {
		report_print(object);
	}
	json_decref(object);
	return good ? EXIT_GOOD : EXIT_BAD;
}

static int run(struct bench *bench)
{
	struct admin_client_status status;
	char message[IO_MESSAGE_SIZE];
	int result = prepare(bench, &status);

	if (result != EXIT_GOOD)
		return result;
	result = io_open(&bench->load.io, &bench->options.io, message);
	if (result != 0) {
		fprintf(stderr, "%s\n", message);
		return result == -EINVAL ? EXIT_USAGE : EXIT_UNREACHABLE;
	}
	result = load_create(&bench->load, &bench->sessions, status.boot_id, status.epoch);
	if (result != 0) {
		fprintf(stderr, "Cannot take the sessions: %s.\n",
		    result == -EEXIST ? "two of them use one slot" : strerror(-result));
		result = EXIT_UNREACHABLE;
		goto out;
	}
	result = greet(bench);
	if (result == EXIT_GOOD)
		result = measure(bench);
	if (result == EXIT_GOOD) {
		look_after(bench);
		result = report(bench);
	}
out:
	load_free(&bench->load);
	bench->load.io->close(bench->load.io);
	return result;
}

int main(int argc, char **argv)
{
	struct bench *bench = calloc(1, sizeof(*bench));
	struct sigaction action = { .sa_handler = on_signal };
	int result;

	if (bench == NULL) {
		fprintf(stderr, "Out of memory.\n");
		return EXIT_UNREACHABLE;
	}
	switch (options_parse(&bench->options, argc, argv)) {
	case OPTIONS_DONE:
		free(bench);
		return EXIT_GOOD;
	case OPTIONS_USAGE:
		free(bench);
		return EXIT_USAGE;
	case OPTIONS_RUN:
		break;
	}
	sigaction(SIGINT, &action, NULL);
	sigaction(SIGTERM, &action, NULL);
	result = run(bench);
	observation_release(&bench->before);
	observation_release(&bench->after);
	observation_release(&bench->observer.begin);
	observation_release(&bench->observer.end);
	sessions_free(&bench->sessions);
	free(bench);
	return result;
}
