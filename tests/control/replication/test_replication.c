/* SPDX-License-Identifier: Apache-2.0 */
/* Against a real PostgreSQL: exactly once, months, verify, what is refused. */
#include "tests/control/replication/bed.h"

static void makers_add(struct bed *bed, uint64_t count)
{
	for (uint32_t i = 0; i < BED_SHARDS; i++)
		maker_events(bed->makers[i], count);
}

TEST(every_event_arrives_once_though_the_server_is_killed_again_and_again)
{
	uint64_t seed = test_seed();
	struct replication_report report;
	struct bed bed;

	bed_open(&bed);
	bed_start(&bed);
	for (unsigned round = 0; round < 8; round++) {
		for (unsigned k = 0; k < 5; k++) {
			makers_add(&bed, test_random(&seed) % 1500);
			bed_sleep_ms((unsigned)(test_random(&seed) % 25));
		}
		bed_order(test_random(&seed) % 4 == 0 ? "stop" : "kill");
		makers_add(&bed, test_random(&seed) % 300);
		bed_order("start");
		bed_sleep_ms((unsigned)(test_random(&seed) % 300));
	}
	bed_settle(&bed);
	bed_verify_ok(&bed);
	bed_accounts_equal(&bed);
	replication_report(bed.replication, &report);
	assert_true(report.reconnects > 0);
	assert_true(report.errors > 0);
	bed_close(&bed);
}

TEST(typed_rows_say_what_the_ledgers_hold)
{
	uint64_t bets = 0, legs = 0, open = 0, stakes = 0;
	char sql[256];
	struct bed bed;

	bed_open(&bed);
	bed_start(&bed);
	makers_add(&bed, 5000);
	bed_settle(&bed);
	for (uint32_t i = 0; i < BED_SHARDS; i++) {
		uint32_t count = ledger_row_count(bed.makers[i]->ledger, LEDGER_BET);

		for (uint32_t row = 0; row < count; row++) {
			struct bet_row bet;

			ledger_bet_at(bed.makers[i]->ledger, row, &bet);
			bets++;
			legs += bet.leg_count;
			stakes += (uint64_t)bet.stake;
			open += bet.state == BET_OPEN;
		}
	}
	snprintf(sql, sizeof(sql),
	    "select count(*) = %llu and sum(stake) = %llu and sum(legs) = %llu and "
	    "count(*) filter (where cancelled is null) = %llu from sluice.bet_states",
	    (unsigned long long)bets, (unsigned long long)stakes, (unsigned long long)legs,
	    (unsigned long long)open);
	assert_string_equal(bed_sql(sql), "t");
	snprintf(sql, sizeof(sql), "select count(*) = %llu from sluice.bet_legs",
	    (unsigned long long)legs);
	assert_string_equal(bed_sql(sql), "t");
	assert_string_equal(bed_sql("select count(*) = 1 from sluice.bet_find((select bet from "
	                            "sluice.bet_states order by bet desc limit 1))"),
	    "t");
	bed_accounts_equal(&bed);
	bed_close(&bed);
}

TEST(a_month_ends_inside_a_batch_and_far_times_get_their_partition)
{
	struct bed bed;

	bed_open(&bed);
	bed.config.replication.batch_events_max = 20000;
	makers_add(&bed, 500); /* 0.1 s a step: into January */
	for (uint32_t i = 0; i < BED_SHARDS; i++) {
		bed.makers[i]->time_ns = 1956528000000000000ull; /* 2032 */
		maker_events(bed.makers[i], 10);
	}
	bed_start(&bed);
	bed_settle(&bed);
	bed_verify_ok(&bed);
	assert_string_equal(bed_sql("select count(*) > 0 from sluice.transactions_2025_12"), "t");
	assert_string_equal(
	    bed_sql("select count(*) >= 980 from sluice.transactions_2026_01"), "t");
	assert_string_equal(bed_sql("select count(*) = 20 from sluice.transactions_2032_01"), "t");
	/* Made ahead: this month and two more. */
	assert_string_equal(
	    bed_sql("select count(*) = 3 from generate_series(0, 2) g where to_regclass('sluice."
	            "transactions_' || to_char(now() at time zone 'UTC' + make_interval(months => "
	            "g), 'YYYY_MM')) is not null"),
	    "t");
	bed_close(&bed);
}

