/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <stddef.h>

#include "dataplane/risk/risk.h"
#include "tests/test.h"

#define SECOND   1000000000ull
#define HOUR     (3600 * SECOND)
#define DAY      (24 * HOUR)
#define NOW      (20000 * DAY)
#define MONEY(x) ((uint64_t)(x) << 8)
#define COUNT(x) ((uint64_t)(x) << 16)

static struct risk_result evaluate(
    const struct risk_rules *rules, const struct risk_profile *profile, struct risk_input input)
{
	struct risk_result result = { .factor_bits = 0xffffffff, .score = 255 };

	if (input.time_ns == 0)
		input.time_ns = NOW;
	if (input.currency == 0)
		input.currency = 410;
	risk_evaluate(rules, profile, &input, &result);
	return result;
}

/* An account of a year with a steady habit of one bet of 1,000 a day, judged at NOW. */
static struct risk_profile habit(void)
{
	struct risk_profile profile;

	risk_profile_init(&profile, NOW - 365 * DAY);
	profile.updated_ns = NOW;
	profile.amount_mean = MONEY(1000);
	profile.amount_spread = MONEY(200);
	profile.amount_max = 5000;
	profile.observations = 100;
	profile.count_7d = COUNT(7);
	profile.count_30d = COUNT(30);
	return profile;
}

TEST(empty_history_scores_nothing)
{
	struct risk_rules rules;
	struct risk_profile profile;
	struct risk_result result;

	risk_rules_default(&rules);
	risk_profile_init(&profile, NOW);
	result = evaluate(&rules, &profile, (struct risk_input){ .stake = 1000, .payout = 2000 });
	assert_int_equal(result.factor_bits, 0);
	assert_int_equal(result.score, 0);
}

TEST(every_factor_at_below_and_above_its_threshold)
{
	/* A habit of 1,000 with spread 200: sd 250, so 2.5 sd is 1,625. */
	static const struct {
		struct risk_input input;
		uint64_t count_24h;
		uint32_t observations;
		uint32_t bits;
		uint8_t score;
	} cases[] = {
		/* 0: large */
		{ { .stake = 999999 }, 0, 0, 0, 0 },
		{ { .stake = 1000000 }, 0, 0, RISK_BIT(LARGE), 40 },
		{ { .stake = 1000001 }, 0, 0, RISK_BIT(LARGE), 40 },
		{ { .stake = 1000000, .currency = 840 }, 0, 0, 0, 0 },
		/* 4: amount, alone of two deviations: half of 25, rounded down */
		{ { .stake = 1624 }, 0, 100, 0, 0 },
		{ { .stake = 1625 }, 0, 100, 0, 0 },
		{ { .stake = 1626 }, 0, 100, RISK_BIT(AMOUNT_DEVIATION) | RISK_BIT(BEHAVIOUR), 12 },
		{ { .stake = 1 }, 0, 100, 0, 0 },
		{ { .stake = 100000 }, 0, 4, 0, 0 },
		{ { .stake = 100000 }, 0, 5, RISK_BIT(AMOUNT_DEVIATION) | RISK_BIT(BEHAVIOUR), 12 },
		/* 10: frequency: the bet judged is the fourth */
		{ { .stake = 1000 }, COUNT(2), 100, 0, 0 },
		{ { .stake = 1000 }, COUNT(3) - 65536, 100, 0, 0 },
		{ { .stake = 1000 }, COUNT(3), 100,
		    RISK_BIT(FREQUENCY_DEVIATION) | RISK_BIT(BEHAVIOUR), 12 },
		/* 13: both; and frequency where the amount has too few observations to count */
		{ { .stake = 9000 }, COUNT(9), 100,
		    RISK_BIT(AMOUNT_DEVIATION) | RISK_BIT(FREQUENCY_DEVIATION) |
		        RISK_BIT(BEHAVIOUR),
		    25 },
		{ { .stake = 9000 }, COUNT(9), 4,
		    RISK_BIT(FREQUENCY_DEVIATION) | RISK_BIT(BEHAVIOUR), 25 },
		/* 15: odds */
		{ { .stake = 1000, .odds_differ = 1 }, 0, 100, RISK_BIT(ODDS_CLAIMED), 20 },
		{ { .stake = 1000, .odds_product = 20000, .payout = 50000999 }, 0, 100, 0, 0 },
		{ { .stake = 1000, .odds_product = 20000, .payout = 50001000 }, 0, 100,
		    RISK_BIT(LONGSHOT), 20 },
		{ { .stake = 1000, .odds_product = 19999, .payout = 50001000 }, 0, 100, 0, 0 },
		{ { .stake = 1000, .odds_product = 20001, .payout = 90000000 }, 0, 100,
		    RISK_BIT(LONGSHOT), 20 },
		{ { .stake = 1000, .odds_product = 20001, .payout = 90000000, .currency = 978 }, 0,
		    100, 0, 0 },
		/* 21: both odds factors give their points once */
		{ { .stake = 1000, .odds_product = 20000, .payout = 50001000, .odds_differ = 1 }, 0,
		    100, RISK_BIT(LONGSHOT) | RISK_BIT(ODDS_CLAIMED), 20 },
		/* 22: alert at exactly 60: large and odds; and all of it */
		{ { .stake = 1000000, .odds_differ = 1 }, 0, 0,
		    RISK_BIT(LARGE) | RISK_BIT(ODDS_CLAIMED) | RISK_BIT(ALERT), 60 },
		{ { .stake = 1000000, .odds_differ = 1 }, COUNT(9), 100,
		    RISK_BIT(LARGE) | RISK_BIT(AMOUNT_DEVIATION) | RISK_BIT(FREQUENCY_DEVIATION) |
		        RISK_BIT(BEHAVIOUR) | RISK_BIT(ODDS_CLAIMED) | RISK_BIT(ALERT),
		    85 },
		/* 24: large and half of behaviour: 52, no alert */
		{ { .stake = 1000000 }, 0, 100,
		    RISK_BIT(LARGE) | RISK_BIT(AMOUNT_DEVIATION) | RISK_BIT(BEHAVIOUR), 52 },
	};
	struct risk_rules rules;

	risk_rules_default(&rules);
	for (size_t i = 0; i < SLUICE_ARRAY_COUNT(cases); i++) {
		struct risk_profile profile = habit();
		struct risk_result result;

		profile.observations = cases[i].observations;
		profile.count_24h = cases[i].count_24h;
		result = evaluate(&rules, &profile, cases[i].input);
		assert_case_equal(i, result.factor_bits, cases[i].bits);
		assert_case_equal(i, result.score, cases[i].score);
	}
}

