/* SPDX-License-Identifier: Apache-2.0 */
#include <string.h>

#include "dataplane/risk/risk_state.h"
#include "tests/test.h"

#define SECOND 1000000000ull
#define HOUR   (3600 * SECOND)
#define DAY    (24 * HOUR)
#define NOW    (20000 * DAY) /* a Wednesday */

static struct risk_transaction transaction_at(uint64_t time_ns, int64_t amount)
{
	return (struct risk_transaction){
		.time_ns = time_ns, .amount = amount, .terminal_id = 7, .kind = RISK_KIND_STAKE
	};
}

static struct risk_view look(const struct risk_account_state *account,
    const struct risk_terminal_state *terminal, const struct risk_transaction *transaction)
{
	struct risk_view view;

	risk_view_make(&view, account, terminal, transaction, 42);
	return view;
}

/* Decayed counts against e^(-age/tau), with the error risk_state.h states. */
static void assert_near(uint32_t count, double expected)
{
	double value = count / (double)RISK_COUNT_ONE;

	if (value > expected * 1.001 + 0.001 || value < expected * 0.999 - 0.36)
		fail_msg("count %f, expected %f", value, expected);
}

TEST(nothing_happened)
{
	struct risk_account_state account;
	struct risk_terminal_state terminal;
	struct risk_transaction transaction = transaction_at(NOW, 1000);
	struct risk_view view;

	risk_account_init(&account, NOW);
	risk_terminal_init(&terminal, NOW);
	view = look(&account, &terminal, &transaction);
	for (unsigned i = 0; i < RISK_WINDOWS; i++) {
		assert_int_equal(view.account_counts[i], 0);
		assert_int_equal(view.terminal_counts[i], 0);
	}
	assert_true(view.account_idle_s == UINT32_MAX && view.terminal_idle_s == UINT32_MAX);
	assert_true(view.received_idle_s == UINT32_MAX);
	assert_true(view.account_feedback.since_last_s == UINT32_MAX);
	assert_int_equal(view.partners, 0);
	assert_int_equal(view.partner_rank, 5);
	assert_false(view.partner_seen || view.hour_outside || view.day_outside);
	assert_int_equal(view.hour_share, 255);
}

TEST(counts_fall_in_their_windows)
{
	struct risk_account_state account;
	struct risk_terminal_state terminal;
	struct risk_transaction transaction = transaction_at(NOW, 1000);
	struct risk_view view;

	risk_account_init(&account, NOW);
	risk_terminal_init(&terminal, NOW);
	risk_account_observe(&account, &transaction);
	risk_terminal_observe(&terminal, &transaction, 42);
	transaction.time_ns = NOW + HOUR;
	view = look(&account, &terminal, &transaction);
	assert_near(view.account_counts[RISK_1H], 0.367879);
	assert_near(view.account_counts[RISK_24H], 0.959189);
	assert_near(view.account_counts[RISK_7D], 0.994065);
	assert_near(view.account_counts[RISK_30D], 0.998612);
	assert_near(view.terminal_counts[RISK_1H], 0.367879);
	assert_true(view.sum_24h >= 958 && view.sum_24h <= 960);
	assert_int_equal(view.account_idle_s, 3600);
	transaction.time_ns = NOW + 400 * DAY;
	view = look(&account, &terminal, &transaction);
	assert_int_equal(view.account_counts[RISK_7D], 0);
	assert_int_equal(view.sum_7d, 0);
}

TEST(steady_rate_rests_at_rate_times_window)
{
	struct risk_account_state account;
	struct risk_terminal_state terminal;
	struct risk_transaction transaction = transaction_at(NOW, 1000);
	struct risk_view view;

	risk_account_init(&account, NOW);
	risk_terminal_init(&terminal, NOW);
	for (unsigned i = 0; i < 24 * 200; i++) {
		transaction.time_ns = NOW + i * HOUR;
		risk_account_observe(&account, &transaction);
	}
	view = look(&account, &terminal, &transaction);
	/* One an hour, right behind one of them: 1 / (1 - e^(-1 h / tau)). */
	assert_near(view.account_counts[RISK_1H], 1.581977);
	assert_near(view.account_counts[RISK_24H], 24.503471);
	assert_near(view.account_counts[RISK_7D], 168.500496);
	assert_near(view.account_counts[RISK_30D], 719.583);
	assert_int_equal(account.amount_mean, 1000 << 8);
	assert_int_equal(account.amount_spread, 0);
}

