/* SPDX-License-Identifier: Apache-2.0 */
/* Partners: their settings, and their idempotency keys, one line per step (world: wallet.h). */
#include <errno.h>

#include "tests/ledger/wallet.h"

#define OK     WIRE_CODE_OK
#define KEY(n) .partner_key = { (n), 0xa5 }
#define MINE   .account_id = PARTNERED

/* ---- Keys: a second request with one ---- */

struct key_case {
	const char *name;
	struct wire_request first, second;
	uint16_t first_code, second_code;
	int64_t balance; /* of PARTNERED in the end, from 1,000,000 */
};

static const struct key_case pairs[] = {
	{ "the same", DEPOSIT(MINE, KEY(1)), DEPOSIT(MINE, KEY(1)), OK, WIRE_CODE_REPEATED,
	    1001000 },
	{ "another deadline", DEPOSIT(MINE, KEY(1)), DEPOSIT(MINE, KEY(1), .deadline_ns = NOW), OK,
	    WIRE_CODE_REPEATED, 1001000 },
	{ "another key", DEPOSIT(MINE, KEY(1)), DEPOSIT(MINE, KEY(2)), OK, OK, 1002000 },
	{ "the other half of the key differs", DEPOSIT(MINE, KEY(1)),
	    DEPOSIT(MINE, .partner_key = { 1, 0xa6 }), OK, OK, 1002000 },
	{ "no key", DEPOSIT(MINE), DEPOSIT(MINE), OK, OK, 1002000 },
	{ "another amount", DEPOSIT(MINE, KEY(1)), DEPOSIT(MINE, KEY(1), .amount = 999), OK,
	    WIRE_CODE_KEY_MISMATCH, 1001000 },
	{ "another currency", DEPOSIT(MINE, KEY(1)), DEPOSIT(MINE, KEY(1), .currency = USD), OK,
	    WIRE_CODE_KEY_MISMATCH, 1001000 },
	{ "another message", DEPOSIT(MINE, KEY(1)), WITHDRAW(MINE, KEY(1)), OK,
	    WIRE_CODE_KEY_MISMATCH, 1001000 },
	{ "a withdrawal", WITHDRAW(MINE, KEY(1)), WITHDRAW(MINE, KEY(1)), OK, WIRE_CODE_REPEATED,
	    999000 },
	{ "a withdrawal that waits", WITHDRAW(MINE, KEY(1), .amount = WAITS_FROM),
	    WITHDRAW(MINE, KEY(1), .amount = WAITS_FROM), WIRE_CODE_PENDING, WIRE_CODE_REPEATED,
	    900000 },
	{ "a transfer", TRANSFER(.from_account = PARTNERED, KEY(1)),
	    TRANSFER(.from_account = PARTNERED, KEY(1)), OK, WIRE_CODE_REPEATED, 999000 },
	{ "a transfer to another", TRANSFER(.from_account = PARTNERED, KEY(1)),
	    TRANSFER(.from_account = PARTNERED, KEY(1), .to_account = RICH), OK,
	    WIRE_CODE_KEY_MISMATCH, 999000 },
	{ "a refused one may be tried again", WITHDRAW(MINE, KEY(1), .amount = 99999999),
	    WITHDRAW(MINE, KEY(1)), WIRE_CODE_FUNDS_INSUFFICIENT, OK, 999000 },
	{ "an invalid one keeps no key", DEPOSIT(MINE, KEY(1), .amount = 0), DEPOSIT(MINE, KEY(1)),
	    WIRE_CODE_AMOUNT_INVALID, OK, 1001000 },
	{ "an account of no partner", DEPOSIT(KEY(1)), DEPOSIT(MINE, KEY(1)),
	    WIRE_CODE_PARTNER_UNKNOWN, OK, 1001000 },
	{ "no such account", DEPOSIT(.account_id = NOBODY, KEY(1)), DEPOSIT(MINE, KEY(1)),
	    WIRE_CODE_ACCOUNT_UNKNOWN, OK, 1001000 },
	{ "a blocked partner's", DEPOSIT(.account_id = BARRED, KEY(1)), DEPOSIT(MINE, KEY(1)),
	    WIRE_CODE_PARTNER_BLOCKED, OK, 1001000 },
};

