/* SPDX-License-Identifier: Apache-2.0 */
#include "dataplane/risk/risk_extra.h"
#include "dataplane/risk/risk_factors.h"
#include "tests/test.h"

#define SECOND    1000000000ull
#define DAY_S     86400u
#define NOW_S     (20000u * DAY_S)
#define BIT(name) RISK_STATE_BIT(name)
#define COUNT(x)  ((uint32_t)((x)*RISK_COUNT_ONE))

/* Everything a factor looks at; a case changes one or two of these. */
struct scene {
	struct risk_account_state account;
	struct risk_terminal_state terminal;
	struct risk_transaction transaction;
	struct risk_view view;
	struct risk_factor_rules rules;
};

/* An account and a terminal of a year, nothing noteworthy. */
static void scene_make(struct scene *scene)
{
	memset(scene, 0, sizeof(*scene));
	scene->account.observations = 100;
	scene->account.first_s = scene->terminal.first_s = NOW_S - 365 * DAY_S;
	scene->account.amount_last = 2560;
	scene->transaction.time_ns = NOW_S * SECOND;
	scene->transaction.amount = 1000;
	scene->view = (struct risk_view){
		.account = &scene->account,
		.terminal = &scene->terminal,
		.transaction = &scene->transaction,
		.time_s = NOW_S,
		.account_age_s = 365 * DAY_S,
		.terminal_age_s = 365 * DAY_S,
		.received_idle_s = UINT32_MAX,
		.amount_log = 2560,
		.partner_rank = 5,
		.visitor_rank = 5,
	};
	risk_factor_rules_default(&scene->rules);
}

static struct risk_state_result judge(const struct scene *scene, uint32_t base_bits)
{
	struct risk_state_result result = { 0xffffffff, 255 };

	risk_factors_evaluate(&scene->rules, &scene->view, base_bits, &result);
	return result;
}

static void expect(const struct scene *scene, int number, uint32_t bits, int points)
{
	struct risk_state_result result = judge(scene, 0);

	assert_case_equal(number, result.factor_bits, bits);
	assert_case_equal(number, result.points, points);
}

TEST(nothing_noteworthy_and_empty_history)
{
	struct scene scene;
	struct risk_view view;

	scene_make(&scene);
	expect(&scene, 0, 0, 0);
	memset(&scene.account, 0, sizeof(scene.account));
	memset(&scene.terminal, 0, sizeof(scene.terminal));
	risk_view_make(&view, &scene.account, &scene.terminal, &scene.transaction, 1);
	scene.view = view;
	expect(&scene, 1, 0, 0);
}

TEST(time_deviation)
{
	struct scene scene;

	scene_make(&scene);
	scene.view.hour_outside = true;
	expect(&scene, 0, BIT(TIME_DEVIATION), 8);
	scene.view.day_outside = true;
	expect(&scene, 1, BIT(TIME_DEVIATION), 8);
	scene.view.hour_outside = false;
	expect(&scene, 2, BIT(TIME_DEVIATION), 8);
}

TEST(structuring)
{
	static const struct {
		uint32_t before_s, oldest_s;
		uint8_t near_report;
		bool fires;
	} cases[] = {
		{ 100, 2 * DAY_S - 1, 1, true }, { 100, 2 * DAY_S, 1, true },
		{ 100, 2 * DAY_S + 1, 1, false }, { 100, 2 * DAY_S, 0, false },
		{ 100, NOW_S, 1, false }, /* the second only */
		{ 0, 0, 1, true },        /* all at once */
	};

	for (size_t i = 0; i < SLUICE_ARRAY_COUNT(cases); i++) {
		struct scene scene;

		scene_make(&scene);
		scene.transaction.near_report = cases[i].near_report;
		scene.account.near_s[0] = NOW_S - cases[i].before_s;
		scene.account.near_s[1] = NOW_S - cases[i].oldest_s;
		expect(
		    &scene, (int)i, cases[i].fires ? BIT(STRUCTURING) : 0, cases[i].fires ? 30 : 0);
	}
}

