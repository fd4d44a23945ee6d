/* SPDX-License-Identifier: Apache-2.0 */
/* Payout limits over several shards: a bet is refused only when no shard has credit left. */
#include "tests/shard/bed.h"

#define LIMIT 100000ll

/* A limit of LIMIT on what may be paid on one market, half of it on each of two shards. */
static struct bed *bed_with_limit(uint32_t count)
{
	struct bed *bed = bed_open(count, 0);
	struct shard_command command = { .ticket = 1, .kind = SHARD_LEDGER };
	struct shard_result result;

	command.ledger.type = EVENT_RULES_SET;
	command.ledger.control_sequence = 1;
	risk_rules_default(&command.ledger.rules);
	command.ledger.rules.version = 2;
	command.ledger.rules.exposure_market_max = LIMIT;
	for (uint32_t i = 0; i < count; i++)
		assert_true(spsc_ring_push(bed->workers[i]->rings.command, &command));
	bed_settle(bed, 1);
	for (uint32_t i = 0; i < count; i++) {
		assert_true(spsc_ring_pop(bed->workers[i]->rings.result, &result));
		assert_int_equal(result.error, 0);
	}
	return bed;
}

/* The outcome of a bet, sent again while it is BUSY as a terminal does. */
static uint16_t persist(struct bed *bed, struct wire_request bet, unsigned *busy)
{
	*busy = 0;
	for (;;) {
		struct wire_reply reply = bed_ask(bed, 0, bet);

		if (reply.code != WIRE_CODE_BUSY)
			return reply.code;
		assert_int_equal(reply.detail, 5);
		assert_true(++*busy < 20);
		bed->now_ns += 5000000;
	}
}

TEST(credit_comes_from_the_other_shard_before_a_bet_is_refused)
{
	struct bed *bed = bed_with_limit(2);
	uint64_t account = bed_account(bed, 0, 0);
	unsigned busy;

	/* Odds 2: a stake of 30,000 may pay 60,000; this shard has 50,000. */
	assert_int_equal(persist(bed, bed_bet(1, account, 30000), &busy), WIRE_CODE_OK);
	assert_int_equal(busy, 1);
	assert_int_equal(stats_get(&bed->workers[1]->stats.leases_given), 1);
	/* Up to the very limit, and not a unit more. */
	assert_int_equal(persist(bed, bed_bet(2, account, 20000), &busy), WIRE_CODE_OK);
	assert_int_equal(persist(bed, bed_bet(3, account, 1), &busy), WIRE_CODE_EXPOSURE_MARKET);
	assert_true(busy <= 1);
	assert_true(ledger_market_exposure(bed->workers[0]->ledger, BED_MARKET, -1) == LIMIT);
	assert_int_equal(bed->workers[1]->transfers_open, 0);
	bed_close(bed);
}

TEST(that_nobody_has_any_is_remembered_for_a_moment)
{
	struct bed *bed = bed_with_limit(2);
	uint64_t account = bed_account(bed, 0, 0), asked;
	const struct worker_stats *stats = &bed->workers[0]->stats;
	unsigned busy;

	assert_int_equal(persist(bed, bed_bet(1, account, 50000), &busy), WIRE_CODE_OK);
	assert_int_equal(persist(bed, bed_bet(2, account, 10), &busy), WIRE_CODE_EXPOSURE_MARKET);
	asked = stats_get(&stats->shortages_asked);
	assert_int_equal(persist(bed, bed_bet(3, account, 10), &busy), WIRE_CODE_EXPOSURE_MARKET);
	assert_int_equal(busy, 0);
	assert_int_equal(stats_get(&stats->shortages_asked), asked);
	bed->now_ns += SECOND;
	assert_int_equal(persist(bed, bed_bet(4, account, 10), &busy), WIRE_CODE_EXPOSURE_MARKET);
	assert_int_equal(busy, 1);
	assert_int_equal(stats_get(&stats->shortages_asked), asked + 1);
	bed_close(bed);
}

TEST(one_question_about_a_limit_is_on_its_way_at_a_time)
{
	struct bed *bed = bed_with_limit(2);
	uint64_t account = bed_account(bed, 0, 0);

	for (uint64_t id = 1; id <= 5; id++) {
		bed_send(bed, 0, bed_bet(id, account, 30000));
		(void)bed_take_only(bed, id, WIRE_CODE_BUSY);
		assert_int_equal(bed_state(bed, 0, id), WINDOW_FREE);
	}
	assert_int_equal(stats_get(&bed->workers[0]->stats.shortages_asked), 1);
	bed_settle(bed, 1);
	bed_close(bed);
}

TEST(a_shard_that_cannot_send_now_is_not_one_that_has_none)
{
	struct bed *bed = bed_with_limit(2);
	uint64_t account = bed_account(bed, 0, 0);
	unsigned busy;

	bed->workers[1]->transfers_open = TRANSFERS_OPEN_MAX;
	for (int i = 0; i < 10; i++) {
		assert_int_equal(bed_ask(bed, 0, bed_bet(1, account, 30000)).code, WIRE_CODE_BUSY);
		bed->now_ns += 5000000;
	}
	bed->workers[1]->transfers_open = 0;
	assert_int_equal(persist(bed, bed_bet(1, account, 30000), &busy), WIRE_CODE_OK);
	bed_close(bed);
}

TEST(a_group_asks_for_credit_before_it_is_refused)
{
	struct bed *bed = bed_with_limit(2);
	uint64_t account = bed_account(bed, 0, 0);
	/* The second bet lacks credit because of the first: 40,000 + 40,000 of 50,000 here. */
	static const int64_t stakes[][2] = { { 20000, 20000 }, { 15000, 1 } };
	static const uint16_t codes[][2] = { { WIRE_CODE_OK, WIRE_CODE_OK },
		{ WIRE_CODE_EXPOSURE_MARKET, WIRE_CODE_LINKED_NOT_DONE } };

	for (unsigned i = 0; i < 2; i++) {
		struct wire_request bets[] = { bed_bet(2 * i + 1, account, stakes[i][0]),
			bed_bet(2 * i + 2, account, stakes[i][1]) };
		unsigned busy = 0;

		bets[0].flags |= MESSAGE_FLAG_LINKED;
		for (;; busy++) {
			struct wire_reply reply;

			assert_true(busy < 5);
			bed_send_all(bed, 0, bets, 2);
			bed_turn(bed, 0);
			bed_settle(bed, 1);
			reply = bed_take(bed);
			if (reply.code != WIRE_CODE_BUSY) {
				assert_case_equal(i, reply.code, codes[i][0]);
				assert_case_equal(i, bed_take(bed).code, codes[i][1]);
				break;
			}
			assert_int_equal(bed_take(bed).code, WIRE_CODE_BUSY);
			bed->now_ns += 5000000;
		}
		assert_true(i == 1 || busy == 1);
	}
	assert_true(ledger_market_exposure(bed->workers[0]->ledger, BED_MARKET, -1) == 80000);
	bed_close(bed);
}

TEST(alone_a_shard_refuses_at_once)
{
	struct bed *bed = bed_with_limit(1);
	uint64_t account = bed_account(bed, 0, 0);

	assert_int_equal(
	    bed_ask(bed, 0, bed_bet(1, account, 50001)).code, WIRE_CODE_EXPOSURE_MARKET);
	assert_int_equal(bed_ask(bed, 0, bed_bet(2, account, 50000)).code, WIRE_CODE_OK);
	bed_close(bed);
}

BED_MAIN()
