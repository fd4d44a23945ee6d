/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Responsible play. Most tests are scripts: one line per step with what time passes before it and
 * the code it must get (world: wallet.h). NOW is a Friday, 09:00 at the operator's; the next day
 * begins 15 hours later, the next week 63.
 */
#include <errno.h>

#include "tests/ledger/wallet.h"

#define OK        WIRE_CODE_OK
#define NONE      (-1)
#define NEXT_DAY  (15 * HOUR)
#define NEXT_WEEK (63 * HOUR)
#define ALL_NONE  .limits = { NONE, NONE, NONE, NONE, NONE, NONE }

#define PLAY_SET(...)                                                                              \
	{                                                                                          \
		.template_id = WIRE_PLAY_SET, .play_set = {                                        \
			.account_id = RICH,                                                        \
			.deadline_ns = NO_DEADLINE,                                                \
			ALL_NONE,                                                                  \
			__VA_ARGS__                                                                \
		}                                                                                  \
	}
#define LIMITS(...)         .limits = { __VA_ARGS__ }
#define DEPOSITS(day, week) LIMITS(day, week, NONE, NONE, NONE, NONE)
#define STAKES(day, week)   LIMITS(NONE, NONE, day, week, NONE, NONE)
#define LOSSES(day, week)   LIMITS(NONE, NONE, NONE, NONE, day, week)
#define STAKE(n)            BET(.stake = (n))
#define PAY(n)              DEPOSIT(.amount = (n))

enum { NEW_WORLD = 1, CANCEL_LAST = 2 };

struct step {
	const char *name;
	unsigned flags;
	uint64_t wait_ns;
	struct wire_request wire;
	uint16_t code;
};

