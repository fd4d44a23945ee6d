/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Limits that are lowered or first set on what is sold already, and bets that a rollback opens
 * again: the shard that is overdrawn has what it lacks from the others before they sell it. Odds
 * are 2.000: a stake pays the double.
 */
#include "dataplane/ledger/settlement.h"
#include "tests/shard/bed.h"

#define OTHER   901 /* market of another event */
#define PARTNER 7
#define MS      1000000ull

struct limits {
	int64_t selection_max, market_max;
};

/* One command on all shards, as control gives it; a moment later. */
static void command_all(struct bed *bed, struct ledger_command ledger)
{
	struct shard_command command = { .ticket = 1, .kind = SHARD_LEDGER, .ledger = ledger };
	struct shard_result result;

	command.ledger.control_sequence =
	    ledger_shard(bed->workers[0]->ledger)->control_sequence + 1;
	for (uint32_t i = 0; i < bed->count; i++)
		assert_true(spsc_ring_push(bed->workers[i]->rings.command, &command));
	bed_settle(bed, 1);
	for (uint32_t i = 0; i < bed->count; i++) {
		assert_true(spsc_ring_pop(bed->workers[i]->rings.result, &result));
		assert_int_equal(result.error, 0);
	}
	/* A shard may have been asked before it had the command. */
	for (unsigned i = 0; i < 4; i++) {
		bed->now_ns += 5 * MS;
		bed_settle(bed, 1);
	}
}

static void limits_set(struct bed *bed, struct limits limits)
{
	struct ledger_command command = { .type = EVENT_RULES_SET };

	risk_rules_default(&command.rules);
	command.rules.version = ledger_shard(bed->workers[0]->ledger)->rules.version + 1;
	command.rules.refuse_score = 101;
	command.rules.exposure_selection_max = limits.selection_max;
	command.rules.exposure_market_max = limits.market_max;
	command_all(bed, command);
}

static struct bed *bed_with(uint32_t count, struct limits limits)
{
	struct bed *bed = bed_open(count, 0);

	limits_set(bed, limits);
	return bed;
}

/* Sends it again while it is BUSY, as a terminal does. */
static uint16_t sell(struct bed *bed, uint64_t id, uint32_t shard, int64_t payout)
{
	for (unsigned i = 0; i < 20; i++) {
		uint64_t account = bed_account(bed, shard, 0);
		uint16_t code = bed_ask(bed, 0, bed_bet(id, account, payout / 2)).code;

		if (code != WIRE_CODE_BUSY)
			return code;
		bed->now_ns += 5 * MS;
	}
	return WIRE_CODE_BUSY;
}

static int64_t lacks_of(const struct bed *bed, uint32_t shard, uint64_t market, unsigned scope)
{
	const struct ledger_shortage limit = {
		.id = market, .currency = KRW, .scope = (uint8_t)scope
	};

	return ledger_credit_lacks(bed->workers[shard]->ledger, &limit);
}

static int64_t free_of(const struct bed *bed, uint32_t shard, unsigned scope)
{
	const struct ledger_shortage limit = { .id = scope == LEASE_PARTNER ? PARTNER : BED_MARKET,
		.currency = KRW,
		.scope = (uint8_t)scope };

	return ledger_credit_free(bed->workers[shard]->ledger, &limit) -
	       ledger_credit_lacks(bed->workers[shard]->ledger, &limit);
}

static int64_t free_sum(const struct bed *bed, unsigned scope)
{
	int64_t sum = 0;

	for (uint32_t i = 0; i < bed->count; i++)
		sum += free_of(bed, i, scope);
	return sum;
}

static int64_t sold(const struct bed *bed)
{
	int64_t sum = 0;

	for (uint32_t i = 0; i < bed->count; i++)
		sum += ledger_market_exposure(bed->workers[i]->ledger, BED_MARKET, 0);
	return sum;
}

