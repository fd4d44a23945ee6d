/* SPDX-License-Identifier: Apache-2.0 */
/* What time does: tickets expire, closed rows retire, and rows made anew know when. */
#include <errno.h>

#include "tests/ledger/betting.h"

static uint64_t expiry_ns(const struct betting *betting)
{
	return ledger_shard(betting->ledger)->rules.ticket_expiry_s * SECOND;
}

static uint64_t bets_count(const struct betting *betting)
{
	struct ledger_totals totals;

	ledger_totals(betting->ledger, &totals);
	return totals.bets;
}

TEST(nothing_is_due_in_a_new_ledger)
{
	struct betting betting;

	betting_make(&betting, 256);
	assert_true(ledger_due_ns(betting.ledger) == UINT64_MAX);
	betting_bet(&betting, ALICE, 100, 1, 1, 0);
	assert_true(ledger_due_ns(betting.ledger) == UINT64_MAX);
	assert_int_equal(ledger_decide_due(betting.ledger, UINT64_MAX / 2, &betting.event), 0);
	ledger_free(betting.ledger);
}

TEST(bets_of_a_final_result_retire)
{
	struct betting betting;
	struct event_record record;
	uint64_t single, accumulator, other;

	betting_make(&betting, 256);
	single = betting_bet(&betting, ALICE, 100, 1, 1, 0);
	accumulator = betting_bet(&betting, ALICE, 100, 2, 1, 0);
	other = betting_bet(&betting, ALICE, 100, 1, 2, 0);
	betting_settle(&betting, 1, 0);
	assert_int_equal(betting_due(&betting), 0);
	betting_final(&betting, 1);
	assert_int_equal(betting_due(&betting), 1);
	record = fixture_record(&betting.event);
	assert_int_equal(le16_get(record.type), EVENT_BET_RETIRE);
	assert_int_equal(record.leg_count, 1);
	assert_int_equal(ledger_bet(betting.ledger, single, &(struct bet_row){ 0 }), -ENOENT);
	assert_int_equal(betting_row(&betting, accumulator).state, BET_OPEN);
	/* With the last of its markets. */
	betting_settle(&betting, 2, 0);
	betting_final(&betting, 2);
	betting_due(&betting);
	assert_int_equal(ledger_bet(betting.ledger, accumulator, &(struct bet_row){ 0 }), -ENOENT);
	assert_int_equal(ledger_bet(betting.ledger, other, &(struct bet_row){ 0 }), -ENOENT);
	assert_int_equal(bets_count(&betting), 0);
	ledger_free(betting.ledger);
}

/* Each shard has walked at its own time: by its own clock, one would be final before the others. */
TEST(no_time_makes_a_result_final)
{
	struct betting betting;

	betting_make(&betting, 256);
	betting_bet(&betting, ALICE, 100, 1, 1, 0);
	betting_settle(&betting, 1, 0);
	assert_true(ledger_due_ns(betting.ledger) == betting.now_ns + expiry_ns(&betting));
	betting.now_ns += 4000 * DAY;
	assert_int_equal(betting_due(&betting), 0);
	assert_true(ledger_due_ns(betting.ledger) == UINT64_MAX);
	assert_int_equal(ledger_market(betting.ledger, 1)->final, 0);
	betting_rollback(&betting, 1);
	assert_int_equal(bets_count(&betting), 1);
	ledger_free(betting.ledger);
}

TEST(many_bets_retire_64_at_a_time_and_others_stay)
{
	struct betting betting;
	unsigned events;

	betting_make(&betting, 2048);
	for (unsigned i = 0; i < 700; i++)
		betting_bet(&betting, ALICE, 100, 1 + (i % 7 == 0), 1, (uint16_t)(i % 3));
	betting_settle(&betting, 1, 0);
	betting_final(&betting, 1);
	events = betting_due(&betting);
	/* Accumulators stay until market 2 is final, the lost ones too. */
	assert_int_equal(bets_count(&betting), 100);
	assert_true(events >= 600 / 64 && events <= 600 / 16);
	betting_settle(&betting, 2, 0);
	betting_final(&betting, 2);
	betting_due(&betting);
	assert_int_equal(bets_count(&betting), 0);
	/* Their numbers are used again. */
	assert_true(betting_market(&betting, 3, MARKET_OPEN, 2000) > 0);
	for (unsigned i = 0; i < 700; i++)
		betting_bet(&betting, ALICE, 100, 1, 3, 0);
	assert_true(ledger_row_count(betting.ledger, LEDGER_BET) <= 700);
	ledger_free(betting.ledger);
}

