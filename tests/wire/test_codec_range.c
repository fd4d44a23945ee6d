/* SPDX-License-Identifier: Apache-2.0 */
/* Requests: the edges of every range, header and fields. */
#include "tests/test.h"

#include "tests/wire/requests.h"

static const struct {
	uint16_t template_id, code;
	uint8_t offset, size;
	uint64_t value;
} range_rows[] = {
	{ WIRE_HEARTBEAT, WIRE_CODE_OK, 16 + 26, 1, 0x0f },
	{ WIRE_HEARTBEAT, WIRE_CODE_BAD_FIELD, 16 + 26, 1, 0x10 },
	{ WIRE_HEARTBEAT, WIRE_CODE_BAD_FIELD, 16 + 26, 1, 0x80 },
	{ WIRE_HEARTBEAT, WIRE_CODE_OK, 16 + 27, 1, 0 },
	{ WIRE_HEARTBEAT, WIRE_CODE_OK, 16 + 27, 1, 100 },
	{ WIRE_HEARTBEAT, WIRE_CODE_BAD_FIELD, 16 + 27, 1, 101 },
	{ WIRE_HEARTBEAT, WIRE_CODE_BAD_FIELD, 16 + 27, 1, 254 },
	{ WIRE_HEARTBEAT, WIRE_CODE_OK, 16 + 27, 1, 255 },
	{ WIRE_PLACE_BET, WIRE_CODE_OK, 16, 8, 0 }, /* cash */
	{ WIRE_PLACE_BET, WIRE_CODE_OK, 16, 8, 1 },
	{ WIRE_PLACE_BET, WIRE_CODE_OK, 16, 8, LIMIT_ACCOUNT_ID_MAX },
	{ WIRE_PLACE_BET, WIRE_CODE_BAD_FIELD, 16, 8, LIMIT_ACCOUNT_ID_MAX + 1 },
	{ WIRE_PLACE_BET, WIRE_CODE_BAD_FIELD, 16, 8, UINT64_MAX },
	{ WIRE_PLACE_BET, WIRE_CODE_OK, 16 + 26, 1, ODDS_EXACT },
	{ WIRE_PLACE_BET, WIRE_CODE_OK, 16 + 26, 1, ODDS_SAME_OR_BETTER },
	{ WIRE_PLACE_BET, WIRE_CODE_BAD_FIELD, 16 + 26, 1, 2 },
	/* Money and odds are the ledger's to judge. */
	{ WIRE_PLACE_BET, WIRE_CODE_OK, 16 + 8, 8, 0 },
	{ WIRE_PLACE_BET, WIRE_CODE_OK, 16 + 8, 8, 1ull << 63 },
	{ WIRE_PLACE_BET, WIRE_CODE_OK, 56 + 12, 4, 0 },
	{ WIRE_BALANCE, WIRE_CODE_BAD_FIELD, 16, 8, 0 },
	{ WIRE_BALANCE, WIRE_CODE_OK, 16, 8, LIMIT_ACCOUNT_ID_MAX },
	{ WIRE_BALANCE, WIRE_CODE_BAD_FIELD, 16, 8, LIMIT_ACCOUNT_ID_MAX + 1 },
	{ WIRE_DEPOSIT, WIRE_CODE_BAD_FIELD, 16, 8, 0 },
	{ WIRE_DEPOSIT, WIRE_CODE_OK, 16, 8, LIMIT_ACCOUNT_ID_MAX },
	{ WIRE_DEPOSIT, WIRE_CODE_BAD_FIELD, 16, 8, LIMIT_ACCOUNT_ID_MAX + 1 },
	{ WIRE_DEPOSIT, WIRE_CODE_OK, 16 + 8, 8, UINT64_MAX },
	{ WIRE_BET_STATUS, WIRE_CODE_OK, 16, 8, 0 },
	{ WIRE_CANCEL_BET, WIRE_CODE_OK, 16, 8, 0 },
	{ WIRE_WITHDRAW, WIRE_CODE_BAD_FIELD, 16, 8, 0 },
	{ WIRE_WITHDRAW, WIRE_CODE_OK, 16 + 8, 8, 0 },
	{ WIRE_TRANSFER, WIRE_CODE_BAD_FIELD, 16, 8, 0 },
	{ WIRE_TRANSFER, WIRE_CODE_BAD_FIELD, 16, 8, LIMIT_ACCOUNT_ID_MAX + 1 },
	{ WIRE_TRANSFER, WIRE_CODE_BAD_FIELD, 16 + 8, 8, 0 },
	{ WIRE_TRANSFER, WIRE_CODE_BAD_FIELD, 16 + 8, 8, UINT64_MAX },
	{ WIRE_OPEN_ACCOUNT, WIRE_CODE_BAD_FIELD, 16, 8, 0 },
	{ WIRE_OPEN_ACCOUNT, WIRE_CODE_BAD_FIELD, 16 + 16, 2, 0 },
	{ WIRE_OPEN_ACCOUNT, WIRE_CODE_OK, 16 + 16, 2, 999 },
	{ WIRE_OPEN_ACCOUNT, WIRE_CODE_BAD_FIELD, 16 + 16, 2, 1000 },
	{ WIRE_STATEMENT, WIRE_CODE_BAD_FIELD, 16, 8, 0 },
	{ WIRE_STATEMENT, WIRE_CODE_BAD_FIELD, 16 + 16, 1, 0 },
	{ WIRE_STATEMENT, WIRE_CODE_OK, 16 + 16, 1, LIMIT_STATEMENT_ROWS },
	{ WIRE_STATEMENT, WIRE_CODE_BAD_FIELD, 16 + 16, 1, LIMIT_STATEMENT_ROWS + 1 },
	{ WIRE_TX_STATUS, WIRE_CODE_BAD_FIELD, 16, 8, 0 },
	{ WIRE_TX_STATUS, WIRE_CODE_OK, 16, 8, UINT64_MAX },
	{ WIRE_REVERSE, WIRE_CODE_BAD_FIELD, 16, 8, 0 },
	{ WIRE_REVERSE, WIRE_CODE_OK, 16, 8, 1 },
	{ WIRE_REVERSE, WIRE_CODE_BAD_FIELD, 16, 8, UINT64_MAX },
	{ WIRE_FENCE, WIRE_CODE_BAD_FIELD, 16, 8, 0 },
	{ WIRE_FENCE, WIRE_CODE_OK, 16, 8, 1 },
	{ WIRE_FENCE, WIRE_CODE_BAD_FIELD, 16, 8, UINT64_MAX },
	{ WIRE_PLAY_SET, WIRE_CODE_BAD_FIELD, 16, 8, 0 },
	{ WIRE_PLAY_SET, WIRE_CODE_OK, 16 + 16, 8, (uint64_t)-1 },
	{ WIRE_PLAY_SET, WIRE_CODE_BAD_FIELD, 16 + 16, 8, (uint64_t)-2 },
	{ WIRE_PLAY_SET, WIRE_CODE_OK, 16 + 56, 8, LIMIT_BALANCE_MAX },
	{ WIRE_PLAY_SET, WIRE_CODE_BAD_FIELD, 16 + 56, 8, LIMIT_BALANCE_MAX + 1 },
	{ WIRE_SPRINKLE_CREATE, WIRE_CODE_BAD_FIELD, 16, 8, 0 },
	{ WIRE_SPRINKLE_CREATE, WIRE_CODE_OK, 16 + 36, 4, 0 }, /* shares: the ledger's */
	{ WIRE_SPRINKLE_CREATE, WIRE_CODE_OK, 16 + 42, 1, 1 },
	{ WIRE_SPRINKLE_CREATE, WIRE_CODE_BAD_FIELD, 16 + 42, 1, 2 },
	{ WIRE_CLAIM, WIRE_CODE_BAD_FIELD, 16 + 8, 8, 0 },
	{ WIRE_CLAIM, WIRE_CODE_BAD_FIELD, 16 + 8, 8, LIMIT_ACCOUNT_ID_MAX + 1 },
	{ WIRE_ROUND_DEBIT, WIRE_CODE_BAD_FIELD, 16, 8, 0 },
	{ WIRE_ROUND_DEBIT, WIRE_CODE_OK, 16 + 8, 8, 0 },
	{ WIRE_ROUND_DEBIT, WIRE_CODE_BAD_FIELD, 16 + 48, 8, 1 }, /* a target */
	{ WIRE_ROUND_CREDIT, WIRE_CODE_BAD_FIELD, 16 + 56, 8, 1 },
	{ WIRE_ROUND_ROLLBACK, WIRE_CODE_BAD_FIELD, 16 + 8, 8, 1 }, /* an amount */
	{ WIRE_ROUND_CLOSE, WIRE_CODE_BAD_FIELD, 16 + 8, 8, 1 },
	{ WIRE_ROUND_CLOSE, WIRE_CODE_BAD_FIELD, 16 + 40, 8, 1 }, /* a transaction */
	{ WIRE_ROUND_CLOSE, WIRE_CODE_BAD_FIELD, 16 + 48, 8, 1 },
	{ WIRE_SHIFT_OPEN, WIRE_CODE_OK, 16, 8, 0 },
	{ WIRE_SHIFT_OPEN, WIRE_CODE_BAD_FIELD, 16, 8, (uint64_t)-1 },
	{ WIRE_SHIFT_CLOSE, WIRE_CODE_OK, 16, 8, LIMIT_BALANCE_MAX },
	{ WIRE_SHIFT_CLOSE, WIRE_CODE_BAD_FIELD, 16, 8, LIMIT_BALANCE_MAX + 1 },
	{ WIRE_SHIFT_CLOSE, WIRE_CODE_BAD_FIELD, 16 + 16, 4, 0 },
	{ WIRE_SHIFT_OPEN, WIRE_CODE_BAD_FIELD, 16 + 20, 2, 0 },
	{ WIRE_SHIFT_OPEN, WIRE_CODE_BAD_FIELD, 16 + 20, 2, 1000 },
	/* Header. */
	{ WIRE_BALANCE, WIRE_CODE_BAD_SCHEMA_VERSION, 4, 1, 0 },
	{ WIRE_BALANCE, WIRE_CODE_BAD_SCHEMA_VERSION, 4, 1, 2 },
	{ WIRE_BALANCE, WIRE_CODE_OK, 5, 1, MESSAGE_FLAG_RETRANSMISSION },
	{ WIRE_BALANCE, WIRE_CODE_OK, 5, 1, MESSAGE_FLAG_NO_REPLY },
	{ WIRE_BALANCE, WIRE_CODE_RESERVED_NOT_ZERO, 5, 1, MESSAGE_FLAG_ANSWER_REPLAYED },
	/* Whoever reads cannot be a member of a group; the rest of it is the switch's. */
	{ WIRE_BALANCE, WIRE_CODE_LINK_INVALID, 5, 1, MESSAGE_FLAG_LINKED },
	{ WIRE_TX_STATUS, WIRE_CODE_LINK_INVALID, 5, 1, MESSAGE_FLAG_LINKED },
	{ WIRE_DEPOSIT, WIRE_CODE_OK, 5, 1, MESSAGE_FLAG_LINKED },
	{ WIRE_BALANCE, WIRE_CODE_RESERVED_NOT_ZERO, 5, 1, 0x10 },
	{ WIRE_BALANCE, WIRE_CODE_RESERVED_NOT_ZERO, 5, 1, 0x80 },
	{ WIRE_BALANCE, WIRE_CODE_RESERVED_NOT_ZERO, 5, 1, 0x80 | MESSAGE_FLAG_LINKED },
	{ WIRE_BALANCE, WIRE_CODE_BAD_REQUEST_ID, 8, 8, 0 },
	{ WIRE_BALANCE, WIRE_CODE_OK, 8, 8, UINT64_MAX },
	{ WIRE_BALANCE, WIRE_CODE_UNKNOWN_TEMPLATE, 2, 2, 0 },
	{ WIRE_BALANCE, WIRE_CODE_UNKNOWN_TEMPLATE, 2, 2, 0x003f },
	{ WIRE_BALANCE, WIRE_CODE_UNKNOWN_TEMPLATE, 2, 2, 0x00ff },
	{ WIRE_BALANCE, WIRE_CODE_UNKNOWN_TEMPLATE, 2, 2, 0x0100 },
	{ WIRE_BALANCE, WIRE_CODE_UNKNOWN_TEMPLATE, 2, 2, 0x0121 },
	{ WIRE_BALANCE, WIRE_CODE_UNKNOWN_TEMPLATE, 2, 2, 0xffff },
	{ WIRE_BALANCE, WIRE_CODE_UNKNOWN_TEMPLATE, 2, 2, WIRE_TEMPLATE_REPLY | WIRE_BALANCE },
	{ WIRE_BALANCE, WIRE_CODE_UNKNOWN_TEMPLATE, 2, 2, WIRE_TEMPLATE_PUSH | WIRE_BALANCE },
};

