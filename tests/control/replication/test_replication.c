/* SPDX-License-Identifier: Apache-2.0 */
/* Against a real PostgreSQL: exactly once, months, verify, what is refused. */
#include "control/replication/session.h"
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
	    "count(*) filter (where state = 1) = %llu from sluice.bet_states",
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

/* What the ledgers hold on a system account, all shards together. */
static long long system_balance(const struct bed *bed, enum system_account kind)
{
	long long sum = 0;

	for (uint32_t i = 0; i < BED_SHARDS; i++) {
		const struct account_row *row =
		    ledger_account(bed->makers[i]->ledger, ledger_system_account(kind, 410, 0));

		sum += row != NULL ? row->balance : 0;
	}
	return sum;
}

TEST(postings_are_the_whole_double_entry)
{
	static const struct {
		enum system_account kind;
		const char *name;
	} kinds[] = { { SYSTEM_STAKES, "stakes" }, { SYSTEM_HOUSE, "house" },
		{ SYSTEM_PAYABLE, "payable" }, { SYSTEM_RECEIVABLE, "receivable" },
		{ SYSTEM_POTS, "pots" }, { SYSTEM_ADJUSTMENT, "adjustment" } };
	char sql[512];
	struct bed bed;

	bed_open(&bed);
	bed_start(&bed);
	makers_add(&bed, 5000);
	bed_settle(&bed);
	assert_string_equal(bed_sql("select count(*) = 0 from (select from sluice.entries "
	                            "group by shard, lsn, currency having sum(amount) <> 0) e"),
	    "t");
	for (size_t i = 0; i < SLUICE_ARRAY_COUNT(kinds); i++) {
		snprintf(sql, sizeof(sql),
		    "select coalesce(sum(amount), 0) = %lld from sluice.entries where "
		    "sluice.account_kind(account) = '%s'",
		    system_balance(&bed, kinds[i].kind), kinds[i].name);
		assert_string_equal(bed_sql(sql), "t");
	}
	/* Something of everything was there to be compared. */
	assert_string_equal(bed_sql("select count(distinct type) > 10 from sluice.postings"), "t");
	assert_string_equal(bed_sql("select count(*) > 0 from sluice.objects where kind = "
	                            "'sprinkle' and state = 1"),
	    "t");
	bed_close(&bed);
}

TEST(the_partner_report_is_what_bets_and_rounds_come_to)
{
	struct bed bed;

	bed_open(&bed);
	bed_start(&bed);
	makers_add(&bed, 5000);
	bed_settle(&bed);
	assert_string_equal(
	    bed_sql("select sum(r.stakes) = (select sum(stake) from sluice.bets) and sum(r.net) = "
	            "sum(r.stakes - r.payouts - r.refunds) and sum(r.payouts) = (select "
	            "sum(case when to_state = 1 then 0 else payout end - payout_before) "
	            "from sluice.bet_changes where type = 18) and "
	            "sum(r.rounds_net) = (select coalesce(sum(amount), 0) from sluice.entries "
	            "where sluice.account_kind(account) = 'partner') "
	            "from sluice.partner_report('2000-01-01', '2100-01-01') r"),
	    "t");
	assert_string_equal(bed_sql("select count(*) = 0 from sluice.partner_report("
	                            "'1990-01-01', '1991-01-01')"),
	    "t");
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
	assert_string_equal(bed_sql("select count(*) >= 20 from sluice.transactions_2032_01"), "t");
	/* Made ahead: this month and two more. */
	assert_string_equal(
	    bed_sql("select count(*) = 3 from generate_series(0, 2) g where to_regclass('sluice."
	            "transactions_' || to_char(now() at time zone 'UTC' + make_interval(months => "
	            "g), 'YYYY_MM')) is not null"),
	    "t");
	bed_close(&bed);
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

static _Atomic int lost_commits,
    lost_when; /* relaxed: counts only, read after a join or in a loop */

static int commit_lose(const char *sql, int carried_out)
{
	if (strcmp(sql, "commit") != 0 || carried_out != lost_when || lost_commits >= 3)
		return 0;
	lost_commits++;
	return 1;
}

TEST(a_commit_whose_answer_is_lost_or_that_never_left_is_neither_doubled_nor_missing)
{
	for (int carried_out = 0; carried_out < 2; carried_out++) {
		struct bed bed;

		bed_open(&bed);
		makers_add(&bed, 5000);
		lost_commits = 0;
		lost_when = carried_out;
		session_fault = commit_lose;
		bed_start(&bed);
		bed_settle(&bed);
		bed_verify_ok(&bed);
		bed_accounts_equal(&bed);
		assert_int_equal(lost_commits, 3);
		bed_stop(&bed);
		session_fault = NULL;
		bed_close(&bed);
	}
}

/* Waits for a lag of `events`, and for the age of the oldest to be known. */
static void lag_expect(struct bed *bed, uint64_t events)
{
	struct replication_report report = { 0 };

	for (unsigned i = 0; i < 1000 && (report.lag_events != events || report.lag_ms == 0); i++) {
		bed_sleep_ms(10);
		replication_report(bed->replication, &report);
	}
	assert_int_equal(report.lag_events, events);
	assert_true(report.lag_ms > 60000); /* the events are of long ago: alerts fire */
}

TEST(a_server_that_was_never_reached_is_as_far_behind_as_the_logs_are_long)
{
	struct bed bed;

	bed_open(&bed);
	makers_add(&bed, 1000);
	bed_order("kill");
	bed_start(&bed);
	lag_expect(&bed, maker_lsn(bed.makers[0]) + maker_lsn(bed.makers[1]));
	bed_order("start");
	bed_settle(&bed);
	bed_verify_ok(&bed);
	bed_close(&bed);
}

TEST(a_frozen_server_holds_nothing_up_and_the_lag_goes_on_being_told)
{
	struct bed bed;

	bed_open(&bed);
	bed_start(&bed);
	bed_settle(&bed);
	assert_string_equal(bed_order("freeze"), "ok");
	makers_add(&bed, 1000);
	lag_expect(&bed, 2000);
	bed_stop(&bed);  /* while the server is waited for */
	bed_start(&bed); /* and while it is connected to */
	bed_sleep_ms(300);
	bed_stop(&bed);
	assert_string_equal(bed_order("thaw"), "ok");
	bed_start(&bed);
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
