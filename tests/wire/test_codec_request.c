/* SPDX-License-Identifier: Apache-2.0 */
/* Requests: every check of every template by tables, and round trips. */
#include "tests/test.h"

#include <errno.h>

#include "tests/wire/requests.h"

TEST(sizes_are_those_of_the_specification)
{
	static const size_t sizes[] = { 32, 48, 16, 16, 72, 24, 40, 40, 40, 40, 24, 64, 64, 72, 40,
		24, 40, 32, 96, 32, 32, 64, 48, 24, 88, 88, 88, 88, 40, 40 };
	uint8_t message[LIMIT_MESSAGE_SIZE_MAX];

	assert_int_equal(SLUICE_ARRAY_COUNT(sizes), SLUICE_ARRAY_COUNT(templates));
	for (size_t i = 0; i < SLUICE_ARRAY_COUNT(templates); i++) {
		assert_case_equal(i, message_valid(templates[i], message), sizes[i]);
		assert_case_equal(i, decode_code(message, sizes[i]), WIRE_CODE_OK);
	}
}

TEST(lengths_of_every_template)
{
	uint8_t message[LIMIT_MESSAGE_SIZE_MAX + 8];

	for (size_t i = 0; i < SLUICE_ARRAY_COUNT(templates); i++) {
		size_t size, block, legs = templates[i] == WIRE_PLACE_BET ? 16 : 0;

		memset(message, 0, sizeof(message));
		size = message_valid(templates[i], message);
		block = size - 16 - legs;
		if (block != 0) {
			/* Short: block and total agree, but the block is not the whole template. */
			lengths_set(message, size - 8, block - 8);
			assert_case_equal(i, decode_code(message, size - 8), WIRE_CODE_BAD_LENGTH);
			/* Header alone. */
			lengths_set(message, 16, 0);
			assert_case_equal(i, decode_code(message, 16), WIRE_CODE_BAD_LENGTH);
		}
		/* Eight bytes behind the message that belong to nothing. */
		lengths_set(message, size + 8, block);
		assert_case_equal(i, decode_code(message, size + 8), WIRE_CODE_BAD_LENGTH);
		/* Total length field and size differ. */
		lengths_set(message, size + 8, block);
		assert_case_equal(i, decode_code(message, size), WIRE_CODE_BAD_LENGTH);
		/* Block longer than the message. */
		lengths_set(message, size, size);
		assert_case_equal(i, decode_code(message, size), WIRE_CODE_BAD_LENGTH);
		lengths_set(message, size, 0xffff);
		assert_case_equal(i, decode_code(message, size), WIRE_CODE_BAD_LENGTH);
		lengths_set(message, size, block);
		assert_case_equal(i, decode_code(message, size), WIRE_CODE_OK);
	}
}

TEST(later_fields_at_block_end_are_skipped)
{
	uint8_t message[LIMIT_MESSAGE_SIZE_MAX], longer[LIMIT_MESSAGE_SIZE_MAX];

	for (size_t i = 0; i < SLUICE_ARRAY_COUNT(templates); i++) {
		size_t legs = templates[i] == WIRE_PLACE_BET ? 16 : 0;
		size_t size = message_valid(templates[i], message);
		struct wire_request plain, appended;

		memset(longer, 0xee, sizeof(longer));
		memcpy(longer, message, size - legs);
		memcpy(longer + size - legs + 24, message + size - legs, legs);
		lengths_set(longer, size + 24, size - 16 - legs + 24);
		assert_int_equal(wire_request_decode(message, size, &plain), WIRE_CODE_OK);
		assert_case_equal(
		    i, wire_request_decode(longer, size + 24, &appended), WIRE_CODE_OK);
		assert_int_equal(plain.template_id, appended.template_id);
		if (templates[i] == WIRE_PLACE_BET)
			assert_memory_equal(&plain.place_bet.legs[0], &appended.place_bet.legs[0],
			    sizeof(struct wire_leg));
		/* Two bodies that differ only in unknown fields are two requests. */
		assert_true(plain.body_hash[0] != appended.body_hash[0] ||
		            plain.body_hash[1] != appended.body_hash[1]);
	}
}

