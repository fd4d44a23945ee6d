/* SPDX-License-Identifier: Apache-2.0 */
/* Histogram buckets, and that each stage counts each message once with the time its turns took. */
#include <time.h>

#include "tests/shard/bed.h"

static uint64_t clock_now(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * SECOND + (uint64_t)now.tv_nsec;
}

TEST(every_value_is_in_the_bucket_whose_bounds_enclose_it)
{
	uint64_t random = test_seed();

	for (unsigned i = 0; i + 1 < HISTOGRAM_BUCKETS; i++) {
		uint64_t bound = histogram_bound(i);

		assert_case_equal(i, histogram_index(bound), i);
		assert_case_equal(i, histogram_index(bound + 1), i + 1);
	}
	assert_int_equal(histogram_bound(0), 1024);
	assert_int_equal(histogram_bound(HISTOGRAM_BUCKETS - 2), 1ull << 34);
	assert_int_equal(histogram_index(0), 0);
	assert_int_equal(histogram_index(1), 0);
	assert_int_equal(histogram_index(UINT64_MAX), HISTOGRAM_BUCKETS - 1);
	for (int round = 0; round < 100000; round++) {
		uint64_t value = test_random(&random) >> test_random(&random) % 64;
		unsigned index = histogram_index(value);

		assert_true(index < HISTOGRAM_BUCKETS);
		assert_true(index == 0 || value > histogram_bound(index - 1));
		assert_true(index == HISTOGRAM_BUCKETS - 1 || value <= histogram_bound(index));
	}
}

static uint64_t count_of(const struct bed *bed, uint32_t shard, enum latency_stage stage)
{
	const struct histogram *histogram = &bed->workers[shard]->latency.stages[stage];
	uint64_t sum = 0;

	for (unsigned i = 0; i < HISTOGRAM_BUCKETS; i++)
		sum += stats_get(&histogram->counts[i]);
	return sum;
}

static uint64_t sum_of(const struct bed *bed, uint32_t shard, enum latency_stage stage)
{
	return stats_get(&bed->workers[shard]->latency.stages[stage].sum_ns);
}

TEST(a_bet_counts_once_in_each_stage_with_the_time_between_its_turns)
{
	struct bed *bed = bed_open(1, 0);
	uint64_t account = bed_account(bed, 0, 0);

	bed_send(bed, 0, bed_bet(1, account, 100));
	bed->now_ns += 5000;
	bed_send(bed, 0, bed_bet(2, account, 100));
	assert_int_equal(count_of(bed, 0, LATENCY_decide), 2);
	assert_int_equal(sum_of(bed, 0, LATENCY_decide), 0);
	assert_int_equal(count_of(bed, 0, LATENCY_durable), 0);
	assert_int_equal(count_of(bed, 0, LATENCY_total), 0);

	bed->now_ns += 20000;
	bed_settle(bed, 1);
	assert_int_equal(bed_waiting(bed), 2);
	(void)bed_take(bed), (void)bed_take(bed);
	assert_int_equal(count_of(bed, 0, LATENCY_durable), 2);
	assert_int_equal(sum_of(bed, 0, LATENCY_durable), 25000 + 20000);
	assert_int_equal(count_of(bed, 0, LATENCY_total), 2);
	assert_int_equal(sum_of(bed, 0, LATENCY_total), 25000 + 20000);
	assert_int_equal(count_of(bed, 0, LATENCY_answer), 2);
	bed_close(bed);
}

TEST(half_of_a_turns_events_durable_counts_half)
{
	struct bed *bed = bed_open(1, 0);
	uint64_t account = bed_account(bed, 0, 0), start = bed_lsn(bed, 0);
	struct wire_request bets[4];

	for (unsigned i = 0; i < 4; i++)
		bets[i] = bed_bet(1 + i, account, 100);
	bed_send_all(bed, 0, bets, 4);
	bed_turn(bed, 0);
	bed->now_ns += 1000;
	fake_journal_complete(bed->journals[0], start + 3);
	bed_turn(bed, 0);
	assert_int_equal(count_of(bed, 0, LATENCY_durable), 3);
	bed->now_ns += 1000;
	bed_settle(bed, 1);
	assert_int_equal(count_of(bed, 0, LATENCY_durable), 4);
	assert_int_equal(sum_of(bed, 0, LATENCY_durable), 3 * 1000 + 2000);
	assert_int_equal(count_of(bed, 0, LATENCY_total), 4);
	while (bed_waiting(bed) != 0)
		(void)bed_take(bed);
	bed_close(bed);
}

