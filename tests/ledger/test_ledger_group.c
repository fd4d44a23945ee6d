/* SPDX-License-Identifier: Apache-2.0 */
/* Linked groups: carried out as a whole, or undone without a trace; and rows that leave memory. */
#include "tests/ledger/fixture.h"

#define TERMINAL 5

static struct wire_request deposit(uint64_t request_id, uint64_t account_id, int64_t amount)
{
	return (struct wire_request){ .request_id = request_id,
		.template_id = WIRE_DEPOSIT,
		.deposit = { .account_id = account_id,
		    .amount = amount,
		    .deadline_ns = NO_DEADLINE,
		    .currency = KRW } };
}

static struct wire_request bet(uint64_t request_id, uint64_t account_id, int64_t stake)
{
	return (struct wire_request){ .request_id = request_id,
		.template_id = WIRE_PLACE_BET,
		.place_bet = { .account_id = account_id,
		    .stake = stake,
		    .deadline_ns = NO_DEADLINE,
		    .currency = KRW,
		    .leg_count = 1,
		    .legs = { { 1, 2000, 0 } } } };
}

static struct ledger *group_ledger(void)
{
	struct ledger *ledger = fixture_create(64, 0);

	fixture_account(ledger, 1, 10000, KRW);
	fixture_account(ledger, 2, 0, KRW);
	fixture_market(ledger, 1, 1, 1, MARKET_OPEN, NOW + DAY);
	(void)ledger_state_hash(ledger);
	return ledger;
}

/* Deposit, bet, cancel of that bet: rows made, changed, and changed twice. */
static void group_play(struct ledger *ledger)
{
	struct event_buffer event;
	struct wire_request wire = deposit(1, 2, 500);

	assert_true(fixture_request(ledger, &wire, TERMINAL, 0, NOW, &event) > 0);
	assert_int_equal(fixture_code(&event), WIRE_CODE_OK);
	wire = bet(2, 1, 3000);
	assert_true(fixture_request(ledger, &wire, TERMINAL, 0, NOW, &event) > 0);
	assert_int_equal(fixture_code(&event), WIRE_CODE_OK);
	wire = (struct wire_request){ .request_id = 3,
		.template_id = WIRE_CANCEL_BET,
		.cancel_bet = { .bet_id = le64_get(fixture_record(&event).object_id),
		    .deadline_ns = NO_DEADLINE } };
	assert_true(fixture_request(ledger, &wire, TERMINAL, 0, NOW, &event) > 0);
	assert_int_equal(fixture_code(&event), WIRE_CODE_OK);
}

TEST(an_undone_group_leaves_no_trace)
{
	struct ledger *ledger = group_ledger();
	uint64_t before = ledger_state_hash(ledger);
	uint64_t lsn = ledger_shard(ledger)->lsn;
	struct ledger_totals totals;

	ledger_group_begin(ledger);
	group_play(ledger);
	assert_true(ledger_state_hash(ledger) != before);
	ledger_group_undo(ledger);
	assert_int_equal(ledger_shard(ledger)->lsn, lsn);
	assert_true(ledger_state_hash(ledger) == before);
	assert_true(ledger_state_hash_full(ledger) == before);
	ledger_totals(ledger, &totals);
	assert_int_equal(totals.bets, 0);
	assert_int_equal(totals.bets_open, 0);
	assert_int_equal(totals.terminals, 0);
	assert_int_equal(ledger_market_exposure(ledger, 1, 0), 0);
	assert_int_equal(ledger_account(ledger, 1)->balance, 10000);
	assert_null(ledger_terminal(ledger, TERMINAL));
	ledger_free(ledger);
}

TEST(after_an_undone_group_the_same_requests_make_the_same_state)
{
	struct ledger *with = group_ledger(), *without = group_ledger();

	for (int i = 0; i < 3; i++) {
		ledger_group_begin(with);
		group_play(with);
		ledger_group_undo(with);
	}
	group_play(with);
	group_play(without);
	assert_true(ledger_state_hash(with) == ledger_state_hash(without));
	assert_true(ledger_state_hash_full(with) == ledger_state_hash(with));
	ledger_free(with);
	ledger_free(without);
}

TEST(a_committed_group_stays)
{
	struct ledger *ledger = group_ledger();

	ledger_group_begin(ledger);
	group_play(ledger);
	ledger_group_commit(ledger);
	assert_int_equal(ledger_account(ledger, 1)->balance, 10000);
	assert_int_equal(ledger_account(ledger, 2)->balance, 500);
	assert_int_equal(ledger_balance_sum(ledger, KRW), 0);
	ledger_free(ledger);
}

/* Ids come and go in random order: the index finds what is there and nothing else. */
TEST(the_index_finds_every_row_after_random_removals)
{
	enum { ROWS = 300, STEPS = 20000 };
	struct ledger *ledger = fixture_create(ROWS, 0);
	uint64_t seed = test_seed();
	uint64_t ids[ROWS] = { 0 };
	unsigned count = 0;

	for (unsigned step = 0; step < STEPS; step++) {
		uint64_t dice;

		seed = seed * 6364136223846793005ull + 1442695040888963407ull;
		dice = seed >> 33;
		if (count < ROWS && (count == 0 || dice % 2 == 0)) {
			struct object_row row = { .id = dice + 1,
				.lsn = ledger_shard(ledger)->lsn,
				.kind = OBJECT_REVERSAL,
				.state = OBJECT_DONE };

			if (ledger_object(ledger, row.id) != NULL)
				continue;
			assert_int_equal(ledger_load_object(ledger, &row), 0);
			ids[count++] = row.id;
		} else {
			unsigned at = (unsigned)(dice / 2 % count);
			struct event_record record = {
				.lsn = le64_make(ledger_shard(ledger)->lsn + 1),
				.time_ns = le64_make(NOW),
				.type = le16_make(EVENT_OBJECT_RETIRE),
				.length = le16_make(sizeof(record) + 8),
				.leg_count = 1,
				.rule_version = le32_make(1),
			};
			struct event_buffer event;
			struct le64 id = le64_make(ids[at]);

			memcpy(event.bytes, &record, sizeof(record));
			memcpy(event.bytes + sizeof(record), &id, sizeof(id));
			assert_int_equal(
			    ledger_apply(ledger, event.bytes, sizeof(record) + sizeof(id)), 0);
			assert_null(ledger_object(ledger, ids[at]));
			ids[at] = ids[--count];
		}
		if (step % 256 == 0)
			assert_true(ledger_state_hash(ledger) == ledger_state_hash_full(ledger));
	}
	for (unsigned i = 0; i < count; i++)
		assert_non_null(ledger_object(ledger, ids[i]));
	ledger_free(ledger);
}

TEST_MAIN()
