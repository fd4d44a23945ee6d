/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Factors of the risk states through the ledger: at, below and above their thresholds. A second
 * ledger applies every event beside it and must hold the same bytes.
 */
#include "dataplane/ledger/ledger_internal.h"
#include "tests/ledger/risk_bed.h"

#define THRESHOLD 10000000

/* The last event: whether a factor of the states fired. */
static int fired(const struct bed *bed, enum risk_state_factor factor)
{
	return (le32_get(bed->wallet.record.factor_bits) >> (RISK_STATE_SHIFT + factor) & 1) != 0;
}

static void bet(struct bed *bed, int64_t stake, uint16_t selection)
{
	const uint32_t odds[] = { 2000, 3500, 25000 };
	const struct wire_request wire =
	    BET(.stake = stake, .legs = { { MARKET, odds[selection], selection } });

	assert_int_equal(ask(bed, &wire), WIRE_CODE_OK);
}

static void move(struct bed *bed, uint16_t template_id, int64_t amount)
{
	const struct wire_request wire = { .template_id = template_id,
		.deposit = { .account_id = RICH,
		    .amount = amount,
		    .currency = KRW,
		    .deadline_ns = NO_DEADLINE } };

	assert_int_equal(ask(bed, &wire), WIRE_CODE_OK);
}

TEST(without_factor_rules_nothing_is_learned_or_told)
{
	const struct wire_request wire = BET(.stake = 1000);
	struct wallet wallet;

	wallet_make(&wallet);
	for (unsigned i = 0; i < 10; i++)
		assert_int_equal(wallet_ask(&wallet, &wire), WIRE_CODE_OK);
	assert_int_equal(wallet.record.flags & EVENT_FLAG_SCORED, 0);
	assert_int_equal(le16_get(wallet.record.length), sizeof(struct event_record) + 16);
	assert_null(ledger_account_risk(wallet.ledger, RICH));
	assert_null(ledger_terminal_risk(wallet.ledger, TERMINAL));
	wallet_free(&wallet);
}

TEST(a_common_bet_is_as_long_as_ever_and_is_learned)
{
	struct bed bed;

	bed_make(&bed, 101);
	bet(&bed, 1000, 0);
	assert_true(bed.wallet.record.flags & EVENT_FLAG_SCORED);
	assert_int_equal(le16_get(bed.wallet.record.length), sizeof(struct event_record) + 16);
	assert_int_equal(ledger_account_risk(bed.wallet.ledger, RICH)->observations, 1);
	assert_int_equal(ledger_terminal_risk(bed.wallet.ledger, TERMINAL)->observations, 1);
	bed_free(&bed);
}

TEST(the_fifth_growing_stake_is_a_ladder)
{
	static const int64_t stakes[] = { 1000, 1300, 1690, 2197, 2856 };
	struct bed bed;

	bed_make(&bed, 101);
	for (unsigned i = 0; i < SLUICE_ARRAY_COUNT(stakes); i++) {
		bet(&bed, stakes[i], (uint16_t)(i % 2));
		assert_case_equal(i, fired(&bed, RISK_STATE_STAKE_LADDER), i == 4);
	}
	assert_int_equal(numbers(&bed).ladder, 4);
	assert_int_equal(bed.wallet.record.score, 20);
	bet(&bed, 3000, 0); /* 1.05 times: no step */
	assert_false(fired(&bed, RISK_STATE_STAKE_LADDER));
	bed_free(&bed);
}

TEST(the_sixth_bet_on_a_selection_within_an_hour)
{
	struct bed bed;

	bed_make(&bed, 101);
	for (unsigned i = 1; i <= 6; i++) {
		bet(&bed, 1000, 0);
		assert_case_equal(i, fired(&bed, RISK_STATE_SELECTION_REPEATED), i == 6);
	}
	assert_int_equal(numbers(&bed).selection_bets, 6);
	bed.wallet.now += 2 * HOUR;
	bet(&bed, 1000, 0);
	assert_false(fired(&bed, RISK_STATE_SELECTION_REPEATED));
	bed_free(&bed);
}