TEST(clock_that_steps_back_decays_nothing)
{
	struct risk_account_state account, before;
	struct risk_terminal_state terminal;
	struct risk_transaction transaction = transaction_at(NOW, 1000);
	struct risk_view view;

	risk_account_init(&account, NOW);
	risk_terminal_init(&terminal, NOW);
	risk_account_observe(&account, &transaction);
	before = account;
	transaction.time_ns = NOW - 10 * DAY;
	view = look(&account, &terminal, &transaction);
	assert_int_equal(view.account_counts[RISK_1H], RISK_COUNT_ONE);
	assert_int_equal(view.account_idle_s, 0);
	risk_account_observe(&account, &transaction);
	assert_int_equal(account.updated_s, before.updated_s);
	assert_int_equal(account.counts[RISK_1H], 2 * RISK_COUNT_ONE);
	transaction.time_ns = 0;
	view = look(&account, &terminal, &transaction);
	assert_int_equal(view.account_age_s, 0);
}

TEST(counters_stay_at_their_ends)
{
	struct risk_account_state account;
	struct risk_terminal_state terminal;
	struct risk_transaction transaction = transaction_at(UINT64_MAX, 1000000000000000);

	risk_account_init(&account, NOW);
	risk_terminal_init(&terminal, NOW);
	account.observations = terminal.observations = UINT32_MAX;
	account.sum_30d = 1ull << 56;
	account.ladder = account.parties.again = UINT8_MAX;
	account.hours[0] = UINT8_MAX;
	memset(account.hours, UINT8_MAX, sizeof(account.hours));
	account.counts[RISK_30D] = UINT32_MAX;
	account.updated_s = UINT32_MAX - 1;
	risk_account_observe(&account, &transaction);
	risk_terminal_observe(&terminal, &transaction, 1);
	assert_true(account.observations == UINT32_MAX && terminal.observations == UINT32_MAX);
	assert_true(account.counts[RISK_30D] == UINT32_MAX);
	assert_true(account.sum_30d == 1ull << 56);
	assert_int_equal(account.hours[1], 127 + (account.hours[1] == 128));
	for (unsigned i = 0; i < 100000; i++)
		risk_feedback_label(&account.feedback, NOW, NOW, i % 2 == 0);
	assert_int_equal(account.feedback.confirmed, 50000);
	for (unsigned i = 0; i < 100000; i++)
		risk_feedback_label(&account.feedback, NOW, NOW + i, false);
	assert_int_equal(account.feedback.dismissed, UINT16_MAX);
}

TEST(small_counters_stay_at_their_ends_too)
{
	struct risk_account_state account;
	struct risk_transaction transaction = transaction_at(NOW, 1000);

	risk_account_init(&account, NOW);
	risk_account_observe(&account, &transaction);
	account.parties.repeats = account.parties.again = UINT16_MAX;
	account.ladder = UINT8_MAX;
	transaction.amount = 2000;
	risk_account_observe(&account, &transaction);
	assert_int_equal(account.parties.repeats, UINT16_MAX);
	assert_int_equal(account.parties.again, UINT16_MAX);
	assert_int_equal(account.ladder, UINT8_MAX);
	risk_account_receive(&account, NOW, 1, 1);
	account.source_again = UINT8_MAX;
	risk_account_receive(&account, NOW, 1, 1);
	assert_int_equal(account.source_again, UINT8_MAX);
	account.feedback.confirmed = UINT16_MAX;
	account.feedback.clean_run = UINT8_MAX;
	risk_feedback_label(&account.feedback, NOW, NOW, false);
	assert_int_equal(account.feedback.clean_run, UINT8_MAX);
	risk_feedback_label(&account.feedback, NOW, NOW, true);
	assert_int_equal(account.feedback.confirmed, UINT16_MAX);
}