TEST(rapid_movement)
{
	static const struct {
		uint8_t kind;
		int64_t amount;
		uint64_t staked;
		uint32_t idle_s;
		bool fires;
	} cases[] = {
		{ RISK_KIND_WITHDRAWAL, 7999, 0, 60, false },
		{ RISK_KIND_WITHDRAWAL, 8000, 0, 60, true },
		{ RISK_KIND_TRANSFER, 8001, 0, 60, true },
		{ RISK_KIND_STAKE, 9000, 0, 60, false },
		{ RISK_KIND_DEPOSIT, 9000, 0, 60, false },
		{ RISK_KIND_WITHDRAWAL, 9000, 1999, 60, true },
		{ RISK_KIND_WITHDRAWAL, 9000, 2000, 60, false },
		{ RISK_KIND_WITHDRAWAL, 9000, 2001, 60, false },
		{ RISK_KIND_WITHDRAWAL, 9000, 0, DAY_S - 1, true },
		{ RISK_KIND_WITHDRAWAL, 9000, 0, DAY_S, true },
		{ RISK_KIND_WITHDRAWAL, 9000, 0, DAY_S + 1, false },
		{ RISK_KIND_WITHDRAWAL, 9000, 0, UINT32_MAX, false },
	};

	for (size_t i = 0; i < SLUICE_ARRAY_COUNT(cases); i++) {
		struct scene scene;

		scene_make(&scene);
		scene.transaction.kind = cases[i].kind;
		scene.transaction.amount = cases[i].amount;
		scene.account.received_amount = 10000;
		scene.account.staked_since = cases[i].staked;
		scene.view.received_idle_s = cases[i].idle_s;
		expect(&scene, (int)i, cases[i].fires ? BIT(RAPID_MOVEMENT) : 0,
		    cases[i].fires ? 30 : 0);
		scene.account.received_amount = scene.account.staked_since = 0;
		expect(&scene, (int)i, 0, 0);
	}
}

TEST(stake_ladder_by_real_amounts)
{
	static const int64_t amounts[] = { 1000, 1250, 1500, 1900, 2400 };
	struct scene scene;
	struct risk_account_state account;
	struct risk_terminal_state terminal;

	scene_make(&scene);
	risk_account_init(&account, NOW_S * SECOND);
	risk_terminal_init(&terminal, NOW_S * SECOND);
	for (size_t i = 0; i < SLUICE_ARRAY_COUNT(amounts); i++) {
		scene.transaction.amount = amounts[i];
		risk_view_make(&scene.view, &account, &terminal, &scene.transaction, 1);
		/* The fourth step up. */
		expect(&scene, (int)i, i == 4 ? BIT(STAKE_LADDER) : 0, i == 4 ? 20 : 0);
		if (i < 4)
			risk_account_observe(&account, &scene.transaction);
	}
	scene.transaction.amount = 2200; /* a step of less than 1.2 */
	risk_view_make(&scene.view, &account, &terminal, &scene.transaction, 1);
	expect(&scene, 9, 0, 0);
}

TEST(stake_ladder_at_its_step)
{
	static const struct {
		uint16_t step;
		uint8_t ladder;
		uint32_t observations;
		bool fires;
		uint8_t kind;
	} cases[] = {
		{ RISK_LADDER_STEP_LOG - 1, 3, 9, false, RISK_KIND_STAKE },
		{ RISK_LADDER_STEP_LOG, 3, 9, true, RISK_KIND_STAKE },
		{ RISK_LADDER_STEP_LOG + 1, 3, 9, true, RISK_KIND_STAKE },
		{ RISK_LADDER_STEP_LOG, 2, 9, false, RISK_KIND_STAKE },
		{ RISK_LADDER_STEP_LOG, 4, 9, true, RISK_KIND_STAKE },
		{ RISK_LADDER_STEP_LOG, 3, 0, false, RISK_KIND_STAKE },
		/* Of stakes and payments only. */
		{ RISK_LADDER_STEP_LOG, 3, 9, true, RISK_KIND_PAYMENT },
		{ RISK_LADDER_STEP_LOG, 3, 9, false, RISK_KIND_TRANSFER },
		{ RISK_LADDER_STEP_LOG, 3, 9, false, RISK_KIND_WITHDRAWAL },
		{ RISK_LADDER_STEP_LOG, 3, 9, false, RISK_KIND_DEBIT },
		{ RISK_LADDER_STEP_LOG, 3, 9, false, RISK_KIND_DEPOSIT },
	};

	for (size_t i = 0; i < SLUICE_ARRAY_COUNT(cases); i++) {
		struct scene scene;

		scene_make(&scene);
		scene.transaction.kind = cases[i].kind;
		scene.account.ladder = cases[i].ladder;
		scene.account.observations = cases[i].observations;
		scene.view.amount_log = (uint16_t)(scene.account.amount_last + cases[i].step);
		expect(&scene, (int)i, cases[i].fires ? BIT(STAKE_LADDER) : 0,
		    cases[i].fires ? 20 : 0);
	}
}

