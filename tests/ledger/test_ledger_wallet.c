/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Accounts, deposits, withdrawals and adjustments: one line per case, each in a new world
 * (wallet.h). Every code these requests and commands answer with has a line.
 */
#include <errno.h>

#include "tests/ledger/wallet.h"

/* ---- Requests ---- */

struct request_case {
	const char *name;
	void (*before)(struct wallet *wallet);
	struct wire_request wire;
	uint16_t code;
	uint16_t type;
	int64_t amount;  /* of the event */
	int64_t balance; /* of the account after it; -1: there is none */
};

static void full_less_one(struct wallet *wallet)
{
	const struct wire_request wire = WITHDRAW(.account_id = FULL, .amount = 1);

	assert_int_equal(wallet_ask(wallet, &wire), WIRE_CODE_OK);
}

static void partner_back(struct wallet *wallet)
{
	struct ledger_command command = wallet_partner(PARTNER_BARRED, 3, KEYS_MAX, 0);

	assert_int_equal(wallet_command(wallet, &command), 1);
}

static void open_100(struct wallet *wallet)
{
	const struct wire_request wire = OPEN_ACCOUNT(.partner_id = PARTNER);

	assert_int_equal(wallet_ask(wallet, &wire), WIRE_CODE_OK);
}

static void rule_none_waits(struct risk_rules *rules)
{
	rules->withdraw_pending_min = 0;
}

static void none_waits(struct wallet *wallet)
{
	wallet_rules(wallet, rule_none_waits);
}

#define OK           WIRE_CODE_OK
#define UNKNOWN      WIRE_CODE_ACCOUNT_UNKNOWN
#define RICH_BALANCE 10000000

static const struct request_case deposits[] = {
	{ "plain", NULL, DEPOSIT(), OK, EVENT_DEPOSIT, 1000, RICH_BALANCE + 1000 },
	{ "one unit", NULL, DEPOSIT(.amount = 1), OK, EVENT_DEPOSIT, 1, RICH_BALANCE + 1 },
	{ "cents", NULL, DEPOSIT(.account_id = DOLLARS, .currency = USD), OK, EVENT_DEPOSIT, 1000,
	    10001000 },
	{ "partner's customer", NULL, DEPOSIT(.account_id = PARTNERED), OK, EVENT_DEPOSIT, 1000,
	    1001000 },
	{ "part repays what is owed", NULL, DEPOSIT(.account_id = OWING), OK, EVENT_DEPOSIT, 700,
	    700 },
	{ "all repays what is owed", NULL, DEPOSIT(.account_id = OWING, .amount = 200), OK,
	    EVENT_DEPOSIT, 0, 0 },
	{ "exactly what is owed", NULL, DEPOSIT(.account_id = OWING, .amount = 300), OK,
	    EVENT_DEPOSIT, 0, 0 },
	{ "deadline now", NULL, DEPOSIT(.deadline_ns = NOW), OK, EVENT_DEPOSIT, 1000,
	    RICH_BALANCE + 1000 },
	{ "deadline over", NULL, DEPOSIT(.deadline_ns = NOW - 1), WIRE_CODE_EXPIRED, EVENT_DEPOSIT,
	    1000, RICH_BALANCE },
	{ "no such account", NULL, DEPOSIT(.account_id = NOBODY), UNKNOWN, EVENT_DEPOSIT, 1000,
	    -1 },
	{ "a system account", NULL, DEPOSIT(.account_id = SYSTEM_ACCOUNT_BIT | 1), UNKNOWN,
	    EVENT_DEPOSIT, 1000, -1 },
	{ "frozen", NULL, DEPOSIT(.account_id = FROZEN), WIRE_CODE_ACCOUNT_FROZEN, EVENT_DEPOSIT,
	    1000, 1000000 },
	{ "partner blocked", NULL, DEPOSIT(.account_id = BARRED), WIRE_CODE_PARTNER_BLOCKED,
	    EVENT_DEPOSIT, 1000, 1000 },
	{ "partner unblocked", partner_back, DEPOSIT(.account_id = BARRED), OK, EVENT_DEPOSIT, 1000,
	    2000 },
	{ "other currency", NULL, DEPOSIT(.currency = USD), WIRE_CODE_CURRENCY_MISMATCH,
	    EVENT_DEPOSIT, 1000, RICH_BALANCE },
	{ "nothing", NULL, DEPOSIT(.amount = 0), WIRE_CODE_AMOUNT_INVALID, EVENT_DEPOSIT, 0,
	    RICH_BALANCE },
	{ "negative", NULL, DEPOSIT(.amount = -5), WIRE_CODE_AMOUNT_INVALID, EVENT_DEPOSIT, -5,
	    RICH_BALANCE },
	{ "too much", NULL, DEPOSIT(.amount = LIMIT_BALANCE_MAX + 1), WIRE_CODE_AMOUNT_INVALID,
	    EVENT_DEPOSIT, LIMIT_BALANCE_MAX, RICH_BALANCE },
	{ "full", NULL, DEPOSIT(.account_id = FULL, .amount = 1), WIRE_CODE_BALANCE_LIMIT,
	    EVENT_DEPOSIT, 1, LIMIT_BALANCE_MAX },
	{ "just full", full_less_one, DEPOSIT(.account_id = FULL, .amount = 1), OK, EVENT_DEPOSIT,
	    1, LIMIT_BALANCE_MAX },
};