/* Nobody asks for anything any more, however long it takes. */
static void expect_silence(struct bed *bed)
{
	uint64_t asked[BED_WORKERS_MAX];

	for (uint32_t i = 0; i < bed->count; i++)
		asked[i] = stats_get(&bed->workers[i]->stats.shortages_asked);
	for (unsigned i = 0; i < 10; i++) {
		bed->now_ns += SECOND;
		bed_settle(bed, 1);
	}
	for (uint32_t i = 0; i < bed->count; i++)
		assert_case_equal(i, stats_get(&bed->workers[i]->stats.shortages_asked), asked[i]);
}

/* 100,000 are sold on shard 0, no bet comes between the new limit and what is asked here. */
TEST(a_limit_lowered_to_what_one_shard_has_sold_leaves_nothing_to_the_others)
{
	static const struct {
		uint32_t count;
		struct limits before, after;
		uint16_t code;
	} cases[] = {
		{ 2, { 200000, 0 }, { 100000, 0 }, WIRE_CODE_EXPOSURE_SELECTION },
		{ 6, { 600000, 0 }, { 100000, 0 }, WIRE_CODE_EXPOSURE_SELECTION },
		{ 3, { 0, 300000 }, { 0, 100000 }, WIRE_CODE_EXPOSURE_MARKET },
		/* First set, on a market that runs. */
		{ 2, { 0, 0 }, { 100000, 0 }, WIRE_CODE_EXPOSURE_SELECTION },
		{ 3, { 0, 0 }, { 0, 100000 }, WIRE_CODE_EXPOSURE_MARKET },
		{ 6, { 0, 0 }, { 100000, 100000 }, WIRE_CODE_EXPOSURE_SELECTION },
		/* Far below what is sold: the others give all they have. */
		{ 3, { 0, 0 }, { 30000, 0 }, WIRE_CODE_EXPOSURE_SELECTION },
	};

	for (unsigned i = 0; i < SLUICE_ARRAY_COUNT(cases); i++) {
		struct bed *bed = bed_with(cases[i].count, cases[i].before);

		assert_case_equal(i, sell(bed, 1, 0, 100000), WIRE_CODE_OK);
		limits_set(bed, cases[i].after);
		for (uint32_t shard = 0; shard < bed->count; shard++) {
			assert_case_equal(i, free_of(bed, shard, LEASE_SELECTION) > 0, 0);
			assert_case_equal(i, free_of(bed, shard, LEASE_MARKET) > 0, 0);
			assert_case_equal(i, sell(bed, 2 + shard, shard, 2), cases[i].code);
		}
		assert_case_equal(i, sold(bed), 100000);
		bed_close(bed);
	}
}

TEST(what_the_limit_still_has_is_sold_to_the_last_unit)
{
	struct bed *bed = bed_with(3, (struct limits){ 300000, 0 });

	assert_int_equal(sell(bed, 1, 0, 100000), WIRE_CODE_OK);
	limits_set(bed, (struct limits){ 120000, 0 });
	for (uint32_t shard = 0; shard < 3; shard++)
		assert_case_equal(shard, lacks_of(bed, shard, BED_MARKET, LEASE_SELECTION), 0);
	assert_true(free_sum(bed, LEASE_SELECTION) == 20000);
	expect_silence(bed);
	assert_int_equal(sell(bed, 2, 2, 20000), WIRE_CODE_OK);
	assert_int_equal(sell(bed, 3, 1, 2), WIRE_CODE_EXPOSURE_SELECTION);
	assert_int_equal(sell(bed, 4, 0, 2), WIRE_CODE_EXPOSURE_SELECTION);
	assert_true(sold(bed) == 120000);
	bed_close(bed);
}

/* A shard that has given credit away may lack some though it has sold nothing. */
TEST(a_shard_without_bets_may_be_overdrawn)
{
	struct bed *bed = bed_with(2, (struct limits){ 200000, 0 });
	struct wire_reply reply;

	assert_int_equal(sell(bed, 1, 0, 198000), WIRE_CODE_OK);
	while ((reply = bed_ask(bed, 0, bed_bet(2, bed_account(bed, 0, 0), 1000))).code ==
	       WIRE_CODE_BUSY)
		bed->now_ns += 5 * MS;
	assert_int_equal(reply.code, WIRE_CODE_OK);
	assert_int_equal(free_of(bed, 1, LEASE_SELECTION), 0);
	assert_int_equal(ledger_market_exposure(bed->workers[1]->ledger, BED_MARKET, -1), 0);
	assert_int_equal(bed_ask(bed, 0, bed_cancel(3, reply.object_id)).code, WIRE_CODE_OK);
	limits_set(bed, (struct limits){ 199000, 0 }); /* 0: 1,500 free; 1: -500 */
	assert_int_equal(lacks_of(bed, 1, BED_MARKET, LEASE_SELECTION), 0);
	assert_true(free_sum(bed, LEASE_SELECTION) == 1000);
	bed_close(bed);
}