TEST(repeated_transfer)
{
	static const struct {
		uint8_t kind, rank;
		uint16_t repeats;
		bool fires;
	} cases[] = {
		{ RISK_KIND_TRANSFER, 1, 0, false }, /* the second */
		{ RISK_KIND_TRANSFER, 1, 1, true }, { RISK_KIND_TRANSFER, 1, 2, true },
		{ RISK_KIND_TRANSFER, 2, 1, false },
		{ RISK_KIND_STAKE, 1, 9, false }, /* bets come from one terminal */
	};

	for (size_t i = 0; i < SLUICE_ARRAY_COUNT(cases); i++) {
		struct scene scene;

		scene_make(&scene);
		scene.transaction.kind = cases[i].kind;
		scene.view.partner_rank = cases[i].rank;
		scene.account.parties.repeats = cases[i].repeats;
		expect(&scene, (int)i, cases[i].fires ? BIT(REPEATED_TRANSFER) : 0,
		    cases[i].fires ? 20 : 0);
	}
}

TEST(patterns_of_selections_and_late_bets)
{
	static const struct {
		uint8_t account, sides, terminal;
		uint32_t close_in_s, bits;
		int points;
	} cases[] = {
		{ 5, 2, 99, 6, 0, 0 },
		{ 6, 2, 99, 0, BIT(SELECTION_REPEATED), 20 },
		{ 7, 2, 99, 0, BIT(SELECTION_REPEATED), 20 },
		{ 5, 3, 99, 0, BIT(SELECTION_TERMINALS), 20 },
		{ 5, 4, 99, 0, BIT(SELECTION_TERMINALS), 20 },
		{ 0, 0, 100, 0, BIT(SELECTION_AT_TERMINAL), 10 },
		{ 0, 0, 101, 0, BIT(SELECTION_AT_TERMINAL), 10 },
		{ 0, 0, 0, 5, BIT(LATE_BET), 10 },
		{ 0, 0, 0, 1, BIT(LATE_BET), 10 },
		{ 0, 0, 0, UINT32_MAX, 0, 0 },
		/* One factor: the highest counts once. */
		{ 9, 9, 200, 1,
		    BIT(SELECTION_REPEATED) | BIT(SELECTION_TERMINALS) |
		        BIT(SELECTION_AT_TERMINAL) | BIT(LATE_BET),
		    20 },
		{ 0, 0, 200, 1, BIT(SELECTION_AT_TERMINAL) | BIT(LATE_BET), 10 },
	};

	for (size_t i = 0; i < SLUICE_ARRAY_COUNT(cases); i++) {
		struct scene scene;

		scene_make(&scene);
		scene.view.account_selections = cases[i].account;
		scene.view.account_selection_sides = cases[i].sides;
		scene.view.terminal_selections = cases[i].terminal;
		scene.transaction.close_in_s = cases[i].close_in_s;
		expect(&scene, (int)i, cases[i].bits, cases[i].points);
		/* Beside another factor they add up. */
		scene.view.partners = 24;
		expect(&scene, (int)i, cases[i].bits | BIT(COUNTERPARTIES), cases[i].points + 20);
	}
}

TEST(counterparties)
{
	for (uint8_t partners = 23; partners <= 25; partners++) {
		struct scene scene;

		scene_make(&scene);
		scene.view.partners = partners;
		expect(&scene, partners, partners >= 24 ? BIT(COUNTERPARTIES) : 0,
		    partners >= 24 ? 20 : 0);
	}
}