static const struct request_case withdrawals[] = {
	{ "plain", NULL, WITHDRAW(), OK, EVENT_WITHDRAW, -1000, RICH_BALANCE - 1000 },
	{ "all of it", NULL, WITHDRAW(.account_id = POOR, .amount = 500), OK, EVENT_WITHDRAW, -500,
	    0 },
	{ "one too much", NULL, WITHDRAW(.account_id = POOR, .amount = 501),
	    WIRE_CODE_FUNDS_INSUFFICIENT, EVENT_WITHDRAW, -501, 500 },
	{ "just below what waits", NULL, WITHDRAW(.amount = WAITS_FROM - 1), OK, EVENT_WITHDRAW,
	    -WAITS_FROM + 1, RICH_BALANCE - WAITS_FROM + 1 },
	{ "waits", NULL, WITHDRAW(.amount = WAITS_FROM), WIRE_CODE_PENDING, EVENT_WITHDRAW,
	    -WAITS_FROM, RICH_BALANCE - WAITS_FROM },
	{ "more than there is does not wait", NULL, WITHDRAW(.amount = RICH_BALANCE + 1),
	    WIRE_CODE_FUNDS_INSUFFICIENT, EVENT_WITHDRAW, -RICH_BALANCE - 1, RICH_BALANCE },
	{ "other currencies do not wait", NULL,
	    WITHDRAW(.account_id = DOLLARS, .currency = USD, .amount = WAITS_FROM), OK,
	    EVENT_WITHDRAW, -WAITS_FROM, 10000000 - WAITS_FROM },
	{ "nothing waits", none_waits, WITHDRAW(.amount = RICH_BALANCE), OK, EVENT_WITHDRAW,
	    -RICH_BALANCE, 0 },
	{ "deadline over", NULL, WITHDRAW(.deadline_ns = NOW - 1), WIRE_CODE_EXPIRED,
	    EVENT_WITHDRAW, -1000, RICH_BALANCE },
	{ "no such account", NULL, WITHDRAW(.account_id = NOBODY), UNKNOWN, EVENT_WITHDRAW, -1000,
	    -1 },
	{ "frozen", NULL, WITHDRAW(.account_id = FROZEN), WIRE_CODE_ACCOUNT_FROZEN, EVENT_WITHDRAW,
	    -1000, 1000000 },
	{ "partner blocked", NULL, WITHDRAW(.account_id = BARRED), WIRE_CODE_PARTNER_BLOCKED,
	    EVENT_WITHDRAW, -1000, 1000 },
	{ "other currency", NULL, WITHDRAW(.currency = USD), WIRE_CODE_CURRENCY_MISMATCH,
	    EVENT_WITHDRAW, -1000, RICH_BALANCE },
	{ "nothing", NULL, WITHDRAW(.amount = 0), WIRE_CODE_AMOUNT_INVALID, EVENT_WITHDRAW, 0,
	    RICH_BALANCE },
	{ "negative", NULL, WITHDRAW(.amount = -5), WIRE_CODE_AMOUNT_INVALID, EVENT_WITHDRAW, 5,
	    RICH_BALANCE },
	{ "the lowest number", NULL, WITHDRAW(.amount = INT64_MIN), WIRE_CODE_AMOUNT_INVALID,
	    EVENT_WITHDRAW, LIMIT_BALANCE_MAX, RICH_BALANCE },
	{ "too much", NULL, WITHDRAW(.amount = LIMIT_BALANCE_MAX + 1), WIRE_CODE_AMOUNT_INVALID,
	    EVENT_WITHDRAW, -LIMIT_BALANCE_MAX, RICH_BALANCE },
};