static const struct step steps[] = {
	{ "no limits", NEW_WORLD, 0, PAY(1000000), OK },

	{ "deposits: 5,000 a day", NEW_WORLD, 0, PLAY_SET(DEPOSITS(5000, NONE)), OK },
	{ "below", 0, 0, PAY(3000), OK },
	{ "one above", 0, 0, PAY(2001), WIRE_CODE_LIMIT_DEPOSIT },
	{ "just reached", 0, 0, PAY(2000), OK },
	{ "nothing left", 0, 0, PAY(1), WIRE_CODE_LIMIT_DEPOSIT },
	{ "stakes are not deposits", 0, 0, STAKE(9000), OK },
	{ "the day's last moment", 0, NEXT_DAY - 1, PAY(1), WIRE_CODE_LIMIT_DEPOSIT },
	{ "the next day", 0, 1, PAY(5000), OK },

	{ "deposits: 6,000 a week", NEW_WORLD, 0, PLAY_SET(DEPOSITS(NONE, 6000)), OK },
	{ "the whole week's", 0, 0, PAY(6000), OK },
	{ "the next day", 0, NEXT_DAY, PAY(1), WIRE_CODE_LIMIT_DEPOSIT },
	{ "Sunday's last moment", 0, NEXT_WEEK - NEXT_DAY - 1, PAY(1), WIRE_CODE_LIMIT_DEPOSIT },
	{ "Monday", 0, 1, PAY(6000), OK },

	{ "deposits: none at all", NEW_WORLD, 0, PLAY_SET(DEPOSITS(0, NONE)), OK },
	{ "one unit", 0, 0, PAY(1), WIRE_CODE_LIMIT_DEPOSIT },
	{ "withdrawals have no limit", 0, 0, WITHDRAW(.amount = 50000), OK },

	{ "a refused deposit does not count", NEW_WORLD, 0, PLAY_SET(DEPOSITS(5000, NONE)), OK },
	{ "refused", 0, 0, DEPOSIT(.amount = 5000, .currency = USD), WIRE_CODE_CURRENCY_MISMATCH },
	{ "taken", 0, 0, PAY(5000), OK },

	{ "stakes: 2,000 a day", NEW_WORLD, 0, PLAY_SET(STAKES(2000, NONE)), OK },
	{ "below", 0, 0, STAKE(1000), OK },
	{ "one above", 0, 0, STAKE(1001), WIRE_CODE_LIMIT_STAKE },
	{ "just reached", 0, 0, STAKE(1000), OK },
	{ "deposits are not stakes", 0, 0, PAY(5000), OK },
	{ "cancelled, it no longer counts", CANCEL_LAST, 0, STAKE(1000), OK },
	{ "and again reached", 0, 0, STAKE(1), WIRE_CODE_LIMIT_STAKE },
	{ "the next day", 0, NEXT_DAY, STAKE(2000), OK },

	{ "stakes before there are limits count", NEW_WORLD, 0, STAKE(1500), OK },
	{ "2,000 a day", 0, 0, PLAY_SET(STAKES(2000, NONE)), OK },
	{ "one above", 0, 0, STAKE(501), WIRE_CODE_LIMIT_STAKE },
	{ "just reached", 0, 0, STAKE(500), OK },

	{ "stakes: 3,000 a week", NEW_WORLD, 0, PLAY_SET(STAKES(NONE, 3000)), OK },
	{ "all of it", 0, 0, STAKE(3000), OK },
	{ "the next day", 0, NEXT_DAY, STAKE(1), WIRE_CODE_LIMIT_STAKE },

	{ "losses: 500 a day", NEW_WORLD, 0, PLAY_SET(LOSSES(500, NONE)), OK },
	{ "a stake that cannot be lost", 0, 0, STAKE(501), WIRE_CODE_LIMIT_LOSS },
	{ "one that can", 0, 0, STAKE(500), OK },
	{ "which is lost until it is not", 0, 0, STAKE(1), WIRE_CODE_LIMIT_LOSS },
	{ "cancelled", CANCEL_LAST, 0, STAKE(500), OK },
	{ "the next day", 0, NEXT_DAY, STAKE(500), OK },
	{ "losses: 400 a week", NEW_WORLD, 0, PLAY_SET(LOSSES(NONE, 400)), OK },
	{ "one above", 0, 0, STAKE(401), WIRE_CODE_LIMIT_LOSS },
	{ "in parts", 0, 0, STAKE(200), OK },
	{ "the next day", 0, NEXT_DAY, STAKE(200), OK },
	{ "nothing left", 0, 0, STAKE(1), WIRE_CODE_LIMIT_LOSS },
	{ "stakes before there are limits are no losses", NEW_WORLD, 0, STAKE(1500), OK },
	{ "500 a day", 0, 1, PLAY_SET(LOSSES(500, NONE)), OK },
	{ "nor, cancelled, do they give room", CANCEL_LAST, 0, STAKE(501), WIRE_CODE_LIMIT_LOSS },
	{ "just reached", 0, 0, STAKE(500), OK },

	{ "excluded for two hours", NEW_WORLD, 0,
	    PLAY_SET(ALL_NONE, .excluded_until_ns = NOW + 2 * HOUR), OK },
	{ "no bet", 0, 0, STAKE(1000), WIRE_CODE_SELF_EXCLUDED },
	{ "no deposit", 0, 0, PAY(1000), WIRE_CODE_SELF_EXCLUDED },
	{ "but the money out", 0, 0, WITHDRAW(), OK },
	{ "never shortened", 0, 0, PLAY_SET(ALL_NONE, .excluded_until_ns = NOW + HOUR), OK },
	{ "nor forgotten", 0, 0, PLAY_SET(ALL_NONE), OK },
	{ "after one hour", 0, HOUR, STAKE(1000), WIRE_CODE_SELF_EXCLUDED },
	{ "the last moment", 0, HOUR - 1, STAKE(1000), WIRE_CODE_SELF_EXCLUDED },
	{ "over", 0, 1, STAKE(1000), OK },

	{ "excluded for ever", NEW_WORLD, 0, PLAY_SET(ALL_NONE, .excluded_until_ns = UINT64_MAX),
	    OK },
	{ "years later", 0, 2000 * DAY, PAY(1000), WIRE_CODE_SELF_EXCLUDED },

	{ "a break of an hour", NEW_WORLD, 0, PLAY_SET(ALL_NONE, .cooloff_until_ns = NOW + HOUR),
	    OK },
	{ "no bet", 0, 0, STAKE(1000), WIRE_CODE_COOLING_OFF },
	{ "no deposit", 0, 0, PAY(1000), WIRE_CODE_COOLING_OFF },
	{ "never shortened", 0, 0, PLAY_SET(ALL_NONE, .cooloff_until_ns = NOW + 1), OK },
	{ "excluded besides", 0, 1, PLAY_SET(ALL_NONE, .excluded_until_ns = NOW + 10 * SECOND),
	    OK },
	{ "exclusion comes first", 0, 0, STAKE(1000), WIRE_CODE_SELF_EXCLUDED },
	{ "then the break", 0, 10 * SECOND, STAKE(1000), WIRE_CODE_COOLING_OFF },
	{ "over", 0, HOUR - 10 * SECOND, STAKE(1000), OK },

	{ "a limit", NEW_WORLD, 0, PLAY_SET(DEPOSITS(5000, NONE)), OK },
	{ "raised", 0, 0, PLAY_SET(DEPOSITS(9000, NONE)), OK },
	{ "not yet", 0, 0, PAY(5001), WIRE_CODE_LIMIT_DEPOSIT },
	{ "lower at once", 0, HOUR, PLAY_SET(DEPOSITS(4000, NONE)), OK },
	{ "acts", 0, 0, PAY(4001), WIRE_CODE_LIMIT_DEPOSIT },
	{ "and the higher one is off", 0, 2 * DAY, PAY(4001), WIRE_CODE_LIMIT_DEPOSIT },

	{ "a limit", NEW_WORLD, 0, PLAY_SET(DEPOSITS(5000, NONE)), OK },
	{ "raised", 0, 0, PLAY_SET(DEPOSITS(9000, NONE)), OK },
	{ "the same again does not begin anew", 0, HOUR, PLAY_SET(DEPOSITS(9000, NONE)), OK },
	{ "nor does less", 0, HOUR, PLAY_SET(DEPOSITS(8000, NONE)), OK },
	{ "the delay's last moment", 0, 22 * HOUR - 1, PAY(5001), WIRE_CODE_LIMIT_DEPOSIT },
	{ "over", 0, 1, PAY(8000), OK },

	{ "a limit", NEW_WORLD, 0, PLAY_SET(DEPOSITS(5000, NONE)), OK },
	{ "raised", 0, 0, PLAY_SET(DEPOSITS(9000, NONE)), OK },
	{ "more: the delay begins anew", 0, HOUR, PLAY_SET(DEPOSITS(NONE, NONE)), OK },
	{ "a day after the first", 0, 23 * HOUR, PAY(5001), WIRE_CODE_LIMIT_DEPOSIT },
	{ "a day after the second", 0, HOUR, PAY(1000000), OK },

	{ "no such account", NEW_WORLD, 0, PLAY_SET(ALL_NONE, .account_id = NOBODY),
	    WIRE_CODE_ACCOUNT_UNKNOWN },
	{ "deadline over", 0, 0, PLAY_SET(ALL_NONE, .deadline_ns = NOW - 1), WIRE_CODE_EXPIRED },
	{ "below none", 0, 0, PLAY_SET(DEPOSITS(-2, NONE)), WIRE_CODE_AMOUNT_INVALID },
	{ "too much", 0, 0, PLAY_SET(LOSSES(NONE, LIMIT_BALANCE_MAX + 1)),
	    WIRE_CODE_AMOUNT_INVALID },
	{ "a frozen account", 0, 0, PLAY_SET(DEPOSITS(1, NONE), .account_id = FROZEN), OK },
	{ "in dollars", 0, 0, PLAY_SET(DEPOSITS(1, NONE), .account_id = DOLLARS), OK },
	{ "cents count", 0, 0, DEPOSIT(.account_id = DOLLARS, .currency = USD, .amount = 2),
	    WIRE_CODE_LIMIT_DEPOSIT },
	{ "nothing wanted", 0, 0, PLAY_SET(ALL_NONE, .account_id = POOR), OK },
};

