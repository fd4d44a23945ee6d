/* SPDX-License-Identifier: Apache-2.0 */
/* Shifts at the counter: scripts of one terminal, one line per step (world: wallet.h). */
#include "tests/ledger/wallet.h"

#define OK    WIRE_CODE_OK
#define ALICE 11
#define BOB   12

#define SHIFT(template, ...)                                                                       \
	{                                                                                          \
		.template_id = (template), .shift = {                                              \
			.deadline_ns = NO_DEADLINE,                                                \
			.cashier_id = ALICE,                                                       \
			.currency = KRW,                                                           \
			__VA_ARGS__                                                                \
		}                                                                                  \
	}
#define OPEN(...)  SHIFT(WIRE_SHIFT_OPEN, __VA_ARGS__)
#define CLOSE(...) SHIFT(WIRE_SHIFT_CLOSE, __VA_ARGS__)

enum { NEW_WORLD = 1 };

struct step {
	const char *name;
	unsigned flags;
	int64_t cash_total; /* of the terminal over all shards, as home says */
	struct wire_request wire;
	uint16_t code;
	uint32_t number;    /* of the shift: the answer's object */
	int64_t difference; /* the answer's payout */
};

static const struct step steps[] = {
	{ "close without a shift", NEW_WORLD, 0, CLOSE(.cash = 5), WIRE_CODE_SHIFT_NOT_OPEN, 0, 0 },
	{ "open", 0, 700, OPEN(.cash = 50000), OK, 1, 0 },
	{ "open again", 0, 700, OPEN(.cash = 50000), WIRE_CODE_SHIFT_OPEN_ALREADY, 0, 0 },
	{ "open by another", 0, 700, OPEN(.cash = 1, .cashier_id = BOB),
	    WIRE_CODE_SHIFT_OPEN_ALREADY, 0, 0 },
	{ "close by another", 0, 1700, CLOSE(.cash = 51000, .cashier_id = BOB),
	    WIRE_CODE_CASHIER_OTHER, 0, 0 },
	{ "close, as expected", 0, 1700, CLOSE(.cash = 51000), OK, 1, 0 },
	{ "close again", 0, 1700, CLOSE(.cash = 51000), WIRE_CODE_SHIFT_NOT_OPEN, 0, 0 },
	{ "the next shift", 0, 1700, OPEN(.cash = 40000, .cashier_id = BOB), OK, 2, 0 },
	{ "cash is missing", 0, 2700, CLOSE(.cash = 40300, .cashier_id = BOB), OK, 2, -700 },
	{ "a third", 0, 2700, OPEN(.cash = 0), OK, 3, 0 },
	{ "more was paid out than was there", 0, -300, CLOSE(.cash = 0), OK, 3, 3000 },

	{ "deadline over", NEW_WORLD, 0, OPEN(.deadline_ns = NOW - 1), WIRE_CODE_EXPIRED, 0, 0 },
	{ "negative cash", 0, 0, OPEN(.cash = -1), WIRE_CODE_AMOUNT_INVALID, 0, 0 },
	{ "too much cash", 0, 0, OPEN(.cash = LIMIT_BALANCE_MAX + 1), WIRE_CODE_AMOUNT_INVALID, 0,
	    0 },
	{ "empty drawer", 0, 0, OPEN(.cash = 0), OK, 1, 0 },
	{ "negative count", 0, 0, CLOSE(.cash = -1), WIRE_CODE_AMOUNT_INVALID, 0, 0 },
	{ "sums beyond 64 bits say so", 0, INT64_MIN, CLOSE(.cash = 0), OK, 1, LIMIT_PAYOUT_MAX },
	{ "open", 0, INT64_MIN, OPEN(.cash = 1), OK, 2, 0 },
	{ "and at the other end", 0, INT64_MAX, CLOSE(.cash = 1), OK, 2, -LIMIT_PAYOUT_MAX },
};

TEST(scripts)
{
	struct wallet wallet = { 0 };

	for (unsigned i = 0; i < sizeof(steps) / sizeof(steps[0]); i++) {
		const struct step *step = &steps[i];
		struct event_shift shift;
		uint16_t code;

		if (step->flags & NEW_WORLD) {
			if (wallet.ledger != NULL)
				wallet_free(&wallet);
			wallet_make(&wallet);
		}
		wallet.cash_total = step->cash_total;
		code = wallet_ask(&wallet, &step->wire);
		if (code != step->code)
			fail_msg("%s: %s", step->name, wire_code_name(code));
		/* Refused or not: an answer after a restart is of the message that was asked. */
		memcpy(&shift, wallet.event.bytes + sizeof(struct event_record), sizeof(shift));
		if (shift.op !=
		    (step->wire.template_id == WIRE_SHIFT_CLOSE ? SHIFT_CLOSE : SHIFT_OPEN))
			fail_msg("%s: the event does not say which message it was", step->name);
		if (le64_get(wallet.record.object_id) != step->number ||
		    le64s_get(wallet.record.payout) != step->difference)
			fail_msg("%s: shift %d, difference %lld", step->name,
			    (int)le64_get(wallet.record.object_id),
			    (long long)le64s_get(wallet.record.payout));
		assert_int_equal(le16_get(wallet.record.type), EVENT_SHIFT);
		assert_int_equal(le64s_get(wallet.record.amount), 0);
		assert_int_equal(le32_get(wallet.record.cashier_id), step->wire.shift.cashier_id);
	}
	wallet_free(&wallet);
}