TEST(longest_message_and_beyond)
{
	static uint8_t message[LIMIT_MESSAGE_SIZE_MAX + 64];
	size_t size = message_valid(WIRE_BALANCE, message);

	assert_int_equal(size, 24);
	lengths_set(message, LIMIT_MESSAGE_SIZE_MAX, LIMIT_MESSAGE_SIZE_MAX - 16);
	assert_int_equal(decode_code(message, LIMIT_MESSAGE_SIZE_MAX), WIRE_CODE_OK);
	lengths_set(message, LIMIT_MESSAGE_SIZE_MAX + 8, LIMIT_MESSAGE_SIZE_MAX - 8);
	assert_int_equal(decode_code(message, LIMIT_MESSAGE_SIZE_MAX + 8), WIRE_CODE_BAD_LENGTH);
	assert_int_equal(decode_code(message, 15), WIRE_CODE_BAD_LENGTH);
	assert_int_equal(decode_code(message, 0), WIRE_CODE_BAD_LENGTH);
}

TEST(leg_counts_must_match_the_length)
{
	static uint8_t message[LIMIT_MESSAGE_SIZE_MAX];

	/* With the length that fits the count: 1..10 good, 0 and 11.. out of range. */
	for (unsigned count = 0; count <= 69; count++) {
		size_t size = 56 + 16 * (size_t)count;

		memset(message, 0, sizeof(message));
		message_valid(WIRE_PLACE_BET, message);
		message[16 + 27] = (uint8_t)count;
		lengths_set(message, size, 40);
		if (size > LIMIT_MESSAGE_SIZE_MAX)
			break;
		assert_case_equal(count, decode_code(message, size),
		    count >= 1 && count <= 10 ? WIRE_CODE_OK : WIRE_CODE_BAD_FIELD);
		message[16 + 27] = (uint8_t)(count + 1);
		assert_case_equal(count, decode_code(message, size), WIRE_CODE_BAD_LENGTH);
	}
}

TEST(each_reserved_byte)
{
	static const struct {
		uint16_t template_id;
		uint16_t first, last; /* message offsets */
	} rows[] = {
		{ WIRE_HEARTBEAT, 16 + 28, 16 + 31 },
		{ WIRE_PLACE_BET, 16 + 28, 16 + 31 },
		{ WIRE_PLACE_BET, 16 + 36, 16 + 39 },
		{ WIRE_PLACE_BET, 56 + 10, 56 + 11 },
		{ WIRE_CANCEL_BET, 16 + 18, 16 + 23 },
		{ WIRE_DEPOSIT, 16 + 26, 16 + 31 },
		{ WIRE_WITHDRAW, 16 + 26, 16 + 31 },
		{ WIRE_TRANSFER, 16 + 34, 16 + 39 },
		{ WIRE_OPEN_ACCOUNT, 16 + 20, 16 + 23 },
		{ WIRE_REDEEM, 16 + 23, 16 + 23 },
		{ WIRE_REPRINT, 16 + 18, 16 + 23 },
		{ WIRE_STATEMENT, 16 + 17, 16 + 23 },
		{ WIRE_REVERSE, 16 + 18, 16 + 23 },
		{ WIRE_SPRINKLE_CREATE, 16 + 43, 16 + 47 },
		{ WIRE_SHIFT_OPEN, 16 + 22, 16 + 23 },
		{ WIRE_SHIFT_CLOSE, 16 + 22, 16 + 23 },
	};
	uint8_t message[LIMIT_MESSAGE_SIZE_MAX];

	for (size_t i = 0; i < SLUICE_ARRAY_COUNT(rows); i++) {
		size_t size = message_valid(rows[i].template_id, message);

		for (size_t at = rows[i].first; at <= rows[i].last; at++) {
			message[at] = 0x80;
			assert_case_equal(
			    i, decode_code(message, size), WIRE_CODE_RESERVED_NOT_ZERO);
			message[at] = 0;
		}
		assert_case_equal(i, decode_code(message, size), WIRE_CODE_OK);
	}
}

TEST(reserved_bytes_of_the_last_leg)
{
	struct wire_request request;
	uint8_t message[LIMIT_MESSAGE_SIZE_MAX];
	uint64_t random = 5;
	int size;

	request_random(&random, WIRE_PLACE_BET, &request);
	request.place_bet.leg_count = 10;
	size = wire_request_encode(&request, message, sizeof(message));
	assert_int_equal(size, 216);
	message[216 - 6] = 1;
	assert_int_equal(decode_code(message, 216), WIRE_CODE_RESERVED_NOT_ZERO);
}