/* Wherever a message names a currency: the three digits of ISO 4217, and never none. */
TEST(currencies_are_three_digits_in_every_message_that_names_one)
{
	static const struct {
		uint16_t template_id;
		uint8_t offset;
	} rows[] = {
		{ WIRE_PLACE_BET, 16 + 24 },
		{ WIRE_OPEN_ACCOUNT, 16 + 16 },
		{ WIRE_DEPOSIT, 16 + 24 },
		{ WIRE_WITHDRAW, 16 + 24 },
		{ WIRE_TRANSFER, 16 + 32 },
		{ WIRE_SPRINKLE_CREATE, 16 + 40 },
		{ WIRE_ROUND_DEBIT, 16 + 68 },
		{ WIRE_ROUND_CREDIT, 16 + 68 },
		{ WIRE_ROUND_ROLLBACK, 16 + 68 },
		{ WIRE_ROUND_CLOSE, 16 + 68 },
		{ WIRE_SHIFT_OPEN, 16 + 20 },
		{ WIRE_SHIFT_CLOSE, 16 + 20 },
	};
	static const uint16_t good[] = { 1, 410, 840, 999 }, bad[] = { 0, 1000, 5000, UINT16_MAX };
	uint8_t message[LIMIT_MESSAGE_SIZE_MAX];

	for (size_t i = 0; i < SLUICE_ARRAY_COUNT(rows); i++) {
		size_t size = message_valid(rows[i].template_id, message);

		for (size_t k = 0; k < SLUICE_ARRAY_COUNT(good); k++) {
			struct le16 value = le16_make(good[k]);

			memcpy(message + rows[i].offset, &value, sizeof(value));
			assert_case_equal(i, decode_code(message, size), WIRE_CODE_OK);
			value = le16_make(bad[k]);
			memcpy(message + rows[i].offset, &value, sizeof(value));
			assert_case_equal(i, decode_code(message, size), WIRE_CODE_BAD_FIELD);
		}
	}
}

