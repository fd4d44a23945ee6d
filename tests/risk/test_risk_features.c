/* SPDX-License-Identifier: Apache-2.0 */
#include <math.h>
#include <string.h>

#include "dataplane/risk/risk_features.h"
#include "dataplane/risk/risk_view.h"
#include "tests/test.h"
#include "wire/assert.h"

#define SECOND  1000000000ull
#define DAY     (86400 * SECOND)
#define NOW     (20000 * DAY)
#define F(name) features[RISK_FEATURE_##name]

static void fill(const struct risk_account_state *account,
    const struct risk_terminal_state *terminal, const struct risk_transaction *transaction,
    float *features)
{
	struct risk_view view;

	risk_view_make(&view, account, terminal, transaction, 42);
	risk_features_fill(&view, features, 1);
}

static void assert_about(float value, double expected)
{
	if (fabs((double)value - expected) > fabs(expected) * 0.002 + 0.002)
		fail_msg("got %f, expected %f", (double)value, expected);
}

TEST(features_of_the_first_transaction)
{
	struct risk_account_state account;
	struct risk_terminal_state terminal;
	struct risk_transaction transaction = {
		.time_ns = NOW + 13 * 3600 * SECOND, .amount = 1023, .kind = RISK_KIND_PAYMENT
	};
	float features[RISK_FEATURE_COUNT];

	risk_account_init(&account, NOW);
	risk_terminal_init(&terminal, NOW);
	fill(&account, &terminal, &transaction, features);
	assert_about(F(kind), RISK_KIND_PAYMENT);
	assert_about(F(amount_log), 10);
	assert_about(F(hour), 13);
	assert_about(F(day), 20000 % 7);
	assert_about(F(hour_share), 1);
	assert_about(F(account_age_days), 13.0 / 24);
	assert_about(F(account_idle_log), 32);
	assert_about(F(amount_to_mean), 1000); /* nothing to compare with: the end of the scale */
	assert_about(F(amount_deviation), 0);
	assert_about(F(mean_7d_to_mean), 0);
	assert_about(F(partner_rank), 5);
	assert_about(F(amount_to_received), -1);
	assert_about(F(terminal_confirmed_last_days), 1000);
	assert_about(F(account_confirmed_rate_7d), 0);
	assert_about(F(amount_to_balance), -1);
	assert_about(F(other_before_log), -1);
	assert_about(F(partner_confirmed_7d), 0);
	assert_about(F(partner_confirmed_rate_7d), 0);
	assert_about(F(partner_confirmed_last_days), 1000);
}

TEST(features_of_a_partners_cases)
{
	struct risk_account_state account;
	struct risk_terminal_state terminal;
	struct risk_transaction transaction = {
		.time_ns = NOW + 7 * DAY, .amount = 1000, .kind = RISK_KIND_PAYMENT
	};
	struct risk_feedback partner = { 0 };
	struct risk_feedback_view cases;
	float features[RISK_FEATURE_COUNT];
	struct risk_view view;

	risk_account_init(&account, NOW);
	risk_terminal_init(&terminal, NOW);
	for (unsigned i = 0; i < 4; i++)
		risk_feedback_label(&partner, NOW, NOW - (3 - i) * DAY, i < 2);
	risk_view_make(&view, &account, &terminal, &transaction, 42);
	risk_feedback_look(&partner, view.time_s, &cases);
	view.partner_feedback = &cases;
	risk_features_fill(&view, features, 1);
	assert_about(F(partner_confirmed_7d), 2 * exp(-1));
	assert_about(F(partner_confirmed_30d), 2 * exp(-7.0 / 30));
	assert_about(F(partner_confirmed_rate_7d), 0.5);
	assert_about(F(partner_confirmed), 2);
	assert_about(F(partner_confirmed_last_days), 9);
	assert_about(F(partner_confirmed_first_days), 10);
	assert_about(F(partner_clean_run), 2);
	assert_about(F(terminal_confirmed), 0);
}

