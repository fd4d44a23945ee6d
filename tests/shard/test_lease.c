/* SPDX-License-Identifier: Apache-2.0 */
/* Payout limits over several shards: a bet is refused only when no shard has credit left. */
#include "tests/shard/bed.h"

#define LIMIT 100000ll

/* Limits on what may be paid on one selection (0: none) and on one market. */
static struct bed *bed_with_limits(uint32_t count, int64_t selection_max, int64_t market_max)
{
	struct bed *bed = bed_open(count, 0);
	struct shard_command command = { .ticket = 1, .kind = SHARD_LEDGER };
	struct shard_result result;

	command.ledger.type = EVENT_RULES_SET;
	command.ledger.control_sequence = 1;
	risk_rules_default(&command.ledger.rules);
	command.ledger.rules.version = 2;
	command.ledger.rules.exposure_selection_max = selection_max;
	command.ledger.rules.exposure_market_max = market_max;
	for (uint32_t i = 0; i < count; i++)
		assert_true(spsc_ring_push(bed->workers[i]->rings.command, &command));
	bed_settle(bed, 1);
	for (uint32_t i = 0; i < count; i++) {
		assert_true(spsc_ring_pop(bed->workers[i]->rings.result, &result));
		assert_int_equal(result.error, 0);
	}
	return bed;
}

