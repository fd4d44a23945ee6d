/* SPDX-License-Identifier: Apache-2.0 */
/*
 * REVERSE and FENCE: one line per case, each in a new world (wallet.h). A target is asked for, then
 * perhaps something happens, then it is reversed; history gives the target's event back, as the
 * reader does.
 */
#include "tests/ledger/wallet.h"

#define OK             WIRE_CODE_OK
#define NOT_REVERSIBLE WIRE_CODE_NOT_REVERSIBLE
#define REASON         7

static uint16_t reverse(
    struct wallet *wallet, uint64_t request_id, const struct event_record *target)
{
	const struct wire_request wire = { .template_id = WIRE_REVERSE,
		.reverse = { .target_request_id = request_id,
		    .deadline_ns = NO_DEADLINE,
		    .reason = REASON } };
	uint16_t code;

	wallet->reverse_target = target;
	code = wallet_ask(wallet, &wire);
	wallet->reverse_target = NULL;
	return code;
}

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

static void just_a_day_later(struct wallet *wallet)
{
	wallet->now += DAY;
}

static void more_than_a_day_later(struct wallet *wallet)
{
	wallet->now += DAY + 1;
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

	assert_int_equal(reverse(wallet, wallet->request_id, &target), OK);
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
	{ "deposit, a day ago", NULL, DEPOSIT(), just_a_day_later, OK, OK, EVENT_WITHDRAW, RICH,
	    RICH_BALANCE },
	{ "deposit, longer ago", NULL, DEPOSIT(), more_than_a_day_later, OK,
	    REFUSED(NOT_REVERSIBLE), RICH, RICH_BALANCE + 1000 },
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
	code = reverse(&wallet, le64_get(target.request_id), &target);
	case_check(reversal, &wallet, &target, code);
	wallet_free(&wallet);
}

#define RUN_ALL(cases)                                                                             \
	for (unsigned i = 0; i < sizeof(cases) / sizeof((cases)[0]); i++)                          \
		case_run(&(cases)[i]);

TEST(money){ RUN_ALL(money) }

TEST(bets){ RUN_ALL(bets) }

TEST(rounds){ RUN_ALL(rounds) }

/* ---- What else must hold ---- */

TEST(nothing_of_the_money_is_lost_or_made)
{
	const struct wire_request targets[] = { DEPOSIT(), WITHDRAW(),
		WITHDRAW(.amount = WAITS_FROM), BET(), BET(.account_id = 0), TRANSFER() };

	for (unsigned i = 0; i < sizeof(targets) / sizeof(targets[0]); i++) {
		struct wallet wallet;
		int64_t cash;

		wallet_make(&wallet);
		cash = wallet_system(&wallet, SYSTEM_CASH, KRW, TERMINAL);
		(void)wallet_ask(&wallet, &targets[i]);
		reversed_before(&wallet);
		assert_case_equal(i, wallet_system(&wallet, SYSTEM_CASH, KRW, TERMINAL), cash);
		assert_case_equal(i, wallet_system(&wallet, SYSTEM_STAKES, KRW, 0), 0);
		assert_case_equal(i, wallet_system(&wallet, SYSTEM_SUSPENSE, KRW, 0), 0);
		assert_case_equal(i, wallet_balance(&wallet, RICH), RICH_BALANCE);
		wallet_free(&wallet);
	}
}

/* A reversal is no money request that could be reversed in its turn. */
TEST(reversal_of_a_reversal)
{
	const struct wire_request wire = DEPOSIT();
	struct event_record target;
	struct wallet wallet;

	wallet_make(&wallet);
	ask_ok(&wallet, wire);
	reversed_before(&wallet);
	target = wallet.record;
	assert_int_equal(reverse(&wallet, wallet.request_id, &target), NOT_REVERSIBLE);
	wallet_free(&wallet);
}

TEST(repeated_request_has_nothing_of_its_own_to_reverse)
{
	const struct wire_request wire = DEPOSIT(.account_id = PARTNERED, .partner_key = { 1, 2 });
	struct event_record target;
	struct wallet wallet;

	wallet_make(&wallet);
	ask_ok(&wallet, wire);
	assert_int_equal(wallet_ask(&wallet, &wire), WIRE_CODE_REPEATED);
	target = wallet.record;
	assert_int_equal(reverse(&wallet, wallet.request_id, &target), NOT_REVERSIBLE);
	wallet_free(&wallet);
}