/* Faults are added from the last check to the first: each earlier one hides the later. */
TEST(order_of_checks)
{
	uint8_t message[LIMIT_MESSAGE_SIZE_MAX];
	size_t size = message_valid(WIRE_HEARTBEAT, message);

	memset(message + 8, 0, 8);
	assert_int_equal(decode_code(message, size), WIRE_CODE_BAD_REQUEST_ID);
	message[5] = MESSAGE_FLAG_LINKED;
	assert_int_equal(decode_code(message, size), WIRE_CODE_LINK_INVALID);
	message[5] |= 0x40;
	assert_int_equal(decode_code(message, size), WIRE_CODE_RESERVED_NOT_ZERO);
	message[16 + 27] = 101;
	assert_int_equal(decode_code(message, size), WIRE_CODE_BAD_FIELD);
	message[16 + 28] = 1;
	assert_int_equal(decode_code(message, size), WIRE_CODE_RESERVED_NOT_ZERO);
	message[0] = 24;
	assert_int_equal(decode_code(message, size), WIRE_CODE_BAD_LENGTH);
	message[4] = 2;
	assert_int_equal(decode_code(message, size), WIRE_CODE_BAD_SCHEMA_VERSION);
	message[2] = 0x3e;
	assert_int_equal(decode_code(message, size), WIRE_CODE_UNKNOWN_TEMPLATE);
}

TEST(refused_message_still_tells_whom_to_answer)
{
	struct wire_request request;
	uint8_t message[LIMIT_MESSAGE_SIZE_MAX];
	size_t size = message_valid(WIRE_BALANCE, message);
	uint16_t unknown = 0x7777;

	memcpy(message + 2, &unknown, 2);
	message[5] = MESSAGE_FLAG_NO_REPLY;
	message[8] = 0x21;
	memset(message + 9, 0, 7);
	assert_int_equal(wire_request_decode(message, size, &request), WIRE_CODE_UNKNOWN_TEMPLATE);
	assert_int_equal(request.request_id, 0x21);
	assert_int_equal(request.template_id, 0x7777);
	assert_int_equal(request.flags, MESSAGE_FLAG_NO_REPLY);
}

TEST(encode_then_decode_gives_the_same_request)
{
	uint64_t random = test_seed();
	uint8_t message[LIMIT_MESSAGE_SIZE_MAX], again[LIMIT_MESSAGE_SIZE_MAX];

	for (int i = 0; i < 20000; i++) {
		uint16_t template_id = templates[i % SLUICE_ARRAY_COUNT(templates)];
		struct wire_request in, out;
		int size;

		request_random(&random, template_id, &in);
		size = wire_request_encode(&in, message, sizeof(message));
		assert_true(size > 0);
		assert_int_equal(wire_request_encode(&in, message, (size_t)size - 1), -ENOSPC);
		assert_case_equal(
		    i, wire_request_decode(message, (size_t)size, &out), WIRE_CODE_OK);
		assert_true(out.request_id == in.request_id);
		assert_int_equal(out.flags, in.flags);
		/* Encoding again compares every field without padding in the way. */
		assert_int_equal(wire_request_encode(&out, again, sizeof(again)), size);
		assert_memory_equal(message, again, (size_t)size);
	}
}

TEST(encoder_refuses_what_it_cannot_lay_out)
{
	struct wire_request request = { .template_id = 0x3f };
	uint8_t message[LIMIT_MESSAGE_SIZE_MAX];

	assert_int_equal(wire_request_encode(&request, message, sizeof(message)), -EINVAL);
	request.template_id = WIRE_PLACE_BET;
	assert_int_equal(wire_request_encode(&request, message, sizeof(message)), -EINVAL);
	request.place_bet.leg_count = 11;
	assert_int_equal(wire_request_encode(&request, message, sizeof(message)), -EINVAL);
	request.place_bet.leg_count = 10;
	assert_int_equal(wire_request_encode(&request, message, sizeof(message)), 216);
}

TEST(random_bytes_are_refused_or_decoded_but_never_read_past)
{
	uint64_t random = test_seed();
	struct wire_request request;

	for (int i = 0; i < 50000; i++) {
		size_t size = test_random(&random) % 28 * 8;
		uint8_t *message = malloc(size + 1); /* exact: a sanitizer sees a byte too far */

		assert_non_null(message);
		random_bytes(&random, message, size);
		if (size >= 16) {
			message[2] = (uint8_t)
			    templates[test_random(&random) % SLUICE_ARRAY_COUNT(templates)];
			message[3] = 0;
			message[4] = 1;
			lengths_set(message, size, test_random(&random) % 2 ? size - 16 : 40);
		}
		if (wire_request_decode(message, size, &request) == WIRE_CODE_OK)
			assert_true(request.request_id != 0);
		free(message);
	}
}

TEST_MAIN()