TEST(a_ticket_paid_late_retires_by_the_queue)
{
	struct betting betting;
	uint64_t id;

	betting_make(&betting, 256);
	id = betting_bet(&betting, 0, 1000, 1, 1, 0);
	betting_settle(&betting, 1, 0);
	betting_final(&betting, 1);
	betting_due(&betting);
	assert_int_equal(ledger_market(betting.ledger, 1)->final, 1);
	assert_int_equal(betting_row(&betting, id).state, BET_SETTLED);
	assert_int_equal(betting_redeem(&betting, id, COUNTER, 1), WIRE_CODE_OK);
	assert_int_equal(ledger_due_ns(betting.ledger), 0);
	assert_int_equal(betting_due(&betting), 1);
	assert_int_equal(bets_count(&betting), 0);
	ledger_free(betting.ledger);
}

TEST(the_queue_follows_a_group_that_is_undone)
{
	struct betting betting;
	uint64_t id;

	betting_make(&betting, 256);
	id = betting_bet(&betting, 0, 1000, 1, 1, 0);
	betting_settle(&betting, 1, 0);
	betting_final(&betting, 1);
	betting_due(&betting);
	ledger_group_begin(betting.ledger);
	assert_int_equal(betting_redeem(&betting, id, COUNTER, 1), WIRE_CODE_OK);
	ledger_group_undo(betting.ledger);
	betting_check(&betting);
	assert_true(ledger_due_ns(betting.ledger) > betting.now_ns);
	assert_int_equal(betting_redeem(&betting, id, COUNTER, 1), WIRE_CODE_OK);
	assert_int_equal(betting_due(&betting), 1);
	ledger_free(betting.ledger);
}

TEST(a_pending_withdrawal_goes_back_in_time)
{
	struct betting betting;
	struct ledger_command rules = { .type = EVENT_RULES_SET };
	struct wire_request wire = { .template_id = WIRE_WITHDRAW,
		.deposit = { .account_id = ALICE,
		    .amount = 5000,
		    .deadline_ns = NO_DEADLINE,
		    .currency = KRW } };

	betting_make(&betting, 256);
	rules.rules = ledger_shard(betting.ledger)->rules;
	rules.rules.version++;
	rules.rules.withdraw_pending_min = 5000;
	assert_true(betting_command(&betting, &rules) > 0);
	assert_int_equal(betting_request(&betting, wire), WIRE_CODE_PENDING);
	assert_int_equal(betting_balance(&betting, ALICE), 9995000);
	betting.now_ns += rules.rules.withdraw_timeout_s * SECOND;
	assert_int_equal(betting_due(&betting), 1);
	assert_int_equal(le16_get(fixture_record(&betting.event).type), EVENT_WITHDRAW_CLOSE);
	assert_int_equal(betting_balance(&betting, ALICE), 10000000);
	betting.now_ns += 400 * DAY;
	assert_int_equal(betting_due(&betting), 1);
	assert_int_equal(le16_get(fixture_record(&betting.event).type), EVENT_OBJECT_RETIRE);
	assert_true(ledger_due_ns(betting.ledger) == UINT64_MAX);
	ledger_free(betting.ledger);
}