TEST(outlier_moves_the_mean_by_four_means_at_most)
{
	struct risk_account_state account;
	struct risk_transaction transaction = transaction_at(NOW, 1000);

	risk_account_init(&account, NOW);
	for (unsigned i = 0; i < 5; i++)
		risk_account_observe(&account, &transaction);
	assert_int_equal(account.high_7d, 0);
	transaction.amount = 2500;
	risk_account_observe(&account, &transaction);
	assert_int_equal(account.high_7d, 0); /* 2.5 means are not above 2.5 */
	account.amount_mean = 1000 << 8;
	transaction.amount = 1000000;
	risk_account_observe(&account, &transaction);
	assert_int_equal(account.amount_mean, (1000 << 8) + 3 * (1000 << 8) / 7);
	assert_int_equal(account.high_7d, RISK_COUNT_ONE);
}

TEST(counterparties_are_remembered)
{
	struct risk_account_state account;
	struct risk_terminal_state terminal;
	struct risk_transaction transaction = transaction_at(NOW, 1000);
	struct risk_view view;

	risk_account_init(&account, NOW);
	risk_terminal_init(&terminal, NOW);
	for (uint64_t id = 1; id <= 5; id++) {
		transaction.terminal_id = id;
		risk_account_observe(&account, &transaction);
	}
	/* 5, 4, 3, 2 are the last four; 1 is known by its hash bit only. */
	for (uint64_t id = 1; id <= 5; id++) {
		transaction.terminal_id = id;
		view = look(&account, &terminal, &transaction);
		assert_case_equal(id, view.partner_rank, id == 1 ? 5 : 6 - id);
		assert_true(view.partner_seen);
	}
	assert_in_range(view.partners, 3, 5);
	assert_int_equal(account.parties.again, 0);
	transaction.terminal_id = 3; /* to the front; the others keep their order */
	risk_account_observe(&account, &transaction);
	assert_int_equal(account.parties.again, 1);
	assert_int_equal(account.parties.repeats, 0);
	risk_account_observe(&account, &transaction);
	assert_int_equal(account.parties.repeats, 1);
	transaction.terminal_id = 2;
	view = look(&account, &terminal, &transaction);
	assert_int_equal(view.partner_rank, 4);
	/* Bits stay for this week and the next, tags for good. */
	transaction.time_ns = NOW + 14 * DAY;
	view = look(&account, &terminal, &transaction);
	assert_int_equal(view.partners, 0);
	assert_false(view.partner_seen);
	assert_int_equal(view.partner_rank, 4);
	transaction.time_ns = NOW + 40 * 28 * DAY;
	transaction.terminal_id = 99;
	risk_account_observe(&account, &transaction);
	assert_int_equal(account.parties.again, 0);
}

TEST(hash_bits_stay_for_this_week_and_the_next)
{
	struct risk_account_state account;
	struct risk_terminal_state terminal;
	struct risk_transaction transaction = transaction_at(NOW, 1000);

	risk_account_init(&account, NOW);
	risk_terminal_init(&terminal, NOW);
	risk_account_observe(&account, &transaction);
	/* Seen a week later, by looking and after another one was observed; not two weeks later. */
	transaction.time_ns = NOW + 7 * DAY;
	assert_true(look(&account, &terminal, &transaction).partner_seen);
	transaction.terminal_id = 8;
	assert_false(look(&account, &terminal, &transaction).partner_seen);
	risk_account_observe(&account, &transaction);
	transaction.terminal_id = 7;
	assert_true(look(&account, &terminal, &transaction).partner_seen);
	assert_int_equal(look(&account, &terminal, &transaction).partners, 2);
	transaction.time_ns = NOW + 14 * DAY;
	assert_false(look(&account, &terminal, &transaction).partner_seen);
	transaction.terminal_id = 8;
	assert_true(look(&account, &terminal, &transaction).partner_seen);
	transaction.time_ns = NOW + 28 * DAY;
	risk_account_observe(&account, &transaction);
	assert_true(account.parties.seen[1] == 0);
	assert_int_equal(account.parties.repeats, 1);
}

