/* SPDX-License-Identifier: Apache-2.0 */
/* What verify finds: each case changes PostgreSQL behind replication's back. */
#include "tests/control/replication/bed.h"
#include "tests/control/replication/control_rows.h"

static void filled_open(struct bed *bed)
{
	bed_open(bed);
	assert_int_equal(database_write(bed->database, control_rows_body, NULL), 0);
	for (uint32_t i = 0; i < BED_SHARDS; i++)
		maker_events(bed->makers[i], 2000);
	bed_start(bed);
	bed_settle(bed);
	for (unsigned i = 0; i < 500; i++) {
		struct replication_report report;

		replication_report(bed->replication, &report);
		if (report.change_sequence == CONTROL_ROWS_CHANGES)
			break;
		bed_sleep_ms(10);
	}
}

struct tampering {
	const char *sql; /* one row, or what it returns is not "1" */
	const char *table, *field;
	int64_t count;
};

static void sql_expect_one(size_t i, const char *sql)
{
	if (strcmp(bed_sql(sql), "1") != 0)
		fail_msg("case %zu does not change one row: %s", i, sql);
}

/* The table is as it was before when this returns: one bed does for all cases. */
static void tampering_expect(struct bed *bed, size_t i, const struct tampering *tampering)
{
	const char *table = tampering->table;
	char sql[768];
	json_t *result;

	bed_verify_ok(bed);
	snprintf(sql, sizeof(sql), "create table sluice.saved as select * from sluice.%s; select 1",
	    table);
	sql_expect_one(i, sql);
	snprintf(sql, sizeof(sql), "%s returning 1", tampering->sql);
	sql_expect_one(i, sql);
	result = bed_verify(bed);
	assert_false(json_is_true(json_object_get(result, "ok")));
	if (bed_number(json_object_get(json_object_get(result, "tables"), table),
	        tampering->field) != tampering->count)
		fail_msg("case %zu, %s: %s", i, tampering->sql, json_dumps(result, 0));
	assert_string_equal(json_string_value(json_object_get(
	                        json_object_get(result, "first_difference"), "table")),
	    table);
	json_decref(result);
	snprintf(sql, sizeof(sql),
	    "delete from sluice.%s; insert into sluice.%s select * from sluice.saved; "
	    "drop table sluice.saved; select 1",
	    table, table);
	sql_expect_one(i, sql);
}

#define TAMPER_TEST(name, ...)                                                                     \
	TEST(name)                                                                                 \
	{                                                                                          \
		static const struct tampering cases[] = { __VA_ARGS__ };                           \
		struct bed bed;                                                                    \
                                                                                                   \
		filled_open(&bed);                                                                 \
		for (size_t i = 0; i < SLUICE_ARRAY_COUNT(cases); i++)                             \
			tampering_expect(&bed, i, &cases[i]);                                      \
		bed_verify_ok(&bed);                                                               \
		bed_close(&bed);                                                                   \
	}

TAMPER_TEST(verify_finds_transactions_that_are_missing_doubled_changed_or_above_the_cursor,
    { "delete from sluice.transactions where shard = 0 and lsn = 700", "transactions", "missing",
        1 },
    { "insert into sluice.transactions select * from sluice.transactions where shard = 1 and lsn "
      "= 900",
        "transactions", "doubled", 1 },
    { "update sluice.transactions set amount = amount + 5 where shard = 0 and lsn = 40",
        "transactions", "differing", 1 },
    { "insert into sluice.transactions (lsn, time, amount, balance, factor_bits, rule_version, "
      "shard, type, code, score, flags) values (1000000, now(), 1, 1, 0, 0, 1, 2, 0, 0, 0)",
        "transactions", "surplus", 1 },
    { "insert into sluice.transactions (lsn, time, amount, balance, factor_bits, rule_version, "
      "shard, type, code, score, flags) values (1, now(), 1, 1, 0, 0, 5, 2, 0, 0, 0)",
        "transactions", "surplus", 1 })