TEST(second_request_with_a_key)
{
	for (unsigned i = 0; i < sizeof(pairs) / sizeof(pairs[0]); i++) {
		const struct key_case *pair = &pairs[i];
		uint16_t first, second;
		struct wallet wallet;

		wallet_make(&wallet);
		first = wallet_ask(&wallet, &pair->first);
		wallet.terminal = TERMINAL + 1; /* partners' servers fail over to each other */
		second = wallet_ask(&wallet, &pair->second);
		if (first != pair->first_code || second != pair->second_code ||
		    wallet_balance(&wallet, PARTNERED) != pair->balance)
			fail_msg("%s: %s, %s, balance %lld", pair->name, wire_code_name(first),
			    wire_code_name(second), (long long)wallet_balance(&wallet, PARTNERED));
		wallet_free(&wallet);
	}
}

TEST(repeated_answer_is_the_first_one)
{
	const struct wire_request wire = WITHDRAW(MINE, KEY(1), .amount = WAITS_FROM);
	struct ledger_command close = { .type = EVENT_WITHDRAW_CLOSE, .flags = EVENT_FLAG_PAID };
	struct wallet wallet;
	uint64_t object_id;

	wallet_make(&wallet);
	assert_int_equal(wallet_ask(&wallet, &wire), WIRE_CODE_PENDING);
	object_id = le64_get(wallet.record.object_id);
	assert_true(object_id != 0);
	/* Nothing is paid while it waits. */
	assert_int_equal(wallet_ask(&wallet, &wire), WIRE_CODE_REPEATED);
	assert_true(le64_get(wallet.record.object_id) == object_id);
	assert_int_equal(le64s_get(wallet.record.payout), 0);
	assert_int_equal(le64s_get(wallet.record.balance), 1000000 - WAITS_FROM);
	close.object_id = object_id;
	assert_int_equal(wallet_command(&wallet, &close), 1);
	assert_int_equal(wallet_ask(&wallet, &wire), WIRE_CODE_REPEATED);
	assert_true(le64_get(wallet.record.object_id) == object_id);
	assert_int_equal(le64s_get(wallet.record.payout), WAITS_FROM);
	assert_int_equal(le64s_get(wallet.record.balance), 1000000 - WAITS_FROM);
	/* As long as the key is kept it is known what became of it. */
	wallet.now += 86399 * 1000000000ull;
	(void)wallet_due(&wallet);
	assert_int_equal(wallet_ask(&wallet, &wire), WIRE_CODE_REPEATED);
	assert_int_equal(le64s_get(wallet.record.payout), WAITS_FROM);
	wallet_free(&wallet);
}

/* Rejected, or timed out: a partner's other server must not hear that it was paid. */
TEST(a_key_of_a_withdrawal_that_came_to_nothing_says_so)
{
	for (unsigned timed_out = 0; timed_out <= 1; timed_out++) {
		const struct wire_request wire = WITHDRAW(MINE, KEY(1), .amount = WAITS_FROM);
		struct ledger_command close = { .type = EVENT_WITHDRAW_CLOSE };
		struct wallet wallet;

		wallet_make(&wallet);
		assert_case_equal(timed_out, wallet_ask(&wallet, &wire), WIRE_CODE_PENDING);
		close.object_id = le64_get(wallet.record.object_id);
		if (timed_out) {
			wallet.now += TIMEOUT_S * 1000000000ull;
			assert_case_equal(timed_out, wallet_due(&wallet) > 0, 1);
		} else {
			assert_case_equal(timed_out, wallet_command(&wallet, &close), 1);
		}
		assert_case_equal(timed_out, wallet_balance(&wallet, PARTNERED), 1000000);
		wallet.terminal = TERMINAL + 1;
		assert_case_equal(
		    timed_out, wallet_ask(&wallet, &wire), WIRE_CODE_WITHDRAWAL_CLOSED);
		assert_case_equal(timed_out, le64s_get(wallet.record.payout), 0);
		assert_case_equal(timed_out, wallet_balance(&wallet, PARTNERED), 1000000);
		wallet_free(&wallet);
	}
}