TEST(payers_by_tag_and_decayed_counts)
{
	struct risk_account_state account;
	struct risk_terminal_state terminal;
	struct risk_transaction transaction = transaction_at(NOW + 7 * DAY, 10);
	struct risk_view view;

	risk_account_init(&account, NOW);
	risk_terminal_init(&terminal, NOW);
	for (uint64_t payer = 1; payer <= 4; payer++)
		risk_account_receive(&account, NOW, 100, payer);
	for (uint64_t payer = 1; payer <= 4; payer++) {
		transaction.terminal_id = payer;
		assert_case_equal(
		    payer, look(&account, &terminal, &transaction).partner_paid, payer != 1);
	}
	assert_int_equal(account.source_again, 0);
	risk_account_receive(&account, NOW, 100, 2); /* the third of three: to the front */
	assert_int_equal(account.source_again, 1);
	risk_account_receive(&account, NOW, 100, 5);
	transaction.terminal_id = 3;
	assert_false(look(&account, &terminal, &transaction).partner_paid);
	view = look(&account, &terminal, &transaction);
	assert_near(view.in_24h, 6 * 0.000912);
	assert_near(view.in_7d, 6 * 0.367879);
	assert_near(view.in_30d, 6 * 0.791890);
	/* Exactly a day later the deposits are still counted together. */
	risk_account_receive(&account, NOW + DAY, 100, 2);
	assert_int_equal(account.received_amount, 700);
	risk_account_receive(&account, NOW + 2 * DAY + SECOND, 100, 2);
	assert_int_equal(account.received_amount, 100);
	/* Four weeks on: bits of then are gone, repeats halved. */
	transaction.time_ns = NOW + 40 * DAY;
	assert_int_equal(look(&account, &terminal, &transaction).sources, 0);
	account.source_again = 9;
	risk_account_receive(&account, NOW + 2 * DAY + 28 * DAY, 100, 77);
	assert_int_equal(account.source_again, 4);
	assert_int_equal(__builtin_popcountll(account.sources), 1);
}

TEST(runs_on_one_selection)
{
	/* After each bet: how often and from how many sides the next on selection 5 is judged. */
	static const struct {
		uint32_t minute;
		uint64_t selection, terminal, account;
		uint8_t count, sides, at_terminal;
	} cases[] = {
		{ 0, 5, 1, 10, 2, 1, 2 },
		{ 1, 5, 1, 10, 3, 1, 3 },
		{ 2, 5, 2, 10, 4, 2, 4 },
		{ 3, 0, 2, 10, 4, 2, 4 }, /* a combination changes nothing */
		{ 4, 6, 2, 10, 3, 2, 3 }, /* another takes one off */
		{ 5, 5, 3, 10, 4, 3, 4 },
		{ 60, 5, 3, 10, 5, 3, 5 }, /* the end of the hour */
		{ 61, 5, 3, 10, 2, 1, 2 }, /* a new run */
		{ 62, 6, 3, 10, 1, 1, 1 }, /* which one bet on another ends */
		{ 63, 5, 3, 10, 2, 1, 2 },
	};
	struct risk_account_state account;
	struct risk_terminal_state terminal;
	uint64_t terminals[] = { 0, 7, 8, 9 };

	risk_account_init(&account, NOW);
	risk_terminal_init(&terminal, NOW);
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct risk_transaction transaction =
		    transaction_at(NOW + cases[i].minute * 60 * SECOND, 100);
		struct risk_view view;

		transaction.selection_id = cases[i].selection;
		transaction.terminal_id = terminals[cases[i].terminal];
		risk_account_observe(&account, &transaction);
		risk_terminal_observe(&terminal, &transaction, cases[i].account);
		transaction.selection_id = 5;
		view = look(&account, &terminal, &transaction);
		assert_case_equal(i, view.account_selections, cases[i].count);
		assert_case_equal(i, view.account_selection_sides, cases[i].sides);
		assert_case_equal(i, view.terminal_selections, cases[i].at_terminal);
		transaction.selection_id = 0;
		assert_case_equal(i, look(&account, &terminal, &transaction).account_selections, 0);
	}
	account.selection.count = terminal.selection.count = UINT8_MAX;
	for (unsigned i = 0; i < 2; i++) {
		struct risk_transaction transaction = transaction_at(NOW + 3780 * SECOND, 100);
		struct risk_view view;

		transaction.selection_id = 5;
		view = look(&account, &terminal, &transaction);
		assert_int_equal(view.account_selections, UINT8_MAX);
		assert_int_equal(view.terminal_selections, UINT8_MAX);
		risk_account_observe(&account, &transaction);
		risk_terminal_observe(&terminal, &transaction, 10);
	}
}

