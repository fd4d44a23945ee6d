/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Rows of every kind, written at different times by the store's way, retired ones taken out; a
 * crash anywhere, loading in any order, and replay (see test_ledger_checkpoint.c for the older
 * tables).
 */
#include "tests/ledger/shards_stream.h"

#define STORE_ROWS 16384

struct stored_row {
	uint64_t id; /* 0: never used */
	uint8_t table, present;
	union {
		struct {
			struct account_row row;
			struct risk_account_state state; /* of zeros: none */
		} account;
		struct bet_row bet;
		struct market_row_state market;
		struct {
			struct terminal_row row;
			struct risk_terminal_state state;
		} terminal;
		struct object_row object;
	};
};

struct stored {
	struct stored_row rows[STORE_ROWS];
	struct shard_row shard; /* of the last complete checkpoint */
	uint64_t horizon;
	unsigned retired;
};

static struct stored_row *stored_find(struct stored *stored, enum ledger_table table, uint64_t id)
{
	uint64_t at = id * 0x9e3779b97f4a7c15ull >> 40;

	for (;; at++) {
		struct stored_row *row = &stored->rows[at % STORE_ROWS];

		if (row->id == 0) {
			row->id = id;
			row->table = (uint8_t)table;
		}
		if (row->id == id && row->table == table)
			return row;
	}
}

static uint64_t row_id(const struct ledger *ledger, enum ledger_table table, uint32_t row)
{
	struct bet_row bet;

	switch (table) {
	case LEDGER_ACCOUNT:
		return ledger_account_at(ledger, row)->id;
	case LEDGER_BET:
		ledger_bet_at(ledger, row, &bet);
		return bet.id;
	case LEDGER_MARKET:
		return ledger_market_at(ledger, row)->id;
	case LEDGER_TERMINAL:
		return ledger_terminal_at(ledger, row)->id;
	case LEDGER_OBJECT:
		return ledger_object_at(ledger, row)->id;
	case LEDGER_TABLE_COUNT:
		break;
	}
	return 0;
}

static void row_store(
    struct stored *stored, struct ledger *ledger, enum ledger_table table, uint32_t row)
{
	struct stored_row *to = stored_find(stored, table, row_id(ledger, table, row));

	if (ledger_row_retired(ledger, table, row)) {
		to->present = 0;
		stored->retired++;
		ledger_row_release(ledger, table, row);
		return;
	}
	to->present = 1;
	if (table == LEDGER_ACCOUNT) {
		to->account.row = *ledger_account_at(ledger, row);
		if (ledger_account_state_at(ledger, row) != NULL)
			to->account.state = *ledger_account_state_at(ledger, row);
	} else if (table == LEDGER_BET)
		ledger_bet_at(ledger, row, &to->bet);
	else if (table == LEDGER_MARKET)
		to->market = *ledger_market_at(ledger, row);
	else if (table == LEDGER_TERMINAL) {
		to->terminal.row = *ledger_terminal_at(ledger, row);
		if (ledger_terminal_state_at(ledger, row) != NULL)
			to->terminal.state = *ledger_terminal_state_at(ledger, row);
	} else
		to->object = *ledger_object_at(ledger, row);
}

static int row_load(struct ledger *ledger, const struct stored_row *row)
{
	switch ((enum ledger_table)row->table) {
	case LEDGER_ACCOUNT:
		if (ledger_load_account(ledger, &row->account.row) != 0)
			return -1;
		return row->account.state.first_s == 0
		           ? 0
		           : ledger_load_account_state(ledger, row->id, &row->account.state);
	case LEDGER_BET:
		return ledger_load_bet(ledger, &row->bet);
	case LEDGER_MARKET:
		return ledger_load_market(ledger, &row->market);
	case LEDGER_TERMINAL:
		if (ledger_load_terminal(ledger, &row->terminal.row) != 0)
			return -1;
		return row->terminal.state.first_s == 0
		           ? 0
		           : ledger_load_terminal_state(ledger, row->id, &row->terminal.state);
	case LEDGER_OBJECT:
		return ledger_load_object(ledger, &row->object);
	case LEDGER_TABLE_COUNT:
		break;
	}
	return -1;
}

static struct ledger *stored_load(
    const struct stored *stored, const struct ledger_config *config, uint64_t *random)
{
	struct ledger *ledger = ledger_create(config);
	uint32_t start = (uint32_t)test_random(random);

	assert_non_null(ledger);
	for (uint32_t i = 0; i < STORE_ROWS; i++) {
		const struct stored_row *row = &stored->rows[(start + i * 1237) % STORE_ROWS];

		if (row->present)
			assert_int_equal(row_load(ledger, row), 0);
	}
	ledger_load_shard(ledger, &stored->shard);
	ledger_load_horizon(ledger, stored->horizon);
	return ledger;
}