static const struct request_case openings[] = {
	{ "nobody's", NULL, OPEN_ACCOUNT(), OK, EVENT_ACCOUNT_OPEN, 0, 0 },
	{ "a partner's", NULL, OPEN_ACCOUNT(.partner_id = PARTNER), OK, EVENT_ACCOUNT_OPEN, 0, 0 },
	{ "in dollars", NULL, OPEN_ACCOUNT(.currency = USD), OK, EVENT_ACCOUNT_OPEN, 0, 0 },
	{ "deadline over", NULL, OPEN_ACCOUNT(.deadline_ns = NOW - 1), WIRE_CODE_EXPIRED,
	    EVENT_ACCOUNT_OPEN, 0, -1 },
	{ "again, the same", open_100, OPEN_ACCOUNT(.partner_id = PARTNER), WIRE_CODE_REPEATED,
	    EVENT_ACCOUNT_OPEN, 0, 0 },
	{ "again, in another currency", open_100,
	    OPEN_ACCOUNT(.partner_id = PARTNER, .currency = USD), WIRE_CODE_ACCOUNT_EXISTS,
	    EVENT_ACCOUNT_OPEN, 0, 0 },
	{ "again, of nobody", open_100, OPEN_ACCOUNT(), WIRE_CODE_ACCOUNT_EXISTS,
	    EVENT_ACCOUNT_OPEN, 0, 0 },
	{ "another's account", NULL, OPEN_ACCOUNT(.account_id = RICH, .partner_id = PARTNER),
	    WIRE_CODE_ACCOUNT_EXISTS, EVENT_ACCOUNT_OPEN, 0, RICH_BALANCE },
	{ "no such partner", NULL, OPEN_ACCOUNT(.partner_id = PARTNER_NONE),
	    WIRE_CODE_PARTNER_UNKNOWN, EVENT_ACCOUNT_OPEN, 0, -1 },
	{ "partner blocked", NULL, OPEN_ACCOUNT(.partner_id = PARTNER_BARRED),
	    WIRE_CODE_PARTNER_BLOCKED, EVENT_ACCOUNT_OPEN, 0, -1 },
	{ "number 0", NULL, OPEN_ACCOUNT(.account_id = 0), UNKNOWN, EVENT_ACCOUNT_OPEN, 0, -1 },
	{ "a system account's number", NULL, OPEN_ACCOUNT(.account_id = SYSTEM_ACCOUNT_BIT),
	    UNKNOWN, EVENT_ACCOUNT_OPEN, 0, -1 },
};

static void case_run(const struct request_case *request)
{
	uint64_t account = request->wire.template_id == WIRE_OPEN_ACCOUNT
	                       ? request->wire.open_account.account_id
	                       : request->wire.deposit.account_id;
	struct wallet wallet;
	uint16_t code;

	wallet_make(&wallet);
	if (request->before != NULL)
		request->before(&wallet);
	code = wallet_ask(&wallet, &request->wire);
	if (code != request->code)
		fail_msg("%s: %s, expected %s", request->name, wire_code_name(code),
		    wire_code_name(request->code));
	if (le16_get(wallet.record.type) != request->type ||
	    le64s_get(wallet.record.amount) != request->amount ||
	    wallet_balance(&wallet, account) != request->balance)
		fail_msg("%s: type %d, amount %lld, balance %lld", request->name,
		    (int)le16_get(wallet.record.type), (long long)le64s_get(wallet.record.amount),
		    (long long)wallet_balance(&wallet, account));
	if (wire_code_class(code) != WIRE_CLASS_DONE)
		assert_int_equal(le64s_get(wallet.record.payout), 0);
	if (request->wire.template_id == WIRE_OPEN_ACCOUNT && code != WIRE_CODE_EXPIRED)
		assert_true(le64_get(wallet.record.object_id) == account);
	assert_int_equal(
	    le64s_get(wallet.record.balance), request->balance < 0 ? 0 : request->balance);
	wallet_free(&wallet);
}