TEST(features_of_a_habit)
{
	struct risk_account_state account;
	struct risk_terminal_state terminal;
	struct risk_transaction transaction = {
		.time_ns = NOW, .amount = 1000, .terminal_id = 3, .kind = RISK_KIND_PAYMENT
	};
	float features[RISK_FEATURE_COUNT];

	risk_account_init(&account, NOW);
	risk_terminal_init(&terminal, NOW);
	for (unsigned i = 0; i < 20; i++) {
		transaction.time_ns = NOW + i * DAY;
		risk_account_observe(&account, &transaction);
		risk_terminal_observe(&terminal, &transaction, i % 3);
	}
	risk_account_receive(&account, transaction.time_ns, 8000, 1);
	risk_feedback_label(&terminal.feedback, transaction.time_ns, NOW + 5 * DAY, true);
	risk_feedback_label(&terminal.feedback, transaction.time_ns, NOW + 6 * DAY, false);
	transaction.amount = 5000;
	fill(&account, &terminal, &transaction, features);
	assert_about(F(amount_to_mean), 5);
	assert_about(F(amount_deviation), 32); /* 4 means over the floor of an eighth */
	assert_about(F(mean_7d_to_mean), 1);
	assert_about(F(mean_30d_to_mean), 1);
	assert_about(F(high_7d), 0);
	assert_about(F(account_24h), 1.582);
	assert_about(F(account_burst), 1.582 * 30 / 14.842);
	assert_about(F(partner_rank), 1);
	assert_about(F(partner_repeats), 20);
	assert_about(F(partners_again), 19);
	assert_about(F(amount_to_received), 0.625);
	assert_about(F(staked_to_received), 0);
	assert_about(F(terminal_confirmed_rate_7d), 0.5);
	assert_about(F(terminal_confirmed_7d), 1);
	assert_about(F(terminal_confirmed_last_days), 14);
	assert_about(F(terminal_clean_run), 1);
	assert_about(F(account_confirmed), 0);
	assert_about(F(amount_to_terminal_mean), 5);
	assert_about(F(day_share), 3.0 / 20);
	transaction.amount = 500;
	fill(&account, &terminal, &transaction, features);
	assert_about(F(amount_deviation), -4);
}

TEST(features_of_balances)
{
	static const struct {
		uint8_t kind;
		int64_t amount, before, after, other_before, other_after;
		double to_balance, error, left, other_error;
	} cases[] = {
		{ RISK_KIND_TRANSFER, 100, 100, 0, 0, 100, 1, 0, 0, 0 },
		{ RISK_KIND_TRANSFER, 100, 100, 0, 50, 50, 1, 0, 0, 1 },
		{ RISK_KIND_WITHDRAWAL, 100, 400, 350, 0, 100, 0.25, -0.5, 0.875, 0 },
		{ RISK_KIND_DEPOSIT, 100, 400, 500, 900, 800, 0.25, 0, 1.25, 0 },
		{ RISK_KIND_TRANSFER, 0, 0, 0, 0, 0, 0, 0, 0, 0 },
		{ RISK_KIND_TRANSFER, 100, 0, 0, 0, 0, 1000, -1, 0, 1 },
	};

	for (size_t i = 0; i < SLUICE_ARRAY_COUNT(cases); i++) {
		struct risk_account_state account;
		struct risk_terminal_state terminal;
		struct risk_transaction transaction = {
			.time_ns = NOW,
			.amount = cases[i].amount,
			.kind = cases[i].kind,
			.has_balances = 1,
			.has_balances_other = 1,
			.balance_before = cases[i].before,
			.balance_after = cases[i].after,
			.other_before = cases[i].other_before,
			.other_after = cases[i].other_after,
		};
		float features[RISK_FEATURE_COUNT];

		risk_account_init(&account, NOW);
		risk_terminal_init(&terminal, NOW);
		fill(&account, &terminal, &transaction, features);
		assert_about(F(amount_to_balance), cases[i].to_balance);
		assert_about(F(balance_error), cases[i].error);
		assert_about(F(balance_left), cases[i].left);
		assert_about(F(other_error), cases[i].other_error);
	}
}

/* Cases of a partner with anything in them. */
static void partner_draw(uint64_t *draws, uint32_t now_s, struct risk_feedback_view *out)
{
	struct risk_feedback feedback;
	uint8_t *bytes = (uint8_t *)&feedback;

	for (size_t i = 0; i < sizeof(feedback); i++)
		bytes[i] = (uint8_t)(test_random(draws) & test_random(draws));
	risk_feedback_look(&feedback, now_s, out);
}