/* The money went back: the key must not say that it is there, nor pay it again. */
TEST(a_key_whose_request_was_reversed_says_so)
{
	static const struct {
		struct wire_request wire;
		uint16_t code;
	} cases[] = {
		{ DEPOSIT(MINE, KEY(1)), OK },
		{ WITHDRAW(MINE, KEY(1)), OK },
		{ WITHDRAW(MINE, KEY(1), .amount = WAITS_FROM), WIRE_CODE_PENDING },
		{ TRANSFER(.from_account = PARTNERED, KEY(1)), OK },
	};

	for (unsigned i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct wire_request other = cases[i].wire;
		struct event_record target;
		struct wallet wallet;

		wallet_make(&wallet);
		assert_case_equal(i, wallet_ask(&wallet, &cases[i].wire), cases[i].code);
		target = wallet.record;
		assert_case_equal(i, wallet_ask(&wallet, &cases[i].wire), WIRE_CODE_REPEATED);
		assert_case_equal(
		    i, wallet_reverse(&wallet, le64_get(target.request_id), &target), OK);
		wallet.terminal = TERMINAL + 1;
		assert_case_equal(
		    i, wallet_ask(&wallet, &cases[i].wire), WIRE_CODE_REVERSED_BEFORE);
		assert_case_equal(i, wallet_balance(&wallet, PARTNERED), 1000000);
		assert_case_equal(i, le64s_get(wallet.record.payout), 0);
		if (other.template_id == WIRE_TRANSFER)
			other.transfer.amount++;
		else
			other.deposit.amount++;
		assert_case_equal(i, wallet_ask(&wallet, &other), WIRE_CODE_KEY_MISMATCH);
		wallet_free(&wallet);
	}
}

/* The account is part of the key, here as on another shard: the second account's request is new. */
TEST(key_with_another_account_is_another_request)
{
	const struct wire_request requests[] = {
		DEPOSIT(MINE, KEY(1)),
		DEPOSIT(.account_id = 200, KEY(1)),
		DEPOSIT(.account_id = 200, KEY(1), .amount = 999),
		WITHDRAW(.account_id = 200, KEY(1)),
		TRANSFER(.from_account = 201, .to_account = 200, KEY(1)),
		TRANSFER(.from_account = 201, .to_account = RICH, KEY(1)),
	};
	static const uint16_t codes[] = { OK, OK, WIRE_CODE_KEY_MISMATCH, WIRE_CODE_KEY_MISMATCH,
		OK, WIRE_CODE_KEY_MISMATCH };
	const struct wire_request some = DEPOSIT(.account_id = 201);
	struct wallet wallet;

	wallet_make(&wallet);
	wallet_open_partnered(&wallet, 200, PARTNER);
	wallet_open_partnered(&wallet, 201, PARTNER);
	assert_int_equal(wallet_ask(&wallet, &some), OK);
	for (unsigned i = 0; i < SLUICE_ARRAY_COUNT(requests); i++)
		assert_case_equal(i, wallet_ask(&wallet, &requests[i]), codes[i]);
	assert_int_equal(wallet_balance(&wallet, 200), 2000);
	assert_int_equal(wallet_balance(&wallet, 201), 0);
	wallet_free(&wallet);
}

/* A key as older logs have it: its id is hashed without the account. */
static uint64_t older_key_load(struct wallet *wallet, const struct wire_request *wire)
{
	const struct object_row *made;
	struct object_key key, older;
	struct object_row row;
	struct wallet twin;

	wallet_make(&twin);
	assert_int_equal(wallet_ask(&twin, wire), OK);
	key = (struct object_key){ .kind = OBJECT_PARTNER_KEY,
		.words = { 1, 0xa5, PARTNER, PARTNERED } };
	made = ledger_object_by_key(twin.ledger, &key);
	assert_non_null(made);
	row = *made;
	older = key;
	older.words[3] = 0;
	row.id = object_key_hash(&older);
	assert_true(row.id != made->id);
	assert_int_equal(ledger_load_object(wallet->ledger, &row), 0);
	wallet_free(&twin);
	return row.id;
}