#define RUN_ALL(cases)                                                                             \
	for (unsigned i = 0; i < sizeof(cases) / sizeof((cases)[0]); i++)                          \
		case_run(&(cases)[i]);

TEST(deposit){ RUN_ALL(deposits) }

TEST(withdraw){ RUN_ALL(withdrawals) }

TEST(open_account){ RUN_ALL(openings) }

TEST(opened_account_has_its_partner_and_currency)
{
	const struct wire_request wire = OPEN_ACCOUNT(.partner_id = PARTNER, .currency = USD);
	const struct account_row *row;
	struct wallet wallet;

	wallet_make(&wallet);
	assert_int_equal(wallet_ask(&wallet, &wire), OK);
	row = ledger_account(wallet.ledger, 100);
	assert_non_null(row);
	assert_int_equal(row->partner_id, PARTNER);
	assert_int_equal(row->currency, USD);
	assert_int_equal(row->balance, 0);
	wallet_free(&wallet);
}

TEST(deposit_repays_into_receivable)
{
	const struct wire_request wire = DEPOSIT(.account_id = OWING, .amount = 200);
	struct wallet wallet;

	wallet_make(&wallet);
	assert_int_equal(wallet_ask(&wallet, &wire), OK);
	assert_int_equal(ledger_account(wallet.ledger, OWING)->owed, 100);
	assert_int_equal(wallet_system(&wallet, SYSTEM_RECEIVABLE, KRW, 0), -100);
	assert_int_equal(le64s_get(wallet.record.payout), 200);
	wallet_free(&wallet);
}

/* ---- Pending withdrawals ---- */

static uint64_t pending_make(struct wallet *wallet, uint64_t account, int64_t amount)
{
	const struct wire_request wire = WITHDRAW(.account_id = account, .amount = amount);

	assert_int_equal(wallet_ask(wallet, &wire), WIRE_CODE_PENDING);
	return le64_get(wallet->record.object_id);
}

static void withdrawal_read(
    const struct wallet *wallet, uint64_t id, uint8_t state, struct object_withdrawal *withdrawal)
{
	const struct object_row *row = ledger_object(wallet->ledger, id);

	assert_non_null(row);
	assert_int_equal(row->kind, OBJECT_WITHDRAWAL);
	assert_int_equal(row->state, state);
	memcpy(withdrawal, row->body, sizeof(*withdrawal));
}

TEST(pending_withdrawal_is_in_suspense)
{
	struct object_withdrawal withdrawal;
	int64_t cash;
	struct wallet wallet;
	uint64_t id;

	wallet_make(&wallet);
	cash = wallet_system(&wallet, SYSTEM_CASH, KRW, TERMINAL);
	id = pending_make(&wallet, RICH, 250000);
	assert_int_equal(wallet_system(&wallet, SYSTEM_SUSPENSE, KRW, 0), 250000);
	assert_int_equal(wallet_system(&wallet, SYSTEM_CASH, KRW, TERMINAL), cash);
	withdrawal_read(&wallet, id, OBJECT_OPEN, &withdrawal);
	assert_int_equal(le64_get(withdrawal.account_id), RICH);
	assert_int_equal(le64s_get(withdrawal.amount), 250000);
	assert_int_equal(le64_get(withdrawal.origin.terminal_id), TERMINAL);
	assert_true(le64_get(withdrawal.origin.request_id) == wallet.request_id);
	assert_true(ledger_object(wallet.ledger, id)->due_ns == NOW + (uint64_t)TIMEOUT_S * SECOND);
	wallet_free(&wallet);
}

struct close_case {
	const char *name;
	uint8_t first, flags;
	uint8_t has_first, other_kind;
	int result;
	int64_t balance, cash; /* change of the account from before, of CASH */
};
#define PAID EVENT_FLAG_PAID

static const struct close_case closes[] = {
	{ "approve", 0, PAID, 0, 0, 1, -250000, 250000 },
	{ "reject", 0, 0, 0, 0, 1, 0, 0 },
	{ "approve again", PAID, PAID, 1, 0, 0, -250000, 250000 },
	{ "reject again", 0, 0, 1, 0, 0, 0, 0 },
	{ "reject what was approved", PAID, 0, 1, 0, -EALREADY, -250000, 250000 },
	{ "approve what was rejected", 0, PAID, 1, 0, -EALREADY, 0, 0 },
	{ "another kind of object", 0, PAID, 0, 1, -ENOENT, -250000, 0 },
	{ "flags of other events", 0, EVENT_FLAG_FROZEN, 0, 0, -EINVAL, -250000, 0 },
};