static void cancel_last(struct wallet *wallet, uint64_t bet_id)
{
	const struct wire_request wire = { .template_id = WIRE_CANCEL_BET,
		.cancel_bet = { .bet_id = bet_id, .deadline_ns = NO_DEADLINE } };

	assert_int_equal(wallet_ask(wallet, &wire), OK);
}

TEST(scripts)
{
	struct wallet wallet = { 0 };
	uint64_t bet_id = 0;

	for (unsigned i = 0; i < sizeof(steps) / sizeof(steps[0]); i++) {
		const struct step *step = &steps[i];
		uint16_t code;

		if (step->flags & NEW_WORLD) {
			if (wallet.ledger != NULL)
				wallet_free(&wallet);
			wallet_make(&wallet);
		}
		wallet.now += step->wait_ns;
		(void)wallet_due(&wallet);
		if (step->flags & CANCEL_LAST)
			cancel_last(&wallet, bet_id);
		code = wallet_ask(&wallet, &step->wire);
		if (code != step->code)
			fail_msg("step %u, %s: %s, expected %s", i, step->name,
			    wire_code_name(code), wire_code_name(step->code));
		if (step->wire.template_id == WIRE_PLACE_BET && code == OK)
			bet_id = le64_get(wallet.record.object_id);
	}
	wallet_free(&wallet);
}

