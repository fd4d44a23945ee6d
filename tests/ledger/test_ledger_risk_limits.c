/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a hard limit refuses is scored all the same: its event tells the score, the factors and the
 * numbers that the very same request has without the limit, and nothing is learned of it.
 */
#include "tests/ledger/risk_bed.h"

#define NO_LIMIT (-1)

#define ROUND_DEBIT(...)                                                                           \
	{                                                                                          \
		.template_id = WIRE_ROUND_DEBIT, .round = {                                        \
			.account_id = PARTNERED,                                                   \
			.deadline_ns = NO_DEADLINE,                                                \
			.round = 5,                                                                \
			.transaction = { 1, 0 },                                                   \
			.game = 6,                                                                 \
			.currency = KRW,                                                           \
			.partner_id = PARTNER,                                                     \
			__VA_ARGS__                                                                \
		}                                                                                  \
	}
#define DEPOSITED 0
#define STAKED    2
#define LOST      4

/* A limit, and a request it refuses: above it by one, or whatever it is for exclusions. */
static const struct limit_case {
	const char *name;
	struct wire_request wire;
	uint16_t code;
	int64_t single, daily, terminal, payout; /* of the rules; 0: as they are */
	int play;                                /* which limit of the customer's own is `most` */
	int64_t most;
	uint64_t excluded_until_ns, cooloff_until_ns;
} cases[] = {
	{ "single", BET(.stake = 2000), WIRE_CODE_LIMIT_SINGLE_STAKE, .single = 1999 },
	{ "day", BET(.stake = 2000), WIRE_CODE_LIMIT_DAILY_STAKE, .daily = 2999 },
	{ "terminal", BET(.stake = 2000), WIRE_CODE_LIMIT_TERMINAL_DAILY, .terminal = 1999 },
	{ "payout", BET(.stake = 2000), WIRE_CODE_PAYOUT_LIMIT, .payout = 3999 },
	{ "payout before stake", BET(.stake = 2000), WIRE_CODE_PAYOUT_LIMIT, .single = 1999,
	    .payout = 3999 },
	{ "single, cash", BET(.account_id = 0, .stake = 2000), WIRE_CODE_LIMIT_SINGLE_STAKE,
	    .single = 1999 },
	{ "terminal, cash", BET(.account_id = 0, .stake = 2000), WIRE_CODE_LIMIT_TERMINAL_DAILY,
	    .terminal = 1999 },
	{ "own stakes", BET(.stake = 2000), WIRE_CODE_LIMIT_STAKE, .play = STAKED, .most = 2999 },
	{ "own losses", BET(.stake = 2000), WIRE_CODE_LIMIT_LOSS, .play = LOST, .most = 1999 },
	{ "excluded", BET(.stake = 2000), WIRE_CODE_SELF_EXCLUDED, .most = NO_LIMIT,
	    .excluded_until_ns = NOW + HOUR },
	{ "on a break", BET(.stake = 2000), WIRE_CODE_COOLING_OFF, .most = NO_LIMIT,
	    .cooloff_until_ns = NOW + HOUR },
	{ "own deposits", DEPOSIT(.amount = 2000), WIRE_CODE_LIMIT_DEPOSIT, .play = DEPOSITED,
	    .most = 1999 },
	{ "deposit, excluded", DEPOSIT(.amount = 2000), WIRE_CODE_SELF_EXCLUDED, .most = NO_LIMIT,
	    .excluded_until_ns = NOW + HOUR },
	{ "round, single", ROUND_DEBIT(.amount = 2000), WIRE_CODE_LIMIT_SINGLE_STAKE,
	    .single = 1999 },
	{ "round, own stakes", ROUND_DEBIT(.amount = 2000), WIRE_CODE_LIMIT_STAKE, .play = STAKED,
	    .most = 2999 },
};

static uint64_t account_of(const struct limit_case *c)
{
	return c->wire.template_id == WIRE_ROUND_DEBIT ? PARTNERED : RICH;
}

