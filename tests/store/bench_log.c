/* SPDX-License-Identifier: Apache-2.0 */
/*
 * bench-store-log TERMINALS MIB: what the log costs the disk and the CPU. Events of one size, their
 * terminals drawn at random, are appended and committed every two full blocks, as under load; each
 * 256 MiB of log a JSON line with what was written for a byte of events, by how many calls, and the
 * CPU time. Then look-ups of requests of any age. Writes below the current folder.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "dataplane/store/store_internal.h"
#include "lmdb-schema/history.h"

#define STEP    (256ull << 20)
#define LOOKUPS 2000u
#define BLOCKS  2u /* full ones a commit */

struct chain {
	uint64_t request_id, lsn;
};

struct sample {
	uint64_t bytes, calls, commits, ns;
};

static uint64_t random_next(uint64_t *state)
{
	*state = *state * 6364136223846793005ull + 1442695040888963407ull;
	return *state >> 33;
}

static uint64_t clock_ns(clockid_t clock)
{
	struct timespec now;

	clock_gettime(clock, &now);
	return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

static void io_read(struct sample *sample)
{
	FILE *stream = fopen("/proc/self/io", "re");
	unsigned long long value;
	char name[32];

	SLUICE_REQUIRE(stream != NULL);
	while (fscanf(stream, "%31s %llu", name, &value) == 2) {
		if (strcmp(name, "wchar:") == 0)
			sample->bytes = value;
		if (strcmp(name, "syscw:") == 0)
			sample->calls = value;
	}
	fclose(stream);
	sample->ns = clock_ns(CLOCK_PROCESS_CPUTIME_ID);
}

static void event_make(struct event_record *record, struct chain *chains, uint64_t terminals,
    uint64_t lsn, uint64_t *random)
{
	struct chain *chain = &chains[random_next(random) % terminals];

	record->lsn = le64_make(lsn);
	record->terminal_id = le64_make((uint64_t)(chain - chains) + 1);
	record->request_id = le64_make(++chain->request_id);
	record->prev_terminal_lsn = le64_make(chain->lsn);
	chain->lsn = lsn;
}

static void look_up(const char *path, const struct chain *chains, uint64_t terminals)
{
	struct log_history *history;
	uint64_t random = 7, begun, worst = 0, total = 0;

	SLUICE_REQUIRE(log_history_open(&history, path, 0) == 0);
	for (uint32_t i = 0; i < LOOKUPS; i++) {
		uint64_t at = random_next(&random) % terminals, took;
		struct event_buffer event;

		if (chains[at].request_id == 0)
			continue;
		begun = clock_ns(CLOCK_MONOTONIC);
		SLUICE_REQUIRE(log_history_request(history, at + 1,
		                   1 + random_next(&random) % chains[at].request_id, &event) > 0);
		took = clock_ns(CLOCK_MONOTONIC) - begun;
		total += took;
		worst = took > worst ? took : worst;
	}
	printf("{\"look_ups\":%u,\"mean_us\":%.1f,\"worst_us\":%.1f}\n", LOOKUPS,
	    (double)total / LOOKUPS / 1e3, (double)worst / 1e3);
	log_history_close(history);
}

static int run(const char *path, uint64_t terminals, uint64_t size)
{
	struct chain *chains = calloc(terminals, sizeof(*chains));
	struct event_record record = { .length = le16_make(sizeof(record)) };
	uint64_t random = 1, done = 0, next = STEP;
	struct sample before = { 0 }, after = { 0 };
	struct store_config config = { 0 };
	struct log_writer log;

	SLUICE_REQUIRE(chains != NULL && log_writer_open(&log, path, &config) == 0);
	io_read(&before);
	for (uint64_t lsn = 1; done < size; lsn++) {
		event_make(&record, chains, terminals, lsn, &random);
		SLUICE_REQUIRE(
		    log_writer_append(&log, (const uint8_t *)&record, sizeof(record)) == 0);
		done += sizeof(record);
		if (log_writer_full(&log) >= BLOCKS) {
			SLUICE_REQUIRE(log_writer_commit(&log) == 0);
			after.commits++;
		}
		if (done < next)
			continue;
		io_read(&after);
		printf("{\"terminals\":%llu,\"mib\":%llu,\"written_per_byte\":%.2f,"
		       "\"calls_per_commit\":%.1f,\"cpu_us_per_commit\":%.0f}\n",
		    (unsigned long long)terminals, (unsigned long long)(done >> 20),
		    (double)(after.bytes - before.bytes) / (double)STEP,
		    (double)(after.calls - before.calls) / (double)after.commits,
		    (double)(after.ns - before.ns) / (double)after.commits / 1e3);
		fflush(stdout);
		before = after;
		after.commits = 0;
		next += STEP;
	}
	SLUICE_REQUIRE(log_writer_commit(&log) == 0);
	look_up(path, chains, terminals);
	log_writer_close(&log);
	free(chains);
	return 0;
}

int main(int argc, char **argv)
{
	char path[] = "bench-store-log-XXXXXX", *end;
	uint64_t terminals = argc == 3 ? strtoull(argv[1], &end, 10) : 0;
	uint64_t mib = argc == 3 ? strtoull(argv[2], &end, 10) : 0, *list = NULL;
	int count;

	if (terminals == 0 || mib == 0) {
		fprintf(stderr, "usage: bench-store-log TERMINALS MIB\n");
		return 2;
	}
	SLUICE_REQUIRE(mkdtemp(path) != NULL);
	(void)run(path, terminals, mib << 20);
	count = schema_log_list(path, &list);
	for (int i = 0; i < count; i++)
		(void)!schema_log_remove(path, list[i]);
	free(list);
	return rmdir(path) == 0 ? 0 : 1;
}
