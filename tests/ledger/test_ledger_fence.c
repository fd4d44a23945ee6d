/* SPDX-License-Identifier: Apache-2.0 */
/*
 * REVERSE and FENCE: what must hold besides the cases of test_ledger_reverse.c (world: wallet.h).
 */
#include "tests/ledger/wallet.h"

#define OK             WIRE_CODE_OK
#define NOT_REVERSIBLE WIRE_CODE_NOT_REVERSIBLE
#define RICH_BALANCE   10000000

static void ask_ok(struct wallet *wallet, struct wire_request wire)
{
	assert_int_equal(wallet_ask(wallet, &wire), OK);
}

/* The request before is reversed. */
static void reverse_last(struct wallet *wallet)
{
	const struct event_record target = wallet->record;

	assert_int_equal(wallet_reverse(wallet, wallet->request_id, &target), OK);
}

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
		reverse_last(&wallet);
		assert_case_equal(i, wallet_system(&wallet, SYSTEM_CASH, KRW, TERMINAL), cash);
		assert_case_equal(i, wallet_system(&wallet, SYSTEM_STAKES, KRW, 0), 0);
		assert_case_equal(i, wallet_system(&wallet, SYSTEM_SUSPENSE, KRW, 0), 0);
		assert_case_equal(i, wallet_balance(&wallet, RICH), RICH_BALANCE);
		wallet_free(&wallet);
	}
}

/* The answer names the sender's balance, never the receiver's; what the sender owes is repaid
 * first. */
TEST(transfer_back_is_the_senders_event)
{
	const struct wire_request pay = DEPOSIT(.account_id = OWING, .amount = 1000);
	const struct wire_request transfer = TRANSFER(.from_account = OWING, .amount = 600);
	struct event_record target;
	struct wallet wallet;

	wallet_make(&wallet);
	ask_ok(&wallet, pay);
	ask_ok(&wallet, transfer);
	target = wallet.record;
	assert_int_equal(wallet_reverse(&wallet, wallet.request_id, &target), OK);
	assert_int_equal(le64_get(wallet.record.account_id), OWING);
	assert_int_equal(le64s_get(wallet.record.amount), 600);
	assert_int_equal(le64s_get(wallet.record.balance), 700);
	assert_int_equal(le64_get(wallet.record.object_id), POOR);
	ask_ok(&wallet, transfer);
	target = wallet.record;
	wallet_freeze(&wallet, POOR, 1);
	assert_int_equal(wallet_reverse(&wallet, le64_get(target.request_id), &target),
	    WIRE_CODE_ACCOUNT_FROZEN);
	assert_int_equal(le64_get(wallet.record.account_id), OWING);
	assert_int_equal(le64s_get(wallet.record.balance), 100);
	wallet_free(&wallet);
}

/* The sender came to owe since: the line RECEIVABLE is the sender's. */
TEST(transfer_back_repays_what_the_sender_owes)
{
	const struct wire_request transfer = TRANSFER(.from_account = RICH, .to_account = POOR);
	struct event_record target;
	struct wallet wallet;

	wallet_make(&wallet);
	ask_ok(&wallet, transfer);
	target = wallet.record;
	target.account_id = le64_make(OWING); /* as if it had been theirs */
	assert_int_equal(wallet_reverse(&wallet, wallet.request_id, &target), OK);
	assert_int_equal(wallet_balance(&wallet, OWING), 700);
	assert_int_equal(ledger_account(wallet.ledger, OWING)->owed, 0);
	assert_int_equal(wallet_balance(&wallet, POOR), 500);
	assert_int_equal(wallet_system(&wallet, SYSTEM_RECEIVABLE, KRW, 0), 0);
	wallet_free(&wallet);
}

/* A transfer to another shard is final, one that came back left nothing to reverse. */
TEST(transfer_between_shards)
{
	static const struct {
		uint16_t type, code, expected;
	} cases[] = {
		{ EVENT_TRANSFER_OUT, WIRE_CODE_PENDING, NOT_REVERSIBLE },
		{ EVENT_TRANSFER_DONE, OK, NOT_REVERSIBLE },
		{ EVENT_TRANSFER_DONE, WIRE_CODE_ACCOUNT_UNKNOWN, WIRE_CODE_REQUEST_UNKNOWN },
	};
	const struct wire_request transfer = TRANSFER();

	for (unsigned i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct event_record target;
		struct wallet wallet;

		wallet_make(&wallet);
		ask_ok(&wallet, transfer);
		target = wallet.record;
		target.type = le16_make(cases[i].type);
		target.code = le16_make(cases[i].code);
		assert_case_equal(
		    i, wallet_reverse(&wallet, wallet.request_id, &target), cases[i].expected);
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
	reverse_last(&wallet);
	target = wallet.record;
	assert_int_equal(wallet_reverse(&wallet, wallet.request_id, &target), NOT_REVERSIBLE);
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
	assert_int_equal(wallet_reverse(&wallet, wallet.request_id, &target), NOT_REVERSIBLE);
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
		assert_int_equal(wallet_reverse(&wallet, le64_get(target.request_id), &target), OK);
		wallet.now += hours * HOUR;
		(void)wallet_due(&wallet);
		code = wallet_reverse(&wallet, le64_get(target.request_id), &target);
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
	reverse_last(&wallet);
	ask_ok(&wallet, pay);
	ask_ok(&wallet, bet);
	reverse_last(&wallet);
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
	assert_int_equal(wallet_reverse(&wallet, 1000, NULL), WIRE_CODE_FENCED_NOW);
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
