/* SPDX-License-Identifier: Apache-2.0 */
/* What a request is taken for: its body hash, its right, whether it mutates. */
#include "tests/test.h"

#include "tests/wire/requests.h"
#include "wire/ids.h"

TEST(body_hash_leaves_out_flags_and_id_only)
{
	uint8_t message[LIMIT_MESSAGE_SIZE_MAX], changed[LIMIT_MESSAGE_SIZE_MAX];
	size_t size = message_valid(WIRE_DEPOSIT, message);
	const struct le16 currency = le16_make(410); /* one whose changed bytes are one, too */
	struct wire_request first, second;

	memcpy(message + 16 + 24, &currency, sizeof(currency));
	assert_int_equal(wire_request_decode(message, size, &first), WIRE_CODE_OK);
	memcpy(changed, message, size);
	changed[5] = MESSAGE_FLAG_RETRANSMISSION;
	changed[8] ^= 0x40;
	assert_int_equal(wire_request_decode(changed, size, &second), WIRE_CODE_OK);
	assert_memory_equal(first.body_hash, second.body_hash, 16);
	/* Every byte of the known fields: account, amount, deadline, currency. */
	for (size_t at = 16; at < 16 + 26; at++) {
		memcpy(changed, message, size);
		changed[at] ^= 0x01;
		assert_int_equal(wire_request_decode(changed, size, &second), WIRE_CODE_OK);
		assert_memory_not_equal(first.body_hash, second.body_hash, 16);
	}
}

/* The definition of wire/README.md 8. */
TEST(body_hash_is_the_documented_one)
{
	uint8_t message[LIMIT_MESSAGE_SIZE_MAX];
	size_t size = message_valid(WIRE_PLACE_BET, message);
	struct wire_request request;
	XXH128_hash_t want;

	assert_int_equal(size, 72);
	want = XXH3_128bits_withSeed(message + 16, 56, 0x00010010);
	assert_int_equal(wire_request_decode(message, size, &request), WIRE_CODE_OK);
	assert_true(request.body_hash[0] == want.low64 && request.body_hash[1] == want.high64);
}

/* The worked example of wire/README.md 12. Journals hold such hashes: they must never change. */
TEST(worked_example_decodes_and_keeps_its_hash)
{
	static const uint8_t message[72] = { 0x28, 0x00, 0x10, 0x00, 0x01, 0x00, 0x48, 0x00, 0x09,
		0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x2a, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00,
		0x00, 0x88, 0x13, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x65, 0xf7, 0x53, 0xfe,
		0x9c, 0x97, 0x17, 0x9a, 0x01, 0x01, 0x01, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00,
		0x00, 0x00, 0x00, 0x00, 0x00, 0xe9, 0x03, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00,
		0x00, 0x00, 0x00, 0x66, 0x08, 0x00, 0x00 };
	struct wire_request request;

	assert_int_equal(wire_request_decode(message, sizeof(message), &request), WIRE_CODE_OK);
	assert_int_equal(request.request_id, 9);
	assert_int_equal(request.place_bet.account_id, 42);
	assert_int_equal(request.place_bet.stake, 5000);
	assert_int_equal(request.place_bet.deadline_ns, 1700000000500000000ull);
	assert_int_equal(request.place_bet.currency, 410);
	assert_int_equal(request.place_bet.odds_policy, ODDS_SAME_OR_BETTER);
	assert_int_equal(request.place_bet.legs[0].market_id, 1001);
	assert_int_equal(request.place_bet.legs[0].odds, 2150);
	assert_true(request.body_hash[0] == 0xd3afd10136094794ull);
	assert_true(request.body_hash[1] == 0x798733e52ede79f1ull);
}

TEST(bodies_of_two_templates_never_share_a_hash)
{
	uint8_t message[LIMIT_MESSAGE_SIZE_MAX];
	size_t size = message_valid(WIRE_BALANCE, message);
	struct wire_request balance, status;

	assert_int_equal(wire_request_decode(message, size, &balance), WIRE_CODE_OK);
	message[2] = WIRE_BET_STATUS; /* the same block of one id */
	assert_int_equal(wire_request_decode(message, size, &status), WIRE_CODE_OK);
	assert_memory_not_equal(balance.body_hash, status.body_hash, 16);
}

