/* SPDX-License-Identifier: Apache-2.0 */
/* Answers: sizes, round trips, and what the terminal refuses. */
#include "tests/test.h"

#include <errno.h>

#include "wire/codec.h"

static const struct {
	uint16_t template_id;
	uint16_t size; /* without rows */
} templates[] = {
	{ WIRE_HELLO, 80 },
	{ WIRE_HEARTBEAT, 48 },
	{ WIRE_KEY_UPDATE, 64 },
	{ WIRE_GOODBYE, 48 },
	{ WIRE_PLACE_BET, 72 },
	{ WIRE_BET_STATUS, 88 },
	{ WIRE_CANCEL_BET, 64 },
	{ WIRE_REDEEM, 72 },
	{ WIRE_REPRINT, 72 },
	{ WIRE_OPEN_ACCOUNT, 72 },
	{ WIRE_BALANCE, 72 },
	{ WIRE_DEPOSIT, 64 },
	{ WIRE_WITHDRAW, 72 },
	{ WIRE_TRANSFER, 72 },
	{ WIRE_STATEMENT, 64 },
	{ WIRE_TX_STATUS, 80 },
	{ WIRE_REVERSE, 72 },
	{ WIRE_FENCE, 72 },
	{ WIRE_PLAY_SET, 72 },
	{ WIRE_EVENT_QUERY, 64 },
	{ WIRE_MARKET_QUERY, 64 },
	{ WIRE_SPRINKLE_CREATE, 72 },
	{ WIRE_CLAIM, 72 },
	{ WIRE_SPRINKLE_STATUS, 88 },
	{ WIRE_ROUND_DEBIT, 72 },
	{ WIRE_ROUND_CREDIT, 72 },
	{ WIRE_ROUND_ROLLBACK, 72 },
	{ WIRE_ROUND_CLOSE, 72 },
	{ WIRE_SHIFT_OPEN, 72 },
	{ WIRE_SHIFT_CLOSE, 72 },
	{ 0x003f, 48 },
	{ 0x7fff, 48 },
};

/* The rows of a random answer. */
static void rows_random(uint64_t *random, struct wire_reply *reply)
{
	switch (reply->template_id) {
	case WIRE_STATEMENT:
		reply->statement.next_lsn = test_random(random);
		reply->statement.currency = 410;
		reply->statement.row_count =
		    (uint8_t)(test_random(random) % (LIMIT_STATEMENT_ROWS + 1));
		for (unsigned i = 0; i < reply->statement.row_count; i++)
			reply->statement.rows[i].request_id = le64_make(test_random(random));
		break;
	case WIRE_EVENT_QUERY:
		reply->events.up_to_version = test_random(random);
		reply->events.more = test_random(random) & 1;
		reply->events.row_count =
		    (uint8_t)(test_random(random) % (LIMIT_EVENTS_PER_ANSWER + 1));
		for (unsigned i = 0; i < reply->events.row_count; i++)
			reply->events.rows[i].version = le64_make(test_random(random));
		break;
	case WIRE_BALANCE:
		reply->balance_row.staked_today = (int64_t)test_random(random);
		reply->balance_row.currency = 978;
		break;
	case WIRE_MARKET_QUERY:
		reply->markets.up_to_version = test_random(random);
		reply->markets.more = test_random(random) & 1;
		reply->markets.row_count = (uint8_t)(test_random(random) % 9);
		for (unsigned i = 0; i < reply->markets.row_count; i++)
			reply->markets.rows[i].odds[3] = le32_make((uint32_t)test_random(random));
		break;
	default:
		break;
	}
}