TEST(terminal_velocity)
{
	/* A full week; this one is counted too: 6 an hour against 335 + 1 in the week, 2 an hour.
	 */
	static const struct {
		double hour, week;
		uint32_t age_s;
		bool fires;
	} cases[] = {
		{ 5, 335, 365 * DAY_S, false },    /* exactly three times */
		{ 5.01, 335, 365 * DAY_S, true },  /* above */
		{ 4.99, 335, 365 * DAY_S, false }, /* below */
		{ 4, 100, 365 * DAY_S, false },    /* five are not above five */
		{ 4.01, 100, 365 * DAY_S, true },
		{ 50, 60, DAY_S - 1, false }, /* too young to have a rate */
		{ 50, 60, DAY_S, true },
		/* A day old with 6 an hour all day: the week is filled to 13 %, the rate is its
		   own. */
		{ 5, 6 * 22.36, DAY_S, false },
	};

	for (size_t i = 0; i < SLUICE_ARRAY_COUNT(cases); i++) {
		struct scene scene;

		scene_make(&scene);
		scene.view.terminal_counts[RISK_1H] = COUNT(cases[i].hour);
		scene.view.terminal_counts[RISK_7D] = COUNT(cases[i].week);
		scene.view.terminal_age_s = cases[i].age_s;
		scene.terminal.first_s = NOW_S - cases[i].age_s;
		expect(&scene, (int)i, cases[i].fires ? BIT(TERMINAL_VELOCITY) : 0,
		    cases[i].fires ? 15 : 0);
	}
}

/* One case is enough for an account; a terminal has many customers, and one of them closes no
 * counter. */
TEST(confirmed_fraud)
{
	static const struct {
		double confirmed, labelled;
		uint16_t ever;
		uint8_t terminal_tenths;
		bool account, terminal;
	} cases[] = {
		{ 0, 10, 3, 11, false, false },
		{ 0.29, 1, 1, 11, false, false }, /* too long ago: 0.3 */
		{ 0.301, 1, 1, 11, true, false },
		{ 1, 1, 1, 11, true, false }, /* one, just now */
		{ 1.09, 2, 2, 11, true, false },
		{ 1.101, 2, 2, 11, true, true },   /* 1.1: two within 16 days */
		{ 2, 13.34, 2, 11, false, false }, /* 15 % */
		{ 2, 13.33, 2, 11, true, true },
		{ 2, 2, 2, 11, true, true },
		{ 2, 0, 0, 11, false, false }, /* taken back */
		/* Rules of older logs, and of sites that want it so: as an account. */
		{ 0.29, 1, 1, 0, false, false },
		{ 0.301, 1, 1, 0, true, true },
		{ 2, 2, 2, 20, true, true },
		{ 1.99, 2, 2, 20, true, false },
		{ 25, 25, 25, 255, true, false },
		{ 26, 26, 26, 255, true, true },
	};

	for (size_t i = 0; i < SLUICE_ARRAY_COUNT(cases); i++) {
		struct risk_feedback_view feedback = { .confirmed_7d = COUNT(cases[i].confirmed),
			.labelled_7d = COUNT(cases[i].labelled),
			.confirmed = cases[i].ever };
		struct scene scene;

		scene_make(&scene);
		assert_int_equal(scene.rules.terminal_confirmed_tenths, 11);
		scene.rules.terminal_confirmed_tenths = cases[i].terminal_tenths;
		scene.view.account_feedback = feedback;
		expect(&scene, (int)i, cases[i].account ? BIT(ACCOUNT_CONFIRMED) : 0,
		    cases[i].account ? 30 : 0);
		memset(&scene.view.account_feedback, 0, sizeof(feedback));
		scene.view.terminal_feedback = feedback;
		expect(&scene, (int)i, cases[i].terminal ? BIT(TERMINAL_CONFIRMED) : 0,
		    cases[i].terminal ? 35 : 0);
	}
}

TEST(confirmed_fraud_of_the_partner)
{
	static const struct {
		double confirmed, labelled;
		uint16_t ever;
		uint8_t tenths, percent;
		bool fires;
	} cases[] = {
		{ 0, 0, 0, 20, 20, false }, { 1.99, 1.99, 2, 20, 20, false },
		{ 2, 2, 2, 20, 20, true }, { 2.01, 2.01, 3, 20, 20, true },
		{ 2, 10.01, 2, 20, 20, false }, /* 20 % */
		{ 2, 10, 2, 20, 20, true }, { 2, 9.99, 2, 20, 20, true },
		{ 2, 2.01, 2, 20, 100, false }, { 2, 2, 2, 20, 100, true },
		{ 25.49, 26, 30, 255, 1, false }, { 25.5, 26, 30, 255, 1, true },
		{ 0.101, 0.101, 1, 1, 20, true },
		{ 900, 900, 900, 0, 20, false }, /* 0: however many */
		{ 2, 2, 0, 20, 20, false },      /* all taken back */
	};

	for (size_t i = 0; i < SLUICE_ARRAY_COUNT(cases); i++) {
		const struct risk_feedback_view feedback = { .confirmed_7d =
			                                         COUNT(cases[i].confirmed),
			.labelled_7d = COUNT(cases[i].labelled),
			.confirmed = cases[i].ever };
		struct risk_rules_extra extra;
		struct risk_rules rules;

		risk_rules_default(&rules);
		risk_rules_extra_default(&extra);
		assert_int_equal(rules.partner_confirmed_tenths, 20);
		assert_int_equal(extra.points_partner_confirmed, 20);
		rules.partner_confirmed_tenths = cases[i].tenths;
		extra.factors.confirmed_percent = cases[i].percent;
		assert_case_equal(
		    i, risk_partner_confirmed(&rules, &extra, &feedback), cases[i].fires);
	}
}