TEST(one_selection_from_several_terminals)
{
	struct bed bed;
	unsigned terminals = 0;

	bed_make(&bed, 101);
	/* Hash bits: two terminals may have the same one, five in eight hardly. */
	for (; terminals < 5 && (terminals == 0 || !fired(&bed, RISK_STATE_SELECTION_TERMINALS));
	     terminals++) {
		bed.wallet.terminal = 20 + terminals;
		bet(&bed, 1000, 0);
	}
	assert_true(terminals >= 3);
	assert_true(fired(&bed, RISK_STATE_SELECTION_TERMINALS));
	assert_int_equal(numbers(&bed).selection_sides, 3);
	bed_free(&bed);
}

TEST(a_bet_just_before_the_market_closes)
{
	static const struct {
		uint64_t before_s;
		int fires;
	} cases[] = { { 6, 0 }, { 5, 1 }, { 1, 1 } };
	const struct wire_request wire = BET(.legs = { { MARKET_SOON, 2000, 0 } });
	struct bed bed;

	bed_make(&bed, 101);
	for (size_t i = 0; i < SLUICE_ARRAY_COUNT(cases); i++) {
		bed.wallet.now = SOON - cases[i].before_s * SECOND;
		assert_int_equal(ask(&bed, &wire), WIRE_CODE_OK);
		assert_case_equal(i, fired(&bed, RISK_STATE_LATE_BET), cases[i].fires);
	}
	assert_int_equal(le32_get(numbers(&bed).close_in_s), 1);
	bed_free(&bed);
}

/* Amounts of 90 % and more of the threshold, and below it. */
TEST(the_third_amount_just_below_the_report_threshold)
{
	static const struct {
		int64_t amount;
		int near;
	} cases[] = { { THRESHOLD * 9 / 10 - 1, 0 }, { THRESHOLD * 9 / 10, 1 },
		{ THRESHOLD - 1, 1 }, { THRESHOLD, 0 } };

	for (size_t i = 0; i < SLUICE_ARRAY_COUNT(cases); i++) {
		struct bed bed;

		bed_make(&bed, 101);
		for (unsigned n = 1; n <= 3; n++) {
			move(&bed, WIRE_DEPOSIT, cases[i].amount);
			assert_case_equal(
			    i, fired(&bed, RISK_STATE_STRUCTURING), cases[i].near && n == 3);
		}
		assert_int_equal(numbers(&bed).near_report, cases[i].near ? 3 : 0);
		bed.wallet.now += 49 * HOUR; /* beyond the window */
		move(&bed, WIRE_DEPOSIT, cases[i].amount);
		assert_case_equal(i, fired(&bed, RISK_STATE_STRUCTURING), 0);
		bed_free(&bed);
	}
}

TEST(money_that_comes_and_goes)
{
	static const struct {
		int64_t withdrawn, staked;
		int fires;
	} cases[] = { { 79999, 0, 0 }, { 80000, 0, 1 }, { 100000, 19999, 1 },
		{ 100000, 20000, 0 } };

	for (size_t i = 0; i < SLUICE_ARRAY_COUNT(cases); i++) {
		struct bed bed;

		bed_make(&bed, 101);
		move(&bed, WIRE_DEPOSIT, 100000);
		if (cases[i].staked > 0)
			bet(&bed, cases[i].staked, 0);
		move(&bed, WIRE_WITHDRAW, cases[i].withdrawn);
		assert_case_equal(i, fired(&bed, RISK_STATE_RAPID_MOVEMENT), cases[i].fires);
		bed_free(&bed);
	}
}

/* In parts, by withdrawals and transfers, with a small deposit on top; a follower comes to the same
 * (move). What is told is what the factor saw. */
