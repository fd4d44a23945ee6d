/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the journal costs on this disk. Run by hand:
 *
 *   bench-journal [directory] [cpu]
 *
 * The worker is pinned to `cpu` (default 0), which must not be the one that takes the disk's
 * interrupt (see design figures: 129 us becomes 4,000 us). Compare with
 *
 *   fio --name=w --filename=FILE --size=256m --overwrite=1 --ioengine=io_uring --direct=1
 *       --rw=write --bs=16k --iodepth=1 --sync=dsync --runtime=5 --time_based
 */
#include <sched.h>
#include <time.h>

#include "tests/journal/harness.h"

struct test_registry test_registry; /* harness uses cmocka's assertions, no tests here */

#define SECONDS       2
#define LATENCIES_MAX 200000

static uint32_t latencies_us[LATENCIES_MAX];

static uint64_t clock_ns(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

static int compare(const void *a, const void *b)
{
	uint32_t left = *(const uint32_t *)a, right = *(const uint32_t *)b;

	return left < right ? -1 : left > right;
}

static void upkeep(struct running *running, uint64_t durable)
{
	struct journal_batch batch;
	uint64_t lsn;

	while (journal_feed_take(running->feed, &batch, &lsn))
		journal_feed_return(running->feed);
	(void)journal_keeper_work(running->keeper, durable);
}

/* Depth 1: one batch of `size` bytes after the other, W. */
static void one_at_a_time(struct running *running, size_t size)
{
	uint64_t end = clock_ns() + SECONDS * 1000000000ull;
	size_t event = size - JOURNAL_HEADER_SIZE < 4096 ? size - JOURNAL_HEADER_SIZE : 4032;
	uint32_t count = 0;

	while (clock_ns() < end && count < LATENCIES_MAX) {
		uint64_t begin, target;

		for (size_t used = JOURNAL_HEADER_SIZE; used + event <= size; used += event)
			while (!running_event(running, event))
				upkeep(running, journal_writer_poll(running->writer));
		target = running->next_lsn - 1;
		begin = clock_ns();
		if (journal_writer_close_batch(running->writer, 0, 0) != 0)
			return;
		while (journal_writer_poll(running->writer) < target)
			;
		latencies_us[count++] = (uint32_t)((clock_ns() - begin) / 1000);
		upkeep(running, target);
	}
	qsort(latencies_us, count, sizeof(latencies_us[0]), compare);
	printf("depth 1, %3zu KiB: W p50 %u us, p99 %u us, %u writes/s\n", size / 1024,
	    latencies_us[count / 2], latencies_us[(size_t)count * 99 / 100], count / SECONDS);
}

/* Group commit as the worker does it: as many 136 B events as the journal takes. */
static void group_commit(struct running *running)
{
	uint64_t begin = clock_ns(), end = begin + SECONDS * 1000000000ull;
	struct journal_counters before = *journal_writer_counters(running->writer), after;
	double seconds;

	while (clock_ns() < end) {
		for (int i = 0; i < 64; i++) {
			void *event = journal_writer_reserve(running->writer, 136);

			if (event == NULL)
				break;
			memset(event, (int)running->next_lsn, 136);
			journal_writer_append(running->writer, running->next_lsn, 0, 136);
			running->next_lsn++;
			if (journal_writer_should_close(running->writer) &&
			    journal_writer_close_batch(running->writer, 0, 0) != 0)
				return;
		}
		upkeep(running, journal_writer_poll(running->writer));
	}
	(void)running_drain(running);
	after = *journal_writer_counters(running->writer);
	seconds = (double)(clock_ns() - begin) / 1e9;
	printf("group commit: %.0f events/s, %.0f MiB/s, %.0f batches/s, %.1f KiB/batch, "
	       "%.0f us/write, %llu not lent, %llu waits for a segment\n",
	    (double)(after.events - before.events) / seconds,
	    (double)(after.bytes - before.bytes) / seconds / 1048576,
	    (double)(after.batches - before.batches) / seconds,
	    (double)(after.bytes - before.bytes) / (double)(after.batches - before.batches) / 1024,
	    (double)(after.write_ns_total - before.write_ns_total) /
	        (double)(after.batches - before.batches) / 1000,
	    (unsigned long long)after.buffers_not_lent, (unsigned long long)after.no_segment);
}

int main(int argc, char **argv)
{
	static const size_t sizes[] = { 4096, 16384, 65536, 131072 };
	struct journal_report report;
	struct running running;
	struct harness harness;
	uint64_t begin;
	cpu_set_t cpus;

	if (argc > 1 && chdir(argv[1]) != 0)
		return perror(argv[1]), 1;
	CPU_ZERO(&cpus);
	CPU_SET(argc > 2 ? strtoul(argv[2], NULL, 10) : 0, &cpus);
	if (sched_setaffinity(0, sizeof(cpus), &cpus) != 0)
		perror("sched_setaffinity");
	harness_begin(&harness);
	harness.config.segment_size = 64u << 20;
	harness.config.segments_ready = 2;
	harness.config.segments_max = 8;
	harness.config.allow_volatile = 0;
	if (harness_recover(&harness, 1, 0, &report) != 0)
		return fprintf(stderr, "%s\n", report.damage), 1;
	running_start(&running, &harness, &report, 64);
	if (running.message[0] != '\0')
		printf("%s\n", running.message);
	/* All files made before anything is measured; later ones are recycled. */
	while (journal_keeper_work(running.keeper, 0) == 1)
		;
	for (size_t i = 0; i < SLUICE_ARRAY_COUNT(sizes); i++)
		one_at_a_time(&running, sizes[i]);
	group_commit(&running);
	running_stop(&running);
	begin = clock_ns();
	if (harness_recover(&harness, running.next_lsn, running.next_lsn - 1, &report) != 0)
		return fprintf(stderr, "%s\n", report.damage), 1;
	printf("recovery at the end: %.0f ms\n", (double)(clock_ns() - begin) / 1e6);
	harness_end(&harness);
	return 0;
}