/* Whatever the state and the transaction: every feature is written and is a number. */
TEST(features_are_always_finite)
{
	uint64_t draws = test_seed();

	for (unsigned round = 0; round < 20000; round++) {
		struct risk_account_state account;
		struct risk_terminal_state terminal;
		struct risk_transaction transaction = {
			.time_ns = test_random(&draws) >> (test_random(&draws) % 64),
			.amount = (int64_t)(test_random(&draws) % 1000000000001),
			.terminal_id = test_random(&draws),
			.kind = (uint8_t)(test_random(&draws) % RISK_KIND_COUNT),
			.has_balances = 1,
			.has_balances_other = 1,
			.balance_before = (int64_t)(test_random(&draws) >> 12),
			.balance_after = (int64_t)(test_random(&draws) >> 12),
			.other_before = -(int64_t)(test_random(&draws) >> 12),
			.other_after = (int64_t)(test_random(&draws) >> 12),
			.utc_offset_s = (uint32_t)(test_random(&draws) % 86400),
		};
		float features[RISK_FEATURE_COUNT * 2];
		struct risk_view view, steps;
		struct risk_feedback_view cases;
		uint64_t account_id = test_random(&draws);
		uint8_t *bytes = (uint8_t *)&account;

		for (size_t i = 0; i < sizeof(account); i++)
			bytes[i] = (uint8_t)(test_random(&draws) & test_random(&draws));
		bytes = (uint8_t *)&terminal;
		for (size_t i = 0; i < sizeof(terminal); i++)
			bytes[i] = (uint8_t)test_random(&draws);
		partner_draw(&draws, (uint32_t)(transaction.time_ns / SECOND), &cases);
		for (unsigned i = 0; i < RISK_FEATURE_COUNT * 2; i++)
			features[i] = NAN;
		risk_view_make(&view, &account, &terminal, &transaction, account_id);
		/* The same in two steps. */
		memcpy(&steps, &view, sizeof(view));
		risk_view_begin(&steps, &account, &terminal, &transaction, account_id);
		risk_view_complete(&steps);
		assert_memory_equal(&steps, &view, sizeof(view));
		if (round % 4 != 0)
			view.partner_feedback = &cases;
		risk_features_fill(&view, features, 2);
		for (unsigned i = 0; i < RISK_FEATURE_COUNT; i++) {
			if (!isfinite(features[2 * i]))
				fail_msg(
				    "round %u: %s", round, risk_feature_name((enum risk_feature)i));
			assert_true(isnan(features[2 * i + 1]));
		}
	}
}