static void partner_set(struct bed *bed, uint64_t version, int64_t exposure_max)
{
	struct ledger_command command = { .type = EVENT_PARTNER_SET, .object_id = PARTNER };

	command.partner.version = le64_make(version);
	command.partner.keys_max = le32_make(100);
	command.partner.currency = le16_make(KRW);
	command.partner.exposure_max = le64s_make(exposure_max);
	command_all(bed, command);
}

TEST(a_partners_limit_first_set_and_lowered)
{
	struct bed *bed = bed_with(2, (struct limits){ 0, 0 });
	uint64_t accounts[2], id = 1;

	partner_set(bed, 1, 0);
	for (uint32_t shard = 0; shard < 2; shard++) {
		struct wire_request request = bed_request(WIRE_OPEN_ACCOUNT, id++);

		accounts[shard] = bed_account(bed, shard, 10);
		request.open_account.account_id = accounts[shard];
		request.open_account.deadline_ns = NO_DEADLINE;
		request.open_account.currency = KRW;
		request.open_account.partner_id = PARTNER;
		assert_int_equal(bed_ask(bed, 0, request).code, WIRE_CODE_OK);
		assert_int_equal(
		    bed_ask(bed, 0, bed_deposit(id++, accounts[shard], 200000)).code, WIRE_CODE_OK);
	}
	assert_int_equal(bed_ask(bed, 0, bed_bet(id++, accounts[0], 50000)).code, WIRE_CODE_OK);
	partner_set(bed, 2, 150000); /* 0: 75,000 - 100,000 */
	assert_int_equal(free_of(bed, 0, LEASE_PARTNER) >= 0, 1);
	assert_true(free_sum(bed, LEASE_PARTNER) == 50000);
	partner_set(bed, 3, 100000);
	assert_int_equal(free_of(bed, 0, LEASE_PARTNER), 0);
	assert_int_equal(free_of(bed, 1, LEASE_PARTNER), 0);
	assert_true(bed_ask(bed, 0, bed_bet(id, accounts[1], 1)).code != WIRE_CODE_OK);
	bed->now_ns += SECOND;
	assert_int_equal(
	    bed_ask(bed, 0, bed_bet(id, accounts[1], 1)).code, WIRE_CODE_EXPOSURE_PARTNER);
	bed_close(bed);
}

static struct ledger_command result_command(enum result_op op, uint64_t version)
{
	struct ledger_command command = { .type = EVENT_MARKET_RESULT, .market_id = OTHER };
	struct settlement_outcomes outcomes = { 0 };
	struct settlement_outcomes_disk disk;

	command.result.op = (uint8_t)op;
	command.result.selection_count = 3;
	command.result.version = le64_make(version);
	if (op == RESULT_SET) {
		settlement_1x2((struct settlement_score){ 0, 1 }, &outcomes);
		settlement_outcomes_write(&outcomes, 3, &disk);
		memcpy(command.result.outcomes, &disk, sizeof(disk));
	}
	return command;
}