/* As long as a target can be reversed, the reversal is remembered, and longer. */
TEST(no_time_when_a_target_can_be_reversed_twice)
{
	const struct wire_request wire = DEPOSIT();

	for (uint64_t hours = 0; hours <= 80; hours++) {
		struct event_record target;
		struct wallet wallet;
		uint16_t code;

		wallet_make(&wallet);
		ask_ok(&wallet, wire);
		target = wallet.record;
		wallet.now += DAY;
		assert_int_equal(reverse(&wallet, le64_get(target.request_id), &target), OK);
		wallet.now += hours * HOUR;
		(void)wallet_due(&wallet);
		code = reverse(&wallet, le64_get(target.request_id), &target);
		assert_case_equal(
		    hours, code, hours < 24 ? WIRE_CODE_REVERSED_BEFORE : NOT_REVERSIBLE);
		wallet_free(&wallet);
	}
}

TEST(reverse_counts_back_in_responsible_play)
{
	struct wire_request set = { .template_id = WIRE_PLAY_SET,
		.play_set = { .account_id = RICH,
		    .deadline_ns = NO_DEADLINE,
		    .limits = { 1000, -1, 1000, -1, -1, -1 } } };
	const struct wire_request pay = DEPOSIT(), bet = BET();
	struct wallet wallet;

	wallet_make(&wallet);
	ask_ok(&wallet, set);
	ask_ok(&wallet, pay);
	assert_int_equal(wallet_ask(&wallet, &pay), WIRE_CODE_LIMIT_DEPOSIT);
	wallet_free(&wallet);
	wallet_make(&wallet);
	ask_ok(&wallet, set);
	ask_ok(&wallet, pay);
	reversed_before(&wallet);
	ask_ok(&wallet, pay);
	ask_ok(&wallet, bet);
	reversed_before(&wallet);
	ask_ok(&wallet, bet);
	assert_int_equal(wallet_ask(&wallet, &bet), WIRE_CODE_LIMIT_STAKE);
	wallet_free(&wallet);
}

TEST(unknown_target_is_fenced)
{
	const struct wire_request late = { .template_id = WIRE_REVERSE,
		.reverse = { .target_request_id = 1000, .deadline_ns = NOW - 1 } };
	struct wallet wallet;

	wallet_make(&wallet);
	assert_int_equal(reverse(&wallet, 1000, NULL), WIRE_CODE_FENCED_NOW);
	assert_int_equal(le16_get(wallet.record.type), EVENT_FENCE);
	assert_int_equal(wallet.record.flags, EVENT_FLAG_REVERSAL);
	assert_int_equal(le64_get(wallet.record.object_id), 1000);
	assert_int_equal(wallet_ask(&wallet, &late), WIRE_CODE_EXPIRED);
	assert_int_equal(le16_get(wallet.record.type), EVENT_REVERSE);
	wallet_free(&wallet);
}

TEST(fence)
{
	static const struct {
		const char *name;
		int known;
		uint64_t deadline_ns;
		uint16_t code;
	} cases[] = {
		{ "unseen", 0, NO_DEADLINE, WIRE_CODE_FENCED_NOW },
		{ "carried out", 1, NO_DEADLINE, WIRE_CODE_REQUEST_DONE },
		{ "too late", 0, NOW - 1, WIRE_CODE_EXPIRED },
	};
	const struct wire_request pay = DEPOSIT();

	for (unsigned i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct wire_request wire = { .template_id = WIRE_FENCE,
			.fence = { .deadline_ns = cases[i].deadline_ns } };
		struct event_record target;
		struct wallet wallet;

		wallet_make(&wallet);
		ask_ok(&wallet, pay);
		target = wallet.record;
		wire.fence.target_request_id =
		    cases[i].known ? le64_get(target.request_id) : wallet.request_id + 50;
		wallet.reverse_target = cases[i].known ? &target : NULL;
		assert_case_equal(i, wallet_ask(&wallet, &wire), cases[i].code);
		assert_int_equal(le16_get(wallet.record.type), EVENT_FENCE);
		assert_true(le64_get(wallet.record.object_id) == wire.fence.target_request_id);
		wallet_free(&wallet);
	}
}

TEST_MAIN()