/* Rows of a burst, divided together: the bits of each row alone. Parts not asked for stay. */
TEST(a_burst_has_the_bits_of_its_rows)
{
	enum { ROWS = 37, STRIDE = 48 };
	static float columns[RISK_FEATURE_COLUMNS * STRIDE], alone[RISK_FEATURE_COUNT];
	static struct risk_account_state accounts[ROWS];
	static struct risk_terminal_state terminals[ROWS];
	struct risk_transaction transactions[ROWS];
	struct risk_feedback_view partners[ROWS];
	struct risk_view views[ROWS];
	uint64_t draws = test_seed();

	for (unsigned parts = 0; parts <= RISK_PARTS; parts++) {
		for (size_t i = 0; i < SLUICE_ARRAY_COUNT(columns); i++)
			columns[i] = -7.0f;
		for (unsigned row = 0; row < ROWS; row++) {
			uint8_t *bytes = (uint8_t *)&accounts[row];

			for (size_t i = 0; i < sizeof(accounts[row]); i++)
				bytes[i] = (uint8_t)(test_random(&draws) & test_random(&draws));
			bytes = (uint8_t *)&terminals[row];
			for (size_t i = 0; i < sizeof(terminals[row]); i++)
				bytes[i] = (uint8_t)test_random(&draws);
			if (row % 4 == 0) /* nothing known */
				memset(&accounts[row], 0, sizeof(accounts[row]));
			if (row % 4 == 1)
				accounts[row].amount_mean = accounts[row].amount_spread = 0;
			transactions[row] = (struct risk_transaction){
				.time_ns = test_random(&draws) >> (test_random(&draws) % 40),
				.amount = (int64_t)(test_random(&draws) % 1000000000001),
				.kind = (uint8_t)(test_random(&draws) % RISK_KIND_COUNT),
				.has_balances = row % 3 != 0,
				.balance_before = (int64_t)(test_random(&draws) >> 12),
				.balance_after = (int64_t)(test_random(&draws) >> 12),
			};
			risk_view_make(
			    &views[row], &accounts[row], &terminals[row], &transactions[row], row);
			partner_draw(&draws, views[row].time_s, &partners[row]);
			if (row % 5 != 0) /* of no partner, or one without cases */
				views[row].partner_feedback = &partners[row];
			risk_features_put(&views[row], columns + row, STRIDE, parts);
		}
		risk_features_finish(columns, STRIDE, ROWS, parts);
		for (unsigned row = 0; row < ROWS; row++) {
			risk_features_fill(&views[row], alone, 1);
			for (unsigned i = 0; i < RISK_FEATURE_COUNT; i++) {
				unsigned part = risk_features_part((enum risk_feature)i);

				if (part != 0 && (parts & part) == 0)
					continue;
				if (memcmp(&columns[i * STRIDE + row], &alone[i], sizeof(float)) !=
				    0)
					fail_msg("row %u: %s is %.9g, alone %.9g", row,
					    risk_feature_name((enum risk_feature)i),
					    (double)columns[i * STRIDE + row], (double)alone[i]);
			}
		}
	}
	assert_int_equal(risk_features_part(RISK_FEATURE_kind), 0);
	assert_int_equal(risk_features_part(RISK_FEATURE_staked_to_received), RISK_PART_RECEIVED);
	assert_int_equal(risk_features_part(RISK_FEATURE_other_before_log), RISK_PART_BALANCES);
	assert_int_equal(risk_features_part(RISK_FEATURE_partner_confirmed_7d), RISK_PART_PARTNER);
	assert_int_equal(risk_features_part(RISK_FEATURE_partner_clean_run), RISK_PART_PARTNER);
}

static uint64_t hash_add(uint64_t hash, const void *data, size_t size)
{
	const uint8_t *bytes = data;

	for (size_t i = 0; i < size; i++)
		hash = (hash ^ bytes[i]) * 0x100000001b3ull; /* FNV-1a */
	return hash;
}

/*
 * The very bits of 3,000 transactions, on any machine and in any build: those of version 1, and
 * all. Models are trained on these numbers and those of version 1 are still in use, so what is
 * there stays as it is; what is added goes behind it and gives RISK_FEATURES_VERSION a new number.
 * (Of spans, which two of them see, is the test behind this one.)
 */
