/* SPDX-License-Identifier: Apache-2.0 */
/* Replay: what follower and recovery do with the events of bets that a worker decided. */
#include <stdlib.h>
#include <string.h>

#include "bench/stages/bets.h"
#include "bench/stages/stages.h"
#include "lmdb-schema/log.h"
#include "lmdb-schema/log_index.h"

#define ACCOUNTS  10000ull
#define BALANCE   1000000000000
#define BETS_ROOM (1u << 17)
#define BATCH     (3 * LIMIT_BURST) /* about what a group commit of 16 KiB holds */

struct replay_context {
	struct bets bets; /* the worker's ledger */
	struct ledger *follower;
	uint64_t time_ns, placed;
	uint64_t request_ids[STAGES_TERMINALS];
	struct log_index *index; /* of the follower's whole way */
	uint8_t *block;
	uint32_t block_length, block_count;
	int factors;
	size_t size;
	uint8_t events[BATCH * 512];
};

static void replay_make(struct replay_context *context)
{
	context->bets.ledger = bets_ledger_create(ACCOUNTS, BETS_ROOM, BALANCE, 1);
	context->follower = bets_ledger_create(ACCOUNTS, BETS_ROOM, BALANCE, BETS_FOLLOWER);
	SLUICE_REQUIRE(context->bets.ledger != NULL && context->follower != NULL);
	if (context->factors) {
		bets_factors_set(context->bets.ledger, 0);
		bets_factors_set(context->follower, 0);
	}
	context->time_ns = BETS_START;
	context->placed = 0;
}

static void replay_free(struct replay_context *context)
{
	ledger_free(context->bets.ledger);
	ledger_free(context->follower);
}

static void *context_make(int factors)
{
	struct replay_context *context = stages_alloc(sizeof(*context));

	context->factors = factors;
	context->bets.accounts = ACCOUNTS;
	context->bets.random = STAGES_SEED;
	replay_make(context);
	return context;
}

static void *create_replay(const char *directory)
{
	(void)directory;
	return context_make(0);
}

static void *create_replay_factors(const char *directory)
{
	(void)directory;
	return context_make(1);
}

static void finish_replay(void *opaque)
{
	struct replay_context *context = opaque;

	replay_free(context);
	log_index_free(context->index);
	free(context->block);
	free(context);
}

/* Terminals take turns, each with request ids of its own, one behind the other. */
static void bet_decide(struct replay_context *context, struct wire_request *wire)
{
	uint64_t turn = wire->request_id % STAGES_TERMINALS;
	struct ledger_request request = { .wire = wire, .terminal_id = turn + 1 };
	struct event_buffer event;
	int length;

	wire->request_id = ++context->request_ids[turn];
	length = ledger_decide(context->bets.ledger, &request, context->time_ns, &event);
	bets_apply(context->bets.ledger, &event, length);
	SLUICE_REQUIRE(context->size + (size_t)length <= sizeof(context->events));
	memcpy(context->events + context->size, event.bytes, (size_t)length);
	context->size += (size_t)length;
	context->placed++;
}

/* The batch before is hashed outside of the time: a stage of its own. */
static void prepare_replay(void *opaque)
{
	struct replay_context *context = opaque;

	SLUICE_REQUIRE(
	    ledger_state_hash(context->bets.ledger) == ledger_state_hash(context->follower));
	if (context->placed + BATCH > BETS_ROOM) {
		replay_free(context);
		replay_make(context);
	}
	context->size = 0;
	for (unsigned i = 0; i < BATCH / LIMIT_BURST; i++) {
		context->time_ns += 1000;
		bets_burst_make(&context->bets);
		for (unsigned k = 0; k < LIMIT_BURST; k++)
			bet_decide(context, &context->bets.wires[k]);
	}
}