TEST(a_bet_of_another_home_is_timed_from_there_and_back)
{
	struct bed *bed = bed_open(2, 0);
	uint64_t account = bed_account(bed, 1, 0);

	bed_send(bed, 0, bed_bet(1, account, 100)); /* at home on 0, decided on 1 */
	bed->now_ns += 3000;
	bed_turn(bed, 1);
	assert_int_equal(count_of(bed, 0, LATENCY_decide), 0);
	assert_int_equal(count_of(bed, 1, LATENCY_decide), 1);
	assert_int_equal(sum_of(bed, 1, LATENCY_decide), 3000);
	bed->now_ns += 4000;
	bed_settle(bed, 1);
	(void)bed_take_only(bed, 1, WIRE_CODE_OK);
	assert_int_equal(count_of(bed, 1, LATENCY_total), 0);
	assert_int_equal(count_of(bed, 0, LATENCY_total), 1);
	assert_int_equal(sum_of(bed, 0, LATENCY_total), 7000);
	bed_close(bed);
}

TEST(more_runs_and_turns_than_places_lose_no_message)
{
	static struct worker_latency latency;
	uint64_t counted = 0;

	memset(&latency, 0, sizeof(latency));
	for (uint64_t i = 0; i < 3 * LATENCY_RUNS; i++)
		latency_note(&latency.answered, 1000 * i);
	latency_end(&latency, 1000000);
	for (uint64_t i = 1; i <= 2 * LATENCY_APPENDED; i++) {
		latency.events = 1;
		latency_appended(&latency, i, i);
	}
	latency_durable(&latency, 2 * LATENCY_APPENDED, 5000);
	for (unsigned i = 0; i < HISTOGRAM_BUCKETS; i++)
		counted += stats_get(&latency.stages[LATENCY_total].counts[i]);
	assert_int_equal(counted, 3 * LATENCY_RUNS);
	counted = 0;
	for (unsigned i = 0; i < HISTOGRAM_BUCKETS; i++)
		counted += stats_get(&latency.stages[LATENCY_durable].counts[i]);
	assert_int_equal(counted, 2 * LATENCY_APPENDED);
	assert_int_equal(latency.appended_head, latency.appended_tail);
}

TEST(journal_writes_are_counted_as_they_complete)
{
	static struct worker_latency latency;
	struct journal_counters journal = { 0 };
	uint64_t counted = 0;

	memset(&latency, 0, sizeof(latency));
	for (unsigned i = 0; i < 50; i++) {
		journal.write_ns_recent[journal.writes++ % JOURNAL_WRITES_RECENT] = 2000;
		if (i % 5 == 0)
			latency_writes(&latency, &journal);
	}
	latency_writes(&latency, &journal);
	for (unsigned i = 0; i < HISTOGRAM_BUCKETS; i++)
		counted += stats_get(&latency.stages[LATENCY_journal_write].counts[i]);
	assert_int_equal(counted, 50);
	assert_int_equal(stats_get(&latency.stages[LATENCY_journal_write].sum_ns), 50 * 2000);
}

/* Prints what the stages cost a worker; asserts only that nothing is lost. */
TEST(the_cost_of_a_turn)
{
	static const unsigned sizes[] = { 1, 8, 64 };
	static struct worker_latency latency;
	uint64_t messages = 0, counted = 0;

	memset(&latency, 0, sizeof(latency));
	for (size_t i = 0; i < SLUICE_ARRAY_COUNT(sizes); i++) {
		uint64_t lsn = messages, began = clock_now(), turns = 20000;

		for (uint64_t turn = 0; turn < turns; turn++) {
			latency_begin(&latency, began);
			for (unsigned k = 0; k < sizes[i]; k++) {
				latency_note(&latency.decided, latency.turn_ns);
				latency_note(&latency.answered, latency.turn_ns);
				latency.events++;
				latency.released++;
			}
			lsn += sizes[i];
			latency_appended(&latency, lsn, clock_now());
			latency_durable(&latency, lsn, clock_now());
			latency_end(&latency, latency.durable_ns);
		}
		messages += turns * sizes[i];
		print_message("%u messages a turn: %.0f ns a turn\n", sizes[i],
		    (double)(clock_now() - began) / (double)turns);
	}
	for (unsigned i = 0; i < HISTOGRAM_BUCKETS; i++)
		counted += stats_get(&latency.stages[LATENCY_durable].counts[i]);
	assert_int_equal(counted, messages);
}

BED_MAIN()