TEST(score_is_capped_at_100)
{
	struct risk_profile profile = habit();
	struct risk_result result;
	struct risk_rules rules;

	risk_rules_default(&rules);
	rules.points_large = rules.points_behaviour = rules.points_odds = 100;
	profile.count_24h = COUNT(9);
	result =
	    evaluate(&rules, &profile, (struct risk_input){ .stake = 1000000, .odds_differ = 1 });
	assert_int_equal(result.score, 100);
}

TEST(alert_101_never_fires)
{
	struct risk_profile profile = habit();
	struct risk_rules rules;

	risk_rules_default(&rules);
	rules.points_large = 100;
	rules.alert_score = 101;
	assert_int_equal(
	    evaluate(&rules, &profile, (struct risk_input){ .stake = 1000000 }).factor_bits &
	        RISK_BIT(ALERT),
	    0);
}

TEST(zero_variance_tolerates_small_changes_only)
{
	struct risk_profile profile;
	struct risk_rules rules;

	risk_rules_default(&rules);
	risk_profile_init(&profile, NOW - 10 * DAY);
	for (int i = 0; i < 100; i++)
		risk_profile_bet(&profile, NOW - 10 * DAY + (uint64_t)i * HOUR, 1000, 0);
	assert_int_equal(profile.amount_mean, MONEY(1000));
	assert_int_equal(profile.amount_spread, 0);
	/* Floor: 1/8 of the mean = 125; 2.5 of it = 312.5. */
	assert_int_equal(
	    evaluate(&rules, &profile, (struct risk_input){ .stake = 1312 }).factor_bits &
	        RISK_BIT(AMOUNT_DEVIATION),
	    0);
	assert_int_not_equal(
	    evaluate(&rules, &profile, (struct risk_input){ .stake = 1313 }).factor_bits &
	        RISK_BIT(AMOUNT_DEVIATION),
	    0);
	/* The smallest habit: one unit; the floor is one unit. */
	profile.amount_mean = MONEY(1);
	assert_int_equal(evaluate(&rules, &profile, (struct risk_input){ .stake = 3 }).factor_bits &
	                     RISK_BIT(AMOUNT_DEVIATION),
	    0);
	assert_int_not_equal(
	    evaluate(&rules, &profile, (struct risk_input){ .stake = 4 }).factor_bits &
	        RISK_BIT(AMOUNT_DEVIATION),
	    0);
}

