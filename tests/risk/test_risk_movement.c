/* SPDX-License-Identifier: Apache-2.0 */
/* RAPID_MOVEMENT by whole stories: in parts, with other deposits; what the state keeps for it. */
#include "dataplane/risk/risk_factors.h"
#include "tests/test.h"

#define SECOND 1000000000ull
#define DAY_S  86400u
#define NOW_S  (20000u * DAY_S)
#define HOUR   (3600 * SECOND)
#define DAY    (DAY_S * SECOND)
#define NOW    (NOW_S * SECOND)
#define HOUR_S 3600u

/* What was done, from NOW_S on; the last is judged. */
struct movement {
	uint32_t after_s; /* of the step before */
	uint8_t kind;
	int64_t amount;
};
#define IN(after, amount)                                                                          \
	{                                                                                          \
		(after), RISK_KIND_DEPOSIT, (amount)                                               \
	}
#define OUT(after, amount)                                                                         \
	{                                                                                          \
		(after), RISK_KIND_WITHDRAWAL, (amount)                                            \
	}
#define TO(after, amount)                                                                          \
	{                                                                                          \
		(after), RISK_KIND_TRANSFER, (amount)                                              \
	}
#define STAKE(after, amount)                                                                       \
	{                                                                                          \
		(after), RISK_KIND_STAKE, (amount)                                                 \
	}

/* 80 % of the deposits moved on, less than 20 % of them staked: as one or in parts, and whatever
 * else was deposited before or behind. */
static const struct {
	struct movement steps[8];
	uint8_t percent;
	bool fires;
} cases[] = {
	/* In parts, below the threshold, at it, and above. */
	{ { IN(0, 10000), OUT(60, 4000), OUT(60, 3999) }, 79, false },
	{ { IN(0, 10000), OUT(60, 4000), OUT(60, 4000) }, 80, true },
	{ { IN(0, 10000), OUT(60, 4000), OUT(60, 4001) }, 80, true },
	{ { IN(0, 10000), OUT(60, 2000), TO(60, 2000), OUT(60, 2000), TO(60, 1999) }, 79, false },
	{ { IN(0, 10000), OUT(60, 2000), TO(60, 2000), OUT(60, 2000), TO(60, 2000) }, 80, true },
	/* Once moved, whatever follows is part of it. */
	{ { IN(0, 10000), OUT(60, 9000), OUT(60, 1) }, 90, true },
	/* What was staked is no movement, and counts as staked. */
	{ { IN(0, 10000), STAKE(60, 1999), OUT(60, 4000), OUT(60, 4000) }, 80, true },
	{ { IN(0, 10000), STAKE(60, 2000), OUT(60, 4000), OUT(60, 4000) }, 80, false },
	{ { IN(0, 10000), OUT(60, 4000), STAKE(60, 2000), OUT(60, 4000) }, 80, false },
	/* A small deposit on top clears nothing: at once, within the day, behind it. */
	{ { IN(0, 10000), IN(60, 10), OUT(60, 8007) }, 79, false },
	{ { IN(0, 10000), IN(60, 10), OUT(60, 8008) }, 80, true },
	{ { IN(0, 10000), IN(23 * HOUR_S, 10), OUT(60, 8007) }, 79, false },
	{ { IN(0, 10000), IN(23 * HOUR_S, 10), OUT(60, 8008) }, 80, true },
	{ { IN(0, 10000), OUT(60, 4000), IN(60, 10), OUT(60, 4000) }, 79, false },
	{ { IN(0, 10000), OUT(60, 4000), IN(60, 10), OUT(60, 4008) }, 80, true },
	/* Small ones with small stakes around the deposit do not, either. */
	{ { IN(0, 10), STAKE(60, 10), IN(23 * HOUR_S, 10000), IN(2 * HOUR_S, 10), STAKE(60, 10),
	      OUT(60, 8008) },
	    80, true },
	{ { IN(0, 10), IN(23 * HOUR_S, 10000), IN(2 * HOUR_S, 10), STAKE(60, 10), OUT(60, 8008) },
	    159, true },
	/* What was played out before says nothing of a new deposit. */
	{ { IN(0, 50000), STAKE(60, 50000), IN(HOUR_S, 10000), OUT(60, 7999) }, 79, false },
	{ { IN(0, 50000), STAKE(60, 50000), IN(HOUR_S, 10000), OUT(60, 8000) }, 80, true },
	{ { IN(0, 50000), STAKE(60, 49999), IN(HOUR_S, 10000), OUT(60, 10000) }, 16, false },
	/* Of a span of more than 24 h half counts, of all that happened in it. */
	{ { IN(0, 10000), IN(DAY_S, 100), OUT(60, 8079) }, 79, false },
	{ { IN(0, 10000), IN(DAY_S, 100), OUT(60, 8080) }, 80, true },
	{ { IN(0, 10000), OUT(60, 4000), IN(DAY_S - HOUR_S, 100), IN(2 * HOUR_S, 100),
	      OUT(60, 2099) },
	    79, false },
	{ { IN(0, 10000), OUT(60, 4000), IN(DAY_S - HOUR_S, 100), IN(2 * HOUR_S, 100),
	      OUT(60, 2120) },
	    80, true },
	{ { IN(0, 10000), STAKE(60, 2059), IN(DAY_S - HOUR_S, 100), IN(2 * HOUR_S, 100),
	      OUT(60, 9000) },
	    174, true },
	{ { IN(0, 10000), STAKE(60, 2060), IN(DAY_S - HOUR_S, 100), IN(2 * HOUR_S, 100),
	      OUT(60, 9000) },
	    174, false },
	/* Nothing came for a day: only what comes then counts. */
	{ { IN(0, 10000), OUT(60, 7000), OUT(DAY_S, 7000) }, 140, false },
	{ { IN(0, 10000), OUT(60, 7000), IN(DAY_S + 1, 1000), OUT(60, 799) }, 79, false },
	{ { IN(0, 10000), OUT(60, 7000), IN(DAY_S + 1, 1000), OUT(60, 800) }, 80, true },
	/* Nothing ever came: there is nothing to compare with. */
	{ { OUT(0, 5000), OUT(60, 5000) }, 0, false },
	{ { OUT(0, 5000), IN(60, 1000), OUT(60, 799) }, 79, false },
	{ { OUT(0, 5000), IN(60, 1000), OUT(60, 800) }, 80, true },
};