TEST(money_that_comes_and_goes_in_parts)
{
	const struct wire_request away = TRANSFER(.amount = 20000, .to_account = PARTNERED);
	struct bed bed;

	bed_make(&bed, 101);
	move(&bed, WIRE_DEPOSIT, 99990);
	assert_true(bed.wallet.record.flags & EVENT_FLAG_MOVED);
	for (unsigned i = 0; i < 3; i++) {
		move(&bed, WIRE_WITHDRAW, 20000);
		assert_true(bed.wallet.record.flags & EVENT_FLAG_MOVED);
		assert_false(fired(&bed, RISK_STATE_RAPID_MOVEMENT));
	}
	bed.wallet.now += HOUR;
	move(&bed, WIRE_DEPOSIT, 10);
	assert_int_equal(ask(&bed, &away), WIRE_CODE_OK);
	assert_true(bed.wallet.record.flags & EVENT_FLAG_MOVED);
	assert_true(fired(&bed, RISK_STATE_RAPID_MOVEMENT));
	assert_int_equal(numbers(&bed).moved_percent, 80);
	/* What came to the other one is its own to move on. */
	assert_int_equal(ledger_account_risk(bed.wallet.ledger, PARTNERED)->received_amount, 20000);
	assert_int_equal(risk_account_moved(ledger_account_risk(bed.wallet.ledger, PARTNERED)), 0);
	bet(&bed, 1000, 0);
	assert_false(bed.wallet.record.flags & EVENT_FLAG_MOVED);
	bed_free(&bed);
}

/* A log of an earlier version has no MOVED: it comes to the state it had, byte for byte. */
TEST(events_of_earlier_versions_keep_nothing_of_what_moved)
{
	static const struct {
		uint16_t template_id;
		int64_t amount;
	} steps[] = { { WIRE_DEPOSIT, 50000 }, { WIRE_WITHDRAW, 30000 }, { WIRE_DEPOSIT, 10 },
		{ WIRE_WITHDRAW, 15000 } };
	struct risk_account_state expected;
	const struct risk_account_state *kept;
	struct ledger *older;
	struct bed bed;

	bed_make(&bed, 101);
	older = fixture_create(256, 0);
	assert_int_equal(ledger_copy(older, bed.wallet.ledger), 0);
	risk_account_init(&expected, bed.wallet.now);
	for (size_t i = 0; i < SLUICE_ARRAY_COUNT(steps); i++) {
		struct event_record record;
		struct event_buffer event;

		move(&bed, steps[i].template_id, steps[i].amount);
		event = bed.wallet.event;
		record = bed.wallet.record;
		record.flags &= (uint8_t)~EVENT_FLAG_MOVED;
		memcpy(event.bytes, &record, sizeof(record));
		assert_int_equal(event_check(event.bytes, sizeof(event.bytes)), 0);
		assert_int_equal(ledger_apply(older, event.bytes, sizeof(event.bytes)), 0);
		if (steps[i].template_id == WIRE_DEPOSIT)
			risk_account_receive_before(
			    &expected, bed.wallet.now, steps[i].amount, TERMINAL);
	}
	kept = ledger_account_risk(older, le64_get(bed.wallet.record.account_id));
	assert_int_equal(kept->received_amount, 50010);
	assert_true(kept->received_amount == expected.received_amount);
	assert_true(kept->in_24h == expected.in_24h && kept->sources == expected.sources);
	assert_int_equal(kept->moved_high | kept->moved_low | kept->span_hour, 0);
	assert_true(ledger_state_hash(older) == ledger_state_hash_full(older));
	ledger_free(older);
	bed_free(&bed);
}

