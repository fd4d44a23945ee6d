/* SPDX-License-Identifier: Apache-2.0 */
/*
 * REVERSE and FENCE: one line per case, each in a new world (wallet.h). A target is asked for, then
 * perhaps something happens, then it is reversed; history gives the target's event back, as the
 * reader does.
 */
#include "tests/ledger/wallet.h"

#define OK             WIRE_CODE_OK
#define NOT_REVERSIBLE WIRE_CODE_NOT_REVERSIBLE
#define REASON         7 /* wallet_reverse */

/* ---- What happens between ---- */

static void ask_ok(struct wallet *wallet, struct wire_request wire)
{
	assert_int_equal(wallet_ask(wallet, &wire), OK);
}

static void rich_spends_all(struct wallet *wallet)
{
	struct wire_request wire = TRANSFER(.to_account = PARTNERED);

	wire.transfer.amount = wallet_balance(wallet, RICH);
	ask_ok(wallet, wire);
}

static void poor_spends_all(struct wallet *wallet)
{
	struct wire_request wire = WITHDRAW(.account_id = POOR);

	wire.deposit.amount = wallet_balance(wallet, POOR);
	ask_ok(wallet, wire);
}

static void rich_frozen(struct wallet *wallet)
{
	wallet_freeze(wallet, RICH, 1);
}

static void poor_frozen(struct wallet *wallet)
{
	wallet_freeze(wallet, POOR, 1);
}

static void full_again(struct wallet *wallet)
{
	const struct wire_request wire = DEPOSIT(.account_id = FULL);

	ask_ok(wallet, wire);
}

static void hour_later(struct wallet *wallet)
{
	wallet->now += HOUR;
}

static void almost_a_day_later(struct wallet *wallet)
{
	wallet->now += DAY - 1;
}

static void a_day_later(struct wallet *wallet)
{
	wallet->now += DAY;
}

static void market_closes(struct wallet *wallet)
{
	fixture_market(wallet->ledger, MARKET, 1, 100, MARKET_CLOSED, NOW + DAY);
}

static void market_suspended(struct wallet *wallet)
{
	fixture_market(wallet->ledger, MARKET, 1, 100, MARKET_SUSPENDED, NOW + DAY);
}

static void second_later(struct wallet *wallet)
{
	wallet->now += SECOND;
}

static void bet_cancelled(struct wallet *wallet)
{
	const struct wire_request wire = { .template_id = WIRE_CANCEL_BET,
		.cancel_bet = {
		    .bet_id = le64_get(wallet->record.object_id), .deadline_ns = NO_DEADLINE } };

	ask_ok(wallet, wire);
}

static void withdrawal_close(struct wallet *wallet, uint8_t flags)
{
	struct ledger_command command = { .type = EVENT_WITHDRAW_CLOSE,
		.object_id = le64_get(wallet->record.object_id),
		.flags = flags };

	assert_int_equal(wallet_command(wallet, &command), 1);
}

static void withdrawal_approved(struct wallet *wallet)
{
	withdrawal_close(wallet, EVENT_FLAG_PAID);
}

static void withdrawal_rejected(struct wallet *wallet)
{
	withdrawal_close(wallet, 0);
}

static void withdrawal_timed_out(struct wallet *wallet)
{
	wallet->now += (uint64_t)TIMEOUT_S * SECOND;
	assert_int_equal(wallet_due(wallet), 1);
}

static void other_terminal(struct wallet *wallet)
{
	wallet->terminal++;
}

static void reversed_before(struct wallet *wallet)
{
	const struct event_record target = wallet->record;

	assert_int_equal(wallet_reverse(wallet, wallet->request_id, &target), OK);
}

#define ROUND(template, ...)                                                                       \
	{                                                                                          \
		.template_id = (template), .round = {                                              \
			.account_id = PARTNERED,                                                   \
			.amount = 1000,                                                            \
			.deadline_ns = NO_DEADLINE,                                                \
			.round = 5,                                                                \
			.transaction = { 1, 1 },                                                   \
			.game = 3,                                                                 \
			.currency = KRW,                                                           \
			.partner_id = PARTNER,                                                     \
			__VA_ARGS__                                                                \
		}                                                                                  \
	}

static void round_opened(struct wallet *wallet)
{
	const struct wire_request wire = ROUND(WIRE_ROUND_DEBIT, .transaction = { 9, 9 });

	ask_ok(wallet, wire);
}