/* Half of LIMIT is on each of two shards. */
static struct bed *bed_with_limit(uint32_t count)
{
	return bed_with_limits(count, 0, LIMIT);
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

TEST(a_payout_above_the_whole_limit_is_refused_at_once)
{
	static const uint32_t counts[] = { 2, 3, 6 };

	for (unsigned i = 0; i < SLUICE_ARRAY_COUNT(counts); i++) {
		struct bed *bed = bed_with_limit(counts[i]);
		uint64_t account = bed_account(bed, 0, 0);
		unsigned busy;

		assert_case_equal(i, bed_ask(bed, 0, bed_bet(1, account, LIMIT / 2 + 1)).code,
		    WIRE_CODE_EXPOSURE_MARKET);
		assert_case_equal(i, stats_get(&bed->workers[0]->stats.shortages_asked), 0);
		/* The whole limit can be had, by one bet. */
		assert_case_equal(
		    i, persist(bed, bed_bet(2, account, LIMIT / 2), &busy), WIRE_CODE_OK);
		assert_case_equal(i, busy, 1);
		bed_close(bed);
	}
}

TEST(a_round_that_finds_too_little_moves_nothing_and_is_final)
{
	struct bed *bed = bed_with_limit(6);
	uint64_t account = bed_account(bed, 0, 0), leases = 0;
	struct wire_request large = bed_bet(2, account, 45000);
	unsigned busy;

	assert_int_equal(
	    persist(bed, bed_bet(1, bed_account(bed, 3, 0), 8000), &busy), WIRE_CODE_OK);
	assert_int_equal(busy, 0);
	/* 90,000 of the 84,000 that are left. It comes again long after its round. */
	bed_send(bed, 0, large);
	bed_settle(bed, 1);
	(void)bed_take_only(bed, 2, WIRE_CODE_BUSY);
	bed->now_ns += 2 * SECOND;
	assert_int_equal(bed_ask(bed, 0, large).code, WIRE_CODE_EXPOSURE_MARKET);
	for (uint32_t i = 0; i < bed->count; i++)
		leases += stats_get(&bed->workers[i]->stats.leases_given);
	assert_int_equal(leases, 0);
	/* What there is can be had. */
	assert_int_equal(persist(bed, bed_bet(3, account, 42000), &busy), WIRE_CODE_OK);
	assert_int_equal(busy, 1);
	bed_close(bed);
}

TEST(each_limit_that_a_bet_lacks_has_its_round)
{
	/* The first takes all of the selection's credit; the other limit's is another matter. */
	struct bed *bed = bed_with_limits(2, 60000, LIMIT);
	unsigned busy;

	assert_int_equal(
	    persist(bed, bed_bet(1, bed_account(bed, 0, 0), 30000), &busy), WIRE_CODE_OK);
	assert_int_equal(busy, 2);
	bed_close(bed);
}

/* Between BUSY and the next try others here are faster, every time. */
TEST(gathered_credit_that_others_take_does_not_keep_a_bet_busy_for_ever)
{
	struct bed *bed = bed_with_limit(6);
	uint64_t account = bed_account(bed, 0, 0), id = 100;
	struct wire_request slow = bed_bet(1, account, 9000);
	unsigned busy = 0;

	for (;; busy++) {
		struct wire_reply reply = bed_ask(bed, 0, slow);

		if (reply.code != WIRE_CODE_BUSY) {
			assert_int_equal(reply.code, WIRE_CODE_EXPOSURE_MARKET);
			break;
		}
		assert_true(busy < 8);
		while (ledger_market_exposure(bed->workers[0]->ledger, BED_MARKET, -1) < LIMIT) {
			reply = bed_ask(bed, 1, bed_bet(id++, account, 500));
			if (reply.code != WIRE_CODE_OK)
				break;
		}
		bed->now_ns += 2 * SECOND;
	}
	bed_close(bed);
}

/* Each lacks a little that the other has, and only one of them fits. */
TEST(two_shards_that_lack_credit_at_once_do_not_take_it_from_each_other_for_ever)
{
	struct bed *bed = bed_with_limit(2);
	struct wire_request bets[] = { bed_bet(1, bed_account(bed, 0, 0), 30000),
		bed_bet(2, bed_account(bed, 1, 0), 30000) };
	uint16_t codes[2] = { WIRE_CODE_BUSY, WIRE_CODE_BUSY };

	for (unsigned round = 0; codes[0] == WIRE_CODE_BUSY || codes[1] == WIRE_CODE_BUSY;
	     round++) {
		assert_true(round < 8);
		for (unsigned i = 0; i < 2; i++)
			if (codes[i] == WIRE_CODE_BUSY)
				bed_send_all(bed, i == 0 ? 0 : 2, &bets[i], 1);
		bed_settle(bed, 1);
		while (bed_waiting(bed) != 0) {
			struct wire_reply reply = bed_take(bed);

			codes[reply.request_id - 1] = reply.code;
		}
		bed->now_ns += 2 * SECOND;
	}
	assert_int_equal(codes[0], WIRE_CODE_OK);
	assert_int_equal(codes[1], WIRE_CODE_EXPOSURE_MARKET);
	bed_close(bed);
}

TEST(credit_that_is_free_again_is_found)
{
	struct bed *bed = bed_with_limit(3);
	uint64_t account = bed_account(bed, 0, 0), bet;
	struct wire_reply reply;
	unsigned busy;

	assert_int_equal(
	    persist(bed, bed_bet(1, bed_account(bed, 2, 0), 16000), &busy), WIRE_CODE_OK);
	reply = bed_ask(bed, 0, bed_bet(1, bed_account(bed, 2, 0), 16000));
	bet = reply.object_id;
	assert_int_equal(reply.code, WIRE_CODE_OK);
	assert_int_equal(
	    persist(bed, bed_bet(2, account, 40000), &busy), WIRE_CODE_EXPOSURE_MARKET);
	assert_int_equal(bed_ask(bed, 0, bed_cancel(3, bet)).code, WIRE_CODE_OK);
	bed->now_ns += SECOND;
	assert_int_equal(persist(bed, bed_bet(4, account, 40000), &busy), WIRE_CODE_OK);
	assert_true(busy <= 2);
	bed_close(bed);
}

/* ---- Terminals at the limit ---- */

#define CROWD 240

struct crowd_bet {
	struct wire_request request;
	uint64_t due_ns, pause_ns;
	unsigned terminal, busy;
	uint16_t code;
};

static void crowd_turn(struct bed *bed, struct crowd_bet *bets, unsigned count)
{
	for (unsigned i = 0; i < count; i++) {
		struct crowd_bet *bet = &bets[i];

		if (bet->code == WIRE_CODE_BUSY && bed->now_ns >= bet->due_ns)
			bed_send_all(bed, bet->terminal, &bet->request, 1);
	}
	bed_settle(bed, 1);
	while (bed_waiting(bed) != 0) {
		struct wire_reply reply = bed_take(bed);
		struct crowd_bet *bet = &bets[reply.request_id - 1];

		bet->code = reply.code;
		if (reply.code != WIRE_CODE_BUSY)
			continue;
		assert_true(++bet->busy < 40);
		bet->due_ns = bed->now_ns + bet->pause_ns;
		if (bet->pause_ns < 2 * SECOND)
			bet->pause_ns *= 2;
	}
}

/* Bets of payouts from 20 to 400 on all shards, on top of large ones that leave 400 free. */
TEST(many_terminals_at_the_limit_all_get_an_outcome)
{
	static struct crowd_bet bets[CROWD];
	struct bed *bed = bed_with_limit(3);
	uint64_t random = test_seed();
	int64_t sum = 0;
	unsigned open = CROWD;

	for (unsigned i = 0; i < CROWD; i++) {
		struct crowd_bet *bet = &bets[i];
		uint32_t shard = (uint32_t)(test_random(&random) % 3);
		int64_t stake = i < 83 ? 600 : 10 + (int64_t)(test_random(&random) % 191);

		*bet = (struct crowd_bet){
			.request = bed_bet(i + 1, bed_account(bed, shard, i % 4), stake),
			.pause_ns = 5000000,
			.terminal = i % 4,
			.code = WIRE_CODE_BUSY,
		};
	}
	for (unsigned first = 0; open != 0;) {
		/* Ids of a terminal that are open lie within its window. */
		while (bets[first].code != WIRE_CODE_BUSY)
			first++;
		crowd_turn(bed, bets, first + 40 < CROWD ? first + 40 : CROWD);
		open = 0;
		for (unsigned i = 0; i < CROWD; i++)
			open += bets[i].code == WIRE_CODE_BUSY;
		bed->now_ns += 5000000;
	}
	for (unsigned i = 0; i < CROWD; i++) {
		if (bets[i].code == WIRE_CODE_OK)
			sum += 2 * bets[i].request.place_bet.stake;
		else
			assert_int_equal(bets[i].code, WIRE_CODE_EXPOSURE_MARKET);
	}
	/* Nothing is left that a bet of 400 could have had. */
	assert_true(sum <= LIMIT && sum > LIMIT - 400);
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