TEST(keys_of_older_logs_are_found)
{
	const struct wire_request wire = DEPOSIT(MINE, KEY(1));
	const struct wire_request less = DEPOSIT(MINE, KEY(1), .amount = 999);
	const struct wire_request other = DEPOSIT(.account_id = 200, KEY(1));
	struct wallet wallet;
	uint64_t id;

	wallet_make(&wallet);
	wallet_open_partnered(&wallet, 200, PARTNER);
	id = older_key_load(&wallet, &wire);
	assert_int_equal(wallet_ask(&wallet, &wire), WIRE_CODE_REPEATED);
	assert_int_equal(wallet_ask(&wallet, &less), WIRE_CODE_KEY_MISMATCH);
	assert_int_equal(wallet_ask(&wallet, &other), OK);
	assert_int_equal(wallet_ask(&wallet, &other), WIRE_CODE_REPEATED);
	wallet.now += DAY;
	assert_true(wallet_due(&wallet) > 0);
	assert_null(ledger_object(wallet.ledger, id));
	assert_int_equal(wallet_ask(&wallet, &wire), OK);
	assert_int_equal(wallet_balance(&wallet, PARTNERED), 1001000);
	wallet_free(&wallet);
}

/* Keys of one account do not meet another partner's. */
TEST(key_is_the_partners_own)
{
	const struct wire_request mine = DEPOSIT(MINE, KEY(1));
	const struct wire_request other = DEPOSIT(.account_id = 200, KEY(1), .amount = 5);
	struct ledger_command command = wallet_partner(7, 1, KEYS_MAX, 0);
	struct wallet wallet;

	wallet_make(&wallet);
	assert_int_equal(wallet_command(&wallet, &command), 1);
	wallet_open_partnered(&wallet, 200, 7);
	assert_int_equal(wallet_ask(&wallet, &mine), OK);
	assert_int_equal(wallet_ask(&wallet, &other), OK);
	wallet_free(&wallet);
}

TEST(quota_counts_held_keys_until_they_retire)
{
	struct wire_request wire = DEPOSIT(MINE);
	struct wallet wallet;

	wallet_make(&wallet);
	for (uint64_t i = 1; i <= KEYS_MAX; i++) {
		wire.deposit.partner_key[0] = i;
		assert_int_equal(wallet_ask(&wallet, &wire), OK);
	}
	wire.deposit.partner_key[0] = KEYS_MAX + 1;
	assert_int_equal(wallet_ask(&wallet, &wire), WIRE_CODE_PARTNER_QUOTA);
	/* Held ones are answered all the same; without a key there is no quota. */
	wire.deposit.partner_key[0] = 1;
	assert_int_equal(wallet_ask(&wallet, &wire), WIRE_CODE_REPEATED);
	wire.deposit.partner_key[0] = 0;
	assert_int_equal(wallet_ask(&wallet, &wire), OK);
	wallet.now += DAY - 1;
	(void)wallet_due(&wallet);
	wire.deposit.partner_key[0] = 1;
	assert_int_equal(wallet_ask(&wallet, &wire), WIRE_CODE_REPEATED);
	wallet.now += 1;
	assert_true(wallet_due(&wallet) > 0);
	assert_int_equal(wallet_ask(&wallet, &wire), OK);
	wallet_free(&wallet);
}