TAMPER_TEST(verify_finds_bets_legs_and_cancellations_that_are_not_those_of_the_events,
    { "delete from sluice.bets where lsn = (select max(lsn) from sluice.bets where shard = 1) and "
      "shard = 1",
        "bets", "missing", 1 },
    { "update sluice.bets set stake = stake - 1 where lsn = (select min(lsn) from sluice.bets "
      "where shard = 0) and shard = 0",
        "bets", "differing", 1 },
    { "insert into sluice.bets select * from sluice.bets where lsn = (select min(lsn) from "
      "sluice.bets where shard = 0) and shard = 0",
        "bets", "doubled", 1 },
    { "insert into sluice.bets select bet, time, l.lsn, account, terminal, stake, payout, shard, "
      "currency, score, legs from (select * from sluice.bets where shard = 0 limit 1) b cross "
      "join (select min(lsn) as lsn from sluice.transactions where shard = 0 and type = 1) l",
        "bets", "surplus", 1 },
    { "update sluice.bets set shard = 7 where shard = 0 and lsn = (select max(lsn) from "
      "sluice.bets where shard = 0)",
        "bets", "surplus", 1 },
    { "delete from sluice.bet_legs where leg = 0 and bet = (select bet from sluice.bets where "
      "shard = 1 order by lsn limit 1)",
        "bet_legs", "missing", 1 },
    { "update sluice.bet_legs set odds = odds + 1 where leg = 0 and bet = (select bet from "
      "sluice.bets where shard = 0 order by lsn limit 1)",
        "bet_legs", "differing", 1 },
    { "insert into sluice.bet_legs select * from sluice.bet_legs where leg = 0 and bet = (select "
      "bet from sluice.bets where shard = 0 order by lsn limit 1)",
        "bet_legs", "doubled", 1 },
    { "insert into sluice.bet_legs (bet, time, market, odds, leg, selection) values (12345678, "
      "now(), 1, 1500, 0, 0)",
        "bet_legs", "surplus", 1 },
    { "delete from sluice.bet_cancels where bet = (select min(bet) from sluice.bet_cancels)",
        "bet_cancels", "missing", 1 },
    { "update sluice.bet_cancels set lsn = lsn + 1 where bet = (select min(bet) from "
      "sluice.bet_cancels)",
        "bet_cancels", "differing", 1 },
    { "insert into sluice.bet_cancels values (12345678, now(), 5, 1, 1, 0, 0)", "bet_cancels",
        "surplus", 1 })

TAMPER_TEST(verify_finds_postings_bet_changes_and_objects_that_are_not_those_of_the_events,
    { "delete from sluice.postings where shard = 0 and lsn = (select min(lsn) from "
      "sluice.postings where shard = 0 and type = 11)",
        "postings", "missing", 1 },
    { "update sluice.postings set amount = amount + 1 where shard = 1 and lsn = (select min(lsn) "
      "from sluice.postings where shard = 1 and type = 2)",
        "postings", "differing", 1 },
    { "insert into sluice.postings select * from sluice.postings where shard = 1 and lsn = (select "
      "min(lsn) from sluice.postings where shard = 1 and type = 2)",
        "postings", "doubled", 1 },
    { "update sluice.bet_changes set payout = payout + 1 where shard = 0 and lsn = (select "
      "min(lsn) from sluice.bet_changes where shard = 0)",
        "bet_changes", "differing", 1 },
    { "delete from sluice.bet_changes where shard = 1 and lsn = (select min(lsn) from "
      "sluice.bet_changes where shard = 1)",
        "bet_changes", "missing", 1 },
    { "update sluice.object_changes set state = 4 where shard = 0 and place = 0 and lsn = (select "
      "min(lsn) from sluice.object_changes where shard = 0)",
        "object_changes", "differing", 1 },
    { "insert into sluice.object_changes (id, time, lsn, place, kind, state, shard, body) values "
      "(1, now(), 10000000, 0, 1, 1, 0, '')",
        "object_changes", "surplus", 1 },
    { "update sluice.partners set exposure_max = 0 where id = 5", "partners", "differing", 1 },
    { "delete from sluice.adjustments where number = 1", "adjustments", "missing", 1 })

TAMPER_TEST(verify_finds_alerts_subjects_and_lists_that_are_not_controls,
    { "update sluice.alerts set verdict = 1 where number = 1", "alerts", "differing", 1 },
    { "delete from sluice.alert_history where number = 1", "alert_history", "missing", 1 },
    { "update sluice.subjects set confirmed = 0", "subjects", "differing", 1 },
    { "insert into sluice.countries values ('XYZ', 2, '', '', now())", "countries", "surplus", 1 },
    { "update sluice.watch_lists set names = 14", "watch_lists", "differing", 1 },
    { "update sluice.rules_notes set note = 'no'", "rules_notes", "differing", 1 })