/* ---- Losses count from stakes; what comes back counts against the stake's day ---- */

static void walk(struct wallet *wallet)
{
	struct ledger_walk walk = { .market_id = MARKET };
	int length;

	while ((length = ledger_walk_next(
	            wallet->ledger, &walk, 100, wallet->now, &wallet->event)) != 0)
		if (length != -EAGAIN)
			wallet_apply(wallet, length);
}

static void market_result(struct wallet *wallet, uint64_t version, uint8_t first)
{
	struct ledger_command close =
	    fixture_market_command(MARKET, 1, version, MARKET_CLOSED, NOW + DAY);
	struct ledger_command command = { .type = EVENT_MARKET_RESULT, .market_id = MARKET };
	struct settlement_outcomes_disk outcomes = { 0 };

	assert_int_equal(wallet_command(wallet, &close), 1);
	for (unsigned i = 0; i < 3; i++)
		outcomes.of[i].kind = i == first ? SETTLEMENT_WIN : SETTLEMENT_LOSE;
	command.result.op = RESULT_SET;
	command.result.selection_count = 3;
	command.result.version = le64_make(version + 1);
	memcpy(command.result.outcomes, &outcomes, sizeof(outcomes));
	assert_int_equal(wallet_command(wallet, &command), 1);
	walk(wallet);
}

static int64_t lost_in(const struct wallet *wallet, unsigned period)
{
	struct object_key key = { .kind = OBJECT_PLAY_COUNTERS, .words = { RICH } };
	struct object_play_counters counters;

	memcpy(&counters, ledger_object_by_key(wallet->ledger, &key)->body, sizeof(counters));
	return le64s_get(counters.lost[period]);
}

static int64_t lost_today(const struct wallet *wallet)
{
	return lost_in(wallet, 0);
}

TEST(open_bets_cannot_pass_a_loss_limit)
{
	const struct wire_request set = PLAY_SET(LOSSES(1000, NONE));
	const struct wire_request bet = STAKE(300);
	struct wallet wallet;
	unsigned taken = 0;

	wallet_make(&wallet);
	assert_int_equal(wallet_ask(&wallet, &set), OK);
	for (unsigned i = 0; i < 20; i++)
		taken += wallet_ask(&wallet, &bet) == OK;
	assert_int_equal(taken, 3);
	assert_int_equal(wallet_ask(&wallet, &bet), WIRE_CODE_LIMIT_LOSS);
	wallet_free(&wallet);
}

/* A deposit taken back makes room where it took some: not before the limits, not in another week.
 */
TEST(a_reversed_deposit_gives_back_what_it_counted)
{
	static const struct {
		int before; /* the limits were set before it */
		uint64_t wait_ns;
		uint16_t code; /* of as much again */
	} cases[] = {
		{ 1, 0, OK },
		{ 0, 0, WIRE_CODE_LIMIT_DEPOSIT },
		{ 1, NEXT_DAY, OK },
	};
	const struct wire_request set = PLAY_SET(DEPOSITS(NONE, 1000)), pay = PAY(1000);

	for (unsigned i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct event_record target;
		struct wallet wallet;

		wallet_make(&wallet);
		if (cases[i].before)
			assert_int_equal(wallet_ask(&wallet, &set), OK);
		wallet.now += 1000;
		assert_int_equal(wallet_ask(&wallet, &pay), OK);
		target = wallet.record;
		wallet.now += 1000;
		if (!cases[i].before) {
			assert_int_equal(wallet_ask(&wallet, &set), OK);
			wallet.now += 1000;
			assert_int_equal(wallet_ask(&wallet, &pay), OK);
		}
		wallet.now += cases[i].wait_ns;
		assert_case_equal(
		    i, wallet_reverse(&wallet, le64_get(target.request_id), &target), OK);
		assert_case_equal(i, wallet_ask(&wallet, &pay), cases[i].code);
		wallet_free(&wallet);
	}
}

