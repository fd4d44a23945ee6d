/* SPDX-License-Identifier: Apache-2.0 */
/* Events: markets by event id, and what has changed since a version. */
#include "tests/ledger/fixture.h"

static void market(
    struct ledger *ledger, uint64_t id, uint64_t event_id, uint64_t version, uint8_t market_state)
{
	assert_true(fixture_market(ledger, id, event_id, version, market_state, NOW + DAY) > 0);
}

TEST(an_event_appears_once_at_its_newest_version)
{
	struct ledger *ledger = fixture_create(64, 0);
	struct event_row rows[8];
	uint64_t up_to;
	int more;

	assert_int_equal(ledger_events_since(ledger, 0, rows, 8, &more, &up_to), 0);
	assert_int_equal(more, 0);
	market(ledger, 1, 100, 1, MARKET_CLOSED);
	market(ledger, 2, 100, 2, MARKET_SUSPENDED);
	market(ledger, 3, 200, 3, MARKET_BEFORE);
	market(ledger, 4, 100, 4, MARKET_CLOSED);
	assert_int_equal(ledger_events_since(ledger, 0, rows, 8, &more, &up_to), 2);
	assert_int_equal(le64_get(rows[0].event_id), 200);
	assert_int_equal(le64_get(rows[0].version), 3);
	assert_int_equal(rows[0].state, MARKET_BEFORE);
	assert_int_equal(le64_get(rows[1].event_id), 100);
	assert_int_equal(le64_get(rows[1].version), 4);
	assert_int_equal(le32_get(rows[1].market_count), 3);
	assert_int_equal(rows[1].state, MARKET_SUSPENDED); /* the most open one */
	assert_int_equal(le64_get(rows[1].start_time_ns), NOW + DAY);
	assert_int_equal(up_to, 4);
	assert_int_equal(ledger_events_since(ledger, 3, rows, 8, &more, &up_to), 1);
	assert_int_equal(ledger_events_since(ledger, 4, rows, 8, &more, &up_to), 0);
	assert_int_equal(up_to, 4);
	market(ledger, 3, 200, 5, MARKET_OPEN);
	assert_int_equal(ledger_events_since(ledger, 4, rows, 8, &more, &up_to), 1);
	assert_int_equal(rows[0].state, MARKET_OPEN);
	ledger_free(ledger);
}

TEST(a_market_can_move_to_another_event)
{
	struct ledger *ledger = fixture_create(64, 0);
	const struct market_row_state *markets[8];
	struct event_row rows[8];
	uint64_t up_to;
	int more;

	market(ledger, 1, 100, 1, MARKET_OPEN);
	market(ledger, 2, 100, 2, MARKET_OPEN);
	market(ledger, 2, 300, 3, MARKET_OPEN);
	assert_int_equal(ledger_events_since(ledger, 0, rows, 8, &more, &up_to), 2);
	assert_int_equal(le64_get(rows[0].event_id), 100);
	assert_int_equal(le64_get(rows[0].version), 1);
	assert_int_equal(le32_get(rows[0].market_count), 1);
	assert_int_equal(le64_get(rows[1].event_id), 300);
	/* The last one leaves: the event is gone, and its place is used again and again. */
	for (uint64_t version = 4; version < 400; version++)
		market(ledger, 1, 1000 + version, version, MARKET_OPEN);
	assert_int_equal(ledger_event_markets(ledger, 100, 0, markets, 8, &more), 0);
	assert_int_equal(ledger_events_since(ledger, 0, rows, 8, &more, &up_to), 2);
	assert_int_equal(le64_get(rows[1].event_id), 1399);
	ledger_free(ledger);
}

TEST(markets_of_an_event_in_the_order_of_versions)
{
	struct ledger *ledger = fixture_create(64, 0);
	const struct market_row_state *markets[8];
	int more;

	for (uint64_t id = 1; id <= 20; id++)
		market(ledger, id, 100 + id % 2, 1000 + id * 7 % 23, MARKET_OPEN);
	assert_int_equal(ledger_event_markets(ledger, 99, 0, markets, 8, &more), 0);
	assert_int_equal(ledger_event_markets(ledger, 101, 0, markets, 8, &more), 8);
	assert_int_equal(more, 1);
	for (unsigned i = 0; i < 8; i++) {
		assert_int_equal(markets[i]->event_id, 101);
		assert_true(i == 0 || markets[i - 1]->version < markets[i]->version);
	}
	assert_int_equal(
	    ledger_event_markets(ledger, 101, markets[7]->version, markets, 8, &more), 2);
	assert_int_equal(more, 0);
	ledger_free(ledger);
}

TEST(markets_and_events_of_one_version_are_not_parted)
{
	struct ledger *ledger = fixture_create(64, 0);
	const struct market_row_state *markets[4];
	struct event_row rows[4];
	uint64_t up_to;
	int more;

	for (uint64_t id = 1; id <= 6; id++)
		market(ledger, id, id, id < 4 ? id : 50, MARKET_OPEN);
	assert_int_equal(ledger_events_since(ledger, 0, rows, 4, &more, &up_to), 3);
	assert_int_equal(more, 1);
	assert_int_equal(up_to, 3);
	assert_int_equal(ledger_events_since(ledger, up_to, rows, 4, &more, &up_to), 3);
	assert_int_equal(more, 0);
	for (uint64_t id = 11; id <= 16; id++)
		market(ledger, id, 77, id < 14 ? 100 + id : 200, MARKET_OPEN);
	assert_int_equal(ledger_event_markets(ledger, 77, 0, markets, 4, &more), 3);
	assert_int_equal(more, 1);
	assert_int_equal(ledger_event_markets(ledger, 77, 113, markets, 4, &more), 3);
	assert_int_equal(more, 0);
	ledger_free(ledger);
}

/* Against a plain scan, over random changes, in pages of random size. */
TEST(pages_of_events_give_each_changed_event_once)
{
	struct ledger *ledger = fixture_create(256, 0);
	uint64_t random = test_seed(), version = 0;

	for (int round = 0; round < 40; round++) {
		uint64_t since = version == 0 ? 0 : test_random(&random) % version;
		uint64_t newest[41] = { 0 }, seen = 0, expected = 0;
		struct event_row rows[8];
		int more = 1;

		for (int i = 0; i < 30; i++)
			market(ledger, 1 + test_random(&random) % 120,
			    1 + test_random(&random) % 40, ++version, MARKET_OPEN);
		for (uint32_t i = 0; i < ledger_row_count(ledger, LEDGER_MARKET); i++) {
			const struct market_row_state *row = ledger_market_at(ledger, i);

			if (row->version > newest[row->event_id])
				newest[row->event_id] = row->version;
		}
		for (unsigned i = 1; i <= 40; i++)
			expected += newest[i] > since;
		for (uint64_t at = since; more;) {
			unsigned max = 1 + (unsigned)(test_random(&random) % 8);
			unsigned count = ledger_events_since(ledger, at, rows, max, &more, &at);

			for (unsigned i = 0; i < count; i++)
				assert_int_equal(
				    le64_get(rows[i].version), newest[le64_get(rows[i].event_id)]);
			seen += count;
		}
		assert_case_equal(round, seen, expected);
	}
	ledger_free(ledger);
}

TEST_MAIN()