TEST(the_third_transfer_in_a_row_to_one_account)
{
	const struct wire_request to_poor = TRANSFER(.to_account = POOR);
	const struct wire_request to_other = TRANSFER(.to_account = PARTNERED);
	struct bed bed;

	bed_make(&bed, 101);
	for (unsigned i = 1; i <= 3; i++) {
		assert_int_equal(ask(&bed, &to_poor), WIRE_CODE_OK);
		assert_case_equal(i, fired(&bed, RISK_STATE_REPEATED_TRANSFER), i == 3);
	}
	assert_int_equal(numbers(&bed).transfers_repeated, 3);
	assert_int_equal(ledger_account_risk(bed.wallet.ledger, POOR)->received_amount, 3000);
	assert_int_equal(ask(&bed, &to_other), WIRE_CODE_OK);
	assert_false(fired(&bed, RISK_STATE_REPEATED_TRANSFER));
	bed_free(&bed);
}

static void flag(struct bed *bed, uint16_t flags, uint16_t country)
{
	const struct ledger_command command = {
		.type = EVENT_ACCOUNT_FLAGS,
		.account_id = RICH,
		.control_sequence = ++bed->wallet.sequence,
		.account_flags = { .flags = le16_make(flags), .country = le16_make(country) },
	};

	assert_int_equal(wallet_command(&bed->wallet, &command), 1);
	follow(bed);
	assert_int_equal(wallet_command(&bed->wallet, &command), 0);
}

TEST(lists_give_their_points_and_take_them_back)
{
	const struct wire_request wire = BET(.stake = 1000);
	struct bed bed;

	bed_make(&bed, 80);
	flag(&bed, ACCOUNT_COUNTRY_RISK | ACCOUNT_PEP, 408);
	assert_int_equal(ask(&bed, &wire), WIRE_CODE_OK);
	assert_int_equal(bed.wallet.record.score, 20);
	assert_true(bit(&bed, RISK_BITS_COUNTRY));
	assert_int_equal(le16_get(numbers(&bed).country), 408);
	assert_int_equal(le16_get(numbers(&bed).account_flags), ACCOUNT_COUNTRY_RISK | ACCOUNT_PEP);
	flag(&bed, ACCOUNT_SANCTIONED, 0);
	assert_int_equal(ask(&bed, &wire), WIRE_CODE_RISK_SCORE);
	assert_int_equal(bed.wallet.record.score, 100);
	assert_true(bit(&bed, RISK_BITS_WATCH_LIST) && bit(&bed, RISK_ALERT));
	flag(&bed, 0, 0);
	assert_int_equal(ask(&bed, &wire), WIRE_CODE_OK);
	assert_int_equal(bed.wallet.record.score, 0);
	bed_free(&bed);
}

/* What is refused by its score: every kind of request that moves money. */
TEST(a_listed_account_moves_nothing)
{
	const struct wire_request wires[] = { BET(.stake = 1000), DEPOSIT(), WITHDRAW(),
		TRANSFER() };
	struct bed bed;

	bed_make(&bed, 80);
	flag(&bed, ACCOUNT_SANCTIONED, 0);
	for (size_t i = 0; i < SLUICE_ARRAY_COUNT(wires); i++) {
		int64_t balance = wallet_balance(&bed.wallet, RICH);

		assert_case_equal(i, ask(&bed, &wires[i]), WIRE_CODE_RISK_SCORE);
		assert_true(wallet_balance(&bed.wallet, RICH) == balance);
		assert_true(bed.wallet.record.flags & EVENT_FLAG_SCORED);
	}
	assert_null(ledger_account_risk(bed.wallet.ledger, RICH)); /* refusals teach nothing */
	bed_free(&bed);
}

static int judge_case(struct bed *bed, uint64_t account, uint64_t terminal, uint8_t confirmed)
{
	const struct ledger_command command = {
		.type = EVENT_FEEDBACK,
		.control_sequence = ++bed->wallet.sequence,
		.feedback = { .account_id = le64_make(account),
		    .terminal_id = le64_make(terminal),
		    .transaction_ns = le64_make(bed->wallet.now - DAY),
		    .confirmed = confirmed },
	};
	int done = wallet_command(&bed->wallet, &command);

	if (done == 1)
		follow(bed);
	return done;
}