static void log_apply(struct shards *shards, uint32_t shard, struct ledger *ledger, uint64_t lsn)
{
	const struct shard_log *log = &shards->log[shard];
	size_t at = log->at[lsn - 1];
	int error = ledger_apply(ledger, log->bytes + at, log->size - at);

	if (error != 0)
		fail_msg("shard %u lsn %llu (%s): %d", shard, (unsigned long long)lsn,
		    event_type_name(le16_get(shards_record(shards, shard, lsn).type)), error);
}

/* One slice of a checkpoint: some rows of each list. 1: it is complete. */
static int slice(struct stored *stored, struct ledger *ledger, uint32_t left[LEDGER_TABLE_COUNT])
{
	uint32_t taken[8], pending = 0;

	for (unsigned table = 0; table < LEDGER_TABLE_COUNT; table++) {
		unsigned got = ledger_dirty_take(
		    ledger, (enum ledger_table)table, taken, left[table] < 8 ? left[table] : 8);

		for (unsigned i = 0; i < got; i++)
			row_store(stored, ledger, (enum ledger_table)table, taken[i]);
		left[table] -= got;
		pending += left[table];
	}
	stored->horizon = ledger_shard(ledger)->lsn;
	return pending == 0;
}

/* The follower of a shard up to a crash. */
static void follow(struct shards *shards, uint32_t shard, struct stored *stored,
    const struct ledger_config *config, uint64_t crash, uint64_t *random)
{
	struct ledger *ledger = ledger_create(config);
	uint32_t left[LEDGER_TABLE_COUNT];
	struct shard_row begun;
	int running = 0;

	assert_non_null(ledger);
	stored->shard = begun = *ledger_shard(ledger);
	for (uint64_t lsn = 1; lsn <= crash; lsn++) {
		log_apply(shards, shard, ledger, lsn);
		if (running && test_random(random) % 3 == 0 && slice(stored, ledger, left)) {
			stored->shard = begun;
			running = 0;
		} else if (!running && test_random(random) % 30 == 0) {
			begun = *ledger_shard(ledger);
			for (unsigned table = 0; table < LEDGER_TABLE_COUNT; table++)
				left[table] = ledger_dirty_count(ledger, (enum ledger_table)table);
			running = 1;
		}
	}
	ledger_free(ledger);
}

static void crash_once(struct shards *shards, uint32_t shard, uint64_t *random, unsigned *retired)
{
	uint64_t last = ledger_shard(shards->ledger[shard])->lsn;
	uint64_t crash = last / 2 + test_random(random) % (last / 2);
	struct ledger_config config = shards->config[shard];
	struct stored *stored = calloc(1, sizeof(*stored));
	struct ledger *ledger;
	uint64_t from;

	assert_non_null(stored);
	config.track_checkpoint = 1;
	follow(shards, shard, stored, &config, crash, random);
	ledger = stored_load(stored, &config, random);
	/* A batch that holds the checkpoint's LSN is replayed from its first event. */
	from = stored->shard.lsn > 20 ? stored->shard.lsn - test_random(random) % 20 : 0;
	for (uint64_t lsn = from + 1; lsn <= last; lsn++)
		log_apply(shards, shard, ledger, lsn);
	assert_true(ledger_state_hash(ledger) == ledger_state_hash(shards->ledger[shard]));
	assert_true(ledger_state_hash(ledger) == ledger_state_hash_full(ledger));
	for (uint64_t id = 1; id <= STREAM_MARKETS; id++)
		for (int selection = -1; selection < STREAM_SELECTIONS; selection++)
			assert_int_equal(ledger_market_exposure(ledger, id, selection),
			    ledger_market_exposure(shards->ledger[shard], id, selection));
	*retired += stored->retired;
	ledger_free(ledger);
	free(stored);
}

TEST(a_crash_anywhere_and_rows_of_different_times)
{
	uint64_t random = test_seed();
	unsigned retired = 0;

	for (unsigned round = 0; round < 3; round++) {
		struct shards *shards = shards_new(test_random(&random));
		struct shards_stream *stream = shards_stream_new(shards, 0);

		shards->watch = shards_stream_note;
		for (unsigned i = 0; i < 6000; i++)
			shards_stream_step(stream);
		for (uint32_t shard = 0; shard < SHARDS; shard++)
			for (unsigned i = 0; i < 6; i++)
				crash_once(shards, shard, &random, &retired);
		shards_stream_free(stream);
		shards_free(shards);
	}
	assert_true(retired > 0);
}

TEST_MAIN()