TEST(first_day_has_no_daily_habit)
{
	struct risk_profile profile;
	struct risk_rules rules;

	risk_rules_default(&rules);
	risk_profile_init(&profile, NOW);
	for (int i = 0; i < 1000; i++)
		risk_profile_bet(&profile, NOW, 1000, 0);
	assert_int_equal(evaluate(&rules, &profile,
	                     (struct risk_input){ .stake = 1000, .time_ns = NOW + DAY - 1 })
	                     .factor_bits,
	    0);
}

TEST(a_steady_habit_never_deviates_at_any_age)
{
	struct risk_profile profile;
	struct risk_rules rules;

	risk_rules_default(&rules);
	risk_profile_init(&profile, NOW);
	for (uint64_t hour = 1; hour < 24 * 120; hour++) {
		uint64_t time = NOW + hour * HOUR;

		assert_int_equal(evaluate(&rules, &profile,
		                     (struct risk_input){ .stake = 1000, .time_ns = time })
		                     .factor_bits,
		    0);
		risk_profile_bet(&profile, time, 1000, 0);
	}
	/* At rest: rate times window, within the stated bound and half a bet (bets are lumps). */
	assert_true(llabs((long long)profile.count_24h - (long long)COUNT(24)) < 65536);
	assert_true(llabs((long long)profile.count_7d - (long long)COUNT(168)) < 2 * 65536);
	/* 720 * (1 - e^-4) = 706.8 after 120 days */
	assert_true(llabs((long long)profile.count_30d - (long long)COUNT(707)) < 3 * 65536);
	/* Four times the habit within a day. */
	for (int i = 0; i < 72; i++)
		risk_profile_bet(&profile, NOW + 24 * 120 * HOUR, 1000, 0);
	assert_true(evaluate(&rules, &profile,
	                (struct risk_input){ .stake = 1000, .time_ns = NOW + 24 * 120 * HOUR })
	                .factor_bits &
	            RISK_BIT(FREQUENCY_DEVIATION));
}

TEST(decay_does_not_depend_on_how_often_it_is_applied)
{
	struct risk_profile often, once;

	risk_profile_init(&often, NOW);
	risk_profile_init(&once, NOW);
	often.count_24h = once.count_24h = COUNT(1000000);
	often.count_7d = once.count_7d = COUNT(1000000);
	/* 10 bets a second for an hour and ten minutes. */
	for (uint64_t i = 1; i <= 42000; i++)
		risk_profile_bet(&often, NOW + i * SECOND / 10, 1000, 0);
	risk_profile_bet(&once, NOW + 4200 * SECOND, 1000, 0);
	/* 1,000,000 * e^(-4200/86400) = 952,551; the bets of the meantime add 42,000 at most. */
	assert_in_range(once.count_24h >> 16, 952551 - 700, 952551 + 700);
	assert_in_range((often.count_24h - once.count_24h) >> 16, 40900, 42000);
	assert_in_range((often.count_7d - once.count_7d) >> 16, 41700, 42000);
}

TEST(long_silence_decays_to_nothing)
{
	struct risk_profile profile = habit();

	profile.count_24h = profile.count_7d = profile.count_30d = COUNT(1) << 30;
	risk_profile_bet(&profile, NOW + 5000 * DAY, 1000, 0);
	assert_int_equal(profile.count_24h, COUNT(1));
	assert_int_equal(profile.count_7d, COUNT(1));
	assert_int_equal(profile.count_30d, COUNT(1));
	risk_profile_bet(&profile, UINT64_MAX, 1000, 0);
	assert_int_equal(profile.count_30d, COUNT(1));
}

TEST(a_clock_that_steps_back_neither_decays_nor_moves_the_profile)
{
	struct risk_profile profile = habit();
	struct risk_rules rules;

	risk_rules_default(&rules);
	profile.count_24h = COUNT(2);
	risk_profile_bet(&profile, NOW - 100 * DAY, 1000, 0);
	assert_int_equal(profile.count_24h, COUNT(3));
	assert_int_equal(profile.updated_ns, NOW);
	assert_int_equal(
	    evaluate(&rules, &profile, (struct risk_input){ .stake = 1000, .time_ns = 1 })
	        .factor_bits,
	    0);
	assert_true(
	    evaluate(&rules, &profile, (struct risk_input){ .stake = 1000, .time_ns = NOW - HOUR })
	        .factor_bits &
	    RISK_BIT(FREQUENCY_DEVIATION));
}

