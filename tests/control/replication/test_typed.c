/* SPDX-License-Identifier: Apache-2.0 */
/* Rows in PostgreSQL's binary form, without a server. */
#include <errno.h>

#include "control/replication/changes.h"
#include "control/replication/typed.h"
#include "tests/test.h"
#include "wire/codes.h"

static struct event_record bet_record(void)
{
	return (struct event_record){
		.lsn = le64_make(1),
		.time_ns = le64_make(946684800000001999ull), /* 2000-01-01, 1.999 us */
		.type = le16_make(EVENT_PLACE_BET),
		.length = le16_make(136 + 16),
		.leg_count = 1,
		.terminal_id = le64_make(5),
		.request_id = le64_make(6),
		.account_id = le64_make(7),
		.amount = le64s_make(-1000000000000ll),
		.balance = le64s_make(999999999999999ll),
		.object_id = le64_make(0xffc0000000000001ull),
		.payout = le64s_make(1500),
		.rule_version = le32_make(1),
		.currency = le16_make(410),
		.deadline_ns = le64_make(1),
	};
}

struct bet_event {
	struct event_record record;
	struct event_leg leg;
};

static struct bet_event bet_event(void)
{
	return (struct bet_event){
		.record = bet_record(),
		.leg = { .market_id = le64_make(9), .odds = le32_make(1500) },
	};
}

static int add(struct typed *typed, const struct bet_event *event)
{
	return typed_event(typed, 3, (struct db_bytes){ event, sizeof(*event) });
}

static uint64_t field64(const uint8_t *fields, unsigned number)
{
	uint64_t value = 0;

	for (unsigned i = 0; i < number; i++) {
		uint32_t length;

		memcpy(&length, fields, 4);
		length = be32toh(length);
		fields += 4 + (length == UINT32_MAX ? 0 : length);
	}
	memcpy(&value, fields + 4, 8);
	return be64toh(value);
}

TEST(money_ids_and_times_keep_every_bit)
{
	uint8_t fields[TYPED_TRANSACTION_SIZE];
	struct event_record record = bet_record();

	typed_transaction(fields, 3, &record);
	assert_int_equal(field64(fields, 0), 1);
	assert_int_equal(field64(fields, 1), 1); /* microseconds, cut */
	assert_true((int64_t)field64(fields, 5) == -1000000000000ll);
	assert_true((int64_t)field64(fields, 6) == 999999999999999ll);
	assert_true(field64(fields, 7) == 0xffc0000000000001ull);
}

TEST(nothing_is_null)
{
	uint8_t fields[TYPED_TRANSACTION_SIZE], null[4] = { 255, 255, 255, 255 };
	struct event_record record = bet_record();

	record.account_id = record.terminal_id = record.request_id = le64_make(0);
	typed_transaction(fields, 3, &record);
	for (unsigned i = 0; i < 3; i++)
		assert_memory_equal(fields + 24 + 4 * i, null, 4);
}

TEST(a_bet_makes_one_row_in_each_table_and_one_account)
{
	struct typed typed = { 0 };
	struct bet_event event = bet_event();

	assert_int_equal(add(&typed, &event), 0);
	event.record.lsn = le64_make(2);
	event.record.balance = le64s_make(5);
	assert_int_equal(add(&typed, &event), 0);
	assert_int_equal(typed.tables[TYPED_TRANSACTIONS].rows, 2);
	assert_int_equal(typed.tables[TYPED_BETS].rows, 2);
	assert_int_equal(typed.tables[TYPED_LEGS].rows, 2);
	assert_int_equal(typed.account_count, 1);
	assert_int_equal(typed_accounts_write(&typed), 0);
	assert_int_equal(typed.tables[TYPED_ACCOUNTS].rows, 1);
	assert_int_equal(field64(typed.tables[TYPED_ACCOUNTS].bytes + 19 + 2, 1), 5);
	typed_clear(&typed);
	assert_int_equal(typed.account_count + typed.month_count + typed.events, 0);
	typed_free(&typed);
}

TEST(a_refusal_is_a_transaction_and_nothing_else)
{
	struct typed typed = { 0 };
	struct bet_event event = bet_event();

	event.record.code = le16_make(WIRE_CODE_FUNDS_INSUFFICIENT);
	assert_int_equal(add(&typed, &event), 0);
	assert_int_equal(typed.tables[TYPED_TRANSACTIONS].rows, 1);
	assert_int_equal(typed.tables[TYPED_BETS].rows + typed.tables[TYPED_LEGS].rows, 0);
	assert_int_equal(typed.account_count, 0);
	typed_free(&typed);
}

TEST(a_malformed_event_is_refused)
{
	struct typed typed = { 0 };
	struct bet_event event = bet_event();

	event.record.leg_count = 2; /* the length has room for one */
	assert_int_equal(add(&typed, &event), -EBADMSG);
	assert_int_equal(typed.tables[TYPED_TRANSACTIONS].rows, 0);
	typed_free(&typed);
}

TEST(thousands_of_accounts_are_kept_apart)
{
	struct typed typed = { 0 };
	struct bet_event event = bet_event();

	for (uint64_t i = 0; i < 30000; i++) {
		event.record.lsn = le64_make(i + 1);
		event.record.account_id = le64_make(1 + i % 10000);
		assert_int_equal(add(&typed, &event), 0);
	}
	assert_int_equal(typed.account_count, 10000);
	typed_free(&typed);
}

TEST(months_begin_at_midnight_utc)
{
	static const struct {
		uint64_t time_s, begin_s, end_s;
	} cases[] = {
		{ 1767225599, 1764547200, 1767225600 }, /* the last second of 2025 */
		{ 1767225600, 1767225600, 1769904000 },
		{ 1709164800, 1706745600, 1709251200 }, /* 29 February 2024 */
	};

	for (size_t i = 0; i < SLUICE_ARRAY_COUNT(cases); i++) {
		uint64_t begin, end;

		typed_month(cases[i].time_s * 1000000000u + 999999999u, &begin, &end);
		assert_case_equal(i, begin, cases[i].begin_s * 1000000000u);
		assert_case_equal(i, end, cases[i].end_s * 1000000000u);
	}
}

TEST(text_that_postgresql_would_refuse_is_found)
{
	static const struct {
		const char *text;
		int valid;
	} cases[] = {
		{ "plain", 1 },
		{ "K\xc3\xb6ln \xe2\x82\xac \xf0\x9f\x8e\xb2", 1 },
		{ "\xc0\xaf", 0 },         /* overlong */
		{ "\xed\xa0\x80", 0 },     /* surrogate */
		{ "\xf4\x90\x80\x80", 0 }, /* above U+10FFFF */
		{ "\x80", 0 },
		{ "cut \xe2\x82", 0 },
	};

	for (size_t i = 0; i < SLUICE_ARRAY_COUNT(cases); i++)
		assert_case_equal(i,
		    change_text_valid((const uint8_t *)cases[i].text, strlen(cases[i].text)),
		    cases[i].valid);
	assert_false(change_text_valid((const uint8_t *)"a\0b", 3));
}

TEST_MAIN()
