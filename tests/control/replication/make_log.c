/* SPDX-License-Identifier: Apache-2.0 */
/* Writes synthetic shards for measurements: make_log ROOT EVENTS [ACCOUNTS [SHARDS [RATE
 * [MIXED]]]]. RATE: events a second as time goes by; 0: all at once. Times end about now. */
#include <inttypes.h>
#include <time.h>

#include "tests/control/replication/make_log.h"

#define NS 1000000000ull

static uint64_t now_ns(clockid_t clock)
{
	struct timespec now;

	clock_gettime(clock, &now);
	return (uint64_t)now.tv_sec * NS + (uint64_t)now.tv_nsec;
}

static uint64_t argument(int argc, char **argv, int number, uint64_t otherwise)
{
	return number < argc ? strtoull(argv[number], NULL, 0) : otherwise;
}

int main(int argc, char **argv)
{
	uint64_t events = argument(argc, argv, 2, 1000000), rate = argument(argc, argv, 5, 0);
	uint64_t begun, made = 0;
	uint32_t shards = (uint32_t)argument(argc, argv, 4, 1);
	struct maker *makers[8];
	struct maker_options options = {
		.shard_count = shards,
		.accounts = (uint32_t)argument(argc, argv, 3, 10000),
		.events_max = events,
		.incarnation = 1000,
		.rotate_size = 256u << 20,
		.seed = 7,
		.step_ns = 1000,
		.mixed = (uint8_t)argument(argc, argv, 6, 0),
	};

	if (argc < 3 || shards == 0 || shards > 8) {
		fprintf(stderr, "usage: make_log ROOT EVENTS [ACCOUNTS [SHARDS [RATE [MIXED]]]]\n");
		return 2;
	}
	options.root = argv[1];
	options.time_ns = now_ns(CLOCK_REALTIME) - (rate == 0 ? events * 1000 : 0);
	for (options.shard = 0; options.shard < shards; options.shard++)
		makers[options.shard] = maker_open(&options);
	begun = now_ns(CLOCK_MONOTONIC);
	while (made < events) {
		/* Every 10 ms what is due, as a follower would commit. */
		uint64_t due = rate == 0 ? events : (now_ns(CLOCK_MONOTONIC) - begun) * rate / NS;

		due = due > events ? events : due;
		for (uint32_t i = 0; i < shards; i++) {
			if (rate != 0)
				makers[i]->time_ns = now_ns(CLOCK_REALTIME);
			for (uint64_t k = made + i; k < due; k += shards)
				maker_event(makers[i]);
			maker_flush(makers[i]);
		}
		made = due;
		if (rate != 0)
			nanosleep(&(struct timespec){ .tv_nsec = 10000000 }, NULL);
	}
	for (uint32_t i = 0; i < shards; i++) {
		printf("shard %u: LSN %" PRIu64 "\n", i, maker_lsn(makers[i]));
		maker_free(makers[i]);
	}
	return 0;
}
