/* SPDX-License-Identifier: Apache-2.0 */
/* Random streams: rows written at any time, loaded again, and the rest replayed. */
#include "tests/ledger/stream.h"

/* ---- A store in memory ---- */

struct rows {
	struct account_row accounts[STREAM_CAPACITY];
	struct bet_row bets[STREAM_CAPACITY];
	struct market_row_state markets[STREAM_CAPACITY];
	struct terminal_row terminals[STREAM_CAPACITY];
	struct risk_account_state account_states[STREAM_CAPACITY]; /* of zeros: none */
	struct risk_terminal_state terminal_states[STREAM_CAPACITY];
	uint8_t present[LEDGER_TABLE_COUNT][STREAM_CAPACITY];
	struct shard_row shard;
};

static void rows_put(
    struct rows *rows, const struct ledger *ledger, enum ledger_table table, uint32_t row)
{
	rows->present[table][row] = 1;
	if (table == LEDGER_ACCOUNT) {
		rows->accounts[row] = *ledger_account_at(ledger, row);
		if (ledger_account_state_at(ledger, row) != NULL)
			rows->account_states[row] = *ledger_account_state_at(ledger, row);
	}
	if (table == LEDGER_BET)
		ledger_bet_at(ledger, row, &rows->bets[row]);
	if (table == LEDGER_MARKET)
		rows->markets[row] = *ledger_market_at(ledger, row);
	if (table == LEDGER_TERMINAL) {
		rows->terminals[row] = *ledger_terminal_at(ledger, row);
		if (ledger_terminal_state_at(ledger, row) != NULL)
			rows->terminal_states[row] = *ledger_terminal_state_at(ledger, row);
	}
}

static void rows_put_all(struct rows *rows, const struct ledger *ledger)
{
	for (unsigned table = 0; table < LEDGER_TABLE_COUNT; table++) {
		for (uint32_t i = 0; i < ledger_row_count(ledger, (enum ledger_table)table); i++)
			rows_put(rows, ledger, (enum ledger_table)table, i);
	}
}

/* Loads in a random order of rows, as a store's keys are in no order of ours. */
static struct ledger *rows_load(const struct rows *rows, uint64_t *random)
{
	struct ledger *ledger = fixture_create(STREAM_CAPACITY, 1);
	uint32_t start = (uint32_t)test_random(random) % STREAM_CAPACITY;

	for (uint32_t i = 0; i < STREAM_CAPACITY; i++) {
		uint32_t row = (start + i * 1237) % STREAM_CAPACITY;

		if (rows->present[LEDGER_ACCOUNT][row])
			assert_int_equal(ledger_load_account(ledger, &rows->accounts[row]), 0);
		if (rows->account_states[row].first_s != 0)
			assert_int_equal(ledger_load_account_state(ledger, rows->accounts[row].id,
			                     &rows->account_states[row]),
			    0);
		if (rows->present[LEDGER_BET][row])
			assert_int_equal(ledger_load_bet(ledger, &rows->bets[row]), 0);
		if (rows->present[LEDGER_MARKET][row])
			assert_int_equal(ledger_load_market(ledger, &rows->markets[row]), 0);
		if (rows->present[LEDGER_TERMINAL][row])
			assert_int_equal(ledger_load_terminal(ledger, &rows->terminals[row]), 0);
		if (rows->terminal_states[row].first_s != 0)
			assert_int_equal(ledger_load_terminal_state(ledger, rows->terminals[row].id,
			                     &rows->terminal_states[row]),
			    0);
	}
	ledger_load_shard(ledger, &rows->shard);
	for (unsigned table = 0; table < LEDGER_TABLE_COUNT; table++)
		assert_int_equal(ledger_dirty_count(ledger, (enum ledger_table)table), 0);
	return ledger;
}