static void reply_random(uint64_t *random, uint16_t template_id, struct wire_reply *reply)
{
	memset(reply, 0, sizeof(*reply));
	reply->request_id = test_random(random);
	reply->lsn = test_random(random);
	reply->switch_time_ns = test_random(random);
	reply->object_id = test_random(random);
	reply->template_id = template_id;
	reply->code = (uint16_t)test_random(random);
	reply->detail = (uint16_t)test_random(random);
	reply->shard = (uint8_t)test_random(random);
	reply->flags = MESSAGE_FLAG_ANSWER_REPLAYED;
	reply->score = (uint8_t)test_random(random);
	reply->balance = (int64_t)test_random(random);
	reply->payout = (int64_t)test_random(random);
	rows_random(random, reply);
	switch (template_id) {
	case WIRE_HELLO:
		reply->hello.next_id = test_random(random);
		reply->hello.terminal_id = test_random(random);
		reply->hello.heartbeat_ms = (uint32_t)test_random(random);
		break;
	case WIRE_BET_STATUS:
		reply->bet_status.account_id = test_random(random);
		reply->bet_status.placed_at_ns = test_random(random);
		reply->bet_status.stake = (int64_t)test_random(random);
		reply->bet_status.currency = 410;
		reply->bet_status.state = BET_CANCELLED;
		reply->bet_status.leg_count = 3;
		reply->bet_status.reprints = (uint8_t)test_random(random);
		break;
	case WIRE_PLACE_BET:
		memset(reply->ticket, (int)(test_random(random) & 0xff), sizeof(reply->ticket));
		break;
	case WIRE_KEY_UPDATE:
		reply->key_update.boot_id = test_random(random);
		reply->key_update.epoch = (uint16_t)test_random(random);
		break;
	case WIRE_TX_STATUS:
		reply->tx_status.time_ns = test_random(random);
		reply->tx_status.target_code = (uint16_t)test_random(random);
		reply->tx_status.target_template = WIRE_TRANSFER;
		reply->tx_status.target_shard = (uint8_t)test_random(random);
		break;
	case WIRE_SPRINKLE_STATUS:
		reply->sprinkle.total = (int64_t)test_random(random);
		reply->sprinkle.remaining = (int64_t)test_random(random);
		reply->sprinkle.ends_ns = test_random(random);
		reply->sprinkle.shares = (uint32_t)test_random(random);
		reply->sprinkle.claimed = (uint32_t)test_random(random);
		reply->sprinkle.currency = 410;
		reply->sprinkle.state = 2;
		break;
	default:
		break;
	}
}

TEST(sizes_are_those_of_the_specification)
{
	struct wire_reply reply;

	memset(&reply, 0, sizeof(reply));
	for (size_t i = 0; i < SLUICE_ARRAY_COUNT(templates); i++) {
		reply.template_id = templates[i].template_id;
		assert_case_equal(i, wire_reply_size(&reply), templates[i].size);
	}
	reply.template_id = WIRE_MARKET_QUERY;
	reply.markets.row_count = 8;
	assert_int_equal(wire_reply_size(&reply), 64 + 8 * 64);
	reply.template_id = WIRE_EVENT_QUERY;
	reply.events.row_count = 16;
	assert_int_equal(wire_reply_size(&reply), 64 + 16 * 32);
	reply.template_id = WIRE_STATEMENT;
	reply.statement.row_count = 14;
	assert_int_equal(wire_reply_size(&reply), 64 + 14 * 72);
	assert_int_equal(wire_reply_size(&reply), WIRE_REPLY_SIZE_MAX);
}

TEST(encode_then_decode_gives_the_same_answer)
{
	uint64_t random = test_seed();
	uint8_t first[WIRE_REPLY_SIZE_MAX], second[WIRE_REPLY_SIZE_MAX];

	for (int i = 0; i < 20000; i++) {
		uint16_t template_id = templates[i % SLUICE_ARRAY_COUNT(templates)].template_id;
		struct wire_reply in, out;
		size_t size;

		reply_random(&random, template_id, &in);
		size = wire_reply_encode(&in, first);
		assert_int_equal(size, wire_reply_size(&in));
		memset(&out, 0xcc, sizeof(out));
		assert_case_equal(i, wire_reply_decode(first, size, &out), 0);
		assert_true(out.request_id == in.request_id && out.lsn == in.lsn);
		assert_int_equal(out.template_id, in.template_id);
		assert_int_equal(out.code, in.code);
		assert_int_equal(out.flags, MESSAGE_FLAG_ANSWER_REPLAYED);
		assert_int_equal(wire_reply_encode(&out, second), size);
		assert_memory_equal(first, second, size);
	}
}