static void rules_set(struct bed *bed, const struct limit_case *limits, uint8_t refuse_score)
{
	struct ledger_command command = { .type = EVENT_RULES_SET };
	struct risk_rules *rules = &command.rules;

	*rules = ledger_shard(bed->wallet.ledger)->rules;
	command.extra = ledger_shard(bed->wallet.ledger)->extra;
	rules->version++;
	rules->large_amount = 2000;
	rules->points_large = 70;
	rules->refuse_score = refuse_score;
	if (limits->single > 0)
		rules->stake_single_max = limits->single;
	if (limits->daily > 0)
		rules->stake_daily_max = limits->daily;
	if (limits->terminal > 0)
		rules->terminal_daily_max = limits->terminal;
	if (limits->payout > 0)
		rules->payout_max = limits->payout;
	assert_int_equal(wallet_command(&bed->wallet, &command), 1);
	follow(bed);
}

static void play_set(struct bed *bed, const struct limit_case *c)
{
	struct wire_request wire = { .template_id = WIRE_PLAY_SET,
		.play_set = { .account_id = account_of(c),
		    .deadline_ns = NO_DEADLINE,
		    .excluded_until_ns = c->excluded_until_ns,
		    .cooloff_until_ns = c->cooloff_until_ns } };

	for (unsigned i = 0; i < SLUICE_ARRAY_COUNT(wire.play_set.limits); i++)
		wire.play_set.limits[i] = NO_LIMIT;
	wire.play_set.limits[c->play] = c->most;
	assert_int_equal(ask(bed, &wire), WIRE_CODE_OK);
}

/* One scored bet before, so that there is a past; then the request. */
static uint16_t decide(struct bed *bed, const struct limit_case *limits, const struct limit_case *c,
    uint8_t refuse_score)
{
	const struct wire_request before = BET(.account_id = account_of(c), .stake = 1000);

	bed_make(bed, 101);
	assert_int_equal(ask(bed, &before), WIRE_CODE_OK);
	rules_set(bed, limits, refuse_score);
	if (limits->most != 0)
		play_set(bed, limits);
	return ask(bed, &c->wire);
}

TEST(a_hard_limits_refusal_tells_score_and_factors)
{
	static const struct limit_case none;

	for (size_t i = 0; i < SLUICE_ARRAY_COUNT(cases); i++) {
		const struct limit_case *c = &cases[i];
		struct risk_account_state learned;
		struct event_record free_record;
		struct event_risk free_risk, risk;
		struct bed bed;

		assert_case_equal(i, decide(&bed, &none, c, 101), WIRE_CODE_OK);
		free_record = bed.wallet.record;
		free_risk = numbers(&bed);
		bed_free(&bed);
		assert_true(free_record.score >= 70 && free_risk.points_base == 70);

		assert_case_equal(i, decide(&bed, c, c, 101), c->code);
		risk = numbers(&bed);
		assert_case_equal(i, bed.wallet.record.score, free_record.score);
		assert_case_equal(
		    i, le32_get(bed.wallet.record.factor_bits), le32_get(free_record.factor_bits));
		assert_true(bit(&bed, RISK_LARGE) && bit(&bed, RISK_ALERT));
		assert_true(bed.wallet.record.flags & EVENT_FLAG_SCORED);
		assert_memory_equal(&risk, &free_risk, sizeof(risk));
		/* It moved nothing: asked again, it is the same, and nothing was learned. */
		learned = *ledger_account_risk(bed.wallet.ledger, account_of(c));
		assert_case_equal(i, learned.observations, 1);
		assert_case_equal(i, ask(&bed, &c->wire), c->code);
		assert_memory_equal(ledger_account_risk(bed.wallet.ledger, account_of(c)), &learned,
		    sizeof(learned));
		bed_free(&bed);

		/* Refused by both, it is the limit's. */
		assert_case_equal(i, decide(&bed, c, c, 70), c->code);
		assert_case_equal(i, bed.wallet.record.score, free_record.score);
		bed_free(&bed);
	}
}

/* What the last event tells its refusal compared. 0: nothing. */
static int compared(const struct bed *bed, struct event_limit *limit)
{
	struct event_view view;

	assert_int_equal(
	    event_view_read(bed->wallet.event.bytes, sizeof(bed->wallet.event.bytes), &view), 0);
	if (view.limit != NULL)
		memcpy(limit, view.limit, sizeof(*limit));
	return view.limit != NULL;
}