/* Rows are written at any time between the checkpoint's begin and the end, some more than once. */
TEST(replay_over_rows_of_different_times_equals_straight_application)
{
	uint64_t seed = test_seed() + 5;

	for (unsigned round = 0; round < 12; round++) {
		struct stream *stream = stream_new(seed + round * 1000);
		struct ledger *ledger = fixture_create(STREAM_CAPACITY, 0), *replayed;
		struct rows *rows = calloc(1, sizeof(*rows));
		unsigned begin = 200 + (unsigned)stream_pick(stream, 200), end = 700, from;

		assert_non_null(rows);
		stream_fill(stream, ledger, begin);
		rows_put_all(rows, ledger);
		rows->shard = *ledger_shard(ledger);
		while (stream->count < end) {
			stream_step(stream, ledger);
			for (unsigned i = 0; i < 3; i++) {
				enum ledger_table table =
				    (enum ledger_table)stream_pick(stream, LEDGER_TABLE_COUNT);
				uint32_t count = ledger_row_count(ledger, table);

				if (count > 0)
					rows_put(rows, ledger, table,
					    (uint32_t)stream_pick(stream, count));
			}
		}
		replayed = rows_load(rows, &stream->random);
		/* A batch that holds the checkpoint's LSN is replayed from its first event. */
		from = begin - (unsigned)stream_pick(stream, 40);
		stream_apply(stream, replayed, from, end);
		stream_assert_same_state(ledger, replayed);
		/* And both decide alike from here. */
		stream_fill(stream, ledger, end + 100);
		stream_apply(stream, replayed, end, end + 100);
		stream_assert_same_state(ledger, replayed);
		ledger_free(ledger);
		ledger_free(replayed);
		free(rows);
		free(stream);
	}
}

/*
 * The store's way: at begin, note the shard row and the lengths of the dirty lists; take that many
 * rows in slices while events go on; then the checkpoint is complete. Crash anywhere: rows as they
 * are, the shard row of the last complete checkpoint, replay.
 */
static void crash_anywhere(uint64_t seed)
{
	for (unsigned round = 0; round < 12; round++) {
		struct stream *stream = stream_new(seed + round * 1000);
		struct ledger *ledger = fixture_create(STREAM_CAPACITY, 1), *replayed;
		struct rows *rows = calloc(1, sizeof(*rows));
		struct shard_row begun;
		uint32_t left[LEDGER_TABLE_COUNT] = { 0 }, taken[8];
		unsigned crash = 300 + (unsigned)stream_pick(stream, 700), running = 0,
		         complete = 0;

		assert_non_null(rows);
		rows->shard = *ledger_shard(ledger);
		begun = rows->shard;
		while (stream->count < crash) {
			unsigned pending = 0;

			stream_step(stream, ledger);
			for (unsigned table = 0; running && table < LEDGER_TABLE_COUNT; table++) {
				unsigned want = left[table] < 8 ? left[table] : 8;
				unsigned got = ledger_dirty_take(
				    ledger, (enum ledger_table)table, taken, want);

				assert_int_equal(got, want);
				for (unsigned i = 0; i < got; i++)
					rows_put(rows, ledger, (enum ledger_table)table, taken[i]);
				left[table] -= got;
				pending += left[table];
			}
			if (running && pending == 0) {
				rows->shard = begun;
				running = 0;
				complete++;
			} else if (!running && stream_pick(stream, 20) == 0) {
				begun = *ledger_shard(ledger);
				for (unsigned table = 0; table < LEDGER_TABLE_COUNT; table++)
					left[table] =
					    ledger_dirty_count(ledger, (enum ledger_table)table);
				running = 1;
			}
		}
		assert_true(complete > 0);
		replayed = rows_load(rows, &stream->random);
		stream_apply(stream, replayed, (unsigned)rows->shard.lsn, crash);
		stream_assert_same_state(ledger, replayed);
		ledger_free(ledger);
		ledger_free(replayed);
		free(rows);
		free(stream);
	}
}

TEST(checkpoints_from_the_dirty_lists_survive_a_crash_anywhere)
{
	crash_anywhere(test_seed() + 6);
}

/* The row of STAKES was once written behind the shard row, and bets were posted on it twice. */
TEST(a_posting_that_a_row_has_already_is_not_made_again)
{
	crash_anywhere(1795304544);
}

TEST_MAIN()