static void round_goes_on(struct wallet *wallet)
{
	struct wire_request wire = ROUND(WIRE_ROUND_DEBIT, .amount = 1);

	for (uint64_t i = 0; i < 10; i++) {
		wire.round.transaction[0] = 100 + i;
		ask_ok(wallet, wire);
	}
}

static void round_goes_on_long(struct wallet *wallet)
{
	struct wire_request wire = ROUND(WIRE_ROUND_DEBIT, .amount = 1);

	for (uint64_t i = 0; i < 64; i++) {
		wire.round.transaction[0] = 100 + i;
		ask_ok(wallet, wire);
	}
}

static void rolled_back(struct wallet *wallet)
{
	const struct wire_request wire =
	    ROUND(WIRE_ROUND_ROLLBACK, .amount = 0, .transaction = { 50, 1 }, .target = { 1, 1 });

	ask_ok(wallet, wire);
}

static void partnered_spends_all(struct wallet *wallet)
{
	struct wire_request wire = TRANSFER(.from_account = PARTNERED, .to_account = RICH);

	wire.transfer.amount = wallet_balance(wallet, PARTNERED);
	ask_ok(wallet, wire);
}

static void partnered_frozen(struct wallet *wallet)
{
	wallet_freeze(wallet, PARTNERED, 1);
}

/* ---- Cases ---- */

struct reverse_case {
	const char *name;
	void (*before)(struct wallet *wallet);
	struct wire_request target;
	void (*between)(struct wallet *wallet);
	uint16_t target_code, code;
	uint16_t type; /* of the reversal's event */
	uint64_t account;
	int64_t balance; /* of the account in the end */
};

#define RICH_BALANCE  10000000
#define REFUSED(code) (code), EVENT_REVERSE

static const struct reverse_case money[] = {
	{ "deposit", NULL, DEPOSIT(), NULL, OK, OK, EVENT_WITHDRAW, RICH, RICH_BALANCE },
	{ "deposit, an hour ago", NULL, DEPOSIT(), hour_later, OK, OK, EVENT_WITHDRAW, RICH,
	    RICH_BALANCE },
	{ "deposit, not a day ago", NULL, DEPOSIT(), almost_a_day_later, OK, OK, EVENT_WITHDRAW,
	    RICH, RICH_BALANCE },
	{ "deposit, a day ago", NULL, DEPOSIT(), a_day_later, OK, REFUSED(NOT_REVERSIBLE), RICH,
	    RICH_BALANCE + 1000 },
	{ "deposit, spent", NULL, DEPOSIT(), rich_spends_all, OK,
	    REFUSED(WIRE_CODE_FUNDS_INSUFFICIENT), RICH, 0 },
	{ "deposit, frozen since", NULL, DEPOSIT(), rich_frozen, OK,
	    REFUSED(WIRE_CODE_ACCOUNT_FROZEN), RICH, RICH_BALANCE + 1000 },
	{ "deposit, part of it repaid", NULL, DEPOSIT(.account_id = OWING, .amount = 1000), NULL,
	    OK, REFUSED(WIRE_CODE_FUNDS_INSUFFICIENT), OWING, 700 },
	{ "deposit, refused", NULL, DEPOSIT(.amount = 0), NULL, WIRE_CODE_AMOUNT_INVALID,
	    REFUSED(WIRE_CODE_REQUEST_UNKNOWN), RICH, RICH_BALANCE },
	{ "deposit, reversed before", NULL, DEPOSIT(), reversed_before, OK,
	    REFUSED(WIRE_CODE_REVERSED_BEFORE), RICH, RICH_BALANCE },
	{ "another terminal's", NULL, DEPOSIT(), other_terminal, OK, REFUSED(NOT_REVERSIBLE), RICH,
	    RICH_BALANCE + 1000 },
	{ "withdrawal", NULL, WITHDRAW(), NULL, OK, OK, EVENT_DEPOSIT, RICH, RICH_BALANCE },
	{ "withdrawal, frozen since", NULL, WITHDRAW(), rich_frozen, OK, OK, EVENT_DEPOSIT, RICH,
	    RICH_BALANCE },
	{ "withdrawal, full since", NULL, WITHDRAW(.account_id = FULL), full_again, OK,
	    REFUSED(WIRE_CODE_BALANCE_LIMIT), FULL, LIMIT_BALANCE_MAX },
	{ "withdrawal, reversed before", NULL, WITHDRAW(), reversed_before, OK,
	    REFUSED(WIRE_CODE_REVERSED_BEFORE), RICH, RICH_BALANCE },
	{ "pending", NULL, WITHDRAW(.amount = WAITS_FROM), NULL, WIRE_CODE_PENDING, OK,
	    EVENT_WITHDRAW_CLOSE, RICH, RICH_BALANCE },
	{ "pending, approved", NULL, WITHDRAW(.amount = WAITS_FROM), withdrawal_approved,
	    WIRE_CODE_PENDING, REFUSED(WIRE_CODE_WITHDRAWAL_CLOSED), RICH,
	    RICH_BALANCE - WAITS_FROM },
	{ "pending, rejected", NULL, WITHDRAW(.amount = WAITS_FROM), withdrawal_rejected,
	    WIRE_CODE_PENDING, REFUSED(WIRE_CODE_WITHDRAWAL_CLOSED), RICH, RICH_BALANCE },
	{ "pending, timed out", NULL, WITHDRAW(.amount = WAITS_FROM), withdrawal_timed_out,
	    WIRE_CODE_PENDING, REFUSED(WIRE_CODE_WITHDRAWAL_CLOSED), RICH, RICH_BALANCE },
	{ "transfer: the sender", NULL, TRANSFER(), NULL, OK, OK, EVENT_TRANSFER, RICH,
	    RICH_BALANCE },
	{ "transfer: the receiver", NULL, TRANSFER(), NULL, OK, OK, EVENT_TRANSFER, POOR, 500 },
	{ "transfer, spent", NULL, TRANSFER(), poor_spends_all, OK,
	    REFUSED(WIRE_CODE_FUNDS_INSUFFICIENT), RICH, RICH_BALANCE - 1000 },
	{ "transfer, receiver frozen", NULL, TRANSFER(), poor_frozen, OK,
	    REFUSED(WIRE_CODE_ACCOUNT_FROZEN), POOR, 1500 },
	{ "transfer, sender frozen", NULL, TRANSFER(), rich_frozen, OK, OK, EVENT_TRANSFER, RICH,
	    RICH_BALANCE },
	{ "transfer, sender full", NULL, TRANSFER(.from_account = FULL), full_again, OK,
	    REFUSED(WIRE_CODE_BALANCE_LIMIT), POOR, 1500 },
	{ "transfer that repaid all", NULL, TRANSFER(.to_account = OWING, .amount = 200), NULL, OK,
	    REFUSED(WIRE_CODE_FUNDS_INSUFFICIENT), RICH, RICH_BALANCE - 200 },
	{ "account opened", NULL, OPEN_ACCOUNT(), NULL, OK, REFUSED(NOT_REVERSIBLE), 100, 0 },
};