/* How many are held follows from the rows: a copy and an undone group count the same. */
TEST(quota_counts_in_a_copy_and_after_an_undone_group)
{
	struct ledger_config config = fixture_config(256, 0);
	struct wire_request wire = DEPOSIT(MINE);
	struct wallet wallet;
	struct ledger *first;

	wallet_make(&wallet);
	for (uint64_t i = 1; i <= KEYS_MAX; i++) {
		wire.deposit.partner_key[0] = i;
		if (i == 2) {
			ledger_group_begin(wallet.ledger);
			assert_int_equal(wallet_ask(&wallet, &wire), OK);
			ledger_group_undo(wallet.ledger);
			wallet_check(&wallet);
		}
		assert_int_equal(wallet_ask(&wallet, &wire), OK);
	}
	first = wallet.ledger;
	wallet.ledger = ledger_create(&config);
	assert_non_null(wallet.ledger);
	assert_int_equal(ledger_copy(wallet.ledger, first), 0);
	ledger_free(first);
	assert_int_equal(wallet_ask(&wallet, &wire), WIRE_CODE_REPEATED);
	wire.deposit.partner_key[0] = KEYS_MAX + 1;
	assert_int_equal(wallet_ask(&wallet, &wire), WIRE_CODE_PARTNER_QUOTA);
	wallet_free(&wallet);
}

TEST(quota_is_shared_by_the_shards)
{
	static const struct {
		uint32_t shards, keys_max, allowed;
	} cases[] = { { 1, 3, 3 }, { 4, 4, 1 }, { 4, 5, 2 }, { 4, 1, 1 }, { 2, 3, 2 },
		{ 1, 0, 0 } };

	for (unsigned i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct ledger_config config = fixture_config(64, 0);
		struct ledger_command partner = wallet_partner(PARTNER, 1, cases[i].keys_max, 0);
		struct wire_request wire = DEPOSIT(MINE);
		struct wallet wallet = { .now = NOW, .terminal = TERMINAL };
		uint32_t done = 0;

		config.shard_count = cases[i].shards;
		wallet.ledger = ledger_create(&config);
		assert_int_equal(wallet_command(&wallet, &partner), 1);
		wallet_open_partnered(&wallet, PARTNERED, PARTNER);
		for (uint64_t key = 1; key <= 5; key++) {
			uint16_t code;

			wire.deposit.partner_key[0] = key;
			code = wallet_ask(&wallet, &wire);
			done += code == OK;
			assert_case_equal(
			    i, code, key <= cases[i].allowed ? OK : WIRE_CODE_PARTNER_QUOTA);
		}
		assert_case_equal(i, done, cases[i].allowed);
		wallet_free(&wallet);
	}
}

/* Without room for its key nothing of the request is carried out. */
TEST(key_without_room)
{
	struct ledger_config config = fixture_config(64, 0);
	struct ledger_command partner = wallet_partner(PARTNER, 1, KEYS_MAX, 0);
	struct wire_request wire = DEPOSIT(MINE, KEY(1));
	struct ledger_request asked = { .wire = &wire, .terminal_id = TERMINAL };
	struct wallet wallet = { .now = NOW, .terminal = TERMINAL };

	config.objects_max = 1;
	wallet.ledger = ledger_create(&config);
	assert_non_null(wallet.ledger);
	assert_int_equal(wallet_command(&wallet, &partner), 1);
	wallet_open_partnered(&wallet, PARTNERED, PARTNER);
	wire.request_id = ++wallet.request_id;
	assert_int_equal(ledger_decide(wallet.ledger, &asked, wallet.now, &wallet.event), -EBUSY);
	wire.deposit.partner_key[0] = wire.deposit.partner_key[1] = 0;
	assert_int_equal(wallet_ask(&wallet, &wire), OK);
	wallet_free(&wallet);
}

/* ---- PARTNER_SET ---- */

struct set_case {
	const char *name;
	uint64_t partner;
	struct object_partner body;
	int result;
};
#define V(n)   .version = { SLUICE_LE64(n) }
#define CUR(n) .currency = { SLUICE_LE16(n) }
#define EXP(n) .exposure_max = { SLUICE_LE64(n) }