static void close_run(const struct close_case *close)
{
	struct ledger_command command = { .type = EVENT_WITHDRAW_CLOSE };
	struct object_key partner = { .kind = OBJECT_PARTNER, .words = { PARTNER } };
	struct wallet wallet;
	int64_t cash;
	int result;

	wallet_make(&wallet);
	cash = wallet_system(&wallet, SYSTEM_CASH, KRW, TERMINAL);
	command.object_id = pending_make(&wallet, RICH, 250000);
	command.flags = close->first;
	if (close->has_first)
		assert_int_equal(wallet_command(&wallet, &command), 1);
	if (close->other_kind)
		command.object_id = ledger_object_by_key(wallet.ledger, &partner)->id;
	command.flags = close->flags;
	result = wallet_command(&wallet, &command);
	if (result != close->result ||
	    wallet_balance(&wallet, RICH) != RICH_BALANCE + close->balance ||
	    wallet_system(&wallet, SYSTEM_CASH, KRW, TERMINAL) != cash + close->cash)
		fail_msg("%s: %d, balance %lld, cash %lld", close->name, result,
		    (long long)wallet_balance(&wallet, RICH),
		    (long long)(wallet_system(&wallet, SYSTEM_CASH, KRW, TERMINAL) - cash));
	wallet_free(&wallet);
}

TEST(withdraw_close)
{
	for (unsigned i = 0; i < sizeof(closes) / sizeof(closes[0]); i++)
		close_run(&closes[i]);
}

TEST(withdraw_close_of_none)
{
	struct ledger_command command = { .type = EVENT_WITHDRAW_CLOSE, .object_id = 4711 };
	struct wallet wallet;

	wallet_make(&wallet);
	assert_int_equal(wallet_command(&wallet, &command), -ENOENT);
	wallet_free(&wallet);
}

TEST(rejected_withdrawal_of_an_account_that_is_full)
{
	const struct wire_request fill = DEPOSIT(.account_id = FULL, .amount = 250000);
	struct ledger_command command = { .type = EVENT_WITHDRAW_CLOSE };
	struct object_withdrawal withdrawal;
	struct wallet wallet;

	wallet_make(&wallet);
	command.object_id = pending_make(&wallet, FULL, 250000);
	assert_int_equal(wallet_ask(&wallet, &fill), OK);
	assert_int_equal(wallet_command(&wallet, &command), -ERANGE);
	/* In time: it waits for another time-out, and can still be approved then. */
	wallet.now += (uint64_t)TIMEOUT_S * SECOND;
	assert_int_equal(wallet_due(&wallet), 1);
	withdrawal_read(&wallet, command.object_id, OBJECT_OPEN, &withdrawal);
	assert_int_equal(wallet_system(&wallet, SYSTEM_SUSPENSE, KRW, 0), 250000);
	full_less_one(&wallet);
	wallet.now += (uint64_t)TIMEOUT_S * SECOND;
	assert_int_equal(wallet_due(&wallet), 1);
	command.flags = PAID;
	assert_int_equal(wallet_command(&wallet, &command), 1);
	wallet_free(&wallet);
}

TEST(withdrawal_times_out)
{
	struct object_withdrawal withdrawal;
	struct wallet wallet;
	uint64_t id;

	wallet_make(&wallet);
	id = pending_make(&wallet, RICH, 250000);
	wallet.now = NOW + (uint64_t)TIMEOUT_S * SECOND - 1;
	assert_int_equal(wallet_due(&wallet), 0);
	wallet.now++;
	assert_int_equal(wallet_due(&wallet), 1);
	assert_int_equal(le16_get(wallet.record.type), EVENT_WITHDRAW_CLOSE);
	assert_int_equal(wallet.record.flags, EVENT_FLAG_TIMER);
	assert_int_equal(le64s_get(wallet.record.payout), 250000);
	withdrawal_read(&wallet, id, OBJECT_REVERSED, &withdrawal);
	assert_int_equal(wallet_balance(&wallet, RICH), RICH_BALANCE);
	assert_int_equal(wallet_system(&wallet, SYSTEM_SUSPENSE, KRW, 0), 0);
	wallet_free(&wallet);
}