static const struct reverse_case bets[] = {
	{ "bet", NULL, BET(), NULL, OK, OK, EVENT_CANCEL_BET, RICH, RICH_BALANCE },
	{ "bet, after the cancel window", NULL, BET(), hour_later, OK, OK, EVENT_CANCEL_BET, RICH,
	    RICH_BALANCE },
	{ "bet, market suspended", NULL, BET(), market_suspended, OK, OK, EVENT_CANCEL_BET, RICH,
	    RICH_BALANCE },
	{ "bet, frozen since", NULL, BET(), rich_frozen, OK, OK, EVENT_CANCEL_BET, RICH,
	    RICH_BALANCE },
	{ "bet, market closed", NULL, BET(), market_closes, OK, REFUSED(NOT_REVERSIBLE), RICH,
	    RICH_BALANCE - 1000 },
	{ "bet, begun", NULL, BET(.legs = { { .market_id = MARKET_LATE, .odds = 2000 } }),
	    second_later, OK, REFUSED(NOT_REVERSIBLE), RICH, RICH_BALANCE - 1000 },
	{ "bet, cancelled", NULL, BET(), bet_cancelled, OK, REFUSED(NOT_REVERSIBLE), RICH,
	    RICH_BALANCE },
	{ "bet, reversed before", NULL, BET(), reversed_before, OK,
	    REFUSED(WIRE_CODE_REVERSED_BEFORE), RICH, RICH_BALANCE },
	{ "bet, full since", NULL, BET(.account_id = FULL), full_again, OK,
	    REFUSED(WIRE_CODE_BALANCE_LIMIT), FULL, LIMIT_BALANCE_MAX },
	{ "bet, refused", NULL, BET(.stake = 0), NULL, WIRE_CODE_AMOUNT_INVALID,
	    REFUSED(WIRE_CODE_REQUEST_UNKNOWN), RICH, RICH_BALANCE },
	{ "cash ticket", NULL, BET(.account_id = 0), NULL, OK, OK, EVENT_CANCEL_BET, RICH,
	    RICH_BALANCE },
};