/* Taken back as given at learned_s; 0: just before. */
static int case_withdraw(struct bed *bed, uint64_t account, uint8_t confirmed, uint32_t learned_s)
{
	const struct ledger_command command = {
		.type = EVENT_FEEDBACK,
		.control_sequence = ++bed->wallet.sequence,
		.feedback = { .account_id = le64_make(account),
		    .transaction_ns = le64_make(bed->wallet.now - DAY),
		    .confirmed = confirmed,
		    .withdrawn = 1,
		    .learned_s = le32_make(learned_s) },
	};
	int done = wallet_command(&bed->wallet, &command);

	if (done == 1)
		follow(bed);
	return done;
}

TEST(a_verdict_taken_back_counts_no_more)
{
	struct bed bed;
	uint32_t first_s;

	bed_make(&bed, 101);
	bet(&bed, 1000, 0);
	first_s = (uint32_t)(bed.wallet.now / 1000000000u);
	assert_int_equal(judge_case(&bed, RICH, 0, 1), 1);
	bet(&bed, 1000, 1);
	assert_true(fired(&bed, RISK_STATE_ACCOUNT_CONFIRMED));
	bed.wallet.now += DAY / 2;
	/* Given again and taken back at once: the first one is left as it was. */
	assert_int_equal(judge_case(&bed, RICH, 0, 1), 1);
	assert_int_equal(case_withdraw(&bed, RICH, 1, 0), 1);
	bet(&bed, 1000, 1);
	assert_int_equal(le16_get(numbers(&bed).account_confirmed_tenths), 9); /* e^(-0.5/7) */
	/* Taken back days later, nothing of it is left, and there is nothing more to take. */
	for (unsigned i = 0; i < 2; i++) {
		assert_int_equal(case_withdraw(&bed, RICH, 1, first_s), 1);
		bet(&bed, 1000, 0);
		assert_false(fired(&bed, RISK_STATE_ACCOUNT_CONFIRMED));
	}
	assert_int_equal(ledger_account_risk(bed.wallet.ledger, RICH)->feedback.confirmed, 0);
	assert_int_equal(ledger_account_risk(bed.wallet.ledger, RICH)->feedback.confirmed_7d, 0);
	assert_int_equal(ledger_account_risk(bed.wallet.ledger, RICH)->feedback.last_s, 0);
	bed_free(&bed);
}

TEST(judged_cases_become_factors)
{
	const struct wire_request cash = BET(.account_id = 0, .stake = 1000);
	struct bed bed;

	bed_make(&bed, 101);
	bet(&bed, 1000, 0);
	assert_int_equal(judge_case(&bed, NOBODY, 0, 1), 0); /* nobody of here */
	assert_int_equal(judge_case(&bed, RICH, 0, 1), 1);
	bet(&bed, 1000, 1);
	assert_true(fired(&bed, RISK_STATE_ACCOUNT_CONFIRMED));
	assert_false(fired(&bed, RISK_STATE_TERMINAL_CONFIRMED));
	for (unsigned i = 1; i <= 2; i++) { /* one is of its customer; two are of the terminal */
		assert_int_equal(judge_case(&bed, NOBODY, TERMINAL, 1), 1);
		bet(&bed, 1000, 0);
		assert_case_equal(i, fired(&bed, RISK_STATE_TERMINAL_CONFIRMED), i == 2);
	}
	assert_int_equal(le16_get(numbers(&bed).terminal_confirmed_tenths), 20);
	/* Cash has no account, but is bet at the terminal. */
	assert_int_equal(ask(&bed, &cash), WIRE_CODE_OK);
	assert_true(fired(&bed, RISK_STATE_TERMINAL_CONFIRMED));
	assert_false(fired(&bed, RISK_STATE_ACCOUNT_CONFIRMED));
	/* One and two of many: below 15 % of the labelled. */
	for (unsigned i = 0; i < 12; i++)
		assert_int_equal(judge_case(&bed, RICH, TERMINAL, 0), 1);
	bet(&bed, 1000, 1);
	assert_false(fired(&bed, RISK_STATE_ACCOUNT_CONFIRMED));
	assert_false(fired(&bed, RISK_STATE_TERMINAL_CONFIRMED));
	bed_free(&bed);
}