TEST(a_sprinkle_ends_and_retires_with_its_claims)
{
	struct betting betting;
	struct ledger_totals totals;
	struct wire_request wire = { .template_id = WIRE_SPRINKLE_CREATE,
		.sprinkle_create = { .account_id = ALICE,
		    .amount = 90000,
		    .room = 5,
		    .deadline_ns = NO_DEADLINE,
		    .window_s = 60,
		    .shares = 200,
		    .currency = KRW } };
	struct wire_request claim = { .template_id = WIRE_CLAIM,
		.claim = { .room = 5, .deadline_ns = NO_DEADLINE } };

	betting_make(&betting, 512);
	assert_int_equal(betting_request(&betting, wire), WIRE_CODE_OK);
	claim.claim.token = le64_get(fixture_record(&betting.event).object_id);
	for (uint64_t id = 100; id < 250; id++) {
		assert_true(fixture_account(betting.ledger, id, 0, KRW) > 0);
		claim.claim.account_id = id;
		assert_int_equal(betting_request(&betting, claim), WIRE_CODE_OK);
	}
	betting.now_ns += 60 * SECOND;
	betting_due(&betting);
	assert_int_equal(betting_balance(&betting, ledger_system_account(SYSTEM_POTS, KRW, 0)), 0);
	/* It stays an hour for those who come late. */
	ledger_totals(betting.ledger, &totals);
	assert_int_equal(totals.objects, 151);
	betting.now_ns += HOUR;
	betting_due(&betting);
	ledger_totals(betting.ledger, &totals);
	assert_int_equal(totals.objects, 0);
	ledger_free(betting.ledger);
}

/* The state of one ledger in another, by rows: what is due there is due at the same times. */
TEST(rows_loaded_anew_are_due_as_before)
{
	struct ledger_config config = fixture_config(512, 0);
	struct betting betting, copy;
	uint64_t ticket;

	betting_make(&betting, 512);
	ticket = betting_bet(&betting, 0, 1000, 1, 1, 0);
	for (int i = 0; i < 20; i++) {
		betting_bet(&betting, ALICE, 100, 1, 1, 0);
		betting_bet(&betting, ALICE, 100, 10, 2, 0);
	}
	betting_settle(&betting, 1, 0);
	for (uint64_t market = 2; market < 11; market++)
		betting_settle(&betting, market, 0);
	for (uint64_t market = 1; market < 11; market++)
		betting_final(&betting, market);
	copy = betting;
	copy.ledger = ledger_create(&config);
	assert_non_null(copy.ledger);
	assert_int_equal(ledger_copy(copy.ledger, betting.ledger), 0);
	assert_true(ledger_due_ns(copy.ledger) == ledger_due_ns(betting.ledger));
	copy.now_ns = betting.now_ns += DAY;
	betting_due(&betting);
	betting_due(&copy);
	/* Markets of one time may come in another order, bets in other portions. */
	assert_int_equal(bets_count(&copy), 21);
	assert_int_equal(bets_count(&betting), 21);
	betting_settle(&copy, 11, 0);
	assert_int_equal(bets_count(&copy), 21);
	ledger_free(copy.ledger);
	/* In the middle of retiring, and after. */
	copy.ledger = ledger_create(&config);
	assert_int_equal(ledger_copy(copy.ledger, betting.ledger), 0);
	copy.now_ns = betting.now_ns + ledger_shard(betting.ledger)->rules.ticket_expiry_s * SECOND;
	betting_due(&copy);
	assert_int_equal(ledger_bet(copy.ledger, ticket, &(struct bet_row){ 0 }), -ENOENT);
	ledger_free(copy.ledger);
	ledger_free(betting.ledger);
}

/* One parcel from another shard and one look a turn: whatever the source's watermark does, markets
 * and bets have their turn, and answers nobody asks for any more leave. */