/* Fields where wire/README.md 7 puts them, for one answer written by hand. */
TEST(place_bet_answer_byte_by_byte)
{
	static const uint8_t want[72] = { 56, 0, 0x10, 0x80, 1, 0, 72, 0, /* header */
		9, 0, 0, 0, 0, 0, 0, 0, 0x04, 0x50, 7, 0, 3, 0, 0, 0, /* id; code, detail, shard */
		0x84, 3, 0, 0, 0, 0, 0, 0, 1, 2, 3, 4, 5, 6, 7, 8,    /* position, time */
		0, 0, 0, 0, 0, 0, 0, 1, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x10, 0x27,
		0, 0, 0, 0, 0, 0, 77, 1, 2, 3, 4, 5, 6, 7 };
	struct wire_reply reply = {
		.request_id = 9,
		.lsn = 900,
		.switch_time_ns = 0x0807060504030201ull,
		.object_id = 1ull << 56,
		.template_id = WIRE_PLACE_BET,
		.code = WIRE_CODE_FUNDS_INSUFFICIENT,
		.detail = 7,
		.shard = 3,
		.score = 77,
		.ticket = { 1, 2, 3, 4, 5, 6, 7 },
		.balance = -1,
		.payout = 10000,
	};
	uint8_t out[72];

	assert_int_equal(wire_reply_encode(&reply, out), 72);
	assert_memory_equal(out, want, 72);
	/* No other answer of this layout has a ticket. */
	reply.template_id = WIRE_REDEEM;
	assert_int_equal(wire_reply_encode(&reply, out), 72);
	assert_true(bytes_all_zero(out + 72 - TICKET_SIZE, TICKET_SIZE));
}

TEST(hello_answer_tells_the_limits)
{
	struct wire_reply reply = { .template_id = WIRE_HELLO };
	struct hello_reply block;
	uint8_t out[80];

	assert_int_equal(wire_reply_encode(&reply, out), 80);
	memcpy(&block, out + 16, sizeof(block));
	assert_int_equal(le32_get(block.in_flight_max), LIMIT_IN_FLIGHT_PER_TERMINAL);
	assert_int_equal(le32_get(block.window), LIMIT_REQUEST_WINDOW);
	assert_int_equal(le32_get(block.datagram_size_max), LIMIT_DATAGRAM_SIZE_MAX);
}

TEST(later_fields_at_block_end_are_skipped)
{
	uint8_t message[WIRE_REPLY_SIZE_MAX + 16], longer[WIRE_REPLY_SIZE_MAX + 16];
	uint64_t random = 3;

	for (size_t i = 0; i < SLUICE_ARRAY_COUNT(templates); i++) {
		struct wire_reply in, out;
		struct message_header header;
		size_t size, block = templates[i].size;

		reply_random(&random, templates[i].template_id, &in);
		size = wire_reply_encode(&in, message);
		memset(longer, 0xee, sizeof(longer));
		memcpy(longer, message, block);
		memcpy(longer + block + 16, message + block, size - block);
		memcpy(&header, longer, sizeof(header));
		header.total_length = le16_make((uint16_t)(size + 16));
		header.block_length = le16_make((uint16_t)(block - 16 + 16));
		memcpy(longer, &header, sizeof(header));
		assert_case_equal(i, wire_reply_decode(longer, size + 16, &out), 0);
		assert_int_equal(wire_reply_encode(&out, longer), size);
		assert_memory_equal(longer, message, size);
	}
}