TEST(a_refusal_tells_what_it_compared)
{
	static const struct told_case {
		struct limit_case limits;
		int told;
		int64_t limit, counted;
		uint8_t own;
	} told_cases[] = {
		{ { .wire = BET(.stake = 2000),
		      .code = WIRE_CODE_LIMIT_SINGLE_STAKE,
		      .single = 1999 },
		    0, 0, 0, 0 },
		{ { .wire = BET(.stake = 2000),
		      .code = WIRE_CODE_LIMIT_DAILY_STAKE,
		      .daily = 2999 },
		    1, 2999, 1000, 0 },
		{ { .wire = BET(.stake = 2000),
		      .code = WIRE_CODE_LIMIT_TERMINAL_DAILY,
		      .terminal = 1999 },
		    1, 1999, 0, 0 },
		{ { .wire = BET(.stake = 2000),
		      .code = WIRE_CODE_LIMIT_STAKE,
		      .play = STAKED,
		      .most = 2999 },
		    1, 2999, 1000, PLAY_STAKE_DAY + 1 },
		{ { .wire = BET(.stake = 2000),
		      .code = WIRE_CODE_LIMIT_STAKE,
		      .play = STAKED + 1,
		      .most = 2999 },
		    1, 2999, 1000, PLAY_STAKE_WEEK + 1 },
		{ { .wire = BET(.stake = 2000),
		      .code = WIRE_CODE_LIMIT_LOSS,
		      .play = LOST,
		      .most = 1999 },
		    1, 1999, 0, PLAY_LOSS_DAY + 1 },
		{ { .wire = DEPOSIT(.amount = 2000),
		      .code = WIRE_CODE_LIMIT_DEPOSIT,
		      .play = DEPOSITED,
		      .most = 1999 },
		    1, 1999, 0, PLAY_DEPOSIT_DAY + 1 },
		{ { .wire = ROUND_DEBIT(.amount = 2000),
		      .code = WIRE_CODE_LIMIT_DAILY_STAKE,
		      .daily = 2999 },
		    1, 2999, 1000, 0 },
		{ { .wire = BET(.stake = 2000, .legs = { { MARKET, 3600, 1 } }),
		      .code = WIRE_CODE_ODDS_CHANGED },
		    1, 3500, 3600, 0 },
		{ { .wire = BET(.stake = 2000), .code = WIRE_CODE_OK }, 0, 0, 0, 0 },
	};

	for (size_t i = 0; i < SLUICE_ARRAY_COUNT(told_cases); i++) {
		const struct told_case *c = &told_cases[i];
		struct event_limit told;
		struct bed bed;

		assert_case_equal(i, decide(&bed, &c->limits, &c->limits, 101), c->limits.code);
		assert_case_equal(i, compared(&bed, &told), c->told);
		if (c->told) {
			assert_case_equal(i, le64s_get(told.limit), c->limit);
			assert_case_equal(i, le64s_get(told.counted), c->counted);
			assert_case_equal(i, le64s_get(told.credit), 0);
			assert_case_equal(i, told.own, c->own);
			assert_case_equal(
			    i, told.selection, c->limits.code == WIRE_CODE_ODDS_CHANGED);
		}
		bed_free(&bed);
	}
}

/* A payout that no event can hold is scored as the highest there is. */
TEST(a_payout_above_all_limits_is_scored_as_the_highest)
{
	const struct wire_request wire = BET(.stake = LIMIT_STAKE_MAX, .leg_count = 2,
	    .legs = { { MARKET, 25000, 2 }, { MARKET_SOON, 25000, 2 } });
	static const struct limit_case none;
	struct wire_request above = wire;
	struct bed bed;

	bed_make(&bed, 101);
	for (uint64_t market = 20; market < 28; market++) {
		const struct ledger_command command =
		    fixture_market_command(market, market, market, MARKET_OPEN, NOW + DAY);

		assert_int_equal(wallet_command(&bed.wallet, &command), 1);
		follow(&bed);
		above.place_bet.legs[above.place_bet.leg_count++] =
		    (struct wire_leg){ .market_id = market, .selection = 2, .odds = 25000 };
	}
	rules_set(&bed, &none, 101);
	assert_int_equal(ask(&bed, &above), WIRE_CODE_PAYOUT_LIMIT);
	assert_true(le64s_get(bed.wallet.record.payout) == LIMIT_PAYOUT_MAX);
	assert_true(bit(&bed, RISK_LARGE) && bit(&bed, RISK_LONGSHOT));
	bed_free(&bed);
}

TEST_MAIN()