/* ---- Adjustments ---- */

struct adjust_case {
	const char *name;
	struct ledger_command command;
	int result;
	int64_t balance;
	int64_t amount; /* of the event */
};
#define ADJUST(...)                                                                                \
	{                                                                                          \
		.type = EVENT_ADJUST, .account_id = RICH, .control_sequence = 5, __VA_ARGS__       \
	}

static const struct adjust_case adjustments[] = {
	{ "up", ADJUST(.amount = 7), 1, RICH_BALANCE + 7, 7 },
	{ "down", ADJUST(.amount = -7), 1, RICH_BALANCE - 7, -7 },
	{ "to nothing", ADJUST(.amount = -RICH_BALANCE), 1, 0, -RICH_BALANCE },
	{ "below nothing", ADJUST(.amount = -RICH_BALANCE - 1), -ERANGE, RICH_BALANCE, 0 },
	{ "above the maximum", ADJUST(.account_id = FULL, .amount = 1), -ERANGE, LIMIT_BALANCE_MAX,
	    0 },
	{ "repays what is owed", ADJUST(.account_id = OWING, .amount = 1000), 1, 700, 700 },
	{ "frozen all the same", ADJUST(.account_id = FROZEN, .amount = -1), 1, 999999, -1 },
	{ "in the account's currency", ADJUST(.account_id = DOLLARS, .currency = USD, .amount = 1),
	    1, 10000001, 1 },
	{ "in another", ADJUST(.account_id = DOLLARS, .currency = KRW, .amount = 1), -EALREADY,
	    10000000, 0 },
	{ "nothing", ADJUST(.amount = 0), -EINVAL, RICH_BALANCE, 0 },
	{ "too much", ADJUST(.amount = LIMIT_BALANCE_MAX + 1), -EINVAL, RICH_BALANCE, 0 },
	{ "too little", ADJUST(.amount = -LIMIT_BALANCE_MAX - 1), -EINVAL, RICH_BALANCE, 0 },
	{ "no such account", ADJUST(.account_id = NOBODY, .amount = 1), -ENOENT, -1, 0 },
	{ "a system account", ADJUST(.account_id = SYSTEM_ACCOUNT_BIT, .amount = 1), -ENOENT, -1,
	    0 },
};

TEST(adjust)
{
	for (unsigned i = 0; i < sizeof(adjustments) / sizeof(adjustments[0]); i++) {
		const struct adjust_case *adjust = &adjustments[i];
		struct wallet wallet;
		int result;

		wallet_make(&wallet);
		result = wallet_command(&wallet, &adjust->command);
		if (result != adjust->result ||
		    wallet_balance(&wallet, adjust->command.account_id) != adjust->balance)
			fail_msg("%s: %d, balance %lld", adjust->name, result,
			    (long long)wallet_balance(&wallet, adjust->command.account_id));
		if (result > 0) {
			assert_int_equal(le64s_get(wallet.record.amount), adjust->amount);
			assert_int_equal(le64_get(wallet.record.object_id), 5);
		}
		wallet_free(&wallet);
	}
}

TEST(adjust_is_done_once_per_number)
{
	struct ledger_command command = ADJUST(.amount = 7, .reason = 42);
	struct wallet wallet;

	wallet_make(&wallet);
	assert_int_equal(wallet_command(&wallet, &command), 1);
	assert_int_equal(le32_get(wallet.record.cashier_id), 42);
	assert_int_equal(wallet_command(&wallet, &command), 0);
	assert_int_equal(wallet_balance(&wallet, RICH), RICH_BALANCE + 7);
	command.control_sequence = 6;
	assert_int_equal(wallet_command(&wallet, &command), 1);
	assert_int_equal(wallet_balance(&wallet, RICH), RICH_BALANCE + 14);
	assert_int_equal(wallet_system(&wallet, SYSTEM_ADJUSTMENT, KRW, 0), -14);
	wallet_free(&wallet);
}