static inline void batch_apply(struct replay_context *context)
{
	const uint8_t *at = context->events;
	size_t left = context->size;
	struct ledger_ahead ahead;

	ledger_ahead_begin(context->follower, &ahead, at, left);
	while (left > 0) {
		struct event_record record;
		size_t length;

		ledger_ahead_step(context->follower, &ahead);
		memcpy(&record, at, sizeof(record));
		length = le16_get(record.length);
		SLUICE_REQUIRE(ledger_apply(context->follower, at, length) == 0);
		at += length;
		left -= length;
	}
}

STAGE_RUN(replay)
{
	batch_apply(opaque);
}

STAGE_RUN(replay_factors)
{
	batch_apply(opaque);
}

/* ---- the follower's whole way, but for LMDB ---- */

static void log_begin(struct replay_context *context)
{
	log_index_begin(context->index, ledger_shard(context->follower)->lsn + 1);
	context->block_length = context->block_count = 0;
}

static void *follower_make(int factors)
{
	struct replay_context *context = context_make(factors);

	context->index = log_index_create(LOG_RUN_EVENTS);
	SLUICE_REQUIRE(context->index != NULL);
	context->block = stages_alloc(LIMIT_LOG_BLOCK_SIZE);
	log_begin(context);
	return context;
}

static void *create_follower(const char *directory)
{
	(void)directory;
	return follower_make(0);
}

static void *create_follower_factors(const char *directory)
{
	(void)directory;
	return follower_make(1);
}

static void prepare_follower(void *opaque)
{
	struct replay_context *context = opaque;

	prepare_replay(context);
	/* What commit and run would take, and where the ledgers were made anew. */
	if (context->placed == BATCH || log_index_due(context->index))
		log_begin(context);
}

/* As log_writer_append, without the transaction behind it. */
static inline void event_log(
    struct replay_context *context, const struct event_record *record, const uint8_t *event)
{
	size_t length = le16_get(record->length);

	if (context->block_length + length > LOG_BLOCK_ROOM) {
		log_block_seal(context->block, context->block_count, context->block_length);
		context->block_length = context->block_count = 0;
	}
	memcpy(context->block + sizeof(struct log_block_header) + context->block_length, event,
	    length);
	context->block_length += (uint32_t)length;
	context->block_count++;
	log_index_note(context->index, record);
}

/* As the store thread takes a batch (dataplane/store/store_work.c). */
static inline void batch_follow(struct replay_context *context)
{
	const uint8_t *at = context->events;
	size_t left = context->size;
	struct ledger_ahead ahead;

	ledger_ahead_begin(context->follower, &ahead, at, left);
	while (left > 0) {
		struct event_record record;
		size_t length;

		ledger_ahead_step(context->follower, &ahead);
		memcpy(&record, at, sizeof(record));
		length = le16_get(record.length);
		log_index_ahead(context->index, &record);
		SLUICE_REQUIRE(ledger_apply(context->follower, at, length) == 0);
		event_log(context, &record, at);
		at += length;
		left -= length;
	}
	stages_keep(ledger_state_hash(context->follower));
}

STAGE_RUN(follower)
{
	batch_follow(opaque);
}

STAGE_RUN(follower_factors)
{
	batch_follow(opaque);
}

/* clang-format off */
const struct stage stages_replay[] = {
	{ "replay", "bet", "checked and applied by a ledger that did not decide it: the store",
	    create_replay, prepare_replay, stage_run_replay, finish_replay, BATCH, 0, 0, 0, 0 },
	{ "replay_factors", "bet", "the same with rules that look at the risk states",
	    create_replay_factors, prepare_replay, stage_run_replay_factors, finish_replay,
	    BATCH, 0, 0, 0, 0 },
	{ "follower", "bet", "all of it but LMDB: applied, logged, noted, hashed with its batch",
	    create_follower, prepare_follower, stage_run_follower, finish_replay,
	    BATCH, 0, 0, 0, 0 },
	{ "follower_factors", "bet", "the same with rules that look at the risk states",
	    create_follower_factors, prepare_follower, stage_run_follower_factors, finish_replay,
	    BATCH, 0, 0, 0, 0 },
};
/* clang-format on */
const unsigned stages_replay_count = SLUICE_ARRAY_COUNT(stages_replay);