TEST(malformed_answers_are_refused_and_leave_the_output)
{
	static const struct {
		uint16_t template_id;
		uint8_t offset, value;
	} rows[] = {
		{ WIRE_BALANCE, 3, 0x00 },                          /* not an answer */
		{ WIRE_BALANCE, 4, 0 },                             /* schema version */
		{ WIRE_BALANCE, 4, 2 }, { WIRE_BALANCE, 0, 48 },    /* block too short */
		{ WIRE_BALANCE, 0, 64 },                            /* block past the end */
		{ WIRE_BALANCE, 1, 0xff }, { WIRE_BALANCE, 6, 64 }, /* total is not the size */
		{ WIRE_BALANCE, 6, 80 }, { WIRE_MARKET_QUERY, 16 + 41, 9 }, /* rows out of range */
		{ WIRE_MARKET_QUERY, 16 + 41, 1 }, /* row that is not there */
		{ 0x003f, 0, 24 },                 /* shorter than the answer block */
	};

	for (size_t i = 0; i < SLUICE_ARRAY_COUNT(rows); i++) {
		struct wire_reply in = { .template_id = rows[i].template_id }, out, before;
		uint8_t message[WIRE_REPLY_SIZE_MAX];
		size_t size = wire_reply_encode(&in, message);

		assert_int_equal(wire_reply_decode(message, size, &out), 0);
		memset(&out, 0x77, sizeof(out));
		before = out;
		message[rows[i].offset] = rows[i].value;
		assert_case_equal(i, wire_reply_decode(message, size, &out), -EBADMSG);
		assert_memory_equal(&out, &before, sizeof(out));
	}
}

/* One row more than the reader has room for, with lengths that agree. */
TEST(one_row_too_many_is_refused)
{
	static const struct {
		uint16_t template_id, row_size, most, count_at;
	} cases[] = {
		{ WIRE_MARKET_QUERY, 64, LIMIT_MARKETS_PER_ANSWER, 16 + 41 },
		{ WIRE_EVENT_QUERY, 32, LIMIT_EVENTS_PER_ANSWER, 16 + 41 },
		{ WIRE_STATEMENT, 72, LIMIT_STATEMENT_ROWS, 16 + 42 },
	};

	for (size_t i = 0; i < SLUICE_ARRAY_COUNT(cases); i++) {
		struct wire_reply in = { .template_id = cases[i].template_id }, out;
		uint8_t message[LIMIT_PAYLOAD_SIZE_MAX] = { 0 };
		struct message_header header;

		assert_int_equal(wire_reply_encode(&in, message), 64);
		memcpy(&header, message, sizeof(header));
		for (unsigned rows = cases[i].most; rows <= cases[i].most + 1u; rows++) {
			size_t size = 64 + (size_t)cases[i].row_size * rows;

			header.total_length = le16_make((uint16_t)size);
			memcpy(message, &header, sizeof(header));
			message[cases[i].count_at] = (uint8_t)rows;
			assert_case_equal(i, wire_reply_decode(message, size, &out),
			    rows == cases[i].most ? 0 : -EBADMSG);
		}
	}
}

TEST(every_short_size_is_refused)
{
	struct wire_reply reply = { .template_id = WIRE_BET_STATUS }, out;
	uint8_t message[88];

	assert_int_equal(wire_reply_encode(&reply, message), 88);
	for (size_t size = 0; size < 88; size++) {
		uint8_t *exact = malloc(size + 1);

		assert_non_null(exact);
		memcpy(exact, message, size);
		assert_case_equal(size, wire_reply_decode(exact, size, &out), -EBADMSG);
		if (size >= 8) {
			exact[6] = (uint8_t)size;
			assert_case_equal(size, wire_reply_decode(exact, size, &out), -EBADMSG);
		}
		free(exact);
	}
}

TEST_MAIN()