static const struct reverse_case rounds[] = {
	{ "debit", NULL, ROUND(WIRE_ROUND_DEBIT), NULL, OK, OK, EVENT_ROUND_CREDIT, PARTNERED,
	    1000000 },
	{ "debit, ten ago", NULL, ROUND(WIRE_ROUND_DEBIT), round_goes_on, OK, OK,
	    EVENT_ROUND_CREDIT, PARTNERED, 999990 },
	{ "debit, 64 ago", NULL, ROUND(WIRE_ROUND_DEBIT), round_goes_on_long, OK,
	    REFUSED(NOT_REVERSIBLE), PARTNERED, 998936 },
	{ "debit, rolled back", NULL, ROUND(WIRE_ROUND_DEBIT), rolled_back, OK,
	    REFUSED(WIRE_CODE_REVERSED_BEFORE), PARTNERED, 1000000 },
	{ "debit, frozen since", NULL, ROUND(WIRE_ROUND_DEBIT), partnered_frozen, OK, OK,
	    EVENT_ROUND_CREDIT, PARTNERED, 1000000 },
	{ "credit", round_opened, ROUND(WIRE_ROUND_CREDIT), NULL, OK, OK, EVENT_ROUND_DEBIT,
	    PARTNERED, 999000 },
	{ "credit, spent", round_opened, ROUND(WIRE_ROUND_CREDIT), partnered_spends_all, OK,
	    REFUSED(WIRE_CODE_FUNDS_INSUFFICIENT), PARTNERED, 0 },
	{ "credit, frozen since", round_opened, ROUND(WIRE_ROUND_CREDIT), partnered_frozen, OK,
	    REFUSED(WIRE_CODE_ACCOUNT_FROZEN), PARTNERED, 1000000 },
};

static void case_check(const struct reverse_case *reversal, const struct wallet *wallet,
    const struct event_record *target, uint16_t code)
{
	const struct object_key key = { .kind = OBJECT_REVERSAL,
		.words = { le64_get(target->terminal_id), le64_get(target->request_id) } };

	if (code != reversal->code || le16_get(wallet->record.type) != reversal->type ||
	    wallet_balance(wallet, reversal->account) != reversal->balance)
		fail_msg("%s: %s, event type %d, balance %lld", reversal->name,
		    wire_code_name(code), (int)le16_get(wallet->record.type),
		    (long long)wallet_balance(wallet, reversal->account));
	assert_int_equal(le32_get(wallet->record.cashier_id), REASON);
	if (code == OK) {
		assert_int_equal(wallet->record.flags, EVENT_FLAG_REVERSAL);
		if (reversal->type == EVENT_DEPOSIT || reversal->type == EVENT_WITHDRAW)
			assert_true(le64_get(wallet->record.object_id) == reversal->account);
		assert_int_equal(le64s_get(wallet->record.payout),
		    le16_get(target->type) == EVENT_PLACE_BET ? 1000 : le64s_get(target->payout));
		assert_non_null(ledger_object_by_key(wallet->ledger, &key));
	} else {
		assert_true(le64_get(wallet->record.object_id) == le64_get(target->request_id));
		assert_int_equal(wallet->record.flags, 0);
		assert_int_equal(le64s_get(wallet->record.amount), 0);
	}
}

static void case_run(const struct reverse_case *reversal)
{
	struct event_record target;
	struct wallet wallet;
	uint16_t code;

	wallet_make(&wallet);
	if (reversal->before != NULL)
		reversal->before(&wallet);
	code = wallet_ask(&wallet, &reversal->target);
	if (code != reversal->target_code)
		fail_msg("%s: target %s", reversal->name, wire_code_name(code));
	target = wallet.record;
	if (reversal->between != NULL)
		reversal->between(&wallet);
	code = wallet_reverse(&wallet, le64_get(target.request_id), &target);
	case_check(reversal, &wallet, &target, code);
	wallet_free(&wallet);
}

#define RUN_ALL(cases)                                                                             \
	for (unsigned i = 0; i < sizeof(cases) / sizeof((cases)[0]); i++)                          \
		case_run(&(cases)[i]);

TEST(money){ RUN_ALL(money) }

TEST(bets){ RUN_ALL(bets) }

TEST(rounds){ RUN_ALL(rounds) }

TEST_MAIN()