TEST(verify_finds_what_is_missing_doubled_changed_or_damaged)
{
	static const struct {
		const char *sql, *field;
		int64_t count;
	} cases[] = {
		{ "delete from sluice.transactions where shard = 0 and lsn = 700", "missing", 1 },
		{ "insert into sluice.transactions select * from sluice.transactions where shard = "
		  "1 and lsn = 900",
		    "doubled", 1 },
		{ "update sluice.transactions set amount = amount + 5 where shard = 0 and lsn = 40",
		    "differing", 1 },
		{ "update sluice.log_block set events = set_byte(events, 200, get_byte(events, "
		  "200) "
		  "# 1) where shard = 1 and first_lsn = 1",
		    "block_errors", 2 },
		{ "delete from sluice.log_block where shard = 0 and first_lsn = (select "
		  "min(first_lsn) from sluice.log_block where shard = 0 and first_lsn > 1)",
		    "block_errors", 1 },
	};

	for (size_t i = 0; i < SLUICE_ARRAY_COUNT(cases); i++) {
		struct bed bed;
		char sql[512];
		json_t *result;

		bed_open(&bed);
		makers_add(&bed, 2000);
		bed_start(&bed);
		bed_settle(&bed);
		bed_verify_ok(&bed);
		snprintf(sql, sizeof(sql), "%s returning 1", cases[i].sql);
		assert_string_equal(bed_sql(sql), "1");
		result = bed_verify(&bed);
		assert_false(json_is_true(json_object_get(result, "ok")));
		assert_case_equal(i, bed_number(result, cases[i].field), cases[i].count);
		if (strcmp(cases[i].field, "differing") == 0)
			assert_int_equal(bed_number(result, "sum_difference"), 5);
		json_decref(result);
		bed_close(&bed);
	}
}

TEST(another_deployment_a_newer_schema_and_a_password_in_the_connection_are_refused)
{
	struct bed bed;

	bed_open(&bed);
	bed_start(&bed);
	bed_settle(&bed);
	bed_stop(&bed);
	bed_sql("update sluice.deployment set name = 'other' returning 1");
	bed_start(&bed);
	bed_expect_failed(&bed, "belongs to deployment other");
	bed_stop(&bed);
	bed_sql("update sluice.deployment set name = 'test' returning 1");
	bed_sql("insert into sluice.migration (version, name) values (99, 'x') returning 1");
	bed_start(&bed);
	bed_expect_failed(&bed, "has version 99");
	/* Repaired, it goes on by itself. */
	bed_sql("delete from sluice.migration where version = 99 returning 1");
	bed_settle(&bed);
	bed_stop(&bed);
	snprintf(bed.config.replication.connection, sizeof(bed.config.replication.connection),
	    "host=/nowhere password=x");
	bed_start(&bed);
	bed_expect_failed(&bed, "holds a password");
	bed_close(&bed);
}

TEST(a_log_retired_before_it_was_replicated_is_a_failure_that_says_so)
{
	char path[160];
	struct bed bed;

	bed_open(&bed);
	makers_add(&bed, 6000);
	/* As retirement does: the oldest environment goes. */
	snprintf(path, sizeof(path), "%s/var/lib/sluice/shard-1/log-%016x", bed.root, 1);
	bed_remove(path);
	bed_start(&bed);
	bed_expect_failed(&bed, "shard 1: the log does not hold LSN 1 any more");
	bed_close(&bed);
}

TEST(paused_it_lets_go_and_resumed_it_goes_on)
{
	struct replication_report report = { 0 };
	struct bed bed;

	bed_open(&bed);
	bed_start(&bed);
	bed_settle(&bed);
	replication_pause(bed.replication, 1);
	for (unsigned i = 0; i < 500 && report.state != REPLICATION_PAUSED; i++) {
		bed_sleep_ms(10);
		replication_report(bed.replication, &report);
	}
	assert_int_equal(report.state, REPLICATION_PAUSED);
	makers_add(&bed, 1000);
	for (unsigned i = 0; i < 500 && report.lag_events < 2000; i++) {
		bed_sleep_ms(10);
		replication_report(bed.replication, &report);
	}
	assert_int_equal(report.lag_events, 2000);
	assert_true(report.lag_ms > 0);
	assert_string_equal(bed_sql("select count(*) from pg_stat_activity where "
	                            "application_name = 'sluice-control'"),
	    "0");
	replication_pause(bed.replication, 0);
	bed_settle(&bed);
	bed_verify_ok(&bed);
	bed_close(&bed);
}

TEST(over_tcp_with_tls_and_a_password_file)
{
	const char *conninfo = getenv("SLUICE_TEST_POSTGRES_TLS");
	struct bed bed;

	if (conninfo == NULL)
		skip();
	bed_open(&bed);
	snprintf(bed.config.replication.connection, sizeof(bed.config.replication.connection), "%s",
	    conninfo);
	snprintf(bed.config.replication.password_file, sizeof(bed.config.replication.password_file),
	    "%s", bed_environment("SLUICE_TEST_POSTGRES_PASSFILE"));
	bed_start(&bed);
	bed_settle(&bed);
	assert_string_equal(bed_sql("select bool_and(ssl) from pg_stat_ssl s join pg_stat_activity "
	                            "a using (pid) where application_name = 'sluice-control'"),
	    "t");
	bed_verify_ok(&bed);
	bed_stop(&bed);
	bed.config.replication.password_file[0] = '\0';
	bed_start(&bed);
	bed_expect_failed(&bed, "password");
	bed_close(&bed);
}

TEST_MAIN()