TEST(parcels_do_not_keep_time_from_anything)
{
	for (unsigned lag = 0; lag < 3; lag++) {
		const uint64_t back[] = { 1, 30, 1000 };
		struct betting betting;
		struct ledger_totals totals;
		struct ledger_receipt receipt;
		uint64_t id;

		betting_make(&betting, 512);
		id = betting_bet(&betting, ALICE, 100, 1, 1, 0);
		betting_settle(&betting, 1, 0);
		betting_final(&betting, 1);
		for (uint64_t sequence = 1; sequence <= 100; sequence++) {
			const struct ledger_parcel parcel = {
				.transfer_id = sequence,
				.sequence = sequence,
				.watermark = sequence > back[lag] ? sequence - back[lag] : 0,
				.from_account = 5,
				.to_account = ALICE,
				.amount = 1,
				.currency = KRW,
				.source = 1,
				.purpose = TRANSFER_MONEY,
			};

			betting.now_ns += 1000;
			betting_apply(&betting, ledger_decide_parcel(betting.ledger, &parcel,
			                            betting.now_ns, &betting.event, &receipt));
			assert_true(betting.length > 0);
			betting_apply(&betting,
			    ledger_decide_due(betting.ledger, betting.now_ns, &betting.event));
		}
		assert_int_equal(ledger_bet(betting.ledger, id, &(struct bet_row){ 0 }), -ENOENT);
		ledger_totals(betting.ledger, &totals);
		assert_true(totals.objects <= (back[lag] < 100 ? back[lag] + 4 : 101));
		ledger_free(betting.ledger);
	}
}

TEST(a_longer_period_holds_at_once)
{
	struct betting betting;
	struct ledger_command rules = { .type = EVENT_RULES_SET };

	betting_make(&betting, 256);
	rules.rules = ledger_shard(betting.ledger)->rules;
	rules.rules.version++;
	rules.rules.ticket_expiry_s = DAY / SECOND;
	assert_true(betting_command(&betting, &rules) > 0);
	betting_bet(&betting, 0, 100, 1, 1, 0);
	betting_settle(&betting, 1, 0);
	rules.rules.version++;
	rules.rules.ticket_expiry_s *= 2;
	assert_true(betting_command(&betting, &rules) > 0);
	betting.now_ns += expiry_ns(&betting) - 1;
	assert_int_equal(betting_due(&betting), 0);
	betting.now_ns += 1;
	assert_int_equal(betting_due(&betting), 1);
	assert_int_equal(le16_get(fixture_record(&betting.event).type), EVENT_TICKET_EXPIRE);
	ledger_free(betting.ledger);
}

/* A worker's copy after a start is such a one: by rules other than its own it paid tickets for a
 * year that the operator lets expire in a day. */
TEST(a_copy_lets_tickets_expire_by_the_rules_it_was_given)
{
	struct ledger_config config = fixture_config(256, 0);
	struct betting betting, copy;
	struct ledger_command rules = { .type = EVENT_RULES_SET };
	uint64_t ticket;

	betting_make(&betting, 256);
	rules.rules = ledger_shard(betting.ledger)->rules;
	rules.rules.version++;
	rules.rules.ticket_expiry_s = DAY / SECOND;
	assert_true(betting_command(&betting, &rules) > 0);
	ticket = betting_bet(&betting, 0, 100, 1, 1, 0);
	betting_settle(&betting, 1, 0);
	copy = betting;
	copy.ledger = ledger_create(&config);
	assert_non_null(copy.ledger);
	assert_int_equal(ledger_copy(copy.ledger, betting.ledger), 0);
	assert_true(ledger_due_ns(copy.ledger) == ledger_due_ns(betting.ledger));
	copy.now_ns += DAY - 1;
	assert_int_equal(betting_due(&copy), 0);
	copy.now_ns += 1;
	assert_int_equal(betting_due(&copy), 1);
	assert_int_equal(betting_row(&copy, ticket).state, BET_EXPIRED);
	ledger_free(copy.ledger);
	ledger_free(betting.ledger);
}

/* ---- Random histories ---- */

/* What a checkpoint does: takes changed rows, and lets go of those that have retired. */
static void follower_store(struct ledger *follower)
{
	static const enum ledger_table tables[] = { LEDGER_BET, LEDGER_OBJECT };
	uint32_t rows[32];

	for (unsigned i = 0; i < SLUICE_ARRAY_COUNT(tables); i++) {
		unsigned count = ledger_dirty_take(follower, tables[i], rows, 32);

		for (unsigned k = 0; k < count; k++)
			if (ledger_row_retired(follower, tables[i], rows[k]))
				ledger_row_release(follower, tables[i], rows[k]);
	}
}

