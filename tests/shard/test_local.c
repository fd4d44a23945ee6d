/* SPDX-License-Identifier: Apache-2.0 */
/* Messages that home answers by itself, sprinkles' status, shifts and the cash of a terminal. */
#include "tests/shard/bed.h"

TEST(key_update_names_epoch_and_boot_id)
{
	struct bed *bed = bed_open(1, 0);
	struct wire_reply reply;

	bed->shared.boot_id = 0x1122334455667788ull;
	reply = bed_ask(bed, 0, bed_request(WIRE_KEY_UPDATE, 1));
	assert_int_equal(reply.code, WIRE_CODE_OK);
	assert_true(reply.key_update.boot_id == bed->shared.boot_id);
	assert_int_equal(reply.key_update.epoch, 1);
	bed_close(bed);
}

TEST(goodbye_is_answered_and_nothing_behind_it_is_heard)
{
	struct bed *bed = bed_open(1, 0);
	uint64_t account = bed_account(bed, 0, 0);
	struct wire_request requests[] = { bed_deposit(1, account, 5), bed_request(WIRE_GOODBYE, 9),
		bed_deposit(2, account, 7) };

	bed_send_all(bed, 0, requests, 3);
	bed_turn(bed, 0);
	(void)bed_take_only(bed, 9, WIRE_CODE_OK);
	bed_settle(bed, 1);
	assert_int_equal(bed_waiting(bed), 0); /* the deposit's answer finds no session */
	assert_true(bed_money(bed, account) == BED_OPENING + 5);
	assert_null(session_find(bed->workers[0]->sessions, bed->terminals[0].session_id));
	assert_int_equal(atomic_load(&bed->slot_home[0]), 0xff);
	/* Another terminal is not touched. */
	assert_int_equal(bed_ask(bed, 1, bed_deposit(1, account, 5)).code, WIRE_CODE_OK);
	bed_close(bed);
}

TEST(events_and_their_markets_are_told_by_version)
{
	struct bed *bed = bed_open(1, 0);
	struct wire_request request = bed_request(WIRE_EVENT_QUERY, 1);
	struct wire_reply reply = bed_ask(bed, 0, request);

	assert_int_equal(reply.code, WIRE_CODE_OK);
	assert_int_equal(reply.template_id, WIRE_EVENT_QUERY);
	assert_int_equal(reply.events.row_count, 1);
	assert_int_equal(le64_get(reply.events.rows[0].event_id), 90);
	assert_int_equal(le32_get(reply.events.rows[0].market_count), 1);
	request.event_query.since_version = reply.events.up_to_version;
	assert_int_equal(bed_ask(bed, 0, request).events.row_count, 0);
	request.event_query.since_version = 0;
	request.event_query.event_id = 90;
	reply = bed_ask(bed, 0, request);
	assert_int_equal(reply.template_id, WIRE_MARKET_QUERY);
	assert_int_equal(reply.markets.row_count, 1);
	assert_int_equal(le64_get(reply.markets.rows[0].market_id), BED_MARKET);
	bed_close(bed);
}

TEST(an_event_that_is_not_durable_is_left_for_the_next_question)
{
	struct bed *bed = bed_open(1, 0);
	struct shard_command command = { .ticket = 1, .kind = SHARD_LEDGER };
	struct wire_request request = bed_request(WIRE_EVENT_QUERY, 1);
	struct shard_result result;
	struct wire_reply reply;

	command.ledger = fixture_market_command(901, 91, 50, MARKET_OPEN, NOW + HOUR);
	command.ledger.control_sequence = 1;
	assert_true(spsc_ring_push(bed->workers[0]->rings.command, &command));
	bed_turn(bed, 0);
	bed_send(bed, 0, request);
	reply = bed_take_only(bed, 1, WIRE_CODE_OK);
	assert_int_equal(reply.events.row_count, 1);
	assert_int_equal(reply.events.more, 1);
	request.event_query.since_version = reply.events.up_to_version;
	bed_settle(bed, 1);
	assert_true(spsc_ring_pop(bed->workers[0]->rings.result, &result));
	reply = bed_ask(bed, 0, request);
	assert_int_equal(reply.events.row_count, 1);
	assert_int_equal(le64_get(reply.events.rows[0].event_id), 91);
	bed_close(bed);
}

