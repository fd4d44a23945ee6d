/* SPDX-License-Identifier: Apache-2.0 */
/* A worker that decides random requests into batches kept in memory, and directories to store them.
 */
#ifndef SLUICE_TESTS_STORE_FIXTURE_H
#define SLUICE_TESTS_STORE_FIXTURE_H

#include <errno.h>
#include <unistd.h>

#include "dataplane/store/store.h"
#include "tests/test.h"

#define WORLD_ACCOUNTS  40u
#define WORLD_MARKETS   6u
#define WORLD_TERMINALS 12u
#define WORLD_TIME      (20000ull * 86400 * 1000000000)
#define WORLD_KRW       410
#define WORLD_BATCHES   20000u

struct world_batch {
	struct journal_batch_header header;
	uint8_t *events;
};

struct world {
	struct ledger_config config;
	struct ledger *ledger; /* the worker's */
	uint64_t random, time_ns, market_version, terminal_version, bets;
	uint64_t cancelled;
	uint64_t bet_ids[1024]; /* some of the bets that were accepted */
	uint64_t next_request[WORLD_TERMINALS];
	struct world_batch *batches;
	uint32_t batch_count;
	/* The open batch. */
	uint8_t *open;
	uint32_t open_size, open_count;
	uint64_t open_first;
};

static inline struct world *world_create(uint64_t seed)
{
	struct world *world = calloc(1, sizeof(*world));

	assert_non_null(world);
	world->config = (struct ledger_config){ .shard_count = 1,
		.accounts_max = 1000,
		.bets_max = 200000,
		.markets_max = 100,
		.terminals_max = 100,
		.objects_max = 20000 };
	ids_bucket_map_default(&world->config.buckets, 1);
	world->ledger = ledger_create(&world->config);
	assert_non_null(world->ledger);
	world->random = seed;
	world->time_ns = WORLD_TIME;
	world->batches = calloc(WORLD_BATCHES, sizeof(*world->batches));
	world->open = malloc(LIMIT_JOURNAL_BATCH_SIZE_MAX);
	for (unsigned i = 0; i < WORLD_TERMINALS; i++)
		world->next_request[i] = 1;
	return world;
}

static inline void world_free(struct world *world)
{
	for (uint32_t i = 0; i < world->batch_count; i++)
		free(world->batches[i].events);
	free(world->batches);
	free(world->open);
	ledger_free(world->ledger);
	free(world);
}

static inline void world_append(struct world *world, const struct event_buffer *event, int length)
{
	assert_true(length > 0);
	assert_int_equal(ledger_apply(world->ledger, event->bytes, (size_t)length), 0);
	assert_true(world->open_size + (uint32_t)length <= LIMIT_JOURNAL_BATCH_SIZE_MAX - 128);
	if (world->open_count == 0)
		world->open_first = ledger_shard(world->ledger)->lsn;
	memcpy(world->open + world->open_size, event->bytes, (size_t)length);
	world->open_size += (uint32_t)length;
	world->open_count++;
}

static inline void world_command(struct world *world, const struct ledger_command *command)
{
	struct event_buffer event;
	int length = ledger_decide_command(world->ledger, command, world->time_ns, &event);

	world_append(world, &event, length);
}

static inline void world_market(struct world *world, uint64_t id)
{
	struct ledger_command command = { .type = EVENT_MARKET_SET, .market_id = id };

	command.market.event_id = le64_make(1);
	command.market.version = le64_make(++world->market_version);
	command.market.start_time_ns = le64_make(WORLD_TIME * 2);
	command.market.state = MARKET_OPEN;
	command.market.kind = MARKET_KIND_1X2;
	command.market.selection_count = 3;
	for (unsigned i = 0; i < 3; i++)
		command.market.odds[i] = le32_make(1500 + 700 * i);
	world_command(world, &command);
}

/* Accounts and markets, as control would send them. */
static inline void world_provision(struct world *world)
{
	for (uint64_t id = 1; id <= WORLD_ACCOUNTS; id++) {
		struct ledger_command command = { .type = EVENT_ACCOUNT_OPEN,
			.account_id = id,
			.amount = 50000000,
			.currency = WORLD_KRW };

		world_command(world, &command);
	}
	for (uint64_t id = 1; id <= WORLD_MARKETS; id++)
		world_market(world, id);
}

/* What control allows a terminal changes in between: an event in its chain without a request. */
static inline void world_allow(struct world *world)
{
	struct ledger_command command = { .type = EVENT_TERMINAL_SET,
		.control_sequence = 1,
		.terminal_id = 1 + test_random(&world->random) % WORLD_TERMINALS };

	command.terminal.version = le64_make(++world->terminal_version);
	command.terminal.rights = le32_make((uint32_t)test_random(&world->random) & RIGHT_ALL);
	command.terminal.blocked = (uint8_t)(test_random(&world->random) % 2);
	command.terminal.daily_max = le64s_make((int64_t)(test_random(&world->random) % 1000000));
	world_command(world, &command);
}