TAMPER_TEST(verify_finds_accounts_that_do_not_stand_where_the_log_leaves_them,
    { "update sluice.accounts set balance = balance + 1 where id = (select max(id) from "
      "sluice.accounts)",
        "accounts", "differing", 1 },
    { "update sluice.accounts set frozen = true where id = (select max(id) from sluice.accounts)",
        "accounts", "differing", 1 },
    { "delete from sluice.accounts where id = (select min(id) from sluice.accounts)", "accounts",
        "missing", 1 },
    { "insert into sluice.accounts values (999999999999, 1, 5, now(), 0, 410, false)", "accounts",
        "surplus", 1 })

TAMPER_TEST(verify_finds_raw_blocks_that_are_damaged_missing_or_above_the_cursor,
    { "update sluice.log_block set events = set_byte(events, 200, get_byte(events, 200) # 1) where "
      "shard = 1 and first_lsn = 1",
        "log_block", "differing", 2 },
    { "delete from sluice.log_block where shard = 0 and first_lsn = (select min(first_lsn) from "
      "sluice.log_block where shard = 0 and first_lsn > 1)",
        "log_block", "differing", 1 },
    { "insert into sluice.log_block values (1000000, 1000001, now(), 1000, 0, 0, '')", "log_block",
        "surplus", 1 })

TAMPER_TEST(verify_finds_changes_of_control_that_are_not_those_of_its_database,
    { "delete from sluice.control_change where sequence = 4", "control_change", "missing", 1 },
    { "update sluice.control_change set value = value || '\\x00' where sequence = 3",
        "control_change", "differing", 1 },
    { "insert into sluice.control_change values (1000, 1, 1, '', '')", "control_change", "surplus",
        1 })

TAMPER_TEST(verify_finds_typed_rows_of_control_that_its_changes_do_not_make,
    { "update sluice.terminals set state = 1 where id = 1", "terminals", "differing", 1 },
    { "delete from sluice.terminals where id = 3", "terminals", "missing", 1 },
    { "insert into sluice.terminals select 2, version, name, location, state, rights, daily_max, "
      "rate_per_s, rate_burst, certificate, created, changed from sluice.terminals where id = 3",
        "terminals", "surplus", 1 },
    { "update sluice.markets set odds[2] = 9 where id = 11", "markets", "differing", 1 },
    { "update sluice.commands set state = 1 where sequence = 1", "commands", "differing", 1 },
    { "update sluice.audit set detail = '{}' where sequence = 1", "audit", "differing", 1 },
    { "insert into sluice.rules values (5, now(), 410, 1, 1, '')", "rules", "surplus", 1 },
    { "update sluice.certificates set state = 1", "certificates", "differing", 1 },
    { "delete from sluice.certificates", "certificates", "missing", 1 },
    { "insert into sluice.certificates values ('\\x01', '', 1, 1, now(), now(), now())",
        "certificates", "surplus", 1 })

TEST(verify_tells_by_how_much_money_differs)
{
	struct bed bed;
	json_t *result, *bets;

	filled_open(&bed);
	assert_string_equal(bed_sql("update sluice.transactions set amount = amount + 5 where "
	                            "shard = 0 and lsn = 40 returning 1"),
	    "1");
	assert_string_equal(
	    bed_sql("update sluice.bets set stake = stake - 7, payout = payout + 2 where shard = 1 "
	            "and lsn = (select min(lsn) from sluice.bets where shard = 1) returning 1"),
	    "1");
	result = bed_verify(&bed);
	assert_int_equal(bed_number(result, "sum_difference"), 5);
	assert_int_equal(bed_number(result, "differing"), 1);
	bets = json_object_get(json_object_get(result, "tables"), "bets");
	assert_int_equal(bed_number(bets, "stake_difference"), -7);
	assert_int_equal(bed_number(bets, "payout_difference"), 2);
	json_decref(result);
	bed_close(&bed);
}

/* Batches are committed while verify runs: it must see none of them half. */
TEST(verify_is_right_while_replication_goes_on)
{
	struct bed bed;

	filled_open(&bed);
	for (unsigned round = 0; round < 5; round++) {
		json_t *result;

		for (uint32_t i = 0; i < BED_SHARDS; i++)
			maker_events(bed.makers[i], 3000);
		result = bed_verify(&bed);
		if (!json_is_true(json_object_get(result, "ok")))
			fail_msg("%s", json_dumps(result, 0));
		json_decref(result);
	}
	bed_settle(&bed);
	bed_verify_ok(&bed);
	bed_close(&bed);
}

TEST_MAIN()