TEST(features_are_these_bits)
{
	struct risk_account_state accounts[5];
	struct risk_terminal_state terminals[4];
	struct risk_feedback partner = { 0 };
	uint64_t draws = 1, time = NOW, hash = 0xcbf29ce484222325ull, first = hash;

	for (unsigned i = 0; i < 5; i++)
		risk_account_init(&accounts[i], NOW);
	for (unsigned i = 0; i < 4; i++)
		risk_terminal_init(&terminals[i], NOW);
	for (unsigned i = 0; i < 3000; i++) {
		uint64_t draw[8], account, terminal;
		struct risk_transaction transaction;
		float features[RISK_FEATURE_COUNT];
		struct risk_feedback_view cases;
		struct risk_view view;

		for (unsigned j = 0; j < 8; j++)
			draw[j] = test_random(&draws);
		account = draw[0] % 5;
		terminal = draw[1] % 4;
		time += draw[2] % (i % 50 == 0 ? 20 * DAY : DAY / 20);
		transaction = (struct risk_transaction){
			.time_ns = time,
			.amount = (int64_t)(draw[3] >> 44) >> (i % 7),
			.terminal_id = terminal,
			.kind = (uint8_t)(draw[3] % RISK_KIND_COUNT),
			.has_balances = i % 2,
			.has_balances_other = i % 3 == 0,
			.balance_before = (int64_t)(draw[4] >> 40),
			.balance_after = (int64_t)(draw[5] >> 40),
			.other_before = (int64_t)(draw[6] >> 40),
			.other_after = (int64_t)(draw[7] >> 40),
			.utc_offset_s = 9 * 3600,
		};
		risk_view_make(
		    &view, &accounts[account], &terminals[terminal], &transaction, account);
		risk_feedback_look(&partner, view.time_s, &cases);
		view.partner_feedback = i % 3 == 0 ? NULL : &cases;
		risk_features_fill(&view, features, 1);
		first = hash_add(first, features, risk_features_count(1) * sizeof(float));
		hash = hash_add(hash, features, sizeof(features));
		risk_account_observe(&accounts[account], &transaction);
		risk_terminal_observe(&terminals[terminal], &transaction, account);
		if (i % 4 == 0)
			risk_account_receive_before(
			    &accounts[account], time, transaction.amount, terminal);
		if (i % 5 == 0)
			risk_feedback_label(&accounts[account].feedback, time,
			    time - draw[4] % (9 * DAY), i % 10 == 0);
		if (i % 6 == 0)
			risk_feedback_label(&terminals[terminal].feedback, time,
			    time - draw[5] % (9 * DAY), i % 18 == 0);
		if (i % 7 == 0)
			risk_feedback_label(
			    &partner, time, time - draw[6] % (9 * DAY), i % 21 == 0);
	}
	if (first != 0x66c72e0dd2fbfe15ull)
		fail_msg("version 1: hash %#llx", (unsigned long long)first);
	if (hash != 0xeeb55dceb52cc0adull)
		fail_msg("hash %#llx", (unsigned long long)hash);
}

/* Spans of what came in are of two features; no other sees which rule a state has learnt by. */
TEST(spans_change_two_features_and_no_other)
{
	struct risk_account_state accounts[2];
	struct risk_terminal_state terminal;
	uint64_t draws = test_seed(), time = NOW;
	unsigned differ = 0;

	risk_terminal_init(&terminal, NOW);
	risk_account_init(&accounts[0], NOW);
	risk_account_init(&accounts[1], NOW);
	for (unsigned i = 0; i < 3000; i++) {
		struct risk_transaction transaction = {
			.time_ns = time += (test_random(&draws) % (4 * 3600)) * SECOND,
			.amount = 1 + (int64_t)(test_random(&draws) % 100000),
			.terminal_id = test_random(&draws) % 5,
			.kind = (uint8_t)(test_random(&draws) % RISK_KIND_COUNT),
		};
		float features[2][RISK_FEATURE_COUNT];

		for (unsigned k = 0; k < 2; k++) {
			fill(&accounts[k], &terminal, &transaction, features[k]);
			transaction.keeps_moved = k == 0;
			if (transaction.kind != RISK_KIND_DEPOSIT)
				risk_account_observe(&accounts[k], &transaction);
			else if (k == 0)
				risk_account_receive(&accounts[k], time, transaction.amount, 1);
			else
				risk_account_receive_before(
				    &accounts[k], time, transaction.amount, 1);
		}
		for (unsigned f = 0; f < RISK_FEATURE_COUNT; f++) {
			if (memcmp(&features[0][f], &features[1][f], sizeof(float)) == 0)
				continue;
			if (f != RISK_FEATURE_amount_to_received &&
			    f != RISK_FEATURE_staked_to_received)
				fail_msg("%s", risk_feature_name((enum risk_feature)f));
			differ++;
		}
	}
	assert_true(differ > 100);
}

TEST(every_feature_has_a_name_and_a_text)
{
	for (unsigned i = 0; i < RISK_FEATURE_COUNT; i++) {
		assert_non_null(risk_feature_name((enum risk_feature)i));
		assert_true(strlen(risk_feature_text((enum risk_feature)i)) > 8);
	}
	assert_int_equal(risk_features_count(0), 0);
	assert_int_equal(risk_features_count(1), 71);
	assert_int_equal(risk_features_count(RISK_FEATURES_VERSION), RISK_FEATURE_COUNT);
	assert_int_equal(risk_features_count(RISK_FEATURES_VERSION + 1), 0);
	assert_null(risk_feature_name(RISK_FEATURE_COUNT));
	assert_null(risk_feature_text(RISK_FEATURE_COUNT));
}

TEST_MAIN()