TEST(profile_learns_amounts)
{
	struct risk_profile profile;

	risk_profile_init(&profile, NOW);
	risk_profile_bet(&profile, NOW, 1000, 0);
	risk_profile_bet(&profile, NOW, 2000, 0);
	assert_int_equal(profile.amount_mean, MONEY(1500));
	assert_int_equal(profile.amount_spread, MONEY(500));
	assert_int_equal(profile.amount_max, 2000);
	assert_int_equal(profile.observations, 2);
	for (int i = 0; i < 500; i++)
		risk_profile_bet(&profile, NOW, LIMIT_STAKE_MAX, 0);
	assert_true(MONEY(LIMIT_STAKE_MAX) - profile.amount_mean <= 16);
	assert_true(profile.amount_spread < MONEY(1));
	for (int i = 0; i < 900; i++)
		risk_profile_bet(&profile, NOW, 1, 0);
	assert_true(profile.amount_mean <= MONEY(1) + 256);
	assert_int_equal(profile.amount_max, LIMIT_STAKE_MAX);
}

TEST(profile_score_moves_by_three_tenths)
{
	struct risk_profile profile;

	risk_profile_init(&profile, NOW);
	assert_int_equal(profile.profile_score, 30);
	risk_profile_bet(&profile, NOW, 1000, 0);
	assert_int_equal(profile.profile_score, 21);
	risk_profile_bet(&profile, NOW, 1000, 100);
	assert_int_equal(profile.profile_score, 45); /* 14.7 + 30 = 44.7 */
}

TEST(saturating_counters_stay)
{
	struct risk_profile profile = habit();

	profile.observations = profile.cancels = UINT32_MAX;
	profile.count_24h = 1ull << 48;
	risk_profile_bet(&profile, NOW, 1000, 0);
	risk_profile_cancel(&profile);
	assert_int_equal(profile.observations, UINT32_MAX);
	assert_int_equal(profile.cancels, UINT32_MAX);
	assert_true(profile.count_24h == 1ull << 48);
}

TEST(benchmark_traffic_stays_below_the_alert)
{
	/* One account, 1,000 won, thousands a day for some days, quiet nights, fresh and old. */
	struct risk_profile profile;
	struct risk_rules rules;

	risk_rules_default(&rules);
	risk_profile_init(&profile, NOW);
	for (uint64_t day = 0; day < 4; day++) {
		for (uint64_t i = 0; i < 5000; i++) {
			struct risk_input input = { .stake = 1000,
				.payout = 2000,
				.odds_product = 2000,
				.time_ns = NOW + day * DAY + i * 2 * SECOND };
			struct risk_result result = evaluate(&rules, &profile, input);

			assert_true(result.score <= 25);
			risk_profile_bet(&profile, input.time_ns, input.stake, result.score);
		}
	}
}

TEST(day_changes_at_the_operators_midnight)
{
	struct risk_rules rules;

	risk_rules_default(&rules);
	/* 1970-01-02 00:00 in Seoul is 1970-01-01 15:00 UTC. */
	assert_int_equal(risk_day(&rules, 15 * HOUR - 1), 0);
	assert_int_equal(risk_day(&rules, 15 * HOUR), 1);
	assert_int_equal(risk_day(&rules, 39 * HOUR - 1), 1);
	assert_int_equal(risk_day(&rules, 39 * HOUR), 2);
	rules.utc_offset_s = 0;
	assert_int_equal(risk_day(&rules, DAY - 1), 0);
	assert_int_equal(risk_day(&rules, DAY), 1);
	assert_int_equal(risk_day(&rules, UINT64_MAX), UINT64_MAX / DAY);
}

TEST(default_rules_are_the_required_ones)
{
	struct risk_rules rules;
	const char *field;

	risk_rules_default(&rules);
	assert_int_equal(risk_rules_check(&rules, &field), 0);
	assert_int_equal(rules.version, 1);
	assert_int_equal(rules.currency, 410);
	assert_int_equal(rules.stake_single_max, 1000000);
	assert_int_equal(rules.stake_daily_max, 10000000);
	assert_int_equal(rules.alert_score, 60);
	assert_int_equal(rules.refuse_score, 80);
	assert_int_equal(rules.utc_offset_s, 9 * 3600);
	/* Nothing waits or is limited until somebody says so; times are a day, tickets a year. */
	assert_int_equal(rules.withdraw_pending_min, 0);
	assert_int_equal(rules.exposure_selection_max, 0);
	assert_int_equal(rules.exposure_market_max, 0);
	assert_int_equal(rules.partner_key_hold_s, 86400);
	assert_int_equal(rules.withdraw_timeout_s, 86400);
	assert_int_equal(rules.result_final_s, 86400);
	assert_int_equal(rules.limit_raise_delay_s, 86400);
	assert_int_equal(rules.sprinkle_window_max_s, 86400);
	assert_int_equal(rules.ticket_expiry_s, 365 * 86400);
}