/* Result, rollback and void, on the day of the stake, later in its week, and in a later one. */
TEST(what_comes_back_belongs_to_the_day_and_week_of_the_stake)
{
	static const struct {
		uint64_t wait_ns;
		int64_t day, week;
	} cases[] = {
		{ 0, -1000, -1000 },
		{ NEXT_DAY, 0, -1000 },
		{ NEXT_WEEK, 0, 0 },
	};
	const struct wire_request set = PLAY_SET(LOSSES(5000, NONE));
	const struct wire_request bet = STAKE(1000);

	for (unsigned i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct ledger_command back = { .type = EVENT_MARKET_RESULT, .market_id = MARKET };
		struct ledger_command voided = { .type = EVENT_BET_VOID };
		const struct wire_request pay = PAY(1);
		struct wallet wallet;

		wallet_make(&wallet);
		assert_int_equal(wallet_ask(&wallet, &set), OK);
		assert_int_equal(wallet_ask(&wallet, &bet), OK);
		voided.object_id = le64_get(wallet.record.object_id);
		assert_case_equal(i, lost_today(&wallet), 1000);
		wallet.now += cases[i].wait_ns;
		/* A deposit writes the counters of the day. */
		assert_int_equal(wallet_ask(&wallet, &pay), OK);
		market_result(&wallet, 10, 0);
		assert_case_equal(i, lost_in(&wallet, 0), cases[i].day);
		assert_case_equal(i, lost_in(&wallet, 1), cases[i].week);
		back.result.op = RESULT_ROLLBACK;
		back.result.selection_count = 3;
		back.result.version = le64_make(20);
		assert_int_equal(wallet_command(&wallet, &back), 1);
		walk(&wallet);
		assert_case_equal(i, lost_in(&wallet, 0), cases[i].wait_ns == 0 ? 1000 : 0);
		assert_case_equal(i, lost_in(&wallet, 1), cases[i].wait_ns < NEXT_WEEK ? 1000 : 0);
		assert_int_equal(wallet_command(&wallet, &voided), 1);
		assert_case_equal(i, lost_in(&wallet, 0), 0);
		assert_case_equal(i, lost_in(&wallet, 1), 0);
		wallet_free(&wallet);
	}
}

TEST(losses_count_from_settlements)
{
	static const struct {
		uint8_t winner;
		int64_t lost, allowed;
	} cases[] = { { 1, 1000, 500 }, { 0, -1000, 2500 } };
	const struct wire_request set = PLAY_SET(LOSSES(1500, NONE));
	const struct wire_request bet = STAKE(1000);

	for (unsigned i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct wire_request more = BET(.legs = { { .market_id = 2, .odds = 2000 } });
		struct wallet wallet;

		wallet_make(&wallet);
		assert_int_equal(wallet_ask(&wallet, &set), OK);
		assert_int_equal(wallet_ask(&wallet, &bet), OK);
		assert_case_equal(i, lost_today(&wallet), 1000);
		market_result(&wallet, 10, cases[i].winner);
		assert_case_equal(i, lost_today(&wallet), cases[i].lost);
		more.place_bet.stake = cases[i].allowed + 1;
		assert_case_equal(i, wallet_ask(&wallet, &more), WIRE_CODE_LIMIT_LOSS);
		more.place_bet.stake = cases[i].allowed;
		assert_case_equal(i, wallet_ask(&wallet, &more), OK);
		wallet_free(&wallet);
	}
}

/* ---- By the operator, by time ---- */