static const struct set_case sets[] = {
	{ "a new one", 9, { V(1), CUR(KRW), EXP(5000) }, 1 },
	{ "without limits or currency", 9, { V(1) }, 1 },
	{ "the greatest number", LIMIT_PARTNER_ID_MAX, { V(1), CUR(KRW) }, 1 },
	{ "a newer version", PARTNER, { V(2), CUR(KRW) }, 1 },
	{ "the same version", PARTNER, { V(1), CUR(KRW) }, 0 },
	{ "an older version", PARTNER_BARRED, { V(1), CUR(KRW) }, 0 },
	{ "blocked", PARTNER, { V(2), CUR(KRW), .blocked = 1 }, 1 },
	{ "number 0", 0, { V(1), CUR(KRW) }, -EINVAL },
	{ "a number too great", LIMIT_PARTNER_ID_MAX + 1, { V(1), CUR(KRW) }, -EINVAL },
	{ "version 0", 9, { CUR(KRW) }, -EINVAL },
	{ "blocked twice", 9, { V(1), CUR(KRW), .blocked = 2 }, -EINVAL },
	{ "a limit without currency", 9, { V(1), EXP(1) }, -EINVAL },
	{ "no such currency", 9, { V(1), CUR(1000) }, -EINVAL },
	{ "a negative limit", 9, { V(1), CUR(KRW), EXP((uint64_t)-1) }, -EINVAL },
	{ "a limit too great", 9, { V(1), CUR(KRW), EXP(LIMIT_BALANCE_MAX + 1) }, -EINVAL },
};

TEST(partner_set)
{
	for (unsigned i = 0; i < sizeof(sets) / sizeof(sets[0]); i++) {
		struct ledger_command command = { .type = EVENT_PARTNER_SET,
			.object_id = sets[i].partner,
			.partner = sets[i].body };
		struct object_key key = { .kind = OBJECT_PARTNER, .words = { sets[i].partner } };
		const struct object_row *row;
		struct wallet wallet;
		int result;

		wallet_make(&wallet);
		result = wallet_command(&wallet, &command);
		if (result != sets[i].result)
			fail_msg("%s: %d", sets[i].name, result);
		row = ledger_object_by_key(wallet.ledger, &key);
		if (result == 1) {
			assert_non_null(row);
			assert_memory_equal(row->body, &sets[i].body, sizeof(sets[i].body));
			assert_int_equal(row->partner_id, sets[i].partner);
		}
		wallet_free(&wallet);
	}
}

/* What leases moved is this shard's own, and judged cases are none of its settings: no version of
 * control's changes them. */
TEST(partner_set_keeps_what_leases_moved_and_judged_cases)
{
	struct ledger_command command = wallet_partner(11, 2, KEYS_MAX, 0);
	struct object_row loaded = {
		.kind = OBJECT_PARTNER, .state = OBJECT_OPEN, .currency = KRW, .partner_id = 11
	};
	struct object_partner body = { V(1), CUR(KRW), .credit_moved = { SLUICE_LE64(-77) },
		.feedback = { .confirmed = { SLUICE_LE16(3) }, .dismissed = { SLUICE_LE16(4) } } };
	struct object_key key = { .kind = OBJECT_PARTNER, .words = { 11 } };
	struct wallet wallet;

	wallet_make(&wallet);
	loaded.id = object_key_hash(&key);
	memcpy(loaded.body, &body, sizeof(body));
	assert_int_equal(ledger_load_object(wallet.ledger, &loaded), 0);
	command.partner.currency = le16_make(USD);
	command.partner.feedback.confirmed = le16_make(9); /* whoever says so */
	assert_int_equal(wallet_command(&wallet, &command), 1);
	memcpy(&body, ledger_object_by_key(wallet.ledger, &key)->body, sizeof(body));
	assert_int_equal(le64s_get(body.credit_moved), -77);
	assert_int_equal(le16_get(body.feedback.confirmed), 3);
	assert_int_equal(le16_get(body.feedback.dismissed), 4);
	assert_int_equal(le64_get(body.version), 2);
	wallet_free(&wallet);
}

TEST_MAIN()