static inline void world_request(struct world *world)
{
	uint64_t terminal = test_random(&world->random) % WORLD_TERMINALS;
	struct wire_request wire = { .request_id = world->next_request[terminal]++ };
	struct ledger_request request = { .wire = &wire, .terminal_id = terminal + 1 };
	uint64_t kind = test_random(&world->random) % 10;
	struct event_record record;
	struct event_buffer event;
	int length;

	world->time_ns += test_random(&world->random) % 1000000000;
	if (test_random(&world->random) % 20 == 0)
		world_allow(world);
	if (kind < 7) {
		wire.template_id = WIRE_PLACE_BET;
		wire.place_bet.account_id = 1 + test_random(&world->random) % WORLD_ACCOUNTS;
		wire.place_bet.stake = (int64_t)(test_random(&world->random) % 5000) + 1000;
		wire.place_bet.deadline_ns = UINT64_MAX;
		wire.place_bet.currency = WORLD_KRW;
		wire.place_bet.odds_policy = ODDS_SAME_OR_BETTER;
		wire.place_bet.leg_count =
		    (uint8_t)(1 + test_random(&world->random) % WORLD_MARKETS);
		for (unsigned i = 0; i < wire.place_bet.leg_count; i++)
			wire.place_bet.legs[i] =
			    (struct wire_leg){ .market_id = i + 1, .odds = 1500, .selection = 0 };
	} else if (kind < 9) {
		wire.template_id = WIRE_CANCEL_BET;
		wire.cancel_bet.bet_id = world->bet_ids[test_random(&world->random) % 1024];
		wire.cancel_bet.deadline_ns = UINT64_MAX;
	} else {
		wire.template_id = WIRE_DEPOSIT;
		wire.deposit.account_id = 1 + test_random(&world->random) % WORLD_ACCOUNTS;
		wire.deposit.amount = 10000;
		wire.deposit.deadline_ns = UINT64_MAX;
		wire.deposit.currency = WORLD_KRW;
	}
	length = ledger_decide(world->ledger, &request, world->time_ns, &event);
	world_append(world, &event, length);
	memcpy(&record, event.bytes, sizeof(record));
	if (le16_get(record.code) == WIRE_CODE_OK && le16_get(record.type) == EVENT_PLACE_BET)
		world->bet_ids[world->bets++ % 1024] = le64_get(record.object_id);
	world->cancelled +=
	    le16_get(record.code) == WIRE_CODE_OK && le16_get(record.type) == EVENT_CANCEL_BET;
}

/* Closes the open batch as the journal would; checksums are the journal's business. */
static inline const struct world_batch *world_close(struct world *world)
{
	struct world_batch *batch = &world->batches[world->batch_count++];

	assert_true(world->batch_count < WORLD_BATCHES);
	batch->events = malloc(world->open_size);
	memcpy(batch->events, world->open, world->open_size);
	batch->header = (struct journal_batch_header){
		.first_lsn = le64_make(world->open_first),
		.incarnation = le64_make(77),
		.event_count = le32_make(world->open_count),
		.body_length = le32_make(world->open_size),
		.time_ns = le64_make(world->time_ns),
		.state_hash = le64_make(ledger_state_hash(world->ledger)),
	};
	world->open_size = world->open_count = 0;
	return batch;
}

static inline const struct world_batch *world_batch(struct world *world, unsigned events)
{
	for (unsigned i = 0; i < events; i++)
		world_request(world);
	return world_close(world);
}

static inline int world_store(struct store *store, const struct world_batch *batch)
{
	struct journal_batch view = { .header = batch->header, .events = batch->events };

	return store_apply_batch(store, &view);
}

/* What recovery does: every batch that reaches past the checkpoint, up to batch `count`. */
static inline void world_replay(
    struct world *world, struct store *store, uint64_t from_lsn, uint32_t count)
{
	for (uint32_t i = 0; i < count; i++) {
		const struct world_batch *batch = &world->batches[i];
		uint64_t last =
		    le64_get(batch->header.first_lsn) + le32_get(batch->header.event_count) - 1;

		if (last > from_lsn)
			assert_int_equal(world_store(store, batch), 0);
	}
}

static inline void directory_make(char path[64])
{
	memcpy(path, "/var/tmp/sluice-store-XXXXXX", sizeof("/var/tmp/sluice-store-XXXXXX"));
	assert_non_null(mkdtemp(path));
}

static inline void directory_remove(const char *path)
{
	char command[160];

	snprintf(command, sizeof(command), "rm -rf '%s'", path);
	assert_int_equal(system(command), 0);
}

/* What a kill at this moment leaves. */
static inline void directory_copy(const char *from, const char *to)
{
	char command[256];

	snprintf(command, sizeof(command), "cp -r '%s'/. '%s'", from, to);
	assert_int_equal(system(command), 0);
}

static inline struct store_config store_config_of(const struct world *world, const char *directory)
{
	return (struct store_config){
		.directory = directory, .ledger = world->config, .checkpoint_interval_ms = 1
	};
}

static inline struct store *store_start(
    const struct store_config *config, struct store_report *report)
{
	struct store *store = NULL;
	int error = store_open(&store, config, report);

	if (error != 0)
		fail_msg("store_open: %d %s", error, report->message);
	error = store_load(store, report);
	if (error != 0)
		fail_msg("store_load: %d %s", error, report->message);
	return store;
}

/* Started, with the world's markets and accounts in it. */
static inline struct store *store_provisioned(
    struct world *world, const struct store_config *config, struct store_report *report)
{
	struct store *store = store_start(config, report);

	world_provision(world);
	assert_int_equal(world_store(store, world_close(world)), 0);
	return store;
}

static inline uint64_t store_hash(struct store *store)
{
	struct ledger *copy;
	uint64_t hash;

	/* The follower's ledger is the store's; hash a copy of it. */
	struct ledger_config config = { .shard_count = 1,
		.accounts_max = 1000,
		.bets_max = 200000,
		.markets_max = 100,
		.terminals_max = 100,
		.objects_max = 20000 };
	ids_bucket_map_default(&config.buckets, 1);
	copy = ledger_create(&config);
	assert_non_null(copy);
	assert_int_equal(ledger_copy(copy, store_ledger(store)), 0);
	hash = ledger_state_hash(copy);
	ledger_free(copy);
	return hash;
}

#endif
