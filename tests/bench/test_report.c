/* SPDX-License-Identifier: Apache-2.0 */
/* What makes a run no good, and what forbids to call it durable. */
#include "bench/report.h"
#include "tests/test.h"

static struct bench_options options;
static struct load load;
static struct observer observer;
static struct observation before, after;
static struct report_input input;

static json_t *status(uint64_t durable_lsn, uint64_t batches)
{
	return json_pack("{s:[{s:I,s:I}]}", "shards", "durable_lsn", (json_int_t)durable_lsn,
	    "batches", (json_int_t)batches);
}

/* A run of 1,000 bets in 2 s, 100 batches, on a disk with a volatile cache. */
static void good_run(void)
{
	options = (struct bench_options){ .disk = "/journal", .admin = "/admin.sock" };
	load.counts = (struct load_counts){ .acked = 1000, .accepted = 990, .acked_total = 1000 };
	before = (struct observation){ .has_disk = 1, .disk.has_flush_count = 1 };
	snprintf(before.disk.write_cache, sizeof(before.disk.write_cache), "write back");
	after = before;
	after.time_ns = 2000000000u;
	after.disk.writes = after.disk.flushes = 100;
	before.status = status(50, 7);
	after.status = status(1050, 107);
	input = (struct report_input){ .options = &options,
		.load = &load,
		.observer = &observer,
		.before = &before,
		.after = &after,
		.journal_files = 3,
		.journal_files_direct = 3 };
}

static void logged(uint64_t events)
{
	json_decref(after.status);
	after.status = status(50 + events, 107);
}

static size_t problem_count(void)
{
	json_t *problems = report_problems(&input);
	size_t count = json_array_size(problems);

	json_decref(problems);
	json_decref(before.status);
	json_decref(after.status);
	return count;
}

static int durable(void)
{
	int result = report_durable_refusal(&input) == NULL;

	json_decref(before.status);
	json_decref(after.status);
	return result;
}

TEST(a_good_run_has_no_problems)
{
	good_run();
	assert_int_equal(problem_count(), 0);
}

TEST(each_count_that_spoils_a_run_is_a_problem)
{
	uint64_t *const counts[] = { &load.counts.lost, &load.counts.duplicated,
		&load.counts.failed };

	for (size_t i = 0; i < SLUICE_ARRAY_COUNT(counts); i++) {
		good_run();
		*counts[i] = 1;
		assert_int_equal(problem_count(), 1);
	}
	good_run();
	load.counts.accepted = 989;
	assert_int_equal(problem_count(), 1);
	good_run();
	load.counts.acked = load.counts.accepted = 0;
	assert_int_equal(problem_count(), 1);
}

TEST(the_log_holds_what_was_acknowledged_and_at_most_the_ticks)
{
	static const struct {
		uint64_t events;
		size_t problems;
	} cases[] = { { 999, 1 }, { 1000, 0 }, { 1004, 0 }, { 1005, 1 } };

	for (size_t i = 0; i < SLUICE_ARRAY_COUNT(cases); i++) {
		good_run();
		logged(cases[i].events);
		assert_int_equal(problem_count(), cases[i].problems);
	}
}

TEST(what_a_settlement_wrote_was_asked_for_by_no_request)
{
	static const struct {
		uint64_t events, walked, market;
		int failed;
		size_t problems;
	} cases[] = {
		{ 1507, 500, 11, 0, 0 }, /* result, mark, walked, and the TICKs */
		{ 1508, 500, 11, 0, 1 },
		{ 1505, 500, 0, 0, 1 },
		{ 1499, 500, 11, 0, 1 },
		{ 1500, 500, 11, 1, 1 },
	};

	for (size_t i = 0; i < SLUICE_ARRAY_COUNT(cases); i++) {
		good_run();
		options.settle_market = cases[i].market;
		load.settle.failed = cases[i].failed;
		logged(cases[i].events);
		json_object_set_new(json_array_get(json_object_get(after.status, "shards"), 0),
		    "walk_events", json_integer((json_int_t)cases[i].walked));
		assert_case_equal(i, problem_count(), cases[i].problems);
	}
	load.settle.failed = 0;
}

TEST(a_data_plane_that_was_asked_and_is_silent_is_a_problem)
{
	good_run();
	json_decref(after.status);
	after.status = NULL;
	assert_int_equal(problem_count(), 1);
}

TEST(durable_needs_direct_files_writes_and_flushes)
{
	good_run();
	assert_true(durable());
	good_run();
	input.journal_files_direct = 2;
	assert_false(durable());
	good_run();
	input.journal_files = input.journal_files_direct = 0;
	assert_false(durable());
	good_run();
	after.disk.writes = 12;
	assert_false(durable());
	good_run();
	after.disk.flushes = 12;
	assert_false(durable());
	good_run();
	after.disk.has_flush_count = 0;
	assert_false(durable());
	good_run();
	snprintf(before.disk.refusal, sizeof(before.disk.refusal), "tmpfs is memory");
	assert_false(durable());
}

TEST(durable_needs_no_flush_where_nothing_is_volatile)
{
	good_run();
	after.disk.flushes = 0;
	after.disk.fua = 1;
	assert_true(durable());
	good_run();
	after.disk.flushes = 0;
	snprintf(after.disk.write_cache, sizeof(after.disk.write_cache), "write through");
	assert_true(durable());
}

TEST_MAIN()