TEST(composite_adds_up_to_its_limit)
{
	static const struct {
		uint32_t base_bits;
		bool outside, terminal, account;
		uint32_t age_s;
		int points;
	} cases[] = {
		{ RISK_BIT(LARGE), false, false, false, 7 * DAY_S, 0 },
		{ RISK_BIT(LARGE), false, false, false, 7 * DAY_S - 1, 20 },
		{ 0, false, false, false, 0, 0 },
		{ RISK_BIT(AMOUNT_DEVIATION), true, false, false, 365 * DAY_S, 8 + 10 },
		{ RISK_BIT(AMOUNT_DEVIATION), false, true, false, 365 * DAY_S, 35 + 20 },
		{ 0, false, true, true, 365 * DAY_S, 65 },
		/* 20 + 20 + 10 are 40; and all of it is 100 at most */
		{ RISK_BIT(AMOUNT_DEVIATION), true, true, true, 365 * DAY_S, 100 },
	};

	for (size_t i = 0; i < SLUICE_ARRAY_COUNT(cases); i++) {
		struct risk_feedback_view feedback = {
			.confirmed_7d = COUNT(2), .labelled_7d = COUNT(2), .confirmed = 2
		};
		struct scene scene;
		struct risk_state_result result;

		scene_make(&scene);
		scene.view.hour_outside = cases[i].outside;
		scene.view.account_age_s = cases[i].age_s;
		if (cases[i].terminal)
			scene.view.terminal_feedback = feedback;
		if (cases[i].account)
			scene.view.account_feedback = feedback;
		result = judge(&scene, cases[i].base_bits);
		assert_case_equal(i, result.points, cases[i].points);
	}
}

TEST(composite_of_the_table_is_limited)
{
	struct risk_feedback_view feedback = {
		.confirmed_7d = COUNT(2), .labelled_7d = COUNT(2), .confirmed = 2
	};
	struct scene scene;

	scene_make(&scene);
	memset(scene.rules.points, 0, sizeof(scene.rules.points));
	scene.rules.points[RISK_STATE_COMPOSITE] = 40;
	scene.view.terminal_feedback = scene.view.account_feedback = feedback;
	scene.view.hour_outside = true;
	assert_int_equal(judge(&scene, RISK_BIT(AMOUNT_DEVIATION)).points, 40);
	scene.view.hour_outside = false;
	scene.view.account_feedback.confirmed = 0;
	assert_int_equal(judge(&scene, RISK_BIT(AMOUNT_DEVIATION)).points, 20);
}

/* So a transaction without any has none: risk_factors_evaluate does not look then. */
TEST(every_composite_needs_a_factor)
{
	size_t count;
	const struct risk_composite *composites = risk_composites(&count);

	assert_true(count > 0);
	for (size_t i = 0; i < count; i++)
		assert_true((composites[i].base_bits | composites[i].bits) != 0);
}

TEST(every_factor_has_a_name_a_text_and_points)
{
	struct risk_factor_rules rules;

	risk_factor_rules_default(&rules);
	for (unsigned i = 0; i < RISK_STATE_FACTOR_COUNT; i++) {
		assert_non_null(risk_state_factor_name((enum risk_state_factor)i));
		assert_true(strlen(risk_state_factor_text((enum risk_state_factor)i)) > 10);
		assert_in_range(rules.points[i], 1, 40);
	}
	assert_null(risk_state_factor_name(RISK_STATE_FACTOR_COUNT));
	assert_null(risk_state_factor_text(RISK_STATE_FACTOR_COUNT));
}

TEST_MAIN()