/* Markets base .. base + 11 live; those below have been settled, or will be at the end. */
static void random_bet(
    struct betting *betting, uint64_t *random, uint64_t base, uint64_t bets[], unsigned *count)
{
	unsigned legs = 1 + (unsigned)(test_random(random) % 6);
	uint64_t first = base + test_random(random) % (BETTING_MARKETS + 1 - legs);

	for (unsigned i = 0; i < legs; i++) {
		const struct market_row_state *market = ledger_market(betting->ledger, first + i);

		if (market->state != MARKET_OPEN || market->start_time_ns <= betting->now_ns)
			return;
	}
	bets[(*count)++] = betting_bet(betting, test_random(random) % 2 == 0 ? ALICE : 0,
	    1 + (int64_t)(test_random(random) % 900), legs, first,
	    (uint16_t)(test_random(random) % 3));
}

static void random_market(struct betting *betting, uint64_t *random, uint64_t base)
{
	uint64_t id = base + test_random(random) % BETTING_MARKETS;
	const struct market_row_state *market = ledger_market(betting->ledger, id);

	if (market->state != MARKET_SETTLED && market->state != MARKET_VOID) {
		if (test_random(random) % 4 == 0)
			betting_settle(betting, id, (unsigned)(test_random(random) % 4));
		else
			betting_market(betting, id, MARKET_OPEN, 2000);
	} else if (!market->final && test_random(random) % 3 != 0) {
		betting_rollback(betting, id);
	} else if (!market->final) {
		betting_final(betting, id);
	}
}

static void random_ticket(struct betting *betting, uint64_t *random, uint64_t bet_id)
{
	struct ledger_command command = { .type = EVENT_BET_VOID, .object_id = bet_id };

	if (test_random(random) % 4 == 0)
		(void)betting_command(betting, &command);
	else
		(void)betting_redeem(betting, bet_id, COUNTER, 1);
}

TEST(after_any_history_everything_closed_has_left)
{
	struct ledger_config config = fixture_config(1024, 1);
	uint64_t random = test_seed(), base = 1, bets[1024];
	struct ledger_totals totals;
	struct betting betting;
	unsigned count = 0;

	betting_make(&betting, 1024);
	betting.follower = ledger_create(&config);
	assert_int_equal(ledger_copy(betting.follower, betting.ledger), 0);
	for (int step = 0; step < 1200; step++) {
		unsigned dice = (unsigned)(test_random(&random) % 16);

		if (dice < 8 && count < SLUICE_ARRAY_COUNT(bets))
			random_bet(&betting, &random, base, bets, &count);
		else if (dice < 11)
			random_market(&betting, &random, base);
		else if (dice < 14 && count > 0)
			random_ticket(&betting, &random, bets[test_random(&random) % count]);
		else if (dice == 14)
			betting.now_ns += test_random(&random) % (3 * HOUR);
		else if (betting_due(&betting) > 0)
			betting_market(&betting, BETTING_MARKETS + base++, MARKET_OPEN, 2000);
		follower_store(betting.follower);
	}
	for (uint64_t id = 1; id < base + BETTING_MARKETS; id++) {
		const struct market_row_state *market = ledger_market(betting.ledger, id);

		if (market->state != MARKET_SETTLED && market->state != MARKET_VOID)
			betting_settle(&betting, id, 0);
		if (!ledger_market(betting.ledger, id)->final)
			betting_final(&betting, id);
	}
	betting.now_ns += 400 * DAY;
	betting_due(&betting);
	ledger_totals(betting.ledger, &totals);
	assert_int_equal(totals.bets, 0);
	assert_int_equal(totals.bets_open, 0);
	assert_true(ledger_due_ns(betting.ledger) == UINT64_MAX);
	assert_int_equal(
	    betting_balance(&betting, ledger_system_account(SYSTEM_PAYABLE, KRW, 0)), 0);
	for (uint64_t id = 1; id < base + BETTING_MARKETS; id++)
		assert_int_equal(ledger_market_exposure(betting.ledger, id, -1), 0);
	ledger_free(betting.follower);
	ledger_free(betting.ledger);
}

TEST_MAIN()