/* What was judged at a counter, and a large bet there of a customer of whom nothing is known. */
TEST(one_confirmed_case_does_not_close_a_counter)
{
	static const struct {
		unsigned cases;
		uint8_t terminal_tenths, points;
		uint16_t code;
		unsigned score;
		int fires;
	} rows[] = {
		{ 0, 11, 35, WIRE_CODE_OK, 40, 0 },
		{ 1, 11, 35, WIRE_CODE_OK, 40, 0 },
		{ 2, 11, 35, WIRE_CODE_OK, 75, 1 }, /* somebody looks at it */
		{ 9, 11, 35, WIRE_CODE_OK, 75, 1 },
		/* As the rules of before had it. */
		{ 1, 0, 40, WIRE_CODE_RISK_SCORE, 80, 1 },
	};

	for (size_t i = 0; i < SLUICE_ARRAY_COUNT(rows); i++) {
		const struct wire_request large = BET(.account_id = PARTNERED, .stake = 500000);
		struct ledger_command command = { .type = EVENT_RULES_SET };
		struct bed bed;

		bed_make(&bed, 80);
		command.rules = ledger_shard(bed.wallet.ledger)->rules;
		command.rules.version++;
		command.rules.large_amount = 500000;
		command.extra = ledger_shard(bed.wallet.ledger)->extra;
		assert_int_equal(command.extra.factors.points[RISK_STATE_TERMINAL_CONFIRMED], 35);
		command.extra.factors.young_s = 1; /* no customer is new */
		command.extra.factors.terminal_confirmed_tenths = rows[i].terminal_tenths;
		command.extra.factors.points[RISK_STATE_TERMINAL_CONFIRMED] = rows[i].points;
		assert_int_equal(wallet_command(&bed.wallet, &command), 1);
		follow(&bed);
		bet(&bed, 1000, 0); /* the terminal is known */
		for (unsigned n = 0; n < rows[i].cases; n++)
			assert_int_equal(judge_case(&bed, RICH, TERMINAL, 1), 1);
		assert_case_equal(i, ask(&bed, &large), rows[i].code);
		assert_case_equal(i, bed.wallet.record.score, rows[i].score);
		assert_case_equal(i, fired(&bed, RISK_STATE_TERMINAL_CONFIRMED), rows[i].fires);
		assert_case_equal(i, bit(&bed, RISK_ALERT), rows[i].score >= 60);
		bed_free(&bed);
	}
}

TEST(each_currency_has_its_own_amounts)
{
	static const struct {
		int64_t stake;
		uint16_t code;
		int large;
	} cases[] = { { 4999, WIRE_CODE_OK, 0 }, { 5000, WIRE_CODE_OK, 1 },
		{ 8501, WIRE_CODE_PAYOUT_LIMIT, 1 }, { 8500, WIRE_CODE_OK, 1 },
		{ 1502, WIRE_CODE_LIMIT_DAILY_STAKE, 0 }, { 1501, WIRE_CODE_OK, 0 } };
	const struct wire_request little =
	    WITHDRAW(.account_id = DOLLARS, .currency = USD, .amount = 699);
	const struct wire_request waits =
	    WITHDRAW(.account_id = DOLLARS, .currency = USD, .amount = 700);
	struct bed bed;

	bed_make(&bed, 101);
	for (size_t i = 0; i < SLUICE_ARRAY_COUNT(cases); i++) {
		const struct wire_request wire =
		    BET(.account_id = DOLLARS, .currency = USD, .stake = cases[i].stake);

		assert_case_equal(i, ask(&bed, &wire), cases[i].code);
		assert_case_equal(i, bit(&bed, RISK_LARGE), cases[i].large);
	}
	assert_int_equal(ask(&bed, &little), WIRE_CODE_OK);
	assert_int_equal(ask(&bed, &waits), WIRE_CODE_PENDING);
	bed_free(&bed);
}