TEST(the_status_of_a_sprinkle_is_told_by_its_shard)
{
	struct bed *bed = bed_open(2, 0);

	for (uint32_t shard = 0; shard < 2; shard++) {
		struct wire_request request = bed_request(WIRE_SPRINKLE_CREATE, 1 + shard);
		struct wire_reply reply;
		uint64_t token;

		request.sprinkle_create.account_id = bed_account(bed, shard, 0);
		request.sprinkle_create.amount = 900;
		request.sprinkle_create.room = 5;
		request.sprinkle_create.deadline_ns = NO_DEADLINE;
		request.sprinkle_create.window_s = 60;
		request.sprinkle_create.shares = 3;
		request.sprinkle_create.currency = KRW;
		request.sprinkle_create.equal = 1;
		reply = bed_ask(bed, 0, request);
		assert_int_equal(reply.code, WIRE_CODE_OK);
		token = reply.object_id;
		request = bed_request(WIRE_SPRINKLE_STATUS, 9);
		request.sprinkle_status.token = token;
		reply = bed_ask(bed, 0, request);
		assert_int_equal(reply.code, WIRE_CODE_OK);
		assert_true(reply.sprinkle.total == 900 && reply.sprinkle.remaining == 900);
		assert_int_equal(reply.sprinkle.shares, 3);
		assert_int_equal(reply.sprinkle.claimed, 0);
		assert_int_equal(reply.sprinkle.state, 1);
		assert_int_equal(reply.sprinkle.currency, KRW);
	}
	bed_close(bed);
}

static struct wire_request shift(uint16_t template_id, uint64_t request_id, int64_t cash)
{
	struct wire_request request = bed_request(template_id, request_id);

	request.shift.cash = cash;
	request.shift.deadline_ns = NO_DEADLINE;
	request.shift.cashier_id = 3;
	request.shift.currency = KRW;
	return request;
}

TEST(a_shift_knows_the_cash_of_all_shards)
{
	struct bed *bed = bed_open(2, 0);
	uint64_t near = bed_account(bed, 0, 0), far = bed_account(bed, 1, 0);
	struct wire_request withdraw = bed_deposit(4, far, 300);
	struct wire_reply reply;

	(void)bed_ask(bed, 0, bed_deposit(1, near, 50)); /* before the shift */
	assert_int_equal(bed_ask(bed, 0, shift(WIRE_SHIFT_OPEN, 2, 1000)).code, WIRE_CODE_OK);
	(void)bed_ask(bed, 0, bed_deposit(3, far, 700));
	withdraw.template_id = WIRE_WITHDRAW;
	assert_int_equal(bed_ask(bed, 0, withdraw).code, WIRE_CODE_OK);
	assert_int_equal(bed_ask(bed, 0, bed_bet(5, 0, 40)).code, WIRE_CODE_OK); /* in cash */
	assert_int_equal(bed_ask(bed, 0, bed_bet(6, near, 40)).code, WIRE_CODE_OK);
	reply = bed_ask(bed, 0, bed_bet(7, 0, 60));
	assert_int_equal(bed_ask(bed, 0, bed_cancel(8, reply.object_id)).code, WIRE_CODE_OK);
	/* 1,000 + 700 - 300 + 40; two missing. */
	reply = bed_ask(bed, 0, shift(WIRE_SHIFT_CLOSE, 9, 1438));
	assert_int_equal(reply.code, WIRE_CODE_OK);
	assert_true(reply.payout == -2);
	bed_close(bed);
}

TEST(a_shift_is_closed_when_nothing_of_the_terminal_runs)
{
	struct bed *bed = bed_open(1, 0);
	uint64_t account = bed_account(bed, 0, 0);

	assert_int_equal(bed_ask(bed, 0, shift(WIRE_SHIFT_OPEN, 1, 1000)).code, WIRE_CODE_OK);
	bed_send(bed, 0, bed_deposit(2, account, 5));
	bed_send(bed, 0, shift(WIRE_SHIFT_CLOSE, 3, 1005));
	(void)bed_take_only(bed, 3, WIRE_CODE_BUSY);
	bed_settle(bed, 1);
	(void)bed_take_only(bed, 2, WIRE_CODE_OK);
	assert_true(bed_ask(bed, 0, shift(WIRE_SHIFT_CLOSE, 3, 1005)).payout == 0);
	bed_close(bed);
}

BED_MAIN()