TEST(range_edges)
{
	uint8_t message[LIMIT_MESSAGE_SIZE_MAX];

	for (size_t i = 0; i < SLUICE_ARRAY_COUNT(range_rows); i++) {
		size_t size = message_valid(range_rows[i].template_id, message);
		struct le64 value = le64_make(range_rows[i].value);

		memcpy(message + range_rows[i].offset, &value, range_rows[i].size);
		assert_case_equal(i, decode_code(message, size), range_rows[i].code);
	}
}

/* An id of 0 is told as such whatever the target; otherwise the target is below the own id. */
TEST(targets_are_below_the_own_id)
{
	static const struct {
		uint64_t own, target;
		uint16_t code;
	} rows[] = {
		{ 5, 4, WIRE_CODE_OK },
		{ 5, 5, WIRE_CODE_BAD_FIELD },
		{ 5, 6, WIRE_CODE_BAD_FIELD },
		{ 0, 4, WIRE_CODE_BAD_REQUEST_ID },
		{ 0, 0, WIRE_CODE_BAD_FIELD },
	};
	static const uint16_t both[] = { WIRE_REVERSE, WIRE_FENCE };
	uint8_t message[LIMIT_MESSAGE_SIZE_MAX];

	for (size_t i = 0; i < SLUICE_ARRAY_COUNT(rows) * 2; i++) {
		size_t size = message_valid(both[i & 1], message);
		struct le64 own = le64_make(rows[i / 2].own),
		            target = le64_make(rows[i / 2].target);

		memcpy(message + 8, &own, sizeof(own));
		memcpy(message + 16, &target, sizeof(target));
		assert_case_equal(i, decode_code(message, size), rows[i / 2].code);
	}
}

TEST_MAIN()