TEST(growing_amounts)
{
	/* log2 in 1/256: 2^10 is 2,560; a step of 67 more is a step up. */
	static const struct {
		int64_t amount;
		uint8_t ladder;
	} cases[] = { { 1023, 0 }, { 1227, 0 }, { 1473, 1 }, { 1473, 0 }, { 2000, 1 },
		{ 4000, 2 } };
	struct risk_account_state account;

	risk_account_init(&account, NOW);
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct risk_transaction transaction = transaction_at(NOW, cases[i].amount);

		risk_account_observe(&account, &transaction);
		assert_case_equal(i, account.ladder, cases[i].ladder);
	}
}

TEST(money_that_came_in)
{
	struct risk_account_state account;
	struct risk_terminal_state terminal;
	struct risk_transaction transaction = transaction_at(NOW + HOUR, 300);
	struct risk_view view;

	risk_account_init(&account, NOW);
	risk_terminal_init(&terminal, NOW);
	risk_account_receive(&account, NOW, 1000, 5);
	risk_account_observe(&account, &transaction);
	risk_account_receive(&account, NOW + 2 * HOUR, 500, 5);
	assert_int_equal(account.received_amount, 1500);
	assert_int_equal(account.staked_since, 300);
	assert_int_equal(account.source_again, 1);
	transaction.time_ns = NOW + 3 * HOUR;
	transaction.terminal_id = 5;
	view = look(&account, &terminal, &transaction);
	assert_true(view.partner_paid);
	assert_int_equal(view.sources, 1);
	assert_int_equal(view.received_idle_s, 3600);
	/* More than a day later the count begins anew. */
	risk_account_receive(&account, NOW + 27 * HOUR, 70, 6);
	assert_int_equal(account.received_amount, 70);
	assert_int_equal(account.staked_since, 0);
	assert_int_equal(account.source_again, 1);
}

TEST(habit_of_hours_and_days_in_local_time)
{
	struct risk_account_state account;
	struct risk_terminal_state terminal;
	struct risk_transaction transaction = transaction_at(NOW, 1000);
	struct risk_view view;

	transaction.utc_offset_s = 9 * 3600;
	risk_account_init(&account, NOW);
	risk_terminal_init(&terminal, NOW);
	/* 18 at noon UTC, which is 21:00 there, 2 at 22:00. */
	for (unsigned i = 0; i < 20; i++) {
		view = look(&account, &terminal, &transaction);
		assert_false(view.hour_outside); /* fewer than 20: no habit yet */
		transaction.time_ns = NOW + i * DAY + (i < 18 ? 12 : 13) * HOUR;
		risk_account_observe(&account, &transaction);
	}
	assert_int_equal(account.hours[21], 18);
	assert_int_equal(account.hours[22], 2);
	transaction.time_ns = NOW + 30 * DAY + 12 * HOUR;
	view = look(&account, &terminal, &transaction);
	assert_int_equal(view.hour, 21);
	assert_false(view.hour_outside);
	/* 18 of 20 is 90 %: the busier slot holds it, this one is outside; and an empty one. */
	transaction.time_ns += HOUR;
	assert_true(look(&account, &terminal, &transaction).hour_outside);
	account.hours[22] = 3;
	assert_false(look(&account, &terminal, &transaction).hour_outside);
	transaction.time_ns += 5 * HOUR; /* 03:00 of the next day there */
	view = look(&account, &terminal, &transaction);
	assert_int_equal(view.hour, 3);
	assert_true(view.hour_outside);
	/* The day of the week changes at their midnight: 15:00 UTC. Day 20,000 is a Wednesday, 6.
	 */
	transaction.time_ns = NOW + 15 * HOUR - 1;
	assert_int_equal(look(&account, &terminal, &transaction).day, 20000 % 7);
	transaction.time_ns = NOW + 15 * HOUR;
	assert_int_equal(look(&account, &terminal, &transaction).day, 20001 % 7);
}