TEST(rapid_movement_in_parts_and_with_other_deposits)
{
	struct risk_factor_rules rules;

	risk_factor_rules_default(&rules);
	for (size_t i = 0; i < SLUICE_ARRAY_COUNT(cases); i++) {
		struct risk_account_state account;
		struct risk_terminal_state terminal;
		struct risk_state_result result = { 0 };
		uint32_t now_s = NOW_S + 1800;
		struct risk_view view;

		risk_account_init(&account, (NOW_S - 365 * DAY_S) * SECOND);
		risk_terminal_init(&terminal, (NOW_S - 365 * DAY_S) * SECOND);
		for (unsigned k = 0; k < 8 && cases[i].steps[k].amount != 0; k++) {
			const struct movement *step = &cases[i].steps[k];
			struct risk_transaction transaction = { .keeps_moved = 1,
				.kind = step->kind,
				.amount = step->amount,
				.terminal_id = k };

			now_s += step->after_s;
			transaction.time_ns = now_s * SECOND;
			risk_view_make(&view, &account, &terminal, &transaction, 1);
			risk_factors_evaluate(&rules, &view, 0, &result);
			if (k == 7 || cases[i].steps[k + 1].amount == 0)
				assert_case_equal(i, risk_moved_percent(&view), cases[i].percent);
			if (step->kind == RISK_KIND_DEPOSIT)
				risk_account_receive(
				    &account, transaction.time_ns, step->amount, k);
			else
				risk_account_observe(&account, &transaction);
		}
		assert_case_equal(
		    i, (result.factor_bits & RISK_STATE_BIT(RAPID_MOVEMENT)) != 0, cases[i].fires);
	}
}

static void move(struct risk_account_state *account, uint8_t keeps, int64_t amount)
{
	const struct risk_transaction transaction = { .time_ns = NOW + HOUR,
		.amount = amount,
		.kind = RISK_KIND_WITHDRAWAL,
		.keeps_moved = keeps };

	risk_account_observe(account, &transaction);
}

/* However small the parts: none is lost, and each counts for 1/65,536 of what came in too much. */
TEST(what_moved_on_is_kept_as_a_share_of_what_came_in)
{
	static const int64_t received[] = { 1, 7, 1000, 65536, 1000000, 1000000000000 };

	for (size_t i = 0; i < SLUICE_ARRAY_COUNT(received); i++) {
		struct risk_account_state account;
		int64_t part = received[i] / 1000 + 1, moved = 0;

		risk_account_init(&account, NOW);
		risk_account_receive(&account, NOW, received[i], 5);
		assert_int_equal(risk_account_moved(&account), 0);
		for (unsigned k = 1; moved + part < received[i] / 2; k++) {
			uint64_t kept;

			move(&account, 1, part);
			moved += part;
			kept = risk_account_moved(&account);
			assert_true(kept >= (uint64_t)moved);
			assert_true(
			    kept <= (uint64_t)moved + k * (uint64_t)received[i] / 65536 + 1);
		}
		move(&account, 1, received[i] * 3); /* more than came in: all of it */
		assert_int_equal(
		    risk_account_moved(&account), (uint64_t)received[i] * 65535 / 65536);
	}
}

/* Events of older logs teach what they always did: no byte of the state is another. */
TEST(older_deposits_and_withdrawals_keep_no_span)
{
	struct risk_account_state account;

	risk_account_init(&account, NOW);
	risk_account_receive_before(&account, NOW, 1000, 5);
	move(&account, 0, 900);
	for (unsigned i = 1; i <= 40; i++)
		risk_account_receive_before(&account, NOW + i * 12 * HOUR, 10, 5);
	assert_int_equal(account.received_amount, 1400);
	assert_int_equal(risk_account_moved(&account), 0);
	assert_int_equal(account.moved_low | account.moved_high | account.span_hour, 0);
	/* The first of this one goes on with what is there. */
	risk_account_receive(&account, NOW + 20 * DAY + HOUR, 100, 5);
	move(&account, 1, 80);
	assert_in_range(account.received_amount, 800, 1500);
	assert_in_range(risk_account_moved(&account), 80, 81);
}

TEST_MAIN()