TEST(rules_check_names_the_field)
{
#define BREAK(name, value)                                                                         \
	do {                                                                                       \
		struct risk_rules rules;                                                           \
		struct event_rules encoded;                                                        \
		const char *field = "none";                                                        \
                                                                                                   \
		risk_rules_default(&rules);                                                        \
		rules.name = (value);                                                              \
		assert_int_equal(risk_rules_check(&rules, &field), -EINVAL);                       \
		assert_string_equal(field, #name);                                                 \
		risk_rules_encode(&rules, &encoded);                                               \
		assert_int_equal(risk_rules_decode(&encoded, &rules), -EBADMSG);                   \
	} while (0)
	BREAK(version, 0);
	BREAK(currency, 0);
	BREAK(currency, 1000);
	BREAK(alert_score, 0);
	BREAK(alert_score, 102);
	BREAK(refuse_score, 0);
	BREAK(refuse_score, 102);
	BREAK(stake_single_max, 0);
	BREAK(stake_single_max, LIMIT_STAKE_MAX + 1);
	BREAK(stake_daily_max, -1);
	BREAK(stake_daily_max, LIMIT_BALANCE_MAX + 1);
	BREAK(terminal_daily_max, 0);
	BREAK(payout_max, 0);
	BREAK(payout_max, LIMIT_PAYOUT_MAX + 1);
	BREAK(large_amount, 0);
	BREAK(longshot_liability, 0);
	BREAK(longshot_odds, 1000);
	BREAK(cancel_window_s, 30 * 86400 + 1);
	BREAK(utc_offset_s, 86400);
	BREAK(deviation_z_tenths, 0);
	BREAK(deviation_observations, 0);
	BREAK(frequency_ratio_tenths, 0);
	BREAK(points_large, 101);
	BREAK(points_behaviour, 101);
	BREAK(points_odds, 101);
	BREAK(withdraw_pending_min, -1);
	BREAK(withdraw_pending_min, LIMIT_STAKE_MAX + 1);
	BREAK(exposure_selection_max, -1);
	BREAK(exposure_selection_max, LIMIT_BALANCE_MAX + 1);
	BREAK(exposure_market_max, -1);
	BREAK(exposure_market_max, LIMIT_BALANCE_MAX + 1);
	/* Partners are promised a day. */
	BREAK(partner_key_hold_s, 86399);
	BREAK(partner_key_hold_s, 366 * 86400 + 1);
	BREAK(withdraw_timeout_s, 0);
	BREAK(ticket_expiry_s, 0);
	BREAK(ticket_expiry_s, 10u * 366 * 86400 + 1);
	BREAK(result_final_s, 0);
	BREAK(limit_raise_delay_s, 0);
	BREAK(sprinkle_window_max_s, 0);
	BREAK(sprinkle_window_max_s, 30 * 86400 + 1);
#undef BREAK
}

TEST(rules_survive_encoding)
{
	struct risk_rules rules, decoded;
	struct event_rules encoded;

	risk_rules_default(&rules);
	rules.version = 77;
	rules.frequency_ratio_tenths = 45;
	rules.partner_confirmed_tenths = 255;
	rules.withdraw_pending_min = 500000;
	rules.exposure_selection_max = 70000000;
	rules.exposure_market_max = LIMIT_BALANCE_MAX;
	rules.partner_key_hold_s = 90000;
	rules.withdraw_timeout_s = 1;
	rules.ticket_expiry_s = 2;
	rules.result_final_s = 3;
	rules.limit_raise_delay_s = 4;
	rules.sprinkle_window_max_s = 5;
	risk_rules_encode(&rules, &encoded);
	assert_int_equal(risk_rules_decode(&encoded, &decoded), 0);
	assert_memory_equal(&rules, &decoded, sizeof(rules));
	encoded.points_odds = 101;
	assert_int_equal(risk_rules_decode(&encoded, &decoded), -EBADMSG);
	assert_memory_equal(&rules, &decoded, sizeof(rules));
}

TEST(every_factor_has_a_name_and_a_text)
{
	for (unsigned i = 0; i < RISK_FACTOR_COUNT; i++) {
		assert_non_null(risk_factor_name((enum risk_factor)i));
		assert_true(strlen(risk_factor_text((enum risk_factor)i)) > 10);
	}
	assert_string_equal(risk_factor_name(RISK_LONGSHOT), "LONGSHOT");
	assert_null(risk_factor_name(RISK_FACTOR_COUNT));
}

TEST_MAIN()