TEST(bets_that_a_rollback_opens_again_are_made_up_for)
{
	struct bed *bed = bed_with(2, (struct limits){ 100000, 0 });
	struct wire_request both = bed_bet(1, bed_account(bed, 0, 0), 10000);

	command_all(bed, fixture_market_command(OTHER, 91, 1, MARKET_OPEN, NOW + 100 * HOUR));
	both.place_bet.leg_count = 2;
	both.place_bet.legs[1] = (struct wire_leg){ OTHER, 2000, 0 };
	assert_int_equal(bed_ask(bed, 0, both).code, WIRE_CODE_OK); /* 40,000 */
	command_all(bed, result_command(RESULT_SET, 2));            /* it has lost */
	assert_int_equal(sold(bed), 0);
	assert_int_equal(sell(bed, 2, 0, 50000), WIRE_CODE_OK);
	command_all(bed, result_command(RESULT_ROLLBACK, 3));
	assert_int_equal(sold(bed), 90000);
	assert_int_equal(free_of(bed, 0, LEASE_SELECTION), 0);
	assert_int_equal(free_of(bed, 1, LEASE_SELECTION), 10000);
	assert_int_equal(sell(bed, 3, 1, 10002), WIRE_CODE_EXPOSURE_SELECTION);
	assert_int_equal(sell(bed, 4, 1, 10000), WIRE_CODE_OK);
	assert_int_equal(sold(bed), 100000);
	expect_silence(bed);
	bed_close(bed);
}

TEST(a_shard_that_cannot_give_at_once_is_asked_again)
{
	struct bed *bed = bed_with(3, (struct limits){ 0, 0 });

	assert_int_equal(sell(bed, 1, 0, 100000), WIRE_CODE_OK);
	bed->workers[1]->transfers_open = TRANSFERS_OPEN_MAX;
	limits_set(bed, (struct limits){ 90000, 0 });
	/* What the other has is taken meanwhile. */
	assert_int_equal(free_of(bed, 1, LEASE_SELECTION), 30000);
	assert_int_equal(free_of(bed, 2, LEASE_SELECTION), 0);
	for (unsigned i = 0; i < 50; i++) {
		bed->now_ns += 100 * MS;
		bed_settle(bed, 1);
	}
	assert_int_equal(free_of(bed, 1, LEASE_SELECTION), 30000);
	bed->workers[1]->transfers_open = 0;
	bed->now_ns += SECOND;
	bed_settle(bed, 1);
	assert_int_equal(free_of(bed, 1, LEASE_SELECTION), 0);
	bed_close(bed);
}

/* The credit that shard 1 has gathered for a bet of its own is not the first claim on the limit. */
TEST(credit_kept_for_a_bet_goes_to_an_overdrawn_shard)
{
	struct bed *bed = bed_with(2, (struct limits){ 100000, 0 });
	struct wire_request waiting = bed_bet(2, bed_account(bed, 1, 0), 27500);

	assert_int_equal(sell(bed, 1, 0, 40000), WIRE_CODE_OK);
	assert_int_equal(bed_ask(bed, 0, waiting).code, WIRE_CODE_BUSY);
	assert_int_equal(free_of(bed, 1, LEASE_SELECTION), 55000); /* and held */
	limits_set(bed, (struct limits){ 60000, 0 });              /* 0: 25,000 - 40,000 */
	assert_true(free_of(bed, 0, LEASE_SELECTION) >= 0);
	assert_true(free_sum(bed, LEASE_SELECTION) == 20000);
	bed->now_ns += SECOND;
	while (bed_ask(bed, 0, waiting).code == WIRE_CODE_BUSY)
		bed->now_ns += 5 * MS;
	assert_int_equal(sold(bed), 40000);
	bed_close(bed);
}

TEST(bets_that_ask_at_an_overdrawn_shard_do_not_keep_it_from_gathering)
{
	struct bed *bed = bed_with(2, (struct limits){ 0, 0 });
	uint64_t account = bed_account(bed, 0, 0);

	assert_int_equal(sell(bed, 1, 0, 100000), WIRE_CODE_OK);
	bed->workers[1]->transfers_open = TRANSFERS_OPEN_MAX;
	limits_set(bed, (struct limits){ 150000, 0 });
	assert_int_equal(free_of(bed, 1, LEASE_SELECTION), 75000);
	bed->workers[1]->transfers_open = 0;
	/* None can be met: 100,000 of the 50,000 that are left. */
	for (uint64_t id = 2; free_of(bed, 0, LEASE_SELECTION) < 0; id++) {
		assert_true(id < 1000);
		assert_true(bed_ask(bed, 0, bed_bet(id, account, 50000)).code != WIRE_CODE_OK);
		bed->now_ns += MS;
	}
	assert_true(free_sum(bed, LEASE_SELECTION) == 50000);
	bed_close(bed);
}