TEST(an_undone_group_unlearns)
{
	const struct wire_request first = BET(.account_id = PARTNERED);
	struct risk_account_state before;
	struct bed bed;
	uint64_t hash;

	bed_make(&bed, 101);
	bet(&bed, 1000, 0);
	before = *ledger_account_risk(bed.wallet.ledger, RICH);
	hash = ledger_state_hash(bed.wallet.ledger);
	ledger_group_begin(bed.wallet.ledger);
	for (unsigned i = 0; i < 2; i++) {
		const struct wire_request wire = BET(.stake = 5000);

		bed.wallet.terminal = 30; /* a new one */
		assert_int_equal(wallet_ask(&bed.wallet, &wire), WIRE_CODE_OK);
	}
	assert_int_equal(wallet_ask(&bed.wallet, &first), WIRE_CODE_OK);
	assert_int_equal(ledger_account_risk(bed.wallet.ledger, RICH)->observations, 3);
	ledger_group_undo(bed.wallet.ledger);
	assert_memory_equal(ledger_account_risk(bed.wallet.ledger, RICH), &before, sizeof(before));
	assert_null(ledger_account_risk(bed.wallet.ledger, PARTNERED));
	assert_null(ledger_terminal_risk(bed.wallet.ledger, 30));
	assert_true(ledger_state_hash(bed.wallet.ledger) == hash);
	assert_true(ledger_state_hash_full(bed.wallet.ledger) == hash);
	bed_free(&bed);
}

TEST(a_copy_has_the_states_too)
{
	struct ledger *copy = fixture_create(256, 0), *small;
	struct ledger_config config = fixture_config(256, 0);
	struct bed bed;

	bed_make(&bed, 101);
	for (unsigned i = 0; i < 8; i++)
		bet(&bed, 1000 + i, (uint16_t)(i % 3));
	assert_int_equal(ledger_copy(copy, bed.wallet.ledger), 0);
	assert_true(ledger_state_hash(copy) == ledger_state_hash(bed.wallet.ledger));
	assert_memory_equal(ledger_account_risk(copy, RICH),
	    ledger_account_risk(bed.wallet.ledger, RICH), sizeof(struct risk_account_state));
	config.accounts_max = ledger_row_count(bed.wallet.ledger, LEDGER_ACCOUNT) + 1;
	small = ledger_create(&config);
	assert_non_null(small);
	assert_int_equal(ledger_copy(small, bed.wallet.ledger), 0);
	assert_true(ledger_state_hash_full(small) == ledger_state_hash(bed.wallet.ledger));
	ledger_free(small);
	ledger_free(copy);
	bed_free(&bed);
}

/* A customer with habits: a few bets a day on what there is, for a month. */
TEST(honest_traffic_is_hardly_ever_alerted)
{
	uint64_t random = test_seed();
	unsigned alerts = 0, bets = 0;
	struct bed bed;

	bed_make(&bed, 80);
	fixture_market(bed.wallet.ledger, 7, 7, 7, MARKET_OPEN, NOW + 60 * DAY);
	ledger_free(bed.follower);
	bed.follower = fixture_create(256, 0);
	assert_int_equal(ledger_copy(bed.follower, bed.wallet.ledger), 0);
	for (unsigned day = 0; day < 20; day++) {
		for (unsigned i = 0; i < 6; i++) {
			const struct wire_request wire =
			    BET(.stake = 5000 + (int64_t)(test_random(&random) % 5000),
			        .legs = { { 7, 2000, 0 } });

			bed.wallet.now = NOW + day * DAY + i * HOUR;
			bets += ask(&bed, &wire) == WIRE_CODE_OK;
			alerts += (unsigned)bit(&bed, RISK_ALERT);
		}
	}
	assert_int_equal(bets, 120);
	assert_int_equal(alerts, 0);
	bed_free(&bed);
}

TEST_MAIN()