TEST(event_and_terminal_say_what_was_counted)
{
	const struct wire_request open = OPEN(.cash = 50000), close = CLOSE(.cash = 50900);
	const struct terminal_row *row;
	struct event_shift shift;
	struct wallet wallet;

	wallet_make(&wallet);
	wallet.cash_total = -200;
	assert_int_equal(wallet_ask(&wallet, &open), OK);
	row = ledger_terminal(wallet.ledger, TERMINAL);
	assert_int_equal(row->shift_open, 1);
	assert_int_equal(row->shift_number, 1);
	assert_int_equal(row->cashier_id, ALICE);
	assert_int_equal(row->shift_cash, 50000);
	assert_int_equal(row->shift_cash_total, -200);
	wallet.cash_total = 800;
	assert_int_equal(wallet_ask(&wallet, &close), OK);
	memcpy(&shift, wallet.event.bytes + sizeof(struct event_record), sizeof(shift));
	assert_int_equal(shift.op, SHIFT_CLOSE);
	assert_int_equal(le32_get(shift.number), 1);
	assert_int_equal(le64s_get(shift.cash), 50900);
	assert_int_equal(le64s_get(shift.cash_total), 800);
	assert_int_equal(le64s_get(shift.expected), 51000);
	assert_int_equal(le64s_get(wallet.record.payout), -100);
	assert_int_equal(row->shift_open, 0);
	assert_int_equal(row->shift_number, 1);
	wallet_free(&wallet);
}

/* Terminals do not meet each other's shifts. */
TEST(one_shift_per_terminal)
{
	const struct wire_request open = OPEN(.cash = 1), close = CLOSE(.cash = 1);
	struct wallet wallet;

	wallet_make(&wallet);
	assert_int_equal(wallet_ask(&wallet, &open), OK);
	wallet.terminal++;
	assert_int_equal(wallet_ask(&wallet, &close), WIRE_CODE_SHIFT_NOT_OPEN);
	assert_int_equal(wallet_ask(&wallet, &open), OK);
	wallet.terminal--;
	assert_int_equal(wallet_ask(&wallet, &close), OK);
	wallet_free(&wallet);
}

/* What came in of one currency is not what is missing of another. */
TEST(a_shift_closes_in_the_currency_it_was_opened_in)
{
	const struct wire_request won = OPEN(.cash = 50000), dollars = OPEN(.currency = 840);
	const struct wire_request close_won = CLOSE(.cash = 53000),
	                          close_dollars = CLOSE(.cash = 53000, .currency = 840);
	struct wallet wallet;

	wallet_make(&wallet);
	assert_int_equal(wallet_ask(&wallet, &won), OK);
	assert_int_equal(wallet_ask(&wallet, &close_dollars), WIRE_CODE_CURRENCY_MISMATCH);
	assert_int_equal(ledger_terminal(wallet.ledger, TERMINAL)->shift_currency, KRW);
	wallet.cash_total = 3000;
	assert_int_equal(wallet_ask(&wallet, &close_won), OK);
	assert_int_equal(le64s_get(wallet.record.payout), 0);
	assert_int_equal(ledger_terminal(wallet.ledger, TERMINAL)->shift_currency, 0);
	assert_int_equal(wallet_ask(&wallet, &dollars), OK);
	assert_int_equal(wallet_ask(&wallet, &close_won), WIRE_CODE_CURRENCY_MISMATCH);
	assert_int_equal(wallet_ask(&wallet, &close_dollars), OK);
	wallet_free(&wallet);
}

TEST(a_shift_of_before_is_in_the_rules_currency)
{
	const struct terminal_row row = { .id = TERMINAL + 1,
		.lsn = 1,
		.rights = RIGHT_ALL,
		.shift_open = 1,
		.cashier_id = ALICE,
		.shift_number = 1,
		.shift_cash = 7 };
	const struct wire_request won = CLOSE(.cash = 7),
	                          dollars = CLOSE(.cash = 7, .currency = 840);
	struct wallet wallet;

	wallet_make(&wallet);
	wallet.terminal++;
	assert_int_equal(ledger_load_terminal(wallet.ledger, &row), 0);
	assert_int_equal(wallet_ask(&wallet, &dollars), WIRE_CODE_CURRENCY_MISMATCH);
	assert_int_equal(wallet_ask(&wallet, &won), OK);
	assert_int_equal(le64s_get(wallet.record.payout), 0);
	wallet_free(&wallet);
}

TEST_MAIN()