TEST(credit_that_comes_free_elsewhere_is_taken_and_the_asking_is_seldom)
{
	struct bed *bed = bed_with(2, (struct limits){ 0, 0 });
	struct wire_reply reply;
	uint64_t asked;

	assert_int_equal(sell(bed, 1, 0, 100000), WIRE_CODE_OK);
	reply = bed_ask(bed, 0, bed_bet(2, bed_account(bed, 1, 0), 5000));
	assert_int_equal(reply.code, WIRE_CODE_OK);
	limits_set(bed, (struct limits){ 20000, 0 });
	asked = stats_get(&bed->workers[0]->stats.shortages_asked);
	for (unsigned i = 0; i < 10000; i++) {
		bed->now_ns += MS;
		bed_settle(bed, 1);
	}
	assert_in_range(stats_get(&bed->workers[0]->stats.shortages_asked) - asked, 8, 24);
	assert_int_equal(bed_ask(bed, 0, bed_cancel(3, reply.object_id)).code, WIRE_CODE_OK);
	bed->now_ns += SECOND + 50 * MS;
	bed_settle(bed, 1);
	assert_int_equal(free_of(bed, 1, LEASE_SELECTION), 0);
	assert_int_equal(sell(bed, 4, 1, 2), WIRE_CODE_EXPOSURE_SELECTION);
	bed_close(bed);
}

/* More than have a round at a time. */
TEST(many_limits_at_once)
{
	struct bed *bed = bed_with(2, (struct limits){ 0, 0 });
	unsigned count = 3 * WORKER_OVERDRAFTS_MAX / 2;

	for (unsigned i = 0; i < count; i++) {
		struct wire_request bet = bed_bet(i + 1, bed_account(bed, i % 2, 0), 1000);

		command_all(bed,
		    fixture_market_command(1000 + i, 100 + i, 1, MARKET_OPEN, NOW + 100 * HOUR));
		bet.place_bet.legs[0].market_id = 1000 + i;
		assert_int_equal(bed_ask(bed, 0, bet).code, WIRE_CODE_OK);
	}
	limits_set(bed, (struct limits){ 2500, 2200 });
	for (unsigned i = 0; i < count; i++) {
		assert_case_equal(i, lacks_of(bed, i % 2, 1000 + i, LEASE_SELECTION), 0);
		assert_case_equal(i, lacks_of(bed, i % 2, 1000 + i, LEASE_MARKET), 0);
	}
	expect_silence(bed);
	bed_close(bed);
}

TEST(a_start_with_an_overdrawn_limit_asks_for_what_it_lacks)
{
	struct bed *bed = bed_with(2, (struct limits){ 0, 0 });

	assert_int_equal(sell(bed, 1, 0, 100000), WIRE_CODE_OK);
	/* As if the process had ended behind the command. */
	bed->workers[1]->transfers_open = TRANSFERS_OPEN_MAX;
	limits_set(bed, (struct limits){ 100000, 0 });
	assert_int_equal(free_of(bed, 0, LEASE_SELECTION), -50000);
	bed->workers[1]->transfers_open = 0;
	for (uint32_t i = 0; i < 2; i++)
		memset(&bed->workers[i]->overdraft, 0, sizeof(bed->workers[i]->overdraft));
	bed_settle(bed, 1);
	assert_int_equal(free_of(bed, 0, LEASE_SELECTION), 0);
	assert_int_equal(free_of(bed, 1, LEASE_SELECTION), 0);
	bed_close(bed);
}

TEST(alone_a_shard_never_looks)
{
	struct bed *bed = bed_with(1, (struct limits){ 0, 0 });

	assert_int_equal(sell(bed, 1, 0, 100000), WIRE_CODE_OK);
	limits_set(bed, (struct limits){ 1000, 0 });
	assert_int_equal(bed->workers[0]->overdraft.walk.market, 0);
	assert_int_equal(sell(bed, 2, 0, 2), WIRE_CODE_EXPOSURE_SELECTION);
	bed_close(bed);
}

BED_MAIN()