TEST(labels_that_arrive_late)
{
	struct risk_account_state account;
	struct risk_terminal_state terminal;
	struct risk_feedback *feedback = &terminal.feedback;
	struct risk_transaction transaction = transaction_at(NOW + 10 * DAY, 1000);
	struct risk_view view;

	risk_account_init(&account, NOW);
	risk_terminal_init(&terminal, NOW);
	risk_feedback_label(feedback, NOW + 7 * DAY, NOW, true);
	risk_feedback_label(feedback, NOW + 8 * DAY, NOW + DAY, true);
	risk_feedback_label(feedback, NOW + 9 * DAY, NOW + 2 * DAY, false);
	risk_feedback_label(feedback, NOW + 10 * DAY, NOW + DAY / 2, false); /* before the last */
	view = look(&account, &terminal, &transaction);
	assert_near(view.terminal_feedback.confirmed_7d, 0.651439 + 0.751477);
	assert_near(view.terminal_feedback.labelled_7d, 0.651439 + 0.751477 + 0.866878 + 1);
	assert_int_equal(view.terminal_feedback.confirmed, 2);
	assert_int_equal(view.terminal_feedback.dismissed, 2);
	assert_int_equal(view.terminal_feedback.clean_run, 1);
	assert_int_equal(view.terminal_feedback.since_first_s, 10 * 86400);
	assert_int_equal(view.terminal_feedback.since_last_s, 9 * 86400);
	assert_near(view.terminal_feedback.labelled_30d, 0.904837 + 0.935507 + 0.967216 + 1);
	/* One of the same moment as the last confirmed is not behind it. */
	risk_feedback_label(feedback, NOW + 10 * DAY, NOW + DAY, false);
	assert_int_equal(feedback->clean_run, 1);
	risk_feedback_label(feedback, NOW + 10 * DAY, NOW + DAY, true);
	assert_int_equal(feedback->clean_run, 0);
	/* A gap of more than ten days begins a new run; one of exactly ten does not. */
	risk_feedback_label(feedback, NOW + 18 * DAY, NOW + 11 * DAY, true);
	assert_int_equal(feedback->first_s, NOW / SECOND);
	assert_int_equal(feedback->clean_run, 0);
	risk_feedback_label(feedback, NOW + 30 * DAY, NOW + 22 * DAY, true);
	assert_int_equal(feedback->first_s, NOW / SECOND + 22 * 86400);
	/* One of long ago, late: counts, but is not the last. */
	risk_feedback_label(feedback, NOW + 31 * DAY, NOW, true);
	assert_int_equal(feedback->last_s, NOW / SECOND + 22 * 86400);
}

TEST(logarithm_of_the_table)
{
	static const struct {
		uint64_t value;
		uint32_t log;
	} cases[] = { { 0, 0 }, { 1, 256 }, { 3, 512 }, { 2, 406 }, { 1023, 2560 },
		{ (1ull << 40) - 1, 40 * 256 }, { UINT64_MAX, 64 * 256 - 1 } };

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
		if (risk_log2(cases[i].value) + 1 < cases[i].log ||
		    risk_log2(cases[i].value) > cases[i].log + 1)
			fail_msg("case %zu: %u", i, risk_log2(cases[i].value));
	for (uint64_t value = 0; value < 1000000; value += 1 + value / 100)
		assert_true(risk_log2(value) <= risk_log2(value + 1));
}

TEST(same_transactions_make_the_same_bytes)
{
	uint64_t seed = test_seed();
	struct risk_account_state accounts[2];
	struct risk_terminal_state terminals[2];

	for (unsigned round = 0; round < 2; round++) {
		uint64_t draws = seed, time = NOW;

		/* What lay there before must not matter. */
		memset(&accounts[round], round ? 0xff : 0, sizeof(accounts[round]));
		memset(&terminals[round], round ? 0xff : 0, sizeof(terminals[round]));
		risk_account_init(&accounts[round], time);
		risk_terminal_init(&terminals[round], time);
		for (unsigned i = 0; i < 2000; i++) {
			struct risk_transaction transaction;

			time += test_random(&draws) % (3 * DAY);
			time -= test_random(&draws) % HOUR;
			transaction =
			    transaction_at(time, (int64_t)(test_random(&draws) % 1000000));
			transaction.terminal_id = test_random(&draws) % 9;
			transaction.kind = (uint8_t)(test_random(&draws) % RISK_KIND_COUNT);
			risk_account_observe(&accounts[round], &transaction);
			risk_terminal_observe(&terminals[round], &transaction, i % 5);
			if (i % 3 == 0)
				risk_account_receive(&accounts[round], time, 10, i % 7);
			risk_feedback_label(
			    &accounts[round].feedback, time, time - DAY, i % 4 == 0);
		}
	}
	assert_memory_equal(&accounts[0], &accounts[1], sizeof(accounts[0]));
	assert_memory_equal(&terminals[0], &terminals[1], sizeof(terminals[0]));
}

TEST_MAIN()
