/* SPDX-License-Identifier: Apache-2.0 */
/* Roots of random streams that may be re-sharded, and the rows of a root. */
#ifndef SLUICE_TESTS_SLUICE_DB_RESHARD_H
#define SLUICE_TESTS_SLUICE_DB_RESHARD_H

#include <inttypes.h>

#include "dataplane/store/rows.h"
#include "tests/sluice-db/backup.h"

#define STEPS 2500

static inline struct shards *ended_make(uint64_t seed)
{
	struct shards *shards = shards_new(seed);
	struct shards_stream *stream = shards_stream_new(shards, 0);
	struct ledger_command none = { .type = EVENT_COMMAND_MARK };
	struct ledger_command rules = { .type = EVENT_RULES_SET };

	for (unsigned i = 0; i < STEPS; i++) {
		shards_stream_step(stream);
		/* What a crash takes of a command on one shard control would send again. */
		for (uint32_t shard = 0; shard < SHARDS; shard++)
			shards_sync(shards, shard);
	}
	shards_stream_finish(stream);
	/* The stream's commands reach one shard and not the other: here all end alike. */
	rules.rules = ledger_shard(shards->ledger[0])->rules;
	rules.rules.version = 1u << 30;
	rules.control_sequence = stream->control_sequence;
	assert_true(shards_command(shards, &rules) > 0);
	/* All have done the same commands: the highest of all, one after the other. */
	for (uint32_t shard = 0; shard < SHARDS; shard++)
		for (none.control_sequence =
		         ledger_shard(shards->ledger[shard])->control_sequence + 1;
		     none.control_sequence <= stream->control_sequence + 1; none.control_sequence++)
			assert_true(shards_command_on(shards, shard, &none) > 0);
	shards->watch = NULL; /* the stream's */
	shards_stream_free(stream);
	return shards;
}

/* Walks that are not done stand against it: they are done. */
static inline void walks_end(struct shards *shards)
{
	for (uint32_t shard = 0; shard < SHARDS; shard++) {
		struct ledger *ledger = shards->ledger[shard];
		const struct market_row_state *market;
		uint32_t row = 0;

		while ((market = ledger_walk_due(ledger, &row)) != NULL) {
			struct ledger_walk walk = { .market_id = market->id };
			struct event_buffer event;
			int length;

			do {
				length =
				    ledger_walk_next(ledger, &walk, 1000, shards->time_ns, &event);
				if (length > 0)
					shards_take(shards, shard, &event, (size_t)length);
			} while (length > 0 || length == -EAGAIN);
			assert_int_equal(length, 0);
			length = ledger_decide_walked(ledger, &walk, shards->time_ns, &event);
			assert_true(length > 0);
			shards_take(shards, shard, &event, (size_t)length);
			row = 0;
		}
	}
}

/*
 * The stream does not send a command again that one shard could not take yet (a result while its
 * walk goes on there), as control would. Where that has left a market behind, another stream is
 * taken: it would rightly stand against it.
 */
static inline int markets_alike(const struct shards *shards)
{
	const struct ledger *first = shards->ledger[0];

	for (uint32_t shard = 1; shard < SHARDS; shard++)
		for (uint32_t i = 0; i < ledger_row_count(first, LEDGER_MARKET); i++) {
			const struct market_row_state *a = ledger_market_at(first, i);
			const struct market_row_state *b =
			    ledger_market(shards->ledger[shard], a->id);

			if (b == NULL || a->version != b->version || a->state != b->state ||
			    memcmp(&a->outcomes, &b->outcomes, sizeof(a->outcomes)) != 0)
				return 0;
		}
	return 1;
}

static inline struct shards *alike_make(uint64_t seed)
{
	for (unsigned i = 0; i < 20; i++) {
		struct shards *shards = ended_make(seed + 1000ull * i);

		walks_end(shards);
		if (markets_alike(shards))
			return shards;
		shards_free(shards);
	}
	fail_msg("no stream of 20 ends with the same markets on all shards");
	return NULL;
}

static inline void root_write(const struct shards *shards, const char *root)
{
	for (uint32_t shard = 0; shard < SHARDS; shard++)
		(void)root_shard_write(
		    shards, shard, root, root_last(shards, shard), 3 + shard, NULL);
}

/* The rows of a root's shard. */
static inline struct ledger *rows_of(const char *root, uint32_t shard, uint32_t shard_count)
{
	struct ledger_config config = {
		.shard = shard,
		.shard_count = shard_count,
		.accounts_max = SHARDS_ROWS * SHARDS,
		.bets_max = SHARDS_ROWS * SHARDS,
		.markets_max = SHARDS_ROWS,
		.terminals_max = SHARDS_ROWS,
		.objects_max = SHARDS_ROWS * SHARDS,
	};
	struct rows_loaded loaded = { 0 };
	struct ledger *ledger;
	struct db_env *env;
	struct db_txn txn;
	char path[200];

	ids_bucket_map_default(&config.buckets, shard_count);
	ledger = ledger_create(&config);
	assert_non_null(ledger);
	snprintf(path, sizeof(path), "%s/var/lib/sluice/shard-%u", root, shard);
	assert_int_equal(schema_rows_open(&env, path, 1), 0);
	assert_int_equal(db_read_open(&txn, env), 0);
	assert_int_equal(db_read_begin(&txn), 0);
	assert_int_equal(rows_load(&txn, ledger, &loaded), 0);
	db_read_close(&txn);
	db_env_close(env);
	return ledger;
}

#endif
