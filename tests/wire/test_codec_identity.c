/* SPDX-License-Identifier: Apache-2.0 */
/* What a request is taken for: its body hash, its right, whether it mutates. */
#include "tests/test.h"

#include "tests/wire/requests.h"
#include "wire/ids.h"

TEST(body_hash_leaves_out_flags_and_id_only)
{
	uint8_t message[LIMIT_MESSAGE_SIZE_MAX], changed[LIMIT_MESSAGE_SIZE_MAX];
	size_t size = message_valid(WIRE_DEPOSIT, message);
	struct wire_request first, second;

	assert_int_equal(wire_request_decode(message, size, &first), WIRE_CODE_OK);
	memcpy(changed, message, size);
	changed[5] = MESSAGE_FLAG_RETRANSMISSION;
	changed[8] ^= 0x40;
	assert_int_equal(wire_request_decode(changed, size, &second), WIRE_CODE_OK);
	assert_memory_equal(first.body_hash, second.body_hash, 16);
	/* Every byte of the known fields: account, amount, deadline, currency. */
	for (size_t at = 16; at < 16 + 26; at++) {
		memcpy(changed, message, size);
		changed[at] ^= 0x04;
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
		{ "PLACE_BET", RIGHT_BET, 1 },
		{ "BET_STATUS", RIGHT_BET, 0 },
		{ "CANCEL_BET", RIGHT_BET, 1 },
		{ "BALANCE", RIGHT_BALANCE, 0 },
		{ "DEPOSIT", RIGHT_DEPOSIT, 1 },
		{ "MARKET_QUERY", RIGHT_MARKET, 0 },
	};

	for (size_t i = 0; i < SLUICE_ARRAY_COUNT(rows); i++) {
		assert_string_equal(wire_template_name(templates[i]), rows[i].name);
		assert_case_equal(i, wire_template_right(templates[i]), rows[i].right);
		assert_case_equal(i, wire_template_mutates(templates[i]), rows[i].mutates);
	}
	assert_null(wire_template_name(0));
	assert_null(wire_template_name(0x8010));
	assert_int_equal(wire_template_right(0x0012 | 0x8000), 0);
	assert_int_equal(wire_template_mutates(0xffff), 0);
}

TEST_MAIN()