TEST(an_expired_request_names_its_account)
{
	const struct wire_request expired[] = {
		OPEN_ACCOUNT(.account_id = 4711, .deadline_ns = NOW - 1),
		{ .template_id = WIRE_PLAY_SET,
		    .play_set = { .account_id = 4711, .deadline_ns = NOW - 1 } },
	};
	struct wallet wallet;

	wallet_make(&wallet);
	for (size_t i = 0; i < SLUICE_ARRAY_COUNT(expired); i++) {
		assert_case_equal(i, wallet_ask(&wallet, &expired[i]), WIRE_CODE_EXPIRED);
		assert_case_equal(i, le64_get(wallet.record.object_id), 4711);
	}
	wallet_free(&wallet);
}

/* ---- Customers leave rows for what settlements and transfers need ---- */

/* Asks as often as there is room; the number of events. */
static unsigned ask_until_full(struct wallet *wallet, struct wire_request *wire, uint64_t *changes,
    int (*decide)(struct wallet *wallet, const struct wire_request *wire))
{
	unsigned count = 0;
	int length;

	while ((length = decide(wallet, wire)) > 0) {
		wallet_apply(wallet, length);
		++*changes;
		count++;
	}
	assert_int_equal(length, -EBUSY);
	return count;
}

static int decide_request(struct wallet *wallet, const struct wire_request *wire)
{
	struct wire_request request = *wire;
	struct ledger_request asked = { .wire = &request, .terminal_id = wallet->terminal };

	request.request_id = ++wallet->request_id;
	return ledger_decide(wallet->ledger, &asked, wallet->now, &wallet->event);
}

static int decide_command(struct wallet *wallet, const struct wire_request *wire)
{
	const struct ledger_command command = {
		.type = EVENT_ACCOUNT_OPEN,
		.account_id = wire->open_account.account_id,
		.currency = KRW,
	};

	return ledger_decide_command(wallet->ledger, &command, wallet->now, &wallet->event);
}

TEST(a_full_table_still_settles)
{
	enum { ROWS = 1024, KEPT = 64 + 2, BETTOR = 5000 };
	struct wallet wallet = { .now = OPENED, .terminal = TERMINAL };
	struct wire_request open = OPEN_ACCOUNT(.account_id = 10000);
	struct wire_request command_open = OPEN_ACCOUNT(.account_id = 30000);
	struct wire_request deposit = DEPOSIT(.account_id = BETTOR, .amount = 1);
	const struct wire_request bet = BET(.account_id = BETTOR);
	struct ledger_command result = { .type = EVENT_MARKET_RESULT, .market_id = MARKET };
	struct ledger_walk walk = { .market_id = MARKET };
	unsigned made, length;

	wallet.ledger = fixture_create(ROWS, 0);
	assert_true(fixture_account(wallet.ledger, BETTOR, 10000, KRW) > 0);
	assert_true(fixture_market(wallet.ledger, MARKET, 1, 1, MARKET_OPEN, NOW + DAY) > 0);
	wallet.now = NOW;
	assert_int_equal(wallet_ask(&wallet, &bet), WIRE_CODE_OK);
	made = ledger_row_count(wallet.ledger, LEDGER_ACCOUNT);
	/* By terminals, by control, and by deposits at ever new terminals. */
	assert_int_equal(
	    ask_until_full(&wallet, &open, &open.open_account.account_id, decide_request),
	    ROWS - KEPT - made);
	assert_int_equal(ask_until_full(&wallet, &command_open,
	                     &command_open.open_account.account_id, decide_command),
	    0);
	assert_int_equal(ask_until_full(&wallet, &deposit, &wallet.terminal, decide_request), 0);
	assert_int_equal(ledger_accounts_fit(wallet.ledger, 1, 0, KRW, LEDGER_SPARE_NONE), -EBUSY);
	/* A bet that is lost needs HOUSE. */
	result.result.op = RESULT_SET;
	result.result.selection_count = 3;
	result.result.version = le64_make(9);
	for (unsigned i = 0; i < 3; i++)
		result.result.outcomes[4 * i] = i == 1 ? SETTLEMENT_WIN : SETTLEMENT_LOSE;
	assert_int_equal(wallet_command(&wallet, &result), 1);
	length = (unsigned)ledger_walk_next(wallet.ledger, &walk, 9, wallet.now, &wallet.event);
	wallet_apply(&wallet, (int)length);
	assert_int_equal(wallet_system(&wallet, SYSTEM_HOUSE, KRW, 0), 1000);
	ledger_free(wallet.ledger);
}

TEST_MAIN()