TEST(catalogue_rights_and_mutation)
{
	static const struct {
		const char *name;
		uint32_t right;
		int mutates;
	} rows[] = {
		{ "HELLO", 0, 0 },
		{ "HEARTBEAT", 0, 0 },
		{ "KEY_UPDATE", 0, 0 },
		{ "GOODBYE", 0, 0 },
		{ "PLACE_BET", RIGHT_BET, 1 },
		{ "BET_STATUS", RIGHT_BET, 0 },
		{ "CANCEL_BET", RIGHT_BET, 1 },
		{ "REDEEM", RIGHT_CASH, 1 },
		{ "REPRINT", RIGHT_BET, 1 },
		{ "OPEN_ACCOUNT", RIGHT_ACCOUNT, 1 },
		{ "BALANCE", RIGHT_BALANCE, 0 },
		{ "DEPOSIT", RIGHT_DEPOSIT, 1 },
		{ "WITHDRAW", RIGHT_WITHDRAW, 1 },
		{ "TRANSFER", RIGHT_TRANSFER, 1 },
		{ "STATEMENT", RIGHT_BALANCE, 0 },
		{ "TX_STATUS", 0, 0 },
		{ "REVERSE", 0, 1 },
		{ "FENCE", 0, 1 },
		{ "PLAY_SET", RIGHT_ACCOUNT, 1 },
		{ "EVENT_QUERY", RIGHT_MARKET, 0 },
		{ "MARKET_QUERY", RIGHT_MARKET, 0 },
		{ "SPRINKLE_CREATE", RIGHT_SPRINKLE, 1 },
		{ "CLAIM", RIGHT_SPRINKLE, 1 },
		{ "SPRINKLE_STATUS", RIGHT_SPRINKLE, 0 },
		{ "ROUND_DEBIT", RIGHT_ROUND, 1 },
		{ "ROUND_CREDIT", RIGHT_ROUND, 1 },
		{ "ROUND_ROLLBACK", RIGHT_ROUND, 1 },
		{ "ROUND_CLOSE", RIGHT_ROUND, 1 },
		{ "SHIFT_OPEN", RIGHT_CASH, 1 },
		{ "SHIFT_CLOSE", RIGHT_CASH, 1 },
	};

	for (size_t i = 0; i < SLUICE_ARRAY_COUNT(rows); i++) {
		assert_string_equal(wire_template_name(templates[i]), rows[i].name);
		assert_case_equal(i, wire_template_right(templates[i]), rows[i].right);
		assert_case_equal(i, wire_template_mutates(templates[i]), rows[i].mutates);
	}
	assert_int_equal(SLUICE_ARRAY_COUNT(rows), SLUICE_ARRAY_COUNT(templates));
	assert_null(wire_template_name(0));
	for (unsigned id = 0, known = 0; id <= 0xffff; id++) {
		known += wire_template_name((uint16_t)id) != NULL;
		if (id == 0xffff)
			assert_int_equal(known, SLUICE_ARRAY_COUNT(templates));
	}
	assert_null(wire_template_name(0x8010));
	assert_int_equal(wire_template_right(0x0012 | 0x8000), 0);
	assert_int_equal(wire_template_mutates(0xffff), 0);
}

TEST(a_cash_ticket_needs_another_right)
{
	struct wire_request request = { .template_id = WIRE_PLACE_BET };

	assert_int_equal(wire_request_right(&request), RIGHT_CASH);
	request.place_bet.account_id = 42;
	assert_int_equal(wire_request_right(&request), RIGHT_BET);
	request.template_id = WIRE_ROUND_CLOSE;
	assert_int_equal(wire_request_right(&request), RIGHT_ROUND);
}

TEST(every_mutating_message_has_its_deadline)
{
	for (size_t i = 0; i < SLUICE_ARRAY_COUNT(templates); i++) {
		uint8_t message[LIMIT_MESSAGE_SIZE_MAX];
		size_t size = message_valid(templates[i], message);
		struct le64 mark = le64_make(0x0123456789abcdefull);
		struct wire_request request;
		unsigned found = 0;

		assert_int_equal(wire_request_decode(message, size, &request), WIRE_CODE_OK);
		if (!wire_template_mutates(templates[i])) {
			assert_true(wire_request_deadline(&request) == UINT64_MAX);
			continue;
		}
		/* It is one of the 64-bit fields: the one that a mark at its place comes out of. */
		for (size_t at = 16; at + 8 <= size; at += 8) {
			uint8_t changed[LIMIT_MESSAGE_SIZE_MAX];

			memcpy(changed, message, size);
			memcpy(changed + at, &mark, sizeof(mark));
			if (wire_request_decode(changed, size, &request) == WIRE_CODE_OK)
				found += wire_request_deadline(&request) == le64_get(mark);
		}
		assert_case_equal(i, found, 1);
	}
}

TEST_MAIN()