static struct ledger_command play_command(uint64_t account, int64_t deposit_day)
{
	struct ledger_command command = { .type = EVENT_PLAY_SET, .account_id = account };

	for (unsigned i = 0; i < PLAY_LIMITS; i++)
		command.play.active[i] = le64s_make(NONE);
	command.play.active[PLAY_DEPOSIT_DAY] = le64s_make(deposit_day);
	return command;
}

TEST(command)
{
	static const struct {
		uint64_t account;
		int64_t deposit_day;
		int result;
	} cases[] = {
		{ RICH, 5000, 1 },
		{ RICH, NONE, 0 }, /* as it is */
		{ RICH, -2, -EINVAL },
		{ RICH, LIMIT_BALANCE_MAX + 1, -EINVAL },
		{ NOBODY, 5000, -ENOENT },
		{ SYSTEM_ACCOUNT_BIT | 1, 5000, -ENOENT },
		{ FROZEN, 5000, 1 },
	};

	for (unsigned i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct ledger_command command =
		    play_command(cases[i].account, cases[i].deposit_day);
		struct wallet wallet;

		wallet_make(&wallet);
		assert_case_equal(i, wallet_command(&wallet, &command), cases[i].result);
		/* The same again is nothing to do. */
		if (cases[i].result == 1)
			assert_case_equal(i, wallet_command(&wallet, &command), 0);
		wallet_free(&wallet);
	}
}

TEST(an_operator_cannot_raise_at_once_or_end_an_exclusion)
{
	struct ledger_command command = play_command(RICH, 5000);
	const struct wire_request pay = PAY(5001);
	struct wallet wallet;

	wallet_make(&wallet);
	command.play.excluded_until_ns = le64_make(NOW + HOUR);
	assert_int_equal(wallet_command(&wallet, &command), 1);
	command = play_command(RICH, 9000);
	assert_int_equal(wallet_command(&wallet, &command), 1);
	assert_int_equal(wallet_command(&wallet, &command), 0);
	assert_int_equal(wallet_ask(&wallet, &pay), WIRE_CODE_SELF_EXCLUDED);
	wallet.now += HOUR;
	assert_int_equal(wallet_ask(&wallet, &pay), WIRE_CODE_LIMIT_DEPOSIT);
	wallet_free(&wallet);
}

TEST(raise_takes_effect_by_a_timers_event)
{
	const struct wire_request set = PLAY_SET(DEPOSITS(5000, 70000));
	const struct wire_request raise = PLAY_SET(DEPOSITS(NONE, 60000));
	struct object_key key = { .kind = OBJECT_PLAY_LIMITS, .words = { RICH } };
	struct object_play_limits limits;
	const struct object_row *row;
	struct wallet wallet;

	wallet_make(&wallet);
	assert_int_equal(wallet_ask(&wallet, &set), OK);
	assert_int_equal(wallet_ask(&wallet, &raise), OK);
	assert_int_equal(le64_get(wallet.record.object_id), RICH);
	row = ledger_object_by_key(wallet.ledger, &key);
	memcpy(&limits, row->body, sizeof(limits));
	assert_true(row->due_ns == NOW + DAY);
	assert_int_equal(le64s_get(limits.active[PLAY_DEPOSIT_DAY]), 5000);
	assert_int_equal(le64s_get(limits.wanted[PLAY_DEPOSIT_DAY]), NONE);
	assert_int_equal(le64s_get(limits.active[PLAY_DEPOSIT_WEEK]), 60000);
	wallet.now += DAY - 1;
	assert_int_equal(wallet_due(&wallet), 0);
	wallet.now++;
	assert_int_equal(wallet_due(&wallet), 1);
	assert_int_equal(le16_get(wallet.record.type), EVENT_PLAY_SET);
	assert_int_equal(wallet.record.flags, EVENT_FLAG_TIMER);
	assert_int_equal(le64_get(wallet.record.account_id), RICH);
	row = ledger_object_by_key(wallet.ledger, &key);
	memcpy(&limits, row->body, sizeof(limits));
	assert_int_equal(row->due_ns, 0);
	assert_int_equal(le64s_get(limits.active[PLAY_DEPOSIT_DAY]), NONE);
	wallet_free(&wallet);
}

TEST_MAIN()
